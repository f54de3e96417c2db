"""Which open requests have used up how much of their time: each share is said once, where it is noted."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from sqlalchemy import BigInteger, ColumnElement, Connection, exists, literal, select, type_coerce, update

from sidecar.erasure.deadlines import ClockPolicy
from sidecar.erasure.outcomes import ENDED, WAITING
from sidecar.stores.database import Database
from sidecar.stores.erasure_notices import NoticeEvent, Teller
from sidecar.stores.erasure_tables import milliseconds, requests, tasks

SHARES: Final = (50, 75, 90, 100)
"""Percent of the time between receipt and legal deadline (E15)."""
_AT_ONCE: Final = 200


class ErasureAlerts:
    """Finds and notes them. Raises ``StoreUnavailable``."""

    def __init__(self, database: Database, teller: Teller) -> None:
        self._database = database
        self._teller = teller

    async def raise_due(self, now: datetime) -> Mapping[int, int]:
        """Note every share that requests have come to since last time; return how many came to each."""
        if not await self._database.read(lambda connection: _any_due(connection, now)):
            return {}
        return await self._database.run(lambda connection: self._raise(connection, now))

    def _raise(self, connection: Connection, now: datetime) -> Mapping[int, int]:
        raised: dict[int, int] = {}
        for percent in reversed(SHARES):  # a request that jumps over several is told of the highest
            for request_id in _due(connection, now, percent, _AT_ONCE):
                connection.execute(update(requests).where(requests.c.id == request_id).values(alerted_percent=percent))
                self._teller.tell(connection, request_id, NoticeEvent.DEADLINE, now, {"percent": percent})
                raised[percent] = raised.get(percent, 0) + 1
        return raised


def _any_due(connection: Connection, now: datetime) -> bool:
    return any(_due(connection, now, percent, 1) for percent in SHARES)


def _due(connection: Connection, now: datetime, percent: int, limit: int) -> list[str]:
    query = select(requests.c.id).where(
        requests.c.ended_at.is_(None),
        requests.c.alerted_percent < percent,
        _used(now) * 100 >= _given() * percent,
        (requests.c.clock == ClockPolicy.RUN.value) | requests.c.verified_at.is_not(None),
        exists().where(tasks.c.request_id == requests.c.id, tasks.c.outcome.not_in(sorted(ENDED | WAITING))),
    )
    return list(connection.scalars(query.limit(limit).with_for_update(skip_locked=True)))


def _given() -> ColumnElement[int]:
    return type_coerce(requests.c.overdue_at, BigInteger) - type_coerce(requests.c.received_at, BigInteger)


def _used(now: datetime) -> ColumnElement[int]:
    return literal(milliseconds(now), BigInteger) - type_coerce(requests.c.received_at, BigInteger)
