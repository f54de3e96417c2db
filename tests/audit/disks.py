"""Small real file systems that fill up, fail and hang. No shims: the kernel makes the errors.

They need the right to mount. Where it is missing the tests are skipped, loudly; with ``REQUIRE_MOUNTS=1`` they fail.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_tmpfs(folder: Path, kibibytes: int = 64) -> Iterator[Path]:
    """A file system that is full after a few dozen records."""
    folder.mkdir()
    _run("mount", "-t", "tmpfs", "-o", f"size={kibibytes}k", "none", str(folder))
    try:
        yield folder
    finally:
        _unmount(folder)


@contextmanager
def loop_file_system(image: Path, folder: Path, mebibytes: int = 4) -> Iterator[Path]:
    """An ext2 file system in a sparse image file; what the image's own disk does shows through."""
    folder.mkdir()
    with image.open("wb") as stream:
        stream.truncate(mebibytes << 20)
    _run("mkfs.ext2", "-q", "-F", str(image))
    _run("mount", "-o", "loop", str(image), str(folder))
    try:
        yield folder
    finally:
        _unmount(folder)


@contextmanager
def after_power_cut(image: Path, folder: Path) -> Iterator[Path]:
    """The file system as a power cut at this moment would leave it: what has reached the disk, and nothing else."""
    folder.mkdir()
    copy = image.with_name("after-power-cut")
    shutil.copyfile(image, copy)
    _run("mount", "-o", "loop,ro", str(copy), str(folder))
    try:
        yield folder
    finally:
        _unmount(folder)


@contextmanager
def dying_disk(folder: Path) -> Iterator[Callable[[], None]]:
    """A file system on a disk made of memory. The callable that is given seals the memory: from then on the kernel
    takes every write, and answers EIO when it has to reach the disk."""
    folder.mkdir()
    memory = os.memfd_create("disk", os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(memory, 4 << 20)
        image = f"/proc/{os.getpid()}/fd/{memory}"
        _run("mkfs.ext2", "-q", "-F", image)
        _run("mount", "-o", "loop", image, str(folder))
        try:
            yield lambda: _seal(memory)
        finally:
            _unmount(folder)
    finally:
        os.close(memory)


def _seal(memory: int) -> None:
    fcntl.fcntl(memory, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE)


@contextmanager
def frozen(folder: Path) -> Iterator[None]:
    """While it lasts, every write to the file system hangs, as on a lost network disk."""
    _run("fsfreeze", "--freeze", str(folder))
    try:
        yield
    finally:
        subprocess.run(["fsfreeze", "--unfreeze", str(folder)], check=True)


def _unmount(folder: Path) -> None:
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _run(*command: str) -> None:
    tool = shutil.which(command[0], path="/usr/sbin:/sbin:/usr/bin:/bin")
    if tool is None:
        _give_up(f"{command[0]} is not installed")
    else:
        done = subprocess.run([tool, *command[1:]], capture_output=True, text=True, check=False)
        if done.returncode:
            _give_up(f"{command[0]} is not permitted here: {done.stderr.strip()}")


def _give_up(reason: str) -> None:
    if os.environ.get("REQUIRE_MOUNTS"):
        pytest.fail(reason)
    pytest.skip(f"REAL DISK FAULT NOT TESTED: {reason}")
