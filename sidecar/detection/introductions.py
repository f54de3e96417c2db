"""Names that the text itself introduces: "my name is priya raman" (D1). Pure; the model finds the others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sidecar.detection.scores import CONTEXT
from sidecar.detection.span import Span
from sidecar.detection.view import View

_MOST_NAME_WORDS: Final = 3
_INSIDE: Final = frozenset({" ", "-", "'", ". "})


def find_introduced(view: View) -> Iterable[Span]:
    for mention in view.vocabulary.introductions.find(view.words):
        first = last = mention.last
        while last < len(view.words) and last - first < _MOST_NAME_WORDS and _is_name(view, last, first):
            last += 1
        if last > first:
            yield view.span(first, last, "PERSON", CONTEXT, "introduction")


def _is_name(view: View, place: int, first: int) -> bool:
    word, gap = view.words[place], view.gap(place)
    if place > first and (gap not in _INSIDE or (gap == ". " and len(view.words[place - 1]) > 2)):
        return False
    return word.isalpha() and not view.vocabulary.is_plain(word) and view.vocabulary.slots.at(view.words, place) is None
