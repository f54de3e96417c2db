"""People's keys, wrapped by the key of an epoch that is kept elsewhere. Raises ``StoreUnavailable``.

A destroyed key leaves its row, without the key: it is the fence that keeps a late writer from getting another one.

A row is named by a keyed pseudonym of the person and keeps that name when the master key is rotated, so a person is
looked for by all names that they can have here. Whose name can't be worked out, because a replica lacks the master key
of some row, may have a key or a fence all the same: such a replica gives nobody a new key and destroys none.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any, Final

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
    or_,
    select,
    text,
    update,
)

from sidecar.errors import SidecarError, StoreUnavailable
from sidecar.keys import version_of
from sidecar.stores.database import Conflict, Database
from sidecar.stores.erasure_tables import Moment
from sidecar.stores.schema import SUBJECT_KEY_EPOCHS, SUBJECT_KEYS, metadata

_LOCK: Final = 0x51DECA6  # any constant: makes replicas decide one by one who has a key and who is fenced
_log = logging.getLogger("sidecar.subject_keys")

keys = Table(
    SUBJECT_KEYS,
    metadata,
    Column("subject", String(64), primary_key=True),  # keyed pseudonym of one identity
    Column("wrapped", LargeBinary),  # null: destroyed
    Column("epoch", Integer, nullable=False),  # whose key wraps it, or did last
    Column("created_at", Moment, nullable=False),
    Column("destroyed_at", Moment),
    Column("authorised_at", Moment),  # somebody allowed another key after the last was destroyed
    # Of the master key that named the row. The default is that of configurations, for programs that don't write it.
    Column("key_version", Integer, nullable=False, server_default="1", index=True),
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
class Subject:
    """What a person is called: by the current master key, and by those before it, the newest first."""

    current: str
    former: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return (self.current, *self.former)


@dataclass(frozen=True, slots=True)
class Epoch:
    """A wrapping key and since when it is to be destroyed."""

    number: int
    wrapping_key: str
    ordered_at: datetime | None


@dataclass(frozen=True, slots=True)
class SubjectKey:
    """A person's key as it is kept, under one name; ``wrapped`` is None once it is destroyed."""

    subject: str
    epoch: int
    wrapped: bytes | None = field(repr=False)
    authorised: bool

    @property
    def fenced(self) -> bool:
        """Whether it is destroyed, and nobody has allowed another one."""
        return self.wrapped is None and not self.authorised


class SubjectKeyTable:
    """Each method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, subject: Subject) -> Sequence[SubjectKey]:
        """Return what there is of a person, by the newest of their names first.

        That is one row at most, but where keys were given out after a rotation by a program that knew of none.
        """
        return await self._database.read(lambda connection: _find(connection, subject))

    async def versions(self) -> Sequence[int]:
        """Return the versions of all master keys that named rows."""
        query = select(keys.c.key_version).distinct().order_by(keys.c.key_version)
        return await self._database.read(lambda connection: connection.scalars(query).all())

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

    async def add(self, subject: Subject, key: SubjectKey, now: datetime) -> bool:
        """Keep a new key; False if there is one by now, or its epoch is over. Raises ``SubjectFenced``.

        ``key.subject``: the name that the person has here already, or the current one.
        """
        try:
            return await self._database.run(lambda connection: _add(connection, subject, key, now))
        except Conflict:
            return False

    async def destroy(self, subject: Subject, now: datetime) -> bool:
        """Take the key away and leave the fence; False if there was no key. The wrapping key is not dealt with here."""
        destroyed = await self._database.run(lambda connection: _destroy(connection, subject, now))
        await self._database.scrub()
        return destroyed

    async def authorise(self, subject: Subject, now: datetime) -> bool:
        """Allow another key for a person whose key was destroyed; False if there is no fence."""
        return await self._database.run(lambda connection: _authorise(connection, subject, now))

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


def _find(connection: Connection, subject: Subject) -> Sequence[SubjectKey]:
    """Return a person's rows; where there are none, make sure of it."""
    held = _rows(connection, subject)
    if not held:
        _refuse_unnamed(connection, subject)
    return held


