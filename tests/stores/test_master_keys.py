"""Each version of the master key stands for one key, whoever is the first to use it (E27, E42, E44)."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import func, select

from sidecar.stores.database import Conflict, Database, DatabaseSettings
from sidecar.stores.master_keys import MasterKeyTable, keys

OLD, NEW, MISTYPED = bytes(16), bytes([1]) * 16, bytes([2]) * 16


async def test_a_version_stands_for_the_key_that_was_used_first(database: Database) -> None:
    table = MasterKeyTable(database)
    assert await table.mistaken({1: OLD}) == []
    assert await table.mistaken({1: OLD}) == []
    assert await table.mistaken({1: MISTYPED}) == [1]
    assert await table.mistaken({2: NEW, 1: OLD}) == []
    assert await table.mistaken({2: OLD, 1: NEW}) == [1, 2]
    assert await table.mistaken({2: NEW}) == []


async def test_no_key_is_noted_beside_one_that_is_mistaken(database: Database) -> None:
    table = MasterKeyTable(database)
    assert await table.mistaken({1: OLD}) == []
    assert await table.mistaken({2: NEW, 1: MISTYPED}) == [1]
    assert await database.read(lambda connection: connection.scalars(select(keys.c.version)).all()) == [1]


async def test_of_two_replicas_with_different_keys_one_is_mistaken(database_url: str) -> None:
    databases = [Database(DatabaseSettings(database_url)) for _ in range(2)]
    for one in databases:
        await one.start()
    try:
        for version in range(1, 21):
            checks = ({version: OLD}, {version: NEW})
            tables = [MasterKeyTable(one) for one in databases]
            said = await asyncio.gather(*(table.mistaken(own) for table, own in zip(tables, checks, strict=True)))
            assert sorted(map(len, said)) == [0, 1], version
        assert await databases[0].read(lambda one: one.scalar(select(func.count()).select_from(keys))) == 20
    finally:
        for one in databases:
            await one.stop()


async def test_a_race_that_was_lost_is_looked_at_again(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    run, calls = database.run, 0

    async def lose(call: object) -> object:
        nonlocal calls
        calls += 1
        if calls < 3:
            raise Conflict("lost")
        return await run(call)  # type: ignore[arg-type]

    monkeypatch.setattr(database, "run", lose)
    assert await MasterKeyTable(database).mistaken({1: OLD}) == []
    assert calls == 3
