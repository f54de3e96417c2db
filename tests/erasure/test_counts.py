"""What verification counts before and after a deletion, beside what the target claims (E28), and evidence (E30)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sidecar.access import Role
from sidecar.erasure.receipt import verify_receipt
from sidecar.erasure.worker import WorkerSettings
from sidecar.stores.erasure_attestations import Found
from sidecar.targets.target import TargetLimits
from tests.erasure.test_loops import Faulty
from tests.erasure.test_manual import OTHER_SHA, SHA, desk
from tests.erasure.test_receipt import KEYS
from tests.erasure.world import CANARY, ID, Clock, World, body, http_target, receipt_body, world
from tests.targets.upstream import Mode, Upstream, running_upstream, target_mapping

COUNTING = WorkerSettings("one", count_before=True)


@asynccontextmanager
async def counting(
    path: Path, settings: WorkerSettings = COUNTING, **changes: Any
) -> AsyncIterator[tuple[World, Upstream]]:
    clock = Clock()
    async with running_upstream() as upstream:
        target = http_target("crm", target_mapping(upstream.url) | changes, clock)
        async with world(path / "state.db", [target], clock, settings) as w:
            upstream.customers[CANARY] = 2
            await w.submit()
            yield w, upstream


async def in_receipt(w: World) -> Any:
    data = await w.stores.requests.receipt(ID)
    assert data is not None
    return receipt_body(data)["targets"][0]


async def test_E28_the_receipt_says_what_was_found_before_and_after_and_what_was_claimed(tmp_path: Path) -> None:
    async with counting(tmp_path) as (w, upstream):
        await w.settle()
        assert [method for method, _ in upstream.calls] == ["GET", "DELETE", "GET"]
        said = await in_receipt(w)
        assert (said["found_count"], said["claimed_deleted_count"], said["remaining_count"]) == (2, 2, 0)
        assert w.ledger.routes() == ["crm:delete", "crm:verify", "receipt"]


async def test_E28_a_claim_does_not_become_a_count(tmp_path: Path) -> None:
    async with counting(tmp_path) as (w, upstream):
        upstream.mode = Mode.LIE  # "deleted": 1, and nothing is
        await w.settle()
        (task,) = (await w.view()).tasks
        assert (task.found, task.deleted, task.remaining) == (2, 1, 2)
        upstream.mode = Mode.GOOD
        w.clock.advance(hours=1)
        await w.settle()
        said = await in_receipt(w)
        assert (said["found_count"], said["claimed_deleted_count"], said["remaining_count"]) == (2, 3, 0)


async def test_E13_E28_what_was_there_is_known_after_a_crash_in_the_deletion(tmp_path: Path) -> None:
    impatient = WorkerSettings("one", call_limit=timedelta(seconds=0.3), count_before=True)
    async with counting(tmp_path, impatient) as (w, u):
        u.mode = Mode.DELETE_AND_HANG
        await w.settle()
        assert u.customers == {}
        u.mode = Mode.GOOD
        w.clock.advance(hours=1)
        await w.settle()
        said = await in_receipt(w)
        assert (said["outcome"], said["found_count"], said["remaining_count"]) == ("verified_no_data", 2, 0)


async def test_E28_the_first_count_of_a_round_stands_and_a_lost_lease_writes_none(tmp_path: Path) -> None:
    async with counting(tmp_path) as (w, _):
        now = w.clock()
        (lost,) = (await w.stores.tasks.lease("crm", "old", now, now + timedelta(minutes=1), 9)).tasks
        w.clock.advance(minutes=2)
        now = w.clock()
        (leased,) = (await w.stores.tasks.lease("crm", "new", now, now + timedelta(minutes=1), 9)).tasks
        await w.stores.tasks.note_seen(lost, 7, now)
        assert (await w.view()).tasks[0].found is None
        for count in (2, 0):
            await w.stores.tasks.note_seen(leased, count, now)
        assert (await w.view()).tasks[0].found == 2


async def test_E28_who_can_not_count_before_is_deleted_from_all_the_same(tmp_path: Path) -> None:
    verify = target_mapping("http://127.0.0.1:1")["verify"]  # nobody is there
    async with counting(tmp_path, verify=verify) as (w, upstream):
        await w.settle()
        assert upstream.customers == {}
        (task,) = (await w.view()).tasks
        assert (task.outcome.value, task.found, task.fault) == ("verifying", None, "unreachable")


async def test_E28_a_bug_in_a_targets_verification_holds_no_deletion_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with counting(tmp_path) as (w, upstream):
        (target,) = w.targets

        async def broken(identities: object) -> object:
            raise KeyError(str(identities))

        monkeypatch.setattr(target, "verify", broken)
        await w.settle()
        assert upstream.customers == {}
        assert (await w.view()).tasks[0].outcome.value == "verifying"


async def test_E28_every_round_counts_anew_and_a_second_look_is_no_round(tmp_path: Path) -> None:
    async with counting(tmp_path) as (w, upstream):
        await w.settle()
        upstream.customers[CANARY] = 5
        await w.stores.tasks.replay(w.clock())
        await w.settle()
        assert (await in_receipt(w))["found_count"] == 5
        assert upstream.count("GET") == 4


async def test_without_count_before_there_is_one_call_less_and_no_count(tmp_path: Path) -> None:
    async with counting(tmp_path, WorkerSettings("one")) as (w, upstream):
        await w.settle()
        assert [method for method, _ in upstream.calls] == ["DELETE", "GET"]
        assert (await in_receipt(w))["found_count"] is None


async def test_E19_calls_that_count_are_within_the_limits_of_the_target(tmp_path: Path) -> None:
    system, clock = Faulty("system", None), Clock()
    system.limits = TargetLimits(concurrency=4, per_second=2.0)

    async with world(tmp_path / "state.db", [system], clock, COUNTING) as w:
        addresses = [{"type": "email", "value": f"a{n}@example.org"} for n in range(4)]
        await w.submit(body(subject={"identities": addresses}))
        for calls in (4, 4, 6):  # two are counted and deleted, which is for two seconds; then looked at
            await w.worker.pass_once()
            assert system.calls == calls
            clock.advance(seconds=1)


async def test_E30_the_receipt_holds_the_evidence_of_tasks_for_people_and_not_who_they_are(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        assert (await d.post(Role.PRIVACY_OFFICER)).status == 200
        d.w.clock.advance(hours=1)
        await d.says("officer-two", Found.ERASED, OTHER_SHA)
        await d.w.settle()
        said = await in_receipt(d.w)
        assert said["evidence"] == [
            {"said": "erased", "sha256": SHA, "time": "2025-03-01T12:00:00Z"},
            {"said": "erased", "sha256": OTHER_SHA, "time": "2025-03-01T13:00:00Z"},
        ]
        data = await d.w.stores.requests.receipt(ID)
        assert data is not None
        assert b"officer" not in data


SECOND_FORMAT = (
    b'{"receipt":{"audit_exchange":null,"format":"privacy-sidecar-erasure-receipt/2","key_id":"56475aa75463474c",'
    b'"kind":"final","late":false,"legal_deadline":"2025-03-01T12:00:00Z","received_time":"2025-03-01T12:00:00Z",'
    b'"regulation":"gdpr","request_id":"0f8fad5b-d9cb-469f-a165-70867728950e","round":1,"second_look_time":null,'
    b'"signed_time":"2025-03-01T12:00:00Z","state":"ended_with_exceptions","subject_commitment":'
    b'"37309256fc2a1a92b1264744a471bbcb010e03d567050547f0b9a9205891099b","supersedes":null,"targets":['
    b'{"claimed_deleted_count":2,"ground":null,"outcome":"unverified","remaining_count":null,"target":"crm",'
    b'"until_time":null,"verified_time":null},{"claimed_deleted_count":1,"ground":null,"outcome":"verified_erased",'
    b'"remaining_count":0,"target":"db","until_time":null,"verified_time":"2025-03-01T12:00:00Z"}],'
    b'"unused_identity_types":[]},"signature":"fe853ce1973c34476e169f3d718d8d7a3adfb5f68730195752aa0249a2f9ec2b'
    b'f4cfcc94786ddd6dabd3f1e82017ceb728a380005d7365452d0de6f0b5af8b08"}'
)


def test_E44_receipts_of_earlier_releases_verify() -> None:
    assert verify_receipt(SECOND_FORMAT, KEYS)["state"] == "ended_with_exceptions"


@pytest.mark.parametrize("mode", [Mode.FAIL, Mode.HTML, Mode.NOT_JSON])
async def test_E16_an_answer_that_says_nothing_is_no_count(tmp_path: Path, mode: Mode) -> None:
    async with counting(tmp_path) as (w, upstream):
        upstream.mode = mode
        await w.settle()
        assert (await w.view()).tasks[0].found is None
