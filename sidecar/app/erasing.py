"""Wires erasure: targets, durable state, the worker and the endpoints."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

from sidecar.admin.route import AdminRoute
from sidecar.app.secrets import receipt_key
from sidecar.app.settings import Settings
from sidecar.audit.log import AuditLog
from sidecar.config.erasure_life import DeadlinesConfig
from sidecar.detection.entity_types import ENTITY_TYPES
from sidecar.erasure.api import ErasureParts, erasure_routes
from sidecar.erasure.deadlines import DeadlinePolicy
from sidecar.erasure.intake import Intake
from sidecar.erasure.opendsr_api import OpenDsrParts, opendsr_routes
from sidecar.erasure.worker import ErasureStores, ErasureWorker, WorkerSettings
from sidecar.keys import Purpose
from sidecar.metrics import Metrics
from sidecar.stores.database import Database
from sidecar.stores.erasure_plans import ErasurePlans
from sidecar.stores.erasure_tasks import ErasureTasks
from sidecar.stores.erasures import ErasureRequests
from sidecar.stores.placeholders import StoredPlaceholders
from sidecar.stores.seal import Seal
from sidecar.targets.placeholders import PlaceholderTarget
from sidecar.targets.target import Target


@dataclass(frozen=True, slots=True)
class Erasing:
    """Everything of erasure that is started and served. ``targets`` are started before the worker."""

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
        PlaceholderTarget(placeholders, keys(Purpose.PLACEHOLDER), ENTITY_TYPES),
    )
    seal = Seal(settings.master.derive(Purpose.ERASURE_SEAL))
    stores = ErasureStores(ErasureRequests(database, seal), ErasureTasks(database, seal), ErasurePlans(database, seal))
    signing_key = receipt_key(settings.master)
    worker = ErasureWorker(stores, targets, audit, signing_key, metrics, WorkerSettings(horizon=settings.horizon))
    intake = Intake(
        stores.requests, targets, keys(Purpose.ERASURE_PSEUDONYM), deadline_policy_of(settings.config.erasure.deadlines)
    )
    parts = ErasureParts(
        intake=intake,
        requests=stores.requests,
        tasks=stores.tasks,
        receipt_keys=(signing_key.public_key(),),
        metrics=metrics,
        wake=worker.wake,
    )
    routes = erasure_routes(parts)
    if settings.processor is not None and settings.config.erasure.opendsr is not None:
        trusted = settings.config.erasure.opendsr.verified_by
        routes += opendsr_routes(
            OpenDsrParts(settings.processor, intake, stores.requests, trusted, metrics, worker.wake)
        )
    return Erasing(targets, worker, routes)


def deadline_policy_of(config: DeadlinesConfig) -> DeadlinePolicy:
    """Return how deadlines are counted."""
    return DeadlinePolicy(
        zone=ZoneInfo(config.zone),
        lead=timedelta(days=config.lead_days),
        holidays=frozenset(config.holidays),
        unverified=config.clock_while_unverified,
    )
