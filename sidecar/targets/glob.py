"""Name patterns in which identities are data: of Redis keys, of files. Pure.

``*`` is any characters, ``?`` one, ``[abc]`` one of several, ``\\`` takes the next character as it is. The same pattern
is made in two ways: escaped for a server to match, and as a regular expression of our own for looking again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import PlainValidator

from sidecar.erasure.request import IdentityType
from sidecar.targets.form import person_template
from sidecar.targets.template import Text, Values

_SPECIAL: Final = re.compile(r"([*?\[\]\\^])")
_WILD: Final = re.compile(r"(?<!\\)[*?\[]")
_PIECE: Final = re.compile(r"\\(?P<plain>.)|(?P<set>\[(?:\\.|[^\]\\])+\])|(?P<one>.)", re.DOTALL)
_PATH_PIECE: Final = re.compile(r"\\(?P<plain>.)|(?P<set>\[(?:\\.|[^\]\\])+\])|\*\*/|\*\*|.", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Glob:
    """A pattern that names at least one identity."""

    text: Text

    @property
    def fields(self) -> frozenset[IdentityType]:
        return self.text.fields

    @property
    def is_exact(self) -> bool:
        """Whether it can match one name only."""
        return not any(_WILD.search(literal) for literal, _ in self.text.parts)

    def escaped(self, values: Values) -> str:
        """Return the pattern for a server that matches it, values escaped."""
        return self.text.escaped(values, lambda value: _SPECIAL.sub(r"\\\1", value))

    def sample(self, values: Values) -> str:
        """Return a name that it matches."""
        pieces = (_sample(literal) + (values[kind] if kind else "") for literal, kind in self.text.parts)
        return "".join(pieces)

    def expression(self, values: Values) -> re.Pattern[bytes]:
        """Return what matches the same names, made without the escaped form."""
        pieces = (_expression(literal) + (re.escape(values[kind]) if kind else "") for literal, kind in self.text.parts)
        return re.compile("".join(pieces).encode(), re.DOTALL)

    def longest_value(self, values: Values) -> str:
        """Return the longest identity in it: whatever matches holds this."""
        return max((values[kind] for kind in self.fields), key=len)


def _expression(literal: str) -> str:
    out = ""
    for piece in _PIECE.finditer(literal):
        if piece["plain"] is not None:
            out += re.escape(piece["plain"])
        elif piece["set"] is not None:
            out += piece["set"]
        else:
            out += {"*": ".*", "?": "."}.get(piece["one"], re.escape(piece["one"]))
    return out


def path_expression(parts: Iterable[tuple[str, str]]) -> re.Pattern[str]:
    """Return what matches relative paths: of patterns, each with the text that follows it and stands for itself.

    ``*`` and ``?`` stay within one folder, ``**`` goes through any number of them.
    """
    return re.compile("".join(_path_expression(literal) + re.escape(text) for literal, text in parts), re.DOTALL)


def _path_expression(literal: str) -> str:
    out = ""
    for piece in _PATH_PIECE.finditer(literal):
        found = piece[0]
        if piece["plain"] is not None:
            out += re.escape(piece["plain"])
        elif piece["set"] is not None:
            out += found
        else:
            out += {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}.get(found, re.escape(found))
    return out


def check_sets(literal: str) -> None:
    """Raise ``ValueError`` for brackets that are read otherwise than they are meant, or can't be read.

    Redis takes what follows an open bracket for a set: ``user[C-1]:*`` is every ``user1:…``, and no ``user[C-1]:…``.
    """
    for piece in _PIECE.finditer(literal):
        if piece["one"] == "[":
            raise ValueError("has a [ that no set ends; write \\[ for a bracket as it is")
        if piece["set"] is not None:
            try:
                re.compile(piece["set"].encode())
            except re.error:
                raise ValueError("has a set in brackets that nothing fits") from None
            if re.search(r"\\[0-9A-Za-z]", piece["set"]):
                raise ValueError("has a backslash before a letter or digit in a set")


def _sample(literal: str) -> str:
    out = ""
    for piece in _PIECE.finditer(literal):
        out += (
            piece["plain"] or (piece["set"] or "").lstrip("[^")[:1] or piece["one"].replace("*", "x").replace("?", "x")
        )
    return out


def _parsed(value: object) -> Glob:
    if isinstance(value, Glob):
        return value
    glob = Glob(person_template(value))
    _check(glob.text)
    return glob


def _check(text: Text) -> None:
    """Refuse what would match other people: ``{customer_id}*`` for C-1 matches C-10 as well."""
    previous: IdentityType | None = None
    for literal, kind in text.parts:
        check_sets(literal)
        if previous is not None and (literal[:1] in {"*", "?", "["} or (not literal and kind is not None)):
            raise ValueError(_NEXT_TO)
        if kind is not None and (literal[-1:] in {"*", "?", "]"} and literal[-2:-1] != "\\"):
            raise ValueError(_NEXT_TO)
        if kind is not None and literal.endswith("\\"):
            raise ValueError("has a backslash before a field")
        previous = kind


_NEXT_TO: Final = "has a field next to a wildcard or field, so that C-1 would match C-10; put a separator between"

GlobTemplate = Annotated[Glob, PlainValidator(_parsed)]
"""A name pattern with at least one identity, which stands apart from wildcards."""
