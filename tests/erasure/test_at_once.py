"""What happens in the midst of somebody else's transaction: replicas on one database see each other's changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import Future, wait
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, event, func, insert, select, update

from sidecar.erasure.deadlines import ExtensionGround
from sidecar.erasure.hold import Hold, HoldGround
from sidecar.erasure.outcomes import Outcome
from sidecar.erasure.plan import OWN_NAME
from sidecar.erasure.steps import Advance, Step, TaskState
from sidecar.keys import Purpose
from sidecar.stores.database import Database
from sidecar.stores.erasure_changes import NotExtendable, NotPending
from sidecar.stores.erasure_evidence import Evidence, LeaseLost, write_attempts
from sidecar.stores.erasure_notices import Teller
from sidecar.stores.erasure_replays import reopen, replay_target
from sidecar.stores.erasure_suppressions import ErasureSuppressions
from sidecar.stores.erasure_tables import LOOK, notices, steps, tasks
from sidecar.stores.placeholders import StoredPlaceholders
from sidecar.stores.seal import Seal
from sidecar.targets.placeholders import PlaceholderTarget
from sidecar.targets.target import Target
from tests.erasure.world import CANARY, ID, MASTER, OTHER_ID, START, Clock, World, body, http_target, world
from tests.targets.upstream import Upstream, running_upstream, target_mapping

_LONG_ENOUGH_S = 1.0  # for what waits for nobody
_WRITTEN = "UPDATE erasure_tasks SET outcome"  # what came of an attempt, or that there is to be another one


@asynccontextmanager
async def meanwhile(
    database: Database, part: str, work: Callable[[], Coroutine[Any, Any, Any]]
) -> AsyncIterator[list[Any]]:
    """Do ``work`` after the first statement that has ``part`` in it, or beside what follows where it has to wait.

    Its result, or what it raised, is in the list in the end.
    """
    engine: Any = database._engine
    loop = asyncio.get_running_loop()
    begun: list[Future[Any]] = []

    def look(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if part in " ".join(statement.split()) and not begun:
            begun.append(asyncio.run_coroutine_threadsafe(work(), loop))
            wait(begun, _LONG_ENOUGH_S)

    event.listen(engine, "after_cursor_execute", look)
    results: list[Any] = []
    try:
        yield results
    finally:
        event.remove(engine, "after_cursor_execute", look)
    results += await asyncio.gather(*map(asyncio.wrap_future, begun), return_exceptions=True)
    assert results


async def test_E28_a_count_that_is_written_while_a_request_is_read(database_url: str) -> None:
    async with running_upstream() as upstream, two_worlds(database_url, upstream) as (w, other):
        await w.submit()

        def count(connection: Connection) -> None:
            task = connection.scalar(select(tasks.c.id))
            values = {"task_id": task, "step": LOOK, "status": "seen", "count": 2, "round": 1, "at": START}
            connection.execute(insert(steps).values(values))

        async with meanwhile(w.database, "steps.fault", lambda: other.database.run(count)):
            view = await w.view()
        assert view.tasks[0].found is None
        assert (await w.view()).tasks[0].found == 2


async def test_E10_nobody_confirms_what_is_taken_back_meanwhile(database_url: str) -> None:
    async with running_upstream() as upstream, two_worlds(database_url, upstream) as (w, other):
        await w.submit(body(verified_by=None))
        cancelling = meanwhile(w.database, "FROM erasure_unused_types", lambda: other.stores.requests.cancel(ID, START))
        try:
            async with cancelling:
                confirmed = await w.intake.confirm(ID, "account_login")
        except NotPending:
            return
        assert confirmed is not None
        assert confirmed.cancelled_at is None  # it came first, and was taken back then


async def test_E34_two_who_prolong_at_once_prolong_once_and_tell_of_it_once(database_url: str) -> None:
    async with running_upstream() as upstream, two_worlds(database_url, upstream) as (w, other):
        await w.submit()
        prolonging = meanwhile(
            w.database, "FROM erasure_unused_types", lambda: other.intake.extend(ID, ExtensionGround.NUMBER)
        )
        refused = 0
        try:
            async with prolonging as theirs:
                await w.intake.extend(ID, ExtensionGround.COMPLEXITY)
        except NotExtendable:
            refused = 1
        refused += sum(isinstance(one, NotExtendable) for one in theirs)
        assert refused == 1
        told = select(func.count()).select_from(notices)
        assert await w.database.read(lambda connection: connection.scalar(told)) == 1


async def test_E10_nothing_is_planned_for_what_is_taken_back_meanwhile(database_url: str) -> None:
    async with running_upstream() as upstream, two_worlds(database_url, upstream) as (w, other):
        await w.submit()
        upstream.customers[CANARY] = 1
        more = [*other.targets, http_target("shop", target_mapping(upstream.url), Clock())]
        planning = other.stores.plans.catch_up(more)

        async def planned() -> None:
            while await planning.some(START):
                pass

        async with meanwhile(w.database, "DELETE FROM erasure_tasks", planned):
            await w.stores.requests.cancel(ID, START)
        assert (await w.view()).tasks == ()
        await w.settle()
        assert upstream.count("DELETE") == 0


async def test_E39_nobody_waits_for_an_erasure_whose_identities_are_destroyed_while_it_is_ordered_again(
    database_url: str,
) -> None:
    async with running_upstream() as upstream, two_worlds(database_url, upstream) as (w, other):
        await w.submit()
        await w.settle()
        now = START + timedelta(days=36)
        forgetting = meanwhile(w.database, "sealed IS NOT NULL", lambda: other.stores.tasks.forget(now))
        async with forgetting as forgotten:
            replayed = await w.database.run(lambda connection: replay_target(connection, "crm", None, now))
        if forgotten == [1]:  # in time
            assert (replayed.task_ids, replayed.beyond_horizon) == ((), 1)
            assert await w.outcomes() == {"crm": "verified_no_data"}


async def test_E27_nobody_is_looked_for_again_whose_identities_are_destroyed_meanwhile(database_url: str) -> None:
    async with running_upstream() as upstream, two_worlds(database_url, upstream) as (w, other):
        await w.submit()
        await w.settle()
        now = START + timedelta(days=36)
        people = ErasureSuppressions(w.database, Seal(MASTER.derive(Purpose.ERASURE_SEAL)), lambda _: ())
        await people.refresh(START, timedelta())
        async with meanwhile(w.database, "sealed IS NOT NULL", lambda: other.stores.tasks.forget(now)):
            await people.look_again([ID], now, START)
        view = await w.view()
        assert view.sealed or await w.outcomes() == {"crm": "verified_no_data"}


async def test_E10_who_takes_back_what_is_begun_meanwhile_is_refused_and_the_work_is_noted(database_url: str) -> None:
    async with running_upstream() as upstream, two_worlds(database_url, upstream) as (w, other):
        await w.submit()
        cancelling = meanwhile(w.database, _WRITTEN, lambda: other.stores.requests.cancel(ID, START))
        async with cancelling as theirs:
            await w.settle()
        assert list(map(type, theirs)) == [NotPending]
        await w.settle()  # what they had locked just then
        assert await w.outcomes() == {"crm": "verified_no_data"}


async def test_E31_what_is_held_no_more_is_taken_back_meanwhile(database_url: str) -> None:
    async with running_upstream() as upstream, two_worlds(database_url, upstream) as (w, other):
        await w.submit()
        placed = await w.stores.holds.place(ID, Hold(HoldGround.LEGAL_CLAIMS), START)
        assert placed is not None
        await w.stores.holds.release(ID, placed.id, START)
        (lapsed,) = await w.stores.holds.lapsed(START, 1)
        cancelling = meanwhile(w.database, _WRITTEN, lambda: other.stores.requests.cancel(ID, START))
        async with cancelling as theirs:
            await w.stores.holds.resume(lapsed, START)
        (view,) = theirs
        assert (view.cancelled_at, view.tasks) == (START, ())


async def test_E39_a_restore_is_noticed_while_the_first_attempt_of_a_round_is_written(database: Database) -> None:
    url = database._settings.url
    own = PlaceholderTarget(StoredPlaceholders(database), MASTER.pseudonymizer(Purpose.PLACEHOLDER))
    async with running_upstream() as upstream, two_worlds(url, upstream, own) as (w, other):
        await w.submit()
        await w.settle()

        def turned_up(connection: Connection) -> None:
            """As it stands once somebody who turned up in traffic was looked for: there is nothing but to forget."""
            reopen(connection, ID, START)
            connection.execute(update(tasks).where(tasks.c.target == OWN_NAME).values(outcome="pending"))

        await w.database.run(turned_up)

        def restored() -> Coroutine[Any, Any, Any]:
            return other.database.run(lambda connection: replay_target(connection, "crm", None, START))

        async with meanwhile(w.database, _WRITTEN, restored) as theirs:
            await w.settle()
        assert [one.requests for one in theirs] == [1]
        await w.settle()
        assert set((await w.outcomes()).values()) == {"verified_no_data"}


async def test_E39_everybody_is_ordered_anew_while_attempts_of_several_are_written(database_url: str) -> None:
    async with running_upstream() as upstream, two_worlds(database_url, upstream) as (w, other):
        for one in (ID, OTHER_ID):
            await w.submit(body(one))
        begun = update(tasks).where(tasks.c.request_id == ID).values(outcome="retryable_failure", failures=1)
        await w.database.run(lambda connection: connection.execute(begun))
        leased = (await w.stores.tasks.lease("crm", "worker", START, START + timedelta(minutes=1), 2)).tasks
        assert len(leased) == 2
        seal = Seal(MASTER.derive(Purpose.ERASURE_SEAL))
        attempts = [
            (one, Advance(TaskState(Outcome.VERIFYING), START), Evidence(Step.DELETE, "deleted", None, 200, 1, START))
            for one in leased
        ]

        def written() -> Coroutine[Any, Any, Any]:
            teller = Teller(seal, ("hook",))
            return w.database.run(lambda connection: write_attempts(connection, seal, teller, attempts))

        async with meanwhile(other.database, _WRITTEN, written) as theirs:
            assert await other.stores.tasks.replay(START) == 1
        (answers,) = theirs
        assert sorted(isinstance(one, LeaseLost) for one in answers) == [False, True]


@asynccontextmanager
async def two_worlds(database_url: str, upstream: Upstream, *more: Target) -> AsyncIterator[tuple[World, World]]:
    """Two replicas on one database."""
    hooks = ("hook",)
    async with (
        world(database_url, [target(upstream), *more], webhooks=hooks) as one,
        world(database_url, [target(upstream), *more], webhooks=hooks) as two,
    ):
        yield one, two


def target(upstream: Upstream) -> Any:
    return http_target("crm", target_mapping(upstream.url), Clock())
