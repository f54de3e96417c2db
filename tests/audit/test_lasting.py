"""Work that takes longer than anybody waits ends all the same, and is done once (A24, E48)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sidecar.audit import log as log_module
from sidecar.audit.forgetting import Linked, find_links
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


async def test_links_are_erased_and_counted_though_nobody_waits_as_long_as_the_log_is_read_a24_e48(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An attempt of an erasure may take four minutes; a log of years takes longer."""
    gate, searches = threading.Event(), 0

    def slow(*arguments: Any) -> Iterator[Linked]:
        nonlocal searches
        searches += 1
        assert gate.wait(60)
        yield from find_links(*arguments)

    monkeypatch.setattr(log_module, "find_links", slow)
    log = make_log(tmp_path / "audit")
    await log.start()
    await log.conclude(outcome("x1"))
    for ask, found in ((log.count_links, 1), (log.forget_subject, 1), (log.count_links, 0)):
        gate.clear()
        before = searches
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await ask([PSEUDONYM])
        gate.set()
        assert await ask([PSEUDONYM]) == found
        assert searches == before + 1
    await log.stop()
    assert check(tmp_path / "audit").intact


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

    def endless(*arguments: Any) -> Iterator[Linked]:
        go_on: Callable[[], None] = arguments[-1]
        try:
            while True:
                go_on()
                reading.set()
        finally:
            ended.set()
        yield

    monkeypatch.setattr(log_module, "find_links", endless)
    log = make_log(tmp_path / "audit")
    await log.start()
    waiting = asyncio.create_task(log.count_links([PSEUDONYM]))
    assert await asyncio.to_thread(reading.wait, 60)
    await log.stop()
    assert await asyncio.to_thread(ended.wait, 60)
    with pytest.raises(AuditUnavailable):
        await waiting
