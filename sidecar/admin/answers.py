"""What the admin listener says when it says no: one fixed body for each status, and what is recorded beside it."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from sidecar.access import Credentials
from sidecar.audit.record import Decision
from sidecar.errors import AccessDenied, DenialReason, PayloadFault, PayloadRefused, RequestFault

_PHRASES = {
    400: "bad_request",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
    429: "too_many",
    500: "internal",
    503: "unavailable",
}
_REASONS = {404: RequestFault.NO_ROUTE, 405: RequestFault.METHOD, 413: PayloadFault.TOO_LARGE}


@dataclass(frozen=True, slots=True)
class Ending:
    """How a request ended: what is answered, and what is recorded."""

    response: web.StreamResponse
    decision: Decision
    reason: str | None = None


def failure(status: int) -> web.Response:
    """Return the one body of a status: nothing in it depends on the caller or on what is stored."""
    response = web.json_response({"error": _PHRASES.get(status, "refused")}, status=status)
    if status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="sidecar"'
    if status in (429, 503):
        response.headers["Retry-After"] = "5"
    return response


def failed(status: int, reason: str | None = None) -> Ending:
    """A part of the sidecar failed."""
    return Ending(failure(status), Decision.FAILED, reason)


def refused(status: int) -> Ending:
    """The request can't be handled."""
    reason = _REASONS.get(status)
    return Ending(failure(status), Decision.REFUSED, reason.value if reason else None)


def malformed() -> Ending:
    """The request is none of HTTP."""
    return Ending(failure(400), Decision.REFUSED, RequestFault.FRAMING.value)


def refused_payload(refusal: PayloadRefused) -> Ending:
    """The body can't be understood."""
    status = 413 if refusal.fault is PayloadFault.TOO_LARGE else 400
    return Ending(failure(status), Decision.REFUSED, refusal.fault.value)


def denied(denial: AccessDenied, presented: Credentials) -> Ending:
    """401 asks for a proof; 403 says that the proof given opens nothing here (P52)."""
    proven = denial.reason is DenialReason.ROLE or bool(presented.certificate_names)
    return Ending(failure(403 if proven else 401), Decision.DENIED, denial.reason.value)


def answered(response: web.StreamResponse) -> Ending:
    """The endpoint answered by itself, be it with an error in JSON."""
    if response.status < 400:
        return Ending(response, Decision.COMPLETED)
    reason = _REASONS.get(response.status)
    decision = Decision.REFUSED if response.status < 500 else Decision.FAILED
    return Ending(response, decision, reason.value if reason else None)


def raised(response: web.Response) -> Ending:
    """The endpoint, or aiohttp on its behalf, raised an HTTP error. What aiohttp would say is replaced."""
    if response.status < 400:
        return failed(500)
    if response.content_type != "application/json":
        return answered(failure(response.status))
    return answered(web.Response(status=response.status, body=response.body, content_type="application/json"))
