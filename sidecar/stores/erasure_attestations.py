"""What people say that they did by hand, each with the hash of their evidence. Raises ``StoreUnavailable``.

manual_required ──one person──▶ manual_required (four eyes; that person may correct their word) | unverified (two)
manual_required ──another person, who found the same──▶ verified_erased | verified_no_data
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Column, Connection, ForeignKey, Integer, String, Table, delete, insert, select, update

from sidecar.erasure.outcomes import Outcome
from sidecar.erasure.request import NOBODY
from sidecar.errors import SidecarError
from sidecar.stores.database import Database
from sidecar.stores.erasure_tables import IS_MANUAL, Moment, requests, steps, tasks
from sidecar.stores.erasure_turns import mark
from sidecar.stores.schema import ERASURE_ATTESTATIONS, metadata

_WORD: Final = 64
STEP: Final = "attest"

attestations = Table(
    ERASURE_ATTESTATIONS,
    metadata,
    Column("task_id", Integer, ForeignKey(tasks.c.id), primary_key=True, autoincrement=False),
    Column("round", Integer, primary_key=True, autoincrement=False),
    Column("who", String(_WORD), primary_key=True),
    Column("found", String(_WORD), nullable=False),
    Column("evidence_sha256", String(_WORD), nullable=False),
    Column("at", Moment, nullable=False),
)


class Found(StrEnum):
    """What a person found and did."""

    ERASED = "erased"
    NO_DATA = "no_data"


@dataclass(frozen=True, slots=True)
class Attestation:
    """One person's word. ``who`` is the identity that they proved to the admin listener."""

    who: str
    found: Found
    evidence_sha256: str


@dataclass(frozen=True, slots=True)
class ManualTask:
    """A task for people, as it stands."""

    id: int
    request_id: str
    target: str
    outcome: Outcome
    verified_at: datetime
    subject: str
    attestations: tuple[Attestation, ...] = ()


class AttestationRefused(SidecarError):
    """What a person says can't be taken as things stand."""


class Attestations:
    """Durable state of tasks for people. ``eyes``: how many a target needs, by its name."""

    def __init__(self, database: Database, eyes: dict[str, int]) -> None:
        self._database = database
        self._eyes = eyes

    async def waiting(self) -> list[ManualTask]:
        """Return all tasks that wait for people."""
        wanted = (tasks.c.target.in_(sorted(self._eyes)), IS_MANUAL)
        return await self._database.read(
            lambda connection: [_task(connection, row) for row in _rows(connection, wanted)]
        )

    async def find(self, request_id: str, task_id: int) -> ManualTask | None:
        return await self._database.read(lambda connection: self._find(connection, request_id, task_id))

    async def attest(self, request_id: str, task_id: int, said: Attestation, now: datetime) -> ManualTask | None:
        """Take what a person says; None if there is no such task. Said again, it changes nothing.

        Raises ``AttestationRefused``.
        """
        return await self._database.run(lambda connection: self._attest(connection, request_id, task_id, said, now))

    def _find(self, connection: Connection, request_id: str, task_id: int) -> ManualTask | None:
        wanted = (tasks.c.id == task_id, requests.c.id == request_id, tasks.c.target.in_(sorted(self._eyes)))
        rows = _rows(connection, wanted)
        return _task(connection, rows[0]) if rows else None

    def _attest(
        self, connection: Connection, request_id: str, task_id: int, said: Attestation, now: datetime
    ) -> ManualTask | None:
        connection.execute(select(tasks.c.id).where(tasks.c.id == task_id).with_for_update())
        task = self._find(connection, request_id, task_id)
        if task is None or said in task.attestations:
            return task
        _refuse(task, said)
        held = connection.execute(select(requests.c.round).where(requests.c.id == request_id)).scalar_one()
        mine = {"task_id": task_id, "round": held, "who": said.who}
        corrected = delete(attestations).where(*(attestations.c[name] == value for name, value in mine.items()))
        connection.execute(corrected)  # the step that was written with it stays as evidence
        connection.execute(
            insert(attestations).values(**mine, found=said.found.value, evidence_sha256=said.evidence_sha256, at=now)
        )
        people = len({one.who for one in task.attestations} | {said.who})
        outcome = _outcome(said.found, people, self._eyes[task.target])
        verified = now if outcome in (Outcome.VERIFIED_ERASED, Outcome.VERIFIED_NO_DATA) else None
        connection.execute(
            update(tasks)
            .where(tasks.c.id == task_id)
            .values(
                outcome=outcome.value,
                claimed=said.found is Found.ERASED,
                remaining=0 if verified else None,
                verified_at=verified,
                fence=tasks.c.fence + 1,
            )
        )
        mark(connection, [request_id], now)
        connection.execute(
            insert(steps).values(
                task_id=task_id, step=STEP, status=said.found.value, detail=said.evidence_sha256, round=held, at=now
            )
        )
        return self._find(connection, request_id, task_id)


def _refuse(task: ManualTask, said: Attestation) -> None:
    if task.outcome is not Outcome.MANUAL_REQUIRED:
        raise AttestationRefused("the task does not wait for anybody")
    if any(one.found is not said.found for one in task.attestations if one.who != said.who):
        raise AttestationRefused("the first person found something else; settle it: who was mistaken says so anew")


def _outcome(found: Found, people: int, eyes: int) -> Outcome:
    if 2 * people < eyes:
        return Outcome.MANUAL_REQUIRED
    if people < 2:
        return Outcome.UNVERIFIED  # a word is a claim; nobody has looked again
    return Outcome.VERIFIED_ERASED if found is Found.ERASED else Outcome.VERIFIED_NO_DATA


def _rows(connection: Connection, wanted: Collection[Any]) -> Sequence[Any]:
    query = (
        select(tasks.c.id, tasks.c.request_id, tasks.c.target, tasks.c.outcome, requests.c.verified_at,
               requests.c.subject, requests.c.sealed, requests.c.round)
        .join(requests, requests.c.id == tasks.c.request_id)
        .where(*wanted, requests.c.verified_at.is_not(None))
        .order_by(tasks.c.id)
    )  # fmt: skip
    return connection.execute(query).all()


def _task(connection: Connection, row: Any) -> ManualTask:
    mine = (attestations.c.task_id == row.id, attestations.c.round == row.round)
    said = connection.execute(select(attestations).where(*mine).order_by(attestations.c.at)).all()
    return ManualTask(
        id=row.id,
        request_id=row.request_id,
        target=row.target,
        outcome=Outcome(row.outcome),
        verified_at=row.verified_at,
        subject=row.subject if row.sealed is not None else NOBODY,
        attestations=tuple(Attestation(one.who, Found(one.found), one.evidence_sha256) for one in said),
    )
