"""Work that takes longer than anybody waits ends all the same, and is done once (A24, E48)."""

from __future__ import annotations

import asyncio
import errno
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from sidecar.audit.forgetting import Findings
from sidecar.audit.lasting import LastingWork
from sidecar.errors import AuditUnavailable
from tests.audit.samples import PSEUDONYM, check, make_log, outcome


class Work:
    """Ends when it is told to, and counts how often it was begun."""

    def __init__(self) -> None:
        self.begun, self.go_on, self.fails = 0, asyncio.Event(), False

    async def __call__(self) -> int:
        self.begun += 1
        await self.go_on.wait()
        if self.fails:
            raise AuditUnavailable("not now")
        return self.begun


@pytest.fixture
async def lasting() -> AsyncIterator[LastingWork]:
    lasting = LastingWork()
    yield lasting
    await lasting.stop()


async def impatient(lasting: LastingWork, work: Work) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await lasting.result("key", work)


async def test_whoever_asks_again_joins_what_is_under_way(lasting: LastingWork) -> None:
    work = Work()
    for _ in range(3):
        await impatient(lasting, work)
    both = [asyncio.create_task(lasting.result("key", work)) for _ in range(2)]
    await asyncio.sleep(0)
    work.go_on.set()
    assert await asyncio.gather(*both) == [1, 1]
    assert await lasting.result("key", work) == 2  # told once, it is done anew


async def test_what_ended_while_nobody_waited_is_told_to_who_comes_next(lasting: LastingWork) -> None:
    work = Work()
    await impatient(lasting, work)
    work.go_on.set()
    await asyncio.sleep(0.01)
    assert await lasting.result("key", work) == 1
    assert await lasting.result("other key", work) == 2


async def test_what_nobody_came_for_is_dropped(lasting: LastingWork) -> None:
    short, work = LastingWork(kept_seconds=0.0), Work()
    await impatient(short, work)
    work.go_on.set()
    await asyncio.sleep(0.01)
    assert await short.result("key", work) == 2


@pytest.mark.parametrize("waited", [True, False])
async def test_a_failure_is_told_to_those_who_wait_and_who_comes_later_tries_anew(
    lasting: LastingWork, waited: bool, caplog: pytest.LogCaptureFixture
) -> None:
    work = Work()
    work.fails = True
    await impatient(lasting, work)
    work.go_on.set()
    if waited:
        with pytest.raises(AuditUnavailable):
            await lasting.result("key", work)
    await asyncio.sleep(0.01)
    assert "a search broke off (not now)" in caplog.text
    work.fails = False
    assert await lasting.result("key", work) == 2


async def test_what_is_outdated_is_not_told_any_more(lasting: LastingWork) -> None:
    work = Work()
    await impatient(lasting, work)
    lasting.outdate("key")
    await impatient(lasting, work)
    work.go_on.set()
    assert await lasting.result("key", work) == 2


async def test_a_stop_ends_what_is_under_way(lasting: LastingWork) -> None:
    work = Work()
    waiting = asyncio.create_task(lasting.result("key", work))
    await asyncio.sleep(0)
    await lasting.stop()
    with pytest.raises(AuditUnavailable):
        await waiting


# -- the audit log's -----------------------------------------------------------------------------------------------


class Readings:
    """Counts how often a log is read for links, and has each reading wait for the gate."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count, self.gate, self.begun = 0, threading.Event(), threading.Event()
        self._read = Findings.read
        monkeypatch.setattr(Findings, "read", lambda findings, *arguments: self._slow(findings, *arguments))

    def _slow(self, findings: Findings, *arguments: Any) -> Findings:
        self.count += 1
        self.begun.set()
        assert self.gate.wait(60)
        return self._read(findings, *arguments)


async def test_links_are_erased_and_counted_though_nobody_waits_as_long_as_the_log_is_read_a24_e48(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An attempt of an erasure may take four minutes; a log of years takes longer."""
    readings = Readings(monkeypatch)
    log = make_log(tmp_path / "audit")
    await log.start()
    await log.conclude(outcome("x1"))
    for ask, found in ((log.count_links, 1), (log.forget_subject, 1), (log.count_links, 0)):
        readings.gate.clear()
        before = readings.count
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await ask([PSEUDONYM])
        readings.gate.set()
        assert await ask([PSEUDONYM]) == found
        assert readings.count == before + 1
    await log.stop()
    assert check(tmp_path / "audit").intact


async def test_those_who_ask_while_the_log_is_read_share_the_next_reading_a24_e48(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reading for each request would never catch up with a long log."""
    readings = Readings(monkeypatch)
    log = make_log(tmp_path / "audit")
    await log.start()
    people = [f"k1:{number:032x}" for number in range(20)]
    for number, person in enumerate(people):
        await log.conclude(outcome(f"x{number}")._replace(conversations=(person,)))
    first = asyncio.create_task(log.forget_subject(people[:1]))
    assert await asyncio.to_thread(readings.begun.wait, 60)
    others = [asyncio.create_task(ask([person])) for person in people for ask in (log.forget_subject, log.count_links)]
    await asyncio.sleep(0)
    readings.gate.set()
    assert await first == 1
    assert set(await asyncio.gather(*others[2:])) == {1, 0}  # forgotten, and none of them left
    assert readings.count == 2
    assert await asyncio.gather(*others[2::2]) == [1] * 19
    await log.stop()
    assert check(tmp_path / "audit").intact


async def test_one_reading_that_fails_fails_for_all_who_shared_it_and_they_may_ask_again_a24(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> Findings:
        raise OSError(errno.EIO, "no")

    log = make_log(tmp_path / "audit")
    await log.start()
    await log.conclude(outcome("x1"))
    with monkeypatch.context() as patch:
        patch.setattr(Findings, "read", broken)
        asked = await asyncio.gather(
            log.forget_subject([PSEUDONYM]), log.count_links(["k1:" + "9" * 32]), return_exceptions=True
        )
    assert [type(one) for one in asked] == [AuditUnavailable] * 2
    assert await log.forget_subject([PSEUDONYM]) == 1
    await log.stop()


async def test_what_was_counted_before_links_were_erased_is_not_told_after_a24(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = make_log(tmp_path / "audit")
    await log.start()
    await log.conclude(outcome("x1"))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await log.count_links([PSEUDONYM])
    assert await log.forget_subject([PSEUDONYM]) == 1
    assert await log.count_links([PSEUDONYM]) == 0
    await log.stop()


async def test_a_stop_does_not_wait_for_the_log_to_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reading, ended = threading.Event(), threading.Event()

    def endless(_findings: Findings, _folder: Path, _keys: object, go_on: Callable[[], None]) -> None:
        try:
            while True:
                go_on()
                reading.set()
        finally:
            ended.set()

    monkeypatch.setattr(Findings, "read", endless)
    log = make_log(tmp_path / "audit")
    await log.start()
    waiting = asyncio.create_task(log.count_links([PSEUDONYM]))
    assert await asyncio.to_thread(reading.wait, 60)
    await log.stop()
    assert await asyncio.to_thread(ended.wait, 60)
    with pytest.raises(AuditUnavailable):
        await waiting