def _rows(connection: Connection, subject: Subject) -> Sequence[SubjectKey]:
    rows = connection.execute(select(keys).where(keys.c.subject.in_(subject.names)))
    held = {row.subject: _key_of(row) for row in rows}
    return [held[name] for name in subject.names if name in held]


def _refuse_unnamed(connection: Connection, subject: Subject) -> None:
    """Raise if there are rows that the person may have under a name that is not known here.

    In ranges: so an index finds that there is none among millions of rows.
    """
    version, known = keys.c.key_version, sorted(map(version_of, subject.names))
    between = [(version > low) & (version < high) for low, high in pairwise(known)]
    unnamed = or_(version < known[0], version > known[-1], *between)
    found = connection.scalar(select(version).where(unnamed).limit(1))
    if found is not None:
        _log.error("a key of a person is not looked for: version %d of the master key is not configured here", found)
        raise StoreUnavailable(f"people's keys are kept by version {found} of the master key, which is not configured")


def _decide_alone(connection: Connection) -> None:
    """Keep other replicas from deciding meanwhile. SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def _key_of(row: Row[Any]) -> SubjectKey:
    return SubjectKey(row.subject, row.epoch, row.wrapped, row.authorised_at is not None)


def _epochs(connection: Connection) -> tuple[Epoch, ...]:
    rows = connection.execute(select(epochs).order_by(epochs.c.epoch))
    return tuple(Epoch(row.epoch, row.wrapping_key, row.ordered_at) for row in rows)


def _current(connection: Connection) -> int:
    return connection.scalar(select(func.max(epochs.c.epoch))) or 0


def _add(connection: Connection, subject: Subject, key: SubjectKey, now: datetime) -> bool:
    _decide_alone(connection)
    if _current(connection) != key.epoch:
        return False
    _refuse_unnamed(connection, subject)
    held = _rows(connection, subject)
    if any(one.fenced for one in held):
        raise SubjectFenced("the key of this person was destroyed; another one must be authorised")
    if any(one.wrapped is not None for one in held):
        return False
    values = {
        "wrapped": key.wrapped,
        "epoch": key.epoch,
        "created_at": now,
        "destroyed_at": None,
        "authorised_at": None,
    }
    if not held:
        connection.execute(insert(keys).values(_named(key.subject) | values))
        return True
    return connection.execute(update(keys).where(keys.c.subject == key.subject).values(values)).rowcount == 1


def _destroy(connection: Connection, subject: Subject, now: datetime) -> bool:
    _decide_alone(connection)
    _refuse_unnamed(connection, subject)
    if not _rows(connection, subject):
        fence = {"epoch": 0, "created_at": now, "destroyed_at": now}
        connection.execute(insert(keys).values(_named(subject.current) | fence))
        return False
    mine = keys.c.subject.in_(subject.names)
    connection.execute(update(keys).where(mine).values(authorised_at=None))
    living = mine & keys.c.wrapped.is_not(None)
    gone = {"wrapped": None, "destroyed_at": now}
    return connection.execute(update(keys).where(living).values(gone)).rowcount > 0


def _authorise(connection: Connection, subject: Subject, now: datetime) -> bool:
    _refuse_unnamed(connection, subject)
    fenced = keys.c.subject.in_(subject.names) & keys.c.wrapped.is_(None)
    return connection.execute(update(keys).where(fenced).values(authorised_at=now)).rowcount > 0


def _named(name: str) -> dict[str, object]:
    return {"subject": name, "key_version": version_of(name)}


def _needs_epoch(connection: Connection) -> bool:
    destroyed = keys.c.wrapped.is_(None) & (keys.c.epoch == _current(connection)) & (keys.c.epoch > 0)
    return bool(connection.scalar(select(exists().where(destroyed))))
