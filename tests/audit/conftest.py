"""The command line, as a person at it sees it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sidecar.cli import main

Sidecar = Callable[..., tuple[int, str, str]]
"""Runs ``sidecar`` with arguments; returns its exit code, and what it wrote to standard output and error."""


@pytest.fixture
def sidecar(capsys: pytest.CaptureFixture[str]) -> Sidecar:
    def run(*arguments: object) -> tuple[int, str, str]:
        try:
            code = main([str(one) for one in arguments])
        except SystemExit as ended:
            code = int(str(ended.code))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run
