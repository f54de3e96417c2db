"""One message made ready for the rules: normalised, cut into words, with the slots that words name. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, Protocol

from sidecar.detection.normalise import Normalised, normalise
from sidecar.detection.recognizer import Message
from sidecar.detection.span import Span
from sidecar.detection.vocabulary import Mention, Vocabulary

WORD: Final = re.compile(r"[^\W_]+")
_DIGIT: Final = re.compile(r"[0-9]")


@dataclass(frozen=True, slots=True)
class View:
    """What the rules look at. Offsets are those of the normalised copy; ``words[i]`` is
    ``lower[starts[i]:ends[i]]``."""

    message: Message
    normalised: Normalised = field(repr=False)
    vocabulary: Vocabulary = field(repr=False)
    words: tuple[str, ...] = field(repr=False)
    starts: tuple[int, ...]
    ends: tuple[int, ...]
    mentions: tuple[Mention, ...]
    has_digit: bool

    @property
    def text(self) -> str:
        return self.normalised.text

    @property
    def lower(self) -> str:
        return self.normalised.lower

    def gap(self, place: int) -> str:
        """Return what stands between word ``place`` and the one before it."""
        before = self.ends[place - 1] if place else 0
        return self.lower[before : self.starts[place]]

    def span(self, first: int, last: int, label: str, score: float, rule: str) -> Span:
        """Return the span of words ``[first, last)``."""
        return Span(self.starts[first], self.ends[last - 1], label, score, rule)


class Rule(Protocol):
    """A function from a view to spans in the offsets of its normalised copy. Pure; linear in the text."""

    def __call__(self, view: View) -> Iterable[Span]: ...


def look(message: Message, vocabulary: Vocabulary) -> View:
    """Make a message ready."""
    normalised = normalise(message.text)
    words, starts, ends = split(normalised.lower)
    return View(
        message,
        normalised,
        vocabulary,
        words,
        starts,
        ends,
        tuple(vocabulary.slots.find(words)),
        _DIGIT.search(normalised.lower) is not None,
    )


def split(lower: str) -> tuple[tuple[str, ...], tuple[int, ...], tuple[int, ...]]:
    """Cut lower-case text into words (runs of letters and digits), with their starts and ends."""
    found = list(WORD.finditer(lower))
    return (
        tuple(match.group() for match in found),
        tuple(match.start() for match in found),
        tuple(match.end() for match in found),
    )


def to_original(spans: Iterable[Span], normalised: Normalised) -> Iterator[Span]:
    """Map spans of the copy to spans of the original text."""
    if normalised.starts is None:
        yield from spans
        return
    for span in spans:
        start, end = normalised.original(span.start, span.end)
        yield Span(start, end, span.label, span.score, span.recognizer)
