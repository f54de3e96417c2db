"""How many calls a target may be given now, by all processes that share the database together (E19).

Calls at the same time are the leases that have not run out; calls started in a second come out of a bucket of tokens
that all fill and empty. Both are looked at under a lock on the target's row, in the transaction that leases: so no two
processes are given the same one. What a killed process had leased counts until its lease ends, or it starts again.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column, Connection, Float, String, Table, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from sidecar.stores.erasure_tables import Moment, tasks
from sidecar.stores.schema import ERASURE_ALLOWANCES, metadata
from sidecar.targets.target import TargetLimits

allowances = Table(
    ERASURE_ALLOWANCES,
    metadata,
    Column("target", String(64), primary_key=True),
    Column("tokens", Float, nullable=False),  # calls that may be started at once
    Column("filled_at", Moment, nullable=False),
)


def grant(connection: Connection, target: str, limits: TargetLimits, now: datetime, wanted: int) -> int:
    """Return how many of ``wanted`` calls may be started, and take them. The caller leases as many, at once.

    The clock may jump: that costs at most what a second allows.
    """
    tokens = _locked_tokens(connection, target, limits, now)
    under_way = connection.scalar(
        select(func.count()).where(tasks.c.target == target, tasks.c.leased_by.is_not(None), tasks.c.due_at > now)
    )
    granted = max(0, min(wanted, limits.concurrency - (under_way or 0)))
    if limits.per_second is None:
        return granted
    granted = min(granted, int(tokens))
    mine = allowances.c.target == target
    connection.execute(update(allowances).where(mine).values(tokens=tokens - granted, filled_at=now))
    return granted


def spend(connection: Connection, target: str, more: int) -> None:
    """Count calls beyond those that were granted: they are waited for before the next."""
    mine = allowances.c.target == target
    connection.execute(update(allowances).where(mine).values(tokens=allowances.c.tokens - more))


def _locked_tokens(connection: Connection, target: str, limits: TargetLimits, now: datetime) -> float:
    """Lock the target's row, made where there is none, and return its tokens as they are now."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    per_second = limits.per_second or 0.0
    burst = max(1.0, per_second)
    made = dialect.insert(allowances).values(target=target, tokens=burst, filled_at=now)
    connection.execute(made.on_conflict_do_nothing())
    query = select(allowances).where(allowances.c.target == target).with_for_update()
    row = connection.execute(query).one()
    filled: float = row.tokens + max((now - row.filled_at).total_seconds(), 0.0) * per_second
    return min(burst, filled)
