"""What could only fail at the start is found with everything else, and no secret shows."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.app.settings import settings_of
from sidecar.config import parse_config
from sidecar.errors import ConfigError


@pytest.mark.parametrize(
    "url", ["hunter2", "sqlite://", "sqlite:////nowhere/state.db", "postgresql://u:hunter2@h:x/db", "mysql://h/db"]
)
def test_what_can_be_seen_without_opening_it_is_refused_by_check_config(written: dict[str, Any], url: str) -> None:
    with pytest.raises(ConfigError, match=r"^state\.url: ") as caught:
        settings_of(parse_config({**written, "state": {"url": url}}))
    assert "hunter2" not in str(caught.value)
