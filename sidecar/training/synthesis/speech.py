"""Turns typed values into what a speech recogniser writes: spelled letters, digits as words, "at" and "dot"."""

from __future__ import annotations

import random
import re
from typing import Final

from sidecar.training.synthesis.grammar import Piece
from sidecar.training.synthesis.lists import columns

_DIGITS: Final = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_TEENS: Final = (
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
)
_TENS: Final = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SIGNS: Final = {"@": "at", ".": "dot", "-": "dash", "_": "underscore", "#": "number", "/": "slash", "+": "plus"}
_NUMBERED: Final = frozenset({"PHONE", "ORDER_ID", "ACCOUNT_ID", "CREDIT_CARD", "NATIONAL_ID", "PASSWORD", "OTHER_ID"})
_FILLERS: Final = ("um ", "uh ", "er ", "so ", "okay ", "yeah ", "well ")


def spoken(pieces: list[Piece], rng: random.Random) -> list[Piece]:
    """The same pieces as a transcript: lower case, no punctuation, values said letter by letter or as words."""
    spells = rng.random() < 0.55
    made = [Piece(_value(piece, spells, rng), piece.label) for piece in pieces]
    if rng.random() < 0.25:
        made = [Piece(rng.choice(_FILLERS), None), *made]
    return made


def _value(piece: Piece, spells: bool, rng: random.Random) -> str:
    text, label = piece
    if label in _NUMBERED:
        return _said(text, spells, rng)
    if label in ("EMAIL", "USERNAME", "URL"):
        return _said_address(text, rng)
    if label == "PERSON" and spells:
        return _spelled_name(text, rng)
    if label == "ADDRESS":
        return _said(_plain(text), spells and len(text) < 9, rng) if rng.random() < 0.6 else _plain(text)
    if label == "DATE_OF_BIRTH":
        return _said_date(text, rng)
    return _plain(text)


def _plain(text: str) -> str:
    """Lower case without punctuation, edges kept."""
    return re.sub(r"(?<=\S) {2,}", " ", re.sub(r"[^\w\s']", " ", text.lower()))


def _spelled_name(text: str, rng: random.Random) -> str:
    words = _plain(text).split()
    lot = rng.random()
    if lot < 0.35:
        return " ".join(_letters(word, rng) for word in words)
    if lot < 0.7:
        return " ".join(words) + " " + " ".join(_letters(word, rng) for word in words[-1:])
    return " ".join([*words[:-1], _letters(words[-1], rng)])


def _letters(word: str, rng: random.Random) -> str:
    """``smith`` → ``s m i t h``, ``s for sugar m for mike …``, ``double s``."""
    lot = rng.random()
    if lot < 0.15:
        rows = {row[0]: row[1] for row in columns("spelling_words")}
        joint = rng.choice((" for ", " as in ", " like "))
        return " ".join(
            f"{letter}{joint}{rng.choice(rows[letter].split())}" if letter in rows else letter for letter in word
        )
    if lot < 0.25:
        return "-".join(word) if rng.random() < 0.7 else ".".join(word)
    return re.sub(r"(\w) \1\b", r"double \1", " ".join(word)) if rng.random() < 0.5 else " ".join(word)


def _said(text: str, spells: bool, rng: random.Random) -> str:
    """Digits and letters of an id one by one or in pairs."""
    made = []
    for part in re.findall(r"\d+|[A-Za-z]+", text):
        if part.isdigit():
            made.append(_digits(part, rng))
        else:
            made.append(_letters(part.lower(), rng) if spells and len(part) < 9 else part.lower())
    return " ".join(made) or text


def _digits(text: str, rng: random.Random) -> str:
    """``2201`` → ``two two oh one``, ``twenty two oh one``, ``double two zero one``, ``2 2 0 1``, ``22 01``."""
    lot = rng.random()
    nought = rng.choice(("zero", "zero", "oh", "o"))
    if lot < 0.45:
        said = [nought if digit == "0" else _DIGITS[int(digit)] for digit in text]
        return re.sub(r"\b(\w+) \1\b", r"double \1", " ".join(said)) if rng.random() < 0.4 else " ".join(said)
    if lot < 0.6:
        return " ".join(_pair(text[place : place + 2], nought) for place in range(0, len(text), 2))
    if lot < 0.8:
        return " ".join(text)
    size = rng.choice((2, 3, 4))
    return " ".join(text[place : place + size] for place in range(0, len(text), size))


def _pair(text: str, nought: str) -> str:
    number = int(text)
    if len(text) == 1 or number < 10:
        return " ".join(nought if digit == "0" else _DIGITS[int(digit)] for digit in text)
    if number < 20:
        return _TEENS[number - 10]
    return _TENS[number // 10] + (f" {_DIGITS[number % 10]}" if number % 10 else "")


def _said_date(text: str, rng: random.Random) -> str:
    """``14 March 1972`` → ``fourteenth of march nineteen seventy two``; numbers stay numbers now and then."""
    if rng.random() < 0.3:
        return _plain(text)
    ordinal = rng.random() < 0.5
    said = (_said_part(part, ordinal, rng) for part in re.findall(r"\d+|[A-Za-z]+", text))
    return " ".join(part for part in said if part)


def _said_part(part: str, ordinal: bool, rng: random.Random) -> str:
    if not part.isdigit():
        return "" if part in ("th", "st", "nd", "rd") else part.lower()
    number = int(part)
    if len(part) > 4:
        return _digits(part, rng)
    if len(part) == 4:
        century, rest = number // 100, number % 100
        spoken_rest = _counted(rest) if rest > 9 else f"oh {_DIGITS[rest]}" if rest else "hundred"
        return "two thousand" if number == 2000 else f"{_counted(century)} {spoken_rest}"
    return columns("ordinal_words")[number][0] if ordinal and 0 < number < 32 else _counted(number)


def _counted(number: int) -> str:
    """A number below 100 in words."""
    return _DIGITS[number] if number < 10 else _pair(str(number), "oh")


def _said_address(text: str, rng: random.Random) -> str:
    """``jon.smith12@mail.com`` → ``jon dot smith one two at mail dot com``."""
    made = []
    for part in re.findall(r"\d+|[A-Za-z]+|[^\w\s]|_", text):
        if part.isdigit():
            made.append(_digits(part, rng) if rng.random() < 0.7 else part)
        elif part.isalpha():
            made.append(_letters(part.lower(), rng) if rng.random() < 0.15 and len(part) < 8 else part.lower())
        else:
            made.append(_SIGNS.get(part, ""))
    return " ".join(part for part in made if part)
