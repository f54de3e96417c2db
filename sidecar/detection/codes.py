"""Reads codes: what order, account and policy numbers look like when people type them. Pure.

A code is a row of digit groups and short letter groups, joined or apart: "4821", "ABC-12345", "ey 58 s 6",
"kis 908765438", "545 e 15". Words of the language never belong to one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from sidecar.detection.view import View

_TIGHT: Final = frozenset({"-", "/", "_", "", "#", ".", ":"})
_LOOSE: Final = frozenset({" ", " - ", "  ", " #", "-", "/", "_", "#", ".", ""})
_MOST_WORDS: Final = 12
_LONGEST_LETTERS: Final = 4
_LONGEST_TIGHT_LETTERS: Final = 12
_ORDINAL: Final = re.compile(
    r"[0-9]{1,3}(?:st|nd|rd|th)|[0-9]{1,2}x[0-9]{1,2}|[0-9]g|x[0-9]{1,2}|mp[34]|h26[45]|[a-z][0-9]|24x7|[0-9]{1,2}h[0-9]{2}"
    r"|[0-9]{1,4}(?:s|x|k|m|gb|mb|tb|kg|g|cm|mm|km|ml|l|lb|lbs|oz|am|pm|h|hr|hrs|min|mins|in|ft|px|p|hz|ghz|w|v|mah|inch)"
    r"|[0-9]{1,4}(?:yr|yrs|mph|kmh|c|f|usd|eur|gbp|rs|ish)"
)
"""One word that is an ordinal, a measure with its unit, or a well-known short name."""
_ORDINAL_WORD: Final = re.compile(r"[0-9]{1,3}(?:st|nd|rd|th)")
_CHOICES: Final = frozenset({"or", "and"})
_YEARS: Final = range(1900, 2036)
_MONEY: Final = re.compile(r"[$€£¥₹]\s?\Z|(?:usd|eur|gbp|inr|rs\.?|dollars?|euros?)\s\Z")
_MONEY_AFTER: Final = re.compile(r"\s?(?:[$€£¥₹%°]|,-)")
_MEASURE: Final = re.compile(r"[,.:][0-9]")


@dataclass(frozen=True, slots=True)
class Code:
    """Words ``[first, last)`` of a view, with their letters and digits run together."""

    first: int
    last: int
    compact: str = field(repr=False)

    @property
    def digit_count(self) -> int:
        return sum(c.isdigit() for c in self.compact)

    @property
    def is_number(self) -> bool:
        return self.compact.isdigit()

    @property
    def is_mixed(self) -> bool:
        return 0 < self.digit_count < len(self.compact)


def read_code(view: View, place: int) -> Code | None:
    """Return the longest code that starts at word ``place``; None where none does."""
    words = view.words
    if not _starts_code(view, place):
        return None
    last = place + 1
    while last < len(words) and last - place < _MOST_WORDS and _continues(view, last):
        last += 1
    last = _without_trailing_letters(view, place, last)
    return Code(place, last, "".join(words[place:last]))


def _starts_code(view: View, place: int) -> bool:
    word = view.words[place]
    if _ORDINAL_WORD.fullmatch(word):
        return False
    if word[0].isdigit() or any(c.isdigit() for c in word):
        return len(word) <= 64
    if place + 1 >= len(view.words) or not view.words[place + 1][0].isdigit():
        return False
    tight = view.gap(place + 1) in _TIGHT
    if tight and view.gap(place + 1) not in {".", ":", ""}:
        plain = len(word) > 1 and (view.vocabulary.is_plain(word) or word in view.vocabulary.enumerated)
        return len(word) <= _LONGEST_TIGHT_LETTERS and not plain
    if view.gap(place + 1) != " " or len(word) > _LONGEST_LETTERS or word in view.vocabulary.enumerated:
        return False
    if view.gap(place).endswith("'"):
        return False
    return not _is_word(view, word) or (len(word) <= 2 and _alternates(view, place + 1))


def _continues(view: View, place: int) -> bool:
    """Say whether word ``place`` goes on with the code before it."""
    word, gap = view.words[place], view.gap(place)
    if gap not in _LOOSE or len(word) > 40:
        return False
    if gap in _TIGHT:
        return gap != "." or word[0].isdigit() or any(c.isdigit() for c in word)
    if word.isdigit():
        return not _is_counted(view, place) or view.words[place - 1].isalpha() or _alternates(view, place)
    if any(c.isdigit() for c in word):
        return not _ORDINAL.fullmatch(word)
    after = view.words[place + 1 : place + 2]
    if after and after[0].isdigit() and (len(word) == 1 or (len(word) == 2 and _is_row(view, place))):
        return view.gap(place + 1) == " "
    if not after and len(word) == 1 and _is_row(view, place):
        return True
    return len(word) <= 3 and not _is_word(view, word)


def _without_trailing_letters(view: View, first: int, last: int) -> int:
    """Letters apart at the end belong only where the text ends with them ("263 hdh"), or if digits follow."""
    while last - first > 1 and view.words[last - 1].isalpha() and view.gap(last - 1) not in _TIGHT:
        word = view.words[last - 1]
        closes = last == len(view.words) and last - first <= 6 and view.words[last - 2].isdigit()
        if closes and word not in view.vocabulary.enumerated:
            return last
        last -= 1
    return last


def _is_word(view: View, word: str) -> bool:
    vocabulary = view.vocabulary
    named = word in vocabulary.units or word in vocabulary.months or vocabulary.names_slot(word)
    return named or vocabulary.is_plain(word)


def _is_counted(view: View, place: int) -> bool:
    """Say whether the number at ``place`` counts something: a unit comes after it."""
    unit = view.words[place + 1] if place + 1 < len(view.words) else ""
    if len(unit) == 1 and place and view.words[place - 1].isdigit():
        return False
    return unit in view.vocabulary.units and len(view.words[place]) < 5


def _is_row(view: View, place: int) -> bool:
    """Say whether digits and letters stand before ``place``: "f 8" before the "en" of "f 8 en 27"."""
    return (
        place > 1
        and view.words[place - 1].isdigit()
        and view.words[place - 2].isalpha()
        and len(view.words[place - 2]) <= 3
    )


def _alternates(view: View, place: int) -> bool:
    """Say whether a letter and another number go on after this one: "56 f 5" is a row, "56 f" a temperature."""
    words = view.words
    follow = words[place + 1 : place + 3]
    letters = len(follow) == 2 and len(follow[0]) <= 2 and follow[0].isalpha() and follow[0] not in _CHOICES
    return letters and follow[1].isdigit()


def is_measure(view: View, code: Code) -> bool:
    """Say whether the code is a price, a quantity, a time, a date part, a decimal or an ordinal (D11)."""
    start, end = view.starts[code.first], view.ends[code.last - 1]
    if _MONEY.search(view.lower[max(0, start - 9) : start]) or _MONEY_AFTER.match(view.lower, end):
        return True
    if code.first and len(view.words[code.first]) < 5 and _is_enumerated(view, code.first):
        return True
    if _ORDINAL.fullmatch(code.compact) or (code.last - code.first == 1 and _is_counted(view, code.first)):
        return True
    if (
        code.last < len(view.words)
        and code.is_number
        and len(code.compact) < 5
        and view.words[code.last] in view.vocabulary.units
    ):
        return True
    if _MEASURE.match(view.lower, end) and code.digit_count < 5:
        return True
    return start > 1 and view.lower[start - 1] in ".,:" and view.lower[start - 2].isdigit()


def _is_enumerated(view: View, place: int) -> bool:
    return view.words[place - 1] in view.vocabulary.enumerated and not view.gap(place).strip(" .#")


def is_year(compact: str) -> bool:
    return len(compact) == 4 and compact.isdigit() and int(compact) in _YEARS


def is_round(compact: str) -> bool:
    """Say whether a number looks like an amount: up to five digits that end in two zeros, or fewer than four digits."""
    return compact.isdigit() and (len(compact) < 4 or (len(compact) < 6 and compact.endswith("00")))
