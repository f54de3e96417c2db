"""Holds on requests, and what becomes of the tasks that they cover. Raises ``StoreUnavailable``.

A held task is ``retained``. When nothing holds it any more it is done like any other, under the deadline it always had.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import ColumnElement, Connection, Row, and_, exists, insert, or_, select, update

from sidecar.erasure.hold import Hold, HoldGround
from sidecar.erasure.outcomes import RUNNABLE, Outcome
from sidecar.erasure.request import SubjectIdentity
from sidecar.errors import KeyMaterialError, SidecarError
from sidecar.stores.database import Database
from sidecar.stores.erasure_journal import Keeper, NoJournal
from sidecar.stores.erasure_notices import NoticeEvent, Teller
from sidecar.stores.erasure_replays import fresh
from sidecar.stores.erasure_tables import holds, requests, split_indices, tasks
from sidecar.stores.seal import Seal, Sealed

_CAN_BE_KEPT: Final = RUNNABLE | {Outcome.MANUAL_REQUIRED}
"""Where something may be left of what a hold keeps. Whoever was asked to delete it by hand must be stopped, too."""


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
        return await self._database.read(lambda connection: _find(connection, task_id, now))

    async def lapsed(self, now: datetime, limit: int) -> list[Lapsed]:
        """Return retained tasks whose day has come, or whose holds are gone."""
        return await self._database.read(lambda connection: self._lapsed(connection, now, limit))

    async def prolong(self, task_id: int, until: datetime) -> None:
        """Note that a task stays retained, and when to ask again."""
        mine = (tasks.c.id == task_id, tasks.c.outcome == Outcome.RETAINED.value)
        values = {"until_at": until}
        await self._database.run(lambda connection: connection.execute(update(tasks).where(*mine).values(values)))

    async def resume(self, one: Lapsed, now: datetime) -> None:
        """Have a task done that was retained, under the clock that the request always had (E31)."""
        await self._database.run(lambda connection: self._resume(connection, one.request_id, one.task_id, now))

    def _place(self, connection: Connection, request_id: str, hold: Hold, now: datetime) -> Placed | None:
        row = connection.execute(select(requests).where(requests.c.id == request_id).with_for_update()).one_or_none()
        if row is None or row.sealed is None:
            return None
        index = None if hold.identity is None else self._index(row, hold.identity)
        query = select(tasks).where(tasks.c.request_id == request_id)
        if hold.target is not None:
            query = query.where(or_(tasks.c.target == hold.target, tasks.c.target.startswith(f"{hold.target}/")))
        found = [
            one
            for one in connection.execute(query.order_by(tasks.c.id).with_for_update()).all()
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
        self._teller.tell(connection, request_id, NoticeEvent.HELD, now, {"ground": hold.ground.value})
        names = {one.target for one in covered}
        late = {one.target for one in found if Outcome(one.outcome) is not Outcome.RETAINED} - names
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
        return connection.scalar(select(requests.c.subject).where(requests.c.id == request_id))

    def _lapsed(self, connection: Connection, now: datetime, limit: int) -> list[Lapsed]:
        past = and_(tasks.c.until_at.is_not(None), tasks.c.until_at <= now)
        lifted = and_(tasks.c.ground.is_not(None), tasks.c.until_at.is_(None))
        lift = exists().where(holds.c.request_id == tasks.c.request_id, holds.c.released_at.is_not(None))
        released = and_(tasks.c.ground.is_not(None), lift)
        query = (
            select(tasks, requests.c.wrapped_key, requests.c.sealed)
            .join(requests, requests.c.id == tasks.c.request_id)
            .where(
                tasks.c.outcome == Outcome.RETAINED.value,
                tasks.c.target.not_like("%/%"),
                requests.c.sealed.is_not(None),
                or_(past, lifted, released),
            )
            .limit(limit)
        )
        rows = [row for row in connection.execute(query) if _find(connection, row.id, now) is None]
        return [one for row in rows if (one := self._opened(row)) is not None]

    def _opened(self, row: Row[Any]) -> Lapsed | None:
        try:
            identities = self._seal.open(row.request_id, Sealed(row.wrapped_key, row.sealed))
        except KeyMaterialError:
            return None
        chosen = tuple(identities[index] for index in split_indices(row.identities))
        return Lapsed(row.id, row.request_id, row.target, chosen)

    def _resume(self, connection: Connection, request_id: str, task_id: int, now: datetime) -> None:
        mine = (tasks.c.id == task_id, tasks.c.outcome == Outcome.RETAINED.value)
        if connection.execute(update(tasks).where(*mine).values(**fresh(now))).rowcount != 1:
            return
        row = connection.execute(select(requests).where(requests.c.id == request_id)).one()
        values: dict[str, Any] = {"second_look_at": None}
        if row.ended_at is not None:
            # What was kept until now stands in every backup until now: its horizon begins with its own end.
            values |= {"round": row.round + 1, "ended_at": None, "forget_at": None}
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


def _find(connection: Connection, task_id: int, now: datetime) -> Hold | None:
    in_force: ColumnElement[bool] = holds.c.released_at.is_(None) & or_(
        holds.c.until_at.is_(None), holds.c.until_at > now
    )
    query = (
        select(holds, tasks.c.identities)
        .join(tasks, tasks.c.request_id == holds.c.request_id)
        .where(tasks.c.id == task_id, in_force, or_(holds.c.target.is_(None), holds.c.target == tasks.c.target))
    )
    found = [
        Hold(HoldGround(row.ground), row.target, None, row.until_at)
        for row in connection.execute(query)
        if row.identity is None or row.identity in split_indices(row.identities)
    ]
    return longest(found)


def longest(found: Sequence[Hold]) -> Hold | None:
    """Return the hold that lasts longest."""
    endless = [one for one in found if one.until is None]
    return endless[0] if endless else max(found, key=lambda one: one.until or datetime.max, default=None)
