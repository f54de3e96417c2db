"""Strings that are base64 (RFC 4648): what is in them is read where it is text, and taken away where it is a file.

As plain text such a string hides what it says from every recognizer, and whoever gets it undoes it in one step. Only
what decodes to a text, begins like a file, or is longer than any key, is taken for base64: keys, digests and other ids
are as they were.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sidecar.errors import PayloadFault, PayloadRefused
from sidecar.payloads.document import Document, Edit, Leaf, LeafKind
from sidecar.payloads.field_map import FieldMap
from sidecar.payloads.formats import format_for
from sidecar.payloads.opened import OpenedDocument
from sidecar.payloads.placement import Placer, Treatment
from sidecar.payloads.spliced import DEFAULT_LIMITS, Limits

_WHOLE = re.compile(
    r"(?P<before>data:[^,\s]{0,200};base64,)?(?P<code>[A-Za-z0-9+/_-]{16,}(?:\r?\n[A-Za-z0-9+/_-]+)*={0,2})\s*\Z",
    re.IGNORECASE,
)
_WITHIN = re.compile(r"data:[^,]{0,200};\s*base64\s*,", re.IGNORECASE)
_NO_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd]")
_FILES = (
    b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"%PDF-", b"PK\x03\x04", b"\x1f\x8b\x08", b"RIFF", b"OggS", b"ID3", b"fLaC",
    b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf", b"\x28\xb5\x2f\xfd", b"\xd0\xcf\x11\xe0", b"II*\x00", b"MM\x00*",
    b"\x1aE\xdf\xa3", b"SQLite format 3",
)  # fmt: skip
_FILES_OF_CHARACTERS = (b"%PDF-", b"%!PS", b"{\\rtf")  # what they say may be in codes of their own
_SHORTEST_FILE = 32  # bytes: of something shorter the first ones are chance
_LONGEST_KEY = 1_023  # bytes; what is longer and no text (recorded speech, say) is a file, however it begins
_READ = frozenset({Treatment.MESSAGE, Treatment.SCAN, Treatment.TERM})


def open_base64(
    document: Document, fields: FieldMap, limits: Limits = DEFAULT_LIMITS
) -> tuple[Document, tuple[int, ...], tuple[int, ...]]:
    """Open the strings that are base64 of a text, but for those that the field map keeps, drops, hashes or knows.

    Returns the document, and the leaves, by their new indices, of those that hold a file, or a ``data:`` URL in
    base64 among other words: whoever redacts must take them away. Last, the new index of each old one; empty where
    nothing was opened. Raises ``PayloadRefused`` (too large).
    """
    found = [leaf for leaf in document.leaves if leaf.kind is LeafKind.STRING and _may_be(leaf.text)]
    if not found:
        return document, (), ()
    place = Placer(fields).place
    known = {leaf.text for leaf in document.leaves if fields.known and place(leaf).treatment is Treatment.KNOWN}
    texts: dict[int, Document] = {}
    unreadable: list[int] = []
    for leaf in found:
        if place(leaf).treatment in _READ and leaf.text not in known:  # ids of some platforms are base64
            read = _read(leaf.text, limits)
            if isinstance(read, _Coded):
                texts[leaf.index] = read
            elif read is _FILE:
                unreadable.append(leaf.index)
    opened = OpenedDocument(document, texts, limits.leaves)
    now = tuple(opened.index_now(leaf.index) for leaf in document.leaves)
    return opened, tuple(now[index] for index in unreadable), now


_FILE = object()


def is_base64(text: str) -> bool:
    """Whether a string is base64 that would be opened, or taken away, where it stood in a payload."""
    return _may_be(text) and _read(text, DEFAULT_LIMITS) is not None


def _may_be(text: str) -> bool:
    return "base64" in text or (len(text) >= 16 and " " not in text and _WHOLE.match(text) is not None)


def _read(text: str, limits: Limits) -> _Coded | object | None:
    """Return the text within, ``_FILE`` for what is one, None for what is no base64."""
    whole = _WHOLE.match(text)
    if whole is None:
        return _FILE if _WITHIN.search(text) else None
    before, code = whole["before"] or "", whole["code"]
    data = _decoded(code)
    if data is None:
        return _FILE if before else None
    try:
        inner = data.decode()
    except UnicodeDecodeError:
        is_file = len(data) >= _SHORTEST_FILE and (data.startswith(_FILES) or data[4:8] == b"ftyp")
        return _FILE if before or is_file or len(data) > _LONGEST_KEY else None
    if _NO_TEXT.search(inner):
        return _FILE if before or data.startswith(_FILES) or len(data) > _LONGEST_KEY else None
    if data.startswith(_FILES_OF_CHARACTERS):
        return _FILE
    try:
        return _Coded(before, "-" in code or "_" in code, "=" in code, format_for("text/plain", limits).parse(inner))
    except PayloadRefused as refusal:
        if refusal.fault is PayloadFault.TOO_LARGE:
            raise
        return _FILE  # such as a page with an image in it


def _decoded(code: str) -> bytes | None:
    plain = "".join(code.split()).rstrip("=").replace("+", "-").replace("/", "_")
    try:
        return urlsafe_b64decode(plain + "=" * (-len(plain) % 4))
    except binascii.Error:
        return None


@dataclass(frozen=True, slots=True)
class _Coded:
    """The text within, written back as it was coded."""

    before: str
    is_for_urls: bool
    is_padded: bool
    inner: Document

    @property
    def leaves(self) -> Sequence[Leaf]:
        return self.inner.leaves

    def render(self, edits: Mapping[int, Edit]) -> bytes:
        data = self.inner.render(edits)
        code = urlsafe_b64encode(data) if self.is_for_urls else b64encode(data)
        return self.before.encode() + (code if self.is_padded or self.before else code.rstrip(b"="))
