"""Strings that are HTML in payloads of other formats: bodies of tickets, mails and chats. Each is read as a page is.

As a plain text such a string hides what a browser shows: ``O&#39;Brien``, ``mar<b>ta</b>@example.org``.
"""

from __future__ import annotations

from sidecar.errors import PayloadFault, PayloadRefused
from sidecar.payloads.document import Document, LeafKind
from sidecar.payloads.field_map import FieldMap
from sidecar.payloads.html import HtmlBody
from sidecar.payloads.opened import OpenedDocument
from sidecar.payloads.placement import Placer, Treatment
from sidecar.payloads.spliced import DEFAULT_LIMITS, Limits

_READ = frozenset({Treatment.MESSAGE, Treatment.SCAN})
_SIGNS = ("<", "&")


def open_markup(
    document: Document, fields: FieldMap, limits: Limits = DEFAULT_LIMITS
) -> tuple[OpenedDocument, tuple[int, ...]]:
    """Open the strings that the field map says are HTML, but for those that it keeps, drops, hashes or knows.

    Returns the document, and the leaves of those that can't be read as a page: whoever redacts must take them away,
    since a browser would make something of them all the same. Raises ``PayloadRefused`` (too large).
    """
    place, html = Placer(fields).place, HtmlBody(limits)
    pages: dict[int, Document] = {}
    unreadable = []
    for leaf in document.leaves:
        if leaf.kind is not LeafKind.STRING or not any(sign in leaf.text for sign in _SIGNS):
            continue
        where = place(leaf)
        if where.is_markup and where.treatment in _READ:
            try:
                pages[leaf.index] = html.parse(leaf.text)
            except PayloadRefused as refusal:
                if refusal.fault is PayloadFault.TOO_LARGE:
                    raise
                unreadable.append(leaf.index)
    opened = OpenedDocument(document, pages, limits.leaves)
    return opened, tuple(opened.index_now(index) for index in unreadable)
