"""The composition root: reads the configuration and wires the parts. No other module reads it."""

from __future__ import annotations

from pathlib import Path

from sidecar.app.detecting import check_loading
from sidecar.app.settings import settings_of
from sidecar.app.writable import check_writable
from sidecar.config import load_config


def check(path: Path) -> None:
    """Raise ``ConfigError`` with every problem that would keep ``sidecar run`` from starting."""
    config = load_config(path)
    settings_of(config)
    check_writable(config)
    check_loading(config.detection)
