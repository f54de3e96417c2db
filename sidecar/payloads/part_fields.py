"""The header fields of a part of a multipart body: what it is, and which of it are texts (RFC 2046, 6266, 7578, 8187).

Strict: a field that could be read in two ways is refused, and so are encoded words and continuations, which no form
has, and what is taken for the protocol's own words, and could be data: names of fields and parameters, and types.
Names of files are read as they are, percent-decoded, and with spaces for the signs that stand for them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import quote, unquote

from sidecar.errors import PayloadFault, PayloadRefused
from sidecar.payloads.document import LeafKind, Path
from sidecar.payloads.joined import Reading
from sidecar.payloads.media_type import MediaType, media_type_of
from sidecar.payloads.names import is_data
from sidecar.payloads.spliced import SplicedBuilder, Writer

_FIELD = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]++):[ \t]*+((?:[^\r\n]*[^ \t\r\n])?)[ \t]*+(?:\r\n|\Z)")
_KIND = re.compile(r"[!#$&^_.+\w/-]+", re.ASCII)
_PARAMETER = re.compile(
    r';[ \t]*([\w!#$&+.^`|~-]+)(\*?)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))[ \t]*', re.ASCII
)
_EXTENDED = re.compile(
    r"(?P<charset>[A-Za-z0-9-]+)'[A-Za-z0-9-]*'(?P<value>(?:%[0-9a-fA-F]{2}|[!#$&+.^_`|~\w-])*)", re.ASCII
)
_ESCAPE = re.compile(r'\\(["\\])')
_JOINT = re.compile(r"[_.+-]")
_MOST_FIELDS = 20
_LONGEST_FIELD = 8_190  # characters, as of a field of a message
_WORD = re.compile(r"(?![A-Za-z0-9_]{16})[A-Za-z0-9_-]+")
"""A name that a program gave: short words with hyphens, or else it could be base64 of something."""
UTF8 = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=?-]+")
_ENCODINGS = frozenset({"7bit", "8bit", "binary", "base64", "quoted-printable"})


@dataclass(frozen=True, slots=True)
class PartHead:
    """What the fields of a part say of its content. ``name``: None where it has none."""

    name: str | None = field(repr=False)
    kind: MediaType
    encoding: str


@dataclass(slots=True)
class FieldScan:
    """The fields of all parts of a body: texts go to the builder, other readings of the same to ``readings``."""

    builder: SplicedBuilder
    text: str
    readings: dict[int, Reading] = field(default_factory=dict)

    def read(self, start: int, end: int, number: int) -> PartHead:
        """Read the fields that stand from ``start`` to ``end``, of the part with this number.

        Raises ``PayloadRefused`` for what can't be read in one way only.
        """
        fields = self._fields(start, end)
        name = self._name(fields)
        path: Path = (number if name is None else name,)
        for field_name, found in fields.items():
            if field_name in ("content-disposition", "content-type"):
                for parameter in _parameters(found[2], found.start(2)):
                    if not _is_structure(found, parameter):
                        self._parameter(parameter, path)
            elif field_name in ("content-length", "content-md5"):
                raise PayloadRefused(PayloadFault.NOT_PARSEABLE, f"a part that declares its {field_name}")
            elif field_name != "content-transfer-encoding" and found[2]:
                self.builder.add((*path, field_name), LeafKind.STRING, found[2], *found.span(2), _in_line)
        encoding = _value(fields, "content-transfer-encoding", "binary").lower()
        if encoding not in _ENCODINGS:
            raise PayloadRefused(PayloadFault.CODING, "a transfer encoding that is not decoded here")
        declared = _value(fields, "content-type", "text/plain")
        return PartHead(name, media_type_of(declared), encoding)

    def _fields(self, start: int, end: int) -> Mapping[str, re.Match[str]]:
        fields: dict[str, re.Match[str]] = {}
        while start < end:
            found = _FIELD.match(self.text, start, end)
            if found is None or found[1].lower() in fields or "=?" in found[2]:
                raise PayloadRefused(PayloadFault.NOT_PARSEABLE, f"fields of a part at character {start}")
            if not _is_word(found[1]):
                raise PayloadRefused(PayloadFault.NOT_PARSEABLE, f"a name that could be data at character {start}")
            if len(fields) >= _MOST_FIELDS or len(found[0]) > _LONGEST_FIELD:
                raise PayloadRefused(PayloadFault.TOO_LARGE, f"fields of a part at character {start}")
            fields[found[1].lower()] = found
            start = found.end()
        return MappingProxyType(fields)

    def _name(self, fields: Mapping[str, re.Match[str]]) -> str | None:
        disposition = fields.get("content-disposition")
        if disposition is None:
            return None
        return next((one.text for one in _parameters(disposition[2], 0) if one.name == "name"), None)

    def _parameter(self, one: _Parameter, path: Path) -> None:
        if not one.text:
            return
        if one.name == "name":
            self.builder.add(path, LeafKind.KEY, one.text, one.start, one.end, one.writer)
            return
        slot = self.builder.add((*path, one.name), LeafKind.STRING, one.text, one.start, one.end, one.writer)
        apart = _JOINT.sub(" ", one.text)
        if apart != one.text:  # jane_roe-contract.pdf is no text that a model would know
            index = self.builder.add((*path, one.name), LeafKind.STRING, apart, one.start, one.start, one.writer)
            self.readings[index] = (slot,)


@dataclass(frozen=True, slots=True)
class _Parameter:
    name: str
    text: str = field(repr=False)
    start: int
    end: int
    writer: Writer


def _parameters(value: str, offset: int) -> Iterator[_Parameter]:
    """Yield the parameters of a field value that stands at ``offset``."""
    kind = _KIND.match(value)
    if kind and not (_is_word(kind[0]) or ("/" in kind[0] and not is_data(kind[0]))):
        kind = None
    position = kind.end() if kind else 0
    names: set[str] = set()
    while kind and position < len(value):
        found = _PARAMETER.match(value, position)
        if found is None or not _is_word(found[1]) or (found[1] + found[2]).lower() in names:
            break
        names.add((found[1] + found[2]).lower())
        yield _parameter(found, offset)
        position = found.end()
    if kind is None or value[position:].strip(" \t;"):
        raise PayloadRefused(PayloadFault.NOT_PARSEABLE, "parameters of a part's field")


def _is_word(text: str) -> bool:
    return _WORD.fullmatch(text) is not None and not is_data(text)


def _is_structure(found: re.Match[str], one: _Parameter) -> bool:
    """Whether a parameter is one that others here go by, and says what it may."""
    if found[1].lower() != "content-type":
        return False
    if one.name == "charset":
        return one.text.lower() in UTF8
    is_of_parts = found[2].lower().startswith("multipart/")
    return one.name == "boundary" and is_of_parts and _BOUNDARY.fullmatch(one.text) is not None


def _parameter(found: re.Match[str], offset: int) -> _Parameter:
    group = 4 if found[3] is None else 3
    start, end = (offset + at for at in found.span(group))
    if found[2]:
        return _Parameter(found[1].lower(), _extended(found[group]), start, end, _as_extended)
    text = unquote(unquote(_ESCAPE.sub(r"\1", found[group])))
    if group == 3:
        return _Parameter(found[1].lower(), text, start, end, _in_quotes)
    return _Parameter(found[1].lower(), text, start, end, lambda new: f'"{_in_quotes(new)}"')


def _extended(raw: str) -> str:
    found = _EXTENDED.fullmatch(raw)
    if found is None or found["charset"].lower() != "utf-8":
        raise PayloadRefused(PayloadFault.CHARSET, "an extended parameter that is not in UTF-8")
    try:
        return unquote(found["value"], errors="strict")
    except UnicodeDecodeError:
        raise PayloadRefused(PayloadFault.CHARSET, "percent codes that are not UTF-8") from None


def _as_extended(new: str | None) -> str:
    return f"UTF-8''{quote(new or '', safe='')}"


def _in_quotes(new: str | None) -> str:
    """As browsers write names of fields and files (HTML Standard, multipart/form-data encoding algorithm)."""
    return _in_line((new or "").replace("\\", "\\\\").replace('"', "%22"))


def _in_line(new: str | None) -> str:
    return (new or "").replace("\r", "%0D").replace("\n", "%0A")


def _value(fields: Mapping[str, re.Match[str]], name: str, default: str) -> str:
    return fields[name][2] if name in fields else default
