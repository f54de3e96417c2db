"""Opens the durable store and runs calls on it off the event loop.

SQLite (default) is opened in WAL mode with ``synchronous=FULL``: what is committed has been fsynced, so it outlives
kill -9 and power loss (sqlite.org/pragma.html#pragma_synchronous). PostgreSQL is for several replicas.

Foreign errors are translated here and nowhere else. Their text can carry statement parameters, so only the kind and
the engine's own code of an error ever leave this module.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, func, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from sidecar.errors import StoreUnavailable
from sidecar.stores.database_url import checked_url, create_private_file, refused
from sidecar.stores.migrations import UnknownSchema, bring_up, known_revisions
from sidecar.targets.sql_connection import check_options, leaves_the_machine

T = TypeVar("T")

_READ: Final = "sidecar_read"
_SCRUB_PATIENCE_MS: Final = 100
_CREATE_LOCK: Final = 0x51DECA5  # any constant: serialises replicas that start at the same time
# A machine that is gone without a word: else the system would send again for a quarter of an hour. It bounds the
# start as well, while the tables are brought up, which `postgresql_silence` does not: that takes its time.
_ABSENCE: Final = {"tcp_user_timeout": 20_000, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
_RETRYABLE_STATES: Final = frozenset({"40001", "40P01", "55P03"})  # serialization failure, deadlock, lock timeout


class Conflict(StoreUnavailable):
    """Another writer was first. Nothing was written: start the transaction over."""


@dataclass(frozen=True, slots=True)
class DatabaseSettings:
    """Where state is kept: ``sqlite:///<path>`` or ``postgresql+psycopg://…``. The URL may hold a password."""

    url: str = field(repr=False)
    threads: int = 4
    busy_timeout_s: float = 10.0
    where: str = "state.url"  # how the operator's configuration calls it


class Database:
    """The open store. ``start`` before use; ``stop`` when done. Raises ``StoreUnavailable``."""

    def __init__(self, settings: DatabaseSettings) -> None:
        self._settings = settings
        self._engine: Engine | None = None
        self._threads: ThreadPoolExecutor | None = None

    async def start(self) -> None:
        """Open the database and create what is missing. Raises ``ConfigError`` for what only the operator can mend."""
        threads = ThreadPoolExecutor(self._settings.threads, thread_name_prefix="store")
        try:
            self._engine = await asyncio.get_running_loop().run_in_executor(threads, open_engine, self._settings)
        except BaseException:
            threads.shutdown(wait=False)
            raise
        self._threads = threads

    async def stop(self) -> None:
        """Wait for the calls under way, then close. Safe to call twice."""
        threads, engine = self._threads, self._engine
        self._threads = self._engine = None
        if threads is not None:
            await asyncio.to_thread(threads.shutdown)
        if engine is not None:
            await asyncio.to_thread(engine.dispose)

    async def run(self, call: Callable[[Connection], T]) -> T:
        """Run ``call`` in one write transaction and return what it returned, durable.

        Rolled back if ``call`` raises. ``Conflict``: another writer was first, nothing was written. A cancelled
        caller does not stop the transaction; it commits or rolls back as a whole.
        """
        return await self._submit(_write, call)

    async def read(self, call: Callable[[Connection], T]) -> T:
        """Run ``call`` in one read transaction. It never waits for a writer.

        In SQLite it sees one state; in PostgreSQL each of its statements sees what was committed before it.
        """
        return await self._submit(_read, call)

    async def now(self) -> datetime | None:
        """Return the database server's time; None for SQLite, which has no clock but the host's."""
        if self._engine is None or self._engine.dialect.name == "sqlite":
            return None
        return await self.read(lambda connection: connection.scalar(select(func.clock_timestamp())))

    async def scrub(self) -> bool:
        """Take what was deleted out of SQLite's write-ahead log too, where older pages would stay for a while.

        False: readers or writers under way have put it off, and it must be called again. In the database file itself
        ``secure_delete`` overwrites. PostgreSQL has its own ways, which are its operator's.
        """
        if self._engine is None or self._threads is None:
            raise StoreUnavailable("the store is not open")
        return await asyncio.get_running_loop().run_in_executor(self._threads, _truncate_log, self._engine)

    async def _submit(
        self, transact: Callable[[Engine, Callable[[Connection], T]], T], call: Callable[[Connection], T]
    ) -> T:
        if self._engine is None or self._threads is None:
            raise StoreUnavailable("the store is not open")
        return await asyncio.get_running_loop().run_in_executor(self._threads, transact, self._engine, call)


def check_database(settings: DatabaseSettings) -> None:
    """Raise ``ConfigError`` for what can be seen wrong without opening it."""
    url = checked_url(settings.url, settings.where)
    if url.get_backend_name() != "sqlite":
        _postgresql_engine(url, settings).dispose()  # connects to nothing yet


