"""People's keys, wrapped by the key of an epoch that is kept elsewhere. Raises ``StoreUnavailable``.

A destroyed key leaves its row, without the key: it is the fence that keeps a late writer from getting another one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Integer,
    LargeBinary,
    Row,
    String,
    Table,
    exists,
    func,
    insert,
    select,
    update,
)

from sidecar.errors import SidecarError
from sidecar.stores.database import Conflict, Database
from sidecar.stores.erasure_tables import Moment
from sidecar.stores.schema import SUBJECT_KEY_EPOCHS, SUBJECT_KEYS, metadata

keys = Table(
    SUBJECT_KEYS,
    metadata,
    Column("subject", String(64), primary_key=True),  # keyed pseudonym of one identity
    Column("wrapped", LargeBinary),  # null: destroyed
    Column("epoch", Integer, nullable=False),  # whose key wraps it, or did last
    Column("created_at", Moment, nullable=False),
    Column("destroyed_at", Moment),
    Column("authorised_at", Moment),  # somebody allowed another key after the last was destroyed
)

epochs = Table(
    SUBJECT_KEY_EPOCHS,
    metadata,
    Column("epoch", Integer, primary_key=True, autoincrement=False),
    Column("wrapping_key", String(200), nullable=False),  # its name where it is kept
    Column("ordered_at", Moment),  # when its destruction was first ordered
)


class SubjectFenced(SidecarError):
    """The person's key was destroyed, and nobody has allowed another one (E42)."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """A wrapping key and since when it is to be destroyed."""

    number: int
    wrapping_key: str
    ordered_at: datetime | None


@dataclass(frozen=True, slots=True)
class SubjectKey:
    """A person's key as it is kept; ``wrapped`` is None once it is destroyed."""

    subject: str
    epoch: int
    wrapped: bytes | None = field(repr=False)
    authorised: bool


class SubjectKeyTable:
    """Each method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, subject: str) -> SubjectKey | None:
        return await self._database.read(lambda connection: _find(connection, subject))

    async def epochs(self) -> tuple[Epoch, ...]:
        """Return every epoch, oldest first."""
        return await self._database.read(_epochs)

    async def begin_epoch(self, wrapping_key: str, after: int) -> bool:
        """Begin the epoch that follows ``after``; False if another replica did."""
        values = {"epoch": after + 1, "wrapping_key": wrapping_key}
        try:
            await self._database.run(lambda connection: connection.execute(insert(epochs).values(values)))
        except Conflict:
            return False
        return True

    async def add(self, key: SubjectKey, now: datetime) -> bool:
        """Keep a new key; False if there is one by now, or its epoch is over. Raises ``SubjectFenced``."""
        try:
            return await self._database.run(lambda connection: _add(connection, key, now))
        except Conflict:
            return False

    async def destroy(self, subject: str, now: datetime) -> bool:
        """Take the key away and leave the fence; False if there was no key. The wrapping key is not dealt with here."""
        destroyed = await self._database.run(lambda connection: _destroy(connection, subject, now))
        await self._database.scrub()
        return destroyed

    async def authorise(self, subject: str, now: datetime) -> bool:
        """Allow another key for a person whose key was destroyed; False if there is no fence."""
        fenced = (keys.c.subject == subject) & keys.c.wrapped.is_(None)
        statement = update(keys).where(fenced).values(authorised_at=now)
        return await self._database.run(lambda connection: connection.execute(statement).rowcount == 1)

    async def needs_epoch(self) -> bool:
        """Tell whether a key was destroyed that the current wrapping key could open in an old copy of the table."""
        return await self._database.read(_needs_epoch)

    async def living_before(self, epoch: int, limit: int) -> tuple[SubjectKey, ...]:
        """Return keys that are still wrapped by an older epoch's."""
        query = select(keys).where(keys.c.wrapped.is_not(None), keys.c.epoch < epoch).limit(limit)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return tuple(_key_of(row) for row in rows)

    async def rewrap(self, old: SubjectKey, wrapped: bytes, epoch: int) -> bool:
        """Replace how a key is wrapped; False if it was destroyed or rewrapped meanwhile."""
        same = (keys.c.subject == old.subject) & (keys.c.wrapped == old.wrapped)
        statement = update(keys).where(same).values(wrapped=wrapped, epoch=epoch)
        return await self._database.run(lambda connection: connection.execute(statement).rowcount == 1)

    async def note_order(self, epoch: int, now: datetime) -> None:
        """Note that a wrapping key's destruction was ordered, and take older wrappings out of the database's log."""
        first = (epochs.c.epoch == epoch) & epochs.c.ordered_at.is_(None)
        statement = update(epochs).where(first).values(ordered_at=now)
        await self._database.run(lambda connection: connection.execute(statement))
        await self._database.scrub()


def _find(connection: Connection, subject: str) -> SubjectKey | None:
    row = connection.execute(select(keys).where(keys.c.subject == subject)).one_or_none()
    return None if row is None else _key_of(row)


def _key_of(row: Row[Any]) -> SubjectKey:
    return SubjectKey(row.subject, row.epoch, row.wrapped, row.authorised_at is not None)


def _epochs(connection: Connection) -> tuple[Epoch, ...]:
    rows = connection.execute(select(epochs).order_by(epochs.c.epoch))
    return tuple(Epoch(row.epoch, row.wrapping_key, row.ordered_at) for row in rows)


def _current(connection: Connection) -> int:
    return connection.scalar(select(func.max(epochs.c.epoch))) or 0


def _add(connection: Connection, key: SubjectKey, now: datetime) -> bool:
    if _current(connection) != key.epoch:
        return False
    held = connection.execute(select(keys).where(keys.c.subject == key.subject).with_for_update()).one_or_none()
    values = {
        "wrapped": key.wrapped,
        "epoch": key.epoch,
        "created_at": now,
        "destroyed_at": None,
        "authorised_at": None,
    }
    if held is None:
        connection.execute(insert(keys).values(subject=key.subject, **values))
        return True
    if held.wrapped is not None:
        return False
    if held.authorised_at is None:
        raise SubjectFenced("the key of this person was destroyed; another one must be authorised")
    connection.execute(update(keys).where(keys.c.subject == key.subject).values(values))
    return True


def _destroy(connection: Connection, subject: str, now: datetime) -> bool:
    held = connection.execute(select(keys).where(keys.c.subject == subject).with_for_update()).one_or_none()
    if held is None:
        fence = {"subject": subject, "epoch": 0, "created_at": now, "destroyed_at": now}
        connection.execute(insert(keys).values(fence))
        return False
    if held.wrapped is None:
        connection.execute(update(keys).where(keys.c.subject == subject).values(authorised_at=None))
        return False
    gone = {"wrapped": None, "destroyed_at": now, "authorised_at": None}
    connection.execute(update(keys).where(keys.c.subject == subject).values(gone))
    return True


def _needs_epoch(connection: Connection) -> bool:
    destroyed = keys.c.wrapped.is_(None) & (keys.c.epoch == _current(connection)) & (keys.c.epoch > 0)
    return bool(connection.scalar(select(exists().where(destroyed))))
