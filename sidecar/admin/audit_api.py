"""The audit log for auditors: records, proofs, exports, candidates. Each use is a record of the same log (A36).

Names of people never come in a URL: it is clear in many places. A candidate is sent in a body, and turned into keyed
hashes before anything else happens; how often that may be done is bounded, so that nobody tries a telephone book (A21).
"""

from __future__ import annotations

import asyncio
import tempfile
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from pathlib import Path
from time import monotonic
from typing import Final

from aiohttp import web

from sidecar.access import Identity, Role
from sidecar.admin.audit_requests import parse_export, parse_object, parse_page, parse_size
from sidecar.admin.route import RESULTS, SUBJECT, AdminRoute, Handler, purpose_of
from sidecar.audit.bundle import Bundled, Order, write_bundle
from sidecar.audit.leaf import instant
from sidecar.audit.lookup import AuditLookup
from sidecar.audit.query import Question
from sidecar.audit.reading import SCAN_LIMIT, AuditReading, QuestionTooWide
from sidecar.audit.record import Action
from sidecar.audit.source import LogUnreadable, SourceUnavailable
from sidecar.errors import ConfigError, PayloadRefused, StoreUnavailable

PATH: Final = "/v1/audit"
CANDIDATES_PER_MINUTE: Final = 10
_AUDITORS: Final = frozenset({Role.AUDITOR})
_PIECE: Final = 1 << 18
_LISTED: Final = 100
SCRATCH: Final = ".export-"
"""How folders begin in which bundles are made. They hold records in clear, for as long as it takes to send them."""

Pseudonyms = Callable[[Mapping[str, object]], frozenset[str]]
"""Gives the keyed hashes of a candidate under every key there is, or raises PayloadRefused."""


@dataclass(frozen=True, slots=True)
class AuditParts:
    """What the endpoints stand on. ``scratch`` is where bundles are made."""

    reading: AuditReading
    pseudonyms: Pseudonyms
    scratch: Path
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))


def audit_routes(parts: AuditParts) -> tuple[AdminRoute, ...]:
    """Return the endpoints; all are for auditors."""
    api = _Api(parts)

    def route(method: str, path: str, action: Action, handler: Handler) -> AdminRoute:
        return AdminRoute(method, f"{PATH}/{path}", _AUDITORS, action, _guarded(handler))

    return (
        route("GET", "records", Action.AUDIT_SEARCH, api.records),
        route("GET", "checkpoint", Action.AUDIT_READ, api.checkpoint),
        route("GET", "proofs/inclusion", Action.AUDIT_READ, api.inclusion),
        route("GET", "proofs/consistency", Action.AUDIT_READ, api.consistency),
        route("POST", "exports", Action.AUDIT_EXPORT, api.export),
        route("POST", "candidates", Action.AUDIT_CANDIDATE, api.candidate),
    )


