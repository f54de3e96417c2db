"""The tables of erasure. They hold keyed hashes, sealed bytes, dates, counts and closed words (E41).

A transaction that locks or changes both takes all its requests first, in the order of their ids, and tasks after that.
Replicas that took them the other way round would wait for one another: a deadlock.
"""

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
    Text,
    TypeDecorator,
    UniqueConstraint,
    false,
    literal_column,
)

from sidecar.stores.schema import (
    ERASURE_CALLBACKS,
    ERASURE_HOLDS,
    ERASURE_INTERIM_RECEIPTS,
    ERASURE_NOTICES,
    ERASURE_RECEIPTS,
    ERASURE_REQUESTS,
    ERASURE_STEPS,
    ERASURE_TASKS,
    ERASURE_TURNS,
    ERASURE_UNUSED_TYPES,
    metadata,
)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_WORD: Final = 64
NOTHING: Final = "nothing"
"""Of a request that no targets were planned for since it was brought back, or turns were introduced: the next start
plans for it."""
ANEW: Final = "anew"
"""Of a request that must be planned anew at once, beside the work: nothing is signed for it before (E12)."""


def milliseconds(moment: datetime) -> int:
    """Return a time as it is kept."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


class Moment(TypeDecorator[datetime]):
    """A UTC time, kept as whole milliseconds since 1970, so that every database orders it alike."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:  # noqa: ARG002
        return None if value is None else milliseconds(value)

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
    Column("origin", String(_WORD), nullable=False, server_default="api"),
    Column("controller", String(_WORD)),  # who asked, as OpenDSR's answers call them
    Column("from_receipt_at", Moment),  # the legal deadline if nothing stopped the clock
    Column("clock", String(_WORD), nullable=False, server_default="run"),  # what it does while nobody is identified
    Column("extended_at", Moment),
    Column("extension_ground", String(_WORD)),
    Column("unextended_at", Moment),  # what the legal deadline was before
    Column("cancelled_at", Moment),
    Column("alerted_percent", Integer, nullable=False, server_default="0"),
    Column("second_look_at", Moment),  # when everything is, or was, looked at once more (E27)
    Column("begun_round", Integer, nullable=False, server_default="0"),  # of which it was told that work has begun
    # Derived, so that nobody has to look through all open requests (see ``erasure_turns``):
    Column("planned_for", String(_WORD), nullable=False, server_default=NOTHING),  # which targets the plan was made for
    Column("late_at", Moment),  # when it is overdue; null: nothing is at work, or no clock runs
    Column("alert_at", Moment),  # when the next share of its time is used up; null as above, or all were told
    Index(None, "ended_at"),
    Index(None, "subject"),
)
DERIVED: Final = frozenset({"planned_for", "late_at", "alert_at"})
_open = requests.c.ended_at.is_(None)
_to_forget = requests.c.sealed.is_not(None) & requests.c.ended_at.is_not(None)
Index("ix_erasure_requests_open", requests.c.received_at, postgresql_where=_open, sqlite_where=_open)
_planned = (requests.c.planned_for, requests.c.id)
Index("ix_erasure_requests_planned", *_planned, postgresql_where=_open, sqlite_where=_open)
Index("ix_erasure_requests_forget", requests.c.forget_at, postgresql_where=_to_forget, sqlite_where=_to_forget)
for _column in (requests.c.late_at, requests.c.alert_at):
    _known = _column.is_not(None)
    Index(f"ix_erasure_requests_{_column.name}", _column, postgresql_where=_known, sqlite_where=_known)

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
    Column("until_at", Moment),  # retained, awaiting_expiry, key_pending: until when
    Column("ground", String(_WORD)),  # why it is kept, by which way it went, or why a person resolved it
    Column("reference", LargeBinary),  # a job's name at the target, sealed
    Column("ready", Boolean, nullable=False, server_default=false()),  # may be run once it is due; derived at turns
    UniqueConstraint("request_id", "target", "identities"),
)
# Written out, because an index of some rows is used only where the query says the same to the letter.
IS_RETAINED: Final = tasks.c.outcome == literal_column("'retained'")
IS_MANUAL: Final = tasks.c.outcome == literal_column("'manual_required'")
MAY_RESOLVE: Final = (tasks.c.outcome == literal_column("'capability_unresolved'")) & (
    tasks.c.identities != literal_column("''")
)
"""Can't be done as things are, though it has identities: what another configuration of the target may change."""
_leased = tasks.c.leased_by.is_not(None)
for _name, _columns, _where in (
    ("ready", (tasks.c.target, tasks.c.due_at, tasks.c.id), tasks.c.ready),
    ("leased", (tasks.c.leased_by,), _leased),
    ("retained", (tasks.c.until_at,), IS_RETAINED),
    ("manual", (tasks.c.target,), IS_MANUAL),
    ("may_resolve", (tasks.c.request_id,), MAY_RESOLVE),
):
    Index(f"ix_erasure_tasks_{_name}", *_columns, postgresql_where=_where, sqlite_where=_where)

