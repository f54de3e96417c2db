"""Numbers, member names and stamps: what in them could be personal data, and how sure a finding must be to change them.

They are the machinery of a payload: a client breaks when ``"status"`` or a time stamp is replaced. So a finding in one
must be surer than in a text, and most member names are never asked about. The scores are those of
``detection.scores``.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from sidecar.detection.scores import CHECKED_CONTEXT, STRONG_GRAMMAR
from sidecar.payloads.document import Path

ANY_SCORE: Final = 0.0
"""The policy's own threshold decides."""
SURE: Final = STRONG_GRAMMAR
"""For bare digits: a card number, or a number whose member name says what it is; not any digits that pass a check."""
CERTAIN: Final = CHECKED_CONTEXT
"""For what looks like a clock, and for names that are plain words: checksum with context, or a known value."""

_FEWEST_DIGITS = 7
_NATIONAL_DIGITS = 10
"""Of a number of a phone that has lost its leading zero, and may then begin with 1."""
_DIGIT = re.compile(r"[0-9]")
_NUMBER = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?)0*+([0-9]{0,9}))?")
_LONGEST_NUMBER = 100
"""Digits that a number is written out to. No id has so many."""
_CLOCK = re.compile(r"1[0-9]{9}(?:[0-9]{3}){0,3}(?:\.[0-9]{1,9})?")
"""Seconds since 1970, from 2001 to 2033; or so many milli-, micro- or nanoseconds. No card number begins with 1."""
_STAMP = re.compile(
    r"""
      \d{4}-\d\d-\d\d[T ](?:[01]\d|2[0-3]):(?!(?:00|15|30|45):00(?!\d))[0-5]\d:[0-5]\d
      (?:\.\d{1,9})?[ ]?(?:Z|[+-]\d\d:?\d\d)?
    | [0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}
    """,
    re.VERBOSE | re.ASCII,
)
_IDENTIFIER = re.compile(r"[@$#]?[A-Za-z_][A-Za-z0-9_.:/$#\[\]*-]*")
_DIGEST = re.compile(r"(?<![0-9A-Za-z])(?=(?:[0-9]*+[a-f]++[0-9]++){2})[0-9a-f]{8,64}(?![0-9A-Za-z])")
"""Of a file or a commit. Its letters and digits alternate more than those of any number that a person has."""
_PHONE = re.compile(
    r"(?:.* )?(?:(?:tele|cell|mobile)?phones?|mobile|tel|fax|whatsapp|msisdn)(?: ?(?:numbers?|no|nr))?(?: ?\d+)?"
)
_PHONE_ASKED: Final = "phone number?"
"""In a conversation "phone?" asks for a thing; as a member's name it asks for a number."""
_LONGEST_QUESTION = 80
_LONGEST_NAME = 200
"""Characters of a name that are looked at, for every value below it: a long one must not cost more than a short one."""
_WORD = re.compile(r"\w+")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[_\-.:/$@#]+")


def is_data(text: str) -> bool:
    """Whether a text has digits enough for a phone, a card or an id."""
    return len(_DIGIT.findall(text)) >= _FEWEST_DIGITS


def is_id(number: str) -> bool:
    """Whether a number, as ``number_text`` writes it, could be an id: whole, and with digits enough.

    The fraction of a probability or a duration passes a card's checksum one time in ten, and no id is a fraction.
    """
    return number.lstrip("-").isdigit() and is_data(number)


def number_text(number: str) -> str:
    """Write a whole number without exponent and fraction, as a card number in ``4.1e15`` would be read.

    However it is spelled: ``447911123456e000`` and ``447911123456.000`` are the number of that phone, too.
    """
    found = None if number.isdigit() else _NUMBER.fullmatch(number)
    if found is None:
        return number
    sign, whole, fraction, exponent_sign, exponent = (part or "" for part in found.groups())
    written = (whole + fraction).lstrip("0")
    digits = written.rstrip("0")
    zeros = int(f"{exponent_sign}{exponent or 0}") - len(fraction) + len(written) - len(digits)
    if digits and not 0 <= zeros <= _LONGEST_NUMBER - len(digits):
        return number
    return f"{sign}{digits}{'0' * zeros}" if digits else f"{sign}0"


def number_score(number: str, asked: str = "") -> float:
    """From which score on a finding replaces the number. ``asked``: what its member's name asks for (``question``)."""
    is_phone = asked == _PHONE_ASKED and len(number) == _NATIONAL_DIGITS
    return CERTAIN if _CLOCK.fullmatch(number) and not is_phone else SURE


def is_stamp(text: str) -> bool:
    """Whether a string is a UUID, or a date with a time that is on no quarter of an hour (RFC 9562, RFC 3339).

    Dates of birth are often stored as midnight somewhere: those round times are scanned.
    """
    return _STAMP.fullmatch(text) is not None


def name_score(name: str, known_words: frozenset[str]) -> float | None:
    """From which score on a finding replaces a member name; None: it is not asked about.

    A name that could not be an identifier of a program (it has spaces, "@", letters beyond ASCII …) is a text like any
    other, for payloads keyed by e-mail address or person. One that could is asked about when it has digits for an id,
    or says nothing but words of known values. Digests of builds are no ids: ``main.9be72da65a79.css``.
    """
    if is_data(_DIGEST.sub("", name)):
        return number_score(name) if _IDENTIFIER.fullmatch(name) or name.isdigit() else ANY_SCORE
    if not _IDENTIFIER.fullmatch(name) and not name.isdigit():
        return ANY_SCORE
    spoken = words(name)
    return CERTAIN if spoken and spoken <= known_words else None


def words(text: str) -> frozenset[str]:
    """The words of a text, casefolded; single characters don't count."""
    return frozenset(word.casefold() for word in _WORD.findall(text.replace("_", " ")) if len(word) > 1)


def question(path: Path) -> str:
    """The nearest member name as a question in plain words: ``accountNumber`` asks "account number?"."""
    for part in reversed(path):
        if isinstance(part, str):
            return _asked(part[:_LONGEST_NAME])
    return ""


@lru_cache(maxsize=1024)
def _asked(name: str) -> str:
    asked = _plain(name) if _IDENTIFIER.fullmatch(name) else ""
    return _PHONE_ASKED if _PHONE.fullmatch(asked) else f"{asked}?" if asked else ""


def _plain(name: str) -> str:
    return " ".join(_HUMP.sub(" ", name).split()).lower()[:_LONGEST_QUESTION]
