"""The log as it should run: durable, ordered, complete, under many hands (A1, A2, A16, A17)."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
import threading
from base64 import b64decode
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sidecar.audit.appender import Pace
from sidecar.audit.completeness import Completeness
from sidecar.audit.keyfile import unlock_keys
from sidecar.audit.keyring import WrapContext
from sidecar.audit.log import AuditLog
from sidecar.audit.opening import StartCheck
from sidecar.audit.reader import read_records, read_segment
from sidecar.audit.record import Action, Event
from sidecar.audit.settings import AuditSettings
from sidecar.audit.store import key_path, numbers, segment_path
from sidecar.errors import ConfigError
from sidecar.metrics import Metrics
from tests.audit.samples import (
    ORIGIN,
    START,
    check,
    entries,
    intent,
    keys_of,
    make_log,
    metric,
    outcome,
    read,
    write_log,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit"


def found(path: Path) -> Completeness:
    completeness = check(path).completeness
    assert completeness is not None
    return completeness


async def test_an_exchange_is_an_intent_and_an_outcome_a1(path: Path) -> None:
    metrics = Metrics()
    log = make_log(path, metrics)
    await log.start()
    await log.intend(intent("x1"))
    assert [one["phase"] for one in read(path)] == ["intent"]
    await log.conclude(outcome("x1"))
    await log.stop()
    assert [one["exchange_id"] for one in read(path)] == ["x1", "x1"]
    assert check(path).intact
    assert found(path).complete
    assert metric(metrics, "sidecar_audit_records_total") == 1 + 2


async def test_the_log_is_for_its_owner_only(path: Path) -> None:
    log = make_log(path)
    await log.start()
    await log.stop()
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert {stat.S_IMODE(one.stat().st_mode) for one in path.iterdir()} == {0o600}


@pytest.mark.parametrize("start_check", StartCheck)
async def test_a_restart_continues_the_same_log_on_its_last_checkpoint_a12(path: Path, start_check: StartCheck) -> None:
    for number in range(3):
        log = AuditLog(AuditSettings(path, deadline_seconds=30, start_check=start_check), keys_of(), Metrics())
        await log.start()
        await log.note(Event(Action.START))
        assert log.size == 2 * number + 2
        await log.stop()
        report = check(path)
        assert report.intact
        assert report.records == 2 * number + 2
    opened = [one.members for one in read_records(path, keys_of().provider)][::2]
    assert [one.get("checkpoint_size") for one in opened] == [None, 2, 4]


async def test_no_two_segments_share_a_key_and_no_two_records_a_nonce_across_restarts_a27(path: Path) -> None:
    for _ in range(3):
        log = make_log(path, pace=Pace(segment_records=4))
        await log.start()
        await asyncio.gather(*(log.intend(intent(f"x{number}")) for number in range(10)))
        await log.stop()
    keys, nonces = set(), set()
    for number in numbers(path):
        opened = unlock_keys(key_path(path, number).read_bytes(), keys_of().provider, WrapContext(ORIGIN, number))
        keys |= {opened.facts, *opened.links.values()}
        for one in read_segment(path, number):
            nonces |= {(opened.facts, b64decode(one.record.facts)[:12])}
    assert len(keys) == 2 * len(numbers(path))
    assert len(nonces) == sum(1 for _ in read_records(path)) == 33


async def test_a_check_of_recent_segments_reads_these_only_and_still_finds_a_break_there(path: Path) -> None:
    write_log(path, entries(30), pace=Pace(segment_records=20))
    settings = AuditSettings(path, deadline_seconds=30, start_check=StartCheck.RECENT)
    newest = segment_path(path, 3)
    whole = newest.read_bytes()
    newest.write_bytes(whole.replace(b'"seq":60', b'"seq":69'))
    with pytest.raises(ConfigError, match="record 60"):
        await AuditLog(settings, keys_of(), Metrics()).start()
    newest.write_bytes(whole)
    oldest = segment_path(path, 0)
    oldest.write_bytes(oldest.read_bytes().replace(b'"seq":7', b'"seq":8'))
    log = AuditLog(settings, keys_of(), Metrics())
    await log.start()  # the break lies before
    await log.stop()
    with pytest.raises(ConfigError, match="record 7"):
        await AuditLog(AuditSettings(path, deadline_seconds=30), keys_of(), Metrics()).start()


def _program(name: str, path: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.audit.program", name, str(path)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_killed_after_the_first_byte_the_intent_is_there_a2(path: Path) -> None:
    with _program("first-byte", path) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "byte\n"
        program.send_signal(signal.SIGKILL)
    assert [one["exchange_id"] for one in read(path)] == ["x1"]
    assert check(path).intact
    assert found(path).examples == ("x1",)


@pytest.mark.parametrize("after", [1, 50, 200])
def test_killed_in_a_flood_nothing_acknowledged_is_lost_a2_a33(path: Path, after: int) -> None:
    with _program("flood", path) as program:
        assert program.stdout is not None
        acknowledged = [program.stdout.readline().strip() for _ in range(after)]
        program.send_signal(signal.SIGKILL)
        acknowledged += program.stdout.read().split()
    asyncio.run(_restart(path))
    assert check(path).intact
    recorded = {one.get("exchange_id") for one in read(path)}
    assert recorded.issuperset(one for one in acknowledged[:-1])  # the last may be a torn print


async def _restart(path: Path) -> None:
    log = make_log(path)
    await log.start()
    await log.stop()


def test_many_threads_and_tasks_write_one_chain_a16(path: Path) -> None:
    metrics = Metrics()
    asyncio.run(_many(path, metrics, threads=8, tasks=16, each=5))
    report = check(path)
    assert report.intact
    assert found(path).complete
    assert report.records == 1 + 8 * 16 * 5 * 2 == metric(metrics, "sidecar_audit_records_total")
    ids = [one["exchange_id"] for one in read(path)]
    assert len(set(ids)) * 2 == len(ids)


async def _many(path: Path, metrics: Metrics, threads: int, tasks: int, each: int) -> None:
    log = make_log(path, metrics)
    await log.start()

    async def exchanges(name: str) -> None:
        for number in range(each):
            await log.intend(intent(f"{name}-{number}"))
            await log.conclude(outcome(f"{name}-{number}"))

    async def in_one_thread(thread: int) -> None:
        await asyncio.gather(*(exchanges(f"t{thread}-{task}") for task in range(tasks)))

    workers = [threading.Thread(target=asyncio.run, args=(in_one_thread(number),)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        await asyncio.to_thread(worker.join)
    await log.stop()


def test_replicas_of_many_threads_lose_nothing_and_raise_no_false_alarm_a16(tmp_path: Path) -> None:
    """With AUDIT_FULL_SIZE=1: 4 replicas × 8 threads × 10,000 records."""
    records = 10_000 if os.environ.get("AUDIT_FULL_SIZE") else 200
    paths = [tmp_path / f"pod-{number}" for number in range(4)]
    programs = [
        subprocess.Popen([sys.executable, "-m", "tests.audit.program", "replica", str(path), "8", str(records)])
        for path in paths
    ]
    assert [one.wait() for one in programs] == [0] * 4
    for path in paths:
        report = check(path, keys_of(f"replica/{path.name}"))
        assert report.intact
        assert report.records == 1 + 8 * records
        assert report.completeness == Completeness()


async def test_a_clock_set_back_is_recorded_and_times_never_go_backwards_a17(path: Path) -> None:
    hour = timedelta(hours=1)
    second = timedelta(seconds=1)
    moments: Iterator[Any] = iter([START, START, START - hour, START - hour + second, START + second])
    log = AuditLog(AuditSettings(path, deadline_seconds=30), keys_of(), Metrics(), clock=lambda: next(moments))
    await log.start()
    for number in range(4):
        await log.intend(intent(f"x{number}"))
    await log.stop()
    records = read(path)
    assert [one["action"] for one in records] == ["proxy", "clock_stepped_back", "proxy", "proxy", "proxy"]
    assert records[1]["count"] == 3600
    times = [one.time for one in read_records(path)]
    assert times == sorted(times)
    assert times[-1].startswith("2026-03-01T09:00:01.")
