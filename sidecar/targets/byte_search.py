"""Looks for an identity in bytes, whatever the format is: raw, as JSON writes it, as CSV writes it. Pure.

What stands next to it must be no letter or digit: ``anna@x.org`` is not found in ``joanna@x.org``. Short identities are
everywhere by chance (``17``) and are not looked for in this way.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import BinaryIO, Final

from sidecar.targets.template import Values

SHORTEST: Final = 6
_CHUNK_BYTES: Final = 1024 * 1024
_OVERLAP_BYTES: Final = 12 * 512  # an identity has 512 characters at most; JSON writes one as 12 bytes at most


def search_pattern(values: Values) -> re.Pattern[bytes] | None:
    """Return an expression for any of the identities in any spelling; None if all of them are too short."""
    spellings: set[bytes] = set()
    for value in values.values():
        if len(value) >= SHORTEST:
            spellings |= {one.encode("utf-8") for one in _spellings(value)}
    if not spellings:
        return None
    alternatives = b"|".join(re.escape(one) for one in sorted(spellings, key=len, reverse=True))
    return re.compile(rb"(?<![0-9A-Za-z])(?:" + alternatives + rb")(?![0-9A-Za-z])", re.IGNORECASE)


def count_in_stream(source: BinaryIO, pattern: re.Pattern[bytes]) -> int:
    """Return how often a pattern is found. Windows overlap by more than any spelling is long."""
    found: set[int] = set()
    window, offset = source.read(_CHUNK_BYTES), 0
    while window:
        chunk = source.read(_CHUNK_BYTES)
        for match in pattern.finditer(window):
            # At an edge the neighbour can't be seen; the window beside this one sees it.
            if (match.start() > 0 or offset == 0) and (match.end() < len(window) or not chunk):
                found.add(offset + match.start())
        tail = window[-_OVERLAP_BYTES:]
        offset += len(window) - len(tail)
        window = tail + chunk if chunk else b""
    return len(found)


def count_in_texts(texts: Iterable[str], pattern: re.Pattern[bytes]) -> int:
    """Return in how many texts a pattern is found."""
    return sum(pattern.search(text.encode("utf-8", "surrogatepass")) is not None for text in texts)


def _spellings(value: str) -> set[str]:
    in_json = json.dumps(value)[1:-1]
    in_json_utf8 = json.dumps(value, ensure_ascii=False)[1:-1]
    slashes = {one.replace("/", "\\/") for one in (in_json, in_json_utf8)}
    return {value, in_json, in_json_utf8, value.replace('"', '""'), *slashes}
