"""What attempts at leased tasks came to: written only by whoever has the lease still, several at once (E20)."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, bindparam, insert, select, update

from sidecar.erasure.outcomes import RUNNABLE, VERIFIED, Outcome
from sidecar.erasure.plan import LiveErasure, live_name
from sidecar.erasure.readiness import AT_WORK
from sidecar.erasure.request import SubjectIdentity
from sidecar.erasure.steps import Advance, Step, TaskState
from sidecar.errors import SidecarError
from sidecar.stores.erasure_notices import Teller
from sidecar.stores.erasure_replays import fresh
from sidecar.stores.erasure_tables import requests, steps, tasks
from sidecar.stores.erasure_turns import mark
from sidecar.stores.seal import Seal, Sealed
from sidecar.targets.target import Order


class LeaseLost(SidecarError):
    """Another worker has the task by now; what was to be written is not."""


@dataclass(frozen=True, slots=True)
class Leased:
    """A task that is ours until the lease ends, with the identities it is about."""

    task_id: int
    fence: int
    worker: str
    request_id: str
    round: int
    subject: str
    target: str
    state: TaskState
    identities: tuple[SubjectIdentity, ...] = field(repr=False)
    live: LiveErasure | None = None
    """Of a backup set: how its live system stands."""

    @property
    def order(self) -> Order:
        """The task for a system that works on orders: by a UUID that stays the same for a round, and says nothing."""
        digest = sha256(f"{self.request_id}:{self.round}:{self.task_id}".encode()).digest()
        return Order(str(UUID(bytes=digest[:16], version=4)), self.identities, self.state.reference)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one attempt came to, in closed words and counts."""

    step: Step
    status: str
    fault: str | None
    http_status: int | None
    count: int | None
    at: datetime
    detail: str | None = None
    parts: Mapping[str, int] | None = None


Attempted = tuple[Leased, Advance, Evidence]


def write_attempts(
    connection: Connection, seal: Seal, teller: Teller, some: Sequence[Attempted]
) -> list[int | LeaseLost]:
    """Write attempts of leases that are still held; the others are answered with ``LeaseLost``."""
    first = {leased.request_id for leased, _, _ in some if leased.state.outcome is Outcome.PENDING}
    untold = set(teller.lock_untold(connection, first))
    ids = sorted({leased.task_id for leased, _, _ in some})
    query = select(tasks.c.id, tasks.c.fence, tasks.c.leased_by).where(tasks.c.id.in_(ids)).order_by(tasks.c.id)
    held = {row.id: (row.fence, row.leased_by) for row in connection.execute(query.with_for_update(key_share=True))}
    ours: list[Attempted] = []
    answers: list[int | LeaseLost] = []
    for one in some:
        leased = one[0]
        if held.pop(leased.task_id, None) == (leased.fence, leased.worker):  # popped: a lease is written to once
            ours.append(one)
            answers.append(leased.task_id)
        else:
            answers.append(LeaseLost("the lease ran out and another worker took the task"))
    if ours:
        references = _references(connection, seal, ours)
        rows = [_task_row(one, reference) for one, reference in zip(ours, references, strict=True)]
        connection.execute(update(tasks).where(tasks.c.id == bindparam("mine")), rows)
        connection.execute(insert(steps), [_step_row(leased, evidence) for leased, _, evidence in ours])
        at = min(evidence.at for _, _, evidence in ours)
        turned = [leased.request_id for leased, advance, _ in ours if _matters(leased, advance)]
        mark(connection, [*turned, *_doubt_backups(connection, ours, at)], at)
        pending = [leased for leased, _, _ in ours if leased.state.outcome is Outcome.PENDING]
        begun = {leased.request_id: leased.round for leased in pending if leased.request_id in untold}
        teller.tell_begun(connection, begun, at)
    return answers


def _matters(leased: Leased, advance: Advance) -> bool:
    """Tell whether other tasks, the end or the deadline may hang on what came out: also a second look that found."""
    outcome = advance.state.outcome
    return outcome not in RUNNABLE or leased.state.outcome is Outcome.VERIFYING is not outcome


def _doubt_backups(connection: Connection, some: Sequence[Attempted], now: datetime) -> Collection[str]:
    """Doubt backup sets that were found clean: something had to be deleted in their system, so copies may hold it.

    Returns of which requests.
    """
    deleted = {(leased.request_id, leased.target) for leased, _, evidence in some if evidence.step is Step.DELETE}
    if not deleted:
        return ()
    clean = tasks.c.target.like("%/%") & tasks.c.outcome.in_(sorted(VERIFIED))
    query = select(tasks.c.id, tasks.c.request_id, tasks.c.target).where(clean)
    rows = connection.execute(query.where(tasks.c.request_id.in_({request_id for request_id, _ in deleted}))).all()
    doubted = [row for row in rows if (row.request_id, live_name(row.target)) in deleted]
    if doubted:
        mine = tasks.c.id.in_([row.id for row in doubted])
        connection.execute(update(tasks).where(mine, tasks.c.outcome.in_(sorted(VERIFIED))).values(**fresh(now)))
    return {row.request_id for row in doubted}


def _references(connection: Connection, seal: Seal, some: Sequence[Attempted]) -> list[bytes | None]:
    """Seal how targets call their orders, under the keys of the requests."""
    named = [leased.request_id for leased, advance, _ in some if advance.state.reference is not None]
    if not named:
        return [None] * len(some)
    query = select(requests.c.id, requests.c.wrapped_key).where(requests.c.id.in_(named))
    keys = {row.id: row.wrapped_key for row in connection.execute(query)}
    sealed: list[bytes | None] = []
    for leased, advance, _ in some:
        key, reference = keys.get(leased.request_id), advance.state.reference
        texts = [reference] if reference is not None and key is not None else []
        sealed.append(next(iter(seal.close_texts(leased.request_id, Sealed(key or b"", b""), texts)), None))
    return sealed


def _task_row(one: Attempted, reference: bytes | None) -> dict[str, Any]:
    leased, advance, _ = one
    state = advance.state
    return {
        "mine": leased.task_id,
        "outcome": state.outcome.value,
        "claimed": state.claimed,
        "deleted": state.deleted,
        "remaining": advance.remaining,
        "failures": state.failures,
        "due_at": advance.due,
        "leased_by": None,
        "submitted_at": state.submitted_at,
        "reference": reference,
        "verified_at": advance.verified_at,
        "until_at": advance.until,
        "ground": advance.ground,
        "ready": state.outcome in AT_WORK,
    }


def _step_row(leased: Leased, evidence: Evidence) -> dict[str, Any]:
    return {
        "task_id": leased.task_id,
        "step": evidence.step.value,
        "status": evidence.status,
        "fault": evidence.fault,
        "http_status": evidence.http_status,
        "count": evidence.count,
        "detail": evidence.detail,
        "parts": json.dumps(dict(evidence.parts), sort_keys=True) if evidence.parts else None,
        "round": leased.round,
        "at": evidence.at,
    }
