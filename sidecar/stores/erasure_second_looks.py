"""The second look: what was found gone is looked at once more, a while after it was (E27). Runs inside a transaction.

Every task has a while of its own, from when it was first found gone since its last deletion: also one that was planned
after the others had ended, for a target that was added, and one that was held until then. Such a one is deleted from
late because nobody asked earlier. A *late writer* is only who was found gone, and found there by the second look.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import Connection, Row, select, update

from sidecar.erasure.outcomes import VERIFIED, Outcome
from sidecar.erasure.readiness import is_backup
from sidecar.erasure.steps import FOUND_GONE, Step
from sidecar.stores.erasure_tables import requests, steps, tasks
from sidecar.stores.erasure_turns import Standing, mark, parts
from sidecar.targets.target import VerifyStatus


class StepRow(Protocol):
    """Evidence, as much as counts here."""

    @property
    def step(self) -> str: ...

    @property
    def status(self) -> str: ...

    @property
    def at(self) -> datetime: ...


@dataclass(frozen=True, slots=True)
class History:
    """``gone_at``: when a task was first found gone since its last deletion. ``came_back``: after it was found gone, it
    was found there by the second look, and deleted again."""

    gone_at: datetime | None
    came_back: bool


def history(evidence: Iterable[StepRow], second_look_at: datetime) -> History:
    """Return what the evidence of a round tells of a task, given in its order. Looks that failed tell nothing."""
    gone_at: datetime | None = None
    found = came_back = False
    for one in evidence:
        if one.step == Step.DELETE:
            came_back |= found and one.at >= second_look_at
            gone_at, found = None, False
        elif one.step == Step.VERIFY and one.status == FOUND_GONE:
            gone_at = gone_at or one.at
        elif one.step == Step.VERIFY and one.status == VerifyStatus.PRESENT and gone_at is not None:
            found = one.at >= second_look_at
            gone_at = None
    return History(gone_at, came_back)


def begin_second_looks(connection: Connection, found: Sequence[Standing], now: datetime) -> int:
    """Have every task looked at whose second look is due; return how many."""
    candidates = [task.id for one in found for task in one.tasks if _unconfirmed(one, task, now)]
    looked = [
        task_id
        for some in parts(candidates)
        for task_id in connection.scalars(
            select(steps.c.task_id).where(steps.c.task_id.in_(some), steps.c.status == FOUND_GONE).distinct()
        )
    ]
    values = {"outcome": Outcome.VERIFYING.value, "due_at": now, "failures": 0, "submitted_at": None}
    for some in parts(looked):
        connection.execute(update(tasks).where(tasks.c.id.in_(some)).values(values))
    return len(looked)


def put_off(connection: Connection, found: Sequence[Standing], look: timedelta) -> Mapping[str, int]:
    """Set another look for requests of which not every task was looked at ``look`` after it was found gone.

    Returns these, each with in how many systems the person had turned up again.
    """
    told = _evidence(connection, found)
    late: dict[str, int] = {}
    for one in found:
        histories = {task: history(told[task.id], one.request.second_look_at) for task in one.tasks}
        due = [
            told_of.gone_at + look
            for task, told_of in histories.items()
            if told_of.gone_at is not None and task.outcome in VERIFIED and task.verified_at < told_of.gone_at + look
        ]
        if due:
            late[one.request.id] = len({task.target for task, told_of in histories.items() if told_of.came_back})
            mine = requests.c.id == one.request.id
            connection.execute(update(requests).where(mine).values(second_look_at=max(due)))
            mark(connection, [one.request.id], max(due))
    return late


def _evidence(connection: Connection, found: Sequence[Standing]) -> Mapping[int, list[Row[Any]]]:
    """Return what was done for tasks in the round that is, in its order. Backups are looked at as lists anyway."""
    rounds = {task.id: one.request.round for one in found for task in one.tasks}
    looked = [task.id for one in found for task in one.tasks if not is_backup(task.target)]
    told: dict[int, list[Row[Any]]] = {task_id: [] for task_id in rounds}
    for some in parts(looked):
        for row in connection.execute(select(steps).where(steps.c.task_id.in_(some)).order_by(steps.c.id)):
            if row.round == rounds[row.task_id]:
                told[row.task_id].append(row)
    return told


def _unconfirmed(one: Standing, task: Row[Any], now: datetime) -> bool:
    """A task that was verified before the second look was due. Backups are looked at as lists anyway."""
    again = one.request.second_look_at
    if one.request.ended_at is not None or again is None or again > now:
        return False
    return task.outcome in VERIFIED and task.verified_at < again and not is_backup(task.target)
