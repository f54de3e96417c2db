"""The folder of the log that this process writes: its lock, its segments, and whether they are still as we left them.

Edge; blocking. Nothing here knows what stands in a segment.
"""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path
from time import monotonic, sleep
from typing import NamedTuple

from sidecar.audit.file import LogTampered, SegmentFile
from sidecar.audit.note import Note
from sidecar.audit.store import (
    CHECKPOINT_NAME,
    LOCK_NAME,
    key_path,
    require_folder,
    segment_path,
)
from sidecar.disk import sync_folder, write_whole
from sidecar.errors import ConfigError, Problem

_AGAIN_SECONDS = 0.05


class _Look(NamedTuple):
    """By what a closed segment is known again."""

    device: int
    inode: int
    bytes: int
    changed_ns: int


class LogFolder:
    """Owns the lock. ``check`` may be called while another thread takes closed segments off the watch."""

    def __init__(self, path: Path, patience_seconds: float = 0.0) -> None:
        self.path = path
        self._patience_seconds = patience_seconds
        self._lock = -1
        self._closed: dict[int, _Look] = {}
        self._guard = threading.Lock()

    def acquire(self) -> None:
        """Make the folder if only its parent is there, and lock it, once whoever holds the lock has let go.

        Raises ConfigError where that takes longer than the patience, and OSError.
        """
        if not os.path.lexists(self.path):
            self.path.mkdir(0o700)
            sync_folder(self.path.parent)  # the name itself must survive a power cut
        require_folder(self.path)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._lock = os.open(self.path / LOCK_NAME, flags, 0o600)
        until = monotonic() + self._patience_seconds
        while not self._is_locked():
            if monotonic() >= until:
                self.release()
                message, remedy = "another process writes to this log", "Stop it, or give each process its own log"
                raise ConfigError((Problem(f"audit log {self.path}", message, remedy),))
            sleep(_AGAIN_SECONDS)
        sync_folder(self.path)

    def _is_locked(self) -> bool:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        """Give the lock up. Safe to call twice."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def begin(self, number: int, header: bytes, keys: bytes) -> SegmentFile:
        """Make a segment. Its keys are there before it is; whatever a failed try left is replaced."""
        write_whole(key_path(self.path, number), keys)
        write_whole(segment_path(self.path, number), header)
        return SegmentFile(segment_path(self.path, number))

    def publish(self, note: Note) -> None:
        """Put a checkpoint where everybody looks for the newest."""
        write_whole(self.path / CHECKPOINT_NAME, str(note).encode())

    def watch(self, number: int) -> None:
        """Remember a segment that nobody may write to any more."""
        look = self._look(number)
        with self._guard:
            self._closed[number] = look

    def unwatch(self, number: int) -> None:
        """A segment is about to be dropped, by us."""
        with self._guard:
            self._closed.pop(number, None)

    def check(self) -> None:
        """Raise LogTampered unless every closed segment is as we left it (A8, A35)."""
        with self._guard:
            watched = list(self._closed.items())
        for number, look in watched:
            try:
                now = self._look(number)
            except (FileNotFoundError, NotADirectoryError):
                now = None
            with self._guard:
                if self._closed.get(number) == look != now:
                    raise LogTampered(f"segment {number} was deleted, replaced or written to")

    def _look(self, number: int) -> _Look:
        there = segment_path(self.path, number).lstat()
        return _Look(there.st_dev, there.st_ino, there.st_size, there.st_mtime_ns)
