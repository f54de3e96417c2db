"""What people change about an accepted request: identified, taken back, prolonged. Each once, or not at all.

Runs inside a transaction that the caller holds. The request is locked first: replicas decide one after the other.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, delete, exists, select, update

from sidecar.erasure.deadlines import (
    PERIODS,
    ClockPolicy,
    DeadlinePolicy,
    ExtensionGround,
    Regulation,
    deadlines,
    extended,
)
from sidecar.errors import SidecarError
from sidecar.stores.erasure_notices import KEPT_TRYING, NoticeEvent, Teller
from sidecar.stores.erasure_tables import callbacks, requests, steps, tasks
from sidecar.stores.erasure_turns import mark
from sidecar.stores.erasure_views import RequestView, find_request

TOLD_WITHIN: Final = KEPT_TRYING + timedelta(days=1)
"""How long the key of a request is kept at least where a controller must still be told of its end."""


class NotPending(SidecarError):
    """Work on the request has begun, or it has ended: it can't be taken back, or not be confirmed any more (E10)."""


class NotExtendable(SidecarError):
    """The deadline can't be prolonged. The text says why; it holds no word of the request."""


def confirm(
    connection: Connection, request_id: str, verified_by: str, now: datetime, policy: DeadlinePolicy
) -> RequestView | None:
    """Note that the person was identified, once. A clock that stood still begins now (E7).

    Of a request that was taken back nobody is told that it will be done: ``NotPending``.
    """
    view = _locked(connection, request_id)
    if view is not None and view.cancelled_at is not None:
        raise NotPending("the request was taken back; submit another one, with another id")
    if view is None or view.verified_at is not None or view.ended_at is not None:
        return view
    values: dict[str, object] = {"verified_by": verified_by, "verified_at": now}
    if view.clock is ClockPolicy.PAUSE:
        dates = deadlines(Regulation(view.regulation), now, None, policy)
        values |= {"legal_at": dates.legal, "internal_at": dates.internal, "overdue_at": dates.legal}
    connection.execute(update(requests).where(requests.c.id == request_id).values(values))
    mark(connection, [request_id], now)
    return find_request(connection, request_id)


def cancel(connection: Connection, request_id: str, now: datetime, teller: Teller) -> RequestView | None:
    """Take a request back if nothing was begun. Racing with a lease, one of both comes first and the other sees it.

    Its tasks are locked, and then gone: a worker that waited for them finds none, and nobody plans others.
    """
    view = _locked(connection, request_id)
    mine = tasks.c.request_id == request_id
    begun = connection.execute(
        select(tasks.c.id, tasks.c.attempts).where(mine).order_by(tasks.c.id).with_for_update()
    ).all()
    if view is None or view.cancelled_at is not None:
        return view
    done = connection.scalar(select(exists().where(steps.c.task_id == tasks.c.id, mine)))
    if done or view.ended_at is not None or any(task.attempts for task in begun):
        raise NotPending("work on the request has begun, or it has ended")
    told = connection.scalar(select(exists().where(callbacks.c.request_id == request_id)))
    connection.execute(delete(tasks).where(mine))
    connection.execute(
        update(requests)
        .where(requests.c.id == request_id)
        .values(
            cancelled_at=now,
            ended_at=now,
            forget_at=now + TOLD_WITHIN if told else now,
            late_at=None,
            alert_at=None,
        )
    )
    teller.tell(connection, request_id, NoticeEvent.CANCELLED, now)
    return find_request(connection, request_id)


def extend(
    connection: Connection,
    request_id: str,
    ground: ExtensionGround,
    now: datetime,
    policy: DeadlinePolicy,
    teller: Teller,
) -> RequestView | None:
    """Prolong the legal deadline by what the regime gives, once, with a ground, inside the first period (E34)."""
    view = _locked(connection, request_id)
    if view is None:
        return None
    regulation = Regulation(view.regulation)
    if view.extended_at is not None:
        raise NotExtendable("it was prolonged before")
    if view.ended_at is not None or view.paused:
        raise NotExtendable("no clock runs for it")
    if not PERIODS[regulation].extendable:
        raise NotExtendable(f"{regulation.value} knows no extension")
    if now > view.legal_at:
        raise NotExtendable("the first period is over")
    legal = extended(regulation, view.legal_at, policy)
    connection.execute(
        update(requests)
        .where(requests.c.id == request_id)
        .values(
            extended_at=now,
            extension_ground=ground.value,
            unextended_at=view.legal_at,
            legal_at=legal,
            overdue_at=legal,
            internal_at=legal - (view.legal_at - view.internal_at),
            alerted_percent=0,
        )
    )
    mark(connection, [request_id], now)
    teller.tell(connection, request_id, NoticeEvent.EXTENDED, now, {"ground": ground.value})
    return find_request(connection, request_id)


def _locked(connection: Connection, request_id: str) -> RequestView | None:
    """Return how a request stands, and stands until the transaction ends, whatever other replicas are about to do."""
    mine = select(requests.c.id).where(requests.c.id == request_id)
    connection.execute(mine.with_for_update(key_share=True))
    return find_request(connection, request_id)
