"""What every kind of target must do, each against the real system where this machine has one."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sidecar.targets.target import DeleteStatus, TargetFault, VerifyStatus
from tests.targets.bucket_rig import bucket_rig
from tests.targets.files_rig import files_rig
from tests.targets.plugin_rig import plugin_rig
from tests.targets.redis_rig import redis_rig
from tests.targets.rig import ANNA, BERT, HOSTILE, MakeRig, Person, Rig
from tests.targets.search_rig import search_rig
from tests.targets.sql_rig import sql_rig

KINDS: dict[str, MakeRig] = {
    "files": files_rig,
    "object_store": bucket_rig,
    "plugin": plugin_rig,
    "redis": redis_rig("single"),
    "redis-cluster": redis_rig("cluster"),
    "search": search_rig,
    "sql-postgresql": sql_rig("postgresql"),
    "sql-mariadb": sql_rig("mariadb"),
    "sql-sqlite": sql_rig("sqlite"),
}


@pytest.fixture(params=sorted(KINDS))
async def rig(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    async with KINDS[request.param](tmp_path) as made:
        await made.target.start()
        yield made
        await made.target.stop()


async def test_E28_deletes_one_person_and_sees_it_by_another_path(rig: Rig) -> None:
    await rig.put(ANNA)
    await rig.put(BERT)
    before = await rig.target.verify(ANNA.identities)
    deleted = await rig.target.delete(ANNA.identities)
    after = await rig.target.verify(ANNA.identities)
    assert (before.status, deleted.status, after.status) == (
        VerifyStatus.PRESENT, DeleteStatus.DELETED, VerifyStatus.GONE,
    )  # fmt: skip
    assert before.count
    assert deleted.count
    assert after.count == 0
    assert await rig.left(ANNA) == 0
    assert await rig.left(BERT) > 0
    assert (await rig.target.verify(BERT.identities)).status is VerifyStatus.PRESENT


async def test_E13_deleting_twice_is_as_harmless_as_once(rig: Rig) -> None:
    await rig.put(ANNA)
    await rig.put(BERT)
    await rig.target.delete(ANNA.identities)
    again = await rig.target.delete(ANNA.identities)
    assert (again.status, again.count) == (DeleteStatus.NO_DATA, 0)
    assert (await rig.target.verify(ANNA.identities)).status is VerifyStatus.GONE
    assert await rig.left(BERT) > 0


async def test_E28_what_is_there_again_is_seen(rig: Rig) -> None:
    await rig.put(ANNA)
    await rig.target.delete(ANNA.identities)
    await rig.put(ANNA)
    assert (await rig.target.verify(ANNA.identities)).status is VerifyStatus.PRESENT


async def test_a_person_who_was_never_there_is_no_data(rig: Rig) -> None:
    await rig.put(BERT)
    assert (await rig.target.delete(ANNA.identities)).status is DeleteStatus.NO_DATA
    assert (await rig.target.verify(ANNA.identities)).status is VerifyStatus.GONE


@pytest.mark.parametrize("hostile", HOSTILE, ids=range(len(HOSTILE)))
async def test_an_identifier_is_data_and_never_a_pattern(rig: Rig, hostile: Person) -> None:
    await rig.put(BERT)
    await rig.put(hostile)
    deleted = await rig.target.delete(hostile.identities)
    assert await rig.left(BERT) > 0
    if deleted.fault is TargetFault.IDENTITY_UNUSABLE:  # refused rather than written unsafely
        assert (await rig.target.verify(hostile.identities)).status is VerifyStatus.IMPOSSIBLE
        return
    assert deleted.status is DeleteStatus.DELETED
    assert (await rig.target.verify(hostile.identities)).status is VerifyStatus.GONE
    assert await rig.left(hostile) == 0


async def test_E14_E16_a_system_that_is_not_there_is_a_closed_failure(rig: Rig) -> None:
    await rig.absent.start()
    try:
        deleted = await rig.absent.delete(ANNA.identities)
        verified = await rig.absent.verify(ANNA.identities)
    finally:
        await rig.absent.stop()
    assert (deleted.status, deleted.fault) == (DeleteStatus.FAILED, TargetFault.UNREACHABLE)
    assert (verified.status, verified.fault) == (VerifyStatus.FAILED, TargetFault.UNREACHABLE)


async def test_no_identifier_shows_in_results_reprs_and_logs(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "sidecar")
    await rig.put(ANNA)
    shown = [repr(await rig.target.verify(ANNA.identities)), repr(await rig.target.delete(ANNA.identities))]
    await rig.absent.start()
    shown += [repr(await rig.absent.delete(ANNA.identities)), repr(await rig.absent.verify(ANNA.identities))]
    await rig.absent.stop()
    ours = (record.getMessage() for record in caplog.records if record.name != "werkzeug")  # the other side's log
    shown += [repr(rig.target), repr(vars(rig.target)), *ours]
    assert not [one for one in shown if ANNA.email in one or ANNA.customer_id in one]


async def test_E19_E36_every_target_says_its_limits(rig: Rig) -> None:
    assert rig.target.limits.concurrency >= 1
    assert rig.target.max_completion.total_seconds() > 0
    assert rig.target.name
    assert {one.type for one in ANNA.identities} >= rig.target.required
