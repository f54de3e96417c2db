"""``python -m benchmarks.erasure``: erasures through PostgreSQL by several workers, and with open requests beside.

The targets answer at once, so that what is measured is ours: leases, records, evidence, receipts, notices. Audit
records go nowhere; the log is measured by itself. A database of its own is made, and dropped afterwards.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, create_engine, func, insert, make_url, select, text

from sidecar.audit.record import Event, Intent, Outcome
from sidecar.erasure.deadlines import DeadlinePolicy
from sidecar.erasure.durable import ErasureStores, stores_on
from sidecar.erasure.intake import Intake
from sidecar.erasure.plan import Side
from sidecar.erasure.request import IdentityType, SubjectIdentity, parse_request
from sidecar.erasure.worker import ErasureWorker, WorkerSettings
from sidecar.keys import MasterKey, Purpose
from sidecar.metrics import Metrics
from sidecar.stores.database import Database, DatabaseSettings
from sidecar.stores.erasure_tables import requests, steps, tasks
from sidecar.stores.seal import Seal
from sidecar.targets.target import DeleteResult, DeleteStatus, TargetLimits, VerifyResult, VerifyStatus

_MASTER = MasterKey(bytes(range(32)))
_URL = os.environ.get("TEST_POSTGRESQL_URL", "postgresql+psycopg://postgres@127.0.0.1/postgres")
_AT_ONCE = 16
_CHUNK = 10_000


class Instant:
    """A system that has deleted before it was asked twice."""

    side = Side.UPSTREAM
    required = frozenset({IdentityType.EMAIL})
    limits = TargetLimits(concurrency=_AT_ONCE)
    max_completion = timedelta(minutes=1)

    def __init__(self, name: str) -> None:
        self.name = name

    async def start(self) -> None:
        return

    async def stop(self) -> None:
        return

    async def delete(self, identities: Sequence[SubjectIdentity]) -> DeleteResult:
        return DeleteResult(DeleteStatus.DELETED, len(identities))

    async def verify(self, identities: Sequence[SubjectIdentity]) -> VerifyResult:
        return VerifyResult(VerifyStatus.GONE, 0 * len(identities))


class Nowhere:
    """Takes audit records and keeps none."""

    async def intend(self, intent: Intent) -> None:  # noqa: ARG002
        return

    async def conclude(self, outcome: Outcome) -> None:  # noqa: ARG002
        return

    async def note(self, event: Event) -> None:  # noqa: ARG002
        return


@dataclass(frozen=True, slots=True)
class Bench:
    """One database with how many targets."""

    url: str
    targets: int

    def stores(self, database: Database) -> ErasureStores:
        return stores_on(database, Seal(_MASTER.derive(Purpose.ERASURE_SEAL)))

    def systems(self) -> list[Instant]:
        return [Instant(f"system{number}") for number in range(self.targets)]


def body(number: int) -> bytes:
    """One submission; every number is another person."""
    said = {
        "id": str(UUID(int=number, version=4)),
        "regulation": "gdpr",
        "subject": {"identities": [{"type": "email", "value": f"person{number}@example.org"}]},
        "verified_by": "account_login",
    }
    return json.dumps(said).encode()


async def submit(bench: Bench, first: int, count: int) -> None:
    """Take requests in, some at once."""
    database = Database(DatabaseSettings(bench.url, threads=4))
    await database.start()
    pseudonyms = _MASTER.pseudonymizer(Purpose.ERASURE_PSEUDONYM)
    intake = Intake(bench.stores(database).requests, bench.systems(), pseudonyms, DeadlinePolicy())
    for start in range(first, first + count, _AT_ONCE):
        some = range(start, min(start + _AT_ONCE, first + count))
        await asyncio.gather(*(intake.accept(parse_request(body(number))) for number in some))
    await database.stop()


async def work(bench: Bench, name: str) -> None:
    """Be one worker until no verified request is open."""
    database = Database(DatabaseSettings(bench.url, threads=8))
    await database.start()
    stores = bench.stores(database)
    key = Ed25519PrivateKey.from_private_bytes(_MASTER.derive(Purpose.RECEIPT_SIGNING))
    settings = WorkerSettings(name=name, poll=timedelta(milliseconds=200))
    worker = ErasureWorker(stores, bench.systems(), Nowhere(), key, Metrics(), settings)
    await worker.start()
    while await database.read(_left):  # noqa: ASYNC110 - other processes do the rest
        await asyncio.sleep(0.2)
    await worker.stop()
    await database.stop()


def _left(connection: Connection) -> int:
    left = select(func.count()).where(requests.c.ended_at.is_(None), requests.c.verified_at.is_not(None))
    return connection.scalar(left) or 0


def _run(bench: Bench, name: str) -> None:
    asyncio.run(work(bench, name))


def drain(bench: Bench, workers: int) -> float:
    """Return how many seconds pass from the first step to the last end; how processes start is not counted."""
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_run, args=(bench, f"worker{number}")) for number in range(workers)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    if any(process.exitcode for process in processes):
        raise SystemExit("a worker failed")
    engine = create_engine(bench.url)
    with engine.connect() as connection:
        first = connection.scalar(select(func.min(steps.c.at)))
        last = connection.scalar(select(func.max(requests.c.ended_at)))
    engine.dispose()
    assert first is not None
    assert last is not None
    return float((last - first).total_seconds())


def fill(url: str, count: int) -> None:
    """Put open requests beside: unverified, so that no worker may touch them, each with one task."""
    engine = create_engine(url)
    now = datetime.now(UTC)
    later = now + timedelta(days=30)
    for start in range(0, count, _CHUNK):
        ids = [str(UUID(int=(1 << 64) + number, version=4)) for number in range(start, min(start + _CHUNK, count))]
        rows = [
            {
                "id": one, "body_digest": b"", "regulation": "gdpr", "subject": "k1:", "commitment": "",
                "received_at": now, "internal_at": later, "legal_at": later, "overdue_at": later,
                "accepted_state": "awaiting_verification", "round": 1,
            }
            for one in ids
        ]  # fmt: skip
        waiting = [
            {
                "request_id": one, "target": "system0", "identities": "0", "outcome": "pending", "claimed": False,
                "failures": 0, "attempts": 0, "due_at": now, "fence": 0,
            }
            for one in ids
        ]  # fmt: skip
        with engine.begin() as connection:
            connection.execute(insert(requests), rows)
            connection.execute(insert(tasks), waiting)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))
    engine.dispose()


@contextmanager
def fresh_database(url: str) -> Iterator[str]:
    """Give a new database, and drop it."""
    admin = create_engine(url, isolation_level="AUTOCOMMIT")
    name = f"sidecar_bench_{secrets.token_hex(6)}"
    with admin.connect() as connection:
        connection.execute(text(f'CREATE DATABASE "{name}"'))
    try:
        yield make_url(url).set(database=name).render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))
        admin.dispose()


def measure(url: str, count: int, targets: int, workers: int, beside: int) -> tuple[float, float]:
    """Return requests taken in a second, and requests ended in a second, with so many open ones beside."""
    with fresh_database(url) as fresh:
        bench = Bench(fresh, targets)
        began = time.perf_counter()
        asyncio.run(submit(bench, 1, count))
        taken = count / (time.perf_counter() - began)
        if beside:
            fill(fresh, beside)
        return taken, count / drain(bench, workers)


def main() -> None:
    """Measure and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--targets", type=int, default=5)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--open", default="0,100,10000", help="open requests beside, e.g. 100,10000,1000000")
    parser.add_argument("--url", default=_URL, help="of a PostgreSQL where databases may be made")
    args = parser.parse_args()
    print(f"{args.requests} requests x {args.targets} targets, {args.workers} workers, {os.cpu_count()} cores\n")
    print("| Open beside | Taken in a second | Ended in a second | Steps in a second | Beside none |")
    print("|---|---|---|---|---|")
    first = None
    for beside in (int(one) for one in args.open.split(",")):
        taken, ended = measure(args.url, args.requests, args.targets, args.workers, beside)
        first = first or ended
        made = ended * args.targets * 2
        print(f"| {beside} | {taken:.0f} | {ended:.1f} | {made:.0f} | {ended / first:.2f} |", flush=True)


if __name__ == "__main__":
    main()
