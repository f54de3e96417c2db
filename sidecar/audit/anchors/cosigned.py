"""The newest checkpoint of the log that witnesses have cosigned, out of what is kept of their cosignatures. Edge."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from sidecar.audit.anchors.anchor import Anchor, AnchorUnavailable
from sidecar.audit.note import Note, parse_checkpoint

_log = logging.getLogger(__name__)


async def cosigned_checkpoint(witnesses: Sequence[Anchor], origin: str) -> Note | None:
    """Return the checkpoint that most witnesses have cosigned, with all their cosignatures; of these the largest.

    A witness whose cosignatures can't be read is passed over, and logged.
    """
    found: dict[str, tuple[int, Note]] = {}
    for witness in witnesses:
        try:
            held = await witness.latest(origin)
        except AnchorUnavailable as trouble:
            _log.warning("audit: %s", trouble)
            continue
        if held is not None:
            count, note = found.get(held.note.text, (0, Note(held.note.text)))
            more = (one for one in held.note.signatures if one not in note.signatures)
            found[held.note.text] = count + 1, note.signed(*more)
    newest = max(found.values(), key=lambda one: (one[0], parse_checkpoint(one[1].text).size), default=None)
    return newest[1] if newest else None
