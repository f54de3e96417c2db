"""Strings that are a URL of the upstream itself: the next page of a list, the attachment of a message (X2).

As a text such a string would be replaced as a whole, since URLs may name people; and no list could be read on. It is
read by its parts instead, as links of pages are: segments of its path as names, values of its query as texts.
"""

from __future__ import annotations

from collections.abc import Callable

from sidecar.payloads.document import Document, LeafKind
from sidecar.payloads.field_map import FieldMap
from sidecar.payloads.json_text import WHOLE
from sidecar.payloads.opened import OpenedDocument
from sidecar.payloads.placement import Placer, Treatment
from sidecar.payloads.spliced import DEFAULT_LIMITS, Limits, SplicedBuilder
from sidecar.payloads.urls import add_url

_BEGINS = frozenset("hHwW")


def open_links(
    document: Document, fields: FieldMap, is_ours: Callable[[str], bool], limits: Limits = DEFAULT_LIMITS
) -> Document:
    """Return the document with the strings opened that ``is_ours`` and the field map says nothing of.

    What people write to each other is no address of ours. Raises ``PayloadRefused`` (too large).
    """
    ours = [leaf for leaf in document.leaves if leaf.text[:1] in _BEGINS and is_ours(leaf.text)]
    if not ours:
        return document
    place = Placer(fields).place
    links: dict[int, Document] = {}
    for leaf in ours:
        if leaf.kind is LeafKind.STRING and place(leaf).treatment is Treatment.SCAN:
            builder = SplicedBuilder(limits)
            add_url(builder, leaf.text, WHOLE, ())
            links[leaf.index] = builder.build(leaf.text)
    return OpenedDocument(document, links, limits.leaves)
