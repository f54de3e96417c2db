"""What the sidecar and the process that writes its log say to each other, as bytes. Pure.

Pickled, behind its length in four bytes: both ends are the same program, joined by a socket pair that nobody else has.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from enum import IntEnum
from typing import Any

_LENGTH_BYTES = 4


class Say(IntEnum):
    """The first member of every message, which arrives as its number, and what follows it."""

    # to the writing process
    RECORDS = 1  # a list of (facts, links, whether to keep what can't be written)
    ROLL = 2
    UNWATCH = 3  # the segment's number
    CLOSE = 4
    # from it
    BEGUN = 10  # the events that are to be the next records, and the log's size
    REFUSED = 11  # problems, as (path, message, remedy)
    FAILED = 12  # a reason why it can't be begun now
    SETTLED = 13  # how many records, why they were refused or None, and the standing
    ANSWERED = 14  # the answer to the oldest ROLL or UNWATCH, and the standing
    CLOSED = 15  # the standing


Message = tuple[Any, ...]


def packed(say: Say, *rest: Any) -> bytes:
    """Return a message as bytes. Plain types alone: the name of a class costs more than all else in a message."""
    data = pickle.dumps((say.value, *rest), pickle.HIGHEST_PROTOCOL)
    return len(data).to_bytes(_LENGTH_BYTES, "big") + data


class Unpacking:
    """Bytes in, as they come; whole messages out."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> Iterator[Message]:
        """Yield each message that is complete by now."""
        held = self._held
        held += data
        start = 0
        while len(held) - start >= _LENGTH_BYTES:
            begin = start + _LENGTH_BYTES
            end = begin + int.from_bytes(held[start:begin], "big")
            if len(held) < end:
                break
            message: Message = pickle.loads(memoryview(held)[begin:end].tobytes())  # noqa: S301 - our own other end
            yield message
            start = end
        del held[:start]
