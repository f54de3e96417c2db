"""Multipart bodies: forms with files (RFC 7578), and other parts put together (RFC 2046), each read as what it is.

Paths begin with the name of the part, or its number, and go on as in the part's own format: ``$.comment``,
``$.upload[].email`` in a CSV file, ``$.upload.filename``. A part that nobody here can read is refused, and with it the
whole. What stands before the first part or behind the last would be read by nobody, and is refused, too.
"""

from __future__ import annotations

import base64
import binascii
import quopri
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sidecar.errors import PayloadFault, PayloadRefused
from sidecar.payloads.document import Document, Leaf, LeafKind, Path, PayloadFormat
from sidecar.payloads.forgery_tokens import is_forgery_token
from sidecar.payloads.joined import JoinedDocument
from sidecar.payloads.part_fields import UTF8, FieldScan, PartHead
from sidecar.payloads.spliced import DEFAULT_LIMITS, Limits, SplicedBuilder, encoded

FORM_DATA = "multipart/form-data"
MEDIA_TYPES = frozenset({FORM_DATA, "multipart/alternative", "multipart/mixed", "multipart/related"})
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
_BROKEN_QUOTED = re.compile(r"=(?![0-9A-Fa-f]{2}|\r\n)|[^\t\r\n\x20-\x7e]")

Choose = Callable[[str, Limits], PayloadFormat]
"""Return the format of a media type that is not multipart. Raises ``PayloadRefused``."""


@dataclass(frozen=True, slots=True)
class MultipartBody:
    """Parts between boundaries. ``nesting``: how many levels of parts within parts are opened."""

    media_type: str
    boundary: str | None
    choose: Choose
    limits: Limits = DEFAULT_LIMITS
    nesting: int = 2

    @property
    def media_types(self) -> frozenset[str]:
        return MEDIA_TYPES

    def parse(self, text: str) -> Document:
        """Raises ``PayloadRefused``: boundaries or fields that are not strictly so, or what a part's format does."""
        encoded(text)
        if self.boundary is None or not _BOUNDARY.fullmatch(self.boundary):
            raise PayloadRefused(PayloadFault.MEDIA_TYPE, "no boundary, or none that could be one")
        builder = SplicedBuilder(self.limits)
        fields = FieldScan(builder, text)
        contents = [
            self._content(fields, number, start, end)
            for number, (start, end) in enumerate(part_places(text, self.boundary, self.limits.parts))
        ]
        own = JoinedDocument(text, builder, fields.readings)
        return MultipartDocument(own, [one for one in contents if one is not None], self)

    def _content(self, fields: FieldScan, number: int, start: int, end: int) -> _Content | None:
        blank = fields.text.find("\r\n\r\n", start - 2, end)
        if blank < 0:
            raise PayloadRefused(PayloadFault.NOT_PARSEABLE, f"a part without end of its fields at character {start}")
        head = fields.read(start, max(blank, start), number)
        if self.media_type == FORM_DATA and head.name is None:
            raise PayloadRefused(PayloadFault.NOT_PARSEABLE, "a field without name")
        raw = fields.text[blank + 4 : end]
        if not raw or is_forgery_token(head.name or "", raw):
            return None
        path: Path = (number if head.name is None else head.name,)
        document = self._format(head).parse(_decoded(raw, head))
        slot = fields.builder.add(path, LeafKind.OTHER, "", blank + 4, end, lambda new: new or "")
        return _Content(slot, path, head, "\r\n" in raw.rstrip("\r\n"), document)

    def _format(self, head: PartHead) -> PayloadFormat:
        if head.kind.name not in MEDIA_TYPES:
            return self.choose(head.kind.name, self.limits)
        if self.nesting == 0:
            raise PayloadRefused(PayloadFault.TOO_DEEP, "parts within parts")
        return replace(self, media_type=head.kind.name, boundary=head.kind.boundary, nesting=self.nesting - 1)


