"""What every writer of the log promises, be it a thread or a process of its own (A1, A2, A4, A5, A8, A12, A34)."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sidecar.audit.appender import Pace
from sidecar.audit.frames import Say, packed
from sidecar.audit.log import AuditLog
from sidecar.audit.reader import read_records
from sidecar.audit.record import Action
from sidecar.audit.retention import Retention
from sidecar.audit.settings import AuditSettings
from sidecar.audit.store import segment_path
from sidecar.audit.writing_process import serve
from sidecar.errors import AuditUnavailable, ConfigError
from sidecar.metrics import Metrics
from tests.audit.disks import frozen, loop_file_system, small_tmpfs
from tests.audit.samples import PSEUDONYM, check, entries, intent, keys_of, make_log, metric, outcome, read, write_log

KINDS = pytest.mark.parametrize("in_process", [False, True], ids=["thread", "process"])
CHILD = "audit-log"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit"


@asynccontextmanager
async def started(path: Path, in_process: bool, **settings: Any) -> AsyncIterator[AuditLog]:
    log = make_log(path, in_process=in_process, **settings)
    await log.start()
    try:
        yield log
    finally:
        await log.stop()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - health is a property, not an event
            await asyncio.sleep(0.01)


async def fill(log: AuditLog) -> int:
    """Write until it is refused; return how often it was not."""
    for number in range(20_000):
        try:
            await log.intend(intent(f"x{number}"))
        except AuditUnavailable:
            return number
    raise AssertionError("the disk never filled up")


def writing_process() -> multiprocessing.process.BaseProcess:
    (found,) = (one for one in multiprocessing.active_children() if one.name == CHILD)
    return found


@KINDS
async def test_records_are_durable_in_order_and_counted_a1_a2(path: Path, in_process: bool) -> None:
    metrics = Metrics()
    async with started(path, in_process, metrics=metrics) as log:
        assert log.healthy
        for number in range(3):
            await log.intend(intent(f"x{number}"))
            assert [one["exchange_id"] for one in read(path)][-1] == f"x{number}"
            await log.conclude(outcome(f"x{number}"))
        assert log.size == 1 + 6
    assert log.size == 1 + 6
    assert not log.healthy
    assert [one["phase"] for one in read(path)] == ["intent", "outcome"] * 3
    assert metric(metrics, "sidecar_audit_records_total") == 1 + 6
    assert check(path).intact


@KINDS
async def test_what_is_recorded_at_once_shares_fsyncs(path: Path, in_process: bool) -> None:
    """Lines that became durable together bear one time."""
    async with started(path, in_process) as log:
        await asyncio.gather(*(log.intend(intent(f"x{number}")) for number in range(2000)))
    records = list(read_records(path))
    assert len(records) == 2001
    assert len({one.time for one in records}) < 500


@KINDS
async def test_an_outcome_waits_for_the_next_intent_but_not_for_long(path: Path, in_process: bool) -> None:
    async with started(path, in_process) as log:
        await log.intend(intent("x1"))
        ended, begins = log.conclude(outcome("x1")), log.intend(intent("x2"))
        await begins
        assert ended.done()
        await log.conclude(outcome("x2"))
        assert [one["exchange_id"] for one in read(path)] == ["x1", "x1", "x2", "x2"]


@KINDS
async def test_a_cancelled_caller_leaves_its_record_behind_a3(path: Path, in_process: bool) -> None:
    async with started(path, in_process) as log:
        waiting = log.conclude(outcome("x1"))
        waiting.cancel()
    assert [one["exchange_id"] for one in read(path)] == ["x1"]


@KINDS
@pytest.mark.parametrize("when", ["before start", "after stop"])
async def test_a_log_that_is_not_open_refuses(path: Path, in_process: bool, when: str) -> None:
    log = make_log(path, in_process=in_process)
    if when == "after stop":
        await log.start()
        await log.stop()
    with pytest.raises(AuditUnavailable):
        await log.intend(intent())
    await log.stop()  # twice is no harm
    assert not log.broken.is_set()


@KINDS
async def test_a_log_that_was_closed_is_opened_on_its_last_checkpoint_a12(path: Path, in_process: bool) -> None:
    for number in range(3):
        async with started(path, in_process) as log:
            assert log.size == number + 1
    opened = [one.members for one in read_records(path, keys_of().provider)]
    assert [one.get("checkpoint_size") for one in opened] == [None, 1, 2]
    assert check(path).intact


@KINDS
async def test_a_broken_log_stops_the_start_and_the_bad_line_is_named_a12(path: Path, in_process: bool) -> None:
    write_log(path, entries(5))
    file = segment_path(path, 0)
    file.write_bytes(file.read_bytes().replace(b'"seq":7', b'"seq":8'))
    with pytest.raises(ConfigError, match="record 7"):
        await make_log(path, in_process=in_process).start()
    file.write_bytes(file.read_bytes().replace(b'"seq":8', b'"seq":7', 1))
    async with started(path, in_process):  # the lock was released
        pass


@KINDS
async def test_a_full_disk_refuses_and_recovers_by_itself_a4_a34(tmp_path: Path, in_process: bool) -> None:
    metrics = Metrics()
    with small_tmpfs(tmp_path / "disk") as disk:
        filler = disk / "filler"
        filler.write_bytes(bytes(20_000))
        async with started(disk / "audit", in_process, metrics=metrics) as log:
            written = await fill(log)
            assert written > 10
            assert not log.healthy
            assert metric(metrics, "sidecar_audit_healthy") == 0
            assert metric(metrics, "sidecar_audit_write_failures_total") == 1
            for _ in range(4):
                with pytest.raises(AuditUnavailable):
                    await log.intend(intent("again"))
            with pytest.raises(AuditUnavailable):
                await log.conclude(outcome("x0"))
            filler.unlink()
            await until(lambda: log.healthy)  # without anybody asking: a pod out of service gets no requests
            assert metric(metrics, "sidecar_audit_healthy") == 1
            await log.intend(intent("after"))
        assert check(disk / "audit").intact
        *before, recovered, kept, after = read(disk / "audit")
    assert recovered == {"action": Action.LOG_RECOVERED, "count": 5, "phase": "event", "reason": "write_failed"}
    # What had happened before the disk filled up is told as soon as it can be.
    assert [(one["phase"], one["exchange_id"]) for one in (*before, kept, after)] == [
        *(("intent", f"x{number}") for number in range(written)),
        ("outcome", "x0"),
        ("intent", "after"),
    ]


@KINDS
async def test_a_disk_that_hangs_is_bounded_by_the_deadline_a5(tmp_path: Path, in_process: bool) -> None:
    with loop_file_system(tmp_path / "image", tmp_path / "disk") as disk:
        metrics = Metrics()
        limits = {"deadline_seconds": 3.0, "pending_limit": 10, "metrics": metrics}
        async with started(disk / "audit", in_process, **limits) as log:
            with frozen(disk):
                results = await asyncio.gather(
                    *(log.intend(intent(f"x{number}")) for number in range(40)), return_exceptions=True
                )
                assert {str(one) for one in results} == {
                    "the audit record was not durable in time",
                    "too many audit records wait to be written",
                }
                await until(lambda: not log.healthy)
                assert metric(metrics, "sidecar_audit_write_failures_total") == 40
            await until(lambda: log.healthy)
            await log.intend(intent("after"))
        assert check(disk / "audit").intact


@KINDS
async def test_tampering_is_noticed_without_traffic_and_nothing_is_written_any_more_a8(
    path: Path, in_process: bool
) -> None:
    async with started(path, in_process) as log:
        await log.intend(intent("x1"))
        copy = path.with_name("copy")
        segment_path(path, 0).rename(copy)
        await until(lambda: not log.healthy)
        for _ in range(2):
            with pytest.raises(AuditUnavailable):
                await log.intend(intent("x2"))
        left = copy.read_bytes()
    assert copy.read_bytes() == left
    assert not segment_path(path, 0).exists()


@KINDS
async def test_a_persons_links_are_erased_and_segments_dropped_while_it_writes_a24_a32(
    path: Path, in_process: bool
) -> None:
    write_log(path, entries(10), pace=Pace(segment_records=5))
    async with started(path, in_process, retention=Retention(timedelta(days=1))) as log:
        await until(lambda: not segment_path(path, 0).exists())
        person = "k1:" + "a" * 32
        await log.conclude(outcome("x1")._replace(conversations=(person,)))
        assert await log.count_links([person]) == 1
        assert await log.forget_subject([person]) == 1
        assert await log.count_links([person]) == 0
        await log.intend(intent("x2")._replace(conversation=PSEUDONYM))
        assert log.healthy
    assert check(path).intact


# -- what only a process can do --------------------------------------------------------------------------------------


async def test_a_writing_process_that_was_killed_refuses_everybody_and_says_so_a4(path: Path) -> None:
    metrics = Metrics()
    async with started(path, True, metrics=metrics) as log:
        await log.intend(intent("x1"))
        waiting = [log.intend(intent(f"y{number}")) for number in range(5)]
        writing_process().kill()
        results = await asyncio.gather(*waiting, return_exceptions=True)
        await asyncio.wait_for(log.broken.wait(), 30)
        assert not log.healthy
        assert metric(metrics, "sidecar_audit_healthy") == 0
        with pytest.raises(AuditUnavailable):
            await log.intend(intent("x2"))
    acknowledged = {f"y{number}" for number, one in enumerate(results) if one is None} | {"x1"}
    assert acknowledged <= {one["exchange_id"] for one in read(path)}
    async with started(path, True):  # what it left is taken up
        pass
    assert check(path).intact


async def test_a_writing_process_does_not_stop_before_the_sidecar_does(path: Path) -> None:
    """A supervisor signals all processes; the sidecar has records until it has drained."""
    async with started(path, True) as log:
        pid = writing_process().pid
        assert pid is not None
        for number in (signal.SIGTERM, signal.SIGINT):
            os.kill(pid, number)
        await log.intend(intent("x1"))
    assert [one["exchange_id"] for one in read(path)] == ["x1"]
    assert not [one for one in multiprocessing.active_children() if one.name == CHILD]


async def test_another_event_loop_is_refused_by_a_writing_process_and_not_half_served(path: Path) -> None:
    async def elsewhere() -> None:
        await log.intend(intent("x2"))

    async with started(path, True) as log:
        with pytest.raises(AuditUnavailable, match="one event loop alone"):
            await asyncio.to_thread(asyncio.run, elsewhere())
        await log.intend(intent("x1"))
    assert [one["exchange_id"] for one in read(path)] == ["x1"]


async def test_a_second_process_on_the_same_log_is_refused(path: Path) -> None:
    async with started(path, True):
        with pytest.raises(ConfigError, match="another process writes to this log"):
            await make_log(path, in_process=True).start()


def test_a_bug_in_the_writing_process_is_told_by_kind_and_place_alone(
    path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """multiprocessing would print a traceback, with whatever an exception quotes."""
    ours, theirs = socket.socketpair()
    arguments = (theirs, AuditSettings(path), keys_of, ())
    process = multiprocessing.get_context("spawn").Process(target=serve, args=arguments)
    process.start()
    theirs.close()
    with ours:
        ours.sendall(packed(Say.RECORDS, [("anna@example.org",)]))
        process.join(60)
    assert process.exitcode == 1
    said = capfd.readouterr().err
    assert "ended by a bug: ValueError at " in said
    assert "Traceback" not in said


def test_a_sidecar_that_is_killed_loses_nothing_acknowledged_and_starts_again_at_once_a2_a33(path: Path) -> None:
    command = [sys.executable, "-m", "tests.audit.program", "flood-process", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        told = [program.stdout.readline().strip() for _ in range(200)]
        program.send_signal(signal.SIGKILL)
        told += program.stdout.read().split("\n")[:-1]

    async def restart() -> None:
        async with started(path, True):
            pass

    asyncio.run(restart())
    assert set(told) <= {one["exchange_id"] for one in read(path)}
    assert check(path).intact
