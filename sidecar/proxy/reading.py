"""From the text of a payload to what of it has to be redacted."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from sidecar.payloads.annotations import Found
from sidecar.payloads.base64_texts import open_base64
from sidecar.payloads.document import Document, Leaf, PayloadFormat
from sidecar.payloads.field_map import FieldMap
from sidecar.payloads.links import open_links
from sidecar.payloads.marking import NO_MARKING, Marking, SourceTexts, mark
from sidecar.payloads.markup import open_markup
from sidecar.payloads.placement import Placer, Treatment
from sidecar.payloads.selection import Selection, select
from sidecar.proxy.passage import Passage
from sidecar.redaction.placeholder import literals

_PARSED_IN_THE_LOOP = 8 * 1024
"""Characters. Longer payloads are parsed in a thread, so that other exchanges go on."""
_MASKED = re.compile(r"(\*+)([^*]{0,8})")
_FIXED = (Treatment.DROP, Treatment.HASH)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Reading:
    """A parsed payload, what of it is to be redacted, and its annotations."""

    document: Document
    selection: Selection
    marking: Marking


async def read_payload(text: str, payload_format: PayloadFormat, fields: FieldMap, passage: Passage) -> Reading:
    """Raises ``PayloadRefused`` for what can't be parsed, and for annotations of a request that fit no text."""
    if not fields.annotations:
        return await at_leisure(text, lambda: _sorted(_parsed(text, payload_format, fields, passage), fields))
    parsed, found = await at_leisure(text, lambda: _found(_parsed(text, payload_format, fields, passage), fields))
    marking = await mark_annotations(parsed.document.leaves, found, passage)
    return await at_leisure(text, lambda: _sorted(parsed, fields, marking))


async def mark_annotations(leaves: Sequence[Leaf], found: Found, passage: Passage) -> Marking:
    """Place annotations in the texts of their payload, or else in those that the passage can fetch."""
    if not found.annotations and not found.broken:
        return NO_MARKING
    sources: SourceTexts = {}
    if found.lack_texts and passage.sources is not None:
        sources = await passage.sources(passage.direction, leaves)
    return mark(found, sources, passage.direction)


async def at_leisure(text: str, work: Callable[[], _T]) -> _T:
    """Do what takes the longer the longer the payload is. ``work`` touches nothing that others change."""
    return await asyncio.to_thread(work) if len(text) > _PARSED_IN_THE_LOOP else work()


@dataclass(frozen=True, slots=True)
class _Parsed:
    """A document whose strings are opened. ``unreadable``: leaves that have to be taken away."""

    document: Document
    unreadable: tuple[int, ...] = ()


def _parsed(text: str, payload_format: PayloadFormat, fields: FieldMap, passage: Passage) -> _Parsed:
    document = payload_format.parse(text)
    if passage.urls is not None:
        document = open_links(document, fields, passage.urls.is_one)
    pages: tuple[int, ...] = ()
    if fields.html:
        document, pages = open_markup(document, fields)
    document, files, now = open_base64(document, fields)
    return _Parsed(document, (*files, *(now[index] if now else index for index in pages)))


def _found(parsed: _Parsed, fields: FieldMap) -> tuple[_Parsed, Found]:
    return parsed, fields.finder.find(parsed.document.leaves)


def _sorted(parsed: _Parsed, fields: FieldMap, marking: Marking = NO_MARKING) -> Reading:
    """What the marking leaves to others is not scanned, but where the field map takes it away or hashes it."""
    leaves = parsed.document.leaves
    if marking.unscanned:
        place = Placer(fields).place
        leaves = [leaf for leaf in leaves if leaf.index not in marking.unscanned or place(leaf).treatment in _FIXED]
    selection = select(leaves, fields, without_placeholders)
    if parsed.unreadable:
        selection = replace(selection, dropped=(*selection.dropped, *parsed.unreadable))
    return Reading(parsed.document, selection, marking)


def without_placeholders(value: str) -> str:
    """Return what is left of a value beside placeholders and masks: nothing, if it was redacted before.

    A mask keeps some characters at the end; a value with a few stars behind it is no mask.
    """
    rest, read = "", 0
    for literal in literals(value):
        rest, read = rest + value[read : literal.start], literal.end
    rest = (rest + value[read:]).strip()
    masked = _MASKED.fullmatch(rest)
    if (masked and len(masked[1]) >= len(masked[2])) or not any(char.isalnum() for char in rest):
        return ""
    return rest.strip("* ")
