"""Which systems are closed off because they went back in time, and an officer's word that opens one."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from aiohttp import web

from sidecar.access import Identity, Role
from sidecar.admin.route import AdminRoute, Handler
from sidecar.audit.record import Action
from sidecar.erasure.answers import error_response
from sidecar.erasure.receipt import timestamp
from sidecar.erasure.restores import RestoreWatch
from sidecar.errors import AuditUnavailable, StoreUnavailable
from sidecar.stores.erasure_epochs import ErasureEpochs, Quarantine

PATH: Final = "/v1/erasure-quarantines"
_READERS: Final = frozenset({Role.INTAKE, Role.PRIVACY_OFFICER, Role.AUDITOR})
_OFFICERS: Final = frozenset({Role.PRIVACY_OFFICER})


def quarantine_routes(store: ErasureEpochs, watch: RestoreWatch) -> tuple[AdminRoute, ...]:
    """Return the endpoints, with who may call each."""

    async def listed(_request: web.Request, _identity: Identity) -> web.StreamResponse:
        return web.json_response({"quarantines": [_row(one) for one in await store.quarantines()]})

    async def release(request: web.Request, identity: Identity) -> web.StreamResponse:
        if await watch.release(request.match_info["target"], identity.name):
            return web.json_response({"quarantines": [_row(one) for one in await store.quarantines()]})
        return error_response(HTTPStatus.NOT_FOUND, "not_found", "no such system is in quarantine")

    release_path = PATH + "/{target}/release"
    return (
        AdminRoute("GET", PATH, _READERS, Action.ERASURE_READ, _guarded(listed)),
        AdminRoute("POST", release_path, _OFFICERS, Action.ERASURE_SUBMIT, _guarded(release)),
    )


def _guarded(handler: Handler) -> Handler:
    async def answer(request: web.Request, identity: Identity) -> web.StreamResponse:
        try:
            return await handler(request, identity)
        except (StoreUnavailable, AuditUnavailable):
            response = error_response(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", "nothing was changed; try again")
            response.headers["Retry-After"] = "30"
            return response

    return answer


def _row(one: Quarantine) -> dict[str, object]:
    return {
        "target": one.target,
        "since_time": timestamp(one.since),
        "reason": one.reason,
        "waiting_count": one.waiting,
        "beyond_horizon_count": one.beyond_horizon,
    }
