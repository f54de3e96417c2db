"""Realistic stand-ins: the same for the same value, drawn by its keyed hash (D18). Pure.

Where a range is set aside for examples it is used: e-mail and hosts (RFC 2606), IPv4 and IPv6 (RFC 5737, RFC 3849), MAC
(RFC 7042), telephone numbers 555-01xx (ATIS). Card numbers start with 9999, which no issuer has. Other ids keep their
shape and start with 0 where they start with a digit. Names come from a short list: two people can have the same
stand-in, and a stand-in read again gets a stand-in of its own. Use placeholders where either matters.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from sidecar.keys import Pseudonymizer
from sidecar.redaction import stand_ins
from sidecar.redaction.canonical import canonical, plainly
from sidecar.redaction.person import person_name

_LOWER: Final = "abcdefghijkmnpqrstuvwxyz"
_DIGITS: Final = "0123456789"


class _Draw:
    """Numbers that follow from a keyed hash, as many as asked for."""

    def __init__(self, keys: Pseudonymizer, *parts: str) -> None:
        self._keys = keys
        self._parts = parts
        self._bytes = b""
        self._blocks = 0

    def below(self, limit: int) -> int:
        if len(self._bytes) < 4:
            self._bytes = self._keys.digest("surrogate", *self._parts, str(self._blocks))
            self._blocks += 1
        number = int.from_bytes(self._bytes[:4], "big")
        self._bytes = self._bytes[4:]
        return number % limit

    def one_of(self, words: Sequence[str]) -> str:
        return words[self.below(len(words))]


def surrogate(label: str, value: str, keys: Pseudonymizer) -> str:
    """Return a stand-in for the value, never the value itself."""
    if label == "PERSON":
        return _in_case_of(value, _person(value, keys))
    draw = _Draw(keys, label, canonical(label, value))
    for _ in range(_TRIES):
        made = _MAKERS.get(label, _same_shape)(value, draw)
        if made and made.casefold() != value.casefold():
            return made
    return f"{label.lower()} {draw.below(10_000)}"


_TRIES: Final = 8


def _in_case_of(value: str, made: str) -> str:
    if value.islower():
        return made.lower()
    return made.upper() if value.isupper() and len(value) > 1 else made


def _person(value: str, keys: Pseudonymizer) -> str:
    """Draw each part by itself, so that "john" and "John Smith" get stand-ins that fit together."""
    name = person_name(plainly(value))
    parts = name.telling or (canonical("PERSON", value),)
    lists = [stand_ins.GIVEN_NAMES] + [stand_ins.FAMILY_NAMES] * (len(parts) - 1)
    if name.title and len(parts) == 1:
        lists = [stand_ins.FAMILY_NAMES]
    made = [_other_name(part, words, keys) for part, words in zip(parts, lists, strict=True)][:3]
    title = {"mr": "Mr ", "ms": "Ms "}.get(name.title, "")
    return title + " ".join(made)


def _other_name(part: str, words: Sequence[str], keys: Pseudonymizer) -> str:
    index = _Draw(keys, "PERSON", part).below(len(words))
    return words[index] if words[index].casefold() != part else words[(index + 1) % len(words)]


def _email(_: str, draw: _Draw) -> str:
    given, family = draw.one_of(stand_ins.GIVEN_NAMES), draw.one_of(stand_ins.FAMILY_NAMES)
    return f"{given}.{family}{draw.below(1000)}@example.com".lower()


def _username(_: str, draw: _Draw) -> str:
    return f"{draw.one_of(stand_ins.GIVEN_NAMES)}{draw.below(10_000)}".lower()


def _phone(value: str, draw: _Draw) -> str:
    """Keep separators and length; the last seven digits are 555-01xx."""
    digits = [char for char in value if char.isdigit()]
    if len(digits) < 7:
        return _same_shape(value, draw)
    lead = [str(2 + draw.below(8))] * (len(digits) - 7)
    return _refilled(value, [*lead, *"55501", str(draw.below(10)), str(draw.below(10))])


def _card(value: str, draw: _Draw) -> str:
    count = sum(char.isdigit() for char in value)
    if count < 12:
        return _same_shape(value, draw)
    body = [*"9999", *(str(draw.below(10)) for _ in range(count - 5))]
    return _refilled(value, [*body, str(_luhn_digit(body))])


def _luhn_digit(body: Sequence[str]) -> int:
    """Return the check digit (ISO/IEC 7812-1, annex B)."""
    doubled = [int(digit) * (2 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(body))]
    return -sum(n - 9 if n > 9 else n for n in doubled) % 10


def _refilled(value: str, digits: Sequence[str]) -> str:
    left = iter(digits)
    return "".join(next(left) if char.isdigit() else char for char in value)


def _ip(value: str, draw: _Draw) -> str:
    if ":" in value:
        return f"2001:db8::{draw.below(0xFFFF) + 1:x}"
    return f"{draw.one_of(('192.0.2', '198.51.100', '203.0.113'))}.{1 + draw.below(254)}"


def _mac(_: str, draw: _Draw) -> str:
    return f"00:00:5E:00:53:{draw.below(256):02X}"


def _url(_: str, draw: _Draw) -> str:
    return f"https://www.example.com/{draw.below(0x1000000):06x}"


def _address(value: str, draw: _Draw) -> str:
    street = f"{1 + draw.below(399)} {draw.one_of(stand_ins.STREETS)} Street"
    made = f"{street}, {draw.one_of(stand_ins.TOWNS)}" if len(value) > 25 else street
    return _in_case_of(value, made)


def _date(value: str, draw: _Draw) -> str:
    """Keep the order of the parts: day and month are both at most 12, so any order is a date."""
    day, month, year = 1 + draw.below(12), 1 + draw.below(12), 1950 + draw.below(55)
    numbers = re.findall(r"\d+", value)
    if len(numbers) != 3:
        return f"{year}-{month:02}-{day:02}"
    parts = [f"{year}" if len(number) == 4 else f"{(day, month, year % 100)[i]:02}" for i, number in enumerate(numbers)]
    left = iter(parts)
    return re.sub(r"\d+", lambda _: next(left), value)


def _geo_point(_: str, draw: _Draw) -> str:
    return f"{-draw.below(40)}.{draw.below(10_000):04}, -{120 + draw.below(20)}.{draw.below(10_000):04}"


def _from(words: Sequence[str]) -> Callable[[str, _Draw], str]:
    return lambda value, draw: _in_case_of(value, draw.one_of(words))


def _same_shape(value: str, draw: _Draw) -> str:
    """Another letter for each letter, another digit for each digit; the first digit of all is 0."""
    made = "".join(_same_kind(char, draw) for char in plainly(value))
    return f"0{made[1:]}" if made[:1].isdigit() else made


def _same_kind(char: str, draw: _Draw) -> str:
    if char.isdigit():
        return draw.one_of(_DIGITS)
    if not char.isalpha():
        return char
    letter = draw.one_of(_LOWER)
    return letter.upper() if char.isupper() else letter


_MAKERS: Final[Mapping[str, Callable[[str, _Draw], str]]] = {
    "ADDRESS": _address,
    "LOCATION": _from(stand_ins.TOWNS),
    "ORG": _from(stand_ins.COMPANIES),
    "PRODUCT": _from(stand_ins.PRODUCTS),
    "EMAIL": _email,
    "USERNAME": _username,
    "PHONE": _phone,
    "CREDIT_CARD": _card,
    "IP": _ip,
    "MAC": _mac,
    "URL": _url,
    "DATE": _date,
    "DATE_OF_BIRTH": _date,
    "GEO_POINT": _geo_point,
}
