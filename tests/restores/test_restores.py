"""An older copy is put back over a live database: noticed, closed off, erased again, verified, opened (E39)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from sidecar.erasure.worker import WorkerSettings
from sidecar.targets.target import TargetFault
from tests.erasure.world import CANARY, ID, OTHER_ID, Clock, World, body, receipt_body, world
from tests.restores.customers import CustomerTable, Restorable, canary_in, connected, restorable

BERT = "bert@example.org"
KINDS = pytest.mark.parametrize("kind", ["sqlite", "postgresql"])


@dataclass
class Restoring:
    """A CRM on a database that can be put back, and a sidecar that erases from it."""

    database: Restorable
    crm: CustomerTable
    world: World

    async def erase(self, request_id: str = ID, email: str = CANARY) -> None:
        await self.world.submit(body(request_id, email))
        await self.world.settle()

    async def watch(self) -> tuple[str, ...]:
        await self.world.watch.pass_once()
        return self.world.watch.quarantined

    def events(self) -> list[str]:
        rows = [entry for entry in self.world.ledger.entries if getattr(entry, "action", None) == "quarantine"]
        return [str(reason) for entry in rows if (reason := getattr(entry, "reason", None))]


@asynccontextmanager
async def restoring(
    path: Path, kind: str = "sqlite", settings: WorkerSettings | None = None
) -> AsyncIterator[Restoring]:
    with restorable(kind, path) as database:
        crm = CustomerTable(connected(database))
        crm.add(CANARY)
        crm.add(BERT)
        async with sidecar(path, database, crm, settings) as w:
            yield Restoring(database, crm, w)


@asynccontextmanager
async def sidecar(
    path: Path, database: Restorable, crm: CustomerTable, settings: WorkerSettings | None = None
) -> AsyncIterator[World]:
    canary = canary_in(database)
    async with world(path / "state.db", [crm], Clock(), settings, canaries={"crm": canary}) as w:
        await w.watch.pass_once()
        yield w
    await canary.stop()


@KINDS
async def test_E39_a_restored_system_is_closed_off_erased_again_and_opened(tmp_path: Path, kind: str) -> None:
    async with restoring(tmp_path, kind) as r:
        r.database.dump()
        await r.erase()
        assert (r.crm.count(CANARY), r.crm.count(BERT)) == (0, 1)
        assert await r.watch() == ()
        r.database.restore()
        assert r.crm.count(CANARY) == 1
        assert await r.watch() == ("crm",)
        assert set(r.world.watch.closed_upstreams) == {"crm-upstream"}
        assert await r.world.outcomes() == {"crm": "pending"}
        assert await r.watch() == ("crm",)  # time alone opens nothing
        await r.world.settle()
        assert (r.crm.count(CANARY), r.crm.count(BERT)) == (0, 1)
        assert await r.watch() == ()
        assert set(r.world.watch.closed_upstreams) == set()
        assert r.events() == ["older", "erased_again"]
        view = await r.world.view()
        assert view.round == 2
        receipt = await r.world.stores.requests.receipt(ID)
        assert receipt is not None
        assert receipt_body(receipt)["supersedes"]


@KINDS
async def test_E39_a_copy_from_before_the_sidecar_was_there(tmp_path: Path, kind: str) -> None:
    with restorable(kind, tmp_path) as database:
        crm = CustomerTable(connected(database))
        crm.add(CANARY)
        database.dump()  # without any mark
        async with sidecar(tmp_path, database, crm) as w:
            r = Restoring(database, crm, w)
            await r.erase()
            database.restore()
            if kind == "postgresql":  # pg_dump restores the tables that it has and leaves ours: an emptied one
                await canary_gone(crm)
            assert await r.watch() == ("crm",)
            await w.settle()
            assert await r.watch() == ()
            assert crm.count(CANARY) == 0
            assert r.events() == ["missing", "erased_again"]


async def canary_gone(crm: CustomerTable) -> None:
    with crm.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE privacy_sidecar_epoch")


async def test_E39_a_copy_made_after_the_erasure_disturbs_nobody(tmp_path: Path) -> None:
    async with restoring(tmp_path) as r:
        await r.erase()
        r.database.dump()
        r.database.restore()
        assert await r.watch() == ()
        assert r.crm.deleted == [CANARY]


async def test_E39_who_was_erased_long_before_the_copy_is_left_alone(tmp_path: Path) -> None:
    async with restoring(tmp_path) as r:
        await r.erase()
        r.world.clock.advance(days=3)
        await r.erase(OTHER_ID, "carl@example.org")  # raises the epoch
        r.world.clock.advance(days=3)
        r.database.dump()
        await r.erase("11111111-2222-4333-8444-555555555555", BERT)
        r.crm.deleted.clear()
        r.database.restore()
        assert await r.watch() == ("crm",)
        await r.world.settle()
        assert sorted(r.crm.deleted) == [
            BERT,
            "carl@example.org",
        ]  # the mark is from when she was erased, so she is, too
        assert await r.watch() == ()


async def test_E39_restored_twice_while_it_is_closed_off(tmp_path: Path) -> None:
    async with restoring(tmp_path) as r:
        r.database.dump()
        await r.erase()
        r.database.restore()
        assert await r.watch() == ("crm",)
        await r.world.settle()
        r.database.restore()  # again, before the quarantine was ended
        assert await r.watch() == ("crm",)
        assert await r.world.outcomes() == {"crm": "pending"}
        await r.world.settle()
        assert await r.watch() == ()
        assert r.crm.count(CANARY) == 0


async def test_E39_what_was_being_verified_is_begun_again_and_its_late_result_refused(tmp_path: Path) -> None:
    async with restoring(tmp_path) as r:
        r.database.dump()
        await r.world.submit()
        await r.world.worker.pass_once()  # deleted, not verified
        tasks = r.world.stores.tasks
        now = r.world.clock()
        leases = await tasks.lease("crm", "another", now, now, 9)
        assert len(leases.tasks) == 1
        assert (await r.crm.verify(leases.tasks[0].identities)).count == 0  # it looks, and then …
        r.database.restore()
        assert await r.watch() == ("crm",)
        assert await r.world.outcomes() == {"crm": "pending"}
        await r.world.settle()
        assert r.crm.count(CANARY) == 0


async def test_E39_a_kill_between_quarantine_and_the_next_mark_loses_nothing(tmp_path: Path) -> None:
    async with restoring(tmp_path) as r:
        r.database.dump()
        await r.erase()
        r.database.restore()
        look = await r.world.epochs.look("crm")
        assert not isinstance(look, TargetFault)
        await r.world.watch.pass_once()
        r.database.restore()  # as if the mark had not been written: the old one stands there
        async with sidecar(tmp_path, r.database, r.crm) as after:
            assert after.watch.quarantined == ("crm",)
            await after.settle()
            await after.watch.pass_once()
            assert not after.watch.quarantined
        assert r.crm.count(CANARY) == 0


async def test_E39_a_restart_is_closed_before_it_serves(tmp_path: Path) -> None:
    async with restoring(tmp_path) as r:
        r.database.dump()
        await r.erase()
        r.database.restore()
        async with world(tmp_path / "state.db", [r.crm], canaries={"crm": canary_in(r.database)}) as after:
            await after.watch.start()
            assert "crm-upstream" in after.watch.closed_upstreams
            await after.watch.stop()


async def test_E39_beyond_the_horizon_only_a_person_opens_it(tmp_path: Path) -> None:
    async with restoring(tmp_path) as r:
        r.database.dump()
        await r.erase()
        r.world.clock.advance(days=40)
        await r.world.settle()  # identities destroyed
        assert not (await r.world.view()).sealed
        r.database.restore()
        assert await r.watch() == ("crm",)
        await r.world.settle()
        assert await r.watch() == ("crm",)
        (quarantine,) = await r.world.epoch_store.quarantines()
        assert (quarantine.waiting, quarantine.beyond_horizon) == (0, 1)
        assert await r.world.watch.release("crm", "anna.officer")
        assert await r.watch() == ()
        assert r.events() == ["older", "by_officer"]
        assert not await r.world.watch.release("crm", "anna.officer")


async def test_E39_a_system_that_works_by_itself_shows_too(tmp_path: Path) -> None:
    async with restoring(tmp_path) as r:
        r.crm.slow = True
        await r.world.submit()
        await r.world.worker.pass_once()  # the order is taken, the epoch raised
        r.database.dump()  # with the person in it
        r.crm.work()
        r.world.clock.advance(hours=1)
        await r.world.settle()
        assert await r.world.outcomes() == {"crm": "verified_erased"}
        r.database.restore()
        assert await r.watch() == ("crm",)


async def test_E39_without_a_mark_nothing_is_called_erased(tmp_path: Path) -> None:
    async with restoring(tmp_path) as r:
        with r.crm.engine.begin() as connection:
            connection.exec_driver_sql("DROP TABLE privacy_sidecar_epoch")
            connection.exec_driver_sql("CREATE VIEW privacy_sidecar_epoch AS SELECT 1 AS id")
        await r.world.submit()
        await r.world.settle()
        assert await r.world.outcomes() == {"crm": "retryable_failure"}
        assert await r.watch() == ()  # what can't be read says nothing
        with r.crm.engine.begin() as connection:
            connection.exec_driver_sql("DROP VIEW privacy_sidecar_epoch")
        assert await r.watch() == ("crm",)
        r.world.clock.advance(hours=1)
        await r.world.settle()
        assert await r.watch() == ()
        assert await r.world.outcomes() == {"crm": "verified_erased"}


async def test_E40_an_old_copy_of_our_own_state_is_noticed_and_never_lowers_an_epoch(tmp_path: Path) -> None:
    async with restoring(tmp_path) as r:
        await r.erase()
        await r.erase(OTHER_ID, BERT)
        async with world(tmp_path / "older-state.db", [r.crm], canaries={"crm": canary_in(r.database)}) as older:
            await older.watch.pass_once()
            sample = {"target": "crm", "reading": "newer"}
            assert older.metrics.registry.get_sample_value("sidecar_erasure_restores_total", sample) == 1
            assert older.watch.quarantined == ()
            await older.submit()
            await older.settle()
            assert await older.outcomes() == {"crm": "verified_no_data"}
        known = await r.world.epoch_store.known("crm")
        assert known is not None
        look = await r.world.epochs.look("crm")
        assert not isinstance(look, TargetFault)
        assert look.mark is not None
        assert look.mark.epoch > known.epoch


async def test_what_cannot_be_recorded_stays_closed(tmp_path: Path) -> None:
    async with restoring(tmp_path) as r:
        r.database.dump()
        await r.erase()
        r.database.restore()
        r.world.ledger.available = False
        with pytest.raises(Exception, match="told to fail"):
            await r.world.watch.pass_once()
        assert r.world.watch.quarantined == ("crm",)
        r.world.ledger.available = True
        assert await r.watch() == ("crm",)
        await r.world.settle()
        assert await r.watch() == ()
        assert r.crm.count(CANARY) == 0
