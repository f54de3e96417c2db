"""Dates, and dates of birth: a date beside a word of birth, or in answer to a question for one (D7). Pure.

Linear: word by word; a date is at most six words.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from typing import Final

from sidecar.detection.dialogue import Question
from sidecar.detection.scores import CONTEXT, DIALOGUE, GRAMMAR
from sidecar.detection.span import Span
from sidecar.detection.view import View

_NUMERIC: Final = re.compile(
    r"(?<![\w./-])(?:(?:19|20)[0-9]{2}([-/.])(?:1[0-2]|0?[1-9])\1(?:3[01]|[12][0-9]|0?[1-9])(?:t[0-9:.]{4,15}z?)?"
    r"|(?:3[01]|[12][0-9]|0?[1-9])(\s?[-/.]\s?)(?:3[01]|[12][0-9]|0?[1-9])\2(?:(?:19|20)?[0-9]{2}))(?![\w/-]|\.[0-9])"
)
_DAY: Final = re.compile(r"(?:3[01]|[12][0-9]|0?[1-9])(?:st|nd|rd|th)?")
_YEAR: Final = re.compile(r"(?:19|20)[0-9]{2}|[0-9]{2}")
_ORDINALS: Final = frozenset({"st", "nd", "rd", "th"})
_LINKS: Final = frozenset({"of", "de", "the", "del", "den"})
_NEAR: Final = 6


def find_dates(view: View, question: Question) -> Iterable[Span]:
    if not view.has_digit:
        return
    found = [match.span() for match in _NUMERIC.finditer(view.lower)] + list(_worded(view))
    asked = "DATE_OF_BIRTH" in question.slots
    for start, end in found:
        yield Span(start, end, "DATE", GRAMMAR, "date")
        if _born(view, start, end):
            yield Span(start, end, "DATE_OF_BIRTH", CONTEXT, "date-of-birth")
        elif asked:
            yield Span(start, end, "DATE_OF_BIRTH", DIALOGUE, "date-of-birth")


def _worded(view: View) -> Iterator[tuple[int, int]]:
    """ "12 th of june 1985", "June 3rd, 1990", "3 avril 85": a month with a day, and a year where there is one."""
    words = view.words
    for place, word in enumerate(words):
        if word not in view.vocabulary.months:
            continue
        first, before = _day_before(words, place)
        last, after = (place + 1, False) if before else _day_after(words, place + 1)
        if not before and not after:
            continue
        if last < len(words) and _YEAR.fullmatch(words[last]) and view.gap(last).strip() in {"", ",", ".", "'"}:
            last += 1
        elif last + 1 < len(words) and words[last] in _LINKS and _YEAR.fullmatch(words[last + 1]):
            last += 2
        yield view.starts[first], view.ends[last - 1]


def _day_before(words: tuple[str, ...], month: int) -> tuple[int, bool]:
    place = month - 1
    while place >= 0 and month - place <= 3 and (words[place] in _LINKS or words[place] in _ORDINALS):
        place -= 1
    if place >= 0 and _DAY.fullmatch(words[place]):
        return place, True
    return month, False


def _day_after(words: tuple[str, ...], place: int) -> tuple[int, bool]:
    if place < len(words) and words[place] in _LINKS:
        place += 1
    if place >= len(words) or not _DAY.fullmatch(words[place]):
        return place, False
    place += 1
    if place < len(words) and words[place] in _ORDINALS:
        place += 1
    return place, True


def _born(view: View, start: int, end: int) -> bool:
    """Say whether a word of birth stands within six words before the date, or right after it."""
    first = bisect_right(view.ends, start)
    last = bisect_left(view.starts, end)
    near = (view.words[max(0, first - _NEAR) : first], view.words[last : last + 4])
    return any(True for words in near for _ in view.vocabulary.birth.find(words))


def outside(spans: Iterable[Span], dates: Iterable[Span]) -> Iterator[Span]:
    """Yield the spans that touch no date: its digits are no code."""
    taken = sorted({(span.start, span.end) for span in dates})
    starts = [start for start, _ in taken]
    reach: list[int] = []
    for _, end in taken:
        reach.append(max(end, reach[-1]) if reach else end)
    for span in spans:
        before = bisect_left(starts, span.end)
        if not before or reach[before - 1] <= span.start:
            yield span
