"""Disjoint spans, kept in order while some are exchanged for others, in time that does not grow with their number.

They lie in blocks, so that no exchange moves more than a block. Pure.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import chain
from operator import attrgetter
from typing import Final

from sidecar.detection.span import Span

_BLOCK: Final = 256
_start = attrgetter("start")


class Disjoint:
    """Spans of one text, sorted, none of which overlaps another."""

    def __init__(self) -> None:
        self._blocks: list[list[Span]] = [[]]
        self._firsts: list[int] = [0]
        """Where the first span of each block begins."""

    def __iter__(self) -> Iterator[Span]:
        return chain.from_iterable(self._blocks)

    def overlapping(self, span: Span) -> list[Span]:
        """Return those that overlap ``span``, in order."""
        low, high = self._among(span)
        held = self._held(low, high)
        first, last = _range(held, span)
        return held[first:last]

    def exchange(self, span: Span, new: Sequence[Span]) -> None:
        """Put ``new``, sorted and disjoint, in the place of those that overlap ``span``, and within that of all."""
        low, high = self._among(span)
        held = self._held(low, high)
        first, last = _range(held, span)
        held[first:last] = new
        blocks = [held[at : at + _BLOCK] for at in range(0, len(held), _BLOCK)] if len(held) > 2 * _BLOCK else [held]
        self._blocks[low:high] = blocks
        self._firsts[low:high] = [block[0].start if block else 0 for block in blocks]

    def _among(self, span: Span) -> tuple[int, int]:
        """Return the range of the blocks in which those that overlap ``span`` are, never empty."""
        low = max(0, bisect_right(self._firsts, span.start) - 1)
        return low, max(low + 1, bisect_left(self._firsts, span.end))

    def _held(self, low: int, high: int) -> list[Span]:
        return self._blocks[low] if high - low == 1 else list(chain.from_iterable(self._blocks[low:high]))


def _range(held: Sequence[Span], span: Span) -> tuple[int, int]:
    """Return the index range of those that overlap ``span``."""
    first = bisect_right(held, span.start, key=_start)
    if first and held[first - 1].end > span.start:
        first -= 1
    return first, bisect_left(held, span.end, lo=first, key=_start)
