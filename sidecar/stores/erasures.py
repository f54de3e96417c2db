"""Erasure requests as intake and readers see them. Everything is durable before a method returns (E1, E4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select

from sidecar.erasure.deadlines import ClockPolicy, DeadlinePolicy, ExtensionGround
from sidecar.erasure.plan import OWN_NAME, PlannedTask
from sidecar.erasure.readiness import AT_WORK, is_backup, watched
from sidecar.erasure.request import ErasureRequest
from sidecar.errors import SidecarError
from sidecar.stores.database import Conflict, Database
from sidecar.stores.erasure_changes import cancel, confirm, extend
from sidecar.stores.erasure_journal import Keeper, NoJournal
from sidecar.stores.erasure_notices import Teller
from sidecar.stores.erasure_tables import callbacks, join_indices, requests, tasks, unused_types
from sidecar.stores.erasure_turns import mark
from sidecar.stores.erasure_views import RequestView, find_request, find_requests, latest_receipt
from sidecar.stores.seal import Seal, Sealed
from sidecar.stores.together import Together

_TRIES = 5


class IdTaken(SidecarError):
    """The id belongs to a request with another body; nothing was changed (E2)."""


@dataclass(frozen=True, slots=True)
class NewRequest:
    """What intake has worked out about a request before it is kept.

    ``former_digests``: of the same body by the master keys from before a rotation, under which it may be kept.
    """

    request: ErasureRequest
    body_digest: bytes = field(repr=False)
    subject: str
    commitment: str
    received_at: datetime
    internal_at: datetime
    legal_at: datetime
    from_receipt_at: datetime
    clock: ClockPolicy
    accepted_state: str
    plan: tuple[PlannedTask, ...]
    unused_types: tuple[str, ...]
    planned_for: str
    former_digests: tuple[bytes, ...] = field(default=(), repr=False)

    @property
    def digests(self) -> tuple[bytes, ...]:
        """By any of which the body is known again."""
        return (self.body_digest, *self.former_digests)


@dataclass(frozen=True, slots=True)
class Counts:
    """How many requests have not ended; how many of those are past their deadline with something in a live system."""

    open: int
    overdue: int


class ErasureRequests:
    """Accepts requests and shows them. Raises ``StoreUnavailable``."""

    def __init__(
        self, database: Database, seal: Seal, teller: Teller | None = None, keeper: Keeper | None = None
    ) -> None:
        self._database = database
        self._seal = seal
        self._teller = teller or Teller(seal)
        self._keeper: Keeper = keeper or NoJournal()
        self._accepting: Together[NewRequest, tuple[RequestView, bool]] = Together(self._accept_some)

    async def accept(self, new: NewRequest) -> tuple[RequestView, bool]:
        """Keep request, sealed identities and plan in one transaction; say whether it is new.

        A request with this id and this body is returned as it stands. Raises ``IdTaken`` for another body.
        """
        return await self._accepting(new)

    async def _accept_some(self, some: Sequence[NewRequest]) -> Sequence[tuple[RequestView, bool] | IdTaken]:
        answers = await self._kept(some)
        # Also what is not new: the journal may have failed the first time.
        await self._keeper.keep(*(answer[0].id for answer in answers if not isinstance(answer, IdTaken)))
        return answers

    async def _kept(self, some: Sequence[NewRequest]) -> Sequence[tuple[RequestView, bool] | IdTaken]:
        for _ in range(_TRIES - 1):
            try:
                return await self._database.run(lambda connection: self._accept(connection, some))
            except Conflict:  # a replica kept the same id in between: it is there now
                continue
        return await self._database.run(lambda connection: self._accept(connection, some))

    async def confirm(
        self, request_id: str, verified_by: str, now: datetime, policy: DeadlinePolicy | None = None
    ) -> RequestView | None:
        """Note that the person was identified, unless it was noted before; None for an unknown id (E7).

        Raises ``NotPending`` for one that was taken back.
        """
        chosen = policy or DeadlinePolicy()
        view = await self._database.run(lambda connection: confirm(connection, request_id, verified_by, now, chosen))
        await self._keeper.keep(request_id)
        return view

    async def cancel(self, request_id: str, now: datetime) -> RequestView | None:
        """Take a request back before anything was done for it; None for an unknown id. Raises ``NotPending`` (E10)."""
        view = await self._database.run(lambda connection: cancel(connection, request_id, now, self._teller))
        await self._keeper.keep(request_id)
        return view

    async def extend(
        self, request_id: str, ground: ExtensionGround, now: datetime, policy: DeadlinePolicy | None = None
    ) -> RequestView | None:
        """Prolong the legal deadline once; None for an unknown id. Raises ``NotExtendable`` (E34)."""
        chosen = policy or DeadlinePolicy()
        view = await self._database.run(
            lambda connection: extend(connection, request_id, ground, now, chosen, self._teller)
        )
        await self._keeper.keep(request_id)
        return view

    async def find(self, request_id: str) -> RequestView | None:
        return await self._database.read(lambda connection: find_request(connection, request_id))

    async def receipt(self, request_id: str) -> bytes | None:
        """Return the latest receipt file, or None if there is none (yet)."""
        return await self._database.read(lambda connection: latest_receipt(connection, request_id))

    async def counts(self, now: datetime) -> Counts:
        return await self._database.read(lambda connection: _counts(connection, now))

    def _accept(
        self, connection: Connection, some: Sequence[NewRequest]
    ) -> Sequence[tuple[RequestView, bool] | IdTaken]:
        ids = sorted({new.request.id for new in some})
        query = select(requests.c.id, requests.c.body_digest).where(requests.c.id.in_(ids))
        digests = {row.id: row.body_digest for row in connection.execute(query)}
        first: dict[str, NewRequest] = {}
        for new in some:
            if new.request.id not in digests:
                digests[new.request.id] = new.body_digest
                first[new.request.id] = new
        self._insert(connection, [first[one] for one in sorted(first)])  # in one order: no deadlock with replicas
        views = {view.id: view for view in find_requests(connection, ids)}
        return [
            (views[new.request.id], first.get(new.request.id) is new)
            if digests[new.request.id] in new.digests
            else IdTaken("the id belongs to a request with another body")
            for new in some
        ]

    def _insert(self, connection: Connection, some: Sequence[NewRequest]) -> None:
        if not some:
            return
        sealed = [self._seal.close(new.request.id, new.request.identities) for new in some]
        connection.execute(insert(requests), [_request_row(new, one) for new, one in zip(some, sealed, strict=True)])
        plans = [PlanOf(new.request.id, new.plan, new.received_at, new.request.verified_by is not None) for new in some]
        insert_tasks(connection, plans)
        for one in plans:
            if one.verified and not any(map(is_ready_at_once, one.plan)):  # what is last in other plans is first here
                mark(connection, [one.request_id], one.due)
        types = [{"request_id": new.request.id, "type": str(one)} for new in some for one in new.unused_types]
        urls = [
            {"request_id": new.request.id, "number": number, "sealed_url": sealed_text}
            for new, one in zip(some, sealed, strict=True)
            for number, sealed_text in enumerate(self._seal.close_texts(new.request.id, one, new.request.callbacks))
        ]
        for table, rows in ((unused_types, types), (callbacks, urls)):
            if rows:
                connection.execute(insert(table), rows)


def _request_row(new: NewRequest, sealed: Sealed) -> dict[str, Any]:
    request = new.request
    verified_at = new.received_at if request.verified_by else None
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
        "verified_at": verified_at,
        "accepted_state": new.accepted_state,
        "wrapped_key": sealed.wrapped_key,
        "sealed": sealed.identities,
        "round": 1,
        "origin": request.origin.value,
        "controller": request.controller,
        "from_receipt_at": new.from_receipt_at,
        "clock": new.clock.value,
        "planned_for": new.planned_for,
    }
    unkept = _Unkept(new.received_at, new.legal_at, new.legal_at, verified_at, new.clock.value, sealed.identities)
    due = watched(unkept, [task.outcome for task in new.plan])
    return row | {"late_at": due.late_at, "alert_at": due.alert_at}


@dataclass(frozen=True, slots=True)
class _Unkept:
    """A request that is about to be kept, as what is derived from it reads it."""

    received_at: datetime
    legal_at: datetime
    overdue_at: datetime
    verified_at: datetime | None
    clock: str
    sealed: bytes
    ended_at: datetime | None = None
    second_look_at: datetime | None = None
    alerted_percent: int = 0


@dataclass(frozen=True, slots=True)
class PlanOf:
    """Tasks to be added to a request. ``verified``: those of live systems may be run at once."""

    request_id: str
    plan: Sequence[PlannedTask]
    due: datetime
    verified: bool = False


def is_ready_at_once(task: PlannedTask) -> bool:
    """Tell tasks of live systems that can be done from those that wait for others."""
    return task.outcome in AT_WORK and task.target != OWN_NAME and not is_backup(task.target)


def insert_tasks(connection: Connection, plans: Sequence[PlanOf]) -> None:
    """Add planned tasks to requests. What waits for other tasks is made ready at a turn."""
    rows = [
        {
            "request_id": one.request_id,
            "target": task.target,
            "identities": join_indices(task.identities),
            "outcome": task.outcome.value,
            "claimed": False,
            "failures": 0,
            "attempts": 0,
            "due_at": one.due,
            "fence": 0,
            "ready": one.verified and is_ready_at_once(task),
        }
        for one in plans
        for task in one.plan
    ]
    if rows:
        connection.execute(insert(tasks), rows)


def _counts(connection: Connection, now: datetime) -> Counts:
    """Both by indexes of nothing but what is counted."""
    unended = select(func.count()).select_from(requests).where(requests.c.ended_at.is_(None))
    late = select(func.count()).select_from(requests).where(requests.c.late_at < now)
    return Counts(open=connection.scalar(unended) or 0, overdue=connection.scalar(late) or 0)
