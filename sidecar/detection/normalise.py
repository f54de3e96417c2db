"""A copy of a text that is easier to match on, and the way back to the original (D10). Pure.

Folded: compatibility forms (full-width and mathematical letters, digits of every script; Unicode UAX #15 NFKD),
diacritics, look-alike letters, tag characters, typographic punctuation, HTML character references, JSON and JavaScript
escapes.
Removed: zero-width and other invisible characters, and pictographs that stand between digits. Lone surrogates become
U+FFFD in the copy and are never touched in the original.

Invariant: ``len(lower) == len(text)``, and every range of the copy maps to a range of the original that covers it.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from sidecar.detection.confusables import CONFUSABLES, PUNCTUATION

_ESCAPE: Final = re.compile(
    r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,30});"
    r"|\\u\{[0-9a-fA-F]{1,6}\}|\\u[0-9a-fA-F]{4}|\\x[0-9a-fA-F]{2}"
)
_UNPLAIN: Final = re.compile(r"[^\t\n\r\x20-\x25\x27-\x5b\x5d-\x7e]")
"""Anything but printable ASCII without "&" and "\\": only then is there something to fold."""
_REPLACEMENT: Final = "�"
_FIRST_PICTOGRAPH: Final = 0x2190
_TAGS: Final = range(0xE0020, 0xE007F)
"""Printable ASCII once more, invisible: whole sentences are smuggled in it."""
_HANGUL: Final = range(0xAC00, 0xD7A4)
_BETWEEN_DIGITS: Final = re.compile(r"(?<=[0-9])\ue000{1,8}(?=[0-9])")
_PICTOGRAPH: Final = "\ue000"
"""Stands for a pictograph while folding; a private-use character, so that no rule matches it."""


@dataclass(frozen=True, slots=True)
class Normalised:
    """The copy, its lower-case form of the same length, and for each character where it came from.

    ``starts[i]`` and ``ends[i]`` are offsets into the original; both are None where copy and original agree.
    """

    text: str = field(repr=False)
    lower: str = field(repr=False)
    starts: tuple[int, ...] | None = field(default=None, repr=False)
    ends: tuple[int, ...] | None = field(default=None, repr=False)

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Map a non-empty range of the copy to the range of the original that it came from."""
        if self.starts is None or self.ends is None:
            return start, end
        return self.starts[start], self.ends[end - 1]


def normalise(text: str) -> Normalised:
    """Return the copy to match on. Linear in the length of the text."""
    if _UNPLAIN.search(text) is None:
        return Normalised(text, text.lower())
    pieces, starts, ends = _fold(text)
    copy = "".join(pieces)
    for match in reversed(list(_BETWEEN_DIGITS.finditer(copy))):
        for place in range(match.start(), match.end()):
            pieces[place] = ""
    kept = [place for place, piece in enumerate(pieces) if piece]
    copy = "".join(pieces)
    return Normalised(copy, _lower(copy), tuple(starts[k] for k in kept), tuple(ends[k] for k in kept))


def fold(text: str) -> str:
    """Return the lower-case copy alone, for values that texts are compared with."""
    return normalise(text).lower


def _fold(text: str) -> tuple[list[str], list[int], list[int]]:
    """Return the characters of the copy, each with the start and end of its source."""
    pieces: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for start, end, source in _units(text):
        for character in source:
            for piece in _fold_character(character):
                pieces.append(piece)
                starts.append(start)
                ends.append(end)
    return pieces, starts, ends


def _units(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield the text one character at a time; an escape is one unit that stands for what it encodes."""
    place = 0
    for match in _ESCAPE.finditer(text):
        decoded = _decode(match.group())
        if decoded is None:
            continue
        for at in range(place, match.start()):
            yield at, at + 1, text[at]
        yield match.start(), match.end(), decoded
        place = match.end()
    for at in range(place, len(text)):
        yield at, at + 1, text[at]


def _decode(escape: str) -> str | None:
    """Return what an escape stands for; None where it stands for nothing."""
    if escape[0] == "&":
        decoded = html.unescape(escape)
        return None if decoded == escape else decoded
    number = int(escape[2:].strip("{}"), 16)
    return chr(number) if number <= 0x10FFFF else None


@lru_cache(maxsize=8192)
def _fold_character(character: str) -> str:
    """Return what one character is read as: none, one or a few characters."""
    if character.isascii():
        return character if character.isprintable() or character in "\t\n\r" else ""
    known = CONFUSABLES.get(character) or PUNCTUATION.get(character)
    if known is not None:
        return known
    if ord(character) in _TAGS:
        return chr(ord(character) - _TAGS.start + 0x20)
    category = unicodedata.category(character)
    if category in ("Cf", "Mn", "Me") or character == "\u115f":
        return ""
    if category == "Cs":
        return _REPLACEMENT
    if category == "Zs":
        return " "
    if category == "Nd":
        return str(unicodedata.decimal(character))
    return _fold_symbol(character, category)


def _fold_symbol(character: str, category: str) -> str:
    decomposed = character
    if ord(character) not in _HANGUL:
        marks_off = (c for c in unicodedata.normalize("NFKD", character) if unicodedata.category(c) != "Mn")
        decomposed = "".join(CONFUSABLES.get(c) or PUNCTUATION.get(c) or c for c in marks_off)
    if category == "So" and ord(character) >= _FIRST_PICTOGRAPH and not decomposed.isalnum():
        return _PICTOGRAPH
    return decomposed


def _lower(text: str) -> str:
    lowered = text.lower()
    if len(lowered) == len(text):
        return lowered
    return "".join(c.lower() if len(c.lower()) == 1 else c for c in text)
