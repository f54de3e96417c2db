"""The host's clock may jump by a month: leases and waits do not (E35)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from inspect import Parameter, signature
from pathlib import Path

import pytest

from sidecar.audit.record import Action, Event
from sidecar.erasure.api import ErasureParts
from sidecar.erasure.epochs import Epochs
from sidecar.erasure.manual_api import ManualParts
from sidecar.erasure.manual_reminder import ManualReminder
from sidecar.erasure.notices import NoticeSender
from sidecar.erasure.opendsr_api import OpenDsrParts
from sidecar.erasure.resolution_api import ResolutionParts
from sidecar.erasure.restores import RestoreWatch
from sidecar.erasure.steady import ClockWatch, SteadyClock
from sidecar.erasure.suppressing import Suppressing
from sidecar.subject_keys.keeper import SubjectKeys
from sidecar.subject_keys.kms import FileKms
from tests.erasure.test_leases import LEASE
from tests.erasure.world import START, Clock, body, http_target, world
from tests.targets.upstream import running_upstream, target_mapping

MONTH = timedelta(days=30)


class Counter:
    """A monotonic counter that the test turns."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.mark.parametrize("jump", [MONTH, -MONTH])
def test_E35_what_has_passed_is_what_the_counter_says(jump: timedelta) -> None:
    wall, counter = Clock(), Counter()
    clock = SteadyClock(wall, counter)
    wall.now += jump
    counter.seconds = 90
    assert clock() == START + timedelta(seconds=90)
    assert clock.jump() == jump - timedelta(seconds=90)
    assert clock.jump() is None  # told once
    wall.now -= jump
    assert clock.jump() == -jump


def test_E35_a_little_drift_is_no_jump() -> None:
    wall, counter = Clock(), Counter()
    clock = SteadyClock(wall, counter)
    counter.seconds = 59
    assert clock.jump() is None


@pytest.mark.parametrize("jump", [MONTH, -MONTH])
async def test_E35_a_lease_lasts_as_long_as_it_was_given_for_whatever_the_host_says(
    database_url: str, jump: timedelta
) -> None:
    wall, counter = Clock(), Counter()
    clock = SteadyClock(wall, counter)
    async with running_upstream() as upstream:
        targets = [http_target("crm", target_mapping(upstream.url), wall)]
        async with world(database_url, targets, wall) as w:
            await w.submit()
            assert (await w.stores.tasks.lease("crm", "one", clock(), clock() + LEASE, 9)).tasks
            wall.now += jump
            assert (await w.stores.tasks.lease("crm", "two", clock(), clock() + LEASE, 9)).tasks == ()
            counter.seconds = LEASE.total_seconds() + 1
            assert (await w.stores.tasks.lease("crm", "two", clock(), clock() + LEASE, 9)).tasks
            assert (await w.view()).legal_at == datetime(2025, 4, 1, 23, 59, 59, tzinfo=UTC)


async def test_E35_a_jump_is_recorded_and_counted_and_the_database_tells_the_time(database_url: str) -> None:
    wall, counter = Clock(datetime.now(UTC)), Counter()
    clock = SteadyClock(wall, counter)
    async with world(database_url, [http_target("crm", target_mapping("https://crm.example"), wall)], wall) as w:
        watch = ClockWatch(clock, w.database, w.ledger, w.metrics)
        await watch.look()
        assert w.ledger.entries == []
        wall.now += MONTH
        await watch.look()
        (event,) = w.ledger.entries
        assert isinstance(event, Event)
        assert event.action is Action.CLOCK_JUMPED
        assert event.count is not None
        assert abs(event.count - MONTH.total_seconds()) < 120
        assert abs(clock() - datetime.now(UTC)) < timedelta(minutes=2)
        assert w.metrics.registry.get_sample_value("sidecar_erasure_clock_jumps_total") == 1


async def test_E35_received_times_are_the_hosts_and_deadlines_follow_them(tmp_path: Path) -> None:
    wall = Clock()
    async with world(tmp_path / "state.db", [http_target("crm", target_mapping("https://a.example"), wall)], wall) as w:
        await w.submit()
        wall.now += MONTH
        await w.submit(body())  # the same again: nothing moves
        assert (await w.view()).received_at == START


@pytest.mark.parametrize(
    "part",
    [
        Epochs, ErasureParts, FileKms, ManualParts, ManualReminder, NoticeSender, OpenDsrParts, ResolutionParts,
        RestoreWatch, SubjectKeys, Suppressing,
    ],
)  # fmt: skip
def test_E35_no_part_goes_by_the_hosts_clock_because_nobody_gave_it_another(part: type) -> None:
    """One that does orders work for a day that the worker does not come to, or counts people as forgotten too soon."""
    assert signature(part).parameters["clock"].default is Parameter.empty
