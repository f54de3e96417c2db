"""What detection answers with: places, never text."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A half-open character range ``[start, end)`` of one text, with its entity type and who says so.

    ``score`` is in [0, 1]. Holds no text, so it may be logged, cached and sent between processes.
    """

    start: int
    end: int
    label: str
    score: float
    recognizer: str

    def overlaps(self, other: Span) -> bool:
        return self.start < other.end and other.start < self.end
