"""Erasure tasks as the worker drives them: leased, run, recorded, ended, forgotten. Raises ``StoreUnavailable``.

A lease is a task whose ``due_at`` lies ahead and whose ``fence`` was raised. Whoever holds an older fence may still be
calling the target, which is harmless; what it then writes is refused (``LeaseLost``, E20).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, and_, exists, insert, select, update

from sidecar.erasure.outcomes import VERIFIED, Outcome
from sidecar.erasure.plan import LiveErasure, Side
from sidecar.erasure.request import SubjectIdentity
from sidecar.erasure.steps import Advance, Step, TaskState
from sidecar.errors import KeyMaterialError, SidecarError
from sidecar.stores.database import Database
from sidecar.stores.erasure_allowances import grant, spend
from sidecar.stores.erasure_due import due_rows, due_tasks, live_erasure
from sidecar.stores.erasure_journal import Keeper, NoJournal
from sidecar.stores.erasure_looks import note_seen
from sidecar.stores.erasure_notices import Teller
from sidecar.stores.erasure_replays import fresh, replay_all
from sidecar.stores.erasure_tables import requests, split_indices, steps, tasks
from sidecar.stores.seal import Seal, Sealed
from sidecar.targets.target import Order, TargetLimits


class LeaseLost(SidecarError):
    """Another worker has the task by now; what was to be written is not."""


@dataclass(frozen=True, slots=True)
class Leased:
    """A task that is ours until the lease ends, with the identities it is about."""

    task_id: int
    fence: int
    worker: str
    request_id: str
    round: int
    subject: str
    target: str
    state: TaskState
    identities: tuple[SubjectIdentity, ...] = field(repr=False)
    live: LiveErasure | None = None
    """Of a backup set: how its live system stands."""

    @property
    def order(self) -> Order:
        """The task for a system that works on orders: by a UUID that stays the same for a round, and says nothing."""
        digest = sha256(f"{self.request_id}:{self.round}:{self.task_id}".encode()).digest()
        return Order(str(UUID(bytes=digest[:16], version=4)), self.identities, self.state.reference)


@dataclass(frozen=True, slots=True)
class Leases:
    """``unopened`` counts due tasks whose sealed identities did not open: loud, and in nobody else's way (E19)."""

    tasks: tuple[Leased, ...]
    unopened: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one attempt came to, in closed words and counts."""

    step: Step
    status: str
    fault: str | None
    http_status: int | None
    count: int | None
    at: datetime
    detail: str | None = None
    parts: Mapping[str, int] | None = None


class ErasureTasks:
    """The worker's side of durable state."""

    def __init__(
        self, database: Database, seal: Seal, keeper: Keeper | None = None, teller: Teller | None = None
    ) -> None:
        self._database = database
        self._seal = seal
        self._teller = teller or Teller(seal)
        self._keeper: Keeper = keeper or NoJournal()
        self._to_forget: set[str] = set()
        self._scrubbing_owed = True  # a process before us may have been killed between the two

    async def release(self, worker: str, now: datetime) -> None:
        """Take back what a worker of this name held when it was killed, so that nothing waits for its lease to end."""
        await self._database.run(
            lambda connection: connection.execute(
                update(tasks)
                .where(tasks.c.leased_by == worker)
                .values(leased_by=None, due_at=now, fence=tasks.c.fence + 1)
            )
        )

    async def lease(
        self,
        target: str,
        worker: str,
        now: datetime,
        until: datetime,
        limit: int,
        side: Side = Side.UPSTREAM,
        limits: TargetLimits | None = None,
    ) -> Leases:
        """Lease up to ``limit`` due tasks of a target, longest due first. Nothing of an unverified subject (E7).

        No more than ``limits`` leave to all processes together (E19).

        Tasks of our own side are due only once nothing is left that can be done in live systems by itself (E48); those
        of a backup set once its live system is done, and then again whenever the day comes that they wait for (E38).
        """
        due = due_tasks(target, now, side)

        def lease(connection: Connection) -> Leases:
            rows = connection.execute(due_rows(due, limit)).all()
            if limits is not None and rows:
                rows = rows[: grant(connection, target, limits, now, len(rows))]
            return self._lease(connection, rows, worker, until, side)

        return await self._database.run(lease)

    async def spend(self, target: str, more: int) -> None:
        """Count calls that leased tasks make beyond one each."""
        await self._database.run(lambda connection: spend(connection, target, more))

    async def record(self, leased: Leased, advance: Advance, evidence: Evidence) -> None:
        """Write what an attempt came to and give the lease back. Raises ``LeaseLost``."""
        await self._database.run(lambda connection: self._record(connection, leased, advance, evidence))

    def _record(self, connection: Connection, leased: Leased, advance: Advance, evidence: Evidence) -> None:
        _record(connection, self._seal, leased, advance, evidence)
        if leased.state.outcome is Outcome.PENDING:
            self._teller.tell_begun(connection, leased.request_id, leased.round, evidence.at)

    async def note_seen(self, leased: Leased, count: int, now: datetime) -> None:
        """Note how much there was before anything was deleted, once in a round. After a lost lease, nothing."""
        await self._database.run(
            lambda connection: note_seen(connection, leased.task_id, leased.fence, leased.round, count, now)
        )

    async def postpone(self, leased: Leased, due: datetime) -> None:
        """Give a lease back with nothing done. A lease that was lost is left alone."""
        await self._database.run(
            lambda connection: connection.execute(_still_ours(leased).values(due_at=due, leased_by=None))
        )

    async def forget(self, now: datetime) -> int:
        """Destroy the keys and the identities of requests past their horizon; return of how many (E41).

        While something is lawfully kept its identities are, too: without them it could never be erased (E31).
        """
        forgotten = await self._database.run(lambda connection: _forget(connection, now))
        self._scrubbing_owed |= bool(forgotten)
        if self._scrubbing_owed:
            self._scrubbing_owed = not await self._database.scrub()
        self._to_forget.update(forgotten)
        if self._to_forget:
            await self._keeper.forget(sorted(self._to_forget))
            self._to_forget.clear()
        return len(forgotten)

    async def replay(self, now: datetime) -> int:
        """Order every ended request that can still be opened to be erased once more; return how many (E39)."""
        return await self._database.run(lambda connection: replay_all(connection, now))

    def _lease(
        self, connection: Connection, rows: Sequence[Row[Any]], worker: str, until: datetime, side: Side
    ) -> Leases:
        for row in rows:
            connection.execute(
                update(tasks)
                .where(tasks.c.id == row.id)
                .values(due_at=until, leased_by=worker, fence=row.fence + 1, attempts=row.attempts + 1)
            )
        opened = [leased for row in rows if (leased := self._leased(row, worker)) is not None]
        if side is Side.BACKUP:
            opened = [
                replace(leased, live=live_erasure(connection, leased.request_id, leased.target)) for leased in opened
            ]
        return Leases(tuple(opened), len(rows) - len(opened))

    def _leased(self, row: Row[Any], worker: str) -> Leased | None:
        try:
            identities = self._seal.open(row.request_id, Sealed(row.wrapped_key, row.sealed))
            reference = self._seal.open_text(row.request_id, row.wrapped_key, row.reference) if row.reference else None
        except KeyMaterialError:
            return None
        return Leased(
            task_id=row.id,
            fence=row.fence + 1,
            worker=worker,
            request_id=row.request_id,
            round=row.round,
            subject=row.subject,
            target=row.target,
            state=TaskState(Outcome(row.outcome), row.claimed, row.deleted, row.failures, row.submitted_at, reference),
            identities=tuple(identities[index] for index in split_indices(row.identities)),
        )


