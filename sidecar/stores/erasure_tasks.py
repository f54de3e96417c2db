"""Erasure tasks as the worker drives them: leased, run, recorded, ended, forgotten. Raises ``StoreUnavailable``.

A lease is a task whose ``due_at`` lies ahead and whose ``fence`` was raised. Whoever holds an older fence may still be
calling the target, which is harmless; what it then writes is refused (``LeaseLost``, E20).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, and_, exists, select, update

from sidecar.erasure.outcomes import Outcome
from sidecar.erasure.plan import Side
from sidecar.erasure.steps import Advance, TaskState
from sidecar.errors import KeyMaterialError
from sidecar.stores.database import Database
from sidecar.stores.erasure_allowances import grant, spend
from sidecar.stores.erasure_due import due_rows, due_tasks, live_erasure
from sidecar.stores.erasure_evidence import Attempted, Evidence, Leased, LeaseLost, write_attempts
from sidecar.stores.erasure_journal import Keeper, NoJournal
from sidecar.stores.erasure_looks import Seen, write_seen
from sidecar.stores.erasure_notices import Teller
from sidecar.stores.erasure_replays import replay_all
from sidecar.stores.erasure_tables import IS_RETAINED, requests, split_indices, tasks
from sidecar.stores.seal import Seal, Sealed
from sidecar.stores.together import Together
from sidecar.targets.target import TargetLimits

_FORGOTTEN_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Leases:
    """``unopened`` counts due tasks whose sealed identities did not open: loud, and in nobody else's way (E19)."""

    tasks: tuple[Leased, ...]
    unopened: int


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
        self._recorded: Together[Attempted, int] = Together(self._record)
        self._seen: Together[Seen, None] = Together(self._note_seen)
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
        await self._recorded((leased, advance, evidence))

    async def note_seen(self, leased: Leased, count: int, now: datetime) -> None:
        """Note how much there was before anything was deleted, once in a round. After a lost lease, nothing."""
        await self._seen((leased, count, now))

    async def postpone(self, leased: Leased, due: datetime) -> None:
        """Give a lease back with nothing done. A lease that was lost is left alone."""
        await self._database.run(
            lambda connection: connection.execute(_still_ours(leased).values(due_at=due, leased_by=None))
        )

    async def forget(self, now: datetime) -> int:
        """Destroy the keys and the identities of requests past their horizon; return of how many (E41).

        While something is lawfully kept its identities are, too: without them it could never be erased (E31).
        """
        forgotten = await self._database.read(lambda connection: _past_horizon(connection, now, 1))
        if forgotten:
            forgotten = await self._database.run(lambda connection: _forget(connection, now))
        self._to_forget.update(forgotten)  # before anything that may fail: nobody tells us of them again
        self._scrubbing_owed |= bool(forgotten)
        if self._scrubbing_owed:
            self._scrubbing_owed = not await self._database.scrub()
        if self._to_forget:
            await self._keeper.forget(sorted(self._to_forget))
            self._to_forget.clear()
        await self._keeper.forget_destroyed()
        return len(forgotten)

    async def replay(self, now: datetime) -> int:
        """Order everybody who can still be opened, and was begun, to be erased once more; return how many (E39)."""
        return await self._database.run(lambda connection: replay_all(connection, now))

    async def _record(self, some: Sequence[Attempted]) -> Sequence[int | LeaseLost]:
        return await self._database.run(lambda connection: write_attempts(connection, self._seal, self._teller, some))

    async def _note_seen(self, some: Sequence[Seen]) -> Sequence[None]:
        await self._database.run(lambda connection: write_seen(connection, some))
        return [None] * len(some)

    def _lease(
        self, connection: Connection, rows: Sequence[Row[Any]], worker: str, until: datetime, side: Side
    ) -> Leases:
        if rows:
            values = {"due_at": until, "leased_by": worker}
            raised = {"fence": tasks.c.fence + 1, "attempts": tasks.c.attempts + 1}
            mine = tasks.c.id.in_([row.id for row in rows])
            connection.execute(update(tasks).where(mine).values(values | raised))
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


def _past_horizon(connection: Connection, now: datetime, limit: int) -> list[str]:
    kept = exists().where(tasks.c.request_id == requests.c.id, IS_RETAINED)
    past = and_(requests.c.ended_at.is_not(None), requests.c.forget_at <= now, requests.c.sealed.is_not(None), ~kept)
    return list(connection.scalars(select(requests.c.id).where(past).order_by(requests.c.forget_at).limit(limit)))


def _forget(connection: Connection, now: datetime) -> list[str]:
    found = _past_horizon(connection, now, _FORGOTTEN_AT_ONCE)
    if not found:
        return []
    # Not what was reopened meanwhile: without its key it could never be erased.
    ended = requests.c.id.in_(found) & requests.c.ended_at.is_not(None)
    destroyed = update(requests).where(ended).values(wrapped_key=None, sealed=None).returning(requests.c.id)
    gone = list(connection.scalars(destroyed))
    mine = tasks.c.request_id.in_(gone)
    connection.execute(update(tasks).where(mine, tasks.c.reference.is_not(None)).values(reference=None))
    return gone


def _still_ours(leased: Leased) -> Any:
    return update(tasks).where(
        tasks.c.id == leased.task_id, tasks.c.fence == leased.fence, tasks.c.leased_by == leased.worker
    )
