"""Snapshots of a database of RDS (E37), listed from a server with its API that somebody else wrote."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from aiohttp import web
from pydantic import ValidationError

from sidecar.targets.backup_settings import RdsSet
from sidecar.targets.snapshot_rds import RdsObserver, ends_of, snapshot_of
from sidecar.targets.snapshots import Snapshot, SnapshotsUnknown
from sidecar.targets.target import TargetFault
from tests.targets.bucket_rig import KEYS, object_store

NOW = datetime(2025, 3, 1, tzinfo=UTC)
BEFORE = NOW - timedelta(days=3)
MASTER = {"MasterUsername": "admin", "MasterUserPassword": "not a secret"}


def backup_set(at: str, **changes: Any) -> RdsSet:
    mapping: dict[str, Any] = {
        "name": "rds", "type": "rds", "endpoint": at, "region": "eu-central-1", "kept_days": 30, "timeout_seconds": 3,
    }  # fmt: skip
    return RdsSet.model_validate(mapping | ({} if "cluster" in changes else {"instance": "crm"}) | changes)


@contextmanager
def rds() -> Iterator[tuple[str, Any]]:
    with object_store() as endpoint:
        yield (
            endpoint,
            boto3.client(
                "rds", "eu-central-1", endpoint_url=endpoint, aws_access_key_id=KEYS[0], aws_secret_access_key=KEYS[1]
            ),
        )


async def test_E37_automated_and_manual_snapshots_of_this_instance_count_and_copies_are_as_old_as_the_first() -> None:
    with rds() as (endpoint, api):
        for name in ("crm", "erp"):
            api.create_db_instance(
                DBInstanceIdentifier=name, DBInstanceClass="db.t3.micro", Engine="postgres", AllocatedStorage=5,
                BackupRetentionPeriod=7, **MASTER,
            )  # fmt: skip
        api.create_db_snapshot(DBInstanceIdentifier="crm", DBSnapshotIdentifier="by-hand")
        api.copy_db_snapshot(SourceDBSnapshotIdentifier="by-hand", TargetDBSnapshotIdentifier="copied")
        found = await RdsObserver(backup_set(endpoint), KEYS).snapshots()
        assert len(found) == 3
        assert len(set(found)) == 2  # the copy is no younger than what it is of
        assert all(abs(one.taken - datetime.now(UTC)) < timedelta(hours=1) for one in found)
        assert await RdsObserver(backup_set(endpoint, instance="nobodys"), KEYS).snapshots() == []


PAGES = {
    ("DescribeDBClusterSnapshots", None): """<DBClusterSnapshots><DBClusterSnapshot>
        <SnapshotCreateTime>2025-02-20T02:00:00Z</SnapshotCreateTime><Status>available</Status>
        </DBClusterSnapshot></DBClusterSnapshots><Marker>more</Marker>""",
    ("DescribeDBClusterSnapshots", "more"): """<DBClusterSnapshots><DBClusterSnapshot>
        <SnapshotCreateTime>2025-02-21T02:00:00Z</SnapshotCreateTime><Status>available</Status>
        </DBClusterSnapshot></DBClusterSnapshots>""",
    ("DescribeDBClusterAutomatedBackups", None): """<DBClusterAutomatedBackups><DBClusterAutomatedBackup>
        <RestoreWindow><EarliestTime>2025-02-22T02:00:00Z</EarliestTime><LatestTime>2025-03-01T00:00:00Z</LatestTime>
        </RestoreWindow></DBClusterAutomatedBackup></DBClusterAutomatedBackups>""",
}


async def _cluster_api(request: web.Request) -> web.Response:
    asked = await request.post()
    action, marker = str(asked["Action"]), asked.get("Marker")
    assert asked["DBClusterIdentifier"] == "chats"
    page = PAGES[action, str(marker) if marker else None]
    said = f"<{action}Response><{action}Result>{page}</{action}Result></{action}Response>"
    return web.Response(text=said, content_type="text/xml")


async def test_E37_snapshots_of_a_cluster_count_on_every_page_and_so_does_its_restore_window() -> None:
    app = web.Application()
    app.router.add_post("/", _cluster_api)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    found = await RdsObserver(backup_set(f"http://{host}:{port}", cluster="chats"), KEYS).snapshots()
    await runner.cleanup()
    days = [(2025, 2, 20, 2), (2025, 2, 21, 2), (2025, 2, 22, 2), (2025, 3, 1, 0)]
    assert found == [Snapshot(datetime(*day, tzinfo=UTC)) for day in days]


async def test_E37_an_api_that_is_not_there_is_a_fault() -> None:
    with pytest.raises(SnapshotsUnknown) as caught:
        await RdsObserver(backup_set("http://127.0.0.1:1"), KEYS).snapshots()
    assert caught.value.fault is TargetFault.UNREACHABLE


@pytest.mark.parametrize(
    ("listed", "taken"),
    [
        ({"SnapshotCreateTime": BEFORE, "Status": "available"}, BEFORE),
        ({"SnapshotCreateTime": NOW, "OriginalSnapshotCreateTime": BEFORE, "Status": "available"}, BEFORE),
        ({"Status": "creating"}, NOW),
    ],
)
def test_E37_a_snapshot_is_as_old_as_its_data(listed: dict[str, Any], taken: datetime) -> None:
    assert snapshot_of(listed, NOW) == Snapshot(taken)


@pytest.mark.parametrize(
    "listed",
    [{"Status": "available"}, {}, {"SnapshotCreateTime": NOW, "SourceDBClusterSnapshotArn": "arn:aws:rds:eu:1:x:y"}],
)
def test_E37_a_snapshot_of_unknown_age_is_a_fault(listed: dict[str, Any]) -> None:
    with pytest.raises(SnapshotsUnknown):
        snapshot_of(listed, NOW)


def test_E37_what_can_be_put_back_without_a_snapshot_counts_too() -> None:
    window = {"RestoreWindow": {"EarliestTime": BEFORE, "LatestTime": NOW}}
    assert ends_of(window) == [Snapshot(BEFORE), Snapshot(NOW)]
    assert ends_of({"Status": "active"}) == []


@pytest.mark.parametrize("changes", [{"instance": None}, {"instance": "a", "cluster": "b"}, {"instance": "--x"}])
def test_what_is_not_sound_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        backup_set("https://rds.eu-central-1.amazonaws.com", **changes)
