"""RFC 8785 bytes of a value, the usual ones in a fraction of the time. Pure.

Objects, lists, texts and whole numbers below 2**53 are written here, under names in ASCII; there the standard leaves
nothing to decide. Whatever else a value holds (fractions, booleans, null, other names, numbers that are too large)
sends the whole of it to ``rfc8785``, so what comes out never differs from what that library says.
"""

from __future__ import annotations

from collections.abc import Mapping
from json.encoder import encode_basestring as _quoted  # escapes what section 3.2.2.2 names, and nothing else

import rfc8785

_LARGEST = 2**53 - 1


class Unusual(Exception):
    """Something that is left to ``rfc8785``."""


def canonical(value: Mapping[str, object]) -> bytes:
    """Return RFC 8785 bytes. Raises ``rfc8785.CanonicalizationError`` for what has none."""
    try:
        return _object(value).encode()
    except (Unusual, UnicodeEncodeError):
        return _at_length(value)


def _at_length(value: Mapping[str, object]) -> bytes:
    try:
        return rfc8785.dumps(value)  # type: ignore[arg-type]
    except UnicodeEncodeError:  # half of a surrogate pair in a name
        raise rfc8785.CanonicalizationError("a name is no text") from None


def _object(value: Mapping[str, object]) -> str:
    members = []
    for name in sorted(value):  # by code points, which for ASCII is the order of section 3.2.3
        one = value[name]
        kind = type(one)
        if type(name) is not str or not name.isascii():
            raise Unusual
        if kind is str:
            members.append(f"{_quoted(name)}:{_quoted(one)}")  # type: ignore[arg-type]
        else:
            members.append(f"{_quoted(name)}:{text_of(one)}")
    return "{" + ",".join(members) + "}"


def text_of(value: object) -> str:
    """Return the canonical text of one value. Raises ``Unusual`` for one that is left to ``rfc8785``."""
    kind = type(value)
    if kind is int and -_LARGEST <= value <= _LARGEST:  # type: ignore[operator]
        return str(value)
    if kind is str:
        return _quoted(value)  # type: ignore[arg-type]
    if kind is dict:
        return _object(value)  # type: ignore[arg-type]
    if kind is list:
        return "[" + ",".join(map(text_of, value)) + "]"  # type: ignore[call-overload]
    raise Unusual
