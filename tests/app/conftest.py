"""A configuration that the sidecar takes, to be changed."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from sidecar.demo.setup import prepare


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("demo")
    found: dict[str, Any] = yaml.safe_load(prepare(folder, "http://127.0.0.1:9").config.read_text())
    return found
