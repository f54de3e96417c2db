"""Which tasks of a target may be run now.

Live systems at once; the sidecar itself when no live system can bring the person back (E48); a backup set when its live
system is done, and again whenever the day comes that it waits for (E38).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, func, or_, select

from sidecar.erasure.outcomes import ENDED, RUNNABLE, WAITING, Outcome
from sidecar.erasure.plan import LiveErasure, Side, live_name
from sidecar.stores.erasure_tables import requests, steps, tasks


def due_tasks(target: str, now: datetime, side: Side) -> ColumnElement[bool]:
    """Return the condition on tasks joined with their requests.

    Nothing is due of somebody whose identities are destroyed: an old database that was put back may say so.
    """
    known = and_(requests.c.verified_at.is_not(None), requests.c.sealed.is_not(None))
    due = and_(tasks.c.target == target, tasks.c.due_at <= now, known)
    at_work = tasks.c.outcome.in_(sorted(RUNNABLE | WAITING))
    others = tasks.alias("others")
    theirs = others.c.request_id == tasks.c.request_id
    if side is Side.BACKUP:
        live = theirs & (others.c.target == live_name(target))
        kept = exists().where(live, others.c.outcome == Outcome.RETAINED.value)
        released = (tasks.c.outcome == Outcome.RETAINED.value) & requests.c.ended_at.is_(None) & ~kept
        return due & or_(at_work, released) & ~exists().where(live, others.c.outcome.not_in(sorted(ENDED)))
    if side is Side.OWN:
        live = theirs & (others.c.target != target) & others.c.target.not_like("%/%")  # no traffic reads a backup
        return due & at_work & ~exists().where(live, others.c.outcome.in_(sorted(RUNNABLE | WAITING)))
    return due & at_work


def due_rows(due: ColumnElement[bool], limit: int) -> Select[Any]:
    """Return the query that locks due tasks, longest due first, with what is needed of their requests."""
    return (
        select(
            tasks,
            requests.c.subject,
            requests.c.round,
            requests.c.wrapped_key,
            requests.c.sealed,
        )
        .join(requests, requests.c.id == tasks.c.request_id)
        .where(due)
        .order_by(tasks.c.due_at, tasks.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True, of=tasks)
    )


def live_erasure(connection: Connection, request_id: str, backup: str) -> LiveErasure:
    """Return when the live system was last looked at and found done: by the evidence, not by when we ask."""
    mine = (tasks.c.request_id == request_id, tasks.c.target == live_name(backup))
    rows = connection.execute(select(tasks.c.outcome, tasks.c.verified_at, tasks.c.due_at).where(*mine)).all()
    looked = connection.scalar(select(func.max(steps.c.at)).join(tasks, tasks.c.id == steps.c.task_id).where(*mine))
    moments = [looked, *(row.verified_at for row in rows)]
    ended_at = max((one for one in moments if one is not None), default=max(row.due_at for row in rows))
    return LiveErasure(ended_at, retained=any(row.outcome == Outcome.RETAINED.value for row in rows))
