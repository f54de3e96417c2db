"""docs/audit.md can't drift: it names every word that a record, a verdict or a command may hold."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sidecar.audit.leaf import Flaw
from sidecar.audit.record import Action, Decision, Event, Intent, Outcome, Phase

FOLDER = Path(__file__).parents[2] / "docs"
DOCS = "".join(
    (FOLDER / name).read_text(encoding="utf-8") for name in ("audit.md", "audit-format.md", "audit-reading.md")
)
WORDS = {
    *(one.value for kind in (Action, Flaw, Phase) for one in kind),
    *(one.value for one in Decision if one is not Decision.PENDING),
    *(name for kind in (Intent, Outcome, Event) for name in kind.__annotations__),
    "--expect-head", "--checkpoint", "--anchors", "--key", "--silence-seconds",
    "--since", "--until", "--actor", "--route", "--decision", "--action", "--exchange",
    "--conversation", "--subject", "--conversation-file", "--subject-file", "--key-file", "--format", "--json",
    "--reason", "--bundle", "--prove-complete", "--unrecorded",
    "REQUIRE_MOUNTS",
    "sidecar_audit_healthy", "torn_line", "write_failed",
}  # fmt: skip


@pytest.mark.parametrize("word", sorted(WORDS))
def test_the_documentation_names_it(word: str) -> None:
    assert re.search(rf"`[^`\n]*(?<![\w-]){re.escape(word)}(?![\w-])[^`\n]*`", DOCS)
