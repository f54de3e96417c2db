"""What stands in the place of a value: ``[PERSON_1]`` (numbered) or ``[PERSON#3f9a12bc04de]`` (hashed). Pure.

A literal placeholder in the input is left as it is (redacting twice is redacting once), and its number is reserved, so
that no value of this conversation ever gets it (D20). A literal with a number that was issued already can't be told
from our own: whoever writes it points at an existing entity, but learns and reveals nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from sidecar.detection.entity_types import ENTITY_TYPES, ERASED

HASH_DIGITS: Final = 12
_TYPES: Final = "|".join(sorted((*ENTITY_TYPES, ERASED), key=len, reverse=True))
# Threat: somebody writes an identifier as if it were a placeholder, to carry it past detection. So a number has too
# few digits for one, and a hash has a letter among its digits.
_GRAMMAR: Final = re.compile(rf"\[({_TYPES})(?:_([1-9][0-9]{{0,4}})|#(?=[0-9]*[a-f])[0-9a-f]{{{HASH_DIGITS}}})\]")


@dataclass(frozen=True, slots=True)
class Literal:
    """A placeholder that stands in a text. ``number`` is None for a hashed one."""

    start: int
    end: int
    label: str
    number: int | None


def numbered(label: str, number: int) -> str:
    return f"[{label}_{number}]"


def erased() -> str:
    """Return what stands for every value of every erased person: the same, so that nothing links them."""
    return numbered(ERASED, 1)


def hashed(label: str, digest: bytes) -> str:
    """Return the placeholder of a keyed hash; where its digits are all decimal, the first becomes a letter."""
    digits = digest.hex()[:HASH_DIGITS]
    return f"[{label}#{'a' + digits[1:] if digits.isdecimal() else digits}]"


def literals(text: str) -> list[Literal]:
    """Return the placeholders in the text, in order."""
    if "[" not in text:
        return []
    return [
        Literal(match.start(), match.end(), match[1], int(match[2]) if match[2] else None)
        for match in _GRAMMAR.finditer(text)
    ]
