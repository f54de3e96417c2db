# ruff: noqa: ASYNC221 - these tests touch files and mounts while the log is at rest
"""The log when things go wrong, with real faults (A4, A5, A8, A33, A34)."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path

import pytest

from sidecar.audit.log import AuditLog
from sidecar.audit.record import Action, Event
from sidecar.audit.settings import AuditSettings
from sidecar.audit.store import key_path, segment_path
from sidecar.errors import AuditUnavailable, ConfigError
from sidecar.metrics import Metrics
from tests.audit.disks import after_power_cut, dying_disk, loop_file_system, small_tmpfs
from tests.audit.samples import START, check, entries, intent, keys_of, make_log, metric, read, write_log


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit"


@pytest.fixture
async def log(path: Path) -> AsyncIterator[AuditLog]:
    log = make_log(path)
    await log.start()
    await log.intend(intent("before"))
    yield log
    await log.stop()


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - health is a property, not an event
            await asyncio.sleep(0.01)


async def _write_until_refused(log: AuditLog, name: str, limit: int = 20_000) -> int:
    for number in range(limit):
        try:
            await log.intend(intent(f"{name}{number}"))
        except AuditUnavailable:
            return number
    raise AssertionError("the disk never filled up")


# -- full and failing disks ------------------------------------------------------------------------------------------


async def test_stopped_while_full_and_restarted_with_space_a34(tmp_path: Path) -> None:
    with small_tmpfs(tmp_path / "disk") as disk:
        path = disk / "audit"
        log = make_log(path)
        filler = disk / "filler"
        filler.write_bytes(b"x" * 20_000)
        await log.start()
        await _write_until_refused(log, "x")
        await log.stop()
        filler.unlink()
        log = make_log(path)
        await log.start()
        await log.intend(intent("after"))
        await log.stop()
        assert check(path).intact


def test_a_limit_on_file_size_refuses_and_recovers_a4_a34(path: Path) -> None:
    """EFBIG after a partial write: what was half written must not stay. Needs no right to mount."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.audit.program", "file-limit", str(path)],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    limited, lifted = done.stdout.splitlines()
    word, written, refused, healthy = limited.split()
    assert (word, healthy, lifted) == ("limited", "False", "lifted True")
    assert int(written) > 3
    assert int(refused) == 40 - int(written)
    assert check(path).intact
    records = read(path)
    assert [one["count"] for one in records if one["action"] == "log_recovered"] == [int(refused)]
    assert len([one for one in records if one["phase"] == "intent"]) == int(written)


async def test_a_disk_that_answers_eio_refuses_a4(tmp_path: Path) -> None:
    """The write is taken and fsync fails: what the page cache holds must not be believed."""
    with dying_disk(tmp_path / "disk") as die:
        log = make_log(tmp_path / "disk" / "audit")
        await log.start()
        await log.intend(intent("before"))
        die()
        for number in range(3):
            with pytest.raises(AuditUnavailable):
                await log.intend(intent(f"x{number}"))
        assert not log.healthy
        await log.stop()


async def test_a_volume_that_can_not_grow_refuses_and_recovers_a4_a34(tmp_path: Path) -> None:
    """Thin provisioning: the file system has space, the disk under it has none, so fsync fails and not the write."""
    with small_tmpfs(tmp_path / "under", kibibytes=400) as under:  # noqa: SIM117 - one stands on the other
        with loop_file_system(under / "image", tmp_path / "disk") as disk:
            log = make_log(disk / "audit")
            await log.start()
            await log.intend(intent("first"))
            (under / "filler").write_bytes(b"")
            with (under / "filler").open("ab", buffering=0) as filler:
                _fill(filler.fileno())
            written = await _write_until_refused(log, "x")
            assert not log.healthy
            (under / "filler").unlink()
            await _until(lambda: log.healthy)
            await log.intend(intent("after"))
            await log.stop()
            assert check(disk / "audit").intact
            ids = [one.get("exchange_id") for one in read(disk / "audit")]
            assert [one for one in ids if one] == ["first", *(f"x{number}" for number in range(written)), "after"]


def _fill(descriptor: int) -> None:
    try:
        while True:
            os.write(descriptor, b"x" * 1024)
    except OSError:
        return


