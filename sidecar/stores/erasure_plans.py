"""Keeps the plans of open requests in step with the configured targets (E12).

A target that was added is planned for; one that was taken away is unresolved, never dropped; one that came back, or
can be reached in another way now, is tried again. Each request says for which targets it was planned, so that a start
with the same targets looks at none of those that are up to date, however many are open. A start with others goes
through the rest beside the work, and nothing ends meanwhile that was not planned for all of them. So it is with a
request that had ended and is to be done once more, and with one that has something to do in a target that is not there.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import Column, Connection, Row, Select, delete, exists, insert, select, tuple_, update

from sidecar.erasure.outcomes import ENDED, LEFT_TO_DO, RUNNABLE, WAITING, Outcome
from sidecar.erasure.plan import Plannable, PlannedTask, PlanTooLarge, Side, plan, plan_digest, unused_types
from sidecar.erasure.readiness import is_backup
from sidecar.erasure.request import SubjectIdentity
from sidecar.errors import KeyMaterialError
from sidecar.stores import erasure_tables as tables
from sidecar.stores.database import Database
from sidecar.stores.erasure_tables import MAY_RESOLVE, join_indices, requests, steps, tasks
from sidecar.stores.erasure_turns import Standing, derive, mark, parts, standings
from sidecar.stores.erasures import PlanOf, insert_tasks
from sidecar.stores.seal import Seal, Sealed

_AT_ONCE: Final = 200
_SAMPLED: Final = 50


@dataclass(frozen=True, slots=True)
class Sample:
    """``sampled``: of how many open requests, the oldest and the newest, the identities were opened; ``closed``: of how
    many of those they did not open."""

    sampled: int
    closed: int

    @property
    def wrong_key(self) -> bool:
        """Whether not one opened: then the master key is another."""
        return self.closed == self.sampled > 0


@dataclass(frozen=True, slots=True)
class Anew:
    """``requests``: how many were looked at; ``unopened``: the identities of how many of them did not open."""

    requests: int
    unopened: int


class ErasurePlans:
    """What is planned for open requests. Raises ``StoreUnavailable``."""

    def __init__(self, database: Database, seal: Seal) -> None:
        self._database = database
        self._seal = seal

    async def sample(self) -> Sample:
        """Open some requests, by which another master key shows. Call it at start, before anything is planned."""
        return await self._database.read(self._sample)

    def catch_up(self, targets: Sequence[Plannable]) -> CatchUp:
        """Return what brings every open request up to date that was planned for other targets."""
        return CatchUp(self._database, self._seal, tuple(targets))

    async def plan_anew(self, targets: Sequence[Plannable], now: datetime) -> Anew:
        """Bring the next requests up to date that must be planned anew, in one transaction."""
        wanted = (requests.c.planned_for == tables.ANEW, requests.c.ended_at.is_(None))
        query = select(requests.c.id).where(*wanted).order_by(requests.c.id).limit(_AT_ONCE)
        ids = [row.id for row in await self._database.read(partial(_rows, query=query))]
        if not ids:
            return Anew(0, 0)
        return Anew(len(ids), await self._database.run(_Reconciler(self._seal, ids, targets, now)))

    def _sample(self, connection: Connection) -> Sample:
        query = select(requests.c.id, requests.c.wrapped_key, requests.c.sealed).where(
            requests.c.ended_at.is_(None), requests.c.sealed.is_not(None)
        )
        rows: set[Row[Any]] = set()
        for order in (requests.c.received_at, requests.c.received_at.desc()):
            rows.update(connection.execute(query.order_by(order).limit(_SAMPLED)))
        return Sample(len(rows), sum(not self._opens(row) for row in rows))

    def _opens(self, row: Row[Any]) -> bool:
        try:
            self._seal.open(row.id, Sealed(row.wrapped_key, row.sealed))
        except KeyMaterialError:
            return False
        return True


@dataclass(frozen=True, slots=True)
class _Search:
    """Rows that name requests, in the order of a key. ``outdated``: of what must not end before it was looked at."""

    find: Select[Any]
    key: tuple[Column[Any], ...]
    outdated: bool

    def page(self, after: Sequence[Any] | None) -> Select[Any]:
        further = self.find if after is None else self.find.where(tuple_(*self.key) > tuple(after))
        return further.order_by(*self.key).limit(_AT_ONCE)


@dataclass(slots=True)
class CatchUp:
    """Goes through the open requests that were planned for other targets, some at a time.

    ``unopened``: the identities of how many did not open. Where it fails it goes on at the next call; after a kill it
    begins anew, and what was brought up to date is not found any more.
    """

    _database: Database
    _seal: Seal
    _targets: tuple[Plannable, ...]
    unopened: int = 0
    _left: list[_Search] = field(init=False)
    _after: Sequence[Any] | None = None

    def __post_init__(self) -> None:
        planned, digest = requests.c.planned_for, plan_digest(self._targets)
        open_ones = select(planned, requests.c.id).where(requests.c.ended_at.is_(None))
        key = (planned, requests.c.id)
        self._left = [_Search(open_ones.where(other), key, True) for other in (planned < digest, planned > digest)]
        # What can't be done may have been, by another address in the configuration: at every start.
        unresolved = select(tasks.c.request_id).join(requests, requests.c.id == tasks.c.request_id).distinct()
        find = unresolved.where(MAY_RESOLVE, requests.c.ended_at.is_(None))
        self._left.append(_Search(find, (tasks.c.request_id,), False))

    @property
    def wanted(self) -> str | None:
        """For which targets a request must have been planned before it may end; None: all that can be are."""
        return plan_digest(self._targets) if any(one.outdated for one in self._left) else None

    async def some(self, now: datetime) -> bool:
        """Bring the next ones up to date, in one transaction; tell whether there may be more."""
        if not self._left:
            return False
        search = self._left[0]
        rows = await self._database.read(partial(_rows, query=search.page(self._after)))
        if rows:
            ids = sorted({row[len(search.key) - 1] for row in rows})
            self.unopened += await self._database.run(_Reconciler(self._seal, ids, self._targets, now))
            self._after = tuple(rows[-1])
        else:
            self._left.pop(0)
            self._after = None
        return bool(self._left)


def _rows(connection: Connection, query: Select[Any]) -> Sequence[Row[Any]]:
    return connection.execute(query).all()


class _Reconciler:
    """One transaction on some requests; returns the identities of how many did not open."""

    def __init__(self, seal: Seal, ids: Collection[str], targets: Sequence[Plannable], now: datetime) -> None:
        self._seal = seal
        self._ids = ids
        self._targets = targets
        self._now = now
        self._changed: set[str] = set()
        self._plans: list[PlanOf] = []

    def __call__(self, connection: Connection) -> int:
        found = [one for one in standings(connection, self._ids) if one.request.ended_at is None]
        known = _noted_types(connection, [one.request.id for one in found])
        opened = [one.request.id for one in found if self._bring_up(connection, one, known[one.request.id])]
        insert_tasks(connection, self._plans)
        _note_plans(connection, opened, plan_digest(self._targets))
        # What does not open now may at a start with another key; it must be in nobody's way until then.
        closed = {one.request.id for one in found if one.request.planned_for == tables.ANEW} - set(opened)
        _note_plans(connection, sorted(closed), tables.NOTHING)
        derive(connection, [one for one in found if one.request.id not in self._changed])
        derive(connection, standings(connection, self._changed))
        mark(connection, self._changed, self._now)
        return sum(one.request.sealed is not None for one in found) - len(opened)

    def _bring_up(self, connection: Connection, one: Standing, types: Collection[str]) -> bool:
        row = one.request
        if row.planned_for == tables.NOTHING:  # brought back, or from before there were turns
            self._changed.add(row.id)
        if row.sealed is None:
            return False
        try:
            identities = self._seal.open(row.id, Sealed(row.wrapped_key, row.sealed))
        except KeyMaterialError:
            return False
        wanted = [task for target in self._targets for task in _planned(target, identities)]
        outcomes = self._moved(connection, one, wanted)
        self._redo_own(connection, one, outcomes)
        self._note_unused_types(connection, row.id, types, unused_types(self._targets, identities))
        return True

    def _moved(self, connection: Connection, one: Standing, wanted: Sequence[PlannedTask]) -> dict[int, Outcome]:
        """Plan what is missing, and move what can be done now, or no more; return how tasks stand then."""
        held = {(task.target, task.identities) for task in one.tasks}
        missing = [task for task in wanted if (task.target, join_indices(task.identities)) not in held]
        if missing:
            self._plans.append(PlanOf(one.request.id, missing, self._now))
            self._changed.add(one.request.id)
        feasible = {(task.target, join_indices(task.identities)) for task in wanted if task.identities}
        targets_met = {target for target, _ in feasible}
        outcomes = {task.id: Outcome(task.outcome) for task in one.tasks}
        for task in one.tasks:
            outcome, possible = outcomes[task.id], (task.target, task.identities) in feasible
            if outcome is Outcome.CAPABILITY_UNRESOLVED and possible:
                outcomes[task.id] = self._set(connection, task, Outcome.PENDING)
            elif outcome in LEFT_TO_DO and not possible:
                outcomes[task.id] = self._set(connection, task, Outcome.CAPABILITY_UNRESOLVED)
            elif outcome is Outcome.CAPABILITY_UNRESOLVED and not task.identities and task.target in targets_met:
                _drop_stand_in(connection, task.id)
                self._changed.add(one.request.id)
        return outcomes

    def _redo_own(self, connection: Connection, one: Standing, outcomes: dict[int, Outcome]) -> None:
        """Let the sidecar forget once more where other systems have work again: until they end, traffic writes anew.

        Backups that wait to expire are none of them: no traffic reads a backup, and a deletion at every restart would
        pass for that of somebody who had turned up again.
        """
        own = {target.name for target in self._targets if target.side is Side.OWN}
        at_work = {task.target for task in one.tasks if outcomes[task.id] in RUNNABLE | WAITING}
        new = self._plans[-1].plan if self._plans and self._plans[-1].request_id == one.request.id else ()
        added = {task.target for task in new if task.outcome in RUNNABLE}
        if all(target in own or is_backup(target) for target in at_work | added):
            return
        for task in one.tasks:
            if task.target in own and outcomes[task.id] in ENDED:
                self._set(connection, task, Outcome.PENDING)

    def _set(self, connection: Connection, task: Row[Any], outcome: Outcome) -> Outcome:
        self._changed.add(task.request_id)
        connection.execute(
            update(tasks)
            .where(tasks.c.id == task.id)
            .values(
                outcome=outcome.value,
                due_at=self._now,
                failures=0,
                fence=tasks.c.fence + 1,
                leased_by=None,
                submitted_at=None,
            )
        )
        return outcome

    def _note_unused_types(
        self, connection: Connection, request_id: str, noted: Collection[str], types: Sequence[str]
    ) -> None:
        """Note which types of identities no upstream system is asked about, in place of what was noted before."""
        if set(noted) == {str(one) for one in types}:
            return
        table = tables.unused_types
        connection.execute(delete(table).where(table.c.request_id == request_id))
        if types:
            connection.execute(insert(table), [{"request_id": request_id, "type": str(one)} for one in types])


def _note_plans(connection: Connection, ids: Sequence[str], planned_for: str) -> None:
    for some in parts(ids):
        connection.execute(update(requests).where(requests.c.id.in_(some)).values(planned_for=planned_for))


def _noted_types(connection: Connection, ids: Sequence[str]) -> dict[str, set[str]]:
    noted: dict[str, set[str]] = {one: set() for one in ids}
    table = tables.unused_types
    for row in connection.execute(select(table).where(table.c.request_id.in_(ids))):
        noted[row.request_id].add(row.type)
    return noted


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
