"""Orders erasures to be done once more: in one system that went back in time, with what hangs on it (E39)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, case, func, or_, select, update

from sidecar.erasure.outcomes import ENDED, RUNNABLE, WAITING, Outcome
from sidecar.erasure.plan import OWN_NAME
from sidecar.erasure.readiness import period
from sidecar.stores.erasure_tables import Moment, requests, steps, tasks
from sidecar.stores.erasure_turns import mark, parts

_UNDER_WAY: Final = sorted((RUNNABLE | WAITING) - {Outcome.PENDING})


@dataclass(frozen=True, slots=True)
class Replayed:
    """What was ordered again, and how many erasures of that time can't be, their identities being destroyed."""

    requests: int
    task_ids: tuple[int, ...]
    beyond_horizon: int


def replay_target(connection: Connection, target: str, since: datetime | None, now: datetime) -> Replayed:
    """Order every erasure of ``target`` to be done once more that ended at ``since`` or later (None: ever).

    What is under way there is begun again, and a lease on it is lost: its look may have been before the restore.
    """
    mine = select(tasks.c.id, tasks.c.request_id).join(requests, requests.c.id == tasks.c.request_id)
    mine = mine.where(tasks.c.target == target)
    ended: ColumnElement[bool] = tasks.c.outcome.in_(sorted(ENDED - {Outcome.RETAINED}))
    if since is not None:
        ended &= _last_seen() >= since
    lost = connection.execute(mine.where(requests.c.sealed.is_(None), ended)).all()
    known = requests.c.sealed.is_not(None) & requests.c.verified_at.is_not(None)
    rows = connection.execute(mine.where(known, or_(ended, tasks.c.outcome.in_(_UNDER_WAY)))).all()
    request_ids = sorted({row.request_id for row in rows})
    for some in parts([row.id for row in rows]):
        _begin_again(connection, tasks.c.id.in_(some) & ended, now)
        # What such a one claimed to have deleted in this round, it did delete.
        interrupted = {name: value for name, value in fresh(now).items() if name not in ("claimed", "deleted")}
        connection.execute(
            update(tasks).where(tasks.c.id.in_(some), tasks.c.outcome.in_(_UNDER_WAY)).values(interrupted)
        )
    for some in parts(request_ids):
        hangs_on_it = (tasks.c.target == OWN_NAME) | tasks.c.target.startswith(f"{target}/", autoescape=True)
        _begin_again(connection, tasks.c.request_id.in_(some) & hangs_on_it, now)
        for request_id in some:
            reopen(connection, request_id, now)
    return Replayed(len(request_ids), tuple(row.id for row in rows), len({row.request_id for row in lost}))


def _last_seen() -> ColumnElement[datetime]:
    """When a task was last looked at; a manual one was confirmed without a step."""
    looked = select(func.max(steps.c.at)).where(steps.c.task_id == tasks.c.id).scalar_subquery()
    return func.coalesce(looked, tasks.c.verified_at, tasks.c.due_at, type_=Moment)


def reopen(connection: Connection, request_id: str, now: datetime) -> bool:
    """Begin another round of a request that has ended, with a new deadline. One that is open stays as it is.

    False: its identities were destroyed meanwhile, so that there is nothing to be done any more.

    Locked, so that an end that is being written is seen: it does not cover what was ordered just now.
    """
    mine = requests.c.id == request_id
    row = connection.execute(select(requests).where(mine).with_for_update(key_share=True)).one()
    if row.sealed is None:
        return False
    mark(connection, [request_id], now)
    if row.ended_at is not None:
        following = {"round": row.round + 1, "overdue_at": now + period(row), "alerted_percent": 0}
        connection.execute(update(requests).where(mine).values(ended_at=None, second_look_at=None, **following))
    return True


def replay_all(connection: Connection, now: datetime) -> int:
    """Order every ended request that can still be opened to be erased once more; return how many (E39)."""
    query = select(requests.c.id).where(
        requests.c.ended_at.is_not(None),
        requests.c.cancelled_at.is_(None),
        requests.c.sealed.is_not(None),
        or_(requests.c.forget_at.is_(None), requests.c.forget_at > now),
    )
    ids = [one for one in connection.scalars(query).all() if reopen(connection, one, now)]
    for request_id in ids:
        kept = tasks.c.outcome == Outcome.RETAINED.value
        connection.execute(update(tasks).where(tasks.c.request_id == request_id, ~kept).values(**fresh(now)))
    return len(ids)


def _begin_again(connection: Connection, which: ColumnElement[bool], now: datetime) -> None:
    connection.execute(update(tasks).where(which).values(**fresh(now)))


def fresh(now: datetime) -> dict[str, Any]:
    """Return the columns of a task that is to be done once more. Whoever has it leased loses it.

    One without identities stands for a target that needs such as the request has not: it must never be called.
    """
    lacking = tasks.c.identities == ""
    return {
        "outcome": case((lacking, Outcome.CAPABILITY_UNRESOLVED.value), else_=Outcome.PENDING.value),
        "claimed": False,
        "deleted": None,
        "remaining": None,
        "failures": 0,
        "due_at": now,
        "fence": tasks.c.fence + 1,
        "leased_by": None,
        "submitted_at": None,
        "reference": None,
        "verified_at": None,
        "until_at": None,
        "ground": None,
    }
