"""``python -m benchmarks.erasure``: erasures through PostgreSQL by several workers, and with open requests beside.

The targets answer at once, so that what is measured is ours: leases, records, evidence, receipts, notices. Audit
records go nowhere; the log is measured by itself. A database of its own is made, and dropped afterwards.

With ``--catch-up`` it is a start with one more target, on open requests that were planned without it.
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
from pathlib import Path
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, bindparam, create_engine, func, make_url, select, text, update

from sidecar.audit.record import Event, Intent, Outcome
from sidecar.erasure.deadlines import DeadlinePolicy
from sidecar.erasure.durable import ErasureStores, stores_on
from sidecar.erasure.intake import Intake
from sidecar.erasure.plan import Side, plan_digest
from sidecar.erasure.request import IdentityType, SubjectIdentity, parse_request
from sidecar.erasure.worker import ErasureWorker, WorkerSettings
from sidecar.keys import MasterKey, Purpose
from sidecar.metrics import Metrics
from sidecar.stores.database import Database, DatabaseSettings
from sidecar.stores.erasure_tables import milliseconds, receipts, requests, steps
from sidecar.stores.seal import Seal
from sidecar.targets.target import DeleteResult, DeleteStatus, TargetLimits, VerifyResult, VerifyStatus

_MASTER = MasterKey(bytes(range(32)))
_URL = os.environ.get("TEST_POSTGRESQL_URL", "postgresql+psycopg://postgres@127.0.0.1/postgres")
_AT_ONCE = 64
_HOUR_MS = 60 * 60 * 1000
_DAY_MS = 24 * _HOUR_MS


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

    @property
    def seal(self) -> Seal:
        return Seal(_MASTER.derive(Purpose.ERASURE_SEAL))

    def stores(self, database: Database) -> ErasureStores:
        return stores_on(database, self.seal)

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


async def work(bench: Bench, name: str, count: int) -> float:
    """Be one worker until so many requests have ended; return how many seconds the start took."""
    database = Database(DatabaseSettings(bench.url, threads=4))
    await database.start()
    stores = bench.stores(database)
    key = Ed25519PrivateKey.from_private_bytes(_MASTER.derive(Purpose.RECEIPT_SIGNING))
    settings = WorkerSettings(name=name, poll=timedelta(milliseconds=200))
    worker = ErasureWorker(stores, bench.systems(), Nowhere(), key, Metrics(), settings)
    began = time.perf_counter()
    await worker.start()
    took = time.perf_counter() - began
    while await database.read(_ended) < count:  # noqa: ASYNC110 - other processes do the rest
        await asyncio.sleep(0.2)
    await worker.stop()
    await database.stop()
    return took


def _ended(connection: Connection) -> int:
    return connection.scalar(select(func.count()).select_from(receipts)) or 0


def _run(bench: Bench, name: str, count: int, starts: multiprocessing.Queue[float]) -> None:
    starts.put(asyncio.run(work(bench, name, count)))


def drain(bench: Bench, workers: int, count: int) -> tuple[float, float]:
    """Return how long the slowest worker took to start, and the time from the first step to the last end, in seconds.

    How processes start is not counted.
    """
    context = multiprocessing.get_context("spawn")
    starts: multiprocessing.Queue[float] = context.Queue()
    names = [f"worker{number}" for number in range(workers)]
    processes = [context.Process(target=_run, args=(bench, name, count, starts)) for name in names]
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
    return max(starts.get() for _ in processes), float((last - first).total_seconds())


def fill(bench: Bench, count: int, opened: int = 100) -> None:
    """Put open requests beside, each with all its tasks, received a day ago.

    Half of them wait until the person is identified; the others for one system that is down and tried again in an hour,
    and have ended in the rest. What nobody opens is sealed by noise of the same length: all but the first ``opened``,
    of which a start looks into the oldest.
    """
    engine = create_engine(bench.url)
    received = milliseconds(datetime.now(UTC) - timedelta(days=1))
    planned = {"received": received, "planned": plan_digest(bench.systems()), "count": count, "targets": bench.targets}
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))  # keys are as they should be
        connection.execute(text(_OPEN_REQUESTS), planned)
        for start in range(0, min(count, opened), _ROWS):
            rows = [_sealed(bench, number) for number in range(start, min(count, opened, start + _ROWS))]
            connection.execute(update(requests).where(requests.c.id == bindparam("mine")), rows)
        connection.execute(text(_OPEN_TASKS), planned)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    engine.dispose()


def _sealed(bench: Bench, number: int) -> dict[str, object]:
    request_id = f"{_OPEN_IDS}{number:012x}"
    sealed = bench.seal.close(request_id, [SubjectIdentity(IdentityType.EMAIL, f"open{number}@example.org")])
    return {"mine": request_id, "wrapped_key": sealed.wrapped_key, "sealed": sealed.identities}


_OPEN_IDS = "00000000-0000-4001-8000-"
_ROWS = 1000
_OPEN_REQUESTS = f"""
    INSERT INTO erasure_requests (
        id, body_digest, regulation, subject, commitment, received_at, internal_at, legal_at, overdue_at, verified_by,
        verified_at, accepted_state, round, wrapped_key, sealed, planned_for, late_at, alert_at)
    SELECT '{_OPEN_IDS}' || lpad(to_hex(n), 12, '0'), decode(md5(n::text), 'hex'), 'gdpr', md5(n::text), md5(n::text),
           at, at + {23 * _DAY_MS}, at + {30 * _DAY_MS}, at + {30 * _DAY_MS},
           CASE n % 2 WHEN 1 THEN 'account_login' END, CASE n % 2 WHEN 1 THEN at END,
           CASE n % 2 WHEN 1 THEN 'pending' ELSE 'awaiting_verification' END, 1,
           decode(repeat(md5(n::text), 4), 'hex'), decode(repeat(md5(n::text), 5), 'hex'), :planned,
           at + {30 * _DAY_MS}, at + {15 * _DAY_MS}
    FROM (SELECT n, CAST(:received AS bigint) + n AS at FROM generate_series(0, :count - 1) AS n) AS numbered
