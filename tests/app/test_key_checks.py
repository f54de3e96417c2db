"""A key under the version of another one is refused by the place where it is configured (E27, E42, E44)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from sidecar.app.key_checks import require_known_keys
from sidecar.app.settings import Settings, settings_of
from sidecar.config import parse_config
from sidecar.errors import ConfigError
from sidecar.stores.database import Database

FIRST, SECOND, MISTYPED = ("0" * 63 + str(number) for number in range(3))


@pytest.fixture
def with_keys(written: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return settings with a current key in a file, and earlier ones in the environment."""

    def made(current: str, version: int = 1, **previous: str) -> Settings:
        path = tmp_path / "current.key"
        path.write_text(current)
        for name, secret in previous.items():
            monkeypatch.setitem(os.environ, f"TEST_MASTER_{name}", secret)
        earlier = [{"version": int(name[1:]), "master_env": f"TEST_MASTER_{name}"} for name in previous]
        keys = {"master_file": str(path), "version": version, "previous": earlier}
        return settings_of(parse_config({**written, "keys": keys}))

    return made


async def test_a_rotation_is_taken_and_the_same_keys_again_whatever_is_left_out(
    database: Database, with_keys: Any
) -> None:
    for settings in (
        with_keys(FIRST),
        with_keys(SECOND, 2, v1=FIRST),
        with_keys(SECOND, 2),
        with_keys(FIRST),  # a rotation that is taken back
        with_keys(MISTYPED, 7, v1=FIRST, v2=SECOND),
    ):
        await require_known_keys(settings, database)


async def test_keys_that_are_not_those_of_their_versions_are_refused_by_their_places(
    database: Database, with_keys: Any
) -> None:
    await require_known_keys(with_keys(SECOND, 2, v1=FIRST), database)
    with pytest.raises(ConfigError) as one:
        await require_known_keys(with_keys(MISTYPED, 2, v1=FIRST), database)
    assert [problem.path for problem in one.value.problems] == ["keys.master_file"]
    with pytest.raises(ConfigError) as two:
        await require_known_keys(with_keys(FIRST, 3, v2=MISTYPED, v1=SECOND), database)
    assert [problem.path for problem in two.value.problems] == [
        "keys.previous[1].master_env",
        "keys.previous[0].master_env",
    ]
    for said in (str(one.value), str(two.value)):
        assert not any(secret in said for secret in (FIRST, SECOND, MISTYPED))
    await require_known_keys(with_keys(MISTYPED, 3, v1=FIRST, v2=SECOND), database)  # the refused start noted no key
