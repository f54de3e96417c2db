"""The endpoint that proves a receipt to stand in the audit log. The proof is made when it is asked for."""

from __future__ import annotations

from enum import Enum
from functools import partial
from http import HTTPStatus
from typing import Final

from aiohttp import web

from sidecar.access import Identity
from sidecar.admin.route import SUBJECT, AdminRoute
from sidecar.audit.lookup import AuditLookup
from sidecar.audit.note import parse_checkpoint
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

MEDIA_TYPE: Final = "text/plain"


class Unproven(Enum):
    """Why there is no proof."""

    NOT_YET = "the record of the receipt is not under a signed checkpoint yet; ask again in a minute"
    NO_RECORD = "this replica's audit log holds no record of the receipt: retention dropped it, or another signed it"


def proof_routes(requests: ErasureRequests, reading: AuditReading) -> tuple[AdminRoute, ...]:
    """Return the endpoint, for whoever may read the receipt."""

    async def prove(request: web.Request, _identity: Identity) -> web.StreamResponse:
        view = await requests.find(request_id(request))
        if view is None:
            return not_found()
        request[SUBJECT] = view.subject
        receipt = await requests.receipt(view.id)
        if receipt is None:
            return not_ended()
        made = await _made(reading, receipt)
        if isinstance(made, bytes):
            return web.Response(body=made, content_type=MEDIA_TYPE, charset="utf-8")
        status = HTTPStatus.CONFLICT if made is Unproven.NOT_YET else HTTPStatus.GONE
        return error_response(status, made.name.lower(), made.value)

    return (AdminRoute("GET", PATH + "/{id}/receipt-proof", READERS, Action.ERASURE_READ, guarded(prove)),)


async def _made(reading: AuditReading, receipt: bytes) -> bytes | Unproven:
    try:
        return await reading.do(partial(prove_receipt, receipt=receipt))
    except LogUnreadable:
        raise
    except SourceUnavailable as trouble:
        raise StoreUnavailable(str(trouble)) from None


def prove_receipt(lookup: AuditLookup, receipt: bytes) -> bytes | Unproven:
    """Return the proof of a receipt of ours, or why there is none. Blocking; raises like ``AuditLookup``."""
    exchange = exchange_of(receipt)
    row = next(iter(lookup.find(Question(exchange_id=exchange))), None) if exchange else None
    if row is None:  # the intent was durable before the receipt: dropped since, or another replica's
        return Unproven.NO_RECORD
    note, stored = lookup.checkpoint(), row.last
    checkpoint = parse_checkpoint(note.text) if note else None
    if note is None or checkpoint is None or stored is None or stored.index >= checkpoint.size:
        return Unproven.NOT_YET
    if stored.facts is None or not records_signing(stored.facts.members, receipt):
        return Unproven.NO_RECORD
    path = lookup.prove(stored, checkpoint).proof
    introductions = tuple(map(by_the_log, lookup.introductions(checkpoint.size)))
    return bytes(RecordProof(stored.index, stored.record.leaf, stored.facts, path, by_the_log(note), introductions))
