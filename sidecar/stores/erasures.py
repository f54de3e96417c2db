"""Erasure requests as intake and readers see them. Everything is durable before a method returns (E1, E4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, delete, exists, func, insert, or_, select

from sidecar.erasure.deadlines import ClockPolicy, DeadlinePolicy, ExtensionGround
from sidecar.erasure.outcomes import ENDED, WAITING, Outcome
from sidecar.erasure.plan import PlannedTask
from sidecar.erasure.request import ErasureRequest
from sidecar.errors import SidecarError
from sidecar.stores.database import Conflict, Database
from sidecar.stores.erasure_changes import cancel, confirm, extend
from sidecar.stores.erasure_journal import Keeper, NoJournal
from sidecar.stores.erasure_notices import Teller
from sidecar.stores.erasure_tables import callbacks, join_indices, requests, tasks, unused_types
from sidecar.stores.erasure_views import RequestView, find_request, latest_receipt
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
    from_receipt_at: datetime
    clock: ClockPolicy
    accepted_state: str
    plan: tuple[PlannedTask, ...]
    unused_types: tuple[str, ...]


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

    async def accept(self, new: NewRequest) -> tuple[RequestView, bool]:
        """Keep request, sealed identities and plan in one transaction; say whether it is new.

        A request with this id and this body is returned as it stands. Raises ``IdTaken`` for another body.
        """
        view, is_new = await self._accepted(new)
        await self._keeper.keep(view.id)  # also if it is not new: the journal may have failed the first time
        return view, is_new

    async def _accepted(self, new: NewRequest) -> tuple[RequestView, bool]:
        for _ in range(_TRIES - 1):
            try:
                return await self._database.run(lambda connection: self._accept(connection, new))
            except Conflict:  # a replica kept the same id in between: it is there now
                continue
        return await self._database.run(lambda connection: self._accept(connection, new))

    async def confirm(
        self, request_id: str, verified_by: str, now: datetime, policy: DeadlinePolicy | None = None
    ) -> RequestView | None:
        """Note that the person was identified, unless it was noted before; None for an unknown id (E7)."""
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
            "origin": request.origin.value,
            "controller": request.controller,
            "from_receipt_at": new.from_receipt_at,
            "clock": new.clock.value,
        }
        connection.execute(insert(requests).values(row))
        insert_tasks(connection, request.id, new.plan, new.received_at)
        note_unused_types(connection, request.id, new.unused_types)
        urls = [
            {"request_id": request.id, "number": number, "sealed_url": sealed_text}
            for number, sealed_text in enumerate(self._seal.close_texts(request.id, sealed, request.callbacks))
        ]
        if urls:
            connection.execute(insert(callbacks), urls)


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


def _counts(connection: Connection, now: datetime) -> Counts:
    unended = select(func.count()).select_from(requests).where(requests.c.ended_at.is_(None))
    confirming = (tasks.c.outcome == Outcome.VERIFYING.value) & requests.c.second_look_at.is_not(None)
    at_work = tasks.c.outcome.not_in(sorted(ENDED | WAITING)) & ~confirming
    running = or_(requests.c.clock == ClockPolicy.RUN.value, requests.c.verified_at.is_not(None))
    live = running & exists().where(tasks.c.request_id == requests.c.id, at_work)
    return Counts(
        open=connection.scalar(unended) or 0,
        overdue=connection.scalar(unended.where(requests.c.overdue_at < now, live)) or 0,
    )
