"""The endpoints that controllers who speak OpenDSR call. What is answered is signed as it stands, byte for byte.

A controller sees and takes back its own requests only; another's are not there (E6).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus

from aiohttp import web

from sidecar.access import Identity, Role
from sidecar.admin.route import SUBJECT, AdminRoute, Handler
from sidecar.audit.record import Action
from sidecar.erasure.answers import read_body, request_id
from sidecar.erasure.attempt import Clock
from sidecar.erasure.intake import Intake
from sidecar.erasure.opendsr import (
    V1,
    V2,
    Dialect,
    Terms,
    cancelled_body,
    created_body,
    discovery_body,
    error_body,
    parse_opendsr,
    status_body,
)
from sidecar.erasure.plan import PlanTooLarge
from sidecar.erasure.processor import Processor
from sidecar.erasure.reading import RequestInvalid
from sidecar.erasure.receipt import timestamp
from sidecar.errors import Problem, StoreUnavailable
from sidecar.metrics import Metrics
from sidecar.stores.erasure_changes import NotPending
from sidecar.stores.erasure_views import RequestView
from sidecar.stores.erasures import ErasureRequests, IdTaken

_CONTROLLERS = frozenset({Role.CONTROLLER, Role.INTAKE})
_RETRY_AFTER_S = "30"


@dataclass(frozen=True, slots=True)
class OpenDsrParts:
    """What the endpoints stand on. ``verified_by``: how controllers are taken to have identified people; None: not."""

    processor: Processor
    intake: Intake
    requests: ErasureRequests
    verified_by: str | None
    metrics: Metrics
    wake: Callable[[], None]
    clock: Clock


def opendsr_routes(parts: OpenDsrParts) -> tuple[AdminRoute, ...]:
    """Return the endpoints of every version that is spoken. Says by metric when our certificate ends."""
    if parts.processor.not_after is not None:
        parts.metrics.certificate_not_after.labels("opendsr").set(parts.processor.not_after.timestamp())
    return tuple(route for dialect in (V2, V1) for route in _routes(_Api(parts, dialect), dialect))


def _routes(api: _Api, dialect: Dialect) -> Sequence[AdminRoute]:
    routes = [
        AdminRoute("GET", path, _CONTROLLERS, Action.ERASURE_READ, _guarded(api.discover)) for path in dialect.discovery
    ]
    for path in dialect.requests:
        one = path + "/{id}"
        routes += (
            AdminRoute("POST", path, _CONTROLLERS, Action.ERASURE_SUBMIT, _guarded(api.submit)),
            AdminRoute("GET", one, _CONTROLLERS, Action.ERASURE_READ, _guarded(api.status)),
            AdminRoute("DELETE", one, _CONTROLLERS, Action.ERASURE_SUBMIT, _guarded(api.cancel)),
        )
    return routes


class _Api:
    def __init__(self, parts: OpenDsrParts, dialect: Dialect) -> None:
        self._parts = parts
        self._dialect = dialect

    async def discover(self, _request: web.Request, _identity: Identity) -> web.StreamResponse:
        processor = self._parts.processor
        body = discovery_body(self._dialect, self._parts.intake.asked_types, processor.certificate_url)
        return self._signed(HTTPStatus.OK, body)

    async def submit(self, request: web.Request, identity: Identity) -> web.StreamResponse:
        raw = await read_body(request)
        terms = Terms(self._parts.processor.domain, identity.name, self._parts.verified_by)
        parsed = parse_opendsr(raw, self._dialect, terms)
        request[SUBJECT] = self._parts.intake.subject(parsed)
        accepted = await self._parts.intake.accept(parsed)
        request[SUBJECT] = accepted.view.subject  # as all records of it: after a rotation the person has another name
        if accepted.view.controller != identity.name:
            raise IdTaken("the id belongs to a request of another controller")
        if accepted.new:
            self._parts.metrics.erasure_requests.inc()
            self._parts.wake()
        return self._signed(HTTPStatus.CREATED, created_body(accepted.view, timestamp(accepted.internal), raw))

    async def status(self, request: web.Request, identity: Identity) -> web.StreamResponse:
        view = await self._own(request, identity)
        if view is None:
            return _not_found()
        state = view.state_at(self._parts.clock())
        return self._signed(HTTPStatus.OK, status_body(view, state, self._dialect))

    async def cancel(self, request: web.Request, identity: Identity) -> web.StreamResponse:
        view = await self._own(request, identity)
        if view is not None:
            view = await self._parts.requests.cancel(view.id, self._parts.clock())
        if view is None:
            return _not_found()
        self._parts.wake()
        received = timestamp(view.cancelled_at or self._parts.clock())
        return self._signed(HTTPStatus.ACCEPTED, cancelled_body(view, received, self._dialect))

    async def _own(self, request: web.Request, identity: Identity) -> RequestView | None:
        view = await self._parts.requests.find(request_id(request))
        if view is None or view.controller != identity.name:
            return None
        request[SUBJECT] = view.subject
        return view

    def _signed(self, status: HTTPStatus, body: bytes) -> web.Response:
        processor = self._parts.processor
        headers = {
            self._dialect.domain_header: processor.domain,
            self._dialect.signature_header: processor.sign(body),
        }
        return web.Response(body=body, status=status, content_type="application/json", headers=headers)


def _guarded(handler: Handler) -> Handler:
    """Return the handler with what it may raise turned into OpenDSR's errors."""

    async def answer(request: web.Request, identity: Identity) -> web.StreamResponse:
        try:
            return await handler(request, identity)
        except RequestInvalid as faulty:
            return _error(HTTPStatus.BAD_REQUEST, "the request can't be used", faulty.problems)
        except PlanTooLarge as large:
            problem = Problem("subject_identities", str(large), "Split the request")
            return _error(HTTPStatus.BAD_REQUEST, "the request can't be used", (problem,))
        except IdTaken:
            return _error(HTTPStatus.CONFLICT, "this subject_request_id belongs to a request with another body")
        except NotPending as begun:
            return _error(HTTPStatus.CONFLICT, str(begun))
        except StoreUnavailable:
            response = _error(HTTPStatus.SERVICE_UNAVAILABLE, "nothing was accepted; send the same request again")
            response.headers["Retry-After"] = _RETRY_AFTER_S
            return response

    return answer


def _error(status: HTTPStatus, message: str, problems: Sequence[Problem] = ()) -> web.Response:
    body = error_body(status.value, message, problems)
    return web.Response(body=body, status=status, content_type="application/json")


_not_found = partial(_error, HTTPStatus.NOT_FOUND, "there is no such request")
