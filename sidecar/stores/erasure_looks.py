"""How much verification saw before anything was deleted, as evidence (E28). Runs in a transaction of the caller's."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, exists, insert, select

from sidecar.stores.erasure_tables import LOOK, steps, tasks


def note_seen(connection: Connection, task_id: int, fence: int, current: int, count: int, now: datetime) -> None:
    """Note a count, the first in a round. A worker that lost the task writes nothing (E20)."""
    ours = select(tasks.c.id).where(tasks.c.id == task_id, tasks.c.fence == fence).with_for_update()
    known = exists().where(steps.c.task_id == task_id, steps.c.round == current, steps.c.step == LOOK)
    if connection.scalar(ours) is None or connection.scalar(select(known)):
        return
    values = {"task_id": task_id, "step": LOOK, "status": "seen", "count": count, "round": current, "at": now}
    connection.execute(insert(steps).values(values))
