"""Where keys of epochs are kept: outside the database, so that a copy of the key table opens nothing by itself.

A service of a cloud destroys keys days after it was told to, and lets somebody take that back meanwhile (E43). So
destruction is ordered and then looked at, never taken for done. ``FileKms`` stands in for one: a folder on a volume of
its own, with the same delays if wished.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final, Protocol, TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sidecar.disk import sync_folder
from sidecar.errors import ConfigError, KeyMaterialError, Problem, StoreUnavailable

KeyResult = TypeVar("KeyResult")

_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12


class KeyStatus(StrEnum):
    """Whether a key can still open anything, now or one day."""

    ENABLED = "enabled"
    PENDING = "pending"  # its destruction is ordered, and can be taken back until then
    DESTROYED = "destroyed"


@dataclass(frozen=True, slots=True)
class KeyState:
    """``until``: when a pending destruction is carried out."""

    status: KeyStatus
    until: datetime | None = None


class Kms(Protocol):
    """Keeps wrapping keys. Raises ``StoreUnavailable`` when it can't be asked."""

    async def create(self) -> str:
        """Make a key, durably, and return its name."""

    async def wrap(self, name: str, data: bytes, bound: str) -> bytes:
        """Encrypt a key; ``bound`` must be the same when it is opened. Raises ``KeyMaterialError`` if it is no more."""

    async def unwrap(self, name: str, wrapped: bytes, bound: str) -> bytes:
        """Return what was wrapped. Raises ``KeyMaterialError`` if the key is destroyed, or about to be, or another."""

    async def destroy(self, name: str) -> None:
        """Order a key's destruction. May be called again."""

    async def state(self, name: str) -> KeyState: ...


class FileKms:
    """Implements ``Kms`` by a folder: a file for each key, readable by us alone.

    A destroyed key's file is overwritten, synced and removed. Snapshots of the volume and copy-on-write file systems
    keep what was there; put the folder on neither. It must be in no backup that the key table is in.
    """

    def __init__(
        self,
        folder: Path,
        pending: timedelta,
        clock: Callable[[], datetime],
    ) -> None:
        if not folder.is_dir():
            problem = Problem("erasure.subject_keys.folder", f"no folder {folder}", "Create it, on a volume of its own")
            raise ConfigError((problem,))
        self._folder = folder
        self._pending = pending
        self._clock = clock

    async def create(self) -> str:
        name = secrets.token_hex(16)
        await self._call(lambda: self._write(name, {"key": secrets.token_hex(_KEY_BYTES)}))
        return name

    async def wrap(self, name: str, data: bytes, bound: str) -> bytes:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + AESGCM(await self._key(name)).encrypt(nonce, data, bound.encode())

    async def unwrap(self, name: str, wrapped: bytes, bound: str) -> bytes:
        key = await self._key(name)
        try:
            return AESGCM(key).decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], bound.encode())
        except (InvalidTag, ValueError):
            raise KeyMaterialError("a wrapped key does not open: it is another person's, or was changed") from None

    async def destroy(self, name: str) -> None:
        await self._call(lambda: self._order(name))

    async def state(self, name: str) -> KeyState:
        return await self._call(lambda: self._state(name))

    async def cancel(self, name: str) -> None:
        """Take a pending destruction back, as somebody may in the console of a cloud."""
        await self._call(lambda: self._write(name, {"key": self._read(name)["key"]}))

    async def _key(self, name: str) -> bytes:
        state = await self.state(name)
        if state.status is not KeyStatus.ENABLED:
            raise KeyMaterialError(f"the wrapping key is {state.status.value}")
        return bytes.fromhex((await self._call(lambda: self._read(name)))["key"])

    async def _call(self, call: Callable[[], KeyResult]) -> KeyResult:
        try:
            return await asyncio.to_thread(call)
        except OSError as error:
            raise StoreUnavailable(f"the folder of wrapping keys: {error.strerror}") from None
        except ValueError:  # no JSON: damaged, which must not pass for a key that was destroyed
            raise StoreUnavailable("the folder of wrapping keys holds one that can't be read") from None

    def _order(self, name: str) -> None:
        if self._state(name).status is KeyStatus.ENABLED:
            due = self._clock() + self._pending
            self._write(name, {"key": self._read(name)["key"], "destroy_at": due.isoformat()})
            self._state(name)

    def _state(self, name: str) -> KeyState:
        """Return a key's state; one whose time has come is destroyed on the way."""
        if not self._path(name).exists():
            self._folder.stat()  # a volume that is not mounted has destroyed nothing
            return KeyState(KeyStatus.DESTROYED)
        due = self._read(name).get("destroy_at")
        if due is None:
            return KeyState(KeyStatus.ENABLED)
        until = datetime.fromisoformat(due)
        if until > self._clock():
            return KeyState(KeyStatus.PENDING, until)
        # Still with its time: killed before the file is removed, it must not look like a key that somebody took back.
        self._write(name, {"key": secrets.token_hex(_KEY_BYTES), "destroy_at": due})
        self._path(name).unlink()
        sync_folder(self._folder)
        return KeyState(KeyStatus.DESTROYED)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.key"

    def _read(self, name: str) -> dict[str, str]:
        found: dict[str, str] = json.loads(self._path(name).read_text(encoding="ascii"))
        return found

    def _write(self, name: str, content: dict[str, str]) -> None:
        """Write in place, so that the bytes that stood there are written over. A torn write is a key that is lost.

        In one call, with spaces up to the old end: killed before the file was cut, it would be read as neither.
        """
        descriptor = os.open(self._path(name), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            data = json.dumps(content).encode("ascii").ljust(os.fstat(descriptor).st_size)
            if os.write(descriptor, data) != len(data):
                raise OSError(errno.ENOSPC, "a wrapping key was not written whole")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        sync_folder(self._folder)
