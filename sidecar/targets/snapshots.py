"""What a list of snapshots says about a person who is gone from the live system. Pure.

A snapshot holds the person unless it was begun after they were gone. Lists tell when a snapshot was made, some when it
was begun and some when it ended, by a clock that is not ours: so each counts as holding until it is younger than the
erasure by the longest time that making one takes. That errs towards waiting, never towards success.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from sidecar.errors import SidecarError
from sidecar.targets.target import TargetFault

LATE_BY = timedelta(days=1)
"""Snapshots are expired by jobs that run now and then: so much older or younger than declared is not yet an alarm."""

AHEAD_BY = timedelta(days=1)
"""How far the clock that dates snapshots may be ahead of ours. What is dated later is not believed."""


@dataclass(frozen=True, slots=True, order=True)
class Snapshot:
    """One restorable state. ``taken``: when it was begun; or, where that is not known, when it was finished."""

    taken: datetime


@dataclass(frozen=True, slots=True)
class Retention:
    """What the operator declares: how long snapshots are kept, and how long it takes at most to make one.

    ``every``: how long it is at most from the beginning of one to that of the next; None: that is not watched.
    """

    kept: timedelta
    longest_run: timedelta = timedelta(days=1)
    every: timedelta | None = None


@dataclass(frozen=True, slots=True)
class BackupState:
    """How a backup set stands towards one erasure.

    ``holding``: how many snapshots may hold the person. ``until``: when the last of these should be gone.
    """

    holding: int
    until: datetime | None


class SnapshotsUnknown(SidecarError):
    """The set could not be listed. Nothing is concluded from that."""

    def __init__(self, fault: TargetFault) -> None:
        super().__init__(fault.value)
        self.fault = fault


class SnapshotObserver(Protocol):
    """Lists what there is to restore from, by asking the place where it is kept. Raises ``SnapshotsUnknown``."""

    async def snapshots(self) -> Sequence[Snapshot]: ...


def state_of(snapshots: Sequence[Snapshot], erased_at: datetime, retention: Retention) -> BackupState:
    """Return how the set stands towards an erasure that was complete in the live system at ``erased_at``."""
    since = erased_at + retention.longest_run
    holding = [one for one in snapshots if one.taken <= since]
    until = max(holding).taken + retention.kept if holding else None
    return BackupState(len(holding), until)


def newest_too_old(snapshots: Sequence[Snapshot], retention: Retention, now: datetime) -> bool:
    """Tell whether the next snapshot should be there by now: backups have stopped, or go elsewhere (E37)."""
    return retention.every is not None and max(snapshots).taken + retention.every + retention.longest_run < now


def gone_too_soon(
    before: Sequence[Snapshot], snapshots: Sequence[Snapshot], retention: Retention, now: datetime
) -> int:
    """Return how many snapshots of an earlier list are gone before their day, from its old end (E37).

    What is thinned out while older ones are there still does not shorten how far back one can go, so it does not count.
    """
    reach = min(snapshots)
    return sum(one < reach and one.taken + retention.kept - LATE_BY > now for one in before)


def dated_ahead(snapshots: Sequence[Snapshot], now: datetime) -> bool:
    """Tell whether a snapshot is dated in the future: then it could pass for younger than any erasure."""
    return max(snapshots).taken > now + AHEAD_BY


def kept_too_long(snapshots: Sequence[Snapshot], retention: Retention, now: datetime) -> int:
    """Return how many snapshots are older than is declared: what was promised to people is not what happens (E37)."""
    return sum(one.taken + retention.kept + LATE_BY < now for one in snapshots)
