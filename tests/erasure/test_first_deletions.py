"""Who is deleted late because nobody asked earlier is no late writer, and is looked at once more, too (E12, E27)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sidecar.stores.erasure_second_looks import history
from tests.erasure.test_second_look import latest
from tests.erasure.world import CANARY, Clock, World, http_target, receipt_body, world
from tests.targets.upstream import Upstream, running_upstream, target_mapping

DAY = timedelta(days=1)
SECOND = datetime(2025, 3, 2, 12, tzinfo=UTC)
METRIC = "sidecar_erasure_late_writers_total"


@asynccontextmanager
async def added_after(folder: Path, hours: float) -> AsyncIterator[tuple[World, Upstream, Upstream]]:
    """A start with ``new``, which has held the person all along, so long after ``old`` was found gone."""
    clock = Clock()
    async with running_upstream() as first, running_upstream() as second:
        first.customers[CANARY] = second.customers[CANARY] = 1
        old, new = (
            http_target(name, target_mapping(one.url), clock) for name, one in (("old", first), ("new", second))
        )
        async with world(folder / "state.db", [old], clock, second_look=DAY) as w:
            await w.submit()
            await w.settle()
            assert await w.state() == "confirming"
        clock.advance(hours=hours)
        async with world(folder / "state.db", [old, new], clock, second_look=DAY, webhooks=("desk",)) as w:
            await w.worker.recover()
            await w.settle()
            assert second.customers == {}
            yield w, first, second


def late_writers(w: World) -> float | None:
    return w.metrics.registry.get_sample_value(METRIC)


@pytest.mark.parametrize("hours", [1, 23, 24, 30])
async def test_E12_E27_a_target_that_was_added_is_no_late_writer_and_has_its_own_second_look(
    tmp_path: Path, hours: float
) -> None:
    async with added_after(tmp_path, hours) as (w, first, second):
        assert (second.count("DELETE"), second.count("GET")) == (1, 1)
        for _ in range(23):  # hour by hour until a day after its first end
            w.clock.advance(hours=1)
            await w.settle()
            assert await w.state() == "confirming"
        w.clock.advance(hours=1)
        await w.settle()
        assert await w.state() == "completed"
        final = receipt_body(await latest(w))
        looked = {one["target"]: one["verified_time"] for one in final["targets"]}
        assert datetime.fromisoformat(looked["new"]) == w.clock()
        assert (first.count("DELETE"), second.count("DELETE")) == (1, 1)
        assert late_writers(w) == 0
        due = await w.stores.notices.lease(w.clock(), w.clock() + DAY, 99)
        assert not [one for one in due if b"late_writer" in one.payload]


async def test_E27_a_late_writer_in_a_target_that_was_added_is_one(tmp_path: Path) -> None:
    async with added_after(tmp_path, 30) as (w, _, second):
        second.customers[CANARY] = 1
        w.clock.advance(hours=24)
        await w.settle()
        w.clock.advance(hours=1)
        await w.settle()
        assert (second.customers, late_writers(w), await w.state()) == ({}, 1, "confirming")
        w.clock.advance(hours=24)
        await w.settle()
        assert (late_writers(w), await w.state()) == (1, "completed")


@dataclass
class Told:
    step: str
    status: str
    at: datetime


BEFORE, AFTER = SECOND - timedelta(hours=5), SECOND + timedelta(hours=1)
DELETED, GONE, PRESENT = ("delete", "deleted"), ("verify", "gone"), ("verify", "present")


@pytest.mark.parametrize(
    ("told", "gone_at", "came_back"),
    [
        ([], None, False),
        ([(DELETED, BEFORE), (GONE, BEFORE)], BEFORE, False),
        ([(DELETED, BEFORE), (GONE, BEFORE), (GONE, AFTER)], BEFORE, False),  # the first time counts
        ([(DELETED, BEFORE), (GONE, BEFORE), (PRESENT, AFTER), (DELETED, AFTER), (GONE, AFTER)], AFTER, True),
        ([(DELETED, BEFORE), (GONE, BEFORE), (PRESENT, BEFORE), (DELETED, BEFORE), (GONE, BEFORE)], BEFORE, False),
        ([(DELETED, AFTER), (GONE, AFTER)], AFTER, False),  # added, or held until then
        ([(DELETED, AFTER), (PRESENT, AFTER), (DELETED, AFTER), (GONE, AFTER)], AFTER, False),  # slow, or failed
        ([(DELETED, BEFORE), (GONE, BEFORE), (DELETED, AFTER), (PRESENT, AFTER), (GONE, AFTER)], AFTER, False),  # ours
        ([(DELETED, BEFORE), (GONE, BEFORE), (("verify", "failed"), AFTER), (GONE, AFTER)], BEFORE, False),
        ([(DELETED, BEFORE), (GONE, BEFORE), (PRESENT, AFTER)], None, False),  # counted once it is gone
    ],
)
def test_E27_what_the_evidence_tells(
    told: list[tuple[tuple[str, str], datetime]], gone_at: datetime | None, came_back: bool
) -> None:
    found = history([Told(*one, at) for one, at in told], SECOND)
    assert (found.gone_at, found.came_back) == (gone_at, came_back)
