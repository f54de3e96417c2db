"""Digit groups that stand together: "4111 1111-1111.1111", "4 5 5 2", "four one double five". Pure.

Everything that is recognised by its digits (cards, phones, national ids, accounts) reads runs, never raw text, so that
separators, spelling and emoji between digits are dealt with once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from sidecar.detection.view import View

_JOINERS: Final = frozenset(
    {" ", "  ", "-", " - ", ".", "/", "- ", " -", ") ", ")", "(", " (", ",", "\t", "_", "*", "|", "·", "", ")-"}
)
_MOST_GROUPS: Final = 24
_LEAST_SPOKEN: Final = 3
_MOST_DIGITS_OF_WORD: Final = 2


@dataclass(frozen=True, slots=True)
class Group:
    """One word of a run: its place among the view's words and the digits that it stands for."""

    place: int
    digits: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class DigitRun:
    """Neighbouring groups. ``spoken`` runs were (in part) written as words."""

    groups: tuple[Group, ...] = field(repr=False)
    spoken: bool

    @property
    def digits(self) -> str:
        return "".join(group.digits for group in self.groups)

    @property
    def first(self) -> int:
        return self.groups[0].place

    @property
    def last(self) -> int:
        """The place after the last word."""
        return self.groups[-1].place + 1

    def part(self, start: int, end: int) -> DigitRun:
        return DigitRun(self.groups[start:end], self.spoken)


def digit_runs(view: View) -> Iterator[DigitRun]:
    """Yield the maximal runs of a text, in order. Linear: a run is cut after 24 groups."""
    groups: list[Group] = []
    for place, digits in _readings(view):
        joined = groups and place == groups[-1].place + 1 and view.gap(place) in _JOINERS
        if groups and (not joined or len(groups) >= _MOST_GROUPS):
            yield from _finished(groups, view)
            groups = []
        groups.append(Group(place, digits))
    if groups:
        yield from _finished(groups, view)


def _readings(view: View) -> Iterator[tuple[int, str]]:
    """Yield each word that stands for digits; "double five" is one group on the second word with its first in reach."""
    spoken = view.vocabulary.digits
    repeat = 1
    for place, word in enumerate(view.words):
        if word.isascii() and word.isdigit():
            yield place, word
            repeat = 1
            continue
        value = spoken.get(word, "")
        if value.startswith("x"):
            repeat = int(value[1:])
            yield place, ""
        elif value:
            yield place, value * repeat
            repeat = 1


def _finished(groups: list[Group], view: View) -> Iterator[DigitRun]:
    """Yield the run; number words count only where at least three stand together or with written digits."""
    spoken = [not view.words[group.place].isdigit() for group in groups]
    if not any(spoken):
        if not _is_amount(groups, view):
            yield DigitRun(tuple(groups), False)
        return
    digits = "".join(_tens(groups, view))
    if sum(spoken) >= _LEAST_SPOKEN and len(digits) >= _LEAST_SPOKEN:
        texts = _tens(groups, view)
        yield DigitRun(tuple(Group(g.place, text) for g, text in zip(groups, texts, strict=True)), True)
        return
    written: list[Group] = []
    for group, is_spoken in zip(groups, spoken, strict=True):
        if is_spoken:
            if written:
                yield DigitRun(tuple(written), False)
            written = []
        else:
            written.append(group)
    if written:
        yield DigitRun(tuple(written), False)


def _is_amount(groups: list[Group], view: View) -> bool:
    """Say whether the groups are the thousands of one number: "9,192,631,770"."""
    return (
        len(groups) > 1
        and len(groups[0].digits) <= 3
        and all(len(group.digits) == 3 and view.gap(group.place) == "," for group in groups[1:])
    )


def _tens(groups: list[Group], view: View) -> list[str]:
    """Join "twenty" and "three" to 23: the zero of a spoken ten gives way to a spoken unit after it."""
    texts = [group.digits for group in groups]
    for place in range(len(groups) - 1):
        ten, unit = texts[place], groups[place + 1].digits
        spoken = not view.words[groups[place].place].isdigit() and not view.words[groups[place + 1].place].isdigit()
        if (
            spoken
            and len(ten) == _MOST_DIGITS_OF_WORD
            and ten[1] == "0"
            and ten[0] > "1"
            and len(unit) == 1
            and unit != "0"
        ):
            texts[place] = ten[0]
    return texts
