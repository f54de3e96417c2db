"""Keeps the plans of open requests in step with the configured targets (E12).

A target that was added is planned for; one that was taken away is unresolved, never dropped; one that came back, or
can be reached in another way now, is tried again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, exists, select, update

from sidecar.erasure.outcomes import ENDED, RUNNABLE, WAITING, Outcome
from sidecar.erasure.plan import Plannable, PlannedTask, PlanTooLarge, Side, live_name, plan, unused_types
from sidecar.erasure.request import SubjectIdentity
from sidecar.errors import KeyMaterialError
from sidecar.stores.database import Database
from sidecar.stores.erasure_tables import join_indices, requests, steps, tasks
from sidecar.stores.erasures import insert_tasks, note_unused_types
from sidecar.stores.seal import Seal, Sealed


@dataclass(frozen=True, slots=True)
class Reconciled:
    """How many requests are open, and the identities of how many of them did not open."""

    open: int
    unopened: int


class ErasurePlans:
    """Brings open requests up to date, one transaction for each. Raises ``StoreUnavailable``."""

    def __init__(self, database: Database, seal: Seal) -> None:
        self._database = database
        self._seal = seal

    async def reconcile(self, targets: Sequence[Plannable], now: datetime) -> Reconciled:
        """Do so for every open request. Call it at start, before the worker."""
        query = select(requests.c.id).where(requests.c.ended_at.is_(None))
        open_ids = await self._database.read(lambda connection: list(connection.scalars(query)))
        unopened = 0
        for request_id in open_ids:
            try:
                await self._database.run(_Reconciler(self._seal, request_id, targets, now))
            except KeyMaterialError:
                unopened += 1
        return Reconciled(len(open_ids), unopened)


class _Reconciler:
    """One request's transaction."""

    def __init__(self, seal: Seal, request_id: str, targets: Sequence[Plannable], now: datetime) -> None:
        self._seal = seal
        self._request_id = request_id
        self._targets = targets
        self._now = now

    def __call__(self, connection: Connection) -> None:
        row = connection.execute(select(requests).where(requests.c.id == self._request_id)).one()
        if row.ended_at is not None or row.sealed is None:
            return
        identities = self._seal.open(row.id, Sealed(row.wrapped_key, row.sealed))
        wanted = [task for target in self._targets for task in _planned(target, identities)]
        self._add_missing(connection, wanted)
        self._move(connection, wanted)
        self._redo_own(connection)
        note_unused_types(connection, self._request_id, unused_types(self._targets, identities))

    def _add_missing(self, connection: Connection, wanted: Sequence[PlannedTask]) -> None:
        found = connection.execute(
            select(tasks.c.target, tasks.c.identities).where(tasks.c.request_id == self._request_id)
        )
        held = {(row.target, row.identities) for row in found}
        missing = [task for task in wanted if (task.target, join_indices(task.identities)) not in held]
        insert_tasks(connection, self._request_id, missing, self._now)

    def _move(self, connection: Connection, wanted: Sequence[PlannedTask]) -> None:
        feasible = {(task.target, join_indices(task.identities)) for task in wanted if task.identities}
        targets_met = {target for target, _ in feasible}
        rows = connection.execute(select(tasks).where(tasks.c.request_id == self._request_id)).all()
        for row in rows:
            outcome = Outcome(row.outcome)
            possible = (row.target, row.identities) in feasible
            if outcome is Outcome.CAPABILITY_UNRESOLVED and possible:
                self._set(connection, row.id, Outcome.PENDING)
            elif outcome in RUNNABLE | WAITING and not possible:
                self._set(connection, row.id, Outcome.CAPABILITY_UNRESOLVED)
            elif outcome is Outcome.CAPABILITY_UNRESOLVED and not row.identities and row.target in targets_met:
                _drop_stand_in(connection, row.id)

    def _redo_own(self, connection: Connection) -> None:
        """Let the sidecar forget once more where other systems have work again: until they end, traffic writes anew.

        Backups that wait to expire are none of them: no traffic reads a backup, and a deletion at every restart would
        pass for that of somebody who had turned up again.
        """
        own = {target.name for target in self._targets if target.side is Side.OWN}
        rows = connection.execute(select(tasks).where(tasks.c.request_id == self._request_id)).all()
        live = [row for row in rows if row.target not in own and live_name(row.target) == row.target]
        if any(Outcome(row.outcome) in RUNNABLE | WAITING for row in live):
            for row in rows:
                if row.target in own and Outcome(row.outcome) in ENDED:
                    self._set(connection, row.id, Outcome.PENDING)

    def _set(self, connection: Connection, task_id: int, outcome: Outcome) -> None:
        connection.execute(
            update(tasks)
            .where(tasks.c.id == task_id)
            .values(
                outcome=outcome.value,
                due_at=self._now,
                failures=0,
                fence=tasks.c.fence + 1,
                leased_by=None,
                submitted_at=None,
            )
        )


def _planned(target: Plannable, identities: Sequence[SubjectIdentity]) -> Sequence[PlannedTask]:
    """Plan one target. What intake would refuse as too large can't be refused any more: it is unresolved."""
    try:
        return plan([target], identities)
    except PlanTooLarge:
        return [PlannedTask(target.name, (), Outcome.CAPABILITY_UNRESOLVED)]


def _drop_stand_in(connection: Connection, task_id: int) -> None:
    """Remove the task that said "no identity for this target", now that there are tasks with one."""
    unused = ~exists().where(steps.c.task_id == task_id)
    connection.execute(delete(tasks).where(tasks.c.id == task_id, unused))
