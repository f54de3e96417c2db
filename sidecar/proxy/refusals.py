"""What a client is told when an exchange does not complete: a status, a generic sentence and the exchange's id.

The cause goes into the audit record and the metrics as a value of a closed set, and to the operator's log; never into
the answer. Only here do failures of the proxy become HTTP.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import web

from sidecar.access import Proof
from sidecar.audit.record import Decision
from sidecar.errors import (
    AccessDenied,
    AuditUnavailable,
    DenialReason,
    DetectionFailed,
    DetectionFault,
    Direction,
    PayloadFault,
    PayloadRefused,
    RequestFault,
    RequestRefused,
    StoreUnavailable,
    UpstreamFailed,
    UpstreamFault,
)
from sidecar.proxy.headers import add_own_fields

_RETRY_SECONDS = 1


@dataclass(frozen=True, slots=True)
class Refusal:
    """How an exchange ends that does not complete. ``reason`` is from the closed sets of ``sidecar.errors``.

    ``retry_s``: what a client is told of when to come again, where it may.
    """

    status: HTTPStatus
    reason: str
    decision: Decision
    allowed: frozenset[str] = frozenset()
    retry_s: int = _RETRY_SECONDS


_REQUEST = {
    RequestFault.NO_ROUTE: HTTPStatus.NOT_FOUND,
    RequestFault.METHOD: HTTPStatus.METHOD_NOT_ALLOWED,
    RequestFault.TARGET: HTTPStatus.BAD_REQUEST,
    RequestFault.FRAMING: HTTPStatus.BAD_REQUEST,
    RequestFault.HEADER: HTTPStatus.BAD_REQUEST,
    RequestFault.EXPECTATION: HTTPStatus.EXPECTATION_FAILED,
    RequestFault.UPGRADE: HTTPStatus.NOT_IMPLEMENTED,
    RequestFault.ORIGIN: HTTPStatus.FORBIDDEN,
    RequestFault.SLOW: HTTPStatus.REQUEST_TIMEOUT,
    RequestFault.OVERLOADED: HTTPStatus.SERVICE_UNAVAILABLE,
    RequestFault.TOO_MANY: HTTPStatus.TOO_MANY_REQUESTS,
    RequestFault.PERSONAL_DATA: HTTPStatus.UNPROCESSABLE_ENTITY,
    RequestFault.QUARANTINED: HTTPStatus.SERVICE_UNAVAILABLE,
}
_REQUEST_PAYLOAD = {
    PayloadFault.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    PayloadFault.MEDIA_TYPE: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    PayloadFault.CHARSET: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    PayloadFault.CODING: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    PayloadFault.OFFSETS: HTTPStatus.CONFLICT,
    PayloadFault.SUPPRESSED: HTTPStatus.UNPROCESSABLE_ENTITY,
}
_UPSTREAM = {
    UpstreamFault.UNREACHABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    UpstreamFault.TIMED_OUT: HTTPStatus.GATEWAY_TIMEOUT,
}


def refusal_for(error: Exception, direction: Direction, shown: Proof) -> Refusal:
    """Return how an exchange ends on this error. Whatever is not expected is a bug: 500, ``internal``.

    ``direction`` is that of the payload in hand, ``shown`` the proof that was presented and could be verified: who
    has shown a certificate is not asked for another proof (P52).
    """
    if isinstance(error, AccessDenied):
        proven = error.reason is DenialReason.ROLE or shown is Proof.CERTIFICATE
        status = HTTPStatus.FORBIDDEN if proven else HTTPStatus.UNAUTHORIZED
        return Refusal(status, error.reason.value, Decision.DENIED)
    if isinstance(error, RequestRefused):
        return Refusal(_REQUEST[error.fault], error.fault.value, Decision.REFUSED, error.allowed)
    if isinstance(error, PayloadRefused):
        statuses = _REQUEST_PAYLOAD if direction is Direction.REQUEST else {}
        fallback = HTTPStatus.BAD_REQUEST if direction is Direction.REQUEST else HTTPStatus.BAD_GATEWAY
        return Refusal(statuses.get(error.fault, fallback), error.fault.value, Decision.REFUSED)
    return _failure(error)


def _failure(error: Exception) -> Refusal:
    if isinstance(error, UpstreamFailed):
        status = _UPSTREAM.get(error.fault, HTTPStatus.BAD_GATEWAY)
        return Refusal(status, f"upstream_{error.fault.value}", Decision.FAILED)
    if isinstance(error, DetectionFailed):
        overloaded = error.fault is DetectionFault.OVERLOADED
        status = HTTPStatus.SERVICE_UNAVAILABLE if overloaded else HTTPStatus.BAD_GATEWAY
        retry_s = max(_RETRY_SECONDS, error.retry_s or 0)
        return Refusal(status, f"detection_{error.fault.value}", Decision.FAILED, retry_s=retry_s)
    if isinstance(error, AuditUnavailable):
        return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "audit_unavailable", Decision.FAILED)
    if isinstance(error, StoreUnavailable):
        return Refusal(HTTPStatus.SERVICE_UNAVAILABLE, "store_unavailable", Decision.FAILED)
    return Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", Decision.FAILED)


def render(refusal: Refusal, exchange_id: str) -> web.Response:
    """Return the answer for the client (RFC 9457 without details).

    After a 4xx the connection ends: what a client sent behind a request that was turned away is not executed (P10).
    """
    body = {"title": refusal.status.phrase, "status": refusal.status.value, "exchange": exchange_id}
    response = web.Response(
        status=refusal.status, body=json.dumps(body).encode(), content_type="application/problem+json"
    )
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    if refusal.status is HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    if refusal.status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS):
        response.headers["Retry-After"] = str(refusal.retry_s)
    if refusal.status is HTTPStatus.METHOD_NOT_ALLOWED:
        response.headers["Allow"] = ", ".join(sorted(refusal.allowed))
    if refusal.status < HTTPStatus.INTERNAL_SERVER_ERROR or refusal.status is HTTPStatus.NOT_IMPLEMENTED:
        response.force_close()
    add_own_fields(response.headers, exchange_id)
    return response
