"""Strings that are HTML in payloads of other formats: bodies of tickets, mails and chats. Each is read as a page is.

As a plain text such a string hides what a browser shows: ``O&#39;Brien``, ``mar<b>ta</b>@example.org``. The leaves of
the page stand in place of the string, with paths that go on below its own; the string itself is not scanned.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sidecar.errors import PayloadFault, PayloadRefused
from sidecar.payloads.document import Document, Edit, Leaf, LeafKind
from sidecar.payloads.field_map import FieldMap
from sidecar.payloads.html import HtmlBody
from sidecar.payloads.placement import Placer, Treatment
from sidecar.payloads.spliced import DEFAULT_LIMITS, Limits

_READ = frozenset({Treatment.MESSAGE, Treatment.SCAN})
_SIGNS = ("<", "&")
_OUTSIDE = -1


@dataclass(frozen=True, slots=True)
class _Page:
    """One string that is HTML. ``slot``: its leaf in the document around it."""

    slot: int
    document: Document = field(repr=False)


class MarkupDocument:
    """A document some of whose strings are opened. ``unreadable``: those that no page could be read from."""

    def __init__(
        self, around: Document, pages: Mapping[int, _Page], unreadable: frozenset[int], limits: Limits
    ) -> None:
        self._around = around
        self._most = limits.leaves
        self._pages: list[_Page] = []
        self._origins: list[tuple[int, int]] = []
        self.leaves: list[Leaf] = []
        for leaf in around.leaves:
            self._add(replace(leaf, kind=LeafKind.OTHER, text="") if leaf.index in pages else leaf, _OUTSIDE)
            if leaf.index in pages:
                self._open(leaf, pages[leaf.index])
        self.unreadable = tuple(index for index, origin in enumerate(self._origins) if origin in _outside(unreadable))

    def _open(self, host: Leaf, page: _Page) -> None:
        embedded_at = len(host.path) if host.embedded_at is None else host.embedded_at
        self._pages.append(page)
        for leaf in page.document.leaves:
            self._add(replace(leaf, path=host.path + leaf.path, embedded_at=embedded_at), len(self._pages) - 1)

    def _add(self, leaf: Leaf, page: int) -> None:
        if len(self.leaves) >= self._most:
            raise PayloadRefused(PayloadFault.TOO_LARGE, f"more than {self._most} leaves")
        self._origins.append((page, leaf.index))
        self.leaves.append(replace(leaf, index=len(self.leaves)))

    def render(self, edits: Mapping[int, Edit]) -> bytes:
        """Return the payload. A string in which nothing is edited stays byte for byte what it was."""
        sorted_out: dict[int, dict[int, Edit]] = {}
        for index, new in edits.items():
            page, place = self._origins[index]
            sorted_out.setdefault(page, {})[place] = new
        around = sorted_out.pop(_OUTSIDE, {})
        for number, inner in sorted_out.items():
            page_document = self._pages[number]
            around.setdefault(page_document.slot, page_document.document.render(inner).decode())
        return self._around.render(around)


def _outside(indices: frozenset[int]) -> frozenset[tuple[int, int]]:
    return frozenset((_OUTSIDE, index) for index in indices)


def open_markup(document: Document, fields: FieldMap, limits: Limits = DEFAULT_LIMITS) -> MarkupDocument:
    """Open the strings that the field map says are HTML, but for those that it keeps, drops, hashes or knows.

    One that can't be read as a page is ``unreadable``: whoever redacts must take it away, since a browser would make
    something of it all the same. Raises ``PayloadRefused`` (too large).
    """
    place, html = Placer(fields).place, HtmlBody(limits)
    pages: dict[int, _Page] = {}
    unreadable = set()
    for leaf in document.leaves:
        if leaf.kind is not LeafKind.STRING or not any(sign in leaf.text for sign in _SIGNS):
            continue
        where = place(leaf)
        if where.is_markup and where.treatment in _READ:
            try:
                pages[leaf.index] = _Page(leaf.index, html.parse(leaf.text))
            except PayloadRefused as refusal:
                if refusal.fault is PayloadFault.TOO_LARGE:
                    raise
                unreadable.add(leaf.index)
    return MarkupDocument(document, pages, frozenset(unreadable), limits)
