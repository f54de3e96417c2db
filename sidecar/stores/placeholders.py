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
from typing import Final

from sidecar.errors import StoreUnavailable
from sidecar.redaction.book import Book, Entries
from sidecar.redaction.scope import Ask
from sidecar.stores import placeholder_rows as rows
from sidecar.stores.database import Conflict, Database

_ATTEMPTS: Final = 5


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
        numbers = self._books.known(scope, asks, reserved)
        if numbers is None:
            numbers = await self._stored(scope, asks, reserved)
        for _ in range(_ATTEMPTS):
            if numbers is not None:
                return numbers
            numbers = await self._entered(scope, asks, reserved)
        raise StoreUnavailable("placeholder numbers could not be agreed on")

    async def _stored(self, scope: bytes, asks: Sequence[Ask], reserved: rows.Reserved) -> list[int] | None:
        """Return the numbers if the database has them all, without its write lock; None if anything is new."""
        forgettings = self._forgettings
        held = await self._database.read(lambda connection: rows.relevant(connection, scope, asks, reserved))
        return self._learn(scope, (held,), asks, reserved, forgettings)

    async def _entered(self, scope: bytes, asks: Sequence[Ask], reserved: rows.Reserved) -> list[int] | None:
        """Write what is new and return the numbers; None if another writer was first."""
        forgettings = self._forgettings
        try:
            entries = await self._database.run(lambda connection: rows.enter(connection, scope, asks, reserved))
        except Conflict:
            return None
        return self._learn(scope, entries, asks, reserved, forgettings)

    def _learn(
        self,
        scope: bytes,
        entries: tuple[Entries, ...],
        asks: Sequence[Ask],
        reserved: rows.Reserved,
        forgettings: int,
    ) -> list[int] | None:
        book = Book()
        for some in entries:
            book.load(some)
        if forgettings == self._forgettings:  # else they may hold what was deleted meanwhile
            self._books.add(scope, entries)
        return book.known(asks, reserved)

    @property
    def forgettings(self) -> int:
        """How often anything was forgotten. Numbers that were given out before must then be asked for anew."""
        return self._forgettings

    async def forget(self, keys: Sequence[bytes]) -> int:
        """Delete all rows of the entities that any of the keys stands for, in every scope; return how many (E48).

        Keys are those of whole values (``linking.ask_for``). Other replicas may keep hashes in memory until they fall
        out of their mirrors or restart; a mirror holds no value and no number that was not given out. Copies in
        SQLite's write-ahead log go too, unless that is put off: only ``scrub`` says so.
        """
        try:
            removed = await self._database.run(lambda connection: rows.forget(connection, keys))
        finally:
            self._drop_mirror()  # also where it failed: it may have been done all the same
        if removed:
            await self._database.scrub()
        return removed

    async def scrub(self) -> bool:
        """Take what was forgotten out of SQLite's log; False: it was put off. As ``Database.scrub``."""
        return await self._database.scrub()

    async def count(self, keys: Sequence[bytes]) -> int:
        """Return how many rows any of the keys has, in every scope, read from the database and not from memory."""
        return await self._database.read(lambda connection: rows.count(connection, keys))

    async def forget_scope(self, scope: bytes) -> int:
        """Delete every row of one conversation, numbers too; return how many. Its copies go as those of ``forget``."""
        try:
            removed = await self._database.run(lambda connection: rows.forget_scope(connection, scope))
        finally:
            self._drop_mirror()
        if removed:
            await self._database.scrub()
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

    async def scrub(self) -> bool:
        """As ``StoredPlaceholders.scrub``: there is nothing to do."""
        return True

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

    def known(self, scope: bytes, asks: Sequence[Ask], reserved: rows.Reserved) -> list[int] | None:
        book = self._books.get(scope)
        if book is None:
            return None
        self._books.move_to_end(scope)
        return book.known(asks, reserved)

    def add(self, scope: bytes, entries: tuple[Entries, ...]) -> None:
        """Take over rows of the database. Rows are never wrong, so the order of arrival does not matter."""
        book = self._books.pop(scope, None) or Book()
        self._rows -= book.rows
        for some in entries:
            book.load(some)
        self._books[scope] = book
        self._rows += book.rows
        while self._books and (len(self._books) > self._limits.scopes or self._rows > self._limits.rows):
            _, oldest = self._books.popitem(last=False)
            self._rows -= oldest.rows

    def clear(self) -> None:
        self._books.clear()
        self._rows = 0
