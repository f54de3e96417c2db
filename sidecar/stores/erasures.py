"""Erasure requests as intake and readers see them. Everything is durable before a method returns (E1, E4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, exists, func, insert, select, update

from sidecar.erasure.outcomes import ENDED, WAITING, Outcome
from sidecar.erasure.plan import PlannedTask
from sidecar.erasure.request import ErasureRequest
from sidecar.errors import SidecarError
from sidecar.stores.database import Conflict, Database
from sidecar.stores.erasure_tables import join_indices, receipts, requests, tasks, unused_types
from sidecar.stores.seal import Seal

_TRIES = 5


class IdTaken(SidecarError):
    """The id belongs to a request with another body; nothing was changed (E2)."""


@dataclass(frozen=True, slots=True)
class NewRequest:
    """What intake has worked out about a request before it is kept."""

    request: ErasureRequest
    body_digest: bytes = field(repr=False)
    subject: str
    commitment: str
    received_at: datetime
    internal_at: datetime
    legal_at: datetime
    accepted_state: str
    plan: tuple[PlannedTask, ...]
    unused_types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TaskView:
    """One task as it may be shown: no identity, no index of one."""

    target: str
    outcome: Outcome
    attempts: int
    deleted: int | None
    remaining: int | None
    due_at: datetime
    verified_at: datetime | None
    until_at: datetime | None


@dataclass(frozen=True, slots=True)
class RequestView:
    """One request as it may be shown. ``sealed``: its identities can still be opened by the worker.

    ``unused_types``: types of its identities that no upstream system is asked about.
    """

    id: str
    regulation: str
    subject: str
    commitment: str
    received_at: datetime
    internal_at: datetime
    legal_at: datetime
    overdue_at: datetime
    verified_by: str | None
    verified_at: datetime | None
    accepted_state: str
    round: int
    ended_at: datetime | None
    forget_at: datetime | None
    sealed: bool
    tasks: tuple[TaskView, ...]
    unused_types: tuple[str, ...]

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        return tuple(task.outcome for task in self.tasks)


@dataclass(frozen=True, slots=True)
class Counts:
    """How many requests have not ended; how many of those are past their deadline with something in a live system."""

    open: int
    overdue: int


class ErasureRequests:
    """Accepts requests and shows them. Raises ``StoreUnavailable``."""

    def __init__(self, database: Database, seal: Seal) -> None:
        self._database = database
        self._seal = seal

    async def accept(self, new: NewRequest) -> tuple[RequestView, bool]:
        """Keep request, sealed identities and plan in one transaction; say whether it is new.

        A request with this id and this body is returned as it stands. Raises ``IdTaken`` for another body.
        """
        for _ in range(_TRIES - 1):
            try:
                return await self._database.run(lambda connection: self._accept(connection, new))
            except Conflict:  # a replica kept the same id in between: it is there now
                continue
        return await self._database.run(lambda connection: self._accept(connection, new))

    async def confirm(self, request_id: str, verified_by: str, now: datetime) -> RequestView | None:
        """Note that the person was identified, unless it was noted before; None for an unknown id (E7)."""
        return await self._database.run(lambda connection: _confirm(connection, request_id, verified_by, now))

    async def find(self, request_id: str) -> RequestView | None:
        return await self._database.read(lambda connection: find_request(connection, request_id))

    async def receipt(self, request_id: str) -> bytes | None:
        """Return the latest receipt file, or None if there is none (yet)."""
        return await self._database.read(lambda connection: latest_receipt(connection, request_id))

    async def counts(self, now: datetime) -> Counts:
        return await self._database.read(lambda connection: _counts(connection, now))

    def _accept(self, connection: Connection, new: NewRequest) -> tuple[RequestView, bool]:
        request_id = new.request.id
        known = connection.scalar(select(requests.c.body_digest).where(requests.c.id == request_id))
        if known is None:
            self._insert(connection, new)
        elif known != new.body_digest:
            raise IdTaken("the id belongs to a request with another body")
        view = find_request(connection, request_id)
        assert view is not None  # noqa: S101 - inserted or found above, in this transaction
        return view, known is None

    def _insert(self, connection: Connection, new: NewRequest) -> None:
        request = new.request
        sealed = self._seal.close(request.id, request.identities)
        row = {
            "id": request.id,
            "body_digest": new.body_digest,
            "regulation": request.regulation.value,
            "subject": new.subject,
            "commitment": new.commitment,
            "received_at": new.received_at,
            "internal_at": new.internal_at,
            "legal_at": new.legal_at,
            "overdue_at": new.legal_at,
            "verified_by": request.verified_by,
            "verified_at": new.received_at if request.verified_by else None,
            "accepted_state": new.accepted_state,
            "wrapped_key": sealed.wrapped_key,
            "sealed": sealed.identities,
            "round": 1,
        }
        connection.execute(insert(requests).values(row))
        insert_tasks(connection, request.id, new.plan, new.received_at)
        note_unused_types(connection, request.id, new.unused_types)


def insert_tasks(connection: Connection, request_id: str, plan: Sequence[PlannedTask], due: datetime) -> None:
    """Add planned tasks to a request."""
    rows = [
        {
            "request_id": request_id,
            "target": task.target,
            "identities": join_indices(task.identities),
            "outcome": task.outcome.value,
            "claimed": False,
            "failures": 0,
            "attempts": 0,
            "due_at": due,
            "fence": 0,
        }
        for task in plan
    ]
    if rows:
        connection.execute(insert(tasks), rows)


def note_unused_types(connection: Connection, request_id: str, types: Sequence[str]) -> None:
    """Note which types of identities no upstream system is asked about, in place of what was noted before."""
    connection.execute(delete(unused_types).where(unused_types.c.request_id == request_id))
    if types:
        connection.execute(insert(unused_types), [{"request_id": request_id, "type": str(one)} for one in types])


def find_request(connection: Connection, request_id: str) -> RequestView | None:
    """Return a request with its tasks, in the order of the plan."""
    row = connection.execute(select(requests).where(requests.c.id == request_id)).one_or_none()
    if row is None:
        return None
    found = connection.execute(select(tasks).where(tasks.c.request_id == request_id).order_by(tasks.c.id))
    unused = connection.scalars(
        select(unused_types.c.type).where(unused_types.c.request_id == request_id).order_by(unused_types.c.type)
    )
    return _request_view(row, tuple(_task_view(task) for task in found), tuple(unused))


def latest_receipt(connection: Connection, request_id: str) -> bytes | None:
    query = select(receipts.c.data).where(receipts.c.request_id == request_id).order_by(receipts.c.round.desc())
    return connection.scalar(query.limit(1))


def _request_view(row: Row[Any], views: tuple[TaskView, ...], unused: tuple[str, ...]) -> RequestView:
    return RequestView(
        id=row.id,
        regulation=row.regulation,
        subject=row.subject,
        commitment=row.commitment,
        received_at=row.received_at,
        internal_at=row.internal_at,
        legal_at=row.legal_at,
        overdue_at=row.overdue_at,
        verified_by=row.verified_by,
        verified_at=row.verified_at,
        accepted_state=row.accepted_state,
        round=row.round,
        ended_at=row.ended_at,
        forget_at=row.forget_at,
        sealed=row.wrapped_key is not None,
        tasks=views,
        unused_types=unused,
    )


def _task_view(row: Row[Any]) -> TaskView:
    return TaskView(
        target=row.target,
        outcome=Outcome(row.outcome),
        attempts=row.attempts,
        deleted=row.deleted,
        remaining=row.remaining,
        due_at=row.due_at,
        verified_at=row.verified_at,
        until_at=row.until_at,
    )


def _confirm(connection: Connection, request_id: str, verified_by: str, now: datetime) -> RequestView | None:
    connection.execute(
        update(requests)
        .where(requests.c.id == request_id, requests.c.verified_at.is_(None))
        .values(verified_by=verified_by, verified_at=now)
    )
    return find_request(connection, request_id)


def _counts(connection: Connection, now: datetime) -> Counts:
    unended = select(func.count()).select_from(requests).where(requests.c.ended_at.is_(None))
    at_work = tasks.c.outcome.not_in(sorted(ENDED | WAITING))
    live = exists().where(tasks.c.request_id == requests.c.id, at_work)
    return Counts(
        open=connection.scalar(unended) or 0,
        overdue=connection.scalar(unended.where(requests.c.overdue_at < now, live)) or 0,
    )
