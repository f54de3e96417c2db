"""Leases, fences and uniqueness, on SQLite and PostgreSQL alike (E2, E3, E20)."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from sidecar.erasure.steps import Pace, Step, after_delete
from sidecar.erasure.worker import WorkerSettings
from sidecar.stores.erasure_evidence import Evidence, Leased, LeaseLost
from sidecar.stores.erasure_tables import requests
from sidecar.stores.erasures import IdTaken
from sidecar.targets.target import DeleteResult, DeleteStatus
from tests.erasure.world import CANARY, ID, Clock, World, body, http_target, world
from tests.services import fresh_postgresql
from tests.targets.upstream import running_upstream, target_mapping

LEASE = timedelta(minutes=5)


@pytest.fixture
async def w(database_url: str) -> AsyncIterator[World]:
    clock = Clock()
    async with world(database_url, [http_target("crm", target_mapping("https://crm.example"), clock)], clock) as made:
        yield made


async def lease(w: World, worker: str) -> tuple[Leased, ...]:
    now = w.clock()
    return (await w.stores.tasks.lease("crm", worker, now, now + LEASE, 99)).tasks


async def record(w: World, leased: Leased) -> None:
    now = w.clock()
    advance = after_delete(leased.state, DeleteResult(DeleteStatus.DELETED, 1), now, Pace(), 0.5)
    await w.stores.tasks.record(leased, advance, Evidence(Step.DELETE, "deleted", None, 200, 1, now))


async def test_E20_a_worker_that_lost_its_lease_writes_nothing(w: World) -> None:
    await w.submit()
    (first,) = await lease(w, "one")
    assert await lease(w, "two") == ()
    w.clock.advance(minutes=10)
    (second,) = await lease(w, "two")
    assert second.fence == first.fence + 1
    with pytest.raises(LeaseLost):
        await record(w, first)
    assert await w.outcomes() == {"crm": "pending"}
    await w.stores.tasks.postpone(first, w.clock())
    assert await lease(w, "three") == ()
    await record(w, second)
    assert await w.outcomes() == {"crm": "verifying"}


async def test_E20_a_lease_is_written_to_once(w: World) -> None:
    await w.submit()
    (leased,) = await lease(w, "one")
    await record(w, leased)
    with pytest.raises(LeaseLost):
        await record(w, leased)


async def test_a_task_is_leased_to_one_of_many_who_ask_at_once(w: World) -> None:
    addresses = [{"type": "email", "value": f"a{n}@example.org"} for n in range(20)]
    await w.submit(body(subject={"identities": addresses}))
    now = w.clock()
    asked = await asyncio.gather(*(w.stores.tasks.lease("crm", f"worker{n}", now, now + LEASE, 4) for n in range(10)))
    leased = [task.task_id for one in asked for task in one.tasks]
    assert len(leased) == len(set(leased))
    assert all(len(one.tasks) <= 4 for one in asked)
    leased += [task.task_id for task in await lease(w, "last")]
    assert len(set(leased)) == 20


async def test_a_restarted_worker_takes_back_its_own_and_nobody_elses(w: World) -> None:
    addresses = [{"type": "email", "value": f"a{n}@example.org"} for n in range(2)]
    await w.submit(body(subject={"identities": addresses}))
    now = w.clock()
    for name in ("mine", "theirs"):
        assert len((await w.stores.tasks.lease("crm", name, now, now + LEASE, 1)).tasks) == 1
    await w.stores.tasks.release("mine", now)
    assert len(await lease(w, "mine")) == 1


async def test_E3_one_request_of_many_submitted_at_once_to_several_replicas(database_url: str) -> None:
    clock = Clock()
    target = http_target("crm", target_mapping("https://crm.example"), clock)
    async with AsyncExitStack() as stack:
        replicas = [await stack.enter_async_context(world(database_url, [target], clock)) for _ in range(4)]
        answers = await asyncio.gather(*(replicas[n % 4].submit() for n in range(80)))
        assert sum(answer.new for answer in answers) == 1
        assert len({answer.salt for answer in answers}) == 1
        assert len((await replicas[0].view()).tasks) == 1
        for replica in replicas:
            with pytest.raises(IdTaken):
                await replica.submit(body(email="bert@example.org"))


async def test_E3_a_thousand_at_once_over_four_processes_are_one_request() -> None:
    with fresh_postgresql() as url:
        command = (sys.executable, "-m", "tests.erasure.submitters", url, "250")
        replicas = [await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE) for _ in range(4)]
        outputs = [(await replica.communicate())[0].decode().split() for replica in replicas]
        assert [replica.returncode for replica in replicas] == [0] * 4
        assert sum(int(new) for new, *_ in outputs) == 1
        assert len({salt for _, *salts in outputs for salt in salts}) == 1
        clock = Clock()
        targets = [http_target(f"system{n}", target_mapping("https://crm.example"), clock) for n in range(3)]
        async with world(url, targets, clock) as w:
            assert len((await w.view()).tasks) == 3
            assert await w.database.read(lambda c: c.scalar(select(func.count()).select_from(requests))) == 1


async def test_several_workers_end_every_request_once(database_url: str) -> None:
    clock = Clock()
    async with running_upstream() as upstream, AsyncExitStack() as stack:
        replicas = [
            await stack.enter_async_context(
                world(
                    database_url,
                    [http_target("crm", target_mapping(upstream.url), clock)],
                    clock,
                    WorkerSettings(name=f"replica{n}"),
                )
            )
            for n in range(3)
        ]
        upstream.customers |= {CANARY: 1, **{f"a{n}@example.org": 1 for n in range(10)}}
        ids = [ID, *(f"00000000-0000-4000-8000-00000000000{n}" for n in range(10))]
        for n, one in enumerate(ids):
            await replicas[0].submit(body(one, email=CANARY if n == 0 else f"a{n - 1}@example.org"))
        for _ in range(4):
            await asyncio.gather(*(replica.worker.pass_once() for replica in replicas))
        await replicas[0].settle()
        assert [await replicas[0].state(one) for one in ids] == ["completed"] * len(ids)
        assert upstream.customers == {}
        assert (upstream.count("DELETE"), upstream.count("GET")) == (len(ids), len(ids))
        receipts = [replica.ledger.routes().count("receipt") for replica in replicas]
        assert sum(receipts) >= len(ids)
