"""The log as a file that one process appends to. Edge; blocking; used by one thread at a time.

Order of every append: is it still our file → write → fsync → is it still our file → the caller may believe it.
What failed half way is cut off again before the next append, so no number is ever used twice (A34).
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from enum import Enum
from hashlib import sha256
from pathlib import Path

from sidecar.audit.chain import LINE_LIMIT, BrokenLine, Flaw, unseal
from sidecar.audit.verify import Report, Tail, before, verify
from sidecar.errors import ConfigError, Problem

END_BYTES = 4 << 20


class StartCheck(Enum):
    """How much of the log is verified at start-up."""

    WHOLE = "whole"  # every line, about 15,000 a second on one core
    END = "end"  # the last 4 MiB; the rest is left to ``sidecar audit verify``


class LogTampered(Exception):
    """The file under the path is no longer the one that was written (A8). Holds no content."""


class LogFile:
    """Owns the descriptor and its exclusive lock."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1
        self._size = 0
        self._unfinished = 0  # bytes of a failed append that may stand behind the good ones

    def open(self, check: StartCheck) -> tuple[Tail, tuple[int, ...]]:
        """Lock and verify; return the tail and the sizes of torn ends not yet on record. Raises ConfigError."""
        try:
            self._acquire()
            report = self._verified(check)
            if report.finding is not None:
                self._set_aside(report.tail)
            self._size = report.tail.size
            return report.tail, self._torn_sizes(report.tail.next_seq)
        except OSError as error:
            self.close()
            remedy = "Give a path on a writable local file system, in a folder that the sidecar may write to"
            raise ConfigError((self._problem(f"can't be opened ({_cause(error)})", remedy),)) from None
        except ConfigError:
            self.close()
            raise

    def append(self, data: bytes) -> None:
        """Make the bytes durable. Raises OSError (nothing is believed) or LogTampered."""
        self._cut_unfinished()
        self.check()
        self._unfinished = len(data)
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]
        os.fsync(self._descriptor)
        self._size += len(data)
        self._unfinished = 0
        self.check()

    def check(self) -> None:
        """Raise LogTampered unless the path still leads to our file, unlinked by nobody, of the size we left."""
        ours = os.fstat(self._descriptor)
        try:
            there = self._path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            raise LogTampered("the file was deleted or renamed") from None
        if (ours.st_dev, ours.st_ino) != (there.st_dev, there.st_ino):
            raise LogTampered("another file was put in its place")
        if not self._size <= ours.st_size <= self._size + self._unfinished:
            raise LogTampered("the file was cut or written to by another hand")

    def close(self) -> None:
        """Release the lock. Safe to call twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _acquire(self) -> None:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._descriptor = os.open(self._path, flags, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                (self._problem("another process writes to this log", "Stop it, or give each process its own log"),)
            ) from None
        _sync_folder(self._path.parent)  # the name itself must survive a power cut

    def _verified(self, check: StartCheck) -> Report:
        offset, start = self._end_start() if check is StartCheck.END else (0, Tail())
        report = verify(lambda: read_lines(self._path, offset), start)
        if report.finding is not None and report.finding.flaw is not Flaw.TORN:
            remedy = "Keep the file as evidence, look at it with `sidecar audit verify`, and start with a new path"
            place = "" if offset == 0 else f"from byte {offset} on, "
            raise ConfigError((self._problem(f"the log is broken: {place}{report.finding}", remedy),))
        return report

    def _end_start(self) -> tuple[int, Tail]:
        """Return where the first whole line of the end begins, and what it says it continues."""
        offset = max(0, os.fstat(self._descriptor).st_size - END_BYTES)
        if offset == 0:
            return 0, Tail()
        lines = read_lines(self._path, offset)
        offset += len(next(lines))
        try:
            return offset, before(unseal(next(lines)), offset)
        except (BrokenLine, StopIteration):
            return 0, Tail()  # the check of the whole names what is wrong

    def _set_aside(self, tail: Tail) -> None:
        """Move a torn end to a side file. Each step may be repeated after a crash (A33)."""
        size = os.fstat(self._descriptor).st_size
        torn = os.pread(self._descriptor, size - tail.size, tail.size)
        digest = sha256(torn).hexdigest()[:12]
        side = self._path.with_name(f"{self._path.name}.torn-{tail.next_seq}-{digest}")
        descriptor = os.open(side, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(torn)
            stream.flush()
            os.fsync(descriptor)
        _sync_folder(self._path.parent)
        os.ftruncate(self._descriptor, tail.size)
        os.fsync(self._descriptor)

    def _torn_sizes(self, next_seq: int) -> tuple[int, ...]:
        """A side file named for the next record has no record yet: its record would bear that number."""
        sides = self._path.parent.glob(f"{self._path.name}.torn-{next_seq}-*")
        return tuple(side.stat().st_size for side in sorted(sides))

    def _cut_unfinished(self) -> None:
        if self._unfinished:
            self.check()
            os.ftruncate(self._descriptor, self._size)
            os.fsync(self._descriptor)
            self._unfinished = 0

    def _problem(self, message: str, remedy: str) -> Problem:
        return Problem(f"audit log {self._path}", message, remedy)


def read_lines(path: Path, offset: int = 0) -> Iterator[bytes]:
    """Yield lines with their newlines from an offset; a longer one than any record comes in pieces."""
    with path.open("rb") as stream:
        stream.seek(offset)
        while line := stream.readline(LINE_LIMIT + 1):
            yield line


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _cause(error: OSError) -> str:
    return os.strerror(error.errno or 0)
