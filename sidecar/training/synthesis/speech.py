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
_SIGNS: Final = {
    "@": ("at", "at", "at", "at the rate", "at sign"),
    ".": ("dot", "dot", "dot", "dot", "point", "period"),
    "-": ("dash", "hyphen", "minus"),
    "_": ("underscore", "underscore", "under score"),
    "#": ("number", "hash"),
    "/": ("slash",),
    "+": ("plus",),
}
"""How signs of addresses are said."""

_PARTED: Final = {"gmail": "g mail", "hotmail": "hot mail", "yahoo": "ya hoo", "outlook": "out look"}
_NUMBERED: Final = frozenset({"PHONE", "ORDER_ID", "ACCOUNT_ID", "CREDIT_CARD", "NATIONAL_ID", "PASSWORD", "OTHER_ID"})
_FILLERS: Final = (
    "um ",
    "uh ",
    "er ",
    "so ",
    "okay ",
    "yeah ",
    "well ",
    "uh yeah ",
    "okay so ",
    "sure ",
    "yes ",
    "oh ",
)
_CASED: Final = frozenset({"PERSON", "ADDRESS", "LOCATION", "ORG", "PRODUCT"})


def spoken(pieces: list[Piece], rng: random.Random) -> list[Piece]:
    """The same pieces as a transcript: values said letter by letter or as words, mostly without capitals and signs."""
    spells, counts = rng.random() < 0.55, rng.random() < 0.6
    made = [Piece(_value(piece, spells, rng), piece.label) for piece in pieces]
    if counts:
        made = [piece if piece.label not in (None, "DATE") else _in_words(piece, rng) for piece in made]
    if rng.random() < 0.25:
        made = [Piece(rng.choice(_FILLERS), None), *made]
    return _as_sentence(made, rng) if rng.random() < 0.2 else made


def _in_words(piece: Piece, rng: random.Random) -> Piece:
    """Quantities, times and prices in words: "at 5 30" → "at five thirty". They are no identifiers."""
    return Piece(re.sub(r"\d+", lambda match: _number(match[0], rng), piece.text), piece.label)


def _number(text: str, rng: random.Random) -> str:
    number = int(text)
    if len(text) > 4 or text[0] == "0":
        return _digits(text, rng)
    thousands, hundreds, rest = number // 1000, number % 1000 // 100, number % 100
    if 1900 <= number < 2100 and number % 1000:
        return _said_part(text, False, rng)
    parts = [f"{_DIGITS[thousands]} thousand"] if thousands else []
    parts += [f"{_DIGITS[hundreds]} hundred"] if hundreds else []
    if rest or not parts:
        parts += [("and " if parts and rng.random() < 0.5 else "") + _counted(rest)]
    return " ".join(parts)


def _as_sentence(pieces: list[Piece], rng: random.Random) -> list[Piece]:
    """As recognisers write that put capitals and stops: "My name is Jon Smith. S M I T H."."""
    made = [Piece(_capital_words(piece.text), piece.label) if piece.label in _CASED else piece for piece in pieces]
    first = made[0]
    made[0] = Piece(first.text[:1].upper() + first.text[1:], first.label)
    return [*made, Piece(rng.choice((".", ".", "?", "")), None)]


def _capital_words(text: str) -> str:
    return re.sub(r"(?<![\w'])[a-z]", lambda match: match[0].upper(), text)


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
        return _by_words(word, rng)
    if lot < 0.25:
        return "-".join(word) if rng.random() < 0.7 else ".".join(word)
    if lot < 0.33:
        return rng.choice((". ", ", ")).join(word)
    return re.sub(r"(\w) \1\b", r"double \1", " ".join(word)) if rng.random() < 0.5 else " ".join(word)


def _by_words(word: str, rng: random.Random) -> str:
    """``s for sugar m as in mike …`` or ``sierra mike``."""
    rows = {row[0]: row[1].split() for row in columns("spelling_words")}
    if rng.random() < 0.3:
        return " ".join(rows[letter][0] if letter in rows else letter for letter in word)
    joint = rng.choice((" for ", " as in ", " like "))
    return " ".join(f"{letter}{joint}{rng.choice(rows[letter])}" if letter in rows else letter for letter in word)


def _said(text: str, spells: bool, rng: random.Random) -> str:
    """Digits and letters of an id one by one or in pairs."""
    made = []
    for part in re.findall(r"\d+|[A-Za-z]+", text):
        if part.isdigit():
            made.append(_digits(part, rng))
        else:
            made.append(_letters(part.lower(), rng) if spells and len(part) < 9 else part.lower())
    said = " ".join(made) or text
    return _in_groups(said, rng) if rng.random() < 0.15 else said


def _in_groups(said: str, rng: random.Random) -> str:
    """With the pauses that some recognisers write: ``four five two, six seven one``."""
    words, size = said.split(), rng.choice((2, 3, 3, 4))
    joint = rng.choice((", ", ", ", " uh ", " and ", ". "))
    return joint.join(" ".join(words[place : place + size]) for place in range(0, len(words), size))


def _digits(text: str, rng: random.Random) -> str:
    """``2201`` → ``two two oh one``, ``twenty two oh one``, ``double two zero one``, ``2 2 0 1``, ``22 01``."""
    lot = rng.random()
    nought = rng.choice(("zero", "zero", "oh", "o"))
    if lot < 0.45:
        said = " ".join(nought if digit == "0" else _DIGITS[int(digit)] for digit in text)
        if rng.random() < 0.5:
            said = re.sub(r"\b(\w+) \1 \1\b", r"triple \1", said)
        return re.sub(r"\b(\w+) \1\b", r"double \1", said) if rng.random() < 0.4 else said
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
            made.append(rng.choice(_SIGNS.get(part, ("",))))
    parts = rng.random() < 0.3
    return " ".join(_PARTED.get(part, part) if parts else part for part in made if part)
