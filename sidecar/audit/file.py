"""The newest segment as a file that one process appends to. Edge; blocking; used by one thread at a time.

Order of every append: is it still our file → write → fsync → is it still our file → the caller may believe it.
What failed half way is cut off again before the next append, so no number is ever used twice (A34).
"""

from __future__ import annotations

import os
from pathlib import Path


class LogTampered(Exception):
    """A file of the log is no longer the one that was written (A8). Holds no content."""


class SegmentFile:
    """Owns the descriptor of the segment that is appended to."""

    def __init__(self, path: Path) -> None:
        self._name = os.fspath(path)
        self._descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW)
        status = os.fstat(self._descriptor)
        self.size, self._changed_ns = status.st_size, status.st_mtime_ns
        self._unfinished = 0  # bytes of a failed append that may stand behind the good ones

    def append(self, data: bytes) -> None:
        """Make the bytes durable. Raises OSError (nothing is believed) or LogTampered."""
        self.check()
        if self._unfinished:
            self._cut_unfinished()
        self._unfinished = len(data)
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]
        os.fsync(self._descriptor)
        self.size += len(data)
        self._unfinished = 0
        self._changed_ns = os.fstat(self._descriptor).st_mtime_ns
        self.check()

    def check(self) -> None:
        """Raise LogTampered unless the path still leads to our file, unlinked and written to by nobody but us."""
        ours = os.fstat(self._descriptor)
        try:
            there = os.lstat(self._name)
        except (FileNotFoundError, NotADirectoryError):
            raise LogTampered("a segment was deleted or renamed") from None
        if (ours.st_dev, ours.st_ino) != (there.st_dev, there.st_ino):
            raise LogTampered("another file was put in the place of a segment")
        if not self.size <= ours.st_size <= self.size + self._unfinished:
            raise LogTampered("a segment was cut or written to by another hand")
        if not self._unfinished and ours.st_mtime_ns != self._changed_ns:
            raise LogTampered("a segment was written to by another hand, at the size that it had")

    def close(self) -> None:
        """Safe to call twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _cut_unfinished(self) -> None:
        os.ftruncate(self._descriptor, self.size)
        os.fsync(self._descriptor)
        self._unfinished = 0
        self._changed_ns = os.fstat(self._descriptor).st_mtime_ns
