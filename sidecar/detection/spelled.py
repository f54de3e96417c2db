"""Names and codes that are spelled: "d e l a c r u z", "k lima seven four tango papa", "b as in bravo, two" (D7). Pure.

A run is a row of letters, spelling words and digits that nothing but pauses part. Letters by themselves must be four,
or initials ("u s a") would be taken for a name; where spelling words or digits stand among them, two will do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from sidecar.detection.dialogue import Question
from sidecar.detection.scores import GRAMMAR, GUESS
from sidecar.detection.span import Span
from sidecar.detection.view import View
from sidecar.detection.words.table import words_in

RULE: Final = "spelled"
_SPELLING_WORDS: Final = frozenset(
    words_in(
        "alpha alfa bravo charlie delta echo foxtrot golf hotel india juliet juliett kilo lima mike november oscar "
        "papa quebec romeo sierra tango uniform victor whiskey whisky xray yankee zulu"
    )
)
"""The spelling alphabet of the ITU (Radio Regulations, appendix 14)."""

_EXPLANATIONS: Final = (("as", "in"), ("for",), ("like",), ("is", "for"))
_TYPES: Final = frozenset(
    {"PERSON", "USERNAME", "EMAIL", "PASSWORD", "ACCOUNT_ID", "ORDER_ID", "OTHER_ID", "VEHICLE_PLATE", "PASSPORT"}
)
_LEAST_LETTERS: Final = 4
_LEAST_PARTS: Final = 3
_LONGEST_PAUSE: Final = 3


@dataclass(slots=True)
class _Run:
    """Words ``[first, last)``: how many letters, letters with an explanation, spelling words and digits they are."""

    first: int
    last: int
    letters: int = 0
    explained: int = 0
    words: int = 0
    digits: int = 0

    @property
    def is_sure(self) -> bool:
        """Say whether nothing else is said like this."""
        parts = self.letters + self.explained + self.words + self.digits
        return self.explained >= 2 or (self.explained + self.words >= 2 and parts >= _LEAST_PARTS)

    @property
    def is_spelled(self) -> bool:
        letters = self.letters + self.explained + self.words
        return self.is_sure or letters >= _LEAST_LETTERS or (self.digits >= 2 and letters >= 2)


def find_spelled(view: View, question: Question) -> Iterable[Span]:
    asked = next((slot for slot in question.slots if slot in _TYPES), None)
    for run in _runs(view):
        if run.is_spelled:
            label = asked or ("OTHER_ID" if run.digits else "PERSON")
            score = GRAMMAR if asked or run.is_sure else GUESS
            yield view.span(run.first, run.last, label, score, RULE)


def _runs(view: View) -> Iterator[_Run]:
    """The maximal runs, in order. Each word is looked at once, an explained letter's next three twice."""
    run: _Run | None = None
    place = 0
    while place < len(view.words):
        if run is not None and not _is_pause(view.gap(place)):
            yield run
            run = None
        last = _explained(view, place)
        if last == place:
            if run is not None:
                yield run
            run = None
            place += 1
            continue
        run = run or _Run(place, place)
        _count(run, view.words[place], last - place)
        run.last = place = last
    if run is not None:
        yield run


def _explained(view: View, place: int) -> int:
    """The place after the part that begins at ``place``; ``place`` itself where none does."""
    words = view.words
    word = words[place]
    if word in _SPELLING_WORDS or word in view.vocabulary.digits or (word.isdigit() and len(word) <= 4):
        return place + 1
    if len(word) != 1 or not word.isalpha() or "'" in view.gap(place):
        return place
    for linking in _EXPLANATIONS:
        last = place + 1 + len(linking)
        if words[place + 1 : last] == linking and last < len(words) and words[last].startswith(word):
            return last + 1
    return place + 1


def _count(run: _Run, word: str, width: int) -> None:
    if width > 1:
        run.explained += 1
    elif word in _SPELLING_WORDS:
        run.words += 1
    elif len(word) == 1 and word.isalpha():
        run.letters += 1
    else:
        run.digits += 1


def _is_pause(gap: str) -> bool:
    return len(gap) <= _LONGEST_PAUSE and gap.strip() in {"", ".", ",", "-"}