def part_places(text: str, boundary: str, most: int) -> list[tuple[int, int]]:
    """Return where each part begins and ends, fields included. Raises ``PayloadRefused``."""
    delimiter = f"--{boundary}"
    places: list[tuple[int, int]] = []
    position = 2 if text.startswith("\r\n") else 0
    while text.startswith(delimiter, position):
        position += len(delimiter)
        if text.startswith("--", position):
            if text[position + 2 :] not in ("", "\r\n"):
                raise PayloadRefused(PayloadFault.NOT_PARSEABLE, "something behind the last part")
            return places
        end = text.find(f"\r\n{delimiter}", position)
        if not text.startswith("\r\n", position) or end < 0:
            break
        if delimiter in text[position:end]:
            raise PayloadRefused(PayloadFault.NOT_PARSEABLE, f"a boundary within a part at character {position}")
        if len(places) >= most:
            raise PayloadRefused(PayloadFault.TOO_LARGE, f"more than {most} parts")
        places.append((position + 2, max(end, position + 2)))
        position = end + 2
    raise PayloadRefused(PayloadFault.NOT_PARSEABLE, f"no boundary, or no last one, after character {position}")


@dataclass(frozen=True, slots=True)
class _Content:
    """The content of one part. ``slot``: the leaf that stands for all of it; ``in_lines``: so its code stands."""

    slot: int
    path: Path = field(repr=False)
    head: PartHead
    in_lines: bool
    document: Document

    def leaves(self, first: int) -> list[Leaf]:
        """The leaves below the part's path, numbered from ``first`` on. A text alone is the part's value."""
        inner = self.document.leaves
        alone = len(inner) == 1 and inner[0].path == (0,) and inner[0].kind is LeafKind.STRING
        return [
            Leaf(
                first + leaf.index,
                self.path if alone else self.path + leaf.path,
                leaf.kind,
                leaf.text,
                None if leaf.embedded_at is None else leaf.embedded_at + len(self.path),
            )
            for leaf in inner
        ]


class MultipartDocument:
    """The fields of all parts, and a document for each content."""

    def __init__(self, own: JoinedDocument, contents: Sequence[_Content], body: MultipartBody) -> None:
        self._own = own
        self._contents: list[tuple[int, _Content]] = []
        self._body = body
        self._leaves = list(own.leaves)
        for content in contents:
            self._contents.append((len(self._leaves), content))
            self._leaves += content.leaves(len(self._leaves))
            if len(self._leaves) > body.limits.leaves:
                raise PayloadRefused(PayloadFault.TOO_LARGE, "leaves of all parts together")

    @property
    def leaves(self) -> Sequence[Leaf]:
        return self._leaves

    def render(self, edits: Mapping[int, str | int | None]) -> bytes:
        """Return UTF-8 bytes. A part in which nothing is edited keeps its code."""
        own = {index: new for index, new in edits.items() if index < len(self._own.leaves)}
        for first, content in self._contents:
            inner = {index - first: edits[index] for index in _within(edits, first, len(content.document.leaves))}
            if inner and content.slot not in own:
                own[content.slot] = self._recoded(content, content.document.render(inner))
        return self._own.render(own)

    def _recoded(self, content: _Content, new: bytes) -> str:
        text = _coded(new, content)
        if f"--{self._body.boundary}" in text:
            raise PayloadRefused(PayloadFault.NOT_PARSEABLE, "a boundary that came to be within a part")
        return text


def _within(edits: Mapping[int, object], first: int, size: int) -> list[int]:
    return [index for index in edits if first <= index < first + size]


def _decoded(raw: str, head: PartHead) -> str:
    if head.kind.charset not in (None, *UTF8):
        raise PayloadRefused(PayloadFault.CHARSET, "a part that is not in UTF-8")
    if head.encoding not in ("base64", "quoted-printable"):
        return raw
    try:
        return _plain(raw, head.encoding).decode()
    except (binascii.Error, UnicodeDecodeError, UnicodeEncodeError):
        raise PayloadRefused(PayloadFault.CODING, "a part that is not what it claims to be") from None


def _plain(raw: str, encoding: str) -> bytes:
    if encoding == "base64":
        return base64.b64decode(raw.replace("\r\n", "").encode("ascii"), validate=True)
    if _BROKEN_QUOTED.search(raw):
        raise PayloadRefused(PayloadFault.CODING, "quoted-printable that is not")
    return quopri.decodestring(raw.encode("ascii"))


def _coded(new: bytes, content: _Content) -> str:
    if content.head.encoding == "quoted-printable":
        lines = new.decode().replace("\r\n", "\n").encode()
        return quopri.encodestring(lines).decode("ascii").replace("\n", "\r\n")
    if content.head.encoding != "base64":
        return new.decode()
    code = base64.encodebytes(new) if content.in_lines else base64.b64encode(new)
    return code.decode("ascii").rstrip("\n").replace("\n", "\r\n")
