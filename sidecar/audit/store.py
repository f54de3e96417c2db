"""The folder of a log: which files are there, and how they are read and replaced. Edge; blocking."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from sidecar.audit.leaf import LINE_LIMIT, BrokenLine
from sidecar.audit.segment import parse_stub
from sidecar.audit.walk import Piece
from sidecar.errors import ConfigError, Problem

CHECKPOINT_NAME = "checkpoint"
LOCK_NAME = "lock"
INDEX_PATTERN = "index.db*"  # no part of the log, but it says what records say
_SEGMENT = re.compile(r"([0-9]{8,})\.(segment|stub)")
_OLD_FORMAT = b'{"entry":'
_READ_BYTES = 1 << 20


def segment_path(folder: Path, number: int) -> Path:
    return folder / f"{number:08d}.segment"


def key_path(folder: Path, number: int) -> Path:
    return folder / f"{number:08d}.key"


def stub_path(folder: Path, number: int) -> Path:
    return folder / f"{number:08d}.stub"


def numbers(folder: Path) -> list[int]:
    """Return the numbers of all segments, dropped ones included, in order. Raises ConfigError where no log can be."""
    require_folder(folder)
    found = (_SEGMENT.fullmatch(entry.name) for entry in os.scandir(folder))
    return sorted({int(match[1]) for match in found if match})


def require_folder(folder: Path) -> None:
    """Say what to do about a path that is no folder: most likely it is a log of the old format, which was one file."""
    if folder.is_dir():
        return
    if not folder.exists():
        raise FileNotFoundError(2, "No such file or directory", str(folder))
    with folder.open("rb") as stream:
        is_old = stream.read(len(_OLD_FORMAT)) in (_OLD_FORMAT, b"")
    if is_old:
        message = "this is a log of the format before version 2, one file; now a log is a folder"
        remedy = (
            "Verify it with the release that wrote it, note the head, keep the file, and give a folder for the new log"
        )
    else:
        message, remedy = "this is a file, and no audit log; a log is a folder", "Give the folder of the log"
    raise ConfigError((Problem(str(folder), message, remedy),))


def pieces(folder: Path, start: int = 0) -> Iterator[Piece]:
    """Yield the segments from a number on. A stub counts only where the segment itself is gone.

    One may go while others are read: its stub is there before.
    """
    for number in numbers(folder):
        if number < start:
            continue
        try:
            yield Piece(number, open_lines(segment_path(folder, number)))
        except FileNotFoundError:
            yield Piece(number, (), stub_path(folder, number).read_bytes())


def read_lines(path: Path, offset: int = 0) -> Iterator[bytes]:
    """Yield lines with their newlines from an offset; a longer one than any record comes in pieces."""
    with path.open("rb", buffering=_READ_BYTES) as stream:
        stream.seek(offset)
        while line := stream.readline(LINE_LIMIT + 1):
            yield line


def open_lines(path: Path, offset: int = 0) -> Iterator[bytes]:
    """Like ``read_lines`` of a file that is open from now on. Raises OSError at once."""
    lines = read_lines(path, offset)
    first = next(lines, None)
    return lines if first is None else chain((first,), lines)


def is_dropped(folder: Path, number: int) -> bool:
    """Whether a segment of which something is gone was dropped. A stub is durable before anything of it goes.

    Who reads takes the stub's word for that; whether the log's key signed it is what ``verify`` asks.
    """
    try:
        stub, _ = parse_stub(stub_path(folder, number).read_bytes())
    except (FileNotFoundError, BrokenLine):
        return False
    return stub.segment == number
