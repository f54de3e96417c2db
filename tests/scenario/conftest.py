from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenario.world import World, running_world


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running_world(tmp_path_factory.mktemp("world")) as started:
        yield started


@pytest.fixture
def fresh_world(tmp_path: Path) -> Iterator[World]:
    """For tests that stop, kill or starve it."""
    with running_world(tmp_path) as started:
        yield started
