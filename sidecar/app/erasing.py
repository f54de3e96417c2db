"""Wires erasure: targets, durable state, the worker and the endpoints."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

from sidecar.admin.route import AdminRoute
from sidecar.app.secrets import epoch_key, receipt_key
from sidecar.app.settings import Settings
from sidecar.audit.log import AuditLog
from sidecar.config.erasure_life import DeadlinesConfig
from sidecar.detection.entity_types import ENTITY_TYPES
from sidecar.erasure.api import ErasureParts, erasure_routes
from sidecar.erasure.attempt import utc_now
from sidecar.erasure.deadlines import DeadlinePolicy
from sidecar.erasure.durable import stores_on
from sidecar.erasure.epochs import Epochs
from sidecar.erasure.intake import Intake
from sidecar.erasure.opendsr_api import OpenDsrParts, opendsr_routes
from sidecar.erasure.quarantine_api import quarantine_routes
from sidecar.erasure.restores import RestoreWatch, WatchSettings
from sidecar.erasure.worker import ErasureWorker, WorkerSettings
from sidecar.keys import Purpose
from sidecar.metrics import Metrics
from sidecar.stores.database import Database
from sidecar.stores.erasure_epochs import ErasureEpochs
from sidecar.stores.placeholders import StoredPlaceholders
from sidecar.stores.seal import Seal
from sidecar.targets.canary import Canary
from sidecar.targets.placeholders import PlaceholderTarget
from sidecar.targets.target import Target


@dataclass(frozen=True, slots=True)
class Erasing:
    """Everything of erasure that is started and served. ``targets`` are started before the worker.

    ``canaries`` and then ``watch`` are started before traffic is served.
    """

    canaries: tuple[Canary, ...]
    watch: RestoreWatch
    targets: tuple[Target, ...]
    worker: ErasureWorker
    routes: tuple[AdminRoute, ...]


def erasing_of(
    settings: Settings, database: Database, placeholders: StoredPlaceholders, audit: AuditLog, metrics: Metrics
) -> Erasing | None:
    """Return the erasure part; None where no target is configured, so that no request can be taken in vain.

    The sidecar's own placeholders are always among the targets (E48).
    """
    if not settings.targets:
        return None
    keys = settings.master.pseudonymizer
    targets: tuple[Target, ...] = (
        *settings.targets,
        *(backup for one in settings.restorables for backup in one.backup_targets(metrics)),
        PlaceholderTarget(placeholders, keys(Purpose.PLACEHOLDER), ENTITY_TYPES),
    )
    seal = Seal(settings.master.derive(Purpose.ERASURE_SEAL))
    second_look = timedelta(hours=settings.config.erasure.second_look_hours)
    stores = stores_on(database, seal, second_look)
    signing_key = receipt_key(settings.master)
    intake = Intake(
        stores.requests, targets, keys(Purpose.ERASURE_PSEUDONYM), deadline_policy_of(settings.config.erasure.deadlines)
    )
    canaries = {one.target: one.canary for one in settings.restorables if one.canary is not None}
    epoch_store = ErasureEpochs(database)
    epochs = Epochs(epoch_store, canaries, epoch_key(settings.master), metrics, utc_now)
    worker_settings = WorkerSettings(horizon=settings.horizon)
    worker = ErasureWorker(stores, targets, audit, signing_key, metrics, worker_settings, epochs=epochs)
    watch_settings = WatchSettings(
        upstreams={one.target: one.upstreams for one in settings.restorables},
        actor=worker_settings.name,
        every=timedelta(seconds=settings.config.erasure.canary_seconds),
        wake=worker.wake,
    )
    watch = RestoreWatch(epochs, epoch_store, audit, metrics, watch_settings)
    parts = ErasureParts(
        intake=intake,
        requests=stores.requests,
        tasks=stores.tasks,
        receipt_keys=(signing_key.public_key(),),
        metrics=metrics,
        wake=worker.wake,
    )
    routes = (*erasure_routes(parts), *quarantine_routes(epoch_store, watch))
    if settings.processor is not None and settings.config.erasure.opendsr is not None:
        trusted = settings.config.erasure.opendsr.verified_by
        routes += opendsr_routes(
            OpenDsrParts(settings.processor, intake, stores.requests, trusted, metrics, worker.wake)
        )
    return Erasing(tuple(canaries.values()), watch, targets, worker, routes)


def deadline_policy_of(config: DeadlinesConfig) -> DeadlinePolicy:
    """Return how deadlines are counted."""
    return DeadlinePolicy(
        zone=ZoneInfo(config.zone),
        lead=timedelta(days=config.lead_days),
        holidays=frozenset(config.holidays),
        unverified=config.clock_while_unverified,
    )
