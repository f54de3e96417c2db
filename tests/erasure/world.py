"""A whole erasure part on a real SQLite file, with a clock that the test turns."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, select

from sidecar.audit.record import AuditWriter, Event, Intent, Outcome
from sidecar.erasure.attempt import Checkpoint, nowhere
from sidecar.erasure.deadlines import DeadlinePolicy
from sidecar.erasure.durable import ErasureStores, stores_on
from sidecar.erasure.epochs import Epochs
from sidecar.erasure.hold_sources import HoldSource
from sidecar.erasure.intake import Accepted, Intake
from sidecar.erasure.outcomes import ENDED
from sidecar.erasure.readiness import Watched, ready_tasks, watched
from sidecar.erasure.receipt import key_id, verify_receipt
from sidecar.erasure.request import parse_request
from sidecar.erasure.restores import RestoreWatch, WatchSettings
from sidecar.erasure.worker import ErasureWorker, WorkerSettings
from sidecar.errors import AuditUnavailable
from sidecar.keys import MasterKey, Purpose
from sidecar.metrics import Metrics
from sidecar.stores.database import Database, DatabaseSettings
from sidecar.stores.erasure_epochs import ErasureEpochs
from sidecar.stores.erasure_journal import ErasureJournal
from sidecar.stores.erasure_tables import NOTHING, requests, turns
from sidecar.stores.erasure_turns import standings
from sidecar.stores.erasure_views import RequestView
from sidecar.stores.journal_file import JournalFile
from sidecar.stores.seal import Seal
from sidecar.targets.canary import Canary
from sidecar.targets.http import HttpTarget
from sidecar.targets.http_settings import parse_http_target
from sidecar.targets.target import Target
from tests.targets.upstream import Upstream, running_upstream, target_mapping

CANARY = "anna.canary@example.org"
ID = "0f8fad5b-d9cb-469f-a165-70867728950e"
OTHER_ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
START = datetime(2025, 3, 1, 12, tzinfo=UTC)
MASTER = MasterKey(bytes(range(32)))
EPOCH_KEY = Ed25519PrivateKey.from_private_bytes(MASTER.derive(Purpose.EPOCH_SIGNING))
SIGNING_KEY = Ed25519PrivateKey.from_private_bytes(MASTER.derive(Purpose.RECEIPT_SIGNING))


def body(request_id: str = ID, email: str = CANARY, **changes: Any) -> bytes:
    """A submission."""
    fields: dict[str, Any] = {
        "id": request_id,
        "regulation": "gdpr",
        "subject": {"identities": [{"type": "email", "value": email}]},
        "verified_by": "account_login",
    }
    return json.dumps(fields | changes).encode()


@dataclass
class Clock:
    """The time, as the test says it is."""

    now: datetime = START

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> None:
        self.now += timedelta(**by)


@dataclass
class Ledger:
    """An ``AuditWriter`` in memory, which can be told to fail."""

    entries: list[Intent | Outcome | Event] = field(default_factory=list)
    available: bool = True
    concluding: bool = True

    async def intend(self, intent: Intent) -> None:
        self._add(intent)

    async def conclude(self, outcome: Outcome) -> None:
        if not self.concluding:
            raise AuditUnavailable("told to fail")
        self._add(outcome)

    async def note(self, event: Event) -> None:
        self._add(event)

    def _add(self, entry: Intent | Outcome | Event) -> None:
        if not self.available:
            raise AuditUnavailable("told to fail")
        self.entries.append(entry)

    def routes(self) -> list[str | None]:
        return [entry.route for entry in self.entries if isinstance(entry, Intent)]


@dataclass
class World:
    """Everything of one sidecar that erasure needs."""

    database: Database
    targets: Sequence[Target]
    stores: ErasureStores
    intake: Intake
    worker: ErasureWorker
    epochs: Epochs
    epoch_store: ErasureEpochs
    watch: RestoreWatch
    clock: Clock
    ledger: Ledger
    metrics: Metrics

    async def submit(self, data: bytes | None = None) -> Accepted:
        return await self.intake.accept(parse_request(data or body()))

    async def view(self, request_id: str = ID) -> RequestView:
        found = await self.stores.requests.find(request_id)
        assert found is not None
        return found

    async def state(self, request_id: str = ID) -> str:
        return (await self.view(request_id)).state_at(self.clock()).value

    async def outcomes(self, request_id: str = ID) -> dict[str, str]:
        return {task.target: task.outcome.value for task in (await self.view(request_id)).tasks}

    async def settle(self, passes: int = 20) -> None:
        """Do what is due until nothing is, with the clock standing still."""
        for _ in range(passes):
            if not await self.worker.pass_once():
                return
        raise AssertionError("did not come to rest")


@asynccontextmanager
async def world(
    place: Path | str,
    targets: Sequence[Target],
    clock: Clock | None = None,
    settings: WorkerSettings | None = None,
    checkpoint: Checkpoint = nowhere,
    canaries: Mapping[str, Canary] | None = None,
    second_look: timedelta = timedelta(),
    webhooks: tuple[str, ...] = (),
    hold_source: HoldSource | None = None,
    journal: Path | None = None,
    audit: AuditWriter | None = None,
) -> AsyncIterator[World]:
    """Open a world on a database file or URL; the targets are started with it. ``audit``: in place of the ledger."""
    clock = clock or Clock()
    database = Database(DatabaseSettings(place if isinstance(place, str) else f"sqlite:///{place}"))
    await database.start()
    kept = await opened_journal(database, journal) if journal else None
    for target in targets:
        await target.start()
    made = wire(
        database,
        targets,
        clock,
        settings or WorkerSettings(),
        checkpoint,
        canaries or {},
        second_look,
        webhooks,
        hold_source,
        kept,
        audit,
    )
    try:
        yield made
        if database._engine is not None:  # not taken away by the test
            await database.run(nothing_is_overlooked)
    finally:
        await made.worker.stop()
        if kept is not None:
            await kept.stop()
        for target in targets:
            await target.stop()
        await database.stop()


def nothing_is_overlooked(connection: Connection) -> None:
    """Whatever a test did: what is derived is as it would be derived now, or the request has a turn to come.

    A change that gave no turn would leave a task that nobody runs, or a request that nobody ends.
    """
    marked = set(connection.scalars(select(turns.c.request_id)))
    ids = set(connection.scalars(select(requests.c.id).where(requests.c.planned_for != NOTHING))) - marked
    found = standings(connection, ids)
    # Other processes may be at work: what they changed in between has a turn, which waits for our locks.
    marked = set(connection.scalars(select(turns.c.request_id)))
    for one in (one for one in found if one.request.id not in marked):
        ready = {task.id for task in one.tasks if task.ready}
        assert ready == set(ready_tasks(one.request, one.tasks)), "a task is overlooked"
        due = watched(one.request, [task.outcome for task in one.tasks])
        assert due == Watched(one.request.late_at, one.request.alert_at), "a deadline is overlooked"
        ended = one.request.ended_at is not None or not one.tasks
        assert ended or any(task.outcome not in ENDED for task in one.tasks), "an end is overlooked"


async def opened_journal(database: Database, path: Path) -> ErasureJournal:
    journal = ErasureJournal(database, JournalFile(path, MASTER.derive(Purpose.ERASURE_JOURNAL)))
    await journal.start()
    return journal


def wire(
    database: Database,
    targets: Sequence[Target],
    clock: Clock,
    settings: WorkerSettings,
    checkpoint: Checkpoint,
    canaries: Mapping[str, Canary] = MappingProxyType({}),
    second_look: timedelta = timedelta(),
    webhooks: tuple[str, ...] = (),
    hold_source: HoldSource | None = None,
    journal: ErasureJournal | None = None,
    audit: AuditWriter | None = None,
) -> World:
    seal = Seal(MASTER.derive(Purpose.ERASURE_SEAL))
    stores = stores_on(database, seal, second_look, webhooks, journal)
    pseudonyms = MASTER.pseudonymizer(Purpose.ERASURE_PSEUDONYM)
    metrics, ledger = Metrics(), Ledger()
    store = ErasureEpochs(database)
    epochs = Epochs(store, canaries, EPOCH_KEY, metrics, clock)
    writer = audit or ledger
    worker = ErasureWorker(
        stores, targets, writer, SIGNING_KEY, metrics, settings, clock, lambda: 0.5, checkpoint, epochs, hold_source
    )
    upstreams = {name: frozenset({f"{name}-upstream"}) for name in canaries}
    return World(
        database=database,
        targets=targets,
        stores=stores,
        intake=Intake(stores.requests, targets, pseudonyms, DeadlinePolicy(), clock),
        worker=worker,
        epochs=epochs,
        epoch_store=store,
        watch=RestoreWatch(epochs, store, writer, metrics, WatchSettings(upstreams, "watch"), clock),
        clock=clock,
        ledger=ledger,
        metrics=metrics,
    )


def http_target(name: str, mapping: dict[str, Any], clock: Clock) -> HttpTarget:
    return HttpTarget(parse_http_target(name, mapping, {}, f"targets.{name}"), clock=clock)


def bytes_on_disk(folder: Path) -> bytes:
    """Everything in the files of a folder, WAL and journals included."""
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


@asynccontextmanager
async def one_target(path: Path, **changes: Any) -> AsyncIterator[tuple[World, Upstream]]:
    clock = Clock()
    async with running_upstream() as upstream:
        mapping = target_mapping(upstream.url) | changes
        async with world(path / "state.db", [http_target("crm", mapping, clock)], clock) as w:
            upstream.customers[CANARY] = 2
            yield w, upstream


def receipt_body(data: bytes) -> dict[str, Any]:
    public = SIGNING_KEY.public_key()
    return dict(verify_receipt(data, {key_id(public): public}))
