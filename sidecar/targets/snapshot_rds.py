"""Lists what a database of RDS can be put back to: snapshots of every kind, and any time in its restore window.
Needs boto3.

A copy of an instance's snapshot counts from when the first one was taken. A copy of a cluster's does not say how old
its data are, so a set with one can't be told. Shapes: docs.aws.amazon.com/AmazonRDS/latest/APIReference,
DescribeDBSnapshots, DescribeDBClusterSnapshots, DescribeDB{Instance,Cluster}AutomatedBackups.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sidecar.targets.backup_settings import RdsSet
from sidecar.targets.bucket import BUCKET_ERRORS, fault_of, open_client
from sidecar.targets.snapshots import Snapshot, SnapshotsUnknown
from sidecar.targets.target import TargetFault


class RdsObserver:
    """Implements ``SnapshotObserver``."""

    def __init__(
        self,
        settings: RdsSet,
        keys: tuple[str, str] | None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._client: Any = open_client(settings, keys, "rds")

    async def snapshots(self) -> Sequence[Snapshot]:
        try:
            return await asyncio.to_thread(self._listed)
        except BUCKET_ERRORS as error:
            raise SnapshotsUnknown(fault_of(error)) from None

    def _listed(self) -> list[Snapshot]:
        settings, now = self._settings, self._clock()
        if settings.instance is not None:
            name = {"DBInstanceIdentifier": settings.instance}
            taken = self._pages("describe_db_snapshots", "DBSnapshots", name)
            windows = self._pages("describe_db_instance_automated_backups", "DBInstanceAutomatedBackups", name)
        else:
            name = {"DBClusterIdentifier": str(settings.cluster)}
            taken = self._pages("describe_db_cluster_snapshots", "DBClusterSnapshots", name)
            windows = self._pages("describe_db_cluster_automated_backups", "DBClusterAutomatedBackups", name)
        snapshots = [snapshot_of(one, now) for one in taken]
        return [*snapshots, *(end for window in windows for end in ends_of(window))]

    def _pages(self, operation: str, part: str, name: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
        for page in self._client.get_paginator(operation).paginate(**name):
            yield from page.get(part, ())


def snapshot_of(one: Mapping[str, Any], now: datetime) -> Snapshot:
    """Return a listed snapshot. One that is being made has no time yet: it was begun no later than now."""
    if one.get("SourceDBClusterSnapshotArn"):
        raise SnapshotsUnknown(TargetFault.UNEXPECTED_BODY)
    taken = one.get("OriginalSnapshotCreateTime") or one.get("SnapshotCreateTime")
    if taken is None and one.get("Status") != "creating":
        raise SnapshotsUnknown(TargetFault.UNEXPECTED_BODY)
    return Snapshot((taken or now).astimezone(UTC))


def ends_of(window: Mapping[str, Any]) -> list[Snapshot]:
    """Return the oldest and the newest state that a database can be put back to without a snapshot, if to any."""
    given = window.get("RestoreWindow") or {}
    return [Snapshot(given[end].astimezone(UTC)) for end in ("EarliestTime", "LatestTime") if given.get(end)]
