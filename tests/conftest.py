"""For all tests."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from sidecar.stores.database import Database, DatabaseSettings
from tests.services import fresh_postgresql

# No test is timed: an example that a busy machine is slow with says nothing about what it tests.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# A failure in continuous integration must be one that comes again; everywhere else each run looks at new examples.
settings.register_profile("ci", settings.get_profile("untimed"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "untimed")


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database of one's own of each kind that may hold the sidecar's state."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'state.db'}"
    else:
        with fresh_postgresql() as url:
            yield url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """Such a database, open."""
    database = Database(DatabaseSettings(database_url))
    await database.start()
    yield database
    await database.stop()
