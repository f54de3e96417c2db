"""Texts in pieces where nothing can be held back: the pieces are emptied, since none says what it is part of (P34)."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby

from sidecar.payloads.deltas import DeltaFinder
from sidecar.payloads.document import Edit
from sidecar.payloads.field_map import FieldMap
from sidecar.payloads.socketio import SocketioPolling
from sidecar.payloads.spliced import Limits

_UNOPENED = SocketioPolling(limits=Limits(embedding=0))


def without_pieces(polled: str, fields: FieldMap) -> str:
    """Return a polling payload of socket.io in which the pieces of growing texts are empty strings.

    An answer to a poll ends, and what was held back in it could only come in another one. Raises ``PayloadRefused``.
    """
    document = _UNOPENED.parse(polled)
    finder = DeltaFinder(fields)
    edits: dict[int, Edit] = {}
    for _, group in groupby(document.leaves, key=lambda leaf: leaf.path[0]):
        packet = list(group)
        found = finder.find([replace(leaf, index=number) for number, leaf in enumerate(packet)])
        edits.update((packet[fragment.leaf].index, "") for fragment in found.fragments)
    return document.render(edits).decode() if edits else polled
