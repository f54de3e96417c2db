"""A file of sealed lines that is appended to: what is in it was fsynced before anybody was told so.

Each line is base64 of nonce and AES-256-GCM ciphertext, bound to its number, so that lines can't be swapped, copied or
left out unseen. A last line without its end was never acknowledged, and is cut off. Anything else that does not open
is damage, and refused: guessing would forget somebody.

What must not stay is *blanked*: a line that names the numbers of those that go is appended and fsynced, then they are
overwritten where they stand. Killed in between, the next reading overwrites them once more; a blank that no such line
names is damage. So forgetting costs what is forgotten, and not the file.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import fcntl
import json
import logging
import os
import secrets
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sidecar.disk import sync_folder
from sidecar.errors import ConfigError, KeyMaterialError, Problem, StoreUnavailable
from sidecar.stores.line_bytes import AT_ONCE_BYTES, lines_of, write_all, write_all_at

_NONCE_BYTES: Final = 12
_FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
_IN_PLACE: Final = os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW
_BLANK: Final = b"-"  # base64 has none
_NAMES_BLANKS: Final = b"\0blanks "  # no entry begins so
_log = logging.getLogger("sidecar.erasure")


@dataclass(slots=True)
class JournalFile:
    """One file, one writer. ``open``, then ``read`` to its end, before use. Blocking: call it off the event loop.

    ``former_keys`` open lines from before a rotation of the master key; none is written under them. In memory there is
    where each line begins, eight bytes each. ``former``: whether a line was opened by a former key.
    """

    path: Path
    key: bytes = field(repr=False)
    former_keys: tuple[bytes, ...] = field(default=(), repr=False)
    former: bool = False
    _descriptor: int | None = None
    _starts: array[int] = field(default_factory=lambda: array("Q"))
    _size: int = 0
    _is_name_durable: bool = True

    def open(self) -> None:
        """Take the file for us alone, and cut off what was never acknowledged. Raises ``ConfigError``."""
        try:
            self._descriptor = os.open(self.path, _FLAGS, 0o600)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._new.unlink(missing_ok=True)  # of a rewriting that was killed: nobody would blank anything in it
            sync_folder(self.path.parent)
            self._starts, self._size = lines_of(self._descriptor)
            if self._size != os.fstat(self._descriptor).st_size:
                os.ftruncate(self._descriptor, self._size)
                os.fsync(self._descriptor)
        except BlockingIOError:
            self.close()
            message, remedy = f"{self.path} is another process's", "Give every replica a journal of its own"
            raise ConfigError((Problem("erasure.journal", message, remedy),)) from None
        except OSError as error:
            message, remedy = f"{self.path} can't be opened ({error.strerror})", "Give the sidecar's user write access"
            raise ConfigError((Problem("erasure.journal", message, remedy),)) from None

    def read(self) -> Iterator[tuple[int, bytes]]:
        """Yield numbered entries in their order; what was blanked is left out, or comes before what says so.

        Raises ``KeyMaterialError`` at the end if there is damage, and ``StoreUnavailable``.
        """
        closed: list[int] = []
        blanked: set[int] = set()
        self.former = False
        for number in range(len(self._starts)):
            entry = self._opened(number)
            if entry is None:
                closed.append(number)
            elif entry.startswith(_NAMES_BLANKS):
                blanked.update(json.loads(entry.removeprefix(_NAMES_BLANKS)))
            else:
                yield number, entry
        for number in closed:
            if number not in blanked:
                raise _damaged(number)
        if blanked and max(blanked) >= len(self._starts):  # nobody blanks what is not there
            raise _damaged(max(blanked))
        self._overwrite([number for number in sorted(blanked) if self._line(number).strip(_BLANK)])

    def entry(self, number: int) -> bytes:
        """Return one entry. Raises ``KeyMaterialError`` and ``StoreUnavailable``."""
        entry = self._opened(number)
        if entry is None:
            raise _damaged(number)
        return entry

    def length(self, number: int) -> int:
        """Return how many bytes a line has in the file, its end among them."""
        following = number + 1
        return (self._starts[following] if following < len(self._starts) else self._size) - self._starts[number]

    @property
    def size(self) -> int:
        """How many bytes the file has."""
        return self._size

    def append(self, *entries: bytes) -> int:
        """Make entries durable, all or none; return the number of the first.

        Raises ``StoreUnavailable``, with the file as it was before.
        """
        first = len(self._starts)
        lines = [self._sealed(first + number, entry) for number, entry in enumerate(entries)]
        try:
            if self._descriptor is None:
                raise StoreUnavailable("the journal of erasures is not open")
            _require_same(self.path.stat() if self.path.exists() else None, self._descriptor)
            self._sync_name()
            write_all(self._descriptor, b"".join(lines))
            os.fsync(self._descriptor)
        except OSError:
            self._take_back()
            raise StoreUnavailable("the journal of erasures can't be written") from None
        for line in lines:
            self._starts.append(self._size)
            self._size += len(line)
        return first

    def blank(self, numbers: Sequence[int], *entries: bytes) -> int:
        """Append entries, and leave nothing of the lines with these numbers; return the number of the first entry.

        Raises ``StoreUnavailable``: then do it once more; a blank line may be blanked again.
        """
        first = self.append(*entries, _NAMES_BLANKS + json.dumps(sorted(numbers)).encode("ascii"))
        self._overwrite(numbers)
        return first

    def rewrite(self, entries: Iterable[bytes]) -> None:
        """Put other entries in place of all there are, whole or not at all; the old bytes are gone from the file.

        ``entries`` may be read from the file meanwhile. Raises ``StoreUnavailable``, with the file as it was before.
        """
        try:
            descriptor = os.open(self._new, _FLAGS | os.O_TRUNC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                starts, size = self._write_lines(descriptor, entries)
                os.fsync(descriptor)
                self._new.rename(self.path)
            except BaseException:
                os.close(descriptor)
                self._new.unlink(missing_ok=True)
                raise
            # By now the name is that of the new file: whatever fails from here on, lines must not go to the old one.
            former, self._descriptor = self._descriptor, descriptor
            self._starts, self._size, self.former = starts, size, False
            self._is_name_durable = False
            if former is not None:
                os.close(former)
        except OSError:
            raise StoreUnavailable("the journal of erasures can't be rewritten") from None
        with contextlib.suppress(OSError):  # then the next line waits for it: a power cut would bring the old file back
            self._sync_name()

    def _sync_name(self) -> None:
        """Make it durable that the file of this name is ours. Raises OSError."""
        if not self._is_name_durable:
            sync_folder(self.path.parent)
            self._is_name_durable = True

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    @property
    def _new(self) -> Path:
        return self.path.with_name(self.path.name + ".new")

    def _write_lines(self, descriptor: int, entries: Iterable[bytes]) -> tuple[array[int], int]:
        starts, size, waiting = array("Q"), 0, bytearray()
        for number, entry in enumerate(entries):
            line = self._sealed(number, entry)
            starts.append(size)
            size += len(line)
            waiting += line
            if len(waiting) >= AT_ONCE_BYTES:
                write_all(descriptor, bytes(waiting))
                waiting.clear()
        write_all(descriptor, bytes(waiting))
        return starts, size

    def _overwrite(self, numbers: Sequence[int]) -> None:
        """Overwrite lines where they stand, but for their ends, so that all others keep their numbers."""
        if not numbers:
            return
        try:
            if self._descriptor is None:
                raise StoreUnavailable("the journal of erasures is not open")
            in_place = os.open(self.path, _IN_PLACE)  # ours is one that only appends
            try:
                _require_same(os.fstat(in_place), self._descriptor)
                for number in numbers:
                    write_all_at(in_place, _BLANK * (self.length(number) - 1), self._starts[number])
                os.fsync(in_place)
            finally:
                os.close(in_place)
        except OSError:
            raise StoreUnavailable("the journal of erasures can't be written") from None

    def _take_back(self) -> None:
        """Cut off what of a line may have been written. If even that fails, nothing more is taken until a restart."""
        if self._descriptor is None:
            return
        try:
            os.ftruncate(self._descriptor, self._size)
            os.fsync(self._descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                self.close()
            self._descriptor = None

    def _sealed(self, number: int, entry: bytes) -> bytes:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return base64.b64encode(nonce + AESGCM(self.key).encrypt(nonce, entry, _bound(number))) + b"\n"

    def _line(self, number: int) -> bytes:
        try:
            if self._descriptor is None:
                raise StoreUnavailable("the journal of erasures is not open")
            return os.pread(self._descriptor, self.length(number) - 1, self._starts[number])
        except OSError:
            raise StoreUnavailable("the journal of erasures can't be read") from None

    def _opened(self, number: int) -> bytes | None:
        """Return an entry; None where the line does not open."""
        line = self._line(number)
        if line.startswith(_BLANK):
            return None
        try:
            data, bound = base64.b64decode(line, validate=True), _bound(number)
        except (ValueError, binascii.Error):
            return None
        for key in (self.key, *self.former_keys):
            with contextlib.suppress(InvalidTag, ValueError):
                entry = AESGCM(key).decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], bound)
                self.former |= key != self.key
                return entry
        return None


def _damaged(number: int) -> KeyMaterialError:
    return KeyMaterialError(
        f"line {number + 1} of the journal of erasures does not open: the master key is not the one it was"
        " written with, or the file was changed. Put back the key, or a copy of the file"
    )


def _bound(number: int) -> bytes:
    return f"erasure-journal/1 {number}".encode()


def _require_same(named: os.stat_result | None, descriptor: int) -> None:
    """Raise ``StoreUnavailable`` unless the file of that name is ours: no start would read what we wrote to another."""
    if named is None or not os.path.samestat(named, os.fstat(descriptor)):
        _log.critical("the journal of erasures was taken away while it was written to: put it back, and restart")
        raise StoreUnavailable("the journal of erasures was taken away")
