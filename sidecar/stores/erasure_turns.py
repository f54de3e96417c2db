"""Turns: a request is looked at when something happened to it or its hour has come, and at no other time.

Whoever changes a task so that others may be run, or the request may end, writes a turn in the same transaction
(``mark``). At its turn what is derived from request and tasks is brought up to date (``derive``): which tasks may be
run, when it is late. A turn is read before the tasks are, so that no change is missed: what is written after that has a
turn of its own. So no pass looks through all open requests, however many there are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Row, bindparam, delete, insert, select, update

from sidecar.erasure.readiness import Watched, ready_tasks, watched
from sidecar.stores.erasure_tables import IS_RETAINED, requests, tasks, turns

T = TypeVar("T")

_PART: Final = 500


@dataclass(frozen=True, slots=True)
class Standing:
    """A request, locked for this transaction, with its tasks as they stand."""

    request: Row[Any]
    tasks: tuple[Row[Any], ...]


def mark(connection: Connection, request_ids: Iterable[str], at: datetime) -> None:
    """Give requests a turn."""
    rows = [{"request_id": one, "due_at": at} for one in sorted(set(request_ids))]
    if rows:
        connection.execute(insert(turns), rows)


def due_turns(connection: Connection, now: datetime, limit: int) -> Mapping[int, str]:
    """Return turns that have come, with their requests; nobody else sees them until the transaction ends."""
    query = select(turns.c.id, turns.c.request_id).where(turns.c.due_at <= now).order_by(turns.c.due_at, turns.c.id)
    rows = connection.execute(query.limit(limit).with_for_update(skip_locked=True)).all()
    return {row.id: row.request_id for row in rows}


def keep_turns(connection: Connection, ids: Collection[int], worker: str, until: datetime) -> None:
    """Keep turns for what their taker has still to do. If it is killed, they come again."""
    if ids:
        values = {"taken_by": worker, "due_at": until}
        connection.execute(update(turns).where(turns.c.id.in_(sorted(ids))).values(values))


def drop_turns(connection: Connection, ids: Collection[int], worker: str | None = None) -> None:
    """Note that turns are over; with ``worker`` only those that it still has."""
    mine = [turns.c.taken_by == worker] if worker is not None else []
    for some in parts(sorted(ids)):
        connection.execute(delete(turns).where(turns.c.id.in_(some), *mine))


def return_turn(connection: Connection, turn: int, worker: str, now: datetime) -> None:
    """Leave a turn that ``worker`` has to whoever comes next."""
    mine = (turns.c.id == turn, turns.c.taken_by == worker)
    connection.execute(update(turns).where(*mine).values(taken_by=None, due_at=now))


def release_turns(connection: Connection, worker: str, now: datetime) -> None:
    """Take back what a worker of this name had when it was killed."""
    connection.execute(update(turns).where(turns.c.taken_by == worker).values(taken_by=None, due_at=now))


def standings(connection: Connection, request_ids: Collection[str]) -> list[Standing]:
    """Return requests with their tasks, each locked against others who would derive, sign or reopen."""
    ids = sorted(set(request_ids))
    query = select(requests).where(requests.c.id.in_(ids)).order_by(requests.c.id)
    held = connection.execute(query.with_for_update(key_share=True)).all()
    found: dict[str, list[Row[Any]]] = {row.id: [] for row in held}
    for task in connection.execute(select(tasks).where(tasks.c.request_id.in_(ids)).order_by(tasks.c.id)):
        if task.request_id in found:
            found[task.request_id].append(task)
    return [Standing(row, tuple(found[row.id])) for row in held]


def derive(connection: Connection, found: Sequence[Standing], ending: Collection[str] = ()) -> bool:
    """Bring up to date what is derived; tell whether more tasks may be run now than before.

    Of requests that are about to end the end itself says that nothing is watched any more.
    """
    wanted = {one.request.id: ready_tasks(one.request, one.tasks) for one in found}
    pairs = [(task, task.id in wanted[one.request.id]) for one in found for task in one.tasks]
    opened = [task.id for task, ready in pairs if ready and not task.ready]
    closed = [task.id for task, ready in pairs if task.ready and not ready]
    for some in parts(sorted(opened + closed)):  # in one order, as all who lock several: no deadlock
        connection.execute(select(tasks.c.id).where(tasks.c.id.in_(some)).order_by(tasks.c.id).with_for_update())
    for ids, ready in ((opened, True), (closed, False)):
        for some in parts(ids):
            connection.execute(update(tasks).where(tasks.c.id.in_(some)).values(ready=ready))
    _watch(connection, [one for one in found if one.request.id not in ending])
    return bool(opened)


def _watch(connection: Connection, found: Sequence[Standing]) -> None:
    changed = []
    for one in found:
        due = watched(one.request, [task.outcome for task in one.tasks])
        if due != Watched(one.request.late_at, one.request.alert_at):
            changed.append({"mine": one.request.id, "late_at": due.late_at, "alert_at": due.alert_at})
    if changed:
        connection.execute(update(requests).where(requests.c.id == bindparam("mine")), changed)


def look_at_held(connection: Connection, request_id: str, now: datetime) -> None:
    """Have looked at what a request keeps by a hold: one was lifted, and another may hold it still."""
    held = (tasks.c.request_id == request_id, IS_RETAINED, tasks.c.ground.is_not(None))
    connection.execute(update(tasks).where(*held).values(until_at=now))


def parts(ids: Sequence[T]) -> Iterator[Sequence[T]]:
    """Yield parts that fit into one statement of any database."""
    for start in range(0, len(ids), _PART):
        yield ids[start : start + _PART]
