"""The tables of erasure. They hold keyed hashes, sealed bytes, dates, counts and closed words (E41)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    TypeDecorator,
    UniqueConstraint,
)

from sidecar.stores.schema import (
    ERASURE_RECEIPTS,
    ERASURE_REQUESTS,
    ERASURE_STEPS,
    ERASURE_TASKS,
    ERASURE_UNUSED_TYPES,
    metadata,
)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_WORD: Final = 64


class Moment(TypeDecorator[datetime]):
    """A UTC time, kept as whole milliseconds since 1970, so that every database orders it alike."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:  # noqa: ARG002
        return None if value is None else (value - _EPOCH) // timedelta(milliseconds=1)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else _EPOCH + timedelta(milliseconds=value)


requests = Table(
    ERASURE_REQUESTS,
    metadata,
    Column("id", String(36), primary_key=True),
    Column("body_digest", LargeBinary(32), nullable=False),  # keyed, bound to the id: tells nothing about others
    Column("regulation", String(_WORD), nullable=False),
    Column("subject", String(_WORD), nullable=False),  # keyed pseudonym, as in the audit log
    Column("commitment", String(_WORD), nullable=False),  # useless without the salt, which is not here
    Column("received_at", Moment, nullable=False),
    Column("internal_at", Moment, nullable=False),
    Column("legal_at", Moment, nullable=False),
    Column("overdue_at", Moment, nullable=False),  # of the current round; in the first, the legal deadline
    Column("verified_by", String(_WORD)),
    Column("verified_at", Moment),  # null: no destructive call (E7)
    Column("accepted_state", String(_WORD), nullable=False),  # what the first answer said, for the same answer again
    Column("wrapped_key", LargeBinary),  # null: destroyed, with everything sealed under it
    Column("sealed", LargeBinary),
    Column("round", Integer, nullable=False),
    Column("ended_at", Moment),
    Column("forget_at", Moment),
    Index(None, "ended_at"),
)

unused_types = Table(
    ERASURE_UNUSED_TYPES,
    metadata,
    Column("request_id", String(36), ForeignKey(requests.c.id), primary_key=True),
    Column("type", String(_WORD), primary_key=True),
)
"""Types of identities, words only, that no upstream system is asked about. Created where an older database lacks it."""

tasks = Table(
    ERASURE_TASKS,
    metadata,
    Column("id", Integer, primary_key=True),
    Column("request_id", String(36), ForeignKey(requests.c.id), nullable=False),
    Column("target", String(_WORD), nullable=False),
    Column("identities", String(1024), nullable=False),  # indices into the sealed list, e.g. "0,2"
    Column("outcome", String(_WORD), nullable=False),
    Column("claimed", Boolean, nullable=False),  # the target said once that it deleted, or took the order
    Column("deleted", Integer),  # how many, by its own account
    Column("remaining", Integer),  # how many verification still found
    Column("failures", Integer, nullable=False),  # in a row
    Column("attempts", Integer, nullable=False),
    Column("due_at", Moment, nullable=False),  # while leased: when the lease ends
    Column("fence", Integer, nullable=False),  # raised by each lease; a write with an older one is refused (E20)
    Column("leased_by", String(_WORD)),
    Column("submitted_at", Moment),
    Column("verified_at", Moment),
    UniqueConstraint("request_id", "target", "identities"),
    Index(None, "target", "outcome", "due_at"),
)

steps = Table(
    ERASURE_STEPS,
    metadata,
    Column("id", Integer, primary_key=True),
    Column("task_id", Integer, ForeignKey(tasks.c.id), nullable=False),
    Column("step", String(_WORD), nullable=False),
    Column("status", String(_WORD), nullable=False),
    Column("fault", String(_WORD)),
    Column("http_status", Integer),
    Column("count", Integer),
    Column("round", Integer, nullable=False),
    Column("at", Moment, nullable=False),
    Index(None, "task_id"),
)
"""Evidence: one row for each attempt, only ever added to."""

receipts = Table(
    ERASURE_RECEIPTS,
    metadata,
    Column("request_id", String(36), ForeignKey(requests.c.id), primary_key=True),
    Column("round", Integer, primary_key=True, autoincrement=False),
    Column("data", LargeBinary, nullable=False),
)


def join_indices(indices: tuple[int, ...]) -> str:
    return ",".join(str(index) for index in indices)


def split_indices(joined: str) -> tuple[int, ...]:
    return tuple(int(index) for index in joined.split(",")) if joined else ()
