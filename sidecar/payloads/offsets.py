"""Places in a text before and after some ranges of it were replaced, either way (X6). Pure.

Annotations are character offsets into the text that their author saw. Where that text was redacted, each offset has to
move when it is carried over to the original, and to move back when it is shown again. An offset within a replaced
range has no counterpart: it moves to the border of the whole, outwards.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

Range = tuple[int, int]
"""Half-open, in code points."""


class Unit(StrEnum):
    """What an offset counts: Unicode code points, or the code units of UTF-16, of which an emoji takes two."""

    CODE_POINTS = "code_points"
    UTF16 = "utf16"


class BadOffset(ValueError):
    """An offset outside the text, or between the two halves of a surrogate pair."""


@dataclass(frozen=True, slots=True)
class Shift:
    """Two texts that are equal but for some ranges.

    ``replaced`` are ranges of ``given``, sorted and disjoint; ``places`` are what stands for them in ``wanted``, in the
    same order.
    """

    given: str = field(repr=False)
    wanted: str = field(repr=False)
    replaced: tuple[Range, ...] = ()
    places: tuple[Range, ...] = ()

    def reversed(self) -> Shift:
        return Shift(self.wanted, self.given, self.places, self.replaced)

    def carry(self, start: int, end: int) -> Range:
        """Return the range of ``wanted`` that holds the same words as ``[start, end)`` of ``given``.

        Of what was replaced a part stands for the whole. Raises ``BadOffset``.
        """
        if not 0 <= start <= end <= len(self.given):
            raise BadOffset("outside the text")
        new_start, new_end = self._start(start), self._end(end)
        return new_start, max(new_start, new_end)

    def _start(self, start: int) -> int:
        """Carry the first character: behind everything that ends here, so that no neighbour is taken along."""
        behind = bisect_right([end for _, end in self.replaced], start)
        if behind < len(self.replaced) and self.replaced[behind][0] < start:
            return self.places[behind][0]
        return start + self._moved_by(behind)

    def _end(self, end: int) -> int:
        begun = bisect_left([start for start, _ in self.replaced], end)
        if begun and end <= self.replaced[begun - 1][1]:
            return self.places[begun - 1][1]
        return end + self._moved_by(begun)

    def _moved_by(self, count: int) -> int:
        return self.places[count - 1][1] - self.replaced[count - 1][1] if count else 0


def to_code_points(text: str, offset: int, unit: Unit) -> int:
    """Return an offset into ``text`` in code points. Raises ``BadOffset``."""
    position = offset
    if unit is Unit.UTF16 and not text.isascii():
        ends = [place + number + 2 for number, place in enumerate(_pairs(text))]
        behind = bisect_right(ends, offset)
        if behind < len(ends) and ends[behind] == offset + 1:
            raise BadOffset("within a surrogate pair")
        position = offset - behind
    if not 0 <= position <= len(text):
        raise BadOffset("outside the text")
    return position


def from_code_points(text: str, position: int, unit: Unit) -> int:
    """Return an offset into ``text`` as ``unit`` counts it."""
    if unit is Unit.CODE_POINTS or text.isascii():
        return position
    return position + bisect_left(_pairs(text), position)


def _pairs(text: str) -> Sequence[int]:
    """Where the characters are that take two code units."""
    return [place for place, character in enumerate(text) if character > "\uffff"]
