"""What a list of snapshots says, and how lists are read: strictly, or not at all."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from sidecar.targets.snapshot_commands import Command, CommandObserver, pgbackrest_reader, read_restic, run
from sidecar.targets.snapshot_files import DumpFiles, FileObserver
from sidecar.targets.snapshots import LATE_BY, Retention, Snapshot, SnapshotsUnknown, kept_too_long, state_of
from sidecar.targets.target import TargetFault

ERASED = datetime(2025, 3, 1, 12, tzinfo=UTC)
KEPT = Retention(timedelta(days=7), timedelta(hours=2))


def snapshots(*hours: float) -> list[Snapshot]:
    """Taken so many hours after the erasure."""
    return [Snapshot(ERASED + timedelta(hours=one)) for one in hours]


@pytest.mark.parametrize(
    ("hours", "holding", "days_until"),
    [
        ((-48.0, -24.0), 2, 6.0),
        ((-24.0, 24.0), 1, 6.0),
        ((0.0,), 1, 7.0),
        ((2.0,), 1, 7 + 2 / 24),  # may have been begun before
        ((2.1, 24.0), 0, None),
    ],
)
def test_E38_snapshots_hold_the_person_until_surely_begun_later(
    hours: tuple[float, ...], holding: int, days_until: float | None
) -> None:
    state = state_of(snapshots(*hours), ERASED, KEPT)
    assert state.holding == holding
    assert state.until == (None if days_until is None else ERASED + timedelta(days=days_until))


def test_E37_a_day_late_is_no_alarm_two_are() -> None:
    now = ERASED + KEPT.kept + LATE_BY
    assert kept_too_long(snapshots(0), KEPT, now) == 0
    assert kept_too_long(snapshots(0, 1), KEPT, now + timedelta(minutes=1)) == 1


def stanza(name: str = "main", code: int = 0, **changes: Any) -> dict[str, Any]:
    backups = [
        {"label": "20250223-020000F", "type": "full", "timestamp": {"start": 1740276000, "stop": 1740279600}},
        {"label": "20250223-020000F_20250224-020000I", "timestamp": {"start": 1740362400, "stop": 1740362500}},
    ]
    return {"name": name, "status": {"code": code, "message": "ok"}, "backup": backups} | changes


def test_E37_pgbackrest_tells_when_backups_were_begun() -> None:
    answer = json.dumps([stanza("other", backup=[]), stanza()]).encode()
    found = pgbackrest_reader("main")(answer)
    assert found == [Snapshot(datetime(2025, 2, 23, 2, tzinfo=UTC)), Snapshot(datetime(2025, 2, 24, 2, tzinfo=UTC))]


def test_E37_restic_tells_when_snapshots_were_begun() -> None:
    answer = b'[{"time":"2025-02-23T03:00:00.123456789+01:00","tree":"x","id":"ab"}]'
    assert read_restic(answer) == [Snapshot(datetime(2025, 2, 23, 2, 0, 0, 123456, tzinfo=UTC))]
    assert read_restic(b"null") == read_restic(b"[]") == []


PGBACKREST_NONSENSE = [
    [],
    [stanza("other")],
    [stanza(), stanza()],
    [stanza(code=2)],
    [stanza(status={})],
    [stanza(backup=None)],
    [stanza(backup=[{"timestamp": {}}])],
    [stanza(backup=[{"timestamp": {"start": "1740276000"}}])],
    [stanza(backup=[{"timestamp": {"start": True}}])],
    {"main": 1},
    "main",
]


async def answered(path: Path, answer: bytes, read: Any, code: int = 0) -> Any:
    """Run a program that answers so, and read it."""
    (path / "answer").write_bytes(answer)
    program = f"import sys; sys.stdout.buffer.write(open({str(path / 'answer')!r}, 'rb').read()); sys.exit({code})"
    return await CommandObserver(Command((sys.executable, "-c", program)), read).snapshots()


@pytest.mark.parametrize("answer", PGBACKREST_NONSENSE)
async def test_E37_what_pgbackrest_does_not_say_is_not_made_up(tmp_path: Path, answer: Any) -> None:
    with pytest.raises(SnapshotsUnknown) as caught:
        await answered(tmp_path, json.dumps(answer).encode(), pgbackrest_reader("main"))
    assert caught.value.fault in {TargetFault.UNEXPECTED_BODY, TargetFault.COMMAND_FAILED}


@pytest.mark.parametrize(
    "answer", [b"", b"{", b"{}x", b'{"a":1}', b'[{"time":"2025-02-23T03:00:00"}]', b'[{"time":5}]']
)
async def test_E37_what_restic_does_not_say_is_not_made_up(tmp_path: Path, answer: bytes) -> None:
    with pytest.raises(SnapshotsUnknown) as caught:
        await answered(tmp_path, answer, read_restic)
    assert caught.value.fault is TargetFault.UNEXPECTED_BODY


async def test_E37_a_command_that_fails_lists_nothing_whatever_it_wrote(tmp_path: Path) -> None:
    with pytest.raises(SnapshotsUnknown) as caught:
        await answered(tmp_path, b"[]", read_restic, code=1)
    assert caught.value.fault is TargetFault.COMMAND_FAILED


async def test_a_command_that_hangs_is_ended_and_leaves_no_process(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    program = f"import os,time; open({str(note)!r},'w').write(str(os.getpid())); time.sleep(600)"
    with pytest.raises(SnapshotsUnknown) as caught:
        await run(Command((sys.executable, "-S", "-c", program), timeout_s=2.0))
    assert caught.value.fault is TargetFault.TIMED_OUT
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)


async def test_a_command_that_is_not_there_and_one_that_talks_for_ever() -> None:
    with pytest.raises(SnapshotsUnknown) as caught:
        await run(Command(("/nonexistent/pgbackrest",)))
    assert caught.value.fault is TargetFault.MISCONFIGURED
    with pytest.raises(SnapshotsUnknown) as caught:
        await run(Command(("yes",)))
    assert caught.value.fault is TargetFault.TOO_LARGE


async def test_a_command_gets_its_own_secrets_and_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIDECAR_MASTER", "secret of ours")
    told = await run(Command(("env",), {"RESTIC_PASSWORD": "theirs"}))
    assert b"RESTIC_PASSWORD=theirs" in told
    assert b"SIDECAR_MASTER" not in told


async def test_a_cancelled_look_leaves_no_process(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    program = f"import os,time; open({str(note)!r},'w').write(str(os.getpid())); time.sleep(600)"
    looking = asyncio.create_task(run(Command((sys.executable, "-S", "-c", program))))
    while not (note.exists() and note.read_text()):  # noqa: ASYNC110 - another process writes it
        await asyncio.sleep(0.01)
    looking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await looking
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)


async def test_E37_dumps_in_a_folder_by_name_and_by_time(tmp_path: Path) -> None:
    for name in ("crm-20250223T0200.sql.gz", "crm-20250224T0200.sql.gz"):
        (tmp_path / name).touch()
    (tmp_path / "README").touch()
    (tmp_path / "base-20250225T0200+0100").mkdir()
    by_name = FileObserver(DumpFiles(tmp_path, "crm-*.gz", "crm-%Y%m%dT%H%M.sql.gz"))
    assert sorted(await by_name.snapshots()) == [
        Snapshot(datetime(2025, 2, 23, 2, tzinfo=UTC)),
        Snapshot(datetime(2025, 2, 24, 2, tzinfo=UTC)),
    ]
    zoned = FileObserver(DumpFiles(tmp_path, "base-*", "base-%Y%m%dT%H%M%z"))
    assert await zoned.snapshots() == [Snapshot(datetime(2025, 2, 25, 2, tzinfo=timezone(timedelta(hours=1))))]
    os.utime(tmp_path / "README", (ERASED.timestamp(), ERASED.timestamp()))
    assert await FileObserver(DumpFiles(tmp_path, "READ*")).snapshots() == [Snapshot(ERASED)]
    assert await FileObserver(DumpFiles(tmp_path, "*.other")).snapshots() == []


async def test_E37_a_folder_that_is_gone_and_a_name_without_a_time_are_faults(tmp_path: Path) -> None:
    with pytest.raises(SnapshotsUnknown) as caught:
        await FileObserver(DumpFiles(tmp_path / "not-mounted", "*")).snapshots()
    assert caught.value.fault is TargetFault.UNREACHABLE
    (tmp_path / "crm-20250223.gz").touch()
    (tmp_path / "crm-before-migration.gz").touch()
    with pytest.raises(SnapshotsUnknown) as caught:
        await FileObserver(DumpFiles(tmp_path, "crm-*", "crm-%Y%m%d.gz")).snapshots()
    assert caught.value.fault is TargetFault.UNEXPECTED_BODY