async def test_an_acknowledged_record_survives_a_power_cut_a2(tmp_path: Path) -> None:
    """kill -9 leaves the page cache, a power cut does not: that is what fsync is for."""
    with loop_file_system(tmp_path / "image", tmp_path / "disk") as disk:
        log = make_log(disk / "audit")
        await log.start()
        (disk / "never-synced").write_bytes(b"x" * 5000)
        for number in range(20):
            await log.intend(intent(f"x{number}"))
        with after_power_cut(tmp_path / "image", tmp_path / "later") as later:
            found = check(later / "audit")
            assert (found.intact, found.records) == (True, 1 + 20)
            assert not _reached_the_disk(later / "never-synced")  # else this test could not fail
        await log.stop()


def _reached_the_disk(path: Path) -> bool:
    try:
        return b"x" in path.read_bytes()
    except OSError:  # its name arrived without its inode, or not even that
        return False


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_fault_of_our_own_in_the_writing_thread_refuses_at_once(path: Path) -> None:
    moments = [START]

    def clock() -> datetime:
        return moments[0]

    log = AuditLog(AuditSettings(path, deadline_seconds=600), keys_of(), Metrics(), clock=clock)
    await log.start()
    moments.clear()
    for _ in range(2):
        with pytest.raises(AuditUnavailable, match="closed"):
            await log.intend(intent())
        assert not log.healthy
    await _restarted(path)  # the lock was released


# -- a file that is not ours any more --------------------------------------------------------------------------------


def _overwrite(path: Path) -> None:
    """Change a byte where it stands. A while later: file systems tell times apart by milliseconds only."""
    time.sleep(0.05)
    with path.open("r+b") as stream:
        stream.seek(40)
        stream.write(b"X")


def _copy(path: Path) -> Path:
    return Path(shutil.copyfile(path, path.with_suffix(".1")))


TAMPERINGS: list[tuple[str, Callable[[Path], object]]] = [
    ("deleted", lambda path: path.unlink()),
    ("renamed", lambda path: path.rename(path.with_suffix(".1"))),
    ("replaced by a copy", lambda path: _copy(path).replace(path)),
    ("truncated", lambda path: os.truncate(path, 0)),
    ("cut by a byte", lambda path: os.truncate(path, path.stat().st_size - 1)),
    ("copied and truncated", lambda path: os.truncate(_copy(path).with_suffix(".segment"), 0)),
    ("overwritten at the same size", _overwrite),
    ("appended to", lambda path: path.open("ab").write(b"{}\n")),
    ("made a link", lambda path: path.symlink_to(path.rename(path.with_suffix(".1")))),
    ("folder renamed", lambda path: path.parent.rename(path.parent.with_name("gone"))),
]


@pytest.mark.parametrize("tamper", [t[1] for t in TAMPERINGS], ids=[t[0] for t in TAMPERINGS])
async def test_a_file_tampered_with_while_running_is_noticed_a8_a35(
    tmp_path: Path, tamper: Callable[[Path], object]
) -> None:
    folder = tmp_path / "logs"
    metrics = Metrics()
    log = make_log(folder, metrics)
    await log.start()
    await log.intend(intent("before"))
    assert log.healthy
    tamper(segment_path(folder, 0))
    left = {one: one.read_bytes() for one in tmp_path.rglob("*") if one.is_file()}
    with pytest.raises(AuditUnavailable):
        await log.intend(intent("after"))
    assert not log.healthy
    assert metric(metrics, "sidecar_audit_healthy") == 0
    with pytest.raises(AuditUnavailable):  # and so it stays: a person has to look
        await log.intend(intent("again"))
    await log.stop()
    assert {one: one.read_bytes() for one in tmp_path.rglob("*") if one.is_file()} == left  # evidence is not touched


@pytest.mark.parametrize("number", [0, 1])
async def test_tampering_is_noticed_without_traffic_a8(path: Path, number: int) -> None:
    await _restarted(path)
    log = make_log(path)
    await log.start()
    assert log.healthy
    segment_path(path, number).unlink()
    await _until(lambda: not log.healthy)
    await log.stop()


async def test_a_closed_segment_that_is_written_to_under_traffic_is_noticed_a8_a35(path: Path) -> None:
    await _restarted(path)
    log = make_log(path)
    await log.start()
    data = segment_path(path, 0).read_bytes()
    segment_path(path, 0).write_bytes(data)  # the same bytes: whoever did that could have done otherwise
    await _write_until_refused(log, "x")
    assert not log.healthy
    await log.stop()


async def test_an_idle_log_raises_no_alarm(log: AuditLog) -> None:
    await asyncio.sleep(0.3)  # several looks at the file
    assert log.healthy


# -- starting on what is there ---------------------------------------------------------------------------------------


def _lines(path: Path) -> list[bytes]:
    return segment_path(path, 0).read_bytes().splitlines(keepends=True)


