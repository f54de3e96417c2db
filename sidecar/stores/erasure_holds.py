"""Holds on requests, and what becomes of the tasks that they cover. Raises ``StoreUnavailable``.

A held task is ``retained``. When nothing holds it any more it is done like any other, under the deadline it always had.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import Connection, Row, insert, or_, select, update

from sidecar.erasure.hold import Hold, HoldGround
from sidecar.erasure.outcomes import Outcome
from sidecar.erasure.plan import live_name
from sidecar.erasure.request import SubjectIdentity
from sidecar.errors import KeyMaterialError, SidecarError
from sidecar.stores.database import Database
from sidecar.stores.erasure_journal import Keeper, NoJournal
from sidecar.stores.erasure_notices import NoticeEvent, Teller
from sidecar.stores.erasure_replays import fresh
from sidecar.stores.erasure_tables import ANEW, IS_RETAINED, holds, requests, split_indices, tasks
from sidecar.stores.erasure_turns import look_at_held, mark
from sidecar.stores.seal import Seal, Sealed
from sidecar.stores.together import Together

_CAN_BE_KEPT: Final = frozenset({Outcome.PENDING, Outcome.RETRYABLE_FAILURE, Outcome.MANUAL_REQUIRED})
"""Where something is left of what a hold keeps. Whoever was asked to delete it by hand must be stopped, too.

What was deleted or ordered already, and is to be looked at, is too late: it is held if it turns out to be there."""

_NOT_LATE: Final = frozenset({Outcome.RETAINED, Outcome.CAPABILITY_UNRESOLVED})
"""Nothing was done there: held before, or the system can't be acted on. Should it be, the hold is asked first."""


class UnknownItem(SidecarError):
    """A hold names an identity or a target that the request does not have."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A hold that is in force: which targets keep something by it, and which were done before it came."""

    id: str
    subject: str
    held: tuple[str, ...]
    too_late: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lapsed:
    """A task that nothing in our own tables holds any more."""

    task_id: int
    request_id: str
    target: str
    identities: tuple[SubjectIdentity, ...] = field(repr=False)


class ErasureHolds:
    """Places, finds and releases holds."""

    def __init__(self, database: Database, seal: Seal, teller: Teller, keeper: Keeper | None = None) -> None:
        self._database = database
        self._keeper: Keeper = keeper or NoJournal()
        self._seal = seal
        self._teller = teller
        self._found: Together[tuple[int, datetime], Hold | None] = Together(self._find)

    async def place(self, request_id: str, hold: Hold, now: datetime) -> Placed | None:
        """Put a hold on a request; None for an unknown or forgotten one. Raises ``UnknownItem``."""
        placed = await self._database.run(lambda connection: self._place(connection, request_id, hold, now))
        await self._keeper.keep(request_id)
        return placed

    async def release(self, request_id: str, hold_id: str, now: datetime) -> str | None:
        """Lift a hold and return whose it was; None: there is none. What nothing else holds is due at once."""
        released = await self._database.run(lambda connection: self._release(connection, request_id, hold_id, now))
        await self._keeper.keep(request_id)
        return released

    async def find(self, task_id: int, now: datetime) -> Hold | None:
        """Return the hold on a task that lasts longest, if there is one."""
        return await self._found((task_id, now))

    async def lapsed(self, now: datetime, limit: int) -> list[Lapsed]:
        """Return retained tasks whose day has come, or whose holds are gone; note of the others what holds them now."""
        if not await self._database.read(lambda connection: _retained_until(connection, now, 1)):
            return []
        return await self._database.run(lambda connection: self._lapsed(connection, now, limit))

    async def prolong(self, task_id: int, until: datetime) -> None:
        """Note that a task stays retained, and when to ask again."""
        await self._database.run(lambda connection: _prolong(connection, task_id, until))

    async def resume(self, one: Lapsed, now: datetime) -> None:
        """Have a task done that was retained, under the clock that the request always had (E31)."""
        await self._database.run(lambda connection: self._resume(connection, one.request_id, one.task_id, now))

    def _place(self, connection: Connection, request_id: str, hold: Hold, now: datetime) -> Placed | None:
        row = connection.execute(select(requests).where(requests.c.id == request_id).with_for_update()).one_or_none()
        if row is None or row.sealed is None:
            return None
        index = None if hold.identity is None else self._index(row, hold.identity)
        query = select(tasks).where(tasks.c.request_id == request_id).order_by(tasks.c.id)
        found = [
            one
            for one in connection.execute(query.with_for_update()).all()
            if hold.target is None or hold.target in (one.target, live_name(one.target))  # to the letter
            if index is None or index in split_indices(one.identities)
        ]
        if not found:
            raise UnknownItem("the request has no such item")
        values = {"target": hold.target, "identity": index, "ground": hold.ground.value, "until_at": hold.until}
        hold_id = str(uuid4())
        connection.execute(insert(holds).values(id=hold_id, request_id=request_id, placed_at=now, **values))
        covered = [one for one in found if Outcome(one.outcome) in _CAN_BE_KEPT]
        for one in covered:
            _retain(connection, one.id, hold, now)
        mark(connection, [request_id], now)
        self._teller.tell(connection, request_id, NoticeEvent.HELD, now, {"ground": hold.ground.value})
        names = {one.target for one in covered}
        late = {one.target for one in found if Outcome(one.outcome) not in _NOT_LATE} - names
        return Placed(hold_id, row.subject, tuple(sorted(names)), tuple(sorted(late)))

    def _index(self, row: Row[Any], identity: SubjectIdentity) -> int:
        identities = self._seal.open(row.id, Sealed(row.wrapped_key, row.sealed))
        if identity not in identities:
            raise UnknownItem("the request has no such item")
        return identities.index(identity)

    def _release(self, connection: Connection, request_id: str, hold_id: str, now: datetime) -> str | None:
        mine = (holds.c.id == hold_id, holds.c.request_id == request_id, holds.c.released_at.is_(None))
        if connection.execute(update(holds).where(*mine).values(released_at=now)).rowcount != 1:
            return None
        look_at_held(connection, request_id, now)
        return connection.scalar(select(requests.c.subject).where(requests.c.id == request_id))

    async def _find(self, some: Sequence[tuple[int, datetime]]) -> Sequence[Hold | None]:
        return await self._database.read(lambda connection: _find(connection, some))

    def _lapsed(self, connection: Connection, now: datetime, limit: int) -> list[Lapsed]:
        rows = _retained_until(connection, now, limit)
        held = list(zip(rows, _find(connection, [(row.id, now) for row in rows]), strict=True))
        for row, hold in held:
            if hold is not None:
                _prolong(connection, row.id, hold.until)
        return [one for row, hold in held if hold is None and (one := self._opened(row)) is not None]

    def _opened(self, row: Row[Any]) -> Lapsed | None:
        try:
            identities = self._seal.open(row.request_id, Sealed(row.wrapped_key, row.sealed))
        except KeyMaterialError:
            return None
        chosen = tuple(identities[index] for index in split_indices(row.identities))
        return Lapsed(row.id, row.request_id, row.target, chosen)

    def _resume(self, connection: Connection, request_id: str, task_id: int, now: datetime) -> None:
        row = connection.execute(
            select(requests).where(requests.c.id == request_id).with_for_update(key_share=True)
        ).one()
        mine = (tasks.c.id == task_id, tasks.c.outcome == Outcome.RETAINED.value)
        if connection.execute(update(tasks).where(*mine).values(**fresh(now))).rowcount != 1:
            return
        mark(connection, [request_id], now)
        values: dict[str, Any] = {"second_look_at": None}
        if row.ended_at is not None:
            # What was kept until now stands in every backup until now: its horizon begins with its own end.
            values |= {"round": row.round + 1, "ended_at": None, "forget_at": None, "planned_for": ANEW}
        connection.execute(update(requests).where(requests.c.id == request_id).values(values))
        self._teller.tell(connection, request_id, NoticeEvent.RELEASED, now)


