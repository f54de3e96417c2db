"""Several replicas on one database, as real processes: who is first wins, once (E2, E3, E10, E20)."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import func, select

from sidecar.stores.erasure_tables import requests, steps
from tests.erasure.replica import BERT, RealClock, request_id
from tests.erasure.world import CANARY, ID, body, http_target, world
from tests.targets.upstream import Upstream, running_upstream, target_mapping

pytestmark = pytest.mark.timeout(600)
LEASE_SECONDS = 4


@asynccontextmanager
async def replica(database_url: str, part: str, upstream: Upstream, *given: str) -> AsyncIterator[Process]:
    """A replica that is ready, and begins when it is told to."""
    command = (sys.executable, "-m", "tests.erasure.replica", database_url, part, upstream.url, *given)
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
    try:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def said(process: Process) -> Any:
    """Let a replica begin, and return what it says in the end."""
    output, _ = await process.communicate(b"\n")
    assert process.returncode == 0
    return json.loads(output)


async def test_E2_E3_a_thousand_submissions_of_two_bodies_over_four_processes_are_one_request(
    database_url: str,
) -> None:
    async with running_upstream() as upstream, world(database_url, [target(upstream)]) as w:
        async with (
            replica(database_url, "submit", upstream, "250") as one,
            replica(database_url, "submit", upstream, "250") as two,
            replica(database_url, "submit", upstream, "250") as three,
            replica(database_url, "submit", upstream, "250") as four,
        ):
            answers = [tuple(one) for some in await asyncio.gather(*map(said, (one, two, three, four))) for one in some]
        assert len(answers) == 1000
        ((winner, _),) = [answer for answer in answers if answer[1] == "new"]
        loser = BERT if winner == CANARY else CANARY
        assert {answer for answer in answers if answer[0] == loser} == {(loser, "taken")}
        assert answers.count((winner, "known")) == 499
        assert await w.database.read(lambda c: c.scalar(select(func.count()).select_from(requests))) == 1
        assert len((await w.view()).tasks) == 1


async def test_E10_taken_back_or_begun_but_never_both(database_url: str) -> None:
    count = 40
    async with running_upstream() as upstream, world(database_url, [target(upstream)], RealClock()) as w:
        for number in range(count):
            upstream.customers[f"a{number}@example.org"] = 1
            await w.submit(body(request_id(number), f"a{number}@example.org"))
        async with (
            replica(database_url, "cancel", upstream, str(count)) as canceller,
            replica(database_url, "work", upstream, "300") as worker,
        ):
            taken_back, _ = await asyncio.gather(said(canceller), said(worker))
        await w.settle(200)
        for number in range(count):
            view = await w.view(request_id(number))
            gone = f"a{number}@example.org" not in upstream.customers
            assert (view.cancelled_at is not None, gone) in {(True, False), (False, True)}
            assert (view.cancelled_at is not None) == (request_id(number) in taken_back)
            assert view.sealed == gone  # what was taken back is forgotten at once


async def test_E20_a_worker_that_hung_beyond_its_lease_writes_nothing_when_it_goes_on(database_url: str) -> None:
    async with running_upstream() as upstream, world(database_url, [target(upstream)], RealClock()) as w:
        upstream.customers[CANARY] = 1
        await w.submit()
        lease = str(LEASE_SECONDS)
        async with replica(database_url, "work", upstream, lease, "called") as hung:
            assert hung.stdin is not None
            hung.stdin.write(b"\n")
            while upstream.count("DELETE") == 0:  # noqa: ASYNC110 - another process, which tells nobody
                await asyncio.sleep(0.05)
            await asyncio.sleep(LEASE_SECONDS + 1)
            async with replica(database_url, "work", upstream, "300") as other:
                await said(other)
            assert await w.outcomes() == {"crm": "verified_no_data"}  # it found nothing left to delete
            before = await evidence(w.database)
            hung.send_signal(signal.SIGCONT)
            assert "lease_lost" in await said(hung)
        assert await evidence(w.database) == before
        assert await w.state(ID) == "completed"
        assert (upstream.customers, upstream.count("DELETE")) == ({}, 2)


def target(upstream: Upstream) -> Any:
    return http_target("crm", target_mapping(upstream.url), RealClock())


async def evidence(database: Any) -> Any:
    return await database.read(lambda connection: connection.execute(select(steps.c.id, steps.c.status)).all())
