"""Dumps in a bucket: every version is one that can be restored (E37)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from sidecar.targets.backup_settings import S3BackupSet
from sidecar.targets.snapshot_bucket import BucketObserver
from sidecar.targets.snapshots import SnapshotsUnknown
from sidecar.targets.target import TargetFault
from tests.targets.bucket_rig import KEYS, Store, object_store


def backup_set(at: str, **changes: Any) -> S3BackupSet:
    mapping: dict[str, Any] = {
        "name": "offsite", "type": "s3", "bucket": "backups", "prefix": "crm/", "endpoint": at, "kept_days": 30,
        "region": "us-east-1", "addressing": "path", "timeout_seconds": 3,
    }  # fmt: skip
    return S3BackupSet.model_validate(mapping | changes)


async def test_E37_every_version_counts_and_a_delete_marker_does_not() -> None:
    with object_store() as endpoint:
        store = Store(endpoint)
        store.create("backups")
        for key in ("crm/latest.dump", "crm/latest.dump", "crm/gone.dump", "erp/other.dump"):
            store.s3.put_object(Bucket="backups", Key=key, Body=b"x")
        store.s3.delete_object(Bucket="backups", Key="crm/gone.dump")
        found = await BucketObserver(backup_set(endpoint), KEYS).snapshots()
        assert len(found) == 3
        assert all(abs(one.taken - datetime.now(UTC)) < timedelta(hours=1) for one in found)
        assert await BucketObserver(backup_set(endpoint, prefix="hr/"), KEYS).snapshots() == []


async def test_E37_a_bucket_that_is_not_there_is_a_fault() -> None:
    with object_store() as endpoint:
        with pytest.raises(SnapshotsUnknown) as caught:
            await BucketObserver(backup_set(endpoint, bucket="other"), KEYS).snapshots()
        assert caught.value.fault is TargetFault.MISCONFIGURED
    with pytest.raises(SnapshotsUnknown) as caught:
        await BucketObserver(backup_set("http://127.0.0.1:1"), KEYS).snapshots()
    assert caught.value.fault is TargetFault.UNREACHABLE


@pytest.mark.parametrize(
    "changes", [{"endpoint": "http://s3.example.org"}, {"endpoint": "ftp://x"}, {"access_key_id": {"env": "A"}}]
)
def test_what_is_not_sound_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        backup_set("https://s3.example.org", **changes)