class _Api:
    def __init__(self, parts: AuditParts) -> None:
        self._parts = parts
        self._tries: dict[str, list[float]] = {}

    async def records(self, request: web.Request, _identity: Identity) -> web.StreamResponse:
        asked = parse_page(dict(request.query), tuple(request.query.getall("pseudonym", ())))
        _name_subject(request, asked.question)
        page = await self._parts.reading.page(asked.question, asked.limit, asked.skip, asked.size)
        request[RESULTS] = len(page.rows)
        cursor = f"{page.size}-{page.more}" if page.more is not None else None
        return web.json_response({"records": list(page.rows), "size": page.size, "cursor": cursor})

    async def checkpoint(self, _request: web.Request, _identity: Identity) -> web.StreamResponse:
        note = await self._parts.reading.checkpoint()
        return web.Response(text=str(note)) if note is not None else _error(HTTPStatus.NOT_FOUND, "no_checkpoint")

    async def inclusion(self, request: web.Request, _identity: Identity) -> web.StreamResponse:
        seq, size = (parse_size(request.query, name) for name in ("seq", "size"))

        def prove(lookup: AuditLookup) -> Mapping[str, object]:
            proof = lookup.inclusion(seq, size)
            return {"leaf_hash": lookup.at(seq).record.hash, "proof": [b64encode(one).decode() for one in proof]}

        return await self._proof({"seq": seq, "size": size}, prove)

    async def consistency(self, request: web.Request, _identity: Identity) -> web.StreamResponse:
        old, new = (parse_size(request.query, name) for name in ("from", "to"))

        def prove(lookup: AuditLookup) -> Mapping[str, object]:
            return {"proof": [b64encode(one).decode() for one in lookup.consistency(old, new)]}

        return await self._proof({"from": old, "to": new}, prove)

    async def export(self, request: web.Request, _identity: Identity) -> web.StreamResponse:
        reason = purpose_of(request)
        if reason is None:
            return _error(
                HTTPStatus.BAD_REQUEST, "reason", "give ?reason=, the reference of a ticket like CASE-2026-17"
            )
        asked = parse_export(await request.read())
        _name_subject(request, asked.question)
        order = Order(asked.question, reason, instant(self._parts.clock()), asked.formats, asked.complete)
        with tempfile.TemporaryDirectory(dir=self._parts.scratch, prefix=SCRATCH) as scratch:
            path = Path(scratch) / "audit-export.tar"
            bundled = await self._parts.reading.do(partial(_bundled, order=order, path=path))
            request[RESULTS] = bundled.rows
            return await _sent(request, path)

    async def candidate(self, request: web.Request, identity: Identity) -> web.StreamResponse:
        if not self._may_try(identity.name):
            response = _error(HTTPStatus.TOO_MANY_REQUESTS, "too_many", "ten candidates a minute may be tried")
            response.headers["Retry-After"] = "60"
            return response
        pseudonyms = self._parts.pseudonyms(parse_object(await request.read()))
        question = Question(pseudonyms=pseudonyms)
        request[SUBJECT] = min(pseudonyms)
        page = await self._parts.reading.page(question, _LISTED)
        request[RESULTS] = len(page.rows)
        found = {"pseudonyms": sorted(pseudonyms), "found": bool(page.rows), "more": page.more is not None}
        return web.json_response(found | {"records": [row["seq"] for row in page.rows]})

    async def _proof(
        self, asked: Mapping[str, object], prove: Callable[[AuditLookup], Mapping[str, object]]
    ) -> web.StreamResponse:
        try:
            return web.json_response({**asked, **await self._parts.reading.do(prove)})
        except (KeyError, ValueError):
            return _error(HTTPStatus.NOT_FOUND, "no_proof", "there are no such records, or they were dropped")

    def _may_try(self, name: str) -> bool:
        now = monotonic()
        recent = [one for one in self._tries.get(name, ()) if now - one < 60]
        self._tries[name] = [*recent, now][-CANDIDATES_PER_MINUTE:]
        return len(recent) < CANDIDATES_PER_MINUTE


def _bundled(lookup: AuditLookup, order: Order, path: Path) -> Bundled:
    first, end = lookup.span(order.question, lookup.size)
    read = end - first if order.complete else lookup.scan_length(order.question, lookup.size)
    if read > SCAN_LIMIT:
        raise QuestionTooWide("ask for a shorter time, or export by hand with the command")
    return write_bundle(lookup, order, path)


def _name_subject(request: web.Request, question: Question) -> None:
    """Put whom was asked about on record; of several the first in order stands for all."""
    if question.pseudonyms:
        request[SUBJECT] = min(question.pseudonyms)


def _guarded(handler: Handler) -> Handler:
    async def serve(request: web.Request, identity: Identity) -> web.StreamResponse:
        try:
            return await handler(request, identity)
        except PayloadRefused as refusal:
            return _error(HTTPStatus.BAD_REQUEST, "invalid", str(refusal))
        except QuestionTooWide as refusal:
            return _error(HTTPStatus.UNPROCESSABLE_ENTITY, "too_wide", str(refusal))
        except LogUnreadable:
            raise
        except SourceUnavailable as trouble:
            raise StoreUnavailable(str(trouble)) from None
        except ConfigError as error:
            return _error(HTTPStatus.UNPROCESSABLE_ENTITY, "not_possible", str(error))

    return serve


def _error(status: HTTPStatus, code: str, message: str = "") -> web.Response:
    return web.json_response({"error": code, **({"message": message} if message else {})}, status=status)


async def _sent(request: web.Request, path: Path) -> web.StreamResponse:
    response = web.StreamResponse(headers={
        "Content-Type": "application/x-tar", "Content-Disposition": f'attachment; filename="{path.name}"',
        "Content-Length": str((await asyncio.to_thread(path.stat)).st_size),
    })  # fmt: skip
    await response.prepare(request)
    stream = await asyncio.to_thread(path.open, "rb")
    with stream:
        while piece := await asyncio.to_thread(partial(stream.read, _PIECE)):
            await response.write(piece)
    await response.write_eof()
    return response
