"""The bytes of a file of lines, and its name in its folder. Blocking; raises OSError."""

from __future__ import annotations

import os
from array import array
from typing import Final

AT_ONCE_BYTES: Final = 1 << 20


def lines_of(descriptor: int) -> tuple[array[int], int]:
    """Return where whole lines begin, and where the last one ends."""
    starts, begin, at = array("Q"), 0, 0
    while data := os.pread(descriptor, AT_ONCE_BYTES, at):
        end = data.find(b"\n")
        while end >= 0:
            starts.append(begin)
            begin = at + end + 1
            end = data.find(b"\n", end + 1)
        at += len(data)
    return starts, begin


def write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def write_all_at(descriptor: int, data: bytes, at: int) -> None:
    while data:
        written = os.pwrite(descriptor, data, at)
        data, at = data[written:], at + written
