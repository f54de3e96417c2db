"""Wires what keeps erased people from coming back: marks of epochs, the watch for restores, suppression, keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from sidecar.admin.route import AdminRoute
from sidecar.app.secrets import epoch_key
from sidecar.app.settings import Settings
from sidecar.audit.record import AuditWriter
from sidecar.erasure.attempt import Clock
from sidecar.erasure.epochs import Epochs
from sidecar.erasure.restores import RestoreWatch, WatchSettings
from sidecar.erasure.suppressing import Suppressing, SuppressingSettings
from sidecar.keys import Purpose
from sidecar.metrics import Metrics
from sidecar.redaction.suppression import Suppression, suppression_keys
from sidecar.stores.database import Database
from sidecar.stores.erasure_epochs import ErasureEpochs
from sidecar.stores.erasure_suppressions import ErasureSuppressions
from sidecar.stores.seal import Seal
from sidecar.stores.subject_keys import SubjectKeyTable
from sidecar.subject_keys.api import subject_key_routes
from sidecar.subject_keys.keeper import SubjectKeys
from sidecar.subject_keys.kms import FileKms
from sidecar.targets.canary import Canary
from sidecar.targets.subject_keys import SubjectKeyTarget


@dataclass(frozen=True, slots=True)
class Marks:
    """The marks of epochs: where they stand, what is known of them, and what raises them."""

    canaries: Mapping[str, Canary]
    store: ErasureEpochs
    epochs: Epochs

    @property
    def all(self) -> tuple[Canary, ...]:
        return tuple(self.canaries.values())


def marks_of(settings: Settings, database: Database, metrics: Metrics, clock: Clock) -> Marks:
    """Return the marks of all systems that have one."""
    canaries = {one.target: one.canary for one in settings.restorables if one.canary is not None}
    store = ErasureEpochs(database)
    former = tuple(epoch_key(one).public_key() for one in settings.earlier_masters)
    return Marks(canaries, store, Epochs(store, canaries, epoch_key(settings.master), metrics, clock, former))


def watch_of(
    settings: Settings,
    marks: Marks,
    audit: AuditWriter,
    metrics: Metrics,
    actor: str,
    wake: Callable[[], None],
    clock: Clock,
) -> RestoreWatch:
    """Return what notices restores. ``actor``: how records call it; ``wake`` has the worker erase again at once."""
    watch_settings = WatchSettings(
        upstreams={one.target: one.upstreams for one in settings.restorables},
        actor=actor,
        every=timedelta(seconds=settings.config.erasure.canary_seconds),
        wake=wake,
    )
    return RestoreWatch(marks.epochs, marks.store, audit, metrics, watch_settings, clock)


@dataclass(frozen=True, slots=True)
class PeoplesKeys:
    """Keys for people: what erasures destroy, and where applications get them. Empty where none are configured."""

    targets: tuple[SubjectKeyTarget, ...] = ()
    routes: tuple[AdminRoute, ...] = ()

    @property
    def witness(self) -> SubjectKeyTarget | None:
        """Who says whether a person's key is destroyed."""
        return self.targets[0] if self.targets else None


def peoples_keys_of(settings: Settings, database: Database, metrics: Metrics, clock: Clock) -> PeoplesKeys:
    """Return the keys for people. Raises ``ConfigError``."""
    config = settings.config.erasure.subject_keys
    if config is None:
        return PeoplesKeys()
    pending = timedelta(days=config.pending_days)
    pseudonyms, *former = settings.pseudonymizers(Purpose.SUBJECT_KEY)
    kms = FileKms(config.folder, pending, clock)
    keys = SubjectKeys(SubjectKeyTable(database), kms, pseudonyms, metrics, clock, former)
    target = SubjectKeyTarget(keys, config.identity, pending + timedelta(days=1))
    return PeoplesKeys((target,), subject_key_routes(keys))


def suppressing_of(
    settings: Settings,
    database: Database,
    seal: Seal,
    suppression: Suppression,
    metrics: Metrics,
    wake: Callable[[], None],
    clock: Clock,
) -> Suppressing:
    """Return what keeps ``suppression`` as the store has it."""
    config = settings.config.erasure.suppression
    all_keys = settings.pseudonymizers(Purpose.SUPPRESSION)
    versions = [one.version for one in all_keys]
    store = ErasureSuppressions(
        database, seal, lambda one: suppression_keys(one.type.value, one.value, all_keys[0]), versions
    )
    suppressing_settings = SuppressingSettings(
        kept_after=timedelta(days=config.kept_days_after_horizon),
        between_looks=timedelta(hours=config.look_again_hours),
        most_keys=config.max_keys,
        wake=wake,
    )
    return Suppressing(store, suppression, metrics, suppressing_settings, clock)
