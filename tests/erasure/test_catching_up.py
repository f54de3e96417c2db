"""A start with other targets plans beside the work, and nothing ends that lacks a task for one of them (E11, E12)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, func, select

from sidecar.errors import StoreUnavailable
from sidecar.stores.erasure_tables import requests, tasks
from tests.erasure.test_intents import refusing
from tests.erasure.test_turns import statements
from tests.erasure.world import CANARY, ID, OTHER_ID, Clock, World, body, http_target, world
from tests.targets.upstream import Upstream, running_upstream, target_mapping

LOOK = pytest.mark.parametrize("look", [timedelta(), timedelta(days=1)], ids=["final", "interim"])


@asynccontextmanager
async def planned_for_old(
    folder: Path, look: timedelta = timedelta(), passes: int = 2
) -> AsyncIterator[tuple[World, Upstream]]:
    """A start with ``old`` and ``new``, on a request that was planned for ``old`` alone and has all but ended."""
    clock = Clock()
    async with running_upstream() as upstream, running_upstream() as added:
        upstream.customers[CANARY] = added.customers[CANARY] = 1
        old = http_target("old", target_mapping(upstream.url), clock)
        new = http_target("new", target_mapping(added.url), clock)
        async with world(folder / "state.db", [old], clock, second_look=look) as w:
            await w.submit()
            for _ in range(passes):
                await w.worker.pass_once()
        async with world(folder / "state.db", [old, new], clock, second_look=look) as w:
            yield w, added


@LOOK
async def test_E12_nothing_is_signed_for_who_is_not_planned_for_every_target(tmp_path: Path, look: timedelta) -> None:
    async with planned_for_old(tmp_path, look, passes=1) as (w, added):
        for _ in range(4):  # beside the work, which has not come to this request
            await w.worker.pass_once()
            w.clock.advance(seconds=20)
        assert await w.outcomes() == {"old": "verified_erased"}
        assert await w.stores.requests.receipt(ID) is None
        await w.worker.recover()
        assert await w.outcomes() == {"old": "verified_erased", "new": "pending"}
        for _ in range(4):
            w.clock.advance(seconds=20)
            await w.settle()
        assert await w.outcomes() == {"old": "verified_erased", "new": "verified_erased"}
        assert added.customers == {}
        assert await w.state() == ("confirming" if look else "completed")


async def test_E12_work_goes_on_beside(tmp_path: Path) -> None:
    """Who asks now is not kept waiting by those who asked before."""
    async with planned_for_old(tmp_path) as (w, _):
        await w.submit(body(OTHER_ID))
        await w.settle()
        assert await w.state(OTHER_ID) == "completed"
        assert await w.outcomes(OTHER_ID) == {"old": "verified_no_data", "new": "verified_erased"}


@pytest.mark.parametrize("many", [450])
async def test_E12_a_start_does_not_wait_for_plans(tmp_path: Path, many: int) -> None:
    clock = Clock()
    async with running_upstream() as upstream:
        old, new = (http_target(name, target_mapping(upstream.url), clock) for name in ("old", "new"))
        async with world(tmp_path / "state.db", [old], clock) as w:
            for number in range(many):
                await w.submit(body(f"00000000-0000-4000-8000-000000000{number:03}", verified_by=None))
        async with world(tmp_path / "state.db", [old, new], clock) as w:
            with statements() as asked:
                await w.worker.start()
                assert not any("planned_for" in one and "UPDATE" in one for one in asked)
            while await w.database.read(_planned) < many:  # noqa: ASYNC110 - a loop of the worker, which tells nobody
                await asyncio.sleep(0.05)
            await w.worker.stop()
            assert await w.database.read(_digests) == 1


def _planned(connection: Connection) -> int:
    return connection.scalar(select(func.count()).where(tasks.c.target == "new")) or 0


def _digests(connection: Connection) -> int:
    return connection.scalar(select(func.count(requests.c.planned_for.distinct()))) or 0


async def test_E13_plans_go_on_where_the_store_failed_and_where_the_process_was_killed(tmp_path: Path) -> None:
    clock, path = Clock(), tmp_path / "state.db"
    async with running_upstream() as upstream:
        old, new = (http_target(name, target_mapping(upstream.url), clock) for name in ("old", "new"))
        async with world(path, [old], clock) as w:
            for number in range(450):
                await w.submit(body(f"00000000-0000-4000-8000-000000000{number:03}", verified_by=None))
        async with world(path, [old, new], clock) as w:
            catch_up = w.stores.plans.catch_up(w.targets)
            assert await catch_up.some(clock())
            assert await w.database.read(_planned) == 200
            with refusing(path, "INSERT ON erasure_tasks"), pytest.raises(StoreUnavailable):
                await catch_up.some(clock())
            assert await catch_up.some(clock())
            assert (await w.database.read(_planned), catch_up.wanted is None) == (400, False)
        async with world(path, [old, new], clock) as w:  # as after a kill
            await w.worker.recover()
            assert (await w.database.read(_planned), await w.database.read(_digests)) == (450, 1)


async def test_E12_a_task_of_a_former_configuration_makes_no_call_that_lacks_something(tmp_path: Path) -> None:
    clock = Clock()
    async with running_upstream() as upstream:
        upstream.customers[CANARY] = 1
        by_name: Any = target_mapping(upstream.url)
        by_name["delete"]["url"] += "&name={name}"
        async with world(tmp_path / "state.db", [http_target("crm", target_mapping(upstream.url), clock)], clock) as w:
            await w.submit()
        async with world(tmp_path / "state.db", [http_target("crm", by_name, clock)], clock) as w:
            await w.worker.pass_once()
            assert upstream.calls == []
            assert await w.outcomes() == {"crm": "capability_unresolved"}
            await w.worker.recover()
            assert await w.state() == "needs_attention"
        async with world(tmp_path / "state.db", [http_target("crm", target_mapping(upstream.url), clock)], clock) as w:
            await w.worker.recover()
            await w.settle()
            assert await w.state() == "completed"
