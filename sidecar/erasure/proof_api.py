"""The endpoint that proves a receipt to stand in the audit log. The proof is made when it is asked for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import Enum
from functools import partial
from http import HTTPStatus
from typing import Final

from aiohttp import web

from sidecar.access import Identity
from sidecar.admin.route import SUBJECT, AdminRoute
from sidecar.audit.lookup import AuditLookup
from sidecar.audit.note import Note, parse_checkpoint
from sidecar.audit.query import Question
from sidecar.audit.reading import AuditReading
from sidecar.audit.record import Action
from sidecar.audit.source import LogUnreadable, SourceUnavailable
from sidecar.audit.tlog_proof import RecordProof, by_the_log
from sidecar.erasure.answers import error_response, guarded, not_ended, not_found, request_id
from sidecar.erasure.api import PATH, READERS
from sidecar.erasure.receipt_proof import exchange_of, records_signing
from sidecar.errors import StoreUnavailable
from sidecar.stores.erasures import ErasureRequests

Cosigned = Callable[[], Awaitable[Note | None]]
"""Gives the newest checkpoint of the log that witnesses have cosigned."""
MEDIA_TYPE: Final = "text/plain"


class Unproven(Enum):
    """Why there is no proof."""

    NOT_YET = "the record of the receipt is not under a signed checkpoint yet; ask again in a minute"
    NOT_COSIGNED = "no witness has cosigned a checkpoint over the record of the receipt that is kept here; ask later"
    NO_RECORD = "this replica's audit log holds no record of the receipt: retention dropped it, or another signed it"


def proof_routes(
    requests: ErasureRequests, reading: AuditReading, cosigned: Cosigned | None = None
) -> tuple[AdminRoute, ...]:
    """Return the endpoint, for whoever may read the receipt. ``cosigned`` gives what witnesses signed of the log."""

    async def prove(request: web.Request, _identity: Identity) -> web.StreamResponse:
        view = await requests.find(request_id(request))
        if view is None:
            return not_found()
        request[SUBJECT] = view.subject
        receipt = await requests.receipt(view.id)
        if receipt is None:
            return not_ended()
        if request.query.get("cosigned") == "true":
            note = await cosigned() if cosigned else None
            made = await _made(reading, receipt, note) if note else Unproven.NOT_COSIGNED
        else:
            made = await _made(reading, receipt, None)
        if isinstance(made, bytes):
            return web.Response(body=made, content_type=MEDIA_TYPE, charset="utf-8")
        status = HTTPStatus.GONE if made is Unproven.NO_RECORD else HTTPStatus.CONFLICT
        return error_response(status, made.name.lower(), made.value)

    return (AdminRoute("GET", PATH + "/{id}/receipt-proof", READERS, Action.ERASURE_READ, guarded(prove)),)


async def _made(reading: AuditReading, receipt: bytes, cosigned: Note | None) -> bytes | Unproven:
    try:
        return await reading.do(partial(prove_receipt, receipt=receipt, cosigned=cosigned))
    except LogUnreadable:
        raise
    except SourceUnavailable as trouble:
        raise StoreUnavailable(str(trouble)) from None


def prove_receipt(lookup: AuditLookup, receipt: bytes, cosigned: Note | None = None) -> bytes | Unproven:
    """Return the proof of a receipt of ours, or why there is none. Blocking; raises like ``AuditLookup``.

    It leads to the newest checkpoint, or to one that witnesses have cosigned.
    """
    exchange = exchange_of(receipt)
    row = next(iter(lookup.find(Question(exchange_id=exchange))), None) if exchange else None
    if row is None:  # the intent was durable before the receipt: dropped since, or another replica's
        return Unproven.NO_RECORD
    note, stored = cosigned or lookup.checkpoint(), row.last
    checkpoint = parse_checkpoint(note.text) if note else None
    if note is None or checkpoint is None or stored is None or stored.index >= checkpoint.size:
        return Unproven.NOT_COSIGNED if cosigned else Unproven.NOT_YET
    if stored.facts is None or not records_signing(stored.facts.members, receipt):
        return Unproven.NO_RECORD
    path = lookup.prove(stored, checkpoint).proof
    introductions = tuple(map(by_the_log, lookup.introductions(checkpoint.size)))
    shown = note if cosigned else by_the_log(note)
    return bytes(RecordProof(stored.index, stored.record.leaf, stored.facts, path, shown, introductions))
