"""Wires erasure: targets, durable state, the worker and the endpoints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

from sidecar.admin.route import AdminRoute
from sidecar.app.audit_reading import Auditing
from sidecar.app.auditing import origin_of
from sidecar.app.guarding import marks_of, peoples_keys_of, suppressing_of, watch_of
from sidecar.app.overhearing import ChatFiling
from sidecar.app.secrets import receipt_key
from sidecar.app.settings import Settings
from sidecar.audit.log import AuditLog
from sidecar.config.erasure_life import DeadlinesConfig
from sidecar.detection.entity_types import ENTITY_TYPES
from sidecar.erasure.api import ErasureParts, erasure_routes
from sidecar.erasure.attempt import Clock
from sidecar.erasure.backup_watch import BackupWatch
from sidecar.erasure.deadlines import DeadlinePolicy
from sidecar.erasure.durable import ErasureStores, stores_on
from sidecar.erasure.hold_api import hold_routes
from sidecar.erasure.intake import Intake
from sidecar.erasure.link_forgetting import LinkForgetting
from sidecar.erasure.manual_api import ManualParts, manual_routes
from sidecar.erasure.manual_reminder import ManualReminder
from sidecar.erasure.notices import NoticeSender
from sidecar.erasure.opendsr_api import OpenDsrParts, opendsr_routes
from sidecar.erasure.overview_api import overview_routes
from sidecar.erasure.proof_api import proof_routes
from sidecar.erasure.quarantine_api import quarantine_routes
from sidecar.erasure.recognition import says_so
from sidecar.erasure.resolution_api import ResolutionParts, resolution_routes
from sidecar.erasure.restores import RestoreWatch
from sidecar.erasure.steady import ClockWatch, SteadyClock
from sidecar.erasure.suppressing import Suppressing
from sidecar.erasure.trigger_api import trigger_routes
from sidecar.erasure.trigger_signature import SignedSenders
from sidecar.erasure.worker import ErasureWorker, WorkerSettings
from sidecar.keys import Purpose
from sidecar.metrics import Metrics
from sidecar.proxy.overhearing import Overhearing
from sidecar.redaction.suppression import Suppression
from sidecar.stores.database import Database
from sidecar.stores.erasure_attestations import Attestations
from sidecar.stores.erasure_journal import ErasureJournal
from sidecar.stores.erasure_links import ErasureLinks
from sidecar.stores.erasure_resolutions import Resolutions
from sidecar.stores.journal_file import JournalFile
from sidecar.stores.placeholders import StoredPlaceholders
from sidecar.stores.seal import Seal
from sidecar.targets.audit_links import AuditLinks
from sidecar.targets.canary import Canary
from sidecar.targets.manual import ManualTarget
from sidecar.targets.placeholders import PlaceholderTarget
from sidecar.targets.target import Target


@dataclass(frozen=True, slots=True)
class Memories:
    """What of traffic is kept in memory: who must not be shown, and what an erasure has to empty."""

    suppression: Suppression
    forget: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Erasing:
    """Everything of erasure that is started and served. ``targets`` are started before the worker.

    ``canaries``, ``watch`` and ``suppressing`` are started before traffic is served.
    """

    canaries: tuple[Canary, ...]
    watch: RestoreWatch
    suppressing: Suppressing
    seen_to: tuple[ManualReminder, BackupWatch, LinkForgetting]
    targets: tuple[Target, ...]
    clock: ClockWatch
    journal: ErasureJournal
    worker: ErasureWorker
    notices: NoticeSender
    routes: tuple[AdminRoute, ...]
    overhearing: Overhearing

    @property
    def healthy(self) -> bool:
        """Whether every loop of it runs."""
        loops = (self.worker, self.watch, self.suppressing, self.clock, self.notices, *self.seen_to)
        return all(one.healthy for one in loops)


def erasing_of(
    settings: Settings,
    database: Database,
    placeholders: StoredPlaceholders,
    auditing: Auditing,
    metrics: Metrics,
    memories: Memories,
) -> Erasing | None:
    """Return the erasure part; None where no target is configured, so that no request can be taken in vain.

    The sidecar's own placeholders are always among the targets (E48).
    """
    if not settings.targets and settings.config.erasure.subject_keys is None:
        return None
    audit = auditing.log
    own = _own_of(settings, placeholders, audit, memories)
    clock, people = SteadyClock(), settings.pseudonymizers(Purpose.ERASURE_PSEUDONYM)
    peoples_keys = peoples_keys_of(settings, database, metrics, clock)
    witness = peoples_keys.witness
    backups = [a_set for one in settings.restorables for a_set in one.backup_targets(metrics, witness, clock)]
    targets: tuple[Target, ...] = (*settings.targets, *peoples_keys.targets, *backups, own)
    seal = _seal(settings)
    journal = _journal(settings, database)
    stores = _stores(settings, database, seal, journal)
    signing_key = receipt_key(settings.master)
    dates = deadline_policy_of(settings.config.erasure.deadlines)
    intake = Intake(stores.requests, targets, people[0], dates, clock, former=people[1:])
    marks = marks_of(settings, database, metrics, clock)
    worker_settings = _worker_settings(settings)
    source, epochs = settings.hold_source, marks.epochs
    worker = ErasureWorker(
        stores, targets, audit, signing_key, metrics, worker_settings, clock, epochs=epochs, hold_source=source
    )
    watch = watch_of(settings, marks, audit, metrics, worker_settings.name, worker.wake, clock)
    parts = ErasureParts(intake, stores.requests, stores.tasks, stores.receipt_keys, metrics, worker.wake, clock)
    suppressing = suppressing_of(settings, database, seal, memories.suppression, metrics, worker.wake, clock)
    reminder, by_hand = _by_hand(settings, database, metrics, worker.wake, clock)
    seen_to = (reminder, BackupWatch(backups), _links_of(settings, database, audit))
    guards = (*quarantine_routes(marks.store, watch), *hold_routes(stores.holds, worker.wake, clock))
    senders, intents = SignedSenders(settings.trigger_senders, clock), settings.config.erasure.chat_intents
    chat = trigger_routes(intake, people, intents, metrics, clock, senders)
    proofs = proof_routes(stores.requests, auditing.reading, auditing.cosigned)
    receipts = (*erasure_routes(parts), *overview_routes(stores.overview, clock), *proofs)
    routes = (*receipts, *chat, *guards, *peoples_keys.routes, *by_hand, *_opendsr(settings, parts))
    notices = NoticeSender(stores.notices, settings.sender, metrics, clock)
    watching_clock = ClockWatch(clock, database, audit, metrics)
    overhearing = Overhearing(ChatFiling(intake, people, audit, metrics), says_so, metrics)
    return Erasing(
        marks.all, watch, suppressing, seen_to, targets, watching_clock, journal, worker, notices, routes, overhearing
    )


def _links_of(settings: Settings, database: Database, audit: AuditLog) -> LinkForgetting:
    """Return what has our own log forget people past the horizon; each replica's does so for itself."""
    return LinkForgetting(ErasureLinks(database, origin_of(settings.config)), audit)


