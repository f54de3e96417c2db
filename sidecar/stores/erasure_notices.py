"""What somebody is still to be told about a request: written in the transaction in which it became true, sent later.

A notice to a configured webhook names it; one to a controller's own URL is sealed under the request's key, URL and body
alike, and so is gone with it. Notices are leased like tasks: an old fence writes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import Connection, Row, insert, select, update

from sidecar.erasure.opendsr import callback_body
from sidecar.erasure.receipt import timestamp
from sidecar.errors import KeyMaterialError
from sidecar.stores.database import Database
from sidecar.stores.erasure_tables import TO_BE_SENT, callbacks, notices, requests
from sidecar.stores.erasure_views import RequestView, find_request
from sidecar.stores.seal import Seal, Sealed

KEPT_TRYING: Final = timedelta(days=14)
"""For how long a receiver that is down is tried again (E47 asks for seven days)."""


class NoticeKind(StrEnum):
    WEBHOOK = "webhook"
    OPENDSR = "opendsr"


class NoticeEvent(StrEnum):
    """What happened. The words that receivers of webhooks see, after ``erasure.``."""

    BEGUN = "begun"  # the first thing was tried in this round
    INTERIM = "interim"  # no live system has anything any more; something is still waited for
    ENDED = "ended"
    CANCELLED = "cancelled"
    EXTENDED = "extended"
    DEADLINE = "deadline"
    HELD = "held"
    RELEASED = "released"
    LATE_WRITER = "late_writer"


TO_CONTROLLERS: Final = frozenset({NoticeEvent.BEGUN, NoticeEvent.INTERIM, NoticeEvent.ENDED, NoticeEvent.CANCELLED})
NOTHING_MORE: Final[Mapping[str, object]] = {}


@dataclass(frozen=True, slots=True)
class LeasedNotice:
    """A notice that is ours to send until the lease ends. ``receiver``: a webhook's name, or a URL."""

    id: str
    fence: int
    kind: NoticeKind
    receiver: str = field(repr=False)
    payload: bytes = field(repr=False)
    written_at: datetime
    attempts: int


@dataclass(frozen=True, slots=True)
class Teller:
    """Writes notices inside somebody's transaction: to every configured webhook, and to the controller's callbacks."""

    seal: Seal
    webhooks: tuple[str, ...] = ()

    def tell(
        self,
        connection: Connection,
        request_id: str,
        event: NoticeEvent,
        now: datetime,
        more: Mapping[str, object] = NOTHING_MORE,
    ) -> None:
        """Note that receivers are to be told of ``event``, as the request stands after it."""
        view = find_request(connection, request_id) if self.heard_of(connection, [request_id], event) else None
        if view is None:
            return
        payload = _webhook_payload(view, event, now, more)
        for name in self.webhooks:
            _write(connection, view.id, NoticeKind.WEBHOOK, name.encode(), payload, now)
        if event in TO_CONTROLLERS:
            self._tell_controller(connection, view, now)

    def lock_untold(self, connection: Connection, ids: Collection[str]) -> Collection[str]:
        """Lock, and return, those of some requests of which it is to be told still that work has begun.

        Call it before tasks are locked. Others are not locked: replicas write of their tasks at the same time.
        """
        heard = self.heard_of(connection, ids, NoticeEvent.BEGUN)
        if not heard:
            return ()
        query = select(requests.c.id).where(requests.c.id.in_(sorted(heard)), requests.c.begun_round < requests.c.round)
        return connection.scalars(query.order_by(requests.c.id).with_for_update(key_share=True)).all()

    def tell_begun(self, connection: Connection, begun: Mapping[str, int], now: datetime) -> None:
        """Note, once in a round, that work on requests has begun, by the rounds that it was begun in.

        For the transaction that says what came of it, of requests that it has by ``lock_untold``.
        """
        for request_id in sorted(begun):
            untold = (requests.c.id == request_id, requests.c.begun_round < begun[request_id])
            if connection.execute(update(requests).where(*untold).values(begun_round=begun[request_id])).rowcount:
                self.tell(connection, request_id, NoticeEvent.BEGUN, now)

    def heard_of(self, connection: Connection, ids: Collection[str], event: NoticeEvent) -> Collection[str]:
        """Return those of some requests of which somebody is to be told an event."""
        if self.webhooks or event not in TO_CONTROLLERS or not ids:
            return ids if self.webhooks else ()
        query = select(callbacks.c.request_id).where(callbacks.c.request_id.in_(ids)).distinct()
        return list(connection.scalars(query))

    def _tell_controller(self, connection: Connection, view: RequestView, now: datetime) -> None:
        query = select(callbacks.c.sealed_url).where(callbacks.c.request_id == view.id).order_by(callbacks.c.number)
        urls = list(connection.scalars(query))
        key = connection.scalar(select(requests.c.wrapped_key).where(requests.c.id == view.id)) if urls else None
        if key is None:
            return
        sealed = Sealed(key, b"")
        for sealed_url in urls:
            body = callback_body(view, view.state_at(now), self.seal.open_text(view.id, key, sealed_url))
            (payload,) = self.seal.close_texts(view.id, sealed, [body.decode()])
            _write(connection, view.id, NoticeKind.OPENDSR, sealed_url, payload, now)


