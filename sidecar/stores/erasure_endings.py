"""How rounds of requests end: an interim receipt, a second look at everything, the final receipt, and forgetting.

    all live tasks ended ──▶ interim receipt, second look set ──day later──▶ every verified task looked at again
        ▲                                                                        │            │
        ╰──────────── something was written after the first look (E27) ◀─────────╯            ▼
                                                                        all ended, none late ──▶ final receipt

All of it is read off the tables: a process that was killed anywhere goes on where it was.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, exists, func, insert, select, update

from sidecar.erasure.outcomes import ENDED, VERIFIED, WAITING, Outcome
from sidecar.erasure.steps import FOUND_GONE, Step
from sidecar.stores.database import Database
from sidecar.stores.erasure_changes import TOLD_WITHIN
from sidecar.stores.erasure_journal import Keeper, NoJournal
from sidecar.stores.erasure_notices import NoticeEvent, Teller
from sidecar.stores.erasure_receipt_keys import may_sign
from sidecar.stores.erasure_tables import callbacks, interim_receipts, receipts, requests, steps, tasks
from sidecar.stores.erasure_unrecorded import owe_record
from sidecar.stores.erasure_views import RequestView, find_request

_MINE = tasks.c.request_id == requests.c.id


@dataclass(frozen=True, slots=True)
class SignedReceipt:
    """A receipt, with the id of its key, and the name in the audit log of whoever signed."""

    data: bytes = field(repr=False)
    key_id: str
    signer: str


@dataclass(frozen=True, slots=True)
class Ready:
    """Requests for which something is to be written: an interim receipt, or the end of the round.

    ``looks``: how many tasks were ordered to be looked at once more.
    """

    looks: int
    interim: tuple[RequestView, ...]
    final: tuple[RequestView, ...]


class ErasureEndings:
    """Durable state of endings. ``second_look`` is how long after the first end everything is looked at once more.

    Zero: not at all. Raises ``StoreUnavailable``.
    """

    def __init__(
        self, database: Database, teller: Teller, second_look: timedelta = timedelta(), keeper: Keeper | None = None
    ) -> None:
        self._database = database
        self._keeper: Keeper = keeper or NoJournal()
        self._teller = teller
        self._second_look = second_look

    async def ready(self, now: datetime, limit: int) -> Ready:
        """Return what is due to be signed; order second looks that are due."""
        looks = 0
        due = await self._database.read(lambda connection: bool(_second_looks(connection, now, 1)))
        if due and self._second_look:
            looks = await self._database.run(lambda connection: _begin_second_looks(connection, now, limit))
        return await self._database.read(lambda connection: self._ready(connection, now, limit, looks))

    async def previous_receipt(self, view: RequestView) -> bytes | None:
        """Return what the next receipt supersedes: this round's interim one, or the last of the round before."""
        return await self._database.read(lambda connection: _previous(connection, view))

    async def interim(self, view: RequestView, now: datetime, receipt: SignedReceipt) -> bool:
        """Note that live systems are done, with the receipt that says so, and when everything is looked at again.

        False, and nothing is noted, if somebody else did, or if the receipt's key is not in use any more.
        """
        return await self._database.run(lambda connection: self._interim(connection, view, now, receipt))

    async def late_writers(self, view: RequestView, now: datetime) -> int:
        """Return in how many systems the person turned up again after the first end; if any, another look is set."""
        return await self._database.run(lambda connection: self._late(connection, view, now))

    async def end(self, view: RequestView, now: datetime, receipt: SignedReceipt, horizon: timedelta) -> bool:
        """Note the end of a request's round with its receipt, once: False as ``interim``."""
        ended = await self._database.run(lambda connection: self._end(connection, view, now, receipt, horizon))
        await self._keeper.keep(view.id)
        return ended

    def _ready(self, connection: Connection, now: datetime, limit: int, looks: int) -> Ready:
        interim, final = self._conditions(now)
        return Ready(looks, _views(connection, interim.limit(limit)), _views(connection, final.limit(limit)))

    def _conditions(self, now: datetime) -> tuple[Select[Any], Select[Any]]:
        unended = select(requests.c.id).where(requests.c.ended_at.is_(None), exists().where(_MINE))
        live_done = unended.where(~exists().where(_MINE, tasks.c.outcome.not_in(sorted(ENDED | WAITING))))
        all_done = unended.where(~exists().where(_MINE, tasks.c.outcome.not_in(sorted(ENDED))))
        if self._second_look:
            looked = (requests.c.second_look_at <= now) & ~exists().where(_MINE, _unconfirmed())
            return live_done.where(requests.c.second_look_at.is_(None)), all_done.where(looked)
        signed = exists().where(
            interim_receipts.c.request_id == requests.c.id, interim_receipts.c.round == requests.c.round
        )
        waits = exists().where(_MINE, tasks.c.outcome.in_(sorted(WAITING)))
        return live_done.where(waits, ~signed), all_done

    def _interim(self, connection: Connection, view: RequestView, now: datetime, receipt: SignedReceipt) -> bool:
        if not may_sign(connection, receipt.key_id, now):
            return False
        mine = (requests.c.id == view.id, requests.c.round == view.round, requests.c.ended_at.is_(None))
        as_signed = _stands_as(connection, view)
        held = connection.execute(select(requests.c.id).where(*mine).with_for_update()).one_or_none()
        known = (interim_receipts.c.request_id == view.id, interim_receipts.c.round == view.round)
        if held is None or not as_signed:
            return False
        if self._second_look:
            values = {"second_look_at": now + self._second_look}
            connection.execute(update(requests).where(*mine, requests.c.second_look_at.is_(None)).values(values))
        if connection.scalar(select(exists().where(*known))):
            return False
        connection.execute(insert(interim_receipts).values(request_id=view.id, round=view.round, data=receipt.data))
        owe_record(connection, view.id, view.round, receipt.signer, final=False)
        self._teller.tell(connection, view.id, NoticeEvent.INTERIM, now)
        return True

    def _late(self, connection: Connection, view: RequestView, now: datetime) -> int:
        if not self._second_look or view.second_look_at is None:
            return 0
        again = (steps.c.step == Step.DELETE.value) & (steps.c.at >= view.second_look_at)
        mine = tasks.c.request_id == view.id
        late = select(func.count(func.distinct(tasks.c.target))).join(steps, steps.c.task_id == tasks.c.id)
        count = connection.scalar(late.where(mine, again)) or 0
        if count:
            values = {"second_look_at": now + self._second_look}
            connection.execute(
                update(requests)
                .where(requests.c.id == view.id, requests.c.second_look_at == view.second_look_at)
                .values(values)
            )
            self._teller.tell(connection, view.id, NoticeEvent.LATE_WRITER, now, {"systems": count})
        return count

    def _end(
        self, connection: Connection, view: RequestView, now: datetime, receipt: SignedReceipt, horizon: timedelta
    ) -> bool:
        if not may_sign(connection, receipt.key_id, now) or not _stands_as(connection, view):
            return False
        told = connection.scalar(select(exists().where(callbacks.c.request_id == view.id)))
        # A replay must not keep a person's identifiers beyond the horizon of the first end; but a controller's URL is
        # sealed with them, and whoever asked must be told how every round came out.
        until = view.forget_at or now + horizon
        until = max(until, now + TOLD_WITHIN) if told else until
        ended = connection.execute(
            update(requests)
            .where(requests.c.id == view.id, requests.c.round == view.round, requests.c.ended_at.is_(None))
            .values(ended_at=now, forget_at=until)
        )
        if ended.rowcount != 1:
            return False
        connection.execute(insert(receipts).values(request_id=view.id, round=view.round, data=receipt.data))
        owe_record(connection, view.id, view.round, receipt.signer, final=True)
        self._teller.tell(connection, view.id, NoticeEvent.ENDED, now)
        return True


