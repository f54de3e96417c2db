"""One form for all spellings of a value, by type, so that the same value meets the same key (D19). Pure.

Two spellings that differ here get two placeholders, which is safe; two values that agree here share one. So each rule
drops only what never tells two values apart: case, separators, a country code that a national number leaves out.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Final

from sidecar.redaction.person import person_name

_NATIONAL_PHONE_DIGITS: Final = 10
# Threat: long runs of spaces. Each is tried from its first space alone.
_SPOKEN_SIGNS: Final = (
    (re.compile(r"(?<!\s)\s+(?:at|\(at\)|\[at\])\s+"), "@"),
    (re.compile(r"(?<!\s)\s+(?:dot|\(dot\)|\[dot\])\s+"), "."),
)


def canonical(label: str, value: str) -> str:
    """Return the form under which a value of this type is keyed. Never empty for a value that is not."""
    plain = plainly(value)
    return _FORMS.get(label, _words)(plain) or plain or value


def plainly(value: str) -> str:
    """Return the value in NFKC, without invisible format characters and outer space."""
    if value.isascii():
        return value.strip()
    composed = unicodedata.normalize("NFKC", value)
    return "".join(char for char in composed if unicodedata.category(char) != "Cf").strip()


def fold(text: str) -> str:
    """Lower-case character by character, so that offsets stay (``str.lower`` makes two of "İ")."""
    lowered = text.lower()
    if len(lowered) == len(text):
        return lowered
    return "".join(low if len(low := char.lower()) == 1 else char for char in text)


def _exact(value: str) -> str:
    return value


def _symbols(value: str) -> str:
    return "".join(char for char in value.casefold() if char.isalnum())


def _words(value: str) -> str:
    return " ".join(re.findall(r"\w+", value.casefold()))


def _phone(value: str) -> str:
    digits = "".join(str(unicodedata.digit(char)) for char in value if char.isdigit())
    return digits[-_NATIONAL_PHONE_DIGITS:]


def _email(value: str) -> str:
    folded = value.casefold()
    for pattern, sign in _SPOKEN_SIGNS:
        folded = pattern.sub(sign, folded)
    return "".join(folded.split()).removeprefix("mailto:")


def _username(value: str) -> str:
    return "".join(value.casefold().split()).lstrip("@")


def _ip(value: str) -> str:
    try:
        return str(ipaddress.ip_address(value.strip("[]")))
    except ValueError:
        return _words(value)


def _url(value: str) -> str:
    scheme, separator, rest = value.partition("://")
    host, slash, path = (rest if separator else value).partition("/")
    return f"{scheme.casefold() if separator else ''}{separator}{host.casefold()}{slash}{path}".rstrip("/")


def _person(value: str) -> str:
    return person_name(value).key


_FORMS: Final[Mapping[str, Callable[[str], str]]] = {
    "PERSON": _person,
    "EMAIL": _email,
    "PHONE": _phone,
    "USERNAME": _username,
    "PASSWORD": _exact,
    "SECRET": _exact,
    "CRYPTO_WALLET": _exact,
    "IP": _ip,
    "URL": _url,
    **dict.fromkeys(
        (
            "ORDER_ID", "ACCOUNT_ID", "CREDIT_CARD", "IBAN", "NATIONAL_ID", "OTHER_ID", "PASSPORT", "VEHICLE_PLATE",
            "MAC", "TRACKING_NUMBER",
        ),
        _symbols,
    ),
}  # fmt: skip
