"""Lists snapshots that are objects in a bucket of an S3-compatible store: every version of every one. Needs boto3.

An old version is as restorable as the newest, so each counts by itself; a delete marker holds nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC
from typing import Any

from sidecar.targets.backup_settings import S3BackupSet
from sidecar.targets.bucket import BUCKET_ERRORS, fault_of, open_client
from sidecar.targets.snapshots import Snapshot, SnapshotsUnknown


class BucketObserver:
    """Implements ``SnapshotObserver``. The time is that of the upload: the bytes may be older, never younger."""

    def __init__(self, settings: S3BackupSet, keys: tuple[str, str] | None) -> None:
        self._settings = settings
        self._client: Any = open_client(settings, keys)

    async def snapshots(self) -> Sequence[Snapshot]:
        try:
            return await asyncio.to_thread(self._listed)
        except BUCKET_ERRORS as error:
            raise SnapshotsUnknown(fault_of(error)) from None

    def _listed(self) -> list[Snapshot]:
        pages = self._client.get_paginator("list_object_versions").paginate(
            Bucket=self._settings.bucket, Prefix=self._settings.prefix
        )
        return [Snapshot(one["LastModified"].astimezone(UTC)) for page in pages for one in page.get("Versions", ())]
