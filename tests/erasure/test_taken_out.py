"""What is to be done once more in a system that was taken out of the configuration is for people, never for ever (E12).

Nobody runs such a task: left to be run it would keep its request open without an end and without an alert. And whoever
is erased once more is erased from every system that is configured then.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, select

from sidecar.erasure.hold import Hold, HoldGround
from sidecar.keys import MasterKey, Purpose
from sidecar.stores.erasure_replays import replay_target
from sidecar.stores.erasure_resolutions import Resolution, ResolutionGround, Resolutions
from sidecar.stores.erasure_tables import requests
from sidecar.stores.seal import Seal
from sidecar.targets.target import Target
from tests.erasure.test_backups import SET, backed_up
from tests.erasure.test_suppressing import read, suppressing
from tests.erasure.world import CANARY, ID, OTHER_ID, Clock, World, body, http_target, receipt_body, world
from tests.targets.upstream import Upstream, running_upstream, target_mapping

DAY = timedelta(days=1)


@dataclass
class Systems:
    """An old system that is taken out, and one that stays; both have the person."""

    database_url: str
    upstream: Upstream
    added: Upstream
    clock: Clock = field(default_factory=Clock)

    def configured(self, *names: str) -> Sequence[Target]:
        urls = {"old": self.upstream.url, "new": self.added.url}
        return [http_target(name, target_mapping(urls[name]), self.clock) for name in names]

    @asynccontextmanager
    async def started(self, *names: str, look: timedelta = timedelta()) -> AsyncIterator[World]:
        async with world(self.database_url, self.configured(*names), self.clock, second_look=look) as w:
            await w.worker.recover()
            yield w


@pytest.fixture
async def systems(database_url: str) -> AsyncIterator[Systems]:
    async with running_upstream() as upstream, running_upstream() as added:
        upstream.customers[CANARY] = added.customers[CANARY] = 1
        yield Systems(database_url, upstream, added)


async def is_seen(w: World) -> None:
    """An erased person turns up in traffic."""
    keeper, suppression = suppressing(w)
    await keeper.pass_once()
    read(suppression)
    await keeper.pass_once()


async def is_left_to_people(w: World) -> None:
    """The old system is for people to resolve; once somebody does, the request ends with an exception."""
    await w.settle()
    assert (await w.outcomes())["old"] == "capability_unresolved"
    assert await w.state() == "needs_attention"
    task = next(one.id for one in (await w.view()).tasks if one.target == "old")
    said = Resolution("officer", ResolutionGround.SYSTEM_RETIRED, "ab" * 32)
    await Resolutions(w.database).resolve(ID, task, said, w.clock())
    for _ in range(3):
        await w.settle()
        w.clock.advance(hours=25)
    await w.settle()
    assert await w.state() == "ended_with_exceptions"


async def test_E12_E27_who_turns_up_again_is_for_people_where_their_system_was_taken_out(systems: Systems) -> None:
    async with systems.started("old", "new") as w:
        await w.submit()
        await w.settle()
        assert await w.state() == "completed"
    async with systems.started("new") as w:
        await is_seen(w)
        await is_left_to_people(w)


async def test_E12_E27_so_it_is_before_the_second_look(systems: Systems) -> None:
    async with systems.started("old", "new", look=DAY) as w:
        await w.submit()
        await w.settle()
        assert await w.state() == "confirming"
    async with systems.started("new", look=DAY) as w:
        await is_seen(w)
        await is_left_to_people(w)


async def test_E12_E31_what_is_held_no_more_is_for_people_where_its_system_was_taken_out(systems: Systems) -> None:
    async with systems.started("old", "new") as w:
        await w.submit()
        placed = await w.stores.holds.place(ID, Hold(HoldGround.LEGAL_CLAIMS, "old"), w.clock())
        assert placed is not None
        await w.settle()
        assert await w.state() == "ended_with_exceptions"
    async with systems.started("new") as w:
        await w.stores.holds.release(ID, placed.id, w.clock())
        await is_left_to_people(w)


async def test_E12_E31_so_it_is_while_the_request_is_open(systems: Systems) -> None:
    async with systems.started("old", "new") as w:
        await w.submit()
        placed = await w.stores.holds.place(ID, Hold(HoldGround.LEGAL_CLAIMS, "old"), w.clock())
        assert placed is not None
    async with systems.started("new") as w:
        await w.stores.holds.release(ID, placed.id, w.clock())
        await is_left_to_people(w)


async def test_E12_E39_what_a_restore_brought_back_is_for_people(systems: Systems) -> None:
    """Another replica that has the system still notes its restore."""
    async with systems.started("old", "new") as w:
        await w.submit()
        await w.settle()
    async with systems.started("new") as w:
        await w.database.run(lambda connection: replay_target(connection, "old", None, w.clock()))
        await is_left_to_people(w)


async def test_E12_E37_a_backup_set_that_is_doubted_is_for_people(tmp_path: Path) -> None:
    async with backed_up(tmp_path) as (w, backups):
        await w.submit()
        await w.settle()
        backups.nights(16)
        await w.settle()
        assert await w.outcomes() == {SET: "verified_erased", "crm": "verified_erased"}
        crm = [one for one in w.targets if one.name == "crm"]
        async with world(tmp_path / "state.db", crm, w.clock) as later:
            await later.worker.recover()
            backups.upstream.customers[CANARY] = 1  # a late writer
            await is_seen(later)
            for _ in range(3):
                await later.settle()
                later.clock.advance(hours=1)
            assert await later.outcomes() == {SET: "capability_unresolved", "crm": "verified_erased"}
            assert await later.state() == "needs_attention"


async def test_E12_what_came_back_is_done_at_the_next_start(systems: Systems) -> None:
    async with systems.started("old", "new") as w:
        await w.submit()
        await w.settle()
    async with systems.started("new") as w:
        await is_seen(w)
        await w.settle()
        assert (await w.outcomes())["old"] == "capability_unresolved"
    async with systems.started("old", "new") as w:
        await w.settle()
        assert await w.state() == "completed"


async def test_E12_E39_a_replay_reaches_a_system_that_was_added_after_the_end(systems: Systems) -> None:
    async with systems.started("old") as w:
        await w.submit()
        await w.settle()
        assert await w.state() == "completed"
    async with systems.started("old", "new") as w:
        assert await w.stores.tasks.replay(w.clock()) == 1
        await w.settle()
        assert await w.outcomes() == {"old": "verified_no_data", "new": "verified_erased"}
        assert systems.added.customers == {}
        data = await w.stores.requests.receipt(ID)
        assert data is not None
        assert {one["target"] for one in receipt_body(data)["targets"]} == {"old", "new"}


async def test_E12_E39_nothing_is_signed_before_that_is_planned(systems: Systems) -> None:
    """The old system is quick, and the plan comes late: the receipt must not say that all is done."""
    async with systems.started("old") as w:
        await w.submit()
        await w.settle()
        first = await w.stores.requests.receipt(ID)
    async with systems.started("old", "new") as w:
        await w.stores.tasks.replay(w.clock())
        (old, *_) = w.targets
        for _ in range(3):
            await w.worker._drive(old)
            await w.worker._endings.make()
            w.clock.advance(seconds=20)
        assert await w.outcomes() == {"old": "verified_no_data"}
        assert await w.stores.requests.receipt(ID) == first
        await w.settle()
        w.clock.advance(seconds=20)
        await w.settle()
        assert await w.outcomes() == {"old": "verified_no_data", "new": "verified_erased"}
        assert await w.state() == "completed"


async def test_E12_a_replica_of_the_former_configuration_leaves_alone_what_others_planned(systems: Systems) -> None:
    """While a configuration is rolled out it knows nothing of the system that was added, and must not give it up."""
    async with systems.started("old") as w, systems.started("old", "new") as other:
        await other.submit()
        await other.submit(body(OTHER_ID))
        await w.settle()
        assert await other.outcomes() == {"old": "verified_erased", "new": "pending"}
        await other.settle()
        assert await other.state() == "completed"


async def test_E12_E39_a_replay_reaches_who_was_accepted_by_a_replica_of_the_former_configuration(
    systems: Systems,
) -> None:
    async with systems.started("old", look=DAY) as former, systems.started("old", "new", look=DAY) as w:
        await former.submit()
        await former.settle()
        assert (await w.outcomes(), await w.state()) == ({"old": "verified_erased"}, "confirming")
        assert await w.stores.tasks.replay(w.clock()) == 1
        await w.settle()
        assert await w.outcomes() == {"old": "verified_no_data", "new": "verified_erased"}


async def test_E12_E39_a_replay_finds_what_a_replica_of_the_former_configuration_left_behind(systems: Systems) -> None:
    """It took the turn of a request, had the system that is taken out, and went before it could delete there."""
    async with systems.started("old", "new", look=DAY) as former:
        await former.submit()
        placed = await former.stores.holds.place(ID, Hold(HoldGround.LEGAL_CLAIMS, "old"), former.clock())
        assert placed is not None
        await former.settle()
        async with systems.started("new", look=DAY) as w:
            await w.stores.holds.release(ID, placed.id, w.clock())
            await w.worker._keep_house()
            await former.worker._endings.make()
            await w.settle()
            assert await w.outcomes() == {"old": "pending", "new": "verified_erased"}
            assert await w.stores.tasks.replay(w.clock()) == 1
            await is_left_to_people(w)


async def test_E39_who_can_not_be_opened_is_planned_at_a_start_and_asked_about_once(
    systems: Systems, caplog: pytest.LogCaptureFixture
) -> None:
    async with systems.started("old") as w:
        await w.submit()
        await w.settle()
        await w.stores.tasks.replay(w.clock())
        foreign = Seal(MasterKey(b"x" * 32).derive(Purpose.ERASURE_SEAL))
        w.stores.plans._seal = foreign
        for _ in range(3):
            await w.worker._plan()
        assert caplog.text.count("do not open") == 1
        assert await w.database.read(_planned_for) == ["nothing"]
    async with systems.started("old", "new") as w:
        await w.settle()
        assert await w.outcomes() == {"old": "verified_no_data", "new": "verified_erased"}


def _planned_for(connection: Connection) -> list[str]:
    return list(connection.scalars(select(requests.c.planned_for)))
