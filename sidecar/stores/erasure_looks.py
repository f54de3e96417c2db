"""How much verification saw before anything was deleted, as evidence (E28). Runs in a transaction of the caller's."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, insert, select

from sidecar.stores.erasure_evidence import Leased
from sidecar.stores.erasure_tables import LOOK, steps, tasks

Seen = tuple[Leased, int, datetime]
"""A task, how much verification saw before the deletion, and when."""


def write_seen(connection: Connection, some: Sequence[Seen]) -> None:
    """Note counts, the first of a task in a round. A worker that lost the task writes nothing (E20)."""
    ids = sorted({leased.task_id for leased, _, _ in some})
    query = select(tasks.c.id, tasks.c.fence).where(tasks.c.id.in_(ids)).order_by(tasks.c.id)
    held = {row.id: row.fence for row in connection.execute(query.with_for_update(key_share=True))}
    looks = select(steps.c.task_id, steps.c.round).where(steps.c.task_id.in_(ids), steps.c.step == LOOK)
    known = {(row.task_id, row.round) for row in connection.execute(looks)}
    new = {
        leased.task_id: {
            "task_id": leased.task_id, "step": LOOK, "status": "seen", "count": count, "round": leased.round, "at": now
        }
        for leased, count, now in some
        if held.get(leased.task_id) == leased.fence and (leased.task_id, leased.round) not in known
    }  # fmt: skip
    if new:
        connection.execute(insert(steps), list(new.values()))