def open_engine(settings: DatabaseSettings) -> Engine:
    """Return an engine on a database that is reachable and holds the schema. Blocks."""
    url = checked_url(settings.url, settings.where)
    sqlite = url.get_backend_name() == "sqlite"
    if sqlite:
        create_private_file(Path(url.database or ""), settings.where)
    engine = _sqlite_engine(url, settings) if sqlite else _postgresql_engine(url, settings)
    if not sqlite:
        from sidecar.stores.postgresql_silence import bound_silence

        bound_silence(engine, 3.5 * settings.busy_timeout_s)  # longer than the server lets a statement be
    try:
        _write(engine, lambda connection: _bring_up(connection, settings.where))
    except StoreUnavailable as error:
        engine.dispose()
        raise StoreUnavailable(f"{settings.where}: the database can't be reached or used ({error})") from None
    except BaseException:
        engine.dispose()
        raise
    return engine


def _write(engine: Engine, call: Callable[[Connection], T]) -> T:
    try:
        with engine.begin() as connection:
            return call(connection)
    except SQLAlchemyError as error:
        raise translated(error) from None


def _read(engine: Engine, call: Callable[[Connection], T]) -> T:
    try:
        with engine.connect().execution_options(**{_READ: True}) as connection:
            return call(connection)
    except SQLAlchemyError as error:
        raise translated(error) from None


def _truncate_log(engine: Engine) -> bool:
    if engine.dialect.name != "sqlite":
        return True
    try:
        connection = engine.raw_connection()  # outside any transaction, where alone a checkpoint may run
        try:
            cursor = connection.cursor()
            # It holds the write lock while it waits for readers: a backup that reads for minutes must not stop traffic.
            (patience_ms,) = cursor.execute("PRAGMA busy_timeout").fetchone()
            cursor.execute(f"PRAGMA busy_timeout={_SCRUB_PATIENCE_MS}").close()
            try:
                put_off, *_ = connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            finally:
                connection.cursor().execute(f"PRAGMA busy_timeout={patience_ms}").close()
        finally:
            connection.close()
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise StoreUnavailable(type(error).__name__) from None
    return not put_off


def translated(error: SQLAlchemyError) -> StoreUnavailable:
    """Return our error for theirs: its kind and code, never its text or parameters."""
    kind = type(error).__name__
    if not isinstance(error, DBAPIError):
        return StoreUnavailable(kind)
    code = getattr(error.orig, "sqlite_errorname", None) or getattr(error.orig, "sqlstate", None) or ""
    if isinstance(error, IntegrityError) or code in _RETRYABLE_STATES:
        return Conflict(f"{kind} {code}".strip())
    return StoreUnavailable(f"{kind} {code}".strip())


def _sqlite_engine(url: URL, settings: DatabaseSettings) -> Engine:
    engine = create_engine(
        url,
        hide_parameters=True,
        pool_size=settings.threads,
        max_overflow=0,
        connect_args={"timeout": settings.busy_timeout_s},
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # transactions are begun by us, below, and by nobody else
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "secure_delete=ON",
            "trusted_schema=OFF",
        ):
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # IMMEDIATE takes the write lock at once: a transaction that reads first would otherwise fail half-way, without
        # waiting, when another process writes in between (sqlite.org/lang_transaction.html).
        reading = connection.get_execution_options().get(_READ)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine


def _postgresql_engine(url: URL, settings: DatabaseSettings) -> Engine:
    check_options(url, settings.where)
    wait_ms = int(settings.busy_timeout_s * 1000)
    options = f"-c lock_timeout={wait_ms} -c statement_timeout={3 * wait_ms} -c synchronous_commit=on"
    patience = {"connect_timeout": max(2, int(settings.busy_timeout_s)), "options": options, **_ABSENCE}
    verified: dict[str, str] = {}
    if leaves_the_machine(url):  # whoever stands between could read the password, and have requests forgotten
        verified = {"sslmode": "verify-full", "sslrootcert": str(url.query.get("sslrootcert", "system"))}
    try:
        return create_engine(
            url,
            hide_parameters=True,
            pool_size=settings.threads,
            max_overflow=0,
            pool_pre_ping=True,
            connect_args={**patience, **verified},
        )
    except ModuleNotFoundError:
        raise refused(
            settings.where, "the PostgreSQL driver is not installed", "Install privacy-sidecar[postgresql]"
        ) from None


def _bring_up(connection: Connection, where: str) -> None:
    """Bring the tables up to this program, or refuse those of a later one. One process at a time, replicas included."""
    with ExitStack() as stack:
        if connection.dialect.name == "postgresql":
            from sidecar.stores.postgresql_silence import any_silence

            stack.enter_context(any_silence(connection))  # an index over millions of rows takes its time
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _CREATE_LOCK})
        _bring_up_tables(connection, where)


def _bring_up_tables(connection: Connection, where: str) -> None:
    try:
        bring_up(connection)
    except UnknownSchema as unknown:
        raise refused(
            where,
            f"the database holds schema {unknown.held}, this program knows those up to {known_revisions()[-1]}",
            "Run the version of the sidecar that changed it, or a later one",
        ) from None
