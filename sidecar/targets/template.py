"""Templates with ``{email}``-style fields, each value escaped for the place where it goes. Pure.

Threats: an identifier is chosen by a stranger. In a URL it must not become another path segment, another parameter or
another host; in a body it must not end its JSON string. ``{{`` and ``}}`` stand for braces.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Final, TypeAlias
from urllib.parse import SplitResult, quote, urlsplit

from sidecar.erasure.request import IdentityType
from sidecar.errors import SidecarError

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Values: TypeAlias = Mapping[IdentityType, str]

_FIELDS: Final = ", ".join("{" + kind + "}" for kind in IdentityType)
_LITERAL: Final = "literal"
"""``{email:literal}`` in a JSON body: for a query language in which strings are written as in JSON, such as GraphQL."""
_BREAKS_PATHS: Final = frozenset("/\\")


class TemplateInvalid(SidecarError):
    """The operator's template can't be used."""


class ValueUnusable(SidecarError):
    """An identity can't be written safely in this place. Carries no value."""


@dataclass(frozen=True, slots=True)
class Text:
    """A parsed template: literal texts, each with the field that follows it.

    ``literals``: by number, the parts whose value is written as a string literal, quotes and all.
    """

    parts: tuple[tuple[str, IdentityType | None], ...]
    literals: frozenset[int] = frozenset()

    @property
    def fields(self) -> frozenset[IdentityType]:
        return frozenset(kind for _, kind in self.parts if kind is not None)

    def fill(self, values: Values) -> str:
        """Return the text with the values as they are, or as string literals where that is asked for."""
        return "".join(
            literal + (self._written(number, values[kind]) if kind else "")
            for number, (literal, kind) in enumerate(self.parts)
        )

    def _written(self, number: int, value: str) -> str:
        return json.dumps(value, ensure_ascii=False) if number in self.literals else value

    def escaped(self, values: Values, escape: Callable[[str], str]) -> str:
        """Return the text with each value escaped for the place where it goes."""
        return "".join(literal + (escape(values[kind]) if kind else "") for literal, kind in self.parts)

    def quoted(self, values: Values) -> str:
        """Return the text with the values percent-encoded whole (RFC 3986 2.1)."""
        return self.escaped(values, lambda value: quote(value, safe=""))


@dataclass(frozen=True, slots=True)
class UrlTemplate:
    """A URL whose path and query may hold fields; scheme, host and port may not."""

    origin: str
    path: Text
    query: Text

    @property
    def fields(self) -> frozenset[IdentityType]:
        return self.path.fields | self.query.fields

    def fill(self, values: Values) -> str:
        """Return the URL, percent-encoded. Raises ``ValueUnusable`` for a value that would change the path's shape.

        Many servers decode ``%2F`` before they route, so a slash can't be made safe by encoding. The same goes for a
        segment that becomes ``.`` or ``..``, or empty.
        """
        for kind in self.path.fields:
            if _BREAKS_PATHS.intersection(values[kind]) or not values[kind]:
                raise ValueUnusable(f"the {kind.value} can't be part of a URL path")
        if any(segment in {".", ".."} for segment in self.path.fill(values).split("/")):
            raise ValueUnusable("a path segment would become '.' or '..'")
        query = self.query.quoted(values)
        return self.origin + self.path.quoted(values) + (f"?{query}" if query else "")


@dataclass(frozen=True, slots=True)
class JsonTemplate:
    """A JSON value whose strings (not member names) may hold fields."""

    shape: object
    fields: frozenset[IdentityType]

    def fill(self, values: Values) -> bytes:
        return json.dumps(_filled(self.shape, values), ensure_ascii=True, separators=(",", ":")).encode("ascii")


def parse_text(template: str) -> Text:
    """Parse one template, or raise ``TemplateInvalid``."""
    return _text(template, frozenset({""}))


def _text(template: str, forms: frozenset[str]) -> Text:
    try:
        pieces = list(Formatter().parse(template))
    except ValueError:
        raise TemplateInvalid("has an unmatched brace; write {{ or }} for a literal one") from None
    parts: list[tuple[str, IdentityType | None]] = []
    for literal, name, form, conversion in pieces:
        if name is not None and (form not in forms or conversion or name not in set(IdentityType)):
            raise TemplateInvalid(f"has a field that is not known; known are {_FIELDS}")
        parts.append((literal, None if name is None else IdentityType(name)))
    return Text(tuple(parts), frozenset(number for number, (_, _, form, _) in enumerate(pieces) if form == _LITERAL))


def split_url(url: str) -> SplitResult | None:
    """Return the parts of a URL; None if its host or port can't be one: a call would break off. Says nothing of it."""
    try:
        split = urlsplit(url)
        (split.hostname or "").encode("idna")
        return None if split.port == 0 else split
    except ValueError:
        return None


def parse_url(template: str) -> UrlTemplate:
    """Parse a URL template, or raise ``TemplateInvalid``."""
    split = split_url(template)
    if split is None:
        raise TemplateInvalid("names no host and port that can be called")
    origin = f"{split.scheme}://{split.netloc}"
    if split.scheme not in {"http", "https"} or not split.hostname:
        raise TemplateInvalid("is no absolute http:// or https:// URL")
    if "{" in origin or split.username is not None or split.fragment:
        raise TemplateInvalid("must hold no field in its host, no user name and no fragment")
    if not template.isascii() or any(character <= " " for character in template):
        raise TemplateInvalid("holds characters that must be percent-encoded")
    return UrlTemplate(origin, parse_text(split.path or "/"), parse_text(split.query))


def parse_json(template: Json) -> JsonTemplate:
    """Parse a JSON body template, or raise ``TemplateInvalid``."""
    fields: set[IdentityType] = set()
    return JsonTemplate(_parsed(template, fields), frozenset(fields))


def _parsed(value: object, fields: set[IdentityType]) -> object:
    if isinstance(value, str):
        text = _text(value, frozenset({"", _LITERAL}))
        fields.update(text.fields)
        return text
    if isinstance(value, list):
        return [_parsed(item, fields) for item in value]
    if isinstance(value, dict):
        if not all(isinstance(name, str) for name in value):
            raise TemplateInvalid("has a member name that is no text")
        return {name: _parsed(item, fields) for name, item in value.items()}
    if value is None or isinstance(value, bool | int | float):
        return value
    raise TemplateInvalid("holds something that JSON can't say; put dates in quotes")


def _filled(shape: object, values: Values) -> object:
    if isinstance(shape, Text):
        return shape.fill(values)
    if isinstance(shape, list):
        return [_filled(item, values) for item in shape]
    if isinstance(shape, dict):
        return {name: _filled(item, values) for name, item in shape.items()}
    return shape
