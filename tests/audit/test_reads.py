"""Readings by hand get on record, sooner or later (A36)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sidecar.audit.fields import RecordRejected
from sidecar.audit.reads import FOLDER_NAME, ReadsCollecting, leave, left
from sidecar.audit.record import Action, Decision, Phase
from tests.admin.conftest import MemoryAudit


async def collected(folder: Path, audit: MemoryAudit, until: int) -> None:
    collecting = ReadsCollecting(folder, audit, poll_seconds=0.01)
    await collecting.start()
    async with asyncio.timeout(120):
        while len(audit.entries) < until:  # noqa: ASYNC110 - what is waited for is another task's doing
            await asyncio.sleep(0.005)
        while list((folder / FOLDER_NAME).glob("*.json")):  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    await collecting.stop()


async def test_a_reading_becomes_a_pair_of_records_once_a36(tmp_path: Path) -> None:
    reading = leave(tmp_path, Action.AUDIT_EXPORT, "CASE-2026-17")
    audit = MemoryAudit()
    await collected(tmp_path, audit, 2)
    intent, outcome = audit.pair()
    assert (intent.action, intent.proof, intent.purpose) == (Action.AUDIT_EXPORT, "local_files", "CASE-2026-17")
    assert intent.actor == f"uid-{reading.reader}"
    assert outcome.decision is Decision.COMPLETED
    await collected(tmp_path, audit, 2)
    assert len(audit.entries) == 2


async def test_readings_come_in_the_order_in_which_they_were(tmp_path: Path) -> None:
    purposes = [f"CASE-{number}" for number in range(5)]
    for purpose in purposes:
        leave(tmp_path, Action.AUDIT_SEARCH, purpose)
        await asyncio.sleep(0.002)
    audit = MemoryAudit()
    await collected(tmp_path, audit, 10)
    assert [entry.purpose for entry in audit.entries[::2]] == purposes  # type: ignore[union-attr]


async def test_a_reading_waits_while_the_log_takes_nothing(tmp_path: Path) -> None:
    leave(tmp_path, Action.AUDIT_SEARCH, None)
    audit = MemoryAudit(fails={Phase.OUTCOME})
    collecting = ReadsCollecting(tmp_path, audit, poll_seconds=0.01)
    await collecting.start()
    async with asyncio.timeout(120):
        while len(audit.entries) < 3:  # noqa: ASYNC110 - intents of tries whose outcome failed
            await asyncio.sleep(0.005)
    assert len(list(left(tmp_path))) == 1
    audit.fails.clear()
    await collecting.stop()
    await collected(tmp_path, audit, 4)


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"action":"audit_search"}', '{"action":"start","id":"NAME","reader":1}',
     '{"action":"audit_search","id":"other","reader":1}', '{"action":"audit_search","id":"NAME","reader":"anna"}',
     '{"action":"audit_search","id":"NAME","reader":1,"purpose":"anna.canary@example.org"}', "[" * 200_000],
)  # fmt: skip
async def test_what_is_no_note_is_set_aside_and_not_recorded(tmp_path: Path, text: str) -> None:
    leave(tmp_path, Action.AUDIT_SEARCH, "CASE-1")
    name = "ab" * 16
    (tmp_path / FOLDER_NAME / f"{name}.json").write_text(text.replace("NAME", name))
    audit = MemoryAudit()
    await collected(tmp_path, audit, 2)
    assert len(audit.entries) == 2
    assert (tmp_path / FOLDER_NAME / f"{name}.bad").exists()


def test_a_reason_that_names_somebody_is_no_reason(tmp_path: Path) -> None:
    with pytest.raises(RecordRejected):
        leave(tmp_path, Action.AUDIT_SEARCH, "anna.canary@example.org")
    assert list(tmp_path.iterdir()) == []


def test_a_note_is_for_its_owner_alone(tmp_path: Path) -> None:
    leave(tmp_path, Action.AUDIT_SEARCH, None)
    assert (tmp_path / FOLDER_NAME).stat().st_mode & 0o077 == 0
