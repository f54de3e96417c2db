"""An append-only file of sealed lines: what is in it was fsynced before anybody was told so.

Each line is base64 of nonce and AES-256-GCM ciphertext, bound to its number, so that lines can't be swapped, copied or
left out unseen. A last line without its end was never acknowledged, and is cut off. Anything else that does not open
is damage, and refused: guessing would forget somebody.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import fcntl
import os
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sidecar.errors import ConfigError, KeyMaterialError, Problem, StoreUnavailable

_NONCE_BYTES: Final = 12
_FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW


@dataclass(slots=True)
class JournalFile:
    """One file, one writer. ``open`` before use. Blocking: call it off the event loop.

    ``former_keys`` open lines from before a rotation of the master key; none is written under them.
    """

    path: Path
    key: bytes = field(repr=False)
    former_keys: tuple[bytes, ...] = field(default=(), repr=False)
    _descriptor: int | None = None
    _lines: int = 0
    _size: int = 0

    def open(self) -> list[bytes]:
        """Return what the file holds, in order. Raises ``ConfigError`` or ``KeyMaterialError``."""
        try:
            self._descriptor = os.open(self.path, _FLAGS, 0o600)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _sync_folder(self.path.parent)
            data = self.path.read_bytes()
            whole = data[: data.rfind(b"\n") + 1]
            if len(whole) != len(data):
                os.ftruncate(self._descriptor, len(whole))
                os.fsync(self._descriptor)
        except BlockingIOError:
            self.close()
            message, remedy = f"{self.path} is another process's", "Give every replica a journal of its own"
            raise ConfigError((Problem("erasure.journal", message, remedy),)) from None
        except OSError as error:
            message, remedy = f"{self.path} can't be opened ({error.strerror})", "Give the sidecar's user write access"
            raise ConfigError((Problem("erasure.journal", message, remedy),)) from None
        entries = list(self._opened(whole.splitlines()))
        self._lines, self._size = len(entries), len(whole)
        return entries

    def append(self, *entries: bytes) -> None:
        """Make entries durable, all or none. Raises ``StoreUnavailable``, with the file as it was before."""
        line = b"".join(self._sealed(self._lines + number, entry) for number, entry in enumerate(entries))
        try:
            if self._descriptor is None:
                raise StoreUnavailable("the journal of erasures is not open")
            _write_all(self._descriptor, line)
            os.fsync(self._descriptor)
        except OSError:
            self._take_back()
            raise StoreUnavailable("the journal of erasures can't be written") from None
        self._lines += len(entries)
        self._size += len(line)

    def rewrite(self, entries: Iterable[bytes]) -> None:
        """Put other entries in place of all there are, whole or not at all; the old bytes are gone from the file."""
        new = self.path.with_name(self.path.name + ".new")
        lines = [self._sealed(number, entry) for number, entry in enumerate(entries)]
        try:
            descriptor = os.open(new, _FLAGS | os.O_TRUNC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                _write_all(descriptor, b"".join(lines))
                os.fsync(descriptor)
                new.rename(self.path)
            except OSError:
                os.close(descriptor)
                raise
            # By now the name is that of the new file: whatever fails from here on, lines must not go to the old one.
            former, self._descriptor = self._descriptor, descriptor
            self._lines, self._size = len(lines), sum(map(len, lines))
            try:
                _sync_folder(self.path.parent)
            finally:
                if former is not None:
                    os.close(former)
        except OSError:
            raise StoreUnavailable("the journal of erasures can't be rewritten") from None

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

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

    def _opened(self, lines: list[bytes]) -> Iterator[bytes]:
        for number, line in enumerate(lines):
            try:
                data = base64.b64decode(line, validate=True)
                yield self._decrypted(data, number)
            except (InvalidTag, ValueError, binascii.Error):
                raise KeyMaterialError(
                    f"line {number + 1} of the journal of erasures does not open: the master key is not the one it was"
                    " written with, or the file was changed. Put back the key, or a copy of the file"
                ) from None

    def _decrypted(self, data: bytes, number: int) -> bytes:
        nonce, sealed, bound = data[:_NONCE_BYTES], data[_NONCE_BYTES:], _bound(number)
        for key in self.former_keys:
            with contextlib.suppress(InvalidTag):
                return AESGCM(key).decrypt(nonce, sealed, bound)
        return AESGCM(self.key).decrypt(nonce, sealed, bound)


def _bound(number: int) -> bytes:
    return f"erasure-journal/1 {number}".encode()


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
