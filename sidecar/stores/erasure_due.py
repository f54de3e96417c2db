"""Which tasks of a target may be leased now, and how the live system of a backup set stands."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, func, or_, select

from sidecar.erasure.outcomes import Outcome
from sidecar.erasure.plan import LiveErasure, Side, live_name
from sidecar.erasure.readiness import AT_WORK
from sidecar.stores.erasure_tables import requests, steps, tasks


def due_tasks(target: str, now: datetime, side: Side) -> ColumnElement[bool]:
    """Return the condition on tasks joined with their requests.

    ``ready`` is derived at turns and finds them by index. What must never happen is asked anew: nothing is done for
    somebody who is not identified (E7) or whose identities are destroyed, nor to what has ended.
    """
    outcome: ColumnElement[bool] = tasks.c.outcome.in_(sorted(AT_WORK))
    if side is Side.BACKUP:  # kept as long as its live system was; looked at anew when that is kept no more
        outcome = or_(outcome, tasks.c.outcome == Outcome.RETAINED.value)
    known = requests.c.verified_at.is_not(None) & requests.c.sealed.is_not(None)
    return and_(tasks.c.target == target, tasks.c.ready, tasks.c.due_at <= now, outcome, known)


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
