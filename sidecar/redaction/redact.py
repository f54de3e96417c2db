"""Puts replacements into a text. Pure.

Pieces are joined on a copy in one pass, so offsets never shift under the edits (presidio's ``text_replace_builder``
replaces from the end for the same reason) and the time is linear in text and edits.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sidecar.detection.span import Span


@dataclass(frozen=True, slots=True)
class Edit:
    """Characters ``[start, end)`` of the input and what stands in their place."""

    start: int
    end: int
    replacement: str = field(repr=False)


def apply_edits(text: str, edits: Sequence[Edit]) -> tuple[str, tuple[tuple[int, int], ...]]:
    """Return the edited text and, for each edit, the range of its replacement in it. ``edits``: sorted, disjoint."""
    pieces: list[str] = []
    places: list[tuple[int, int]] = []
    read = written = 0
    for edit in edits:
        if not read <= edit.start <= edit.end <= len(text):
            raise ValueError("edits must be sorted, disjoint and inside the text")
        pieces += (text[read : edit.start], edit.replacement)
        start = written + edit.start - read
        written = start + len(edit.replacement)
        places.append((start, written))
        read = edit.end
    pieces.append(text[read:])
    return "".join(pieces), tuple(places)


def moved_back(hits: Iterable[Span], spans: Sequence[Span], places: Sequence[tuple[int, int]]) -> list[Span]:
    """Translate spans of the output, none of which touches a replacement, into spans of the input.

    ``spans``: what was replaced, sorted and disjoint; ``places``: where the replacements stand.
    """
    ends = [end for _, end in places]
    moved: list[Span] = []
    for hit in hits:
        before = bisect_right(ends, hit.start)
        shift = spans[before - 1].end - ends[before - 1] if before else 0
        moved.append(Span(hit.start + shift, hit.end + shift, hit.label, hit.score, hit.recognizer))
    return moved