def _forget(connection: Connection, now: datetime) -> list[str]:
    kept = exists().where(tasks.c.request_id == requests.c.id, tasks.c.outcome == Outcome.RETAINED.value)
    past = and_(requests.c.ended_at.is_not(None), requests.c.forget_at <= now, requests.c.sealed.is_not(None), ~kept)
    found = list(connection.scalars(select(requests.c.id).where(past)))
    for request_id in found:
        mine = tasks.c.request_id == request_id
        connection.execute(update(tasks).where(mine, tasks.c.reference.is_not(None)).values(reference=None))
        destroyed = {"wrapped_key": None, "sealed": None}
        connection.execute(update(requests).where(requests.c.id == request_id).values(destroyed))
    return found


def _still_ours(leased: Leased) -> Any:
    return update(tasks).where(
        tasks.c.id == leased.task_id, tasks.c.fence == leased.fence, tasks.c.leased_by == leased.worker
    )


def _record(connection: Connection, seal: Seal, leased: Leased, advance: Advance, evidence: Evidence) -> None:
    state = advance.state
    reference = None
    if state.reference is not None:
        key = connection.scalar(select(requests.c.wrapped_key).where(requests.c.id == leased.request_id))
        reference = (
            seal.close_texts(leased.request_id, Sealed(key, b""), [state.reference])[0] if key is not None else None
        )
    written = connection.execute(
        _still_ours(leased).values(
            outcome=state.outcome.value,
            claimed=state.claimed,
            deleted=state.deleted,
            remaining=advance.remaining,
            failures=state.failures,
            due_at=advance.due,
            leased_by=None,
            submitted_at=state.submitted_at,
            reference=reference,
            verified_at=advance.verified_at,
            until_at=advance.until,
            ground=advance.ground,
        )
    )
    if written.rowcount != 1:
        raise LeaseLost("the lease ran out and another worker took the task")
    connection.execute(
        insert(steps).values(
            task_id=leased.task_id,
            step=evidence.step.value,
            status=evidence.status,
            fault=evidence.fault,
            http_status=evidence.http_status,
            count=evidence.count,
            detail=evidence.detail,
            parts=json.dumps(dict(evidence.parts), sort_keys=True) if evidence.parts else None,
            round=leased.round,
            at=evidence.at,
        )
    )
    if evidence.step is Step.DELETE:
        _wait_for_backups_again(connection, leased, evidence.at)


def _wait_for_backups_again(connection: Connection, leased: Leased, now: datetime) -> None:
    """Doubt backup sets that were found clean: something had to be deleted in their system, so copies may hold it."""
    theirs = (
        tasks.c.request_id == leased.request_id,
        tasks.c.target.startswith(f"{leased.target}/", autoescape=True),
        tasks.c.outcome.in_(sorted(VERIFIED)),
    )
    connection.execute(update(tasks).where(*theirs).values(**fresh(now)))
