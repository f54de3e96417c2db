"""XML 1.0 (fifth edition): texts, CDATA, attributes, comments and processing instructions, by their places.

A path says which child of its parent an element is, and its name: ``$.chat[].message[].text``. Attributes are members
named ``@id``. What stands in mixed content is read in one piece, too (see ``joined``).

There is no DTD here: entities that a document declares, or has declared for it, would be texts that nobody scanned.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from sidecar.errors import PayloadFault, PayloadRefused
from sidecar.payloads.document import Document, LeafKind, Path
from sidecar.payloads.html_references import XML_REFERENCE, in_xml
from sidecar.payloads.joined import JoinedDocument, Joiner
from sidecar.payloads.json_scanner import Literal, looks_embedded, scan_embedded
from sidecar.payloads.json_text import BYTE_ORDER_MARK, WHOLE, Host, escaped_host
from sidecar.payloads.names import is_data
from sidecar.payloads.spliced import DEFAULT_LIMITS, Limits, SplicedBuilder, Writer, encoded
from sidecar.payloads.urls import add_url, looks_like_url, refuse_base64

MEDIA_TYPES = frozenset({"application/xml", "text/xml"})
"""Besides these, any ``…+xml`` (RFC 7303) but XHTML."""
_NAME = r"[:A-Z_a-z\u00c0-\U000effff][:\w.\u00b7-]*+"
_VALUE = r"\"[^\"<]*+\"|'[^'<]*+'"
_ATTRIBUTE = re.compile(rf"\s+({_NAME})\s*=\s*({_VALUE})")
_TOKEN = re.compile(
    rf"""
      (?P<text>[^<]++)
    | <(?P<start>{_NAME})(?P<attributes>(?:\s+{_NAME}\s*=\s*(?:{_VALUE}))*+)\s*(?P<empty>/?)>
    | </(?P<end>{_NAME})\s*>
    | <!--(?P<comment>(?:[^-]|-(?!-))*+)-->
    | <!\[CDATA\[(?P<cdata>(?:[^\]]|\](?!\]>))*+)\]\]>
    | <\?(?P<target>{_NAME})(?P<instruction>(?:\s(?:[^?]|\?(?!>))*+)?)\?>
    """,
    re.VERBOSE,
)
_DECLARATION = re.compile(
    r"""\s+version\s*=\s*["']1\.[0-9]["'](?:\s+encoding\s*=\s*["']([\w.-]+)["'])?"""
    r"""(?:\s+standalone\s*=\s*["'](?:yes|no)["'])?\s*"""
)
_UTF8 = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})
_NO_CHARACTER = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NOT_OF_NAMES = re.compile(r"[^:\w.-]")


class XmlBody:
    """One document."""

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self._limits = limits

    @property
    def media_types(self) -> frozenset[str]:
        return MEDIA_TYPES

    def parse(self, text: str) -> Document:
        """Raises ``PayloadRefused``.

        Not parseable: what is not well-formed, a document type, references to anything but the five of XML. Charset:
        a declared encoding that is not UTF-8. Media type: ``data:`` URLs in base64. Too deep, too large.
        """
        encoded(text)
        found = _NO_CHARACTER.search(text)
        if found:
            raise PayloadRefused(PayloadFault.NOT_PARSEABLE, f"no character of XML at {found.start()}")
        return _Scan(text, self._limits).run()


@dataclass(slots=True)
class _Open:
    """An element whose end is still to come, and how many children it has so far."""

    name: str
    path: Path
    children: int = 0


