"""Every intent of erasures has one outcome, whatever fails or is cut off in between (A1, E13, E46)."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest

from sidecar.audit.intending import intend
from sidecar.audit.record import Action, Decision, Intent, Outcome
from sidecar.erasure.worker import WorkerSettings
from sidecar.errors import AuditUnavailable, StoreUnavailable
from tests.erasure.world import CANARY, Clock, Ledger, World, http_target, world
from tests.restores.customers import CustomerTable, canary_in, connected, restorable
from tests.targets.upstream import running_upstream, target_mapping

LOOK = pytest.mark.parametrize("look", [timedelta(), timedelta(days=1)], ids=["final", "interim"])


@contextmanager
def refusing(database: Path, event: str) -> Iterator[None]:
    """Have a database fail whenever ``event`` comes: ``INSERT ON erasure_receipts``."""
    with sqlite3.connect(database) as connection:
        connection.execute(f"CREATE TRIGGER told BEFORE {event} BEGIN SELECT RAISE(ABORT, 'told to fail'); END")
    connection.close()
    try:
        yield
    finally:
        with sqlite3.connect(database) as connection:
            connection.execute("DROP TRIGGER told")
        connection.close()


def assert_paired(ledger: Ledger) -> None:
    """As ``sidecar audit verify`` counts."""
    intents = Counter(entry.exchange_id for entry in ledger.entries if isinstance(entry, Intent))
    outcomes = Counter(entry.exchange_id for entry in ledger.entries if isinstance(entry, Outcome))
    assert set(intents.values()) <= {1}
    assert outcomes == intents


def endings_of(ledger: Ledger, route: str) -> list[tuple[Decision, str | None]]:
    """How the attempts to sign a kind of receipt are on record, in their order."""
    mine = {entry.exchange_id for entry in ledger.entries if isinstance(entry, Intent) and entry.route == route}
    outcomes = [entry for entry in ledger.entries if isinstance(entry, Outcome) and entry.exchange_id in mine]
    return [(entry.decision, entry.reason) for entry in outcomes]


async def broken_off(w: World) -> None:
    """Do one pass that the store does not let come to its end."""
    while True:
        if not await w.worker.pass_once():
            raise AssertionError("nothing failed")


@LOOK
async def test_E46_an_ending_whose_store_fails_is_on_record_as_failed_and_comes_again(
    tmp_path: Path, look: timedelta
) -> None:
    clock, path = Clock(), tmp_path / "state.db"
    route, table = ("interim_receipt", "erasure_interim_receipts") if look else ("receipt", "erasure_receipts")
    async with running_upstream() as upstream:
        target = http_target("crm", target_mapping(upstream.url), clock)
        async with world(path, [target], clock, second_look=look) as w:
            upstream.customers[CANARY] = 1
            await w.submit()
            with refusing(path, f"INSERT ON {table}"):
                with pytest.raises(StoreUnavailable):
                    await broken_off(w)
                assert endings_of(w.ledger, route) == []  # nobody knows yet
                await w.worker.pass_once()
                assert endings_of(w.ledger, route) == [(Decision.FAILED, "not_kept")]
            assert_paired(w.ledger)
            clock.advance(minutes=6)  # past the turn that was taken
            await w.settle()
            assert await w.state() == ("confirming" if look else "completed")
            assert [decision for decision, _ in endings_of(w.ledger, route)] == [Decision.FAILED, Decision.COMPLETED]
            assert_paired(w.ledger)


async def test_E46_a_receipt_that_was_kept_though_the_answer_was_lost_is_told_of_once(tmp_path: Path) -> None:
    lost: list[str] = []

    def lose_answer(place: str) -> None:
        if place == "ended" and not lost:
            lost.append(place)
            raise StoreUnavailable

    clock = Clock()
    async with running_upstream() as upstream:
        target = http_target("crm", target_mapping(upstream.url), clock)
        async with world(tmp_path / "state.db", [target], clock, checkpoint=lose_answer) as w:
            upstream.customers[CANARY] = 1
            await w.submit()
            while not lost:
                with suppress(StoreUnavailable):
                    await w.worker.pass_once()
            await w.settle()
            assert endings_of(w.ledger, "receipt") == [(Decision.COMPLETED, "completed")]
            assert_paired(w.ledger)


async def test_E46_a_receipt_is_told_of_once_though_that_could_not_be_noted(tmp_path: Path) -> None:
    clock, path = Clock(), tmp_path / "state.db"
    async with running_upstream() as upstream:
        target = http_target("crm", target_mapping(upstream.url), clock)
        async with world(path, [target], clock) as w:
            await w.submit()
            with refusing(path, "DELETE ON erasure_unrecorded"), pytest.raises(StoreUnavailable):
                await broken_off(w)
            await w.settle()
            assert await w.state() == "completed"
            assert_paired(w.ledger)


async def test_E46_a_stop_while_a_receipt_is_being_kept_leaves_no_intent_alone(tmp_path: Path) -> None:
    """The transaction waits for another writer, which no cancellation ends."""
    path, ending = tmp_path / "state.db", asyncio.Event()
    writers: list[sqlite3.Connection] = []

    def hold(place: str) -> None:
        if place == "ending":
            writers.append(sqlite3.connect(path, isolation_level=None))
            writers[0].execute("BEGIN IMMEDIATE")
            ending.set()

    clock, settings = Clock(), WorkerSettings(stop_within=timedelta(milliseconds=50))
    async with running_upstream() as upstream:
        target = http_target("crm", target_mapping(upstream.url), clock)
        async with world(path, [target], clock, settings, checkpoint=hold) as w:
            await w.submit()
            await w.worker.start()
            await ending.wait()
            stopping = asyncio.ensure_future(w.worker.stop())
            await asyncio.sleep(0.3)  # by now the loops are cut off
            writers[0].close()
            await stopping
            assert endings_of(w.ledger, "receipt") == [(Decision.COMPLETED, "completed")]
            assert_paired(w.ledger)


class SlowLedger(Ledger):
    """Takes its time for an intent, and writes it whoever still waits, as the audit log does."""

    def __init__(self, *, refuses: bool = False) -> None:
        super().__init__()
        self.reached, self.go_on = asyncio.Event(), asyncio.Event()
        self.refuses = refuses

    async def intend(self, intent: Intent) -> None:
        self.reached.set()
        await self.go_on.wait()
        if self.refuses:
            raise AuditUnavailable("told to fail")
        self._add(intent)


INTENT = Intent("e1", Action.ERASURE_STEP, "worker", "none", subject="k1:abc")


@pytest.mark.parametrize("refuses", [False, True])
async def test_A1_who_is_cut_off_while_an_intent_is_being_written_leaves_it_concluded(*, refuses: bool) -> None:
    ledger = SlowLedger(refuses=refuses)
    caller = asyncio.ensure_future(intend(ledger, INTENT))
    await ledger.reached.wait()
    caller.cancel()
    await asyncio.sleep(0)
    ledger.go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await caller
    said = Outcome("e1", Action.ERASURE_STEP, Decision.ABORTED, "broke_off", subject="k1:abc")
    assert ledger.entries == ([] if refuses else [INTENT, said])


async def test_A1_a_worker_that_is_stopped_while_it_records_an_attempt(tmp_path: Path) -> None:
    ledger, clock = SlowLedger(), Clock()
    settings = WorkerSettings(stop_within=timedelta(milliseconds=50))
    async with running_upstream() as upstream:
        target = http_target("crm", target_mapping(upstream.url), clock)
        async with world(tmp_path / "state.db", [target], clock, settings, audit=ledger) as w:
            upstream.customers[CANARY] = 1
            await w.submit()
            await w.worker.start()
            await ledger.reached.wait()
            stopping = asyncio.ensure_future(w.worker.stop())
            await asyncio.sleep(0.3)
            ledger.go_on.set()
            await stopping
            assert ledger.routes() == ["crm:delete"]
            assert_paired(ledger)
            assert upstream.customers == {CANARY: 1}


@pytest.mark.parametrize(
    ("event", "decisions"),
    [
        ("UPDATE OF quarantined_at ON erasure_epochs", [Decision.FAILED, Decision.FAILED]),
        ("DELETE ON erasure_redone", [Decision.REFUSED, Decision.FAILED]),
    ],
)
async def test_E39_a_quarantine_whose_store_fails_is_on_record(
    tmp_path: Path, event: str, decisions: list[Decision]
) -> None:
    path = tmp_path / "state.db"
    with restorable("sqlite", tmp_path) as database:
        crm = CustomerTable(connected(database))
        crm.add(CANARY)
        canary = canary_in(database)
        async with world(path, [crm], Clock(), canaries={"crm": canary}) as w:
            await w.watch.pass_once()
            database.dump()
            await w.submit()
            await w.settle()
            database.restore()
            with refusing(path, event):
                with suppress(StoreUnavailable):
                    await w.watch.pass_once()
                await w.settle()
                with pytest.raises(StoreUnavailable):
                    await w.watch.pass_once()
            quarantines = [
                entry for entry in w.ledger.entries if isinstance(entry, Outcome) and entry.action is Action.QUARANTINE
            ]
            assert [entry.decision for entry in quarantines] == decisions
            assert_paired(w.ledger)
            assert w.watch.quarantined == ("crm",)
        await canary.stop()


def test_A1_intents_are_made_where_a_cancellation_is_thought_of() -> None:
    """Others: what is proxied is shielded, and a reading is on record again at the next start."""
    root = Path(__file__).parents[2] / "sidecar"
    direct = {str(path.relative_to(root)) for path in root.rglob("*.py") if "audit.intend(" in path.read_text()}
    assert direct == {"audit/intending.py", "audit/reads.py", "proxy/exchange.py"}
