"""The life of erasures through real SQLite and a real, misbehaving upstream, with a turned clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select, update

from sidecar.audit.record import Decision, Outcome
from sidecar.erasure.receipt import key_id, verify_receipt
from sidecar.erasure.request import IdentityType, SubjectIdentity
from sidecar.erasure.steps import Pace, Step, after_delete
from sidecar.erasure.worker import WorkerSettings
from sidecar.errors import ConfigError, StoreUnavailable
from sidecar.stores.erasure_tables import requests
from sidecar.stores.erasure_tasks import Evidence, LeaseLost
from sidecar.targets.target import DeleteResult, DeleteStatus, TargetLimits, VerifyResult, VerifyStatus
from tests.erasure.world import CANARY, ID, OTHER_ID, SIGNING_KEY, Clock, World, body, bytes_on_disk, http_target, world
from tests.targets.upstream import Mode, Upstream, running_upstream, target_mapping


@asynccontextmanager
async def one_target(path: Path, **changes: Any) -> AsyncIterator[tuple[World, Upstream]]:
    clock = Clock()
    async with running_upstream() as upstream:
        mapping = target_mapping(upstream.url) | changes
        async with world(path / "state.db", [http_target("crm", mapping, clock)], clock) as w:
            upstream.customers[CANARY] = 2
            yield w, upstream


def receipt_body(data: bytes) -> dict[str, Any]:
    public = SIGNING_KEY.public_key()
    return dict(verify_receipt(data, {key_id(public): public}))


async def test_deletes_verifies_and_signs(tmp_path: Path) -> None:
    async with one_target(tmp_path) as (w, upstream):
        await w.submit()
        assert await w.state() == "pending"
        await w.settle()
        assert upstream.customers == {}
        assert await w.state() == "completed"
        assert await w.outcomes() == {"crm": "verified_erased"}
        data = await w.stores.requests.receipt(ID)
        assert data is not None
        receipt = receipt_body(data)
        assert receipt["targets"] == [
            {
                "target": "crm",
                "outcome": "verified_erased",
                "claimed_deleted_count": 2,
                "remaining_count": 0,
                "verified_time": "2025-03-01T12:00:00Z",
            }
        ]
        assert CANARY.encode() not in data
        assert w.ledger.routes() == ["crm:delete", "crm:verify", "receipt"]


async def test_somebody_unknown_ends_as_verified_no_data(tmp_path: Path) -> None:
    async with one_target(tmp_path) as (w, upstream):
        await w.submit(body(email="nobody@example.org"))
        await w.settle()
        assert await w.outcomes() == {"crm": "verified_no_data"}
        assert upstream.customers == {CANARY: 2}


@pytest.mark.parametrize("mode", [Mode.ZERO, Mode.HTML, Mode.NOT_JSON, Mode.LIE, Mode.FAIL, Mode.REDIRECT, Mode.HUGE])
async def test_E16_E18_no_false_success_and_a_good_end_once_the_target_is_sane(tmp_path: Path, mode: Mode) -> None:
    async with one_target(tmp_path) as (w, upstream):
        upstream.mode = mode
        await w.submit()
        await w.settle()
        assert await w.outcomes() == {"crm": "retryable_failure"}
        assert await w.state() == "in_progress"
        assert await w.stores.requests.receipt(ID) is None
        upstream.mode = Mode.GOOD
        w.clock.advance(hours=1)
        await w.settle()
        assert await w.outcomes() == {"crm": "verified_erased"}


async def test_E14_down_for_six_days_is_erased_on_the_sixth_with_capped_backoff(tmp_path: Path) -> None:
    async with one_target(tmp_path) as (w, upstream):
        upstream.mode = Mode.FAIL
        await w.submit()
        for _ in range(6 * 24 * 2):
            await w.worker.pass_once()
            w.clock.advance(minutes=30)
        tried = upstream.count("DELETE")
        assert 6 * 24 <= tried <= 6 * 24 * 2 + 12  # never less than hourly, never hammering
        upstream.mode = Mode.GOOD
        w.clock.advance(hours=1)
        await w.settle()
        assert await w.state() == "completed"


async def test_E14_retry_after_is_honoured_but_never_for_longer_than_a_day(tmp_path: Path) -> None:
    async with one_target(tmp_path) as (w, upstream):
        upstream.mode, upstream.retry_after = Mode.BUSY, "7200"
        await w.submit()
        await w.settle()
        w.clock.advance(seconds=7199)
        await w.settle()
        assert upstream.count("DELETE") == 1
        upstream.retry_after = "999999999"
        w.clock.advance(seconds=1)
        await w.settle()
        assert upstream.count("DELETE") == 2
        w.clock.advance(hours=24)
        await w.settle()
        assert upstream.count("DELETE") == 3


async def test_E15_past_the_deadline_is_overdue_still_tried_and_never_completed_by_time(tmp_path: Path) -> None:
    async with one_target(tmp_path) as (w, upstream):
        upstream.mode = Mode.FAIL
        await w.submit()
        w.clock.advance(days=31)
        await w.settle()
        assert await w.state() == "in_progress"  # 1 April, the last day
        w.clock.advance(days=365)
        await w.settle()
        assert await w.state() == "overdue"
        assert w.metrics.registry.get_sample_value("sidecar_erasure_overdue_requests") == 1
        assert await w.stores.requests.receipt(ID) is None
        upstream.mode = Mode.GOOD
        w.clock.advance(hours=1)
        await w.settle()
        assert await w.state() == "completed"
        data = await w.stores.requests.receipt(ID)
        assert data is not None
        assert receipt_body(data)["late"] is True
        assert w.metrics.registry.get_sample_value("sidecar_erasure_overdue_requests") == 0


async def test_E17_a_timeout_after_the_deletion_ends_as_one_success(tmp_path: Path) -> None:
    async with one_target(tmp_path) as (w, upstream):
        upstream.mode = Mode.DELETE_AND_HANG
        await w.submit()
        await w.settle()
        assert await w.outcomes() == {"crm": "retryable_failure"}
        assert upstream.customers == {}
        upstream.mode = Mode.GOOD
        w.clock.advance(hours=1)
        await w.settle()
        assert await w.outcomes() == {"crm": "verified_no_data"}
        receipt = await w.stores.requests.receipt(ID)
        assert receipt is not None
        assert receipt_body(receipt)["state"] == "completed"


async def test_E16_a_404_counts_only_when_verification_agrees(tmp_path: Path) -> None:
    async with one_target(tmp_path) as (w, upstream):
        delete: Any = target_mapping(upstream.url)["delete"]
        mapping = target_mapping(upstream.url) | {"delete": delete | {"url": f"{upstream.url}/wrong?mail={{email}}"}}
        async with world(tmp_path / "other.db", [http_target("crm", mapping, w.clock)], w.clock) as misled:
            await misled.submit()
            await misled.settle()
            assert await misled.outcomes() == {"crm": "retryable_failure"}
            assert upstream.customers == {CANARY: 2}


async def test_E29_what_can_not_be_verified_is_shown_as_unverified(tmp_path: Path) -> None:
    async with one_target(tmp_path, verify=None) as (w, _):
        await w.submit()
        await w.settle()
        assert await w.outcomes() == {"crm": "unverified"}
        assert await w.state() == "ended_with_exceptions"
        data = await w.stores.requests.receipt(ID)
        assert data is not None
        receipt = receipt_body(data)
        assert receipt["state"] == "ended_with_exceptions"
        assert (receipt["targets"][0]["outcome"], receipt["targets"][0]["verified_time"]) == ("unverified", None)


async def test_work_that_the_target_took_on_is_looked_at_until_it_is_done(tmp_path: Path) -> None:
    async with one_target(tmp_path) as (w, upstream):
        upstream.mode = Mode.ASYNC
        await w.submit()
        for _ in range(4):
            await w.settle()
            assert await w.outcomes() == {"crm": "submitted"}
            w.clock.advance(hours=1)
        assert upstream.count("DELETE") == 1
        upstream.finish()
        await w.settle()
        assert await w.outcomes() == {"crm": "verified_erased"}


async def test_work_that_never_ends_is_ordered_again(tmp_path: Path) -> None:
    async with one_target(tmp_path) as (w, upstream):
        upstream.mode = Mode.ASYNC
        await w.submit()
        await w.settle()
        w.clock.advance(days=2)
        await w.settle()
        w.clock.advance(hours=1)
        await w.settle()
        assert upstream.count("DELETE") == 2
        assert await w.outcomes() == {"crm": "submitted"}


async def test_E7_nothing_is_destroyed_before_the_person_is_identified(tmp_path: Path) -> None:
    async with one_target(tmp_path) as (w, upstream):
        await w.submit(body(verified_by=None))
        await w.settle()
        assert await w.state() == "awaiting_verification"
        assert upstream.calls == []
        w.clock.advance(days=40)
        assert await w.state() == "overdue"  # the clock ran from receipt
        await w.stores.requests.confirm(ID, "document_check", w.clock())
        await w.settle()
        assert await w.state() == "completed"


async def test_E11_the_plan_names_every_target_before_the_first_call(tmp_path: Path) -> None:
    clock = Clock()
    async with running_upstream() as upstream:
        by_phone: Any = target_mapping(upstream.url)
        for part in ("delete", "verify"):
            by_phone[part]["url"] = by_phone[part]["url"].replace("email", "phone")
        targets = [http_target("crm", target_mapping(upstream.url), clock), http_target("calls", by_phone, clock)]
        async with world(tmp_path / "state.db", targets, clock) as w:
            await w.submit()
            assert upstream.calls == []
            assert await w.outcomes() == {"crm": "pending", "calls": "capability_unresolved"}
            await w.settle()
            assert await w.outcomes() == {"crm": "verified_no_data", "calls": "capability_unresolved"}
            assert await w.state() == "needs_attention"
            assert await w.stores.requests.receipt(ID) is None


async def test_E12_targets_that_come_and_go_between_starts(tmp_path: Path) -> None:
    clock = Clock()
    async with running_upstream() as upstream:
        upstream.mode = Mode.FAIL
        old, new = (http_target(name, target_mapping(upstream.url), clock) for name in ("old", "new"))
        async with world(tmp_path / "state.db", [old], clock) as w:
            await w.submit()
        async with world(tmp_path / "state.db", [new], clock) as w:
            await w.worker.recover()
            assert await w.outcomes() == {"old": "capability_unresolved", "new": "pending"}
            upstream.mode = Mode.GOOD
            await w.settle()
            assert await w.state() == "needs_attention"
        async with world(tmp_path / "state.db", [old, new], clock) as w:
            await w.worker.recover()
            await w.settle()
            assert await w.outcomes() == {"old": "verified_no_data", "new": "verified_no_data"}
            assert await w.state() == "completed"


async def test_every_identity_of_a_kind_gets_its_own_call(tmp_path: Path) -> None:
    async with one_target(tmp_path) as (w, upstream):
        upstream.customers |= {"second@example.org": 1}
        both = [{"type": "email", "value": value} for value in (CANARY, "second@example.org")]
        await w.submit(body(subject={"identities": [*both, {"type": "name", "value": "Anna Canary"}]}))
        await w.settle()
        assert upstream.customers == {}
        assert len((await w.view()).tasks) == 2


class Faulty:
    """A target that raises what no target should, or hangs."""

    def __init__(self, name: str, error: Exception | None) -> None:
        self.name = name
        self.error = error
        self.required = frozenset({IdentityType.EMAIL})
        self.limits = TargetLimits()
        self.max_completion = timedelta(days=1)
        self.calls = 0

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def delete(self, identities: Sequence[SubjectIdentity]) -> DeleteResult:
        self.calls += 1
        if self.error is not None:
            raise self.error
        return DeleteResult(DeleteStatus.DELETED)

    async def verify(self, identities: Sequence[SubjectIdentity]) -> VerifyResult:
        self.calls += 1
        return VerifyResult(VerifyStatus.GONE)


async def test_E19_a_poison_target_delays_nobody_and_its_text_reaches_no_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    poison, sound = Faulty("poison", ValueError(f"can't delete {CANARY}")), Faulty("sound", None)
    async with world(tmp_path / "state.db", [poison, sound]) as w:
        await w.submit()
        await w.settle()
        assert (await w.outcomes())["sound"] == "verified_erased"
        for _ in range(3):
            w.clock.advance(minutes=6)  # past the lease
            await w.settle()
        assert poison.calls == 4
        assert await w.state() == "in_progress"
        assert "poison broke off: ValueError" in caplog.text
        assert CANARY not in caplog.text


async def test_E19_limits_hold(tmp_path: Path) -> None:
    slow = Faulty("slow", None)
    slow.limits = TargetLimits(concurrency=8, per_second=2.0)
    async with world(tmp_path / "state.db", [slow]) as w:
        addresses = [{"type": "email", "value": f"a{n}@example.org"} for n in range(10)]
        await w.submit(body(subject={"identities": addresses}))
        await w.worker.pass_once()
        assert slow.calls == 2
        await w.worker.pass_once()
        assert slow.calls == 2
        w.clock.advance(seconds=1)
        await w.worker.pass_once()
        assert slow.calls == 4


async def test_E20_a_worker_that_lost_its_lease_writes_nothing(tmp_path: Path) -> None:
    async with one_target(tmp_path) as (w, _):
        await w.submit()
        now = w.clock()
        first = (await w.stores.tasks.lease("crm", "one", now, now + timedelta(minutes=5), 9)).tasks
        assert (await w.stores.tasks.lease("crm", "two", now, now + timedelta(minutes=5), 9)).tasks == ()
        w.clock.advance(minutes=10)
        now = w.clock()
        second = (await w.stores.tasks.lease("crm", "two", now, now + timedelta(minutes=5), 9)).tasks
        assert (len(first), len(second), second[0].fence) == (1, 1, first[0].fence + 1)
        advance = after_delete(first[0].state, DeleteResult(DeleteStatus.DELETED, 1), now, Pace(), 0.5)
        evidence = Evidence(Step.DELETE, "deleted", None, 200, 1, now)
        with pytest.raises(LeaseLost):
            await w.stores.tasks.record(first[0], advance, evidence)
        assert await w.outcomes() == {"crm": "pending"}
        await w.stores.tasks.postpone(first[0], now)
        assert (await w.stores.tasks.lease("crm", "three", now, now + timedelta(minutes=5), 9)).tasks == ()
        await w.stores.tasks.record(second[0], advance, evidence)
        assert await w.outcomes() == {"crm": "verifying"}


async def test_a_step_that_can_not_be_recorded_is_not_done(tmp_path: Path) -> None:
    async with one_target(tmp_path) as (w, upstream):
        await w.submit()
        w.ledger.available = False
        await w.worker.pass_once()
        assert upstream.calls == []
        w.ledger.available = True
        w.clock.advance(seconds=2)
        await w.settle()
        assert await w.state() == "completed"


async def test_every_attempt_is_audited_with_the_pseudonym_alone(tmp_path: Path) -> None:
    async with one_target(tmp_path) as (w, upstream):
        upstream.mode = Mode.FAIL
        await w.submit()
        await w.settle()
        outcomes = [entry for entry in w.ledger.entries if isinstance(entry, Outcome)]
        assert [(one.decision, one.reason, one.status) for one in outcomes] == [
            (Decision.FAILED, "unexpected_status", 500)
        ]
        assert outcomes[0].subject == (await w.view()).subject
        assert CANARY not in repr(w.ledger.entries)


async def test_E41_no_canary_on_disk_and_no_key_after_the_horizon(tmp_path: Path) -> None:
    async with one_target(tmp_path) as (w, _):
        await w.submit()
        assert CANARY.encode() not in bytes_on_disk(tmp_path)
        await w.settle()
        before = await w.view()
        assert before.sealed
        assert before.forget_at is not None
        sealed = await w.database.read(_sealed_bytes)
        assert all(part in bytes_on_disk(tmp_path) for part in sealed)
        w.clock.now = before.forget_at
        await w.settle()
        assert not (await w.view()).sealed
        assert not any(part in bytes_on_disk(tmp_path) for part in sealed)
        assert CANARY.encode() not in bytes_on_disk(tmp_path)
        assert await w.stores.tasks.replay(w.clock()) == 0
        again = await w.submit()
        assert (again.new, again.view.id) == (False, ID)


def _sealed_bytes(connection: Connection) -> list[bytes]:
    return list(connection.execute(select(requests.c.wrapped_key, requests.c.sealed)).one())


async def test_E39_E46_replay_deletes_again_and_its_receipt_supersedes_the_first(tmp_path: Path) -> None:
    async with one_target(tmp_path) as (w, upstream):
        await w.submit()
        await w.settle()
        first = await w.stores.requests.receipt(ID)
        kept_until = (await w.view()).forget_at
        upstream.customers[CANARY] = 2  # a restored backup
        w.clock.advance(days=3)
        assert await w.stores.tasks.replay(w.clock()) == 1
        await w.settle()
        assert upstream.customers == {}
        second = await w.stores.requests.receipt(ID)
        assert first is not None
        assert second is not None
        assert receipt_body(second)["supersedes"] == sha256(first).hexdigest()
        assert receipt_body(second)["round"] == 2
        assert (await w.view()).forget_at == kept_until


async def test_the_loops_run_by_themselves_and_stop_cleanly(tmp_path: Path) -> None:
    clock = Clock()
    async with running_upstream() as upstream:
        upstream.customers[CANARY] = 1
        settings = WorkerSettings(poll=timedelta(milliseconds=20))
        async with world(
            tmp_path / "s.db", [http_target("crm", target_mapping(upstream.url), clock)], clock, settings
        ) as w:
            await w.worker.start()
            assert w.worker.healthy
            await w.submit()
            w.worker.wake()
            for _ in range(500):
                if await w.state() == "completed":
                    break
                await asyncio.sleep(0.01)
            assert await w.state() == "completed"
            await w.worker.stop()
            assert not w.worker.healthy
        assert upstream.customers == {}


async def test_a_restarted_worker_takes_back_what_it_held(tmp_path: Path) -> None:
    async with one_target(tmp_path) as (w, _):
        await w.submit()
        now = w.clock()
        name = WorkerSettings().name
        assert len((await w.stores.tasks.lease("crm", name, now, now + timedelta(hours=1), 9)).tasks) == 1
        await w.worker.recover()
        await w.settle()
        assert await w.state() == "completed"


async def test_one_request_that_does_not_open_is_loud_and_in_nobodys_way(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with one_target(tmp_path) as (w, _):
        await w.submit()
        await w.submit(body(OTHER_ID))
        await w.database.run(
            lambda connection: connection.execute(
                update(requests).where(requests.c.id == ID).values(sealed=b"damaged" * 9)
            )
        )
        await w.settle()
        assert await w.state(OTHER_ID) == "completed"
        assert await w.state(ID) == "pending"
        assert "do not open" in caplog.text


async def test_a_store_that_is_gone_ends_no_loop(tmp_path: Path) -> None:
    async with one_target(tmp_path) as (w, _):
        await w.database.stop()
        with pytest.raises(StoreUnavailable):
            await w.worker.pass_once()
        with pytest.raises(StoreUnavailable):
            await w.submit()


def test_a_lease_shorter_than_a_call_is_refused() -> None:
    with pytest.raises(ConfigError):
        WorkerSettings(lease=timedelta(seconds=1), call_limit=timedelta(seconds=1))
