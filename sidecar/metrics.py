"""Metric handles, made once and injected. Names and labels are public surface: every label's set of values is closed.

No label ever holds a value that a caller or an upstream chose: routes are named by the operator, methods and status
codes are folded into classes, reasons come from ``sidecar.errors``.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, Metric
from prometheus_client.registry import Collector

from sidecar import __version__

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_DELAYS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.25, 1.0)


class _Notes(Collector):
    """Stands first in a registry and has what was only noted counted, before the others are read."""

    def __init__(self) -> None:
        self.counts: list[Callable[[], None]] = []

    def collect(self) -> Iterable[Metric]:
        for count in self.counts:
            count()
        return ()


class Metrics:
    """All handles of one process, on one registry of its own."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self._notes = _Notes()
        self.registry.register(self._notes)
        self._count_traffic(self.registry)
        self._count_detection(self.registry)
        self._count_audit_and_erasure(self.registry)
        self._count_lifecycle(self.registry)
        self._count_audit_elsewhere(self.registry)
        self._count_backups(self.registry)
        self._count_restores(self.registry)
        self._watch_process(self.registry)

    def before_reading(self, count: Callable[[], None]) -> None:
        """Have something counted whenever the metrics are about to be read. It must not raise."""
        self._notes.counts.append(count)

    def _count_traffic(self, one: CollectorRegistry) -> None:
        self.requests = Counter(
            "sidecar_requests", "Exchanges by route, method, class of status and decision.",
            ["route", "method", "code_class", "decision"], registry=one,
        )  # fmt: skip
        self.request_seconds = Histogram(
            "sidecar_request_duration_seconds", "Whole exchange.", ["route"], buckets=_SECONDS, registry=one
        )
        self.upstream_seconds = Histogram(
            "sidecar_upstream_duration_seconds",
            "Waiting for the upstream: the head of its answer, and the body where it is read in whole.",
            ["route"], buckets=_SECONDS, registry=one,
        )  # fmt: skip
        self.rewrite_seconds = Histogram(
            "sidecar_rewrite_duration_seconds", "Our own share: parsing, detection and rewriting.",
            ["route", "direction"], buckets=_SECONDS, registry=one,
        )  # fmt: skip
        self.holdback_bytes = Gauge(
            "sidecar_holdback_bytes", "Bytes of streams held back until they are decided on.", registry=one
        )
        self.held_body_bytes = Gauge(
            "sidecar_held_body_bytes", "Bytes of bodies that exchanges hold, of those that they may hold.", registry=one
        )
        self.inflight = Gauge("sidecar_inflight_requests", "Exchanges under way.", registry=one)

    def _count_detection(self, one: CollectorRegistry) -> None:
        self.entities = Counter("sidecar_entities", "Entities redacted, by type.", ["type"], registry=one)
        self.residuals = Counter("sidecar_residuals", "Entities that only the last look found.", registry=one)
        self.refusals = Counter("sidecar_refusals", "Exchanges not completed, by reason.", ["reason"], registry=one)
        self.bytes = Counter("sidecar_body_bytes", "Body bytes relayed.", ["direction"], registry=one)
        self.detection_cache = Counter(
            "sidecar_detection_cache", "Look-ups in the detection cache.", ["result"], registry=one
        )
        self.rewrite_cache = Counter(
            "sidecar_rewrite_cache",
            "Look-ups of whole payloads among those rewritten before.",
            ["result"],
            registry=one,
        )
        self.detection_restarts = Counter(
            "sidecar_detection_worker_restarts", "Detection workers replaced.", registry=one
        )
        self.detection_waiting = Gauge(
            "sidecar_detection_waiting_batches", "Batches of messages that no worker has taken yet.", registry=one
        )
        self.detection_wait_seconds = Histogram(
            "sidecar_detection_wait_seconds",
            "What one who needs detection has waited behind others so far, whenever a worker comes to a batch of it.",
            buckets=_SECONDS,
            registry=one,
        )
        self.catalogue_reloads = Counter(
            "sidecar_catalogue_reloads",
            "Changed product catalogues, by what became of them: swapped, or kept (the new one is unusable).",
            ["outcome"],
            registry=one,
        )

    def _count_audit_and_erasure(self, one: CollectorRegistry) -> None:
        self.audit_records = Counter("sidecar_audit_records", "Audit records made durable.", registry=one)
        self.audit_failures = Counter(
            "sidecar_audit_write_failures", "Audit records that could not be written.", registry=one
        )
        self.audit_healthy = Gauge("sidecar_audit_healthy", "Whether audit records can be made durable.", registry=one)
        self.erasure_requests = Counter("sidecar_erasure_requests", "Erasure requests accepted.", registry=one)
        self.erasure_steps = Counter(
            "sidecar_erasure_steps",
            "Attempts at erasure steps, by target and outcome.",
            ["target", "outcome"],
            registry=one,
        )
        self.erasure_open = Gauge("sidecar_erasure_open_requests", "Erasure requests not yet ended.", registry=one)
        self.erasure_overdue = Gauge(
            "sidecar_erasure_overdue_requests", "Open requests past their deadline.", registry=one
        )
        self.erasure_manual_open = Gauge(
            "sidecar_erasure_manual_open_tasks", "Tasks that wait for people.", ["target"], registry=one
        )
        self.erasure_manual_late = Gauge(
            "sidecar_erasure_manual_late_tasks", "Of these, past their due date.", ["target"], registry=one
        )

    def _count_audit_elsewhere(self, one: CollectorRegistry) -> None:
        self.audit_anchored_records = Gauge(
            "sidecar_audit_anchored_records", "Records that an anchor vouches for.", ["anchor"], registry=one
        )
        self.audit_anchor_timestamp = Gauge(
            "sidecar_audit_anchor_last_success_timestamp_seconds",
            "When an anchor was last found to hold the newest checkpoint.",
            ["anchor"],
            registry=one,
        )
        self.audit_anchor_failures = Counter(
            "sidecar_audit_anchor_failures", "Tries in which an anchor could not be reached.", ["anchor"], registry=one
        )
        self.audit_anchor_conflict = Gauge(
            "sidecar_audit_anchor_conflict", "1 while an anchor contradicts the log.", ["anchor"], registry=one
        )
        self.audit_forwarded = Counter(
            "sidecar_audit_forwarded", "Audit records that a sink has taken.", ["sink"], registry=one
        )
        self.audit_forward_failures = Counter(
            "sidecar_audit_forward_failures", "Tries in which a sink took nothing.", ["sink"], registry=one
        )
        self.audit_forward_backlog = Gauge(
            "sidecar_audit_forward_backlog_records", "Records that a sink has not yet taken.", ["sink"], registry=one
        )

    def _count_backups(self, one: CollectorRegistry) -> None:
        self.backup_oldest = Gauge(
            "sidecar_erasure_backup_oldest_timestamp_seconds",
            "When the oldest snapshot of a backup set was taken, by the latest list.",
            ["target"],
            registry=one,
        )
        self.backup_too_old = Gauge(
            "sidecar_erasure_backup_snapshots_too_old",
            "Snapshots older than the retention declared for their backup set.",
            ["target"],
            registry=one,
        )
        self.backup_newest = Gauge(
            "sidecar_erasure_backup_newest_timestamp_seconds",
            "When the newest snapshot of a backup set was taken, by the latest list.",
            ["target"],
            registry=one,
        )
        self.backup_stopped = Gauge(
            "sidecar_erasure_backup_stopped",
            "1 while no snapshot was made for longer than declared.",
            ["target"],
            registry=one,
        )
        self.backup_too_soon = Counter(
            "sidecar_erasure_backup_snapshots_gone_early",
            "Snapshots seen that went before the retention declared for their backup set.",
            ["target"],
            registry=one,
        )
        self.backup_failures = Counter(
            "sidecar_erasure_backup_list_failures", "Backup sets that could not be listed.", ["target"], registry=one
        )

    def _count_restores(self, one: CollectorRegistry) -> None:
        self.quarantined = Gauge(
            "sidecar_erasure_quarantined", "1 while a system that went back in time is closed off.", ["target"],
            registry=one,
        )  # fmt: skip
        self.restores = Counter(
            "sidecar_erasure_restores",
            "Marks of epochs that were not the ones expected, by what they say.",
            ["target", "reading"],
            registry=one,
        )
        self.subject_key_cancellations = Counter(
            "sidecar_subject_key_cancellations", "Destructions of wrapping keys that were taken back.", registry=one
        )
        self.suppressed = Counter(
            "sidecar_suppressed", "Values of erased people found in traffic, by route.", ["route"], registry=one
        )
        self.suppression_keys = Gauge(
            "sidecar_suppression_keys", "Identifiers of erased people that traffic is compared with.", registry=one
        )
        self.canary_failures = Counter(
            "sidecar_erasure_canary_failures", "Marks that could not be read or written.", ["target"], registry=one
        )

    def _count_lifecycle(self, one: CollectorRegistry) -> None:
        self.erasure_deadline_alerts = Counter(
            "sidecar_erasure_deadline_alerts",
            "Requests that came to a share of their time, in percent, with something left to do.",
            ["percent"],
            registry=one,
        )
        self.erasure_notices = Counter(
            "sidecar_erasure_notices",
            "Tries to tell somebody of a request, by kind and by what became of them.",
            ["kind", "outcome"],
            registry=one,
        )
        self.erasure_triggers = Counter(
            "sidecar_erasure_triggers",
            "Customers who ask to be forgotten in traffic, by what became of it; dropped: bodies not looked at.",
            ["outcome"],
            registry=one,
        )
        self.erasure_hold_failures = Counter(
            "sidecar_erasure_hold_failures",
            "Times that nobody could say whether something is held, so that nothing was deleted.",
            registry=one,
        )
        self.erasure_recovered = Counter(
            "sidecar_erasure_recovered_requests",
            "Requests that only the journal knew: the database was put back from an older copy.",
            registry=one,
        )
        self.erasure_clock_jumps = Counter(
            "sidecar_erasure_clock_jumps", "Jumps of the host's clock by more than a minute.", registry=one
        )
        self.erasure_late_writers = Counter(
            "sidecar_erasure_late_writers",
            "Systems in which an erased person turned up again before the second look.",
            registry=one,
        )

    def _watch_process(self, one: CollectorRegistry) -> None:
        self.loop_lag_seconds = Gauge("sidecar_event_loop_lag_seconds", "Latest lag of the event loop.", registry=one)
        self.loop_delay_seconds = Histogram(
            "sidecar_event_loop_delay_seconds",
            "Lag of the event loop, sampled at a steady pace.",
            buckets=_DELAYS, registry=one,
        )  # fmt: skip
        self.certificate_not_after = Gauge(
            "sidecar_certificate_not_after_timestamp_seconds",
            "Expiry of a served certificate, and of that which answers to controllers are signed with.", ["listener"],
            registry=one,
        )  # fmt: skip
        self.revocations_next_update = Gauge(
            "sidecar_revocation_list_next_update_timestamp_seconds",
            "Expiry of the first revocation list of clients: then nobody of its CA is admitted.",
            ["listener"], registry=one,
        )  # fmt: skip
        self.certificate_reloads = Counter(
            "sidecar_certificate_reloads",
            "Changed certificate files, by what became of them: swapped, or kept (the new ones are unusable).",
            ["listener", "outcome"], registry=one,
        )  # fmt: skip
        self.admin_requests = Counter(
            "sidecar_admin_requests",
            "Requests to the admin listener, by the endpoint's path pattern.",
            ["path", "method", "code_class"],
            registry=one,
        )
        self.build = Info("sidecar_build", "What runs.", registry=one)
        self.build.info({"version": __version__, "openssl": ssl.OPENSSL_VERSION})


def code_class(status: int) -> str:
    """Fold a status code into its class, e.g. ``2xx``."""
    return f"{status // 100}xx" if 100 <= status <= 599 else "other"


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def method_label(method: str) -> str:
    """Fold unknown methods into ``other``, so that no caller can make label values."""
    return method if method in _METHODS else "other"
