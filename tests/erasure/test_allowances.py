"""Limits of a target hold for all workers together, however many processes there are (E19)."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from sidecar.erasure.worker import WorkerSettings
from sidecar.targets.target import TargetLimits
from tests.erasure.limited_worker import CONCURRENCY
from tests.erasure.test_leases import LEASE
from tests.erasure.test_loops import Faulty
from tests.erasure.world import Clock, World, body, http_target, world
from tests.services import fresh_postgresql
from tests.targets.upstream import target_mapping


def people(count: int) -> bytes:
    """One person with many addresses: as many calls."""
    return body(subject={"identities": [{"type": "email", "value": f"a{n}@example.org"} for n in range(count)]})


@asynccontextmanager
async def workers(database_url: str, count: int, limits: TargetLimits) -> AsyncIterator[tuple[list[World], Faulty]]:
    """Several workers, each with connections of its own, in front of one system that counts its calls."""
    clock, system = Clock(), Faulty("system", None)
    system.limits = limits
    async with AsyncExitStack() as stack:
        yield (
            [
                await stack.enter_async_context(world(database_url, [system], clock, WorkerSettings(name=f"worker{n}")))
                for n in range(count)
            ],
            system,
        )


async def test_E19_calls_in_a_second_are_shared_by_all_workers(database_url: str) -> None:
    async with workers(database_url, 3, TargetLimits(concurrency=8, per_second=2.0)) as (some, system):
        await some[0].submit(people(12))
        await asyncio.gather(*(one.worker.pass_once() for one in some))
        assert system.calls == 2
        await asyncio.gather(*(one.worker.pass_once() for one in some))
        assert system.calls == 2
        some[0].clock.advance(seconds=1)
        await asyncio.gather(*(one.worker.pass_once() for one in some))
        assert system.calls == 4
        some[0].clock.advance(seconds=60)  # nothing is saved up beyond what a second allows
        for one in some:
            await one.worker.pass_once()
        assert system.calls == 6


async def test_E19_less_than_one_call_in_a_second(database_url: str) -> None:
    async with workers(database_url, 2, TargetLimits(per_second=0.5)) as (some, system):
        await some[0].submit(people(3))
        for seconds, calls in ((0, 1), (1, 1), (1, 2), (1, 2), (1, 3)):
            some[0].clock.advance(seconds=seconds)
            await asyncio.gather(*(one.worker.pass_once() for one in some))
            assert system.calls == calls


async def test_E35_a_clock_that_goes_back_gives_nothing_away(database_url: str) -> None:
    async with workers(database_url, 1, TargetLimits(per_second=1.0)) as ([one], system):
        await one.submit(people(5))
        await one.worker.pass_once()
        one.clock.advance(days=-30)
        await one.worker.pass_once()
        assert system.calls == 1


async def leased(w: World, worker: str, limits: TargetLimits) -> int:
    now = w.clock()
    leases = await w.stores.tasks.lease("system", worker, now, now + LEASE, limits.concurrency, limits=limits)
    return len(leases.tasks)


async def test_E19_calls_at_the_same_time_are_shared_and_come_back_with_the_lease(database_url: str) -> None:
    limits = TargetLimits(concurrency=3)
    async with workers(database_url, 4, limits) as (some, _):
        await some[0].submit(people(12))
        taken = await asyncio.gather(*(leased(one, f"worker{n}", limits) for n, one in enumerate(some)))
        assert sum(taken) == 3
        assert await leased(some[0], "another", limits) == 0
        for n, one in enumerate(some):  # killed and started again: what they had is theirs no more
            await one.stores.tasks.release(f"worker{n}", one.clock())
        assert await leased(some[1], "another", limits) == 3
        some[0].clock.advance(minutes=6)  # killed for good
        assert await leased(some[2], "a third", limits) == 3


@dataclass
class Slow:
    """A system that takes its time, and counts how many calls it has at once."""

    url: str = ""
    now: int = 0
    most: int = 0
    calls: int = 0

    async def handle(self, request: web.Request) -> web.Response:
        self.now += 1
        self.calls += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.03)
        self.now -= 1
        done: dict[str, Any] = {"deleted": 1} if request.method == "DELETE" else {"total": 0}
        return web.json_response(done)


@asynccontextmanager
async def slow_system() -> AsyncIterator[Slow]:
    slow = Slow()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", slow.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    slow.url = f"http://{host}:{port}"
    try:
        yield slow
    finally:
        await runner.cleanup()


async def test_E19_no_more_calls_at_once_than_allowed_from_several_processes() -> None:
    with fresh_postgresql() as url:
        async with slow_system() as slow:
            clock = Clock()
            async with world(url, [http_target("crm", target_mapping(slow.url), clock)], clock) as w:
                command = (sys.executable, "-m", "tests.erasure.limited_worker", url, slow.url)
                processes = [await asyncio.create_subprocess_exec(*command, stdout=PIPE) for _ in range(3)]
                async with asyncio.timeout(120):
                    for one in processes:
                        assert one.stdout is not None
                        assert await one.stdout.readline() == b"ready\n"
                    await w.submit(people(20))
                    assert [await one.wait() for one in processes] == [0, 0, 0]
                assert set((await w.outcomes()).values()) == {"verified_erased"}
            assert slow.calls == 40
            assert 1 < slow.most <= CONCURRENCY
