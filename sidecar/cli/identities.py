"""Reads identifiers of people from a file or standard input: arguments can be seen by every user of the machine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from sidecar.erasure.request import IdentityType, SubjectIdentity
from sidecar.errors import ConfigError, Problem

STANDARD_INPUT: Final = Path("-")
_LINES: Final = f"Write one type=value a line; types are {', '.join(IdentityType)}"


def read_identities(source: Path, option: str) -> tuple[SubjectIdentity, ...]:
    """Return the identities of lines ``type=value``, each once. ``ConfigError`` names the line, never what it holds."""
    found = tuple(_identity(line, f"{option} line {number}") for number, line in read_values(source, option))
    if not found:
        raise ConfigError((Problem(option, "holds no identity", _LINES),))
    return tuple(dict.fromkeys(found))


def read_values(source: Path, option: str) -> list[tuple[int, str]]:
    """Return the lines that are not blank, numbered. Raises ``OSError``; ``ConfigError`` for what is no text."""
    try:
        text = sys.stdin.read() if source == STANDARD_INPUT else source.read_text("utf-8")
    except UnicodeDecodeError:
        raise ConfigError((Problem(option, "is no UTF-8 text", "Check that it is the right file"),)) from None
    return [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]


def _identity(line: str, where: str) -> SubjectIdentity:
    kind, separator, value = line.partition("=")
    if not separator or not value.strip() or kind.strip() not in set(IdentityType):
        raise ConfigError((Problem(where, "is no identity", _LINES),))  # what stands there is not repeated
    return SubjectIdentity(IdentityType(kind.strip()), value.strip())
