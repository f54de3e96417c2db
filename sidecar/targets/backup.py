"""A backup set as a target: it is looked at until no snapshot in it can hold the person (E37, E38).

Only a list that was read says anything. An empty one may be of the wrong place or of backups that have stopped, so it
is a fault; the person is gone once every snapshot there is was begun after the erasure. Time alone never is success.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from sidecar.erasure.plan import LiveErasure, Side
from sidecar.erasure.request import IdentityType, SubjectIdentity
from sidecar.metrics import Metrics
from sidecar.targets.snapshots import (
    Retention,
    Snapshot,
    SnapshotObserver,
    SnapshotsUnknown,
    kept_too_long,
    state_of,
)
from sidecar.targets.target import (
    DeleteResult,
    DeleteStatus,
    TargetFault,
    TargetLimits,
    VerifyResult,
    VerifyStatus,
)

_FORGOTTEN_AFTER = timedelta(seconds=10)
_log = logging.getLogger("sidecar.erasure")


class BackupTarget:
    """Implements ``Target``. ``name`` is made by ``plan.backup_name``."""

    def __init__(
        self,
        name: str,
        observer: SnapshotObserver,
        retention: Retention,
        metrics: Metrics,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._name = name
        self._observer = observer
        self._retention = retention
        self._oldest = metrics.backup_oldest.labels(name)
        self._too_old = metrics.backup_too_old.labels(name)
        self._failures = metrics.backup_failures.labels(name)
        self._clock = clock
        self._listed: tuple[datetime, Sequence[Snapshot]] | None = None

    @property
    def name(self) -> str:
        return self._name

    @property
    def side(self) -> Side:
        return Side.BACKUP

    @property
    def required(self) -> frozenset[IdentityType]:
        return frozenset()

    @property
    def limits(self) -> TargetLimits:
        return TargetLimits(concurrency=1)

    @property
    def max_completion(self) -> timedelta:
        return self._retention.kept

    async def start(self) -> None:
        """Look once, so that a set that can't be read, or is kept too long, is known before anybody waits for it."""
        await self.observe()

    async def stop(self) -> None:
        """Nothing to close."""

    async def delete(self, identities: Sequence[SubjectIdentity]) -> DeleteResult:  # noqa: ARG002
        """Nothing is taken out of a backup."""
        return DeleteResult(DeleteStatus.NO_DATA)

    async def verify(self, identities: Sequence[SubjectIdentity]) -> VerifyResult:  # noqa: ARG002
        """Nobody can look for a person inside a backup. See ``look``."""
        return VerifyResult(VerifyStatus.IMPOSSIBLE)

    async def look(self, live: LiveErasure) -> VerifyResult:
        """Return whether a snapshot is left that can hold a person who is gone from the live system."""
        snapshots = await self.observe()
        if isinstance(snapshots, TargetFault):
            return VerifyResult(VerifyStatus.FAILED, fault=snapshots)
        state = state_of(snapshots, live.ended_at, self._retention)
        if state.holding:
            return VerifyResult(VerifyStatus.EXPIRING, state.holding, until=state.until)
        if live.retained:  # what the live system keeps is in every snapshot
            return VerifyResult(VerifyStatus.RETAINED)
        return VerifyResult(VerifyStatus.GONE, 0)

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
        self._tell(snapshots, now)
        self._listed = now, snapshots
        return snapshots

    def _failed(self, fault: TargetFault) -> TargetFault:
        self._failures.inc()
        _log.error("backup set %s could not be listed: %s", self._name, fault.value)
        return fault

    def _tell(self, snapshots: Sequence[Snapshot], now: datetime) -> None:
        self._oldest.set(min(snapshots).taken.timestamp())
        late = kept_too_long(snapshots, self._retention, now)
        self._too_old.set(late)
        if late:
            days = self._retention.kept / timedelta(days=1)
            _log.error("backup set %s: %d snapshots are older than the %g days declared", self._name, late, days)
