"""The HTTP face of erasure: submit, confirm, read, receipt, replay. Errors have the shape of OpenDSR's.

No answer depends on whether a person is known anywhere: only on the request and on what was submitted before (E6).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from aiohttp import web

from sidecar.access import Identity, Role
from sidecar.admin.route import SUBJECT, AdminRoute
from sidecar.audit.record import Action
from sidecar.erasure.answers import guarded, not_ended, not_found, read_body, request_id
from sidecar.erasure.attempt import Clock
from sidecar.erasure.bodies import accepted_body, status_body
from sidecar.erasure.intake import Intake
from sidecar.erasure.receipt_keys import published
from sidecar.erasure.request import parse_extension, parse_request, parse_verification
from sidecar.metrics import Metrics
from sidecar.stores.erasure_receipt_keys import ReceiptKeys
from sidecar.stores.erasure_tasks import ErasureTasks
from sidecar.stores.erasure_views import RequestView
from sidecar.stores.erasures import ErasureRequests

PATH: Final = "/v1/erasures"
READERS: Final = frozenset({Role.INTAKE, Role.PRIVACY_OFFICER, Role.AUDITOR})
_SUBMITTERS: Final = frozenset({Role.INTAKE})
_CONFIRMERS: Final = frozenset({Role.INTAKE, Role.PRIVACY_OFFICER})
_OFFICERS: Final = frozenset({Role.PRIVACY_OFFICER})


@dataclass(frozen=True, slots=True)
class ErasureParts:
    """What the endpoints stand on. ``wake`` tells the worker that there is something new."""

    intake: Intake
    requests: ErasureRequests
    tasks: ErasureTasks
    receipt_keys: ReceiptKeys
    metrics: Metrics
    wake: Callable[[], None]
    clock: Clock


def erasure_routes(parts: ErasureParts) -> tuple[AdminRoute, ...]:
    """Return the endpoints, with who may call each."""
    api = _Api(parts)
    one = PATH + "/{id}"
    return (
        AdminRoute("POST", PATH, _SUBMITTERS, Action.ERASURE_SUBMIT, guarded(api.submit)),
        AdminRoute("GET", one, READERS, Action.ERASURE_READ, guarded(api.status)),
        AdminRoute("DELETE", one, _CONFIRMERS, Action.ERASURE_SUBMIT, guarded(api.cancel)),
        AdminRoute("POST", f"{one}/extension", _OFFICERS, Action.ERASURE_SUBMIT, guarded(api.extend)),
        AdminRoute("POST", f"{one}/verification", _CONFIRMERS, Action.ERASURE_SUBMIT, guarded(api.confirm)),
        AdminRoute("GET", f"{one}/receipt", READERS, Action.ERASURE_READ, guarded(api.receipt)),
        AdminRoute("POST", "/v1/erasure-replays", _OFFICERS, Action.ERASURE_SUBMIT, guarded(api.replay)),
        AdminRoute("GET", "/v1/erasure-receipt-keys", READERS, None, guarded(api.keys)),
    )


class _Api:
    def __init__(self, parts: ErasureParts) -> None:
        self._parts = parts

    async def submit(self, request: web.Request, _identity: Identity) -> web.StreamResponse:
        parsed = parse_request(await read_body(request))
        request[SUBJECT] = self._parts.intake.subject(parsed)
        accepted = await self._parts.intake.accept(parsed)
        request[SUBJECT] = accepted.view.subject  # as all records of it: after a rotation the person has another name
        if accepted.new:
            self._parts.metrics.erasure_requests.inc()
            self._parts.wake()
        location = {"Location": f"{PATH}/{accepted.view.id}"}
        return web.json_response(accepted_body(accepted), status=HTTPStatus.ACCEPTED, headers=location)

    async def confirm(self, request: web.Request, _identity: Identity) -> web.StreamResponse:
        verified_by = parse_verification(await read_body(request))
        view = await self._parts.intake.confirm(request_id(request), verified_by)
        if view is None:
            return not_found()
        self._parts.wake()
        return self._status(request, view)

    async def cancel(self, request: web.Request, _identity: Identity) -> web.StreamResponse:
        view = await self._parts.requests.cancel(request_id(request), self._parts.clock())
        return not_found() if view is None else self._status(request, view)

    async def extend(self, request: web.Request, _identity: Identity) -> web.StreamResponse:
        ground = parse_extension(await read_body(request))
        view = await self._parts.intake.extend(request_id(request), ground)
        return not_found() if view is None else self._status(request, view)

    async def status(self, request: web.Request, _identity: Identity) -> web.StreamResponse:
        view = await self._parts.requests.find(request_id(request))
        return not_found() if view is None else self._status(request, view)

    async def receipt(self, request: web.Request, _identity: Identity) -> web.StreamResponse:
        view = await self._parts.requests.find(request_id(request))
        if view is None:
            return not_found()
        request[SUBJECT] = view.subject
        data = await self._parts.requests.receipt(view.id)
        if data is None:
            return not_ended()
        return web.Response(body=data, content_type="application/json")

    async def replay(self, _request: web.Request, _identity: Identity) -> web.StreamResponse:
        replayed = await self._parts.tasks.replay(self._parts.clock())
        self._parts.wake()
        return web.json_response({"requests": replayed}, status=HTTPStatus.ACCEPTED)

    async def keys(self, _request: web.Request, _identity: Identity) -> web.StreamResponse:
        return web.json_response({"keys": [published(key) for key in await self._parts.receipt_keys.listed()]})

    def _status(self, request: web.Request, view: RequestView) -> web.Response:
        request[SUBJECT] = view.subject
        return web.json_response(status_body(view, self._parts.clock()))
