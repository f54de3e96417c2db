"""Looks for an identity in bytes, whatever the format is: raw, as JSON writes it, as CSV writes it. Pure.

Any character may stand in either case, as a ``\\u`` escape, and with the escapes of JSON within JSON. What stands next
to it must be no letter or digit: ``anna@x.org`` is not found in ``joanna@x.org``, but the ``n`` of ``\\nanna@x.org``
is the end of a line. Short identities are everywhere by chance (``17``) and are not looked for in this way.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final
from unicodedata import normalize

from sidecar.targets.template import Values

SHORTEST: Final = 6
_CHUNK_BYTES: Final = 1024 * 1024
_OVERLAP_BYTES: Final = 128 * 1024  # more than any spelling of an identity, which has 512 characters at most
_BEFORE_BYTES: Final = 6
_LETTER_BEFORE: Final = re.compile(rb"[0-9A-Za-z]\Z")
_ESCAPE_BEFORE: Final = re.compile(rb"\\(?:[bfnrt]|u[0-9A-Fa-f]{4})\Z")
_LETTERS: Final = frozenset(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_SLASHES: Final = r"\\\\{0,7}+"
_PIECE: Final = re.compile(r"(?=.)(?P<slashes>\\*)(?P<rest>[^\\]|\Z)", re.DOTALL)


class ByteSearch:
    """Finds any of the identities in any spelling."""

    def __init__(self, values: Iterable[str]) -> None:
        forms = {form for value in values for form in (value, normalize("NFC", value), normalize("NFD", value))}
        texts = forms | {form.replace('"', '""') for form in forms}  # of CSV
        # One expression for each: then it begins with one of a few bytes, by which the search skips what is not theirs.
        self._patterns = [_expression(text) for text in sorted(texts)]

    def found_in(self, data: bytes) -> bool:
        return next(self.places(data), None) is not None

    def places(self, data: bytes) -> Iterator[tuple[int, int]]:
        """Yield where each begins and ends."""
        for pattern in self._patterns:
            match = pattern.search(data)
            while match is not None:
                if _stands_alone(data, *match.span()):
                    yield match.span()
                match = pattern.search(data, match.start() + 1)


def search_of(values: Values) -> ByteSearch | None:
    """Return what finds any of the identities; None if all of them are too short."""
    long_enough = [value for value in values.values() if len(value) >= SHORTEST]
    return ByteSearch(long_enough) if long_enough else None


def count_in_stream(source: BinaryIO, search: ByteSearch) -> int:
    """Return in how many places an identity is found. Windows overlap by more than any spelling is long."""
    found: set[int] = set()
    window, offset = source.read(_CHUNK_BYTES), 0
    while window:
        chunk = source.read(_CHUNK_BYTES)
        for start, end in search.places(window):
            # At an edge the neighbours can't be seen; the window beside this one sees them.
            if (start >= _BEFORE_BYTES or offset == 0) and (end < len(window) or not chunk):
                found.add(offset + start)
        tail = window[-_OVERLAP_BYTES:]
        offset += len(window) - len(tail)
        window = tail + chunk if chunk else b""
    return len(found)


def count_in_texts(texts: Iterable[str], search: ByteSearch) -> int:
    """Return in how many texts an identity is found."""
    return sum(search.found_in(text.encode("utf-8", "surrogatepass")) for text in texts)


def _stands_alone(data: bytes, start: int, end: int) -> bool:
    if end < len(data) and data[end] in _LETTERS:
        return False
    before = data[max(start - _BEFORE_BYTES, 0) : start]
    return _LETTER_BEFORE.search(before) is None or _ESCAPE_BEFORE.search(before) is not None


def _expression(text: str) -> re.Pattern[bytes]:
    """Return an expression for all spellings of a text. An identity is a stranger's: in no data can it be read in two
    ways, so nothing is tried twice. Quantifiers are possessive, and what they repeat begins with no other byte."""
    pieces = [_piece(len(match["slashes"]), match["rest"]) for match in _PIECE.finditer(text)]
    return re.compile("".join(pieces).encode("utf-8"))


def _piece(slashes: int, rest: str) -> str:
    """Return an expression for so many backslashes and what follows them. JSON in JSON doubles them, time and again."""
    before = rf"\\\\{{{slashes - 1},{8 * slashes + 7}}}+" if slashes else ""
    if not rest:
        return before
    cases = {rest, rest.lower(), rest.upper(), rest.title(), rest.casefold()}
    plain = sorted(map(re.escape, cases))
    escaped = sorted(_escapes(one) for one in cases)
    if before:
        return f"{before}(?:{'|'.join((*plain, *escaped))})"
    if rest in '"/':
        escaped.append(rest)
    return f"(?:{'|'.join(plain)}|{_SLASHES}(?:{'|'.join(escaped)}))"


def _escapes(text: str) -> str:
    """Return an expression for a text as escapes, but for the backslashes before the first."""
    data = text.encode("utf-16-be", "surrogatepass")
    units = (int.from_bytes(data[index : index + 2], "big") for index in range(0, len(data), 2))
    return _SLASHES.join("u" + "".join(map(_digit, f"{unit:04x}")) for unit in units)


def _digit(digit: str) -> str:
    return f"[{digit}{digit.upper()}]" if digit.isalpha() else digit
