"""The newest epoch of each restorable system, and which systems are in quarantine. Raises ``StoreUnavailable``.

Order: ``begin`` → the mark is written in the system → ``settle``. Killed between, either epoch may stand there and both
are known. Quarantine, the order to erase again and the next epoch are one transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, Connection, ForeignKey, Integer, Row, String, Table, delete, func, insert, select, update

from sidecar.erasure.epoch import KnownEpoch, Reading
from sidecar.erasure.outcomes import VERIFIED, Outcome
from sidecar.stores.database import Conflict, Database
from sidecar.stores.erasure_replays import replay_target
from sidecar.stores.erasure_tables import Moment, tasks
from sidecar.stores.schema import ERASURE_EPOCHS, ERASURE_REDONE, metadata

SAFETY = timedelta(days=1)
"""Erasures from that long before a mark was written are repeated, too: copies take time to make, and clocks step."""

epochs = Table(
    ERASURE_EPOCHS,
    metadata,
    Column("target", String(64), primary_key=True),
    Column("epoch", Integer, nullable=False),
    Column("writing", Integer),
    Column("quarantined_at", Moment),
    Column("reason", String(64)),
    Column("beyond_horizon", Integer, nullable=False),  # erasures that can't be repeated: nobody knows whose they were
)

redone = Table(
    ERASURE_REDONE,
    metadata,
    Column("task_id", Integer, ForeignKey(tasks.c.id), primary_key=True, autoincrement=False),
    Column("target", String(64), nullable=False, index=True),
)
"""Tasks that a quarantine waits for."""


@dataclass(frozen=True, slots=True)
class Quarantine:
    """A system that went back in time. ``waiting``: erasures not yet verified again; ``beyond_horizon``: lost ones."""

    target: str
    since: datetime
    reason: str
    waiting: int
    beyond_horizon: int

    @property
    def may_end(self) -> bool:
        """Whether everybody who was erased is erased again."""
        return not self.waiting and not self.beyond_horizon


@dataclass(frozen=True, slots=True)
class WentBack:
    """What was read in a system, when we knew ``known``. ``since``: when the mark was written, if there was one."""

    target: str
    known: KnownEpoch
    reading: Reading
    since: datetime | None


class ErasureEpochs:
    """Durable knowledge of epochs, shared by all replicas."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def known(self, target: str) -> KnownEpoch | None:
        return await self._database.read(lambda connection: _known(connection, target))

    async def begin(self, target: str) -> int:
        """Note that the next epoch is about to be written, and return it."""
        try:
            return await self._database.run(lambda connection: _begin(connection, target))
        except Conflict:  # another replica began the first one
            return await self._database.run(lambda connection: _begin(connection, target))

    async def settle(self, target: str, epoch: int) -> None:
        """Note that an epoch stands in the system. Never goes back."""
        await self._database.run(lambda connection: _settle(connection, target, epoch))

    async def quarantine(self, found: WentBack, now: datetime) -> int | None:
        """Close a system off and order what was erased in it since to be erased again; return of how many requests.

        None: another replica has dealt with it, and what was read is out of date.
        """
        return await self._database.run(lambda connection: _quarantine(connection, found, now))

    async def quarantines(self) -> tuple[Quarantine, ...]:
        return await self._database.read(_quarantines)

    async def end_if_done(self, target: str) -> bool:
        """End a quarantine if by now everybody is erased again; False if not, or if there was none."""
        return await self._database.run(lambda connection: _end_if_done(connection, target))

    async def release(self, target: str) -> bool:
        """End a quarantine, whatever is left; False if there was none."""
        return await self._database.run(lambda connection: _release(connection, target))


def _known(connection: Connection, target: str) -> KnownEpoch | None:
    row = connection.execute(select(epochs).where(epochs.c.target == target)).one_or_none()
    return None if row is None else KnownEpoch(row.epoch, row.writing)


def _begin(connection: Connection, target: str) -> int:
    row = connection.execute(select(epochs).where(epochs.c.target == target).with_for_update()).one_or_none()
    if row is None:
        connection.execute(insert(epochs).values(target=target, epoch=0, writing=1, beyond_horizon=0))
        return 1
    # What was begun before and never settled may stand there: the next one is beyond both.
    following: int = max(row.epoch, row.writing or 0) + 1
    connection.execute(update(epochs).where(epochs.c.target == target).values(writing=following))
    return following


def _settle(connection: Connection, target: str, epoch: int) -> None:
    mine = epochs.c.target == target
    if connection.scalar(select(func.count()).select_from(epochs).where(mine)) == 0:
        connection.execute(insert(epochs).values(target=target, epoch=epoch, beyond_horizon=0))
    connection.execute(update(epochs).where(mine, epochs.c.epoch < epoch).values(epoch=epoch))
    connection.execute(update(epochs).where(mine, epochs.c.writing <= epoch).values(writing=None))


def _quarantine(connection: Connection, found: WentBack, now: datetime) -> int | None:
    row = connection.execute(select(epochs).where(epochs.c.target == found.target).with_for_update()).one_or_none()
    if row is None or KnownEpoch(row.epoch, row.writing) != found.known:
        return None
    since = None if found.since is None else found.since - SAFETY
    replayed = replay_target(connection, found.target, since, now)
    held = set(connection.scalars(select(redone.c.task_id).where(redone.c.target == found.target)))
    new = [{"task_id": one, "target": found.target} for one in replayed.task_ids if one not in held]
    if new:
        connection.execute(insert(redone), new)
    connection.execute(
        update(epochs)
        .where(epochs.c.target == found.target)
        .values(
            quarantined_at=row.quarantined_at or now,
            reason=found.reading.value,
            beyond_horizon=max(row.beyond_horizon, replayed.beyond_horizon),
        )
    )
    return replayed.requests


def _quarantines(connection: Connection) -> tuple[Quarantine, ...]:
    rows = connection.execute(select(epochs).where(epochs.c.quarantined_at.is_not(None)).order_by(epochs.c.target))
    return tuple(_quarantine_of(connection, row) for row in rows.all())


def _quarantine_of(connection: Connection, row: Row[Any]) -> Quarantine:
    done = sorted(one.value for one in VERIFIED | {Outcome.RETAINED})  # what is kept now is kept with a ground
    waiting = connection.scalar(
        select(func.count())
        .select_from(redone.join(tasks, tasks.c.id == redone.c.task_id))
        .where(redone.c.target == row.target, tasks.c.outcome.not_in(done))
    )
    return Quarantine(row.target, row.quarantined_at, row.reason, waiting or 0, row.beyond_horizon)


def _end_if_done(connection: Connection, target: str) -> bool:
    # Locked: a restore that is noticed at the same time must not be released with the one before.
    query = select(epochs).where(epochs.c.target == target, epochs.c.quarantined_at.is_not(None)).with_for_update()
    row = connection.execute(query).one_or_none()
    return row is not None and _quarantine_of(connection, row).may_end and _release(connection, target)


def _release(connection: Connection, target: str) -> bool:
    connection.execute(delete(redone).where(redone.c.target == target))
    ended = connection.execute(
        update(epochs)
        .where(epochs.c.target == target, epochs.c.quarantined_at.is_not(None))
        .values(quarantined_at=None, reason=None, beyond_horizon=0)
    )
    return ended.rowcount == 1
