"""The endpoints by which a privacy officer puts a legal hold on an item of a request, and lifts it."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from aiohttp import web

from sidecar.access import Identity, Role
from sidecar.admin.route import SUBJECT, AdminRoute
from sidecar.audit.record import Action
from sidecar.erasure.answers import error_response, guarded, not_found, read_body, request_id
from sidecar.erasure.attempt import Clock
from sidecar.erasure.hold import parse_hold
from sidecar.stores.erasure_holds import ErasureHolds, UnknownItem

_PATH: Final = "/v1/erasures/{id}/holds"
_OFFICERS: Final = frozenset({Role.PRIVACY_OFFICER})


def hold_routes(store: ErasureHolds, wake: Callable[[], None], clock: Clock) -> tuple[AdminRoute, ...]:
    """Return the endpoints, with who may call each."""

    async def place(request: web.Request, _identity: Identity) -> web.StreamResponse:
        hold = parse_hold(await read_body(request), clock())
        try:
            placed = await store.place(request_id(request), hold, clock())
        except UnknownItem as unknown:
            return error_response(HTTPStatus.CONFLICT, "unknown_item", str(unknown))
        if placed is None:
            return not_found("there is no such request, or its identities are destroyed")
        request[SUBJECT] = placed.subject
        said = {"hold": placed.id, "held": list(placed.held), "too_late": list(placed.too_late)}
        return web.json_response(said, status=HTTPStatus.CREATED)

    async def release(request: web.Request, _identity: Identity) -> web.StreamResponse:
        subject = await store.release(request_id(request), request_id(request, "hold"), clock())
        if subject is None:
            return not_found("there is no such request, or no such hold on it that is in force")
        request[SUBJECT] = subject
        wake()
        return web.Response(status=HTTPStatus.NO_CONTENT)

    return (
        AdminRoute("POST", _PATH, _OFFICERS, Action.ERASURE_SUBMIT, guarded(place)),
        AdminRoute("DELETE", _PATH + "/{hold}", _OFFICERS, Action.ERASURE_SUBMIT, guarded(release)),
    )
