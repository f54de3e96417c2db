"""An anchor in a folder elsewhere: another disk, a network share, a volume that the sidecar may only add to.

One file for each checkpoint, ``<origin>/<size in 20 digits>.note``, as a signed note that any tool reads. A file that
is there is never written again.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from sidecar.audit.anchors.anchor import AnchorConflict, AnchorUnavailable, Held, Offer, name_of, place_of
from sidecar.audit.note import Note, NoteInvalid, parse_note
from sidecar.disk import sync_folder

_SUFFIX = ".note"


class FileAnchor:
    """Implements ``Anchor``. The folder itself must exist: one that is not mounted must not be made up."""

    def __init__(self, name: str, folder: Path) -> None:
        self._name = name
        self._folder = folder

    @property
    def name(self) -> str:
        return self._name

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        pass

    async def publish(self, offer: Offer) -> None:
        await asyncio.to_thread(self._publish, offer)

    async def latest(self, origin: str) -> Held | None:
        note = await asyncio.to_thread(self._latest, origin)
        return Held(self._name, note) if note is not None else None

    async def holds(self, offer: Offer) -> bool:
        """Whether this very checkpoint is held. Raises AnchorConflict if another one of its size is."""
        return await asyncio.to_thread(self._holds, self._path_of(offer), offer)

    def _holds(self, path: Path, offer: Offer) -> bool:
        if not path.exists():
            return False
        if self._read(path).text != offer.note.text:
            raise AnchorConflict(f"anchor {self._name} holds another checkpoint of this size")
        return True

    def _path_of(self, offer: Offer) -> Path:
        checkpoint = offer.checkpoint
        return self._folder / place_of(checkpoint.origin) / name_of(checkpoint.size)

    def _publish(self, offer: Offer) -> None:
        path = self._path_of(offer)
        folder = path.parent
        try:
            if not folder.is_dir():
                folder.mkdir(0o755)
                sync_folder(self._folder)
            _write_new(path, str(offer.note).encode())
        except FileExistsError:
            self._holds(path, offer)
        except OSError as error:
            raise self._unavailable(error) from None

    def _latest(self, origin: str) -> Note | None:
        try:
            if not self._folder.is_dir():
                raise AnchorUnavailable(f"anchor {self._name}: no folder")
            names = [entry.name for entry in os.scandir(self._folder / place_of(origin))]
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unavailable(error) from None
        newest = max((name for name in names if name.endswith(_SUFFIX)), default=None)
        return self._read(self._folder / place_of(origin) / newest) if newest else None

    def _read(self, path: Path) -> Note:
        try:
            return parse_note(path.read_bytes())
        except OSError as error:
            raise self._unavailable(error) from None
        except NoteInvalid:
            raise AnchorUnavailable(f"anchor {self._name}: {path.name} is no signed note") from None

    def _unavailable(self, error: OSError) -> AnchorUnavailable:
        return AnchorUnavailable(f"anchor {self._name}: {os.strerror(error.errno or 0)}")


def _write_new(path: Path, data: bytes) -> None:
    """Write a file whole and durably, or leave none of its name; FileExistsError if there is one already."""
    half = path.with_name(f".{path.name}.{os.getpid()}.half")
    try:
        descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o444)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(descriptor)
        os.link(half, path)  # unlike a rename, never in place of another
    finally:
        half.unlink(missing_ok=True)
    sync_folder(path.parent)
