"""Replaces a file by a changed copy, all or nothing: temporary file beside it, fsync, rename, fsync of the folder.

Whoever reads sees the old file or the new one. A file that changed while it was copied is left alone (``FileChanged``):
a writer that appends would lose what it wrote. A process killed half-way leaves a temporary file, which is locked as
long as its writer lives, so that the next run can tell, and remove it: it holds other people's records.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from sidecar.disk import sync_folder
from sidecar.errors import SidecarError

_MARK: Final = ".sidecar-rewriting"


class FileChanged(SidecarError):
    """Somebody else wrote to the file meanwhile."""


class NotOurs(SidecarError):
    """A link, or no plain file: what it stands for is elsewhere."""


@contextmanager
def reading(path: Path) -> Iterator[BinaryIO]:
    """Open a plain file for reading. Raises ``NotOurs`` for a link."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        if path.is_symlink():
            raise NotOurs("is a link") from None
        raise error from None
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise NotOurs("is no plain file")
        yield file


def rewrite(path: Path, copy: Callable[[BinaryIO, BinaryIO], int]) -> int:
    """Replace a file by what ``copy(old, new)`` writes, and return what that returned. Keeps mode and owner."""
    with reading(path) as old:
        before = os.fstat(old.fileno())
        temporary = path.with_name(f".{path.name[:80]}.{secrets.token_hex(4)}{_MARK}")
        descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as new:
                fcntl.flock(new, fcntl.LOCK_EX)
                result = copy(old, new)
                new.flush()
                _keep_rights(old.fileno(), new.fileno(), before)
                os.fsync(new.fileno())
                if _identity(path.lstat()) != _identity(before):
                    raise FileChanged("the file was written to")
                temporary.replace(path)
        except BaseException:
            with suppress(FileNotFoundError):
                temporary.unlink()
            raise
    sync_folder(path.parent)
    return result


def clear_leftovers(folder: Path) -> int:
    """Remove temporary files whose writers are dead, and return how many living ones there are."""
    living = 0
    for path in folder.glob(f".*{_MARK}"):
        try:
            with path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
        except BlockingIOError:
            living += 1
        except FileNotFoundError:
            continue
    return living


def is_leftover(name: str) -> bool:
    return name.endswith(_MARK)


def _identity(status: os.stat_result) -> tuple[int, int, int, int]:
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def _keep_rights(old: int, new: int, status: os.stat_result) -> None:
    if (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()):
        os.fchown(new, status.st_uid, status.st_gid)  # without the right to, nothing is replaced
    os.fchmod(new, stat.S_IMODE(status.st_mode))
    for name in os.listxattr(old):
        os.setxattr(new, name, os.getxattr(old, name))
