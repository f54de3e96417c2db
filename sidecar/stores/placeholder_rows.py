"""The tables of placeholders, and the statements on them. Runs inside a transaction that the caller holds.

Only the rows that decide an answer are read, so that a conversation of any length costs what is new in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeVar

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    delete,
    func,
    insert,
    select,
    tuple_,
)  # fmt: skip

from sidecar.redaction.book import Book, Entries, Named, Use
from sidecar.redaction.scope import Ask
from sidecar.stores.schema import PLACEHOLDER_ALIASES, PLACEHOLDER_KEYS, PLACEHOLDER_NUMBERS, metadata

_numbers = Table(
    PLACEHOLDER_NUMBERS,
    metadata,
    Column("scope", LargeBinary(32), primary_key=True),
    Column("label", String(32), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("use", String(8), nullable=False),
    Index(None, "scope", "label", "use", "number"),
)
_keys = Table(
    PLACEHOLDER_KEYS,
    metadata,
    Column("scope", LargeBinary(32), primary_key=True),
    Column("key", LargeBinary(32), primary_key=True, index=True),
    Column("label", String(32), primary_key=True),
    Column("number", Integer, nullable=False),
    Index(None, "scope", "label", "number"),
)
_aliases = Table(
    PLACEHOLDER_ALIASES,
    metadata,
    Column("scope", LargeBinary(32), primary_key=True),
    Column("key", LargeBinary(32), primary_key=True),
    Column("label", String(32), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Index(None, "scope", "label", "number"),
)
_TABLES: Final = (_numbers, _keys, _aliases)
_CHUNK: Final = 500
"""Values in one statement: SQLite and PostgreSQL both bound them."""

T = TypeVar("T")
Reserved = Sequence[tuple[str, int]]


def relevant(connection: Connection, scope: bytes, asks: Sequence[Ask], reserved: Reserved) -> Entries:
    """Return the rows that ``Book.enter`` needs for these arguments."""
    hashes = list(dict.fromkeys(one for ask in asks for one in (ask.key, *ask.aliases)))
    keys = _named(connection, _keys, scope, hashes)
    aliases = _named(connection, _aliases, scope, hashes)
    entities = list(dict.fromkeys((label, number) for label, _, number in (*keys, *aliases)))
    for chunk in _chunks(entities):
        whose = tuple_(_keys.c.label, _keys.c.number).in_(chunk)
        keys += _rows_of(connection, _keys, (_keys.c.scope == scope) & whose)
    labels = sorted({ask.label for ask in asks} | {label for label, _ in reserved})
    numbers = tuple(entry for label in labels for entry in _taken(connection, scope, label))
    return Entries(numbers, tuple(dict.fromkeys(keys)), tuple(aliases))


def enter(connection: Connection, scope: bytes, asks: Sequence[Ask], reserved: Reserved) -> tuple[Entries, ...]:
    """Give every ask a number and write what is new. Return the rows read and the rows written.

    Nobody else writes to the scope meanwhile: SQLite's write transaction is alone, PostgreSQL's takes a lock here.
    """
    if connection.dialect.name == "postgresql":
        lock = int.from_bytes(scope[:8], "big", signed=True)
        connection.execute(select(func.pg_advisory_xact_lock(lock)))
    held = relevant(connection, scope, asks, reserved)
    book = Book()
    book.load(held)
    new = book.enter(asks, reserved)
    numbers = [{"label": label, "number": number, "use": use.value} for label, number, use in new.numbers]
    _insert(connection, _numbers, scope, numbers)
    for table, named in ((_keys, new.keys), (_aliases, new.aliases)):
        _insert(connection, table, scope, [{"label": label, "key": key, "number": n} for label, key, n in named])
    return held, new


def count(connection: Connection, keys: Sequence[bytes]) -> int:
    """Return how many rows any of the keys has, in every scope."""
    rows = select(func.count()).select_from(_keys)
    return sum(connection.scalar(rows.where(_keys.c.key.in_(chunk))) or 0 for chunk in _chunks(keys))


def forget(connection: Connection, keys: Sequence[bytes]) -> int:
    """Delete all rows of the entities that any of the keys stands for, but for their numbers; return how many."""
    removed = 0
    for chunk in _chunks(keys):
        whose = select(_keys.c.scope, _keys.c.label, _keys.c.number).where(_keys.c.key.in_(chunk))
        entities = [tuple(row) for row in connection.execute(whose.distinct())]
        for some in _chunks(entities):
            for table in (_aliases, _keys):
                match = tuple_(table.c.scope, table.c.label, table.c.number).in_(some)
                removed += connection.execute(delete(table).where(match)).rowcount
    return removed


def forget_scope(connection: Connection, scope: bytes) -> int:
    """Delete every row of a scope; return how many."""
    return sum(connection.execute(delete(table).where(table.c.scope == scope)).rowcount for table in _TABLES)


def _insert(connection: Connection, table: Table, scope: bytes, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        connection.execute(insert(table), [{"scope": scope, **row} for row in rows])


def _chunks(values: Sequence[T]) -> Iterator[Sequence[T]]:
    return (values[start : start + _CHUNK] for start in range(0, len(values), _CHUNK))


def _named(connection: Connection, table: Table, scope: bytes, hashes: Sequence[bytes]) -> list[Named]:
    chunks = ((table.c.scope == scope) & table.c.key.in_(chunk) for chunk in _chunks(hashes))
    return [row for where in chunks for row in _rows_of(connection, table, where)]


def _rows_of(connection: Connection, table: Table, where: ColumnElement[bool]) -> Iterator[Named]:
    for label, key, number in connection.execute(select(table.c.label, table.c.key, table.c.number).where(where)):
        yield label, bytes(key), number


def _taken(connection: Connection, scope: bytes, label: str) -> Iterator[tuple[str, int, Use]]:
    mine = (_numbers.c.scope == scope) & (_numbers.c.label == label)
    issued = mine & (_numbers.c.use == Use.ISSUED.value)
    largest = connection.scalar(select(func.max(_numbers.c.number)).where(issued)) or 0
    if largest:
        yield label, largest, Use.ISSUED
    beyond = mine & (_numbers.c.use == Use.RESERVED.value) & (_numbers.c.number > largest)
    for (number,) in connection.execute(select(_numbers.c.number).where(beyond)):
        yield label, number, Use.RESERVED