def _retain(connection: Connection, task_id: int, hold: Hold, now: datetime) -> None:
    connection.execute(
        update(tasks)
        .where(tasks.c.id == task_id)
        .values(
            outcome=Outcome.RETAINED.value,
            ground=hold.ground.value,
            until_at=hold.until,
            due_at=now,
            leased_by=None,
            fence=tasks.c.fence + 1,  # whoever is at it writes nothing any more
        )
    )


def _retained_until(connection: Connection, now: datetime, limit: int) -> Sequence[Row[Any]]:
    query = (
        select(tasks, requests.c.wrapped_key, requests.c.sealed)
        .join(requests, requests.c.id == tasks.c.request_id)
        .where(IS_RETAINED, tasks.c.until_at <= now, tasks.c.target.not_like("%/%"), requests.c.sealed.is_not(None))
        .order_by(tasks.c.until_at)
        .limit(limit)
    )
    return connection.execute(query).all()


def _prolong(connection: Connection, task_id: int, until: datetime | None) -> None:
    connection.execute(update(tasks).where(tasks.c.id == task_id, IS_RETAINED).values(until_at=until))


def _find(connection: Connection, some: Sequence[tuple[int, datetime]]) -> list[Hold | None]:
    """Return for each task, at its time, the hold that lasts longest."""
    query = (
        select(holds, tasks.c.id.label("task_id"), tasks.c.identities)
        .join(tasks, tasks.c.request_id == holds.c.request_id)
        .where(tasks.c.id.in_([task_id for task_id, _ in some]), holds.c.released_at.is_(None))
        .where(or_(holds.c.target.is_(None), holds.c.target == tasks.c.target))
    )
    found: dict[int, list[Hold]] = {}
    for row in connection.execute(query):
        if row.identity is None or row.identity in split_indices(row.identities):
            found.setdefault(row.task_id, []).append(Hold(HoldGround(row.ground), row.target, None, row.until_at))
    return [longest([one for one in found.get(task, []) if one.until is None or one.until > now]) for task, now in some]


def longest(found: Sequence[Hold]) -> Hold | None:
    """Return the hold that lasts longest."""
    endless = [one for one in found if one.until is None]
    return endless[0] if endless else max(found, key=lambda one: one.until or datetime.max, default=None)
