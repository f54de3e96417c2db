"""Durable numbering of values (D19): keyed hashes and numbers, never values.

Rows are only ever added, and a key's number never changes. Hence what memory holds of a scope may be incomplete but is
never wrong, and a conversation that was read before costs neither a write nor a read. Only ``forget`` takes rows away;
the numbers themselves stay taken, so that no other person is ever given one that stands in somebody's export.

Whatever is new is decided inside one write transaction that holds the scope alone: SQLite's ``BEGIN IMMEDIATE``, or an
advisory lock in PostgreSQL. Uniqueness in the schema is the second line: where it is hit, the transaction starts
over.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Column, Connection, Integer, LargeBinary, String, Table, delete, func, insert, select, tuple_

from sidecar.errors import StoreUnavailable
from sidecar.redaction.book import Book, Entries
from sidecar.redaction.scope import Ask
from sidecar.stores.database import Conflict, Database
from sidecar.stores.schema import PLACEHOLDER_ALIASES, PLACEHOLDER_KEYS, PLACEHOLDER_NUMBERS, metadata

_numbers = Table(
    PLACEHOLDER_NUMBERS,
    metadata,
    Column("scope", LargeBinary(32), primary_key=True),
    Column("label", String(32), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
)
_keys = Table(
    PLACEHOLDER_KEYS,
    metadata,
    Column("scope", LargeBinary(32), primary_key=True),
    Column("label", String(32), primary_key=True),
    Column("key", LargeBinary(32), primary_key=True, index=True),
    Column("number", Integer, nullable=False),
)
_aliases = Table(
    PLACEHOLDER_ALIASES,
    metadata,
    Column("scope", LargeBinary(32), primary_key=True),
    Column("label", String(32), primary_key=True),
    Column("key", LargeBinary(32), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
)
_TABLES: Final = (_numbers, _keys, _aliases)
_ATTEMPTS: Final = 5
_CHUNK: Final = 500  # bound parameters of one statement


@dataclass(frozen=True, slots=True)
class MemoryLimits:
    """How much of the store is mirrored. A row takes about 520 bytes: 100,000 rows are 52 MB."""

    scopes: int = 5_000
    rows: int = 100_000


class StoredPlaceholders:
    """The durable store. Safe for any number of tasks, processes and replicas on one database."""

    def __init__(self, database: Database, limits: MemoryLimits | None = None) -> None:
        self._database = database
        self._books = _Mirror(limits or MemoryLimits())
        self._forgettings = 0

    async def assign(self, scope: bytes, asks: Sequence[Ask], reserved: Sequence[tuple[str, int]]) -> list[int]:
        """See ``PlaceholderStore``."""
        book = self._books.get(scope)
        known = book.known(asks, reserved) if book else None
        if known is not None:
            return known
        forgettings = self._forgettings
        for _ in range(_ATTEMPTS):
            try:
                book = await self._database.run(lambda connection: _entered(connection, scope, asks, reserved))
            except Conflict:
                continue
            if forgettings == self._forgettings:  # else it may hold what was deleted meanwhile
                self._books.put(scope, book)
            numbers = book.known(asks, reserved)
            if numbers is not None:
                return numbers
        raise StoreUnavailable("placeholder numbers could not be agreed on")

    async def forget(self, keys: Sequence[bytes]) -> int:
        """Delete all rows of the entities that any of the keys stands for, in every scope; return how many (E48).

        Keys are those of whole values (``linking.ask_for``). Other replicas may keep hashes in memory until they fall
        out of their mirrors or restart; a mirror holds no value and no number that was not given out.
        """
        removed = await self._database.run(lambda connection: _forgotten(connection, keys))
        self._drop_mirror()
        return removed

    async def count(self, keys: Sequence[bytes]) -> int:
        """Return how many rows any of the keys has, in every scope, read from the database and not from memory."""
        return await self._database.read(lambda connection: _counted(connection, keys))

    async def forget_scope(self, scope: bytes) -> int:
        """Delete every row of one conversation, numbers too; return how many."""
        removed = await self._database.run(
            lambda connection: sum(connection.execute(delete(t).where(t.c.scope == scope)).rowcount for t in _TABLES)
        )
        self._drop_mirror()
        return removed

    def _drop_mirror(self) -> None:
        self._forgettings += 1
        self._books.clear()


class MemoryPlaceholders:
    """The same numbering without durability, for one run of a command."""

    def __init__(self) -> None:
        self._books: dict[bytes, Book] = {}

    async def assign(self, scope: bytes, asks: Sequence[Ask], reserved: Sequence[tuple[str, int]]) -> list[int]:
        """See ``PlaceholderStore``."""
        book = self._books.setdefault(scope, Book())
        book.enter(asks, reserved)
        numbers = book.known(asks, reserved)
        if numbers is None:
            raise StoreUnavailable("placeholder numbers could not be agreed on")
        return numbers

    async def forget(self, keys: Sequence[bytes]) -> int:
        """As ``StoredPlaceholders.forget``."""
        return sum(book.forget(keys) for book in self._books.values())

    async def count(self, keys: Sequence[bytes]) -> int:
        """As ``StoredPlaceholders.count``."""
        return sum(book.count(keys) for book in self._books.values())

    async def forget_scope(self, scope: bytes) -> int:
        """As ``StoredPlaceholders.forget_scope``."""
        book = self._books.pop(scope, None)
        return book.rows if book else 0


class _Mirror:
    """Books of the scopes used last, bounded by scopes and by rows."""

    def __init__(self, limits: MemoryLimits) -> None:
        self._limits = limits
        self._books: OrderedDict[bytes, Book] = OrderedDict()
        self._rows = 0

    def get(self, scope: bytes) -> Book | None:
        book = self._books.get(scope)
        if book is not None:
            self._books.move_to_end(scope)
        return book

    def put(self, scope: bytes, book: Book) -> None:
        held = self._books.pop(scope, None)
        if held is not None:
            self._rows -= held.rows
            book = max(held, book, key=lambda one: one.rows)  # a slower task must not undo a faster one's news
        self._books[scope] = book
        self._rows += book.rows
        while self._books and (len(self._books) > self._limits.scopes or self._rows > self._limits.rows):
            _, oldest = self._books.popitem(last=False)
            self._rows -= oldest.rows

    def clear(self) -> None:
        self._books.clear()
        self._rows = 0


def _entered(connection: Connection, scope: bytes, asks: Sequence[Ask], reserved: Sequence[tuple[str, int]]) -> Book:
    """Read the scope, enter what is new, and write it. Runs alone on its scope."""
    if connection.dialect.name == "postgresql":
        lock = int.from_bytes(scope[:8], "big", signed=True)
        connection.execute(select(func.pg_advisory_xact_lock(lock)))
    book = Book()
    book.load(Entries(*(_rows(connection, table, scope) for table in _TABLES)))
    new = book.enter(asks, reserved)
    for table, rows in ((_numbers, new.numbers), (_keys, new.keys), (_aliases, new.aliases)):
        names = [column.name for column in table.columns if column.name != "scope"]
        values = [{"scope": scope, **dict(zip(names, row, strict=True))} for row in rows]
        if values:
            connection.execute(insert(table), values)
    return book


def _rows(connection: Connection, table: Table, scope: bytes) -> tuple[Any, ...]:
    columns = [column for column in table.columns if column.name != "scope"]
    return tuple(tuple(row) for row in connection.execute(select(*columns).where(table.c.scope == scope)))


def _counted(connection: Connection, keys: Sequence[bytes]) -> int:
    rows = select(func.count()).select_from(_keys)
    return sum(
        connection.scalar(rows.where(_keys.c.key.in_(keys[start : start + _CHUNK]))) or 0
        for start in range(0, len(keys), _CHUNK)
    )


def _forgotten(connection: Connection, keys: Sequence[bytes]) -> int:
    removed = 0
    for start in range(0, len(keys), _CHUNK):
        chunk = keys[start : start + _CHUNK]
        whose = select(_keys.c.scope, _keys.c.label, _keys.c.number).where(_keys.c.key.in_(chunk))
        entities = [tuple(row) for row in connection.execute(whose.distinct())]
        for place in range(0, len(entities), _CHUNK // 3):
            some = entities[place : place + _CHUNK // 3]
            for table in (_aliases, _keys):
                match = tuple_(table.c.scope, table.c.label, table.c.number).in_(some)
                removed += connection.execute(delete(table).where(match)).rowcount
    return removed