"""
_OPEN_TASKS = f"""
    INSERT INTO erasure_tasks (
        request_id, target, identities, outcome, claimed, failures, attempts, due_at, fence, ready)
    SELECT id, 'system' || n, '0',
           CASE WHEN verified_at IS NULL THEN 'pending' WHEN n = 0 THEN 'retryable_failure' ELSE 'verified_erased' END,
           verified_at IS NOT NULL, 0, 0,
           CASE WHEN verified_at IS NULL THEN received_at ELSE :received + {25 * _HOUR_MS} END,
           0, verified_at IS NOT NULL AND n = 0
    FROM erasure_requests CROSS JOIN generate_series(0, :targets - 1) AS n
"""


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


@dataclass(frozen=True, slots=True)
class Measured:
    """Requests taken in a second, seconds that a worker took to start, requests ended in a second."""

    taken: float
    start_s: float
    ended: float


def measure(url: str, count: int, targets: int, workers: int, beside: int) -> Measured:
    """Take requests in and have workers end them, with so many open ones beside."""
    with fresh_database(url) as fresh:
        bench = Bench(fresh, targets)
        asyncio.run(submit(bench, 0, 0))  # makes the tables
        fill(bench, beside)
        began = time.perf_counter()
        asyncio.run(submit(bench, 1, count))
        taken = count / (time.perf_counter() - began)
        start_s, seconds = drain(bench, workers, count)
        return Measured(taken, start_s, count / seconds)


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """Seconds that a start took, seconds until every open request was planned anew, and MiB that this took at most."""

    start_s: float
    planned_s: float
    grown_mib: float


async def catch_up(bench: Bench) -> CaughtUp:
    """Be a worker with one target more than open requests were planned for, until they are planned for it, too."""
    more = Bench(bench.url, bench.targets + 1)
    database = Database(DatabaseSettings(bench.url, threads=4))
    await database.start()
    wanted = plan_digest(more.systems())
    key = Ed25519PrivateKey.from_private_bytes(_MASTER.derive(Purpose.RECEIPT_SIGNING))
    worker = ErasureWorker(more.stores(database), more.systems(), Nowhere(), key, Metrics(), WorkerSettings())
    before_kib = _peak_kib()
    began = time.perf_counter()
    await worker.start()
    started = time.perf_counter()
    left = select(requests.c.id).where(requests.c.ended_at.is_(None), requests.c.planned_for != wanted).limit(1)
    while await database.read(lambda connection: connection.scalar(left)) is not None:  # noqa: ASYNC110 - tells nobody
        await asyncio.sleep(0.2)
    planned = time.perf_counter()
    grown_kib = _peak_kib() - before_kib
    await worker.stop()
    await database.stop()
    return CaughtUp(started - began, planned - began, grown_kib / 1024)


def _peak_kib() -> int:
    """Return what this process had in memory at most; ``ru_maxrss`` would count what its parent had."""
    said = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines())
    return int(said["VmHWM"].split()[0])


def _caught_up(bench: Bench, found: multiprocessing.Queue[CaughtUp]) -> None:
    found.put(asyncio.run(catch_up(bench)))


def measure_catching_up(url: str, targets: int, count: int) -> CaughtUp:
    """Have so many open requests, and start one worker, as a process, with one more target."""
    with fresh_database(url) as fresh:
        bench = Bench(fresh, targets)
        asyncio.run(submit(bench, 0, 0))  # makes the tables
        fill(bench, count, opened=count)
        context = multiprocessing.get_context("spawn")
        found: multiprocessing.Queue[CaughtUp] = context.Queue()
        process = context.Process(target=_caught_up, args=(bench, found))
        process.start()
        caught_up = found.get()
        process.join()
        return caught_up


def print_catching_up(url: str, targets: int, counts: Sequence[int]) -> None:
    """Measure starts with one more target, and print a table in Markdown."""
    print(f"One more target than {targets}, {os.cpu_count()} cores\n")
    print("| Open | Load | Start, s | All planned after, s | Grown by, MiB |")
    print("|---|---|---|---|---|")
    for count in counts:
        found = measure_catching_up(url, targets, count)
        print(
            f"| {count:,} | {os.getloadavg()[0]:.0f} | {found.start_s:.2f} | {found.planned_s:.1f} |"
            f" {found.grown_mib:.0f} |",
            flush=True,
        )


def main() -> None:
    """Measure and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--targets", type=int, default=5)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--open", default="0", help="open requests beside, e.g. 100,10000,1000000")
    parser.add_argument("--url", default=_URL, help="of a PostgreSQL where databases may be made")
    parser.add_argument("--catch-up", action="store_true", help="start with one more target on the open requests")
    args = parser.parse_args()
    beside_each = [int(one) for one in args.open.split(",")]
    if args.catch_up:
        print_catching_up(args.url, args.targets, beside_each)
        return
    print(f"{args.requests} requests x {args.targets} targets, {args.workers} workers, {os.cpu_count()} cores\n")
    print(
        "| Open beside | Load | Taken in a second | Start, s | Ended in a second | Steps in a second | Beside first |"
    )
    print("|---|---|---|---|---|---|---|")
    first = None
    for beside in beside_each:
        found = measure(args.url, args.requests, args.targets, args.workers, beside)
        first = first or found.ended
        made = found.ended * args.targets * 2
        print(
            f"| {beside:,} | {os.getloadavg()[0]:.0f} | {found.taken:.0f} | {found.start_s:.1f} | {found.ended:.1f} |"
            f" {made:.0f} | {found.ended / first:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
