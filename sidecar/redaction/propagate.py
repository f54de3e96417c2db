"""Names found once with high confidence are masked in the rest of the conversation (D3). Pure.

Works on the messages of one payload. A name that is also an ordinary word ("will", "may", "mark") is only followed
where it is written with a capital inside a sentence, as it was when it was found.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from sidecar.detection.everyday import EVERYDAY
from sidecar.detection.span import Span
from sidecar.redaction.canonical import fold, plainly
from sidecar.redaction.person import person_name

CONFIDENT: Final = 0.7
"""What the model scores; guesses by shape stay below."""

RECOGNIZER: Final = "propagated"
_SHORTEST: Final = 3
_WORD: Final = re.compile(r"[^\W\d_](?:[^\W_]|['’\-](?=[^\W_]))*")
_POSSESSIVES: Final = ("'s", "’s")
_SENTENCE_OPENS: Final = re.compile(r"(?:^|[.!?:\n])[\s\"'“‘(]*$")
_LOOK_BACK: Final = 8


def propagate(texts: Sequence[str], found: Sequence[Sequence[Span]]) -> list[list[Span]]:
    """Return, for each text, spans for names that other spans of ``found`` prove; none overlaps a found span.

    ``found``: for each text its sorted disjoint spans.
    """
    names = proven(texts, found)
    return [follow(text, spans, names) for text, spans in zip(texts, found, strict=True)]


def proven(texts: Sequence[str], found: Sequence[Sequence[Span]]) -> dict[str, float]:
    """Return the folded name parts that may be followed, with the best score that any of them had."""
    names: dict[str, float] = {}
    for text, spans in zip(texts, found, strict=True):
        for span in spans:
            if span.label != "PERSON" or span.score < CONFIDENT:
                continue
            for part in person_name(plainly(text[span.start : span.end])).telling:
                if len(part) >= _SHORTEST:
                    names[part] = max(names.get(part, 0.0), span.score)
    return names


def follow(text: str, spans: Sequence[Span], names: dict[str, float]) -> list[Span]:
    """Return spans for the ``names`` in the text, as ``propagate``."""
    if not names:
        return []
    folded = fold(text)
    places = [place for place in _words(folded) if folded[slice(*place)] in names]
    followed: list[Span] = []
    for start, end in _outside(places, spans):
        if _ordinary_use(text, folded, start, end):
            continue
        score = names[folded[start:end]]
        if followed and text[followed[-1].end : start] == " ":
            start = followed.pop().start
        followed.append(Span(start, end, "PERSON", score, RECOGNIZER))
    return followed


def _words(folded: str) -> Iterator[tuple[int, int]]:
    for match in _WORD.finditer(folded):
        yield match.start(), match.end() - 2 if match[0].endswith(_POSSESSIVES) else match.end()


def _ordinary_use(text: str, folded: str, start: int, end: int) -> bool:
    """Whether this is likelier the ordinary word than the name."""
    if folded[start:end] not in EVERYDAY:
        return False
    opens_sentence = _SENTENCE_OPENS.search(text[max(0, start - _LOOK_BACK) : start])
    return opens_sentence is not None or not text[start].isupper()


def _outside(places: Sequence[tuple[int, int]], spans: Sequence[Span]) -> Iterator[tuple[int, int]]:
    """Yield the places that overlap none of the spans. Both sorted."""
    index = 0
    for start, end in places:
        while index < len(spans) and spans[index].end <= start:
            index += 1
        if index == len(spans) or spans[index].start >= end:
            yield start, end
