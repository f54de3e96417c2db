"""JSON string literals: reading them, writing them, and finding a decoded character's place in the escaped text.

RFC 8259 sections 7 and 8. A lone surrogate escape (``\\ud800``) is legal there, but is no character: it is decoded to
U+FFFD, so that nothing behind this has to fear it, and stays what it was in strings that are not edited.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

BYTE_ORDER_MARK = "\ufeff"
_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.)", re.DOTALL
)  # a surrogate pair is one character


def decode_inner(raw: str) -> str:
    """Decode what stands between the quotes of a literal that the scanner has found valid."""
    if "\\" not in raw:
        return raw
    return _SURROGATE.sub("\ufffd", str(json.loads(f'"{raw}"')))


def encode_inner(text: str) -> str:
    """Encode text for between quotes, with escapes only where JSON asks for them."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


@dataclass(frozen=True, slots=True)
class Host:
    """Where a text that is scanned stands within the whole payload.

    ``locate`` maps a position in the text to one in the payload; ``escape`` writes new text for that place. For the
    payload itself both are the identity; for JSON in a string they undo and redo the escapes, at any depth.
    """

    locate: Callable[[int], int] = field(default=lambda position: position)
    escape: Callable[[str], str] = field(default=lambda text: text)

    def literal(self, new: str | None) -> str:
        """Write a JSON string, or ``null``, as it must stand in the payload."""
        return self.escape("null" if new is None else f'"{encode_inner(new)}"')


WHOLE = Host()


def string_host(outer: Host, raw: str, start: int) -> Host:
    """Return the host for the decoded content of a literal whose inside is ``raw``, from ``start`` of ``outer``."""
    escapes = ((found.start(), found.end(), 1) for found in _ESCAPE.finditer(raw))
    return escaped_host(outer, escapes, start, encode_inner)


def escaped_host(
    outer: Host, escapes: Iterable[tuple[int, int, int]], start: int, encode: Callable[[str], str]
) -> Host:
    """Return the host for a decoded text that stands escaped from ``start`` of ``outer`` on.

    ``escapes``: where each escape begins and ends in the raw text, and how many characters it stands for; in order.
    """
    decoded_at, raw_at = [0], [0]
    for begin, end, characters in escapes:
        decoded_at.append(decoded_at[-1] + begin - raw_at[-1] + characters)
        raw_at.append(end)

    def locate(position: int) -> int:
        before = bisect_right(decoded_at, position) - 1
        return outer.locate(start + raw_at[before] + position - decoded_at[before])

    return Host(locate, lambda text: outer.escape(encode(text)))


def shifted_host(start: int) -> Host:
    """Return the host for a text that stands as it is from ``start`` of the payload on."""
    return Host(lambda position: start + position)
