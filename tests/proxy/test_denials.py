"""A1, P58: a flood of denied requests fills no disk, and nothing of it goes unrecorded."""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from sidecar.audit.denials import DenialLimits, Denials
from sidecar.audit.record import Action, Event, Intent, Outcome
from tests.proxy.rig import AUTH, Rig, answering, running

Contexts = tuple[ssl.SSLContext, ssl.SSLContext]

FEW = DenialLimits(per_minute=3, in_all_per_minute=5, interval_seconds=0.2)
STRANGER = b"GET /api/x HTTP/1.1\r\nHost: a\r\n\r\n"
MALFORMED = b"GET /api/x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"


def stands_still() -> float:
    """No allowance grows while a test takes its time."""
    return 0.0


async def ask(rig: Rig, raw: bytes) -> int:
    client = await rig.connect()
    try:
        client.writer.write(raw)
        return (await client.answer()).status
    finally:
        await client.close()


async def _until_events(rig: Rig, count: int) -> None:
    async with asyncio.timeout(60):
        while len(rig.audit.events) < count:  # noqa: ASYNC110 - the audit log of these tests tells nobody
            await asyncio.sleep(0.02)


def counted(events: list[Event]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for event in events:
        assert event.action is Action.DENIALS_COUNTED
        if event.count is not None:
            counts[event.reason or ""] += event.count
    return counts


async def test_A1_a_flood_of_denials_is_recorded_one_by_one_and_then_counted(contexts: Contexts) -> None:
    async with running(answering(), contexts, denials=FEW, clock=stands_still) as rig:
        statuses = [await ask(rig, STRANGER) for _ in range(10)]
        assert statuses == [401] * 3 + [429] * 7
        assert rig.audit.events[0] == Event(Action.DENIALS_COUNTED, reason="begun")
        assert (await rig.get()).status == 200  # who may do so is served all the while
        await rig.exchange.settle()
        assert (len(rig.audit.intents), len(rig.audit.outcomes)) == (4, 4)
        assert counted(rig.audit.events) == {"no_identity": 7}


async def test_P58_what_can_not_be_parsed_is_counted_by_its_own_reason(contexts: Contexts) -> None:
    async with running(answering(), contexts, denials=FEW, clock=stands_still) as rig:
        statuses = [await ask(rig, raw) for raw in (MALFORMED, STRANGER) * 4]
        assert statuses[3:] == [429] * 5
        await rig.exchange.settle()
        assert counted(rig.audit.events) == {"framing": 2, "no_identity": 3}


async def test_A1_each_interval_is_begun_before_the_first_denial_of_it_is_answered(contexts: Contexts) -> None:
    async with running(answering(), contexts, denials=FEW, clock=stands_still) as rig:
        for _ in range(3):
            await ask(rig, STRANGER)
        for number in range(2):
            assert await ask(rig, STRANGER) == 429
            await _until_events(rig, 2 * number + 2)
        assert [event.count for event in rig.audit.events] == [None, 1, None, 1]


async def test_A4_where_counting_can_not_be_recorded_nothing_is_counted_and_nobody_told_why(contexts: Contexts) -> None:
    async with running(answering(), contexts, denials=FEW, clock=stands_still) as rig:
        for _ in range(3):
            await ask(rig, STRANGER)
        rig.audit.full = True
        assert [await ask(rig, STRANGER) for _ in range(2)] == [503, 503]
        rig.audit.full = False
        assert await ask(rig, STRANGER) == 429
        await rig.exchange.settle()
        assert counted(rig.audit.events) == {"no_identity": 1}


async def test_denials_of_admitted_callers_do_not_keep_them_from_what_they_may(contexts: Contexts) -> None:
    async with running(answering(), contexts, denials=FEW, clock=stands_still) as rig:
        nowhere = b"GET /nowhere HTTP/1.1\r\nHost: a\r\n" + AUTH + b"\r\n"
        assert [await ask(rig, nowhere) for _ in range(5)] == [404] * 3 + [429] * 2
        assert (await rig.get()).status == 200


async def test_A1_a_flood_from_many_peers_leaves_a_few_records_that_add_up() -> None:
    kept: list[Event | Intent | Outcome] = []
    audit = _Listening(kept)
    denials = Denials(audit, FEW, stands_still)
    for number in range(1000):
        if denials.may_be_recorded(f"peer-{number % 7}"):
            await audit.intend(Intent(f"x{number}", Action.PROXY, "anonymous", "none"))
        else:
            await denials.count("no_identity")
    await denials.settle()
    assert len(kept) < 20
    assert sum(1 if isinstance(one, Intent) else getattr(one, "count", 0) or 0 for one in kept) == 1000


class _Listening:
    def __init__(self, kept: list[Event | Intent | Outcome]) -> None:
        self._kept = kept

    async def intend(self, intent: Intent) -> None:
        self._kept.append(intent)

    async def conclude(self, outcome: Outcome) -> None:
        self._kept.append(outcome)

    async def note(self, event: Event) -> None:
        await asyncio.sleep(0)
        self._kept.append(event)


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0, 30)), max_size=80))
def test_no_peer_gets_more_than_its_allowance_whatever_the_clock_does(asks: list[tuple[int, float]]) -> None:
    now = [0.0]
    limits = DenialLimits(per_minute=4, in_all_per_minute=1000)
    denials = Denials(_Listening([]), limits, lambda: now[0])
    taken: Counter[int] = Counter()
    for peer, step in asks:
        now[0] += step
        taken[peer] += denials.may_be_recorded(str(peer))
    assert all(count <= 4 + 4 * now[0] / 60 for count in taken.values())


def test_the_table_of_peers_is_bounded() -> None:
    denials = Denials(_Listening([]), DenialLimits(per_minute=1, in_all_per_minute=10**6, peers=10))
    assert all(denials.may_be_recorded(str(number)) for number in range(1000))
    assert len(denials._peers) == 10
