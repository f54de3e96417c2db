"""The measures of exchanges. An exchange is only noted as it ends: many are counted together, or when somebody asks.

To count one takes a dozen locked steps; done between two steps of an exchange they cost several times what they cost in
a row. Labelled children are kept: looking one up costs more than counting.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

from prometheus_client import Histogram

from sidecar.audit.record import Decision
from sidecar.detection.entity_types import ERASED
from sidecar.errors import Direction
from sidecar.metrics import Metrics, code_class, method_label
from sidecar.proxy.account import Account

_MOST_NOTES = 256


class _Ended(NamedTuple):
    """What is counted of one exchange."""

    route: str
    method: str
    status: int
    decision: Decision
    reason: str | None
    seconds: float
    upstream_seconds: float | None
    received: int
    sent: int
    residuals: int
    entities: Mapping[str, int]


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
        self._under_way = 0
        self._ended: list[_Ended] = []
        self._observed: list[tuple[Histogram, float]] = []
        metrics.inflight.set_function(lambda: self._under_way)
        metrics.before_reading(self._count)

    def begin(self) -> None:
        """Count an exchange that begins; ``measure`` ends it."""
        self._under_way += 1

    def holding(self, more: int) -> None:
        """Count bytes of streams that are held back, or (negative) held no longer."""
        self._metrics.holdback_bytes.inc(more)

    def rewriting(self, route: str, direction: Direction, seconds: float) -> None:
        self._observe(self._rewrite_seconds(route, direction.value), seconds)

    def measure(self, account: Account) -> None:
        """Note an exchange that has ended."""
        self._under_way -= 1
        one = _Ended(
            account.route_name,
            account.method,
            account.status or 0,
            account.decision,
            account.reason,
            time.perf_counter() - account.began,
            account.upstream_seconds,
            account.received,
            account.sent,
            account.residuals,
            account.entities,
        )
        self._ended.append(one)
        if len(self._ended) >= _MOST_NOTES:
            self._count()

    def _observe(self, histogram: Histogram, seconds: float) -> None:
        self._observed.append((histogram, seconds))
        if len(self._observed) >= _MOST_NOTES:
            self._count()

    def _count(self) -> None:
        """Count all that was noted. Called in the event loop, in which it is noted."""
        observed, self._observed = self._observed, []
        for histogram, seconds in observed:
            histogram.observe(seconds)
        ended, self._ended = self._ended, []
        kinds = Counter((one.route, one.method, one.status, one.decision) for one in ended)
        for (route, method, status, decision), count in kinds.items():
            self._requests(route, method_label(method), code_class(status), decision.value).inc(count)
        entities: Counter[str] = Counter()
        for one in ended:
            self._request_seconds(one.route).observe(one.seconds)
            if one.upstream_seconds is not None:
                self._upstream_seconds(one.route).observe(one.upstream_seconds)
            self._count_seldom(one)
            entities.update(one.entities)
        for label, count in entities.items():
            self._entities(label).inc(count)
        self._count_sums(ended)

    def _count_seldom(self, one: _Ended) -> None:
        if one.reason is not None and one.decision is not Decision.COMPLETED:
            self._metrics.refusals.labels(one.reason).inc()
        if erased := one.entities.get(ERASED):
            self._metrics.suppressed.labels(one.route).inc(erased)

    def _count_sums(self, ended: list[_Ended]) -> None:
        if received := sum(one.received for one in ended):
            self._received.inc(received)
        if sent := sum(one.sent for one in ended):
            self._sent.inc(sent)
        if residuals := sum(one.residuals for one in ended):
            self._metrics.residuals.inc(residuals)
