"""How records are gathered before they are handed to the writer (A2, A5)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from sidecar.audit.fields import Halves
from sidecar.audit.outbox import FULL, OVERDUE, Outbox
from sidecar.audit.scribe import IfRefused
from sidecar.audit.writer import Haste, Pending
from sidecar.errors import AuditUnavailable
from sidecar.metrics import Metrics


class Taker:
    """Stands where a writer does: keeps what it is handed, and takes so many of each handful."""

    def __init__(self, most: int = 1000) -> None:
        self.handfuls: list[tuple[list[bytes], Haste]] = []
        self._most = most

    def __call__(self, records: Sequence[Pending], haste: Haste) -> int:
        self.handfuls.append(([one.halves.facts for one in records], haste))
        return min(self._most, len(records))


def put(outbox: Outbox, number: int, haste: Haste = Haste.AT_ONCE) -> asyncio.Future[None]:
    return outbox.put(Halves(b"%d" % number, b"{}"), IfRefused.DROP, haste)


async def handed_over(taker: Taker, count: int) -> None:
    async with asyncio.timeout(60):
        while sum(len(records) for records, _ in taker.handfuls) < count:  # noqa: ASYNC110 - nothing else tells
            await asyncio.sleep(0)


async def test_records_are_gathered_while_each_turn_brings_more() -> None:
    taker = Taker()
    outbox = Outbox(taker, 30.0, Metrics())
    for number in range(3):
        put(outbox, number, Haste.WITH_THE_NEXT if number else Haste.AT_ONCE)
        assert not taker.handfuls
        await asyncio.sleep(0)
    await handed_over(taker, 3)
    assert taker.handfuls == [([b"0", b"1", b"2"], Haste.AT_ONCE)]


async def test_a_record_alone_waits_for_one_turn_that_brings_none() -> None:
    taker = Taker()
    put(Outbox(taker, 30.0, Metrics()), 1)
    for _ in range(3):
        await asyncio.sleep(0)
    assert [records for records, _ in taker.handfuls] == [[b"1"]]


async def test_however_many_come_none_is_held_back_for_long_and_all_stay_in_order_a5() -> None:
    taker = Taker()
    outbox = Outbox(taker, 30.0, Metrics())
    for number in range(500):
        put(outbox, number)
        await asyncio.sleep(0)
        assert sum(len(records) for records, _ in taker.handfuls) >= number - 64
    await handed_over(taker, 500)
    assert [one for records, _ in taker.handfuls for one in records] == [b"%d" % number for number in range(500)]


async def test_what_is_handed_over_early_is_not_handed_over_twice() -> None:
    taker = Taker()
    outbox = Outbox(taker, 30.0, Metrics())
    put(outbox, 1)
    outbox.hand_over()
    put(outbox, 2)
    await handed_over(taker, 2)
    for _ in range(5):
        await asyncio.sleep(0)
    assert [records for records, _ in taker.handfuls] == [[b"1"], [b"2"]]


async def test_what_finds_no_room_and_what_is_not_settled_in_time_is_refused_a4_a5() -> None:
    outbox = Outbox(Taker(most=1), 0.05, Metrics())
    results = await asyncio.gather(put(outbox, 1), put(outbox, 2), return_exceptions=True)
    assert [str(one) for one in results] == [OVERDUE, FULL]
    assert {type(one) for one in results} == {AuditUnavailable}


async def test_a_caller_that_was_cancelled_is_left_alone() -> None:
    outbox = Outbox(Taker(most=0), 30.0, Metrics())
    waiting = put(outbox, 1)
    waiting.cancel()
    outbox.hand_over()
    with pytest.raises(asyncio.CancelledError):
        await waiting