turns = Table(
    ERASURE_TURNS,
    metadata,
    Column("id", Integer, primary_key=True),
    Column("request_id", String(36), nullable=False),  # no foreign key: many write here at once, nobody waits
    Column("due_at", Moment, nullable=False),  # while taken: when whoever took it has lost it
    Column("taken_by", String(_WORD)),
    Index(None, "due_at", "id"),
)
"""Requests that something happened to, or whose hour comes: each is looked at once, in its turn."""
_taken = turns.c.taken_by.is_not(None)
Index("ix_erasure_turns_taken", turns.c.taken_by, postgresql_where=_taken, sqlite_where=_taken)

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
    Column("detail", String(_WORD)),
    Column("parts", Text),
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

interim_receipts = Table(
    ERASURE_INTERIM_RECEIPTS,
    metadata,
    Column("request_id", String(36), ForeignKey(requests.c.id), primary_key=True),
    Column("round", Integer, primary_key=True, autoincrement=False),
    Column("data", LargeBinary, nullable=False),
)
"""What is signed once live systems are done while something still waits; the receipt of the round supersedes it."""

holds = Table(
    ERASURE_HOLDS,
    metadata,
    Column("id", String(36), primary_key=True),
    Column("request_id", String(36), ForeignKey(requests.c.id), nullable=False),
    Column("target", String(_WORD)),  # null: whatever the target
    Column("identity", Integer),  # an index into the sealed list; null: whatever the identity
    Column("ground", String(_WORD), nullable=False),
    Column("until_at", Moment),
    Column("placed_at", Moment, nullable=False),
    Column("released_at", Moment),
    Index(None, "request_id"),
)

notices = Table(
    ERASURE_NOTICES,
    metadata,
    Column("id", String(36), primary_key=True),
    Column("request_id", String(36), ForeignKey(requests.c.id), nullable=False),
    Column("kind", String(_WORD), nullable=False),
    Column("receiver", LargeBinary, nullable=False),  # a configured name, or a URL sealed under the request's key
    Column("payload", LargeBinary, nullable=False),  # exactly what is sent; sealed where the receiver is
    Column("written_at", Moment, nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("fence", Integer, nullable=False),
    Column("delivered_at", Moment),
    Column("abandoned_at", Moment),
)
TO_BE_SENT: Final = notices.c.delivered_at.is_(None) & notices.c.abandoned_at.is_(None)
Index("ix_erasure_notices_to_be_sent", notices.c.due_at, postgresql_where=TO_BE_SENT, sqlite_where=TO_BE_SENT)
"""What is still to be told to somebody, in the transaction in which it became true."""

callbacks = Table(
    ERASURE_CALLBACKS,
    metadata,
    Column("request_id", String(36), ForeignKey(requests.c.id), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("sealed_url", LargeBinary, nullable=False),
)


LOOK: Final = "look"
"""The step of evidence that tells how much verification saw before anything was deleted."""


def join_indices(indices: tuple[int, ...]) -> str:
    return ",".join(str(index) for index in indices)


def split_indices(joined: str) -> tuple[int, ...]:
    return tuple(int(index) for index in joined.split(",")) if joined else ()
