"""What stays on disk, for how long, and what it can still be used for."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, create_engine, select, text, update

from sidecar.errors import StoreUnavailable
from sidecar.stores.erasure_tables import requests
from tests.audit.disks import small_tmpfs
from tests.erasure.world import (
    CANARY,
    ID,
    Clock,
    World,
    body,
    bytes_on_disk,
    http_target,
    one_target,
    receipt_body,
    world,
)
from tests.services import fresh_postgresql
from tests.targets.upstream import running_upstream, target_mapping


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


async def test_E41_a_reader_puts_off_that_the_log_is_emptied_but_not_for_good(tmp_path: Path) -> None:
    async with one_target(tmp_path) as (w, _):
        await w.submit()
        await w.settle()
        sealed = await w.database.read(_sealed_bytes)
        w.clock.advance(days=400)
        reader = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM erasure_requests").fetchone()
        await w.stores.tasks.forget(w.clock())
        assert any(part in bytes_on_disk(tmp_path) for part in sealed)
        reader.close()
        await w.stores.tasks.forget(w.clock())
        assert not any(part in bytes_on_disk(tmp_path) for part in sealed)


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


async def test_E49_a_full_disk_loses_nothing_and_is_outlived(tmp_path: Path) -> None:
    clock = Clock()
    async with running_upstream() as upstream:
        upstream.customers[CANARY] = 1
        with small_tmpfs(tmp_path / "disk", kibibytes=1024) as disk:
            async with world(disk / "state.db", [http_target("crm", target_mapping(upstream.url), clock)], clock) as w:
                await w.submit()
                fill(disk / "filler")
                refused = await first_refused(w)
                with pytest.raises(StoreUnavailable):
                    await use_up(w)
                (disk / "filler").unlink()
                assert await w.stores.requests.find(refused) is None
                assert (await w.submit(body(refused, email="bert@example.org"))).new
                clock.advance(hours=1)
                for _ in range(1000):
                    if not await w.worker.pass_once():
                        break
                assert await w.state() == "completed"
                assert await w.state(refused) == "completed"
        assert upstream.customers == {}


async def first_refused(w: World) -> str:
    """Submit until the disk is full; what room the write-ahead log has left is used up first."""
    for n in range(500):
        request_id = f"00000000-0000-4000-8000-000000000{n:03}"
        try:
            await w.submit(body(request_id, email="bert@example.org"))
        except StoreUnavailable:
            return request_id
    raise AssertionError("the disk did not fill up")


async def use_up(w: World) -> None:
    for _ in range(20):
        await w.worker.pass_once()
        w.clock.advance(hours=1)


def fill(path: Path) -> None:
    """Write until the disk has no byte left."""
    with path.open("wb", buffering=0) as stream:
        for size in (4096, 1):
            with suppress(OSError):
                while True:
                    stream.write(b"x" * size)


async def test_E41_what_is_reopened_in_the_moment_of_its_horizon_keeps_its_key() -> None:
    """Else it could never be erased: a replica that forgets waits for one that reopens, and looks again."""
    clock = Clock()
    with fresh_postgresql() as url:
        other = create_engine(url)
        async with world(url, [http_target("crm", target_mapping("https://crm.example"), clock)], clock) as w:
            await w.submit()
            with other.begin() as connection:
                over = {"ended_at": clock(), "forget_at": clock()}
                connection.execute(update(requests).where(requests.c.id == ID).values(over))
            clock.advance(days=1)
            reopening = other.connect()
            try:
                reopening.execute(update(requests).where(requests.c.id == ID).values(ended_at=None))
                forgetting = asyncio.create_task(w.stores.tasks.forget(clock()))
                await waits_for_a_lock(other)
                reopening.commit()
            finally:
                reopening.close()
            assert await forgetting == 0
            assert (await w.view()).sealed
        other.dispose()


async def waits_for_a_lock(engine: Engine) -> None:
    """Return once somebody waits for a row that another transaction has changed."""
    query = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    for _ in range(500):
        with engine.connect() as connection:
            if connection.scalar(query):
                return
        await asyncio.sleep(0.01)
    raise AssertionError("nobody waited")
