"""What people say of systems that the sidecar has no way to act on, each with the hash of their evidence.

capability_unresolved ──one person, with a ground──▶ unverified

It never becomes verified: nobody looked again by another path. It lets the request end, with exceptions, and its
identities be destroyed. Raises ``StoreUnavailable``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import Connection, insert, select, update

from sidecar.erasure.outcomes import Outcome
from sidecar.erasure.request import NOBODY
from sidecar.errors import SidecarError
from sidecar.stores.database import Database
from sidecar.stores.erasure_attestations import attestations
from sidecar.stores.erasure_tables import requests, steps, tasks
from sidecar.stores.erasure_turns import mark

STEP: Final = "resolve"


class ResolutionGround(StrEnum):
    """Why a system needs no more to be done. It stands in status and receipt; the person of the request reads it."""

    ERASED_BY_HAND = "erased_by_hand"
    NOTHING_FOUND = "nothing_found"  # somebody looked by hand
    SYSTEM_RETIRED = "system_retired"  # it is gone, with its data
    NOT_APPLICABLE = "not_applicable"  # it can't hold data of this person


_GROUNDS: Final = sorted(ResolutionGround)


@dataclass(frozen=True, slots=True)
class Resolution:
    """One person's word. ``who`` is the identity that they proved to the admin listener."""

    who: str
    ground: ResolutionGround
    evidence_sha256: str


@dataclass(frozen=True, slots=True)
class ResolvedTask:
    """A task that can be resolved, or was, as it stands."""

    id: int
    target: str
    outcome: Outcome
    subject: str
    resolution: Resolution | None


class ResolutionRefused(SidecarError):
    """What a person says can't be taken as things stand."""


class Resolutions:
    """Durable state of what people resolved."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, request_id: str, task_id: int) -> ResolvedTask | None:
        """Return a task that waits for a resolution, or has one; None: there is no such task."""
        return await self._database.read(lambda connection: _find(connection, request_id, task_id))

    async def resolve(self, request_id: str, task_id: int, said: Resolution, now: datetime) -> ResolvedTask | None:
        """Take what a person says; None if there is no such task. Said again, it changes nothing.

        Raises ``ResolutionRefused``.
        """
        return await self._database.run(lambda connection: _resolve(connection, request_id, task_id, said, now))


def _resolve(
    connection: Connection, request_id: str, task_id: int, said: Resolution, now: datetime
) -> ResolvedTask | None:
    connection.execute(select(tasks.c.id).where(tasks.c.id == task_id).with_for_update())
    task = _find(connection, request_id, task_id)
    if task is None or task.resolution == said:
        return task
    if task.outcome is not Outcome.CAPABILITY_UNRESOLVED:
        raise ResolutionRefused("somebody resolved the task already, and said something else")
    held = connection.execute(select(requests.c.round).where(requests.c.id == request_id)).scalar_one()
    word = {"found": said.ground.value, "evidence_sha256": said.evidence_sha256}
    connection.execute(insert(attestations).values(task_id=task_id, round=held, who=said.who, at=now, **word))
    connection.execute(
        update(tasks)
        .where(tasks.c.id == task_id)
        .values(
            outcome=Outcome.UNVERIFIED.value,
            claimed=said.ground is ResolutionGround.ERASED_BY_HAND,
            ground=said.ground.value,
            fence=tasks.c.fence + 1,
        )
    )
    mark(connection, [request_id], now)
    evidence = {"status": said.ground.value, "detail": said.evidence_sha256}
    connection.execute(insert(steps).values(task_id=task_id, step=STEP, round=held, at=now, **evidence))
    return _find(connection, request_id, task_id)


def _find(connection: Connection, request_id: str, task_id: int) -> ResolvedTask | None:
    query = (
        select(tasks, requests.c.subject, requests.c.sealed, requests.c.round)
        .join(requests, requests.c.id == tasks.c.request_id)
        .where(tasks.c.id == task_id, requests.c.id == request_id, requests.c.verified_at.is_not(None))
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    mine = (attestations.c.task_id == task_id, attestations.c.round == row.round)
    said = connection.execute(select(attestations).where(*mine, attestations.c.found.in_(_GROUNDS))).all()
    words = [Resolution(one.who, ResolutionGround(one.found), one.evidence_sha256) for one in said]
    outcome = Outcome(row.outcome)
    if outcome is not Outcome.CAPABILITY_UNRESOLVED and not words:
        return None
    subject = row.subject if row.sealed is not None else NOBODY
    return ResolvedTask(row.id, row.target, outcome, subject, words[0] if words else None)