def _stands_as(connection: Connection, view: RequestView) -> bool:
    """Tell whether tasks still stand as they did when a receipt was made of them; they do until we commit.

    A restore, a hold or somebody who turns up in traffic may have begun one again since: then the receipt is untrue.
    """
    mine = select(tasks.c.id, tasks.c.outcome).where(tasks.c.request_id == view.id)
    rows = connection.execute(mine.order_by(tasks.c.id).with_for_update()).all()
    return [tuple(row) for row in rows] == [(task.id, task.outcome.value) for task in view.tasks]


def _unconfirmed() -> ColumnElement[bool]:
    """A task that was found gone by looking, before the second look was due. Backups are looked at as lists anyway."""
    looked = exists().where(steps.c.task_id == tasks.c.id, steps.c.status == FOUND_GONE)
    return (
        tasks.c.outcome.in_(sorted(VERIFIED))
        & (tasks.c.verified_at < requests.c.second_look_at)
        & tasks.c.target.not_like("%/%")
        & looked
    )


def _second_looks(connection: Connection, now: datetime, limit: int) -> list[int]:
    due = (
        select(tasks.c.id)
        .join(requests, _MINE)
        .where(requests.c.ended_at.is_(None), requests.c.second_look_at <= now, _unconfirmed())
        .limit(limit)
        .with_for_update(skip_locked=True, of=tasks)
    )
    return list(connection.scalars(due))


def _begin_second_looks(connection: Connection, now: datetime, limit: int) -> int:
    found = _second_looks(connection, now, limit)
    if found:
        values = {"outcome": Outcome.VERIFYING.value, "due_at": now, "failures": 0, "submitted_at": None}
        connection.execute(update(tasks).where(tasks.c.id.in_(found)).values(values))
    return len(found)


def _views(connection: Connection, query: Select[Any]) -> tuple[RequestView, ...]:
    found = [find_request(connection, request_id) for request_id in connection.scalars(query)]
    return tuple(view for view in found if view is not None)


def _previous(connection: Connection, view: RequestView) -> bytes | None:
    interim = select(interim_receipts.c.data).where(
        interim_receipts.c.request_id == view.id, interim_receipts.c.round == view.round
    )
    before = select(receipts.c.data).where(receipts.c.request_id == view.id, receipts.c.round == view.round - 1)
    return connection.scalar(interim) or connection.scalar(before)
