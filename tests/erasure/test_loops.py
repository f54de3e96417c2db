"""The loops: whose trouble is whose, and what is recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from sidecar.audit.record import Decision, Outcome
from sidecar.erasure.durable import stores_on
from sidecar.erasure.notices import NoticeSender, SenderSettings
from sidecar.erasure.plan import Side
from sidecar.erasure.request import IdentityType, SubjectIdentity
from sidecar.erasure.worker import ErasureWorker, WorkerSettings
from sidecar.errors import ConfigError, KeyMaterialError, StoreUnavailable
from sidecar.metrics import Metrics
from sidecar.stores.erasure_tables import requests
from sidecar.stores.seal import Seal
from sidecar.targets.target import DeleteResult, DeleteStatus, TargetLimits, VerifyResult, VerifyStatus
from tests.erasure.world import (
    CANARY,
    ID,
    OTHER_ID,
    SIGNING_KEY,
    Clock,
    body,
    http_target,
    one_target,
    world,
)
from tests.targets.upstream import Mode, running_upstream, target_mapping


class Faulty:
    """A target that raises what no target should, or hangs."""

    def __init__(self, name: str, error: Exception | None) -> None:
        self.name = name
        self.error = error
        self.side = Side.UPSTREAM
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


class NoStore:
    """A store with a bug in it."""

    async def lease(self, *_arguments: object) -> list[object]:
        raise ValueError(CANARY)


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
        broken = [one for one in w.ledger.entries if isinstance(one, Outcome) and one.reason == "broke_off"]
        assert [one.decision for one in broken] == [Decision.ABORTED] * 4  # no call without its outcome on record
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


async def test_a_loop_that_ends_by_a_bug_is_seen_and_its_text_is_not(caplog: pytest.LogCaptureFixture) -> None:
    """Else nobody would be told of anything any more, and nobody would notice."""
    notices = NoticeSender(NoStore(), SenderSettings({}), Metrics(), Clock())  # type: ignore[arg-type]
    await notices.start()
    for _ in range(100):
        await asyncio.sleep(0)
    assert not notices.healthy
    assert "erasure-notices ended by a bug: ValueError" in caplog.text
    assert CANARY not in caplog.text
    await notices.stop()


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
        await w.worker.recover()
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


async def test_under_another_master_key_it_does_not_start(tmp_path: Path) -> None:
    async with one_target(tmp_path) as (w, upstream):
        await w.submit()
        await w.submit(body(OTHER_ID))
        other = Seal(b"another key of thirty-two bytes.")
        stores = stores_on(w.database, other)
        worker = ErasureWorker(stores, w.targets, w.ledger, SIGNING_KEY, w.metrics, WorkerSettings(), w.clock)
        with pytest.raises(KeyMaterialError):
            await worker.start()
        assert not worker.healthy
        await w.settle()
        assert await w.state() == "completed"
        assert upstream.customers == {}