@dataclass(slots=True)
class _Scan:
    """One document on its way through. ``between``: which kinds of tags came since the last text."""

    text: str
    limits: Limits
    builder: SplicedBuilder = field(init=False)
    joiner: Joiner = field(init=False)
    open: list[_Open] = field(default_factory=list)
    between: set[str] = field(default_factory=set)
    roots: int = 0

    def run(self) -> Document:
        self.builder = SplicedBuilder(self.limits)
        self.joiner = Joiner(self.builder, LeafKind.STRING)
        position = 1 if self.text.startswith(BYTE_ORDER_MARK) else 0
        begin = position
        while position < len(self.text):
            found = _TOKEN.match(self.text, position)
            if found is None:
                raise self._refused(position)
            if found["target"] is not None:
                self._instruction(found, is_first=position == begin)
            else:
                self._token(found)
            position = found.end()
        if self.open or self.roots != 1:
            raise self._refused(position)
        self.joiner.finish()
        return JoinedDocument(self.text, self.builder, self.joiner.readings)

    def _token(self, found: re.Match[str]) -> None:
        if found["text"] is not None:
            self._text(found)
        elif found["start"] is not None:
            self._start(found)
        elif found["end"] is not None:
            self._end(found)
        elif found["cdata"] is not None:
            self._said(found["cdata"], *found.span("cdata"), _in_cdata)
        else:
            self._aside("!--", found["comment"], found.span("comment"), _in_comment)

    def _start(self, found: re.Match[str]) -> None:
        name = found["start"]
        if len(self.open) >= self.limits.depth:
            raise PayloadRefused(PayloadFault.TOO_DEEP, f"more than {len(self.open)} levels")
        path: Path = (name,)
        if self.open:
            self.open[-1].children += 1
            path = (*self.open[-1].path, self.open[-1].children - 1, name)
        else:
            self.roots += 1
        if self.roots > 1:
            raise self._refused(found.start())
        self._name(path, name, found.start("start"))
        self._attributes(found, path)
        if not found["empty"]:
            self.between.add("start")
            self.open.append(_Open(name, path))

    def _end(self, found: re.Match[str]) -> None:
        if not self.open or self.open[-1].name != found["end"]:
            raise self._refused(found.start())
        self._name(self.open.pop().path, found["end"], found.start("end"))
        self.between.add("end")

    def _name(self, path: Path, name: str, start: int) -> None:
        """A name that could be data. It is written at both ends of its element, and found the same in both."""
        if is_data(name) or not name.isascii():
            self.builder.add(path, LeafKind.KEY, name, start, start + len(name), _in_name)

    def _attributes(self, found: re.Match[str], path: Path) -> None:
        names: set[str] = set()
        for attribute in _ATTRIBUTE.finditer(self.text, *found.span("attributes")):
            name = attribute[1]
            if name in names:
                raise self._refused(attribute.start())
            names.add(name)
            self._name((*path, f"@{name}", name), name, attribute.start(1))
            start, end = attribute.start(2) + 1, attribute.end(2) - 1
            self._value(in_xml(self.text[start:end], start), (*path, f"@{name}"), start, end)

    def _value(self, text: str, path: Path, start: int, end: int) -> None:
        refuse_base64(text)
        if looks_like_url(text):
            add_url(self.builder, text, self._host(start, end), path)
        elif text.strip() and not self._embedded(text, path, start, end, _in_value):
            self.builder.add(path, LeafKind.STRING, text, start, end, _in_value)

    def _text(self, found: re.Match[str]) -> None:
        raw, (start, end) = found[0], found.span()
        if "]]>" in raw or (raw.strip() and not self.open):
            raise self._refused(start)
        text = in_xml(raw, start)
        if not self.open or (looks_embedded(text) and self._embedded(text, self.open[-1].path, start, end, _in_text)):
            return
        self._said(text, start, end, _in_text)

    def _said(self, text: str, start: int, end: int, writer: Writer) -> None:
        """Take a text, in one piece with the text before if only opening or only closing tags stand between."""
        if not self.open:
            raise self._refused(start)
        if text.strip():
            if len(self.between) > 1:
                self.joiner.finish()
            self.between.clear()
        self.joiner.text(self.open[-1].path, text, start, end, writer)

    def _embedded(self, text: str, path: Path, start: int, end: int, writer: Writer) -> bool:
        if not looks_embedded(text):
            return False
        return scan_embedded(
            self.builder, text, self._host(start, end), Literal(start, end, writer, path, 1, len(path))
        )

    def _host(self, start: int, end: int) -> Host:
        references = (
            (one.start() - start, one.end() - start, 1) for one in XML_REFERENCE.finditer(self.text, start, end)
        )
        return escaped_host(WHOLE, references, start, _in_value)

    def _instruction(self, found: re.Match[str], *, is_first: bool) -> None:
        if found["target"].lower() != "xml":
            path = self.open[-1].path if self.open else ()
            self._name((*path, "?", found["target"]), found["target"], found.start("target"))
            self._aside("?", found["instruction"], found.span("instruction"), _in_instruction)
            return
        declared = _DECLARATION.fullmatch(found["instruction"])
        if not is_first or declared is None:
            raise self._refused(found.start())
        if declared[1] and declared[1].lower() not in _UTF8:
            raise PayloadRefused(PayloadFault.CHARSET, "an encoding declared within, and not UTF-8")

    def _aside(self, name: str, text: str, span: tuple[int, int], writer: Callable[[str | None], str]) -> None:
        if text.strip():
            self.builder.add((*(self.open[-1].path if self.open else ()), name), LeafKind.STRING, text, *span, writer)

    def _refused(self, position: int) -> PayloadRefused:
        return PayloadRefused(PayloadFault.NOT_PARSEABLE, f"not well-formed at character {position}")


def _in_text(new: str | None) -> str:
    return html.escape(new or "", quote=False)


def _in_value(new: str | None) -> str:
    return html.escape(new or "")


def _in_cdata(new: str | None) -> str:
    return (new or "").replace("]]>", "]]]]><![CDATA[>")


def _in_comment(new: str | None) -> str:
    return re.sub(r"-(?=-|\Z)", "- ", new or "")


def _in_instruction(new: str | None) -> str:
    return f" {(new or '').strip()}".replace("?>", "? >")


def _in_name(new: str | None) -> str:
    return "_" + _NOT_OF_NAMES.sub("_", new or "").strip("_") + "_"
