"""Turns: no pass and no start looks through all open requests, and nothing is missed for it (E12, E13, E20)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, delete, event, text, update

from sidecar.erasure.hold import Hold, HoldGround
from sidecar.stores.erasure_tables import NOTHING, requests, tasks, turns
from tests.erasure.test_leases import w
from tests.erasure.world import CANARY, ID, OTHER_ID, Clock, World, body, http_target, one_target, world
from tests.targets.upstream import Mode, Upstream, running_upstream, target_mapping

__all__ = ["w"]
MINUTES = timedelta(minutes=5)
READING = ("SELECT", "UPDATE", "DELETE")


@contextmanager
def statements() -> Iterator[dict[str, Any]]:
    """Everything that is asked of any database meanwhile, with one set of parameters each."""
    seen: dict[str, Any] = {}

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        if statement.lstrip().startswith(READING):
            seen[statement] = parameters[0] if many else parameters

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def scans(connection: Connection, asked: dict[str, Any]) -> list[str]:
    """What of it looks through a whole table or index of erasures, by SQLite's own account."""
    found = []
    for statement, parameters in asked.items():
        for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters):
            whole = row.detail.startswith("SCAN erasure_") and "erasure_allowances" not in row.detail
            if whole and "erasure_receipt_keys" not in row.detail:
                found.append(f"{row.detail}: {statement}")
    return found


@asynccontextmanager
async def two_open(folder: Path) -> AsyncIterator[tuple[World, Upstream]]:
    """One request that waits for somebody to be identified, and one whose system is down."""
    async with one_target(folder) as (w, upstream):
        await w.submit(body(verified_by=None))
        await w.submit(body(OTHER_ID))
        upstream.mode = Mode.FAIL
        await w.settle()
        yield w, upstream


async def test_no_pass_looks_through_all_open_requests(tmp_path: Path) -> None:
    async with two_open(tmp_path) as (w, upstream):
        with statements() as asked:
            await w.worker.pass_once()
            await w.stores.notices.lease(w.clock(), w.clock() + MINUTES, 9)
            upstream.mode = Mode.GOOD
            w.clock.advance(hours=1)
            await w.settle()
        assert await w.state(OTHER_ID) == "completed"
        counted = [one for one in asked if "count(*)" in one and "late_at" not in one]
        for one in counted:  # of open ones, every quarter of a minute, by an index of open ones alone
            assert "ended_at IS NULL" in one or "leased_by IS NOT NULL" in one
            del asked[one]
        assert await w.database.read(lambda connection: scans(connection, asked)) == []


async def test_E12_a_start_with_the_same_targets_opens_a_sample_and_touches_nothing(tmp_path: Path) -> None:
    async with two_open(tmp_path) as (w, _):
        with statements() as asked:
            await w.worker.recover()
        assert not any(one.startswith("UPDATE erasure_requests") for one in asked)
        sampled = {one for one in asked if "received_at" in one and "LIMIT" in one}
        assert len(sampled) == 2
        rest = {one: asked[one] for one in asked.keys() - sampled}
        assert await w.database.read(lambda connection: scans(connection, rest)) == []


async def test_E13_requests_from_before_there_were_turns_are_carried_on_at_the_first_start(tmp_path: Path) -> None:
    clock = Clock()
    async with running_upstream() as upstream:
        upstream.customers[CANARY] = 1
        targets = [http_target("crm", target_mapping(upstream.url), clock)]
        async with world(tmp_path / "state.db", targets, clock) as w:
            await w.submit()
            await w.submit(body(OTHER_ID))
            await w.worker.pass_once()
            await w.worker.pass_once()
            await w.database.run(_as_before_turns)
            assert await w.worker.pass_once() is False
            await w.worker.recover()
            await w.settle()
            assert (await w.state(), await w.state(OTHER_ID)) == ("completed", "completed")


def _as_before_turns(connection: Connection) -> None:
    connection.execute(delete(turns))
    connection.execute(update(requests).values(planned_for=NOTHING, late_at=None, alert_at=None, ended_at=None))
    connection.execute(text("DELETE FROM erasure_unrecorded"))
    connection.execute(text("DELETE FROM erasure_receipts"))
    connection.execute(update(tasks).values(ready=False))


async def test_E20_who_takes_a_turn_has_it_until_it_is_lost(w: World) -> None:
    await w.submit(body(verified_by=None))
    await w.database.run(lambda c: c.execute(update(tasks).values(outcome="verified_no_data", verified_at=w.clock())))
    await w.intake.confirm(ID, "account_login")
    now = w.clock()

    async def taken(worker: str) -> int:
        return len((await w.stores.endings.take(worker, w.clock(), w.clock() + MINUTES, 9)).final)

    assert (await taken("one"), await taken("two")) == (1, 0)
    w.clock.advance(minutes=6)
    assert (await taken("two"), await taken("one")) == (1, 0)
    await w.stores.endings.release("one", now)  # was taken from it
    assert await taken("one") == 0
    await w.stores.endings.release("two", now)
    assert await taken("one") == 1
    await w.stores.endings.release("one", now)
    await w.worker.pass_once()
    assert await w.state() == "completed"


async def test_E31_a_hold_that_is_lifted_is_found_behind_many_that_are_not(tmp_path: Path) -> None:
    """What is held without a day is not asked about at every pass, so it stands in nobody's way."""
    async with one_target(tmp_path) as (w, upstream):
        held: dict[str, str] = {}
        for number in range(60):
            one = f"00000000-0000-4000-8000-0000000000{number:02}"
            await w.submit(body(one))
            placed = await w.stores.holds.place(one, Hold(HoldGround.LEGAL_CLAIMS), w.clock())
            assert placed is not None
            held[one] = placed.id
        await w.settle()
        assert upstream.count("DELETE") == 0
        last = max(held)
        await w.stores.holds.release(last, held[last], w.clock())
        await w.settle()
        assert await w.state(last) == "completed"
        assert upstream.count("DELETE") == 1


@pytest.mark.parametrize("many", [450])
async def test_E12_a_new_target_is_planned_for_every_open_request(tmp_path: Path, many: int) -> None:
    clock = Clock()
    async with running_upstream() as upstream:
        old, new = (http_target(name, target_mapping(upstream.url), clock) for name in ("old", "new"))
        ids = [f"00000000-0000-4000-8000-000000000{number:03}" for number in range(many)]
        async with world(tmp_path / "state.db", [old], clock) as w:
            for one in ids:
                await w.submit(body(one, verified_by=None))
        async with world(tmp_path / "state.db", [old, new], clock) as w:
            await w.worker.recover()
            for one in ids:
                assert await w.outcomes(one) == {"old": "pending", "new": "pending"}
