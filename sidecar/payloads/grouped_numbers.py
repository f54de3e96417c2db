"""Phone numbers and IBANs in groups, where measures stand, too: in attributes of markup and in styles (X7).

A long run of digits says by itself that it is one. Groups of digits may be anything: ``rgb(255 255 255)`` and
``1.42857143`` are no phone numbers.
"""

from __future__ import annotations

import re

_PHONE = re.compile(r"(?=\d{1,14}[ ().-]{1,2}\d)\d(?:[ ().-]{0,2}\d){8,}")
_IBAN = re.compile(r"[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]{4}){3,}")
_UUID = re.compile(r"(?<![0-9a-fA-F])[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}(?![0-9a-fA-F])")
_DAY = re.compile(r"(?<!\d)(?<!\d-)(?:19|20)\d\d-(?:0[1-9]|1[0-2])-(?:[0-2]\d|3[01])(?!\d)")
_DECLARATION = re.compile(r"\s*+(?P<own>--)?[*\w-]++\s*+:(?P<value>.*+)", re.DOTALL)
_STEPS = re.compile(r"(?:[\s,]*+(?:from|to|\d{1,3}(?:\.\d+)?%))*+\s*")
"""Of an animation."""
_BETWEEN = re.compile(r"[\s,()/*:]+")
_WITH_UNIT = (
    r"-?\d{0,5}(?:\.\d+)?(?:[eE][+-]?\d{1,2}|%|[a-zA-Z]+)|[!a-zA-Z-]*|\+|U\+[0-9a-fA-F?]{1,6}(?:-[0-9a-fA-F]{1,6})?"
)
_MEASURE = re.compile(rf"-?(?:\d{{1,3}}|\d{{0,5}}\.\d+)|{_WITH_UNIT}")
"""A number without unit is short, or has a fraction: "7911" could be the middle of a phone number, "+44" begins one."""
_OWN_MEASURE = re.compile(rf"25[0-5]|2[0-4]\d|1\d\d|\d\d?|-?\d{{0,3}}\.\d+|{_WITH_UNIT}")
"""The same for a property of the page's own, which may be made to hold anything: no more than a part of a colour."""


def has_grouped_number(text: str) -> bool:
    """Whether digits stand there in groups like those of a phone number, or what begins like an IBAN.

    Those of a UUID and of a day of these centuries don't count.
    """
    plain = _DAY.sub(" ", _UUID.sub(" ", " ".join(text.split())))
    return _IBAN.search(plain) is not None or _PHONE.search(plain) is not None


def is_measures(value: str, measure: re.Pattern[str] = _MEASURE) -> bool:
    """Whether a value is made of measures and words only, such as ``0.5s ease`` and ``matrix(1 0 0 1 10.25 -3)``."""
    return all(measure.fullmatch(word) for word in _BETWEEN.split(value))


def style_has_number(style: str) -> bool:
    """Whether declarations or selectors of a style hold such a number, where a style has no measures."""
    return any(has_grouped_number(one) and not _says_measures(one) for one in style.split(";"))


def _says_measures(style: str) -> bool:
    declared = _DECLARATION.fullmatch(style)
    if declared is None:
        return _STEPS.fullmatch(style) is not None
    return is_measures(declared["value"], _OWN_MEASURE if declared["own"] else _MEASURE)
