"""A text that grows while it is read: which part of it may go out already, and what it came out as. Pure.

A tail is held back that is longer than anything that is looked for, with what stands behind it. So whatever begins
before the tail is there in whole when it is decided on (P33, P34). What has been released is final.

Cuts fall between words, and never within something that was found. A word without end, or a finding that goes on beyond
the tail, is held until it ends; past a bound the text is refused, never let through in parts.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from sidecar.detection.span import Span
from sidecar.errors import PayloadFault, PayloadRefused

_ENDS_A_WORD = frozenset("。！？，、；：")
"""Signs behind which a word begins without a space."""


@dataclass(frozen=True, slots=True)
class HoldBack:
    """All in characters.

    ``tail``: kept back; ``step``: how much must come between two looks; ``context``: of what was released that is read
    again with what is new; ``longest``: how much may be held while no cut is found. As it is, each character is looked
    at five to eight times; on sample chats the findings were those in the whole text, with half the context, too.
    """

    tail: int = 160
    step: int = 64
    context: int = 300
    longest: int = 8_000


@dataclass(frozen=True, slots=True)
class Window:
    """The end of a text, as it is looked at. Characters before ``released`` have gone out."""

    text: str = field(repr=False)
    released: int


@dataclass(frozen=True, slots=True)
class Piece:
    """Characters ``start`` to ``end`` of the text and what came of them. ``whole``: it is a replacement."""

    start: int
    end: int
    out: str = field(repr=False)
    whole: bool


class GrowingText:
    """One text and how far it has been released. Positions are of the whole text; only its end is kept."""

    def __init__(self, settings: HoldBack) -> None:
        self._settings = settings
        self._text = ""
        self._added: list[str] = []  # to the text since it was looked at: joined once, however many pieces came
        self._added_length = 0
        self._base = 0
        self._due = settings.tail + settings.step
        self._pieces: deque[Piece] = deque()
        self.released = 0

    @property
    def end(self) -> int:
        return self._base + len(self._text) + self._added_length

    @property
    def is_due(self) -> bool:
        """Whether so much has come that it is worth a look. It depends on the text alone, not on time."""
        return self.end >= self._due

    def append(self, text: str) -> tuple[int, int]:
        """Return the place of what was added."""
        start = self.end
        self._added.append(text)
        self._added_length += len(text)
        return start, self.end

    def window(self) -> Window:
        """What is to be looked at."""
        if self._added:
            self._text = "".join((self._text, *self._added))
            self._added, self._added_length = [], 0
        return Window(self._text, self.released - self._base)

    def looked_at(self, window: Window, place: int) -> None:
        """Take note of a look at the window, after which it may be released up to ``place``.

        Raises ``PayloadRefused`` (too large) if it can't be held any longer.
        """
        self._due = self.end + self._settings.step
        if len(window.text) - place > self._settings.longest:
            raise PayloadRefused(PayloadFault.TOO_LARGE, "a text of a stream that can't be cut anywhere")

    def release(self, place: int, pieces: Iterable[Piece]) -> None:
        """Release the window up to ``place``. ``pieces``: what came of it, see ``pieces_of``."""
        self._pieces.extend(pieces)
        self.released = self._base + place
        base = _next_word(self._text, place - self._settings.context) if place > self._settings.context else 0
        self._text, self._base = self._text[base:], self._base + base

    def take(self, start: int, end: int) -> str:
        """Return what came of some characters, all released; in order, each once. A replacement stands where it began.

        So the pieces of a text joined are the redacted text, whatever the pieces were (P34).
        """
        taken = []
        while self._pieces and self._pieces[0].start < end:
            piece = self._pieces[0]
            if piece.whole:
                taken.append(piece.out if piece.start >= start else "")
            else:
                taken.append(piece.out[max(start - piece.start, 0) : end - piece.start])
            if piece.end > end:
                break
            self._pieces.popleft()
        return "".join(taken)


def place_to_cut(window: Window, found: Iterable[Span], tail: int) -> int:
    """Return up to where the window may be released. ``found``: what matters in it, places in the window."""
    limit = len(window.text) - tail
    starts, ends = _stretches(found)
    while (place := _word_border(window, limit)) > window.released:
        before = bisect_left(starts, place)
        if before == 0 or ends[before - 1] <= place:
            break
        limit = starts[before - 1]
    return place


def unreleased(window: Window, found: Iterable[Span], tail: int) -> list[Span]:
    """Return the findings that are not wholly before what was released, cut where they reach into it.

    That happens where later words change what earlier ones are taken for. Raises ``PayloadRefused`` (too large)
    for one that was too long to be seen in whole: its beginning has gone out.
    """
    released = window.released
    kept = []
    for span in found:
        if span.end <= released:
            continue
        if span.start < released and span.end - span.start > tail:
            raise PayloadRefused(PayloadFault.TOO_LARGE, "an entity longer than what is held back")
        kept.append(replace(span, start=max(span.start, released)))
    return [span for span in kept if any(char.isalnum() for char in window.text[span.start : span.end])]


def pieces_of(start: int, out: str, spans: Sequence[Span], places: Sequence[tuple[int, int]]) -> list[Piece]:
    """Return what came of the text from ``start``. ``out``, ``spans`` and ``places``: of the redacted part, from 0."""
    pieces: list[Piece] = []
    read = written = 0
    for span, (begin, stop) in zip(spans, places, strict=True):
        pieces.extend(_kept(start + read, out[written:begin]))
        pieces.append(Piece(start + span.start, start + span.end, out[begin:stop], whole=True))
        read, written = span.end, stop
    pieces.extend(_kept(start + read, out[written:]))
    return pieces


def _kept(start: int, out: str) -> Iterator[Piece]:
    if out:
        yield Piece(start, start + len(out), out, whole=False)


def _stretches(found: Iterable[Span]) -> tuple[list[int], list[int]]:
    """Return where the stretches begin and end, sorted, that no cut may fall into: what overlaps is one of them."""
    starts: list[int] = []
    ends: list[int] = []
    for span in sorted(found):
        if ends and span.start < ends[-1]:
            ends[-1] = max(ends[-1], span.end)
        else:
            starts.append(span.start)
            ends.append(span.end)
    return starts, ends


def _word_border(window: Window, limit: int) -> int:
    """Return the last place up to ``limit`` where a word begins, or what was released if there is none."""
    text = window.text
    for place in range(min(limit, len(text)), window.released, -1):
        before = text[place - 1]
        if before in _ENDS_A_WORD or (before.isspace() and not text[place : place + 1].isspace()):
            return place
    return window.released


def _next_word(text: str, start: int) -> int:
    """Return where the first word after ``start`` begins, so that the window does not begin with half of one."""
    while start < len(text) and not text[start - 1].isspace():
        start += 1
    return start
