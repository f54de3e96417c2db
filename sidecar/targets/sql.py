"""A relational database: ordered statements in one transaction, counted afterwards over another connection.

All of it happens or nothing: a foreign key that stands in the way rolls the whole back (E21).
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from sidecar.erasure.request import SubjectIdentity
from sidecar.errors import ConfigError, Problem
from sidecar.targets.call_threads import CallThreads
from sidecar.targets.described import Described
from sidecar.targets.sql_connection import open_target_engine
from sidecar.targets.sql_faults import constraint_of, fault_of
from sidecar.targets.sql_schema import BoundSchema, bind_schema
from sidecar.targets.sql_settings import Mode, SqlSettings
from sidecar.targets.sql_statements import new_pseudonym
from sidecar.targets.target import (
    DeleteResult,
    DeleteStatus,
    TargetFault,
    VerifyResult,
    VerifyStatus,
)
from sidecar.targets.template import Values, ValueUnusable

T = TypeVar("T")

_log = logging.getLogger("sidecar.targets")
_NOT_REACHED: Final = frozenset({
    TargetFault.UNREACHABLE, TargetFault.CLOSED_EARLY, TargetFault.TIMED_OUT, TargetFault.BUSY,
})  # fmt: skip


class _TooMany(Exception):
    """More rows than can be one person's."""


class SqlTarget(Described[SqlSettings]):
    """Implements ``Target``. ``url`` holds the password, if there is one; ``where`` is the place in the configuration.

    ``start`` raises ``ConfigError`` for a database that can't be erased from as configured. One that can't be reached
    then is looked at before the first call, and fails it closed.
    """

    def __init__(self, settings: SqlSettings, url: str, tls: ssl.SSLContext, where: str) -> None:
        super().__init__(settings)
        self._where = where
        self._engine: Engine = open_target_engine(settings, url, tls, where)
        self._threads = CallThreads(settings.name, settings.concurrency)
        self._schema: BoundSchema | None = None

    async def start(self) -> None:
        self._threads.start()
        try:
            await self._threads.run(self._bind)
        except SQLAlchemyError as error:
            fault = fault_of(error)
            if fault not in _NOT_REACHED:
                self._threads.stop()
                raise ConfigError((_unusable(self._where, fault),)) from None
            _log.warning("target %s is %s: its configuration is checked before its first call", self.name, fault.value)
        except BaseException:
            self._threads.stop()
            raise

    async def stop(self) -> None:
        self._threads.stop()
        await asyncio.to_thread(self._engine.dispose)

    async def delete(self, identities: Sequence[SubjectIdentity]) -> DeleteResult:
        values: Values = {identity.type: identity.value for identity in identities}
        return await self._threads.run(lambda: self._delete(values))

    async def verify(self, identities: Sequence[SubjectIdentity]) -> VerifyResult:
        values: Values = {identity.type: identity.value for identity in identities}
        return await self._threads.run(lambda: self._verify(values))

    def _delete(self, values: Values) -> DeleteResult:
        try:
            counts = self._transact(lambda connection, schema: self._change(connection, schema, values))
        except ValueUnusable:
            return _failed(TargetFault.IDENTITY_UNUSABLE)
        except ConfigError:
            return _failed(TargetFault.MISCONFIGURED)
        except _TooMany:
            return _failed(TargetFault.TOO_MANY)
        except SQLAlchemyError as error:
            known = self._schema.constraints if self._schema else frozenset()
            return DeleteResult(DeleteStatus.FAILED, fault=fault_of(error), detail=constraint_of(error, known))
        self._truncate_log()
        total = sum(counts.values())
        parts = {mode.value: count for mode, count in counts.items() if count}
        return DeleteResult(DeleteStatus.DELETED if total else DeleteStatus.NO_DATA, total, parts=parts or None)

    def _verify(self, values: Values) -> VerifyResult:
        try:
            left = self._transact(lambda connection, schema: _count(connection, schema, values))
        except ValueUnusable:
            return VerifyResult(VerifyStatus.IMPOSSIBLE, fault=TargetFault.IDENTITY_UNUSABLE)
        except ConfigError:
            return VerifyResult(VerifyStatus.FAILED, fault=TargetFault.MISCONFIGURED)
        except SQLAlchemyError as error:
            return VerifyResult(VerifyStatus.FAILED, fault=fault_of(error))
        if left:
            return VerifyResult(VerifyStatus.PRESENT, left)
        if any(table.mode is Mode.PSEUDONYMISE for table in self._settings.tables):
            # Whoever keeps rows under another name has not erased them (GDPR recital 26).
            return VerifyResult(VerifyStatus.RETAINED, 0)
        return VerifyResult(VerifyStatus.GONE, 0)

    def _change(self, connection: Connection, schema: BoundSchema, values: Values) -> dict[Mode, int]:
        pseudonym = new_pseudonym()
        counts = dict.fromkeys(Mode, 0)
        for table in schema.tables:
            counts[table.mode] += connection.execute(table.change(values, pseudonym)).rowcount
            if sum(counts.values()) > self._settings.max_rows:
                raise _TooMany
        return counts

    def _transact(self, call: Callable[[Connection, BoundSchema], T]) -> T:
        """Run a call in one transaction over a connection of its own."""
        schema = self._schema or self._bind()
        with self._engine.begin() as connection:
            return call(connection, schema)

    def _truncate_log(self) -> None:
        """Take old pages out of SQLite's write-ahead log. Readers can put that off; then its own checkpoints do it."""
        if self._engine.dialect.name != "sqlite":
            return
        try:
            with self._engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").close()
        except SQLAlchemyError as error:
            _log.warning("target %s: its write-ahead log was left as it is (%s)", self.name, fault_of(error).value)

    def _bind(self) -> BoundSchema:
        with self._engine.connect() as connection:
            self._schema = bind_schema(connection, self._settings, self._where)
        return self._schema


def _count(connection: Connection, schema: BoundSchema, values: Values) -> int:
    return sum(connection.scalar(table.left(values)) or 0 for table in schema.tables)


def _unusable(where: str, fault: TargetFault) -> Problem:
    remedy = "Check its url: user, password and database, and the rights of the user"
    return Problem(where, f"the database can't be used ({fault.value})", remedy)


def _failed(fault: TargetFault) -> DeleteResult:
    return DeleteResult(DeleteStatus.FAILED, fault=fault)
