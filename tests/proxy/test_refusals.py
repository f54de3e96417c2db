"""Every expected failure has a status, a reason of a closed set, and an answer without a cause."""

from __future__ import annotations

import json
from http import HTTPStatus

import pytest

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
from sidecar.proxy.refusals import Refusal, refusal_for, render

REQUEST, RESPONSE = Direction.REQUEST, Direction.RESPONSE


@pytest.mark.parametrize(
    ("error", "direction", "status", "decision"),
    [
        (AccessDenied(DenialReason.NO_IDENTITY), REQUEST, 401, Decision.DENIED),
        (AccessDenied(DenialReason.UNKNOWN_IDENTITY), REQUEST, 401, Decision.DENIED),
        (AccessDenied(DenialReason.ROLE), REQUEST, 403, Decision.DENIED),
        (PayloadRefused(PayloadFault.TOO_LARGE), REQUEST, 413, Decision.REFUSED),
        (PayloadRefused(PayloadFault.TOO_LARGE), RESPONSE, 502, Decision.REFUSED),
        (PayloadRefused(PayloadFault.MEDIA_TYPE), REQUEST, 415, Decision.REFUSED),
        (PayloadRefused(PayloadFault.CHARSET), REQUEST, 415, Decision.REFUSED),
        (PayloadRefused(PayloadFault.CHARSET), RESPONSE, 502, Decision.REFUSED),
        (PayloadRefused(PayloadFault.NOT_PARSEABLE), REQUEST, 400, Decision.REFUSED),
        (PayloadRefused(PayloadFault.TOO_DEEP), RESPONSE, 502, Decision.REFUSED),
        (UpstreamFailed(UpstreamFault.UNREACHABLE), RESPONSE, 503, Decision.FAILED),
        (UpstreamFailed(UpstreamFault.TIMED_OUT), RESPONSE, 504, Decision.FAILED),
        (UpstreamFailed(UpstreamFault.CLOSED_EARLY), RESPONSE, 502, Decision.FAILED),
        (UpstreamFailed(UpstreamFault.TLS), RESPONSE, 502, Decision.FAILED),
        (DetectionFailed(DetectionFault.CRASHED), RESPONSE, 502, Decision.FAILED),
        (AuditUnavailable("full"), REQUEST, 503, Decision.FAILED),
        (StoreUnavailable("full"), REQUEST, 503, Decision.FAILED),
        (ZeroDivisionError("jane.roe@canary.example"), REQUEST, 500, Decision.FAILED),
    ],
)
def test_errors_become_refusals(error: Exception, direction: Direction, status: int, decision: Decision) -> None:
    refusal = refusal_for(error, direction, Proof.NONE)
    assert (refusal.status, refusal.decision) == (status, decision)
    assert "canary" not in repr(refusal)


@pytest.mark.parametrize("fault", RequestFault)
def test_every_fault_of_a_request_has_a_status(fault: RequestFault) -> None:
    refusal = refusal_for(RequestRefused(fault), REQUEST, Proof.NONE)
    assert 400 <= refusal.status < 600
    assert refusal.reason == fault.value


def test_P52_who_has_shown_a_certificate_is_not_asked_for_more() -> None:
    error = AccessDenied(DenialReason.UNKNOWN_IDENTITY)
    assert refusal_for(error, REQUEST, Proof.CERTIFICATE).status == 403


@pytest.mark.parametrize(
    ("status", "field", "value"),
    [
        (HTTPStatus.UNAUTHORIZED, "WWW-Authenticate", "Bearer"),
        (HTTPStatus.SERVICE_UNAVAILABLE, "Retry-After", "1"),
        (HTTPStatus.METHOD_NOT_ALLOWED, "Allow", "GET, PUT"),
        (HTTPStatus.BAD_GATEWAY, "Cache-Control", "no-store"),
    ],
)
def test_answers(status: HTTPStatus, field: str, value: str) -> None:
    response = render(Refusal(status, "reason", Decision.REFUSED, frozenset({"PUT", "GET"})), "abc")
    assert response.headers[field] == value
    assert isinstance(response.body, bytes)
    assert json.loads(response.body) == {"title": status.phrase, "status": status, "exchange": "abc"}


@pytest.mark.parametrize(("status", "closes"), [(400, True), (404, True), (501, True), (502, False), (503, False)])
def test_P10_connection_ends_after_a_rejected_request(status: int, closes: bool) -> None:
    assert (render(Refusal(HTTPStatus(status), "x", Decision.REFUSED), "abc").keep_alive is False) is closes
