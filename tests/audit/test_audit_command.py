"""``sidecar audit``: what an operator types and sees. For ``show`` and ``export`` see ``test_audit_read``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.audit.conftest import Sidecar
from tests.audit.samples import entries, write_log


@pytest.mark.parametrize(
    "arguments",
    [
        ("verify",),
        ("verify", "FILE", "--expect-head", "12"),
        ("verify", "FILE", "--expect-head", "x:" + "0" * 64),
        ("verify", "nowhere"),
    ],
)
def test_bad_usage_is_exit_2_with_a_word_of_help(tmp_path: Path, sidecar: Sidecar, arguments: tuple[str, ...]) -> None:
    log = write_log(tmp_path / "audit", entries(3))
    code, out, err = sidecar("audit", *(log if one == "FILE" else one for one in arguments))
    assert code == 2
    assert out == ""
    assert err.strip()