class ErasureNotices:
    """The sender's side. Raises ``StoreUnavailable``."""

    def __init__(self, database: Database, seal: Seal) -> None:
        self._database = database
        self._seal = seal

    async def lease(self, now: datetime, until: datetime, limit: int) -> list[LeasedNotice]:
        """Lease up to ``limit`` notices that are due, oldest first. What can't be opened any more is given up."""
        return await self._database.run(lambda connection: self._lease(connection, now, until, limit))

    async def delivered(self, notice: LeasedNotice, now: datetime) -> None:
        await self._set(notice, {"delivered_at": now, "payload": b""})

    async def postponed(self, notice: LeasedNotice, due: datetime) -> None:
        await self._set(notice, {"due_at": due})

    async def abandoned(self, notice: LeasedNotice, now: datetime) -> None:
        await self._set(notice, {"abandoned_at": now, "payload": b""})

    async def _set(self, notice: LeasedNotice, values: dict[str, Any]) -> None:
        mine = (notices.c.id == notice.id, notices.c.fence == notice.fence)
        await self._database.run(lambda connection: connection.execute(update(notices).where(*mine).values(values)))

    def _lease(self, connection: Connection, now: datetime, until: datetime, limit: int) -> list[LeasedNotice]:
        query = (
            select(notices, requests.c.wrapped_key)
            .join(requests, requests.c.id == notices.c.request_id)
            .where(notices.c.due_at <= now, TO_BE_SENT)
            .order_by(notices.c.due_at, notices.c.id)
            .limit(limit)
            .with_for_update(skip_locked=True, of=notices)
        )
        found = []
        for row in connection.execute(query).all():
            opened = self._opened(row)
            values = {"due_at": until, "fence": row.fence + 1, "attempts": row.attempts + 1}
            if opened is None:
                values["abandoned_at"] = now
            else:
                found.append(opened)
            connection.execute(update(notices).where(notices.c.id == row.id).values(values))
        return found

    def _opened(self, row: Row[Any]) -> LeasedNotice | None:
        kind = NoticeKind(row.kind)
        receiver, payload = row.receiver, row.payload
        if kind is NoticeKind.OPENDSR:
            if row.wrapped_key is None:
                return None
            try:
                receiver, payload = (
                    self._seal.open_text(row.request_id, row.wrapped_key, part).encode() for part in (receiver, payload)
                )
            except KeyMaterialError:
                return None
        attempts = row.attempts + 1
        return LeasedNotice(row.id, row.fence + 1, kind, receiver.decode(), payload, row.written_at, attempts)


def _webhook_payload(view: RequestView, event: NoticeEvent, now: datetime, more: Mapping[str, object]) -> bytes:
    data = {
        "id": view.id,
        "state": view.state_at(now).value,
        "regulation": view.regulation,
        "round": view.round,
        "received_time": timestamp(view.received_at),
        "legal_deadline": None if view.paused else timestamp(view.legal_at),
        **more,
    }
    said = {"type": f"erasure.{event.value}", "timestamp": timestamp(now), "data": data}
    return json.dumps(said, separators=(",", ":")).encode()


def _write(
    connection: Connection, request_id: str, kind: NoticeKind, receiver: bytes, payload: bytes, now: datetime
) -> None:
    connection.execute(
        insert(notices).values(
            id=str(uuid4()),
            request_id=request_id,
            kind=kind.value,
            receiver=receiver,
            payload=payload,
            written_at=now,
            due_at=now,
            attempts=0,
            fence=0,
        )
    )
