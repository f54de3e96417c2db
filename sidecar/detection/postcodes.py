"""Postcodes and PO boxes without a street (D4). Pure."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from typing import Final

from sidecar.detection.dialogue import Question
from sidecar.detection.scores import DIALOGUE, GRAMMAR, STRONG_GRAMMAR
from sidecar.detection.span import Span
from sidecar.detection.view import View

RULE: Final = "address"
_UK: Final = re.compile(r"(?<![a-z0-9])[a-z]{1,2}[0-9][a-z0-9]?\s?[0-9][abd-hjlnp-uw-z]{2}(?![a-z0-9])")
_CANADA: Final = re.compile(
    r"(?<![a-z0-9])[abceghj-nprstvxy][0-9][abceghj-nprstv-z]\s?-?[0-9][abceghj-nprstv-z][0-9](?![a-z0-9])"
)
_PROVINCES: Final = frozenset({"ab", "bc", "mb", "nb", "nl", "ns", "nt", "nu", "on", "pe", "qc", "sk", "yt"})
_NETHERLANDS: Final = re.compile(
    r"(?<![a-z0-9])[1-9][0-9]{3}\s?(?!sa|sd|ss|am|pm|gb|mb|kg|km|cm|mm|rs|ft|lb)[a-z]{2}(?![a-z0-9])"
)
_BOX: Final = re.compile(
    r"(?<![a-z0-9])(?:p\.?\s?o\.?\s?box|postfach|apartado|boite postale|postbus)\s{0,2}#?[0-9]{1,6}"
)
_REGIONS_THAT_ARE_WORDS: Final = frozenset({"in", "or", "me", "us", "hi", "ok", "oh"})


def find_postcodes(view: View, question: Question) -> Iterator[Span]:
    for match in _BOX.finditer(view.lower):
        yield Span(*match.span(), "ADDRESS", STRONG_GRAMMAR, RULE)
    for match in _UK.finditer(view.lower):
        yield Span(*match.span(), "ADDRESS", GRAMMAR, RULE)
    for match in _CANADA.finditer(view.lower):
        yield Span(_with_province(view, match.start()), match.end(), "ADDRESS", GRAMMAR, RULE)
    if "ADDRESS" in question.slots:
        for match in _NETHERLANDS.finditer(view.lower):
            yield Span(*match.span(), "ADDRESS", DIALOGUE, RULE)
    yield from _towns(view)


def _with_province(view: View, postcode: int) -> int:
    """Return where "ON M5J 0A6" begins: with the province that stands before the postcode."""
    place = bisect_left(view.starts, postcode)
    named = place > 0 and view.gap(place) in {" ", ", ", "  "} and view.words[place - 1] in _PROVINCES
    return view.starts[place - 1] if named else postcode


def _towns(view: View) -> Iterator[Span]:
    """ "springfield il 62704", "alaska 99401": a region and a postcode after it."""
    words = view.words
    for place in range(1, len(words)):
        if len(words[place]) != 5 or not words[place].isdigit() or view.gap(place) not in {" ", ", "}:
            continue
        for first in (place - 2, place - 1):
            fits = first >= 0 and words[first] not in _REGIONS_THAT_ARE_WORDS and _is_region(view, first, place)
            if fits:
                yield view.span(first, place + 1, "ADDRESS", GRAMMAR, RULE)
                break


def _is_region(view: View, first: int, last: int) -> bool:
    mention = view.vocabulary.regions.at(view.words, first)
    return mention is not None and mention.last == last
