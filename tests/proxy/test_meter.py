"""Exchanges are counted together, and nobody who reads the metrics can tell."""

from __future__ import annotations

import pytest

from sidecar.audit.record import Decision
from sidecar.errors import Direction, PayloadFault
from sidecar.metrics import Metrics
from sidecar.proxy.account import Account
from sidecar.proxy.body_budget import BodyBudget
from sidecar.proxy.meter import Meter

LABELS = {"route": "none", "method": "GET", "code_class": "2xx", "decision": "completed"}


def ended(metrics: Metrics) -> Account:
    account = Account("GET", BodyBudget(1, metrics).share())
    account.status, account.received, account.sent = 200, 3, 5
    account.entities = {"PERSON": 2}
    account.residuals = 1
    account.waited(0.001)
    account.waited(0.001)
    return account


@pytest.mark.parametrize("count", [1, 255, 256, 1000])
def test_whatever_was_noted_is_counted_when_it_is_read(count: int) -> None:
    metrics = Metrics()
    meter, value = Meter(metrics), metrics.registry.get_sample_value
    for _ in range(count):
        meter.begin()
    assert value("sidecar_inflight_requests") == count
    for _ in range(count):
        meter.rewriting("chats", Direction.RESPONSE, 0.7)
        meter.measure(ended(metrics))
    for _ in range(2):  # reading counts nothing twice
        assert value("sidecar_inflight_requests") == 0
        assert value("sidecar_requests_total", LABELS) == count
        assert value("sidecar_request_duration_seconds_count", {"route": "none"}) == count
        assert value("sidecar_upstream_duration_seconds_bucket", {"route": "none", "le": "0.0025"}) == count
        assert value("sidecar_upstream_duration_seconds_bucket", {"route": "none", "le": "0.001"}) == 0
        assert value("sidecar_rewrite_duration_seconds_count", {"route": "chats", "direction": "response"}) == count
        assert value("sidecar_body_bytes_total", {"direction": "request"}) == 3 * count
        assert value("sidecar_body_bytes_total", {"direction": "response"}) == 5 * count
        assert value("sidecar_entities_total", {"type": "PERSON"}) == 2 * count
        assert value("sidecar_residuals_total") == count


def test_why_an_exchange_was_refused_is_counted() -> None:
    metrics = Metrics()
    meter = Meter(metrics)
    meter.begin()
    account = ended(metrics)
    account.decision, account.reason = Decision.REFUSED, PayloadFault.TOO_LARGE.value
    meter.measure(account)
    assert metrics.registry.get_sample_value("sidecar_refusals_total", {"reason": account.reason}) == 1
    assert metrics.registry.get_sample_value("sidecar_requests_total", LABELS | {"decision": "refused"}) == 1
