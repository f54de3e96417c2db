"""Which open requests have used up how much of their time: each share is said once, where it is noted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, select, update

from sidecar.erasure.readiness import next_alert, used_share, watched
from sidecar.stores.database import Database
from sidecar.stores.erasure_notices import NoticeEvent, Teller
from sidecar.stores.erasure_tables import requests
from sidecar.stores.erasure_turns import standings

_AT_ONCE: Final = 500


class ErasureAlerts:
    """Finds and notes them. Raises ``StoreUnavailable``."""

    def __init__(self, database: Database, teller: Teller) -> None:
        self._database = database
        self._teller = teller

    async def raise_due(self, now: datetime) -> Mapping[int, int]:
        """Note the share that requests have come to since last time; return how many came to each.

        As many as fit into one transaction: the others at the next call.
        """
        if not await self._database.read(lambda connection: _due(connection, now, 1)):
            return {}
        return await self._database.run(lambda connection: self._raise(connection, now))

    def _raise(self, connection: Connection, now: datetime) -> Mapping[int, int]:
        raised: Counter[int] = Counter()
        for one in standings(connection, _due(connection, now, _AT_ONCE)):
            request = one.request
            at_work = watched(request, [task.outcome for task in one.tasks]).alert_at is not None
            percent = max(used_share(request, now), request.alerted_percent)  # of several, the highest is told
            following = next_alert(request, percent) if at_work else None
            told = percent if at_work else request.alerted_percent
            values = {"alerted_percent": told, "alert_at": following}
            connection.execute(update(requests).where(requests.c.id == request.id).values(values))
            if told > request.alerted_percent:
                self._teller.tell(connection, request.id, NoticeEvent.DEADLINE, now, {"percent": percent})
                raised[percent] += 1
        return raised


def _due(connection: Connection, now: datetime, limit: int) -> list[str]:
    query = select(requests.c.id).where(requests.c.alert_at <= now).order_by(requests.c.alert_at).limit(limit)
    return list(connection.scalars(query.with_for_update(skip_locked=True, key_share=True)))
