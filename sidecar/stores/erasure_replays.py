"""Orders erasures to be done once more: in one system that went back in time, with what hangs on it (E39)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, case, delete, exists, func, or_, select, update

from sidecar.erasure.outcomes import ENDED, RUNNABLE, WAITING, Outcome
from sidecar.erasure.plan import OWN_NAME
from sidecar.erasure.readiness import period
from sidecar.stores.erasure_attestations import attestations
from sidecar.stores.erasure_tables import ANEW, Moment, interim_receipts, requests, steps, tasks
from sidecar.stores.erasure_turns import mark, parts

_UNDER_WAY: Final = sorted((RUNNABLE | WAITING) - {Outcome.PENDING})
_DONE_OR_BEGUN: Final = (ENDED | RUNNABLE | WAITING | {Outcome.MANUAL_REQUIRED}) - {Outcome.PENDING, Outcome.RETAINED}


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
    open_ones = [one for one in sorted({row.request_id for row in rows}) if reopen(connection, one, now)]
    reopened = set(open_ones)
    again = [row.id for row in rows if row.request_id in reopened]
    for some in parts(again):
        _begin_again(connection, tasks.c.id.in_(some) & ended, now)
        # What such a one claimed to have deleted in this round, it did delete.
        interrupted = {name: value for name, value in fresh(now).items() if name not in ("claimed", "deleted")}
        connection.execute(
            update(tasks).where(tasks.c.id.in_(some), tasks.c.outcome.in_(_UNDER_WAY)).values(interrupted)
        )
    for some in parts(open_ones):
        hangs_on_it = (tasks.c.target == OWN_NAME) | tasks.c.target.startswith(f"{target}/", autoescape=True)
        _begin_again(connection, tasks.c.request_id.in_(some) & hangs_on_it, now)
    _take_back_words(connection, target, since)
    gone = {row.request_id for row in lost} | {row.request_id for row in rows}.difference(open_ones)
    return Replayed(len(open_ones), tuple(again), len(gone))


def _take_back_words(connection: Connection, target: str, since: datetime | None) -> None:
    """Take back what people said of a system before it was put back, where the round goes on. It stays as evidence."""
    current = exists().where(
        tasks.c.id == attestations.c.task_id,
        tasks.c.target == target,
        requests.c.id == tasks.c.request_id,
        requests.c.ended_at.is_(None),
        requests.c.round == attestations.c.round,
    )
    later = [attestations.c.at >= since] if since is not None else []
    connection.execute(delete(attestations).where(current, *later))


def _last_seen() -> ColumnElement[datetime]:
    """When a task was last looked at; a manual one was confirmed without a step."""
    looked = select(func.max(steps.c.at)).where(steps.c.task_id == tasks.c.id).scalar_subquery()
    return func.coalesce(looked, tasks.c.verified_at, tasks.c.due_at, type_=Moment)


def reopen(connection: Connection, request_id: str, now: datetime) -> bool:
    """Begin another round of a request that has ended, with a new deadline. One that is open stays as it is.

    It was planned for the targets that there were until then, so that it is planned anew (E12).

    False: its identities were destroyed meanwhile, so that there is nothing to be done any more.

    Locked, so that an end that is being written is seen: it does not cover what was ordered just now.
    """
    mine = requests.c.id == request_id
    row = connection.execute(select(requests).where(mine).with_for_update(key_share=True)).one()
    if row.sealed is None:
        return False
    mark(connection, [request_id], now)
    if row.ended_at is not None:
        following = {"round": row.round + 1, "overdue_at": now + period(row), "alerted_percent": 0, "planned_for": ANEW}
        connection.execute(update(requests).where(mine).values(ended_at=None, second_look_at=None, **following))
    return True


def replay_all(connection: Connection, now: datetime) -> int:
    """Order everybody whose identities can still be opened to be erased once more; return how many (E39).

    Also of requests that wait for backups, for a second look, for people or for a system that is down: whoever they are
    about came back with a restore like everybody else.
    """
    query = select(requests.c.id).where(
        requests.c.cancelled_at.is_(None),
        requests.c.verified_at.is_not(None),
        requests.c.sealed.is_not(None),
        or_(requests.c.ended_at.is_(None), requests.c.forget_at.is_(None), requests.c.forget_at > now),
    )
    # All of them before any task: whoever writes attempts of several would wait for us, and we for them.
    locked = connection.scalars(query.order_by(requests.c.id).with_for_update(key_share=True)).all()
    return sum(_replay(connection, one, now) for one in locked)


def _replay(connection: Connection, request_id: str, now: datetime) -> bool:
    """Begin a new round of whatever was done or begun for a request; False where that is nothing."""
    mine = requests.c.id == request_id
    row = connection.execute(select(requests).where(mine).with_for_update(key_share=True)).one()
    found = select(tasks.c.outcome).where(tasks.c.request_id == request_id)
    outcomes = {Outcome(one) for one in connection.scalars(found)}
    if row.sealed is None or not outcomes & _DONE_OR_BEGUN:
        return False
    begun = (tasks.c.request_id == request_id) & tasks.c.outcome.in_(sorted(_DONE_OR_BEGUN))
    connection.execute(update(tasks).where(begun).values(**_following(connection, row, now)))
    if row.ended_at is not None:
        return reopen(connection, request_id, now)
    # What people said, what was signed and what was counted was of the round before. A request that had nothing left to
    # do in live systems kept its deadline, and has as long again; one that had keeps the clock that it has.
    following: dict[str, Any] = {"round": row.round + 1, "second_look_at": None, "planned_for": ANEW}
    if row.second_look_at is not None or outcomes <= ENDED | WAITING:
        following |= {"overdue_at": max(row.overdue_at, now + period(row)), "alerted_percent": 0}
    connection.execute(update(requests).where(mine).values(following))
    mark(connection, [request_id], now)
    return True


def _following(connection: Connection, row: Row[Any], now: datetime) -> dict[str, Any]:
    """Return the columns of tasks in a new round. What no receipt has told of yet is not forgotten: it was deleted."""
    mine = (interim_receipts.c.request_id == row.id, interim_receipts.c.round == row.round)
    told = row.ended_at is not None or connection.scalar(select(exists().where(*mine)))
    return {name: value for name, value in fresh(now).items() if told or name not in ("claimed", "deleted")}


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
