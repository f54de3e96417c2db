"""The durable databases that every store is tested on."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from sidecar.stores.database import Database, DatabaseSettings


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(DatabaseSettings(database_url))
    await database.start()
    yield database
    await database.stop()