async def test_a_torn_line_is_set_aside_and_recorded_a33(path: Path) -> None:
    torn = _lines(write_log(path, entries(2)))[1][:100]
    with segment_path(path, 0).open("ab") as stream:
        stream.write(torn)
    log = make_log(path)
    await log.start()
    await log.note(Event(Action.START))
    await log.stop()
    assert check(path).intact
    assert read(path)[5] == {"action": "log_recovered", "count": 100, "phase": "event", "reason": "torn_line"}
    (side,) = path.glob("*.torn-5-*")
    assert side.read_bytes() == torn
    assert side.stat().st_mode & 0o777 == 0o600
    await _restarted(path)
    assert len(read(path)) == 7  # told once


async def _restarted(path: Path) -> None:
    log = make_log(path)
    await log.start()
    await log.stop()


@pytest.mark.parametrize("died", ["after the side file", "in the side file", "after the cut", "before its record"])
async def test_recovery_that_dies_half_way_is_taken_up_again_a33(path: Path, died: str) -> None:
    """Each durable step of the recovery, with the process gone right after it, ends in the same log."""
    whole = _lines(write_log(path, entries(2)))
    before = path.with_name("before")
    torn = whole[1][:100]
    with segment_path(path, 0).open("ab") as stream:
        stream.write(torn)
    shutil.copytree(path, before)
    await _restarted(path)
    (side,) = path.glob("*.torn-5-*")
    shutil.copyfile(side, before / side.name)
    if died in ("after the cut", "before its record"):
        segment_path(before, 0).write_bytes(b"".join(whole))
    if died == "before its record":
        shutil.copyfile(key_path(path, 1), key_path(before, 1))
        segment_path(before, 1).write_bytes(segment_path(path, 1).read_bytes().splitlines(keepends=True)[0])
    if died == "in the side file":
        (before / side.name).write_bytes(torn[:10])
    await _restarted(before)
    assert check(before).intact
    assert [one["action"] for one in read(before)[5:]] == ["log_recovered"]
    assert [one.read_bytes() for one in before.glob("*.torn-*")] == [torn]


@pytest.mark.parametrize("damage", [b"prose\n", b"\x00" * 30 + b"\n", b"record\t\t\t\t\n"])
async def test_a_broken_log_stops_the_start_and_the_first_bad_line_is_named_a12(path: Path, damage: bytes) -> None:
    lines = _lines(write_log(path, entries(2)))
    whole = b"".join([*lines[:3], damage, *lines[3:]])
    segment_path(path, 0).write_bytes(whole)
    before = {one.name: one.read_bytes() for one in path.iterdir()}
    log = make_log(path)
    with pytest.raises(ConfigError, match=r"segment 0, line 4 \(record 1\)") as caught:
        await log.start()
    assert "audit verify" in str(caught.value)
    assert not log.healthy
    assert {one.name: one.read_bytes() for one in path.iterdir()} == before  # evidence is not touched


async def test_a_second_process_on_the_same_log_is_refused(path: Path, log: AuditLog) -> None:
    other = make_log(path)
    with pytest.raises(ConfigError, match="another process"):
        await other.start()
    await log.intend(intent("still-fine"))
    program = subprocess.run(
        [sys.executable, "-m", "tests.audit.program", "first-byte", str(path)],
        capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    assert program.returncode != 0
    assert "another process" in program.stderr


async def test_after_a_stop_the_log_can_be_opened_again(path: Path) -> None:
    for _ in range(3):
        await _restarted(path)


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("nowhere/audit", "can't be opened"),
        ("file/audit", "can't be opened"),
        ("file", "this is a file"),
        ("link", "this is a file"),
        ("old", "format before version 2"),
    ],
)
async def test_a_path_that_can_not_be_used_is_a_clear_error_at_start(tmp_path: Path, place: str, says: str) -> None:
    (tmp_path / "file").write_bytes(b"prose")
    (tmp_path / "old").write_bytes(b'{"entry":{"action":"start","phase":"event"},"hash":')
    (tmp_path / "link").symlink_to(tmp_path / "file")
    log = make_log(tmp_path / place)
    with pytest.raises(ConfigError, match=says) as caught:
        await log.start()
    assert caught.value.problems[0].remedy


async def test_a_read_only_file_system_is_a_clear_error_at_start_a4(tmp_path: Path) -> None:
    with small_tmpfs(tmp_path / "disk") as disk:
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        with pytest.raises(ConfigError, match="Read-only"):
            await make_log(disk / "audit").start()
