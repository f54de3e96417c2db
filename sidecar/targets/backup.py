"""A backup set as a target: it is looked at until no snapshot in it can hold the person (E37, E38).

Only a list that was read says anything. An empty one may be of the wrong place or of backups that have stopped, so it
is a fault; the person is gone once every snapshot there is was begun after the erasure. Time alone never is success.

A set that holds people only as they were encrypted with keys of their own is done as well when the person's key is
destroyed, whatever is listed: then nobody can read what is left.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

from sidecar.erasure.plan import LiveErasure, Side
from sidecar.erasure.request import SubjectIdentity
from sidecar.metrics import Metrics
from sidecar.targets.described import Described, Plain
from sidecar.targets.snapshots import (
    BackupState,
    Retention,
    Snapshot,
    SnapshotObserver,
    SnapshotsUnknown,
    dated_ahead,
    gone_too_soon,
    kept_too_long,
    newest_too_old,
    state_of,
)
from sidecar.targets.target import (
    DeleteResult,
    DeleteStatus,
    GoneBy,
    TargetFault,
    TargetLimits,
    VerifyResult,
    VerifyStatus,
)

_FORGOTTEN_AFTER = timedelta(seconds=10)
_log = logging.getLogger("sidecar.erasure")


class KeyWitness(Protocol):
    """Says whether the keys of a person can still open anything."""

    async def keys_gone(self, identities: Sequence[SubjectIdentity]) -> VerifyResult:
        """``GONE``: there were some, and all are destroyed; ``KEY_PENDING``: that is ordered; else neither."""


class NoKeys:
    """Of a set that is not encrypted by people's keys."""

    async def keys_gone(self, identities: Sequence[SubjectIdentity]) -> VerifyResult:  # noqa: ARG002
        return VerifyResult(VerifyStatus.IMPOSSIBLE)


class BackupTarget(Described[Plain]):
    """Implements ``Target``. ``name`` is made by ``plan.backup_name``; ``keys`` are what the set is encrypted by."""

    def __init__(
        self,
        name: str,
        observer: SnapshotObserver,
        retention: Retention,
        metrics: Metrics,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        keys: KeyWitness | None = None,
    ) -> None:
        super().__init__(Plain(name, retention.kept, TargetLimits(concurrency=1)), Side.BACKUP)
        self._observer = observer
        self._retention = retention
        self._keys: KeyWitness = keys or NoKeys()
        self._oldest = metrics.backup_oldest.labels(name)
        self._newest = metrics.backup_newest.labels(name)
        self._too_old = metrics.backup_too_old.labels(name)
        self._stopped = metrics.backup_stopped.labels(name)
        self._too_soon = metrics.backup_too_soon.labels(name)
        self._failures = metrics.backup_failures.labels(name)
        self._clock = clock
        self._listed: tuple[datetime, Sequence[Snapshot]] | None = None
        self._before: Sequence[Snapshot] = ()

    async def start(self) -> None:
        """Look once, so that a set that can't be read, or is kept too long, is known before anybody waits for it."""
        await self.observe()

    async def delete(self, identities: Sequence[SubjectIdentity]) -> DeleteResult:  # noqa: ARG002
        """Nothing is taken out of a backup."""
        return DeleteResult(DeleteStatus.NO_DATA)

    async def verify(self, identities: Sequence[SubjectIdentity]) -> VerifyResult:  # noqa: ARG002
        """Nobody can look for a person inside a backup. See ``look``."""
        return VerifyResult(VerifyStatus.IMPOSSIBLE)

    async def look(self, live: LiveErasure, identities: Sequence[SubjectIdentity]) -> VerifyResult:
        """Return whether a snapshot is left that can hold a person who is gone from the live system, readably."""
        keys = await self._keys.keys_gone(identities)
        if keys.status is VerifyStatus.GONE and not live.retained:
            return VerifyResult(VerifyStatus.GONE, 0, by=GoneBy.KEY_DESTROYED)
        snapshots = await self.observe()
        if isinstance(snapshots, TargetFault):
            return VerifyResult(VerifyStatus.FAILED, fault=snapshots)
        state = state_of(snapshots, live.ended_at, self._retention)
        if state.holding:
            return _waiting(state, keys)
        if live.retained:  # what the live system keeps is in every snapshot
            return VerifyResult(VerifyStatus.RETAINED)
        return VerifyResult(VerifyStatus.GONE, 0, by=GoneBy.SNAPSHOTS_EXPIRED)

    async def observe(self) -> Sequence[Snapshot] | TargetFault:
        """List the set and tell what it looks like. What was listed a moment ago serves many requests."""
        now = self._clock()
        if self._listed is not None and abs(now - self._listed[0]) < _FORGOTTEN_AFTER:
            return self._listed[1]
        self._listed = None
        try:
            snapshots = await self._observer.snapshots()
        except SnapshotsUnknown as error:
            return self._failed(error.fault)
        if not snapshots:
            return self._failed(TargetFault.NOTHING_LISTED)
        if dated_ahead(snapshots, now):
            return self._failed(TargetFault.UNEXPECTED_BODY)
        self._tell(snapshots, now)
        self._listed = now, snapshots
        return snapshots

    def _failed(self, fault: TargetFault) -> TargetFault:
        self._failures.inc()
        _log.error("backup set %s could not be listed: %s", self.name, fault.value)
        return fault

    def _tell(self, snapshots: Sequence[Snapshot], now: datetime) -> None:
        """Compare what is there with what is declared, in every direction (E37)."""
        self._oldest.set(min(snapshots).taken.timestamp())
        self._newest.set(max(snapshots).taken.timestamp())
        late = kept_too_long(snapshots, self._retention, now)
        soon = gone_too_soon(self._before, snapshots, self._retention, now)
        stopped = newest_too_old(snapshots, self._retention, now)
        self._too_old.set(late)
        self._stopped.set(stopped)
        self._too_soon.inc(soon)
        self._before = snapshots
        days = self._retention.kept / timedelta(days=1)
        if late:
            _log.error("backup set %s: %d snapshots are older than the %g days declared", self.name, late, days)
        if soon:
            _log.error("backup set %s: %d snapshots went before the %g days declared", self.name, soon, days)
        if stopped:
            _log.error("backup set %s: no snapshot was made for longer than declared", self.name)


def _waiting(state: BackupState, keys: VerifyResult) -> VerifyResult:
    """Return what ends first: the destruction of the key, where it is ordered, or the last snapshot."""
    ordered = keys.status is VerifyStatus.KEY_PENDING
    if ordered and (keys.until is None or state.until is None or keys.until < state.until):
        return VerifyResult(VerifyStatus.KEY_PENDING, state.holding, until=keys.until)
    return VerifyResult(VerifyStatus.EXPIRING, state.holding, until=state.until)
