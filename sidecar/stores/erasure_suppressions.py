"""Whose identifiers traffic is compared with: keyed hashes, for as long as the request can be repeated, and a while.

Raises ``StoreUnavailable``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    ForeignKey,
    Integer,
    LargeBinary,
    String,
    Table,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    type_coerce,
    update,
)

from sidecar.erasure.outcomes import VERIFIED, Outcome
from sidecar.erasure.plan import OWN_NAME
from sidecar.erasure.request import SubjectIdentity
from sidecar.erasure.steps import FOUND_GONE
from sidecar.errors import KeyMaterialError
from sidecar.keys import version_of
from sidecar.stores.database import Conflict, Database
from sidecar.stores.erasure_replays import reopen
from sidecar.stores.erasure_tables import Moment, requests, steps, tasks
from sidecar.stores.schema import ERASURE_SUPPRESSED, ERASURE_SUPPRESSION_KEYS, metadata
from sidecar.stores.seal import Seal, Sealed

_AT_ONCE: Final = 200

suppressed = Table(
    ERASURE_SUPPRESSED,
    metadata,
    Column("request_id", String(36), ForeignKey(requests.c.id), primary_key=True),
    Column("looked_again_at", Moment),
    Column("key_version", Integer),  # of the master key that made the keys; null: nobody noted it
)

suppression_keys = Table(
    ERASURE_SUPPRESSION_KEYS,
    metadata,
    Column("request_id", String(36), ForeignKey(requests.c.id), primary_key=True),
    Column("key", LargeBinary(16), primary_key=True),
)

KeysOf = Callable[[SubjectIdentity], Collection[bytes]]


@dataclass(frozen=True, slots=True)
class ErasedPeople:
    """The request of each key; and the versions of the master keys that made them, None for one that nobody noted."""

    requests: Mapping[bytes, str] = field(repr=False)
    versions: frozenset[int | None]


class ErasureSuppressions:
    """Derived state: made from the sealed identities of requests whose person was identified.

    ``versions``: of the master keys that are configured; by the first are people's keys made.
    """

    def __init__(self, database: Database, seal: Seal, keys_of: KeysOf, versions: Sequence[int] = (1,)) -> None:
        self._database = database
        self._seal = seal
        self._keys_of = keys_of
        self._versions = tuple(versions)

    async def refresh(self, now: datetime, kept_after: timedelta) -> int:
        """Add the people of new requests, up to a number at once, and drop those whose time is over.

        Returns how many requests were added. ``kept_after``: how long after the identities themselves are destroyed.
        """
        try:
            return await self._database.run(lambda connection: self._refresh(connection, now, kept_after))
        except Conflict:  # another replica has added them
            return 0

    async def state(self) -> tuple[int, int, int]:
        """Return what changes whenever the set does: how many requests, how many keys, and the sum of their times.

        The counts alone stay the same where one person goes and another comes.
        """
        return await self._database.read(_state)

    async def load(self, limit: int) -> ErasedPeople:
        """Return the request of each key, of the newest requests if there are more than ``limit`` keys."""
        return await self._database.read(lambda connection: _load(connection, limit))

    async def foreign(self) -> Sequence[int]:
        """Return the versions of master keys that made keys here and are not configured: those match nobody."""
        return await self._database.read(self._foreign)

    def _foreign(self, connection: Connection) -> Sequence[int]:
        noted = select(suppressed.c.key_version).where(suppressed.c.key_version.not_in(self._versions)).distinct()
        # Where it was not noted it is that of the request, or a later one.
        guessed = (
            select(requests.c.subject)
            .join(suppressed, suppressed.c.request_id == requests.c.id)
            .where(suppressed.c.key_version.is_(None), ~self._ours())
            .limit(1)
        )
        found = {one for one in connection.scalars(noted) if one is not None}
        return sorted(found | {version_of(one) for one in connection.scalars(guessed)})

    def _ours(self) -> ColumnElement[bool]:
        """Requests that were accepted, and sealed, under a master key that is configured."""
        return or_(*(requests.c.subject.startswith(f"k{one}:") for one in self._versions))

    async def look_again(self, request_ids: Collection[str], now: datetime, not_since: datetime) -> int:
        """Order what was found gone for these requests to be looked at once more; return for how many.

        Not where that was ordered after ``not_since``, nor where identities are destroyed.
        """
        ids = sorted(request_ids)
        return await self._database.run(lambda connection: _look_again(connection, ids, now, not_since))

    def _refresh(self, connection: Connection, now: datetime, kept_after: timedelta) -> int:
        over = select(requests.c.id).where(
            or_(
                requests.c.cancelled_at.is_not(None),
                requests.c.ended_at.is_not(None) & (requests.c.forget_at <= now - kept_after),
            )
        )
        for table in (suppression_keys, suppressed):
            connection.execute(delete(table).where(table.c.request_id.in_(over)))
        wanted = (
            select(requests.c.id, requests.c.wrapped_key, requests.c.sealed)
            .where(
                requests.c.verified_at.is_not(None),
                requests.c.sealed.is_not(None),
                requests.c.id.not_in(over),
                # What another master key sealed is left to a replica that has it, or nobody would add that person.
                self._ours(),
                ~exists().where(suppressed.c.request_id == requests.c.id),
            )
            .limit(_AT_ONCE)
        )
        rows = connection.execute(wanted).all()
        for row in rows:
            connection.execute(insert(suppressed).values(request_id=row.id, key_version=self._versions[0]))
            keys = self._keys(row.id, Sealed(row.wrapped_key, row.sealed))
            if keys:
                connection.execute(insert(suppression_keys), [{"request_id": row.id, "key": key} for key in keys])
        return len(rows)

    def _keys(self, request_id: str, sealed: Sealed) -> list[bytes]:
        try:
            identities = self._seal.open(request_id, sealed)
        except KeyMaterialError:  # the worker says so loudly; others must not wait for it
            return []
        return sorted({key for identity in identities for key in self._keys_of(identity)})


def _state(connection: Connection) -> tuple[int, int, int]:
    times = func.sum(type_coerce(requests.c.received_at, BigInteger))
    whose = suppressed.join(requests, requests.c.id == suppressed.c.request_id)
    people, total = connection.execute(select(func.count(), times).select_from(whose)).one()
    keys = connection.scalar(select(func.count()).select_from(suppression_keys))
    return people, keys or 0, int(total or 0)


def _load(connection: Connection, limit: int) -> ErasedPeople:
    query = (
        select(suppression_keys.c.key, suppression_keys.c.request_id, suppressed.c.key_version)
        .join(requests, requests.c.id == suppression_keys.c.request_id)
        .join(suppressed, suppressed.c.request_id == suppression_keys.c.request_id)
        .order_by(requests.c.received_at.desc(), requests.c.id)
        .limit(limit)
    )
    rows = connection.execute(query).all()
    # Of two requests of one person the newest is looked at again.
    people = {bytes(row.key): row.request_id for row in reversed(rows)}
    return ErasedPeople(people, frozenset(row.key_version for row in rows))


def _look_again(connection: Connection, ids: Sequence[str], now: datetime, not_since: datetime) -> int:
    never_lately = or_(suppressed.c.looked_again_at.is_(None), suppressed.c.looked_again_at <= not_since)
    query = (
        select(suppressed.c.request_id)
        .join(requests, requests.c.id == suppressed.c.request_id)
        .where(suppressed.c.request_id.in_(ids), never_lately, requests.c.sealed.is_not(None))
        .order_by(suppressed.c.request_id)
        .with_for_update(key_share=True, of=requests)  # or identities could be destroyed before it is opened again
    )
    due = connection.scalars(query).all()
    for request_id in due:
        mine = tasks.c.request_id == request_id
        connection.execute(update(suppressed).where(suppressed.c.request_id == request_id).values(looked_again_at=now))
        seen = tasks.c.outcome.in_(sorted(VERIFIED))
        # Only where a look said so: what people attested can't be looked at by us, and must not lose their word (E30).
        by_looking = exists().where(steps.c.task_id == tasks.c.id, steps.c.status == FOUND_GONE)
        live = tasks.c.target.not_like("%/%") & (tasks.c.target != OWN_NAME)
        again = connection.execute(
            update(tasks)
            .where(mine, live, seen, by_looking)
            .values(outcome=Outcome.VERIFYING.value, due_at=now, failures=0)
        )
        if again.rowcount:
            connection.execute(
                update(tasks)
                .where(mine, tasks.c.target == OWN_NAME, seen)
                .values(outcome=Outcome.PENDING.value, due_at=now, failures=0)
            )
            reopen(connection, request_id, now)
    return len(due)
