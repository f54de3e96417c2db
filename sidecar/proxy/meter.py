"""The measures of exchanges. Keeps the labelled children it has used: looking one up costs more than counting."""

from __future__ import annotations

import time
from functools import cache

from sidecar.audit.record import Decision
from sidecar.detection.entity_types import ERASED
from sidecar.errors import Direction
from sidecar.metrics import Metrics, code_class, method_label
from sidecar.proxy.account import Account


class Meter:
    """Writes to the handles of ``Metrics``. The sets of label values are closed, so what is kept stays small."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._requests = cache(metrics.requests.labels)
        self._request_seconds = cache(metrics.request_seconds.labels)
        self._upstream_seconds = cache(metrics.upstream_seconds.labels)
        self._rewrite_seconds = cache(metrics.rewrite_seconds.labels)
        self._entities = cache(metrics.entities.labels)
        self._received = metrics.bytes.labels(Direction.REQUEST.value)
        self._sent = metrics.bytes.labels(Direction.RESPONSE.value)

    def begin(self) -> None:
        """Count an exchange that begins; ``measure`` ends it."""
        self._metrics.inflight.inc()

    def holding(self, more: int) -> None:
        """Count bytes of streams that are held back, or (negative) held no longer."""
        self._metrics.holdback_bytes.inc(more)

    def upstream(self, route: str, seconds: float) -> None:
        self._upstream_seconds(route).observe(seconds)

    def rewriting(self, route: str, direction: Direction, seconds: float) -> None:
        self._rewrite_seconds(route, direction.value).observe(seconds)

    def measure(self, account: Account) -> None:
        """Count an exchange that has ended."""
        self._metrics.inflight.dec()
        name = account.route_name
        self._requests(
            name, method_label(account.method), code_class(account.status or 0), account.decision.value
        ).inc()
        self._request_seconds(name).observe(time.perf_counter() - account.began)
        if account.received:
            self._received.inc(account.received)
        if account.sent:
            self._sent.inc(account.sent)
        if account.reason is not None and account.decision is not Decision.COMPLETED:
            self._metrics.refusals.labels(account.reason).inc()
        if erased := account.entities.get(ERASED):
            self._metrics.suppressed.labels(name).inc(erased)
        for label, count in account.entities.items():
            self._entities(label).inc(count)
        if account.residuals:
            self._metrics.residuals.inc(account.residuals)
