"""Whose links in the audit log are due to be forgotten: people past the horizon, whose identities are destroyed (E48).

Each replica has a log of its own, so each notes for itself what it has forgotten. Raises ``StoreUnavailable``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Column, Connection, ForeignKey, String, Table, exists, insert, select

from sidecar.stores.database import Database
from sidecar.stores.erasure_tables import Moment, requests
from sidecar.stores.schema import ERASURE_LINKS_FORGOTTEN, metadata

_AT_ONCE = 10_000

forgotten = Table(
    ERASURE_LINKS_FORGOTTEN,
    metadata,
    Column("request_id", String(36), ForeignKey(requests.c.id), primary_key=True),
    Column("log", String(128), primary_key=True),  # its origin
    Column("at", Moment, nullable=False),
)


@dataclass(frozen=True, slots=True)
class PastHorizon:
    """A request whose identities are destroyed, with the pseudonym by which records of its erasure name the person."""

    request_id: str
    subject: str = field(repr=False)


class ErasureLinks:
    """What one log, by its origin, has still to forget."""

    def __init__(self, database: Database, origin: str) -> None:
        self._database = database
        self._origin = origin

    async def due(self) -> Sequence[PastHorizon]:
        """Return whose links are to be forgotten. A person with another request that can still be opened is not yet."""
        return await self._database.read(self._due)

    async def note(self, done: Sequence[PastHorizon], now: datetime) -> None:
        """Note that they are. A crash before that has them forgotten once more, which finds nothing."""
        rows = [{"request_id": one.request_id, "log": self._origin, "at": now} for one in done]
        if rows:
            await self._database.run(lambda connection: connection.execute(insert(forgotten), rows))

    def _due(self, connection: Connection) -> Sequence[PastHorizon]:
        others = requests.alias("others")
        needed = exists().where(others.c.subject == requests.c.subject, others.c.sealed.is_not(None))
        done = exists().where(forgotten.c.request_id == requests.c.id, forgotten.c.log == self._origin)
        query = (
            select(requests.c.id, requests.c.subject)
            .where(requests.c.sealed.is_(None), requests.c.ended_at.is_not(None), ~done, ~needed)
            .limit(_AT_ONCE)
        )
        return [PastHorizon(row.id, row.subject) for row in connection.execute(query)]