def _own_of(
    settings: Settings, placeholders: StoredPlaceholders, audit: AuditLog, memories: Memories
) -> PlaceholderTarget:
    """Return what the sidecar itself forgets: placeholders, what it remembers of texts, and links in the audit log."""
    masters = (settings.master, *settings.earlier_masters)
    return PlaceholderTarget(
        placeholders,
        settings.master.pseudonymizer(Purpose.PLACEHOLDER),
        ENTITY_TYPES,
        forget_memories=memories.forget,
        links=AuditLinks(audit, tuple(one.pseudonymizer(Purpose.AUDIT_PSEUDONYM) for one in masters)),
        former_keys=[one.pseudonymizer(Purpose.PLACEHOLDER) for one in settings.earlier_masters],
    )


def _seal(settings: Settings) -> Seal:
    former = tuple(one.derive(Purpose.ERASURE_SEAL) for one in settings.earlier_masters)
    return Seal(settings.master.derive(Purpose.ERASURE_SEAL), former)


def _worker_settings(settings: Settings) -> WorkerSettings:
    former = tuple(receipt_key(one).public_key() for one in settings.earlier_masters)
    count = settings.config.erasure.count_before
    return WorkerSettings(horizon=settings.horizon, former_keys=former, count_before=count)


def _stores(settings: Settings, database: Database, seal: Seal, journal: ErasureJournal) -> ErasureStores:
    second_look = timedelta(hours=settings.config.erasure.second_look_hours)
    return stores_on(database, seal, second_look, tuple(settings.sender.webhooks), journal)


def _journal(settings: Settings, database: Database) -> ErasureJournal:
    key = settings.master.derive(Purpose.ERASURE_JOURNAL)
    former = tuple(one.derive(Purpose.ERASURE_JOURNAL) for one in settings.earlier_masters)
    config = settings.config
    path = config.erasure.journal or config.audit.folder.parent / "erasure.journal"
    return ErasureJournal(database, JournalFile(path, key, former))


def _opendsr(settings: Settings, parts: ErasureParts) -> tuple[AdminRoute, ...]:
    """Return the endpoints for controllers, where we can sign our answers to them."""
    config = settings.config.erasure.opendsr
    if settings.processor is None or config is None:
        return ()
    trusted = config.verified_by
    return opendsr_routes(
        OpenDsrParts(settings.processor, parts.intake, parts.requests, trusted, parts.metrics, parts.wake, parts.clock)
    )


def _by_hand(
    settings: Settings, database: Database, metrics: Metrics, wake: Callable[[], None], clock: Clock
) -> tuple[ManualReminder, tuple[AdminRoute, ...]]:
    """Return what reminds people of their tasks, and where they say that these are done."""
    manual = {target.name: target.settings for target in settings.targets if isinstance(target, ManualTarget)}
    store = Attestations(database, {name: one.eyes for name, one in manual.items()})
    resolving = resolution_routes(ResolutionParts(Resolutions(database), wake, clock))
    said = manual_routes(ManualParts(store, manual, wake, clock))
    return ManualReminder(store, manual, metrics, clock), (*said, *resolving)


def deadline_policy_of(config: DeadlinesConfig) -> DeadlinePolicy:
    """Return how deadlines are counted."""
    return DeadlinePolicy(
        zone=ZoneInfo(config.zone),
        lead=timedelta(days=config.lead_days),
        holidays=frozenset(config.holidays),
        unverified=config.clock_while_unverified,
    )
