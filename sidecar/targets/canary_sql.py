"""The mark of an epoch in a database: one row of a table of our own, restored together with all the others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

from sqlalchemy import Column, Connection, Engine, Integer, MetaData, String, Table, insert, inspect, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from sidecar.targets.canary import CanaryUnreachable
from sidecar.targets.target import TargetFault

TABLE: Final = "privacy_sidecar_epoch"
_ONLY: Final = 1
T = TypeVar("T")


class SqlCanary:
    """Implements ``Canary``. The engine connects to the primary: a replica that lags would look like a restore.

    The table is made where it is missing, for which the user of the connection needs the right; else make it by hand:
    ``CREATE TABLE privacy_sidecar_epoch (id INTEGER PRIMARY KEY, mark VARCHAR(4096) NOT NULL)``.
    """

    def __init__(self, engine: Engine, table: str = TABLE) -> None:
        self._engine = engine
        self._table = Table(
            table,
            MetaData(),
            Column("id", Integer, primary_key=True, autoincrement=False),
            Column("mark", String(4096), nullable=False),
        )

    async def start(self) -> None:
        """Nothing to open: each call connects."""

    async def stop(self) -> None:
        await asyncio.to_thread(self._engine.dispose)

    async def read(self) -> bytes | None:
        return await self._call(self._read)

    async def write(self, value: bytes) -> None:
        mark = value.decode("ascii")
        try:
            await self._call(lambda connection: self._write(connection, mark))
        except _WrittenMeanwhile:
            await self._call(lambda connection: self._write(connection, mark))

    async def _call(self, call: Callable[[Connection], T]) -> T:
        return await asyncio.to_thread(self._transact, call)

    def _transact(self, call: Callable[[Connection], T]) -> T:
        try:
            with self._engine.begin() as connection:
                return call(connection)
        except IntegrityError:
            raise _WrittenMeanwhile(TargetFault.UNREACHABLE) from None
        except SQLAlchemyError:  # its text may carry the URL and the statement
            raise CanaryUnreachable(TargetFault.UNREACHABLE) from None

    def _read(self, connection: Connection) -> bytes | None:
        if not inspect(connection).has_table(self._table.name):
            return None
        mark = connection.scalar(select(self._table.c.mark).where(self._table.c.id == _ONLY))
        return None if mark is None else mark.encode("ascii", "replace")

    def _write(self, connection: Connection, mark: str) -> None:
        self._table.create(connection, checkfirst=True)
        written = connection.execute(update(self._table).where(self._table.c.id == _ONLY).values(mark=mark))
        if written.rowcount == 0:
            connection.execute(insert(self._table).values(id=_ONLY, mark=mark))


class _WrittenMeanwhile(CanaryUnreachable):
    """Another replica wrote the first row between our look and our write."""
