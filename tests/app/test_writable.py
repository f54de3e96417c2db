"""Folders that may not be written are told by their key, before the process that writes there ends without a word."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from sidecar.app.writable import check_writable
from sidecar.config import parse_config
from sidecar.errors import ConfigError


def without_writing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may be somebody who may write everywhere."""
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != folder and real(path, mode))


@pytest.mark.parametrize("is_there", [True, False])
def test_an_audit_folder_that_can_not_be_written_is_told(
    written: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_there: bool
) -> None:
    folder = tmp_path / "audit"
    config = parse_config({**written, "audit": {"folder": str(folder)}})
    check_writable(config)
    if is_there:
        folder.mkdir()
    without_writing(folder if is_there else tmp_path, monkeypatch)
    with pytest.raises(ConfigError, match=r"^audit\.folder: .* can't be written"):
        check_writable(config)


def test_a_journal_that_can_not_be_written_is_told(
    written: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    erasure = {**written["erasure"], "journal": str(tmp_path / "erasure.journal")}
    config = parse_config({**written, "erasure": erasure})
    without_writing(tmp_path, monkeypatch)
    with pytest.raises(ConfigError, match=r"^erasure\.journal: "):
        check_writable(config)
