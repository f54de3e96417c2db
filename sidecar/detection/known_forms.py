"""The forms in which a known value may turn up: in full, in parts, by its digits. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from sidecar.detection.everyday import EVERYDAY
from sidecar.detection.normalise import fold
from sidecar.detection.recognizer import KnownValue
from sidecar.detection.scores import DIALOGUE, KNOWN
from sidecar.detection.view import split
from sidecar.detection.words.table import words_in

_TITLES: Final = frozenset(
    words_in(
        "mr mrs ms miss mx dr prof professor sir madam herr frau monsieur madame senor senora sr sra dott ing jr "
        "ii iii "
        "von van de der den del della di da la le el al bin ibn y e and und et the of"
    )
)
_PLACEHOLDERS: Final = frozenset(
    words_in(
        "none null nil na n/a unknown test true false yes no guest user customer anonymous default undefined other"
    )
)
UNSPACED: Final = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\U00020000-\U0003ffff]"
)
"""A letter of a script in which words stand without a space between them, or with endings that run on (Korean)."""
_PART_BORDER: Final = re.compile(r"[,;\n]+")
_ID_LABELS: Final = frozenset(
    {"PHONE", "ORDER_ID", "ACCOUNT_ID", "CREDIT_CARD", "IBAN", "NATIONAL_ID", "OTHER_ID", "TRACKING_NUMBER", "PASSPORT",
     "VEHICLE_PLATE"}
)  # fmt: skip
_LEAST_LETTERS: Final = 3
_LEAST_DIGITS: Final = 4
_LONGEST_VALUE: Final = 2_000


class FormKind(StrEnum):
    """WHOLE: the value as it stands. WORD: one word of it, which may be misspelt. PART: a piece of it."""

    WHOLE = "whole"
    WORD = "word"
    PART = "part"


@dataclass(frozen=True, slots=True)
class Form:
    """One form, run together, and how it may match.

    ``everyday``: the form is an everyday word too, so that alone it must stand out. ``may_be_split``: separators may
    stand inside its words, as they do in digits.
    """

    joined: str = field(repr=False)
    label: str
    kind: FormKind
    score: float
    word_count: int
    everyday: bool
    may_be_split: bool


def forms_of(known: KnownValue) -> Iterator[Form]:
    """Yield the forms of a value; none for values that say nothing, such as "n/a" or a single letter."""
    words, _, _ = split(fold(known.value[:_LONGEST_VALUE]))
    joined = "".join(words)
    if not joined or " ".join(words) in _PLACEHOLDERS or joined in _PLACEHOLDERS:
        return
    digits = sum(c.isdigit() for c in joined)
    if len(joined) < (_LEAST_DIGITS if digits == len(joined) else 2):
        return
    kind = FormKind.WORD if len(words) == 1 else FormKind.WHOLE
    yield _form(joined, known.label, kind, KNOWN, len(words))
    yield from _parts(known, words)


def _form(joined: str, label: str, kind: FormKind, score: float, word_count: int) -> Form:
    too_short = len(joined) < _LEAST_LETTERS and label != "PERSON"  # "Bo" and "Xi" are names, and little else
    everyday = word_count == 1 and (joined in EVERYDAY or too_short)
    run_on = UNSPACED.search(joined) is not None
    split_inside = word_count > 1 or label == "EMAIL" or run_on or any(c.isdigit() for c in joined)
    return Form(joined, label, kind, score, word_count, everyday, split_inside)


def _parts(known: KnownValue, words: tuple[str, ...]) -> Iterator[Form]:
    if known.label == "PERSON":
        yield from _name_parts(words)
    elif known.label == "EMAIL":
        yield from _mail_parts(known.value)
    elif known.label == "ADDRESS":
        yield from _address_parts(known.value)
    elif known.label in _ID_LABELS:
        yield from _digit_parts(known.label, words)


def _name_parts(words: tuple[str, ...]) -> Iterator[Form]:
    """First and last names alone; initials, titles and particles are none."""
    if len(words) < 2:
        return
    named = [word for word in words if word not in _TITLES and len(word) >= 2]
    for word in named:
        yield _form(word, "PERSON", FormKind.WORD, KNOWN, 1)
    if len(named) >= 2:
        yield _form(named[-1] + named[0], "PERSON", FormKind.WHOLE, KNOWN, 2)
        yield _form(named[0] + named[-1], "PERSON", FormKind.WHOLE, KNOWN, 2)
        yield _form(named[0][0] + named[-1], "PERSON", FormKind.PART, DIALOGUE, 2)


def _mail_parts(value: str) -> Iterator[Form]:
    local = "".join(split(fold(value.partition("@")[0]))[0])
    if len(local) >= 5 and local not in EVERYDAY:
        yield _form(local, "EMAIL", FormKind.WORD, DIALOGUE, 1)


def _address_parts(value: str) -> Iterator[Form]:
    """Lines of an address, and its postcode: pieces of two words, or with four digits."""
    pieces = [split(fold(piece))[0] for piece in _PART_BORDER.split(value)]
    for words in pieces:
        joined = "".join(words)
        if len(pieces) > 1 and (len(words) > 1 or sum(c.isdigit() for c in joined) >= _LEAST_DIGITS):
            yield _form(joined, "ADDRESS", FormKind.PART, KNOWN, len(words))
        for word in words:
            if word.isdigit() and len(word) >= 5:
                yield _form(word, "ADDRESS", FormKind.PART, KNOWN, 1)


def _digit_parts(label: str, words: tuple[str, ...]) -> Iterator[Form]:
    """The digits without the letters around them ("ORD-99812" → "99812"), and a phone without its country code."""
    digits = "".join(c for word in words for c in word if c.isdigit())
    if len(digits) >= 5 and digits != "".join(words):
        yield _form(digits, label, FormKind.PART, DIALOGUE, 1)
    if label == "PHONE" and len(digits) >= 10:
        for tail in range(7, 11):
            if tail < len(digits):
                yield _form(digits[-tail:], label, FormKind.PART, DIALOGUE, 1)
        yield _form("0" + digits[-10:], label, FormKind.PART, DIALOGUE, 1)
