"""Requests and their tasks as they may be shown: closed words, counts and dates, no identity and no hash of one."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, or_, select

from sidecar.erasure.deadlines import ClockPolicy
from sidecar.erasure.outcomes import Outcome, RequestState, request_state, signed_state
from sidecar.erasure.request import NOBODY
from sidecar.stores.erasure_attestations import STEP as ATTEST
from sidecar.stores.erasure_resolutions import STEP as RESOLVE
from sidecar.stores.erasure_tables import LOOK, interim_receipts, receipts, requests, steps, tasks, unused_types


@dataclass(frozen=True, slots=True)
class Word:
    """What somebody said of a task that people do, by a closed word, with the hash of their evidence; never who."""

    said: str
    evidence_sha256: str
    at: datetime


@dataclass(frozen=True, slots=True)
class TaskView:
    """One task as it may be shown: no identity, no index of one."""

    id: int
    target: str
    outcome: Outcome
    attempts: int
    deleted: int | None
    remaining: int | None
    due_at: datetime
    verified_at: datetime | None
    until_at: datetime | None
    ground: str | None
    fault: str | None = None
    detail: str | None = None
    """Why the last attempt failed, in closed words, and which constraint of the system's own stood in the way."""
    parts: Mapping[str, int] | None = None
    """What was deleted, emptied and made pseudonymous in this round, by the target's own account (E21)."""
    found: int | None = None
    """How many verification saw before the first deletion of this round; None: it could not count (E28)."""
    words: tuple[Word, ...] = ()
    """What people said of it in this round (E30)."""


@dataclass(frozen=True, slots=True)
class RequestView:
    """One request as it may be shown. ``sealed``: its identities can still be opened by the worker.

    ``unused_types``: types of its identities that no upstream system is asked about.
    """

    id: str
    regulation: str
    subject: str
    commitment: str
    received_at: datetime
    internal_at: datetime
    legal_at: datetime
    overdue_at: datetime
    verified_by: str | None
    verified_at: datetime | None
    accepted_state: str
    round: int
    ended_at: datetime | None
    forget_at: datetime | None
    sealed: bool
    tasks: tuple[TaskView, ...]
    unused_types: tuple[str, ...]
    origin: str
    controller: str | None
    clock: ClockPolicy
    from_receipt_at: datetime
    extended_at: datetime | None
    extension_ground: str | None
    unextended_at: datetime | None
    cancelled_at: datetime | None
    second_look_at: datetime | None

    @property
    def paused(self) -> bool:
        """Whether the clock stands still, because nobody has been identified yet (E7)."""
        return self.clock is ClockPolicy.PAUSE and self.verified_at is None

    def state_at(self, now: datetime) -> RequestState:
        """Return where the request stands. What has not been signed has not ended."""
        state = request_state(
            self.outcomes,
            self.unused_types,
            subject_verified=self.verified_at,
            legal=None if self.paused else self.overdue_at,
            now=now,
            cancelled=self.cancelled_at,
            second_look=None if self.ended_at else self.second_look_at,
        )
        return signed_state(state, signed=self.ended_at is not None)  # who reads "completed" can fetch the receipt

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        return tuple(task.outcome for task in self.tasks)


def find_request(connection: Connection, request_id: str) -> RequestView | None:
    """Return a request with its tasks, in the order of the plan."""
    return next(iter(find_requests(connection, [request_id])), None)


def find_requests(connection: Connection, request_ids: Iterable[str]) -> list[RequestView]:
    """Return those requests that there are, by id, each as ``find_request`` does: a few hundred at most."""
    ids = sorted(set(request_ids))
    rows = connection.execute(select(requests).where(requests.c.id.in_(ids)).order_by(requests.c.id)).all()
    ids = [row.id for row in rows]  # what is accepted between two of these statements is not there yet
    found: dict[str, list[TaskView]] = {row.id: [] for row in rows}
    evidence = _evidence(connection, ids)
    for task in connection.execute(select(tasks).where(tasks.c.request_id.in_(ids)).order_by(tasks.c.id)):
        found[task.request_id].append(_task_view(task, evidence.get(task.id)))
    unused: dict[str, list[str]] = {row.id: [] for row in rows}
    for one in connection.execute(
        select(unused_types).where(unused_types.c.request_id.in_(ids)).order_by(unused_types.c.type)
    ):
        unused[one.request_id].append(one.type)
    return [_request_view(row, tuple(found[row.id]), tuple(unused[row.id])) for row in rows]


def latest_receipt(connection: Connection, request_id: str) -> bytes | None:
    """Return the newest receipt file there is: that of the last round that ended, or an interim one after it."""
    newest: tuple[int, int, bytes] | None = None
    for rank, table in enumerate((interim_receipts, receipts)):
        query = select(table.c.round, table.c.data).where(table.c.request_id == request_id)
        row = connection.execute(query.order_by(table.c.round.desc()).limit(1)).one_or_none()
        if row is not None and (newest is None or (row.round, rank) > newest[:2]):
            newest = (row.round, rank, row.data)
    return newest[2] if newest else None


def _request_view(row: Row[Any], views: tuple[TaskView, ...], unused: tuple[str, ...]) -> RequestView:
    return RequestView(
        id=row.id,
        regulation=row.regulation,
        subject=row.subject if row.sealed is not None else NOBODY,
        commitment=row.commitment,
        received_at=row.received_at,
        internal_at=row.internal_at,
        legal_at=row.legal_at,
        overdue_at=row.overdue_at,
        verified_by=row.verified_by,
        verified_at=row.verified_at,
        accepted_state=row.accepted_state,
        round=row.round,
        ended_at=row.ended_at,
        forget_at=row.forget_at,
        sealed=row.wrapped_key is not None,
        tasks=views,
        unused_types=unused,
        origin=row.origin,
        controller=row.controller,
        clock=ClockPolicy(row.clock),
        from_receipt_at=row.from_receipt_at or row.legal_at,
        extended_at=row.extended_at,
        extension_ground=row.extension_ground,
        unextended_at=row.unextended_at,
        cancelled_at=row.cancelled_at,
        second_look_at=row.second_look_at,
    )


def _evidence(connection: Connection, ids: Sequence[str]) -> dict[int, _Evidence]:
    """Return of each task what its last attempt came to, and what was done in this round."""
    mine = steps.join(tasks, tasks.c.id == steps.c.task_id).join(requests, requests.c.id == tasks.c.request_id)
    current = (tasks.c.request_id.in_(ids), steps.c.round == requests.c.round)
    last = select(func.max(steps.c.id)).select_from(mine).where(*current).group_by(steps.c.task_id)
    query = select(steps.c.task_id, steps.c.fault, steps.c.detail).where(steps.c.id.in_(last))
    found = {row.task_id: _Evidence(row.fault, row.detail if row.fault else None) for row in connection.execute(query)}
    telling = or_(steps.c.parts.is_not(None), steps.c.step.in_((LOOK, ATTEST, RESOLVE)))
    told = select(steps).select_from(mine).where(*current, telling).order_by(steps.c.id)
    for row in connection.execute(told):
        if row.task_id in found:  # else its first step was written between the two: PostgreSQL shows what is committed
            found[row.task_id].add(row)
    return found


@dataclass(frozen=True, slots=True)
class _Evidence:
    fault: str | None
    detail: str | None
    parts: Counter[str] = field(default_factory=Counter)
    seen: list[int] = field(default_factory=list)
    words: list[Word] = field(default_factory=list)

    def add(self, row: Row[Any]) -> None:
        if row.step == LOOK:
            self.seen.append(row._mapping["count"])
        elif row.step in (ATTEST, RESOLVE):
            self.words.append(Word(row.status, row.detail, row.at))
        else:
            self.parts.update(json.loads(row.parts))


def _task_view(row: Row[Any], evidence: _Evidence | None) -> TaskView:
    return TaskView(
        id=row.id,
        target=row.target,
        outcome=Outcome(row.outcome),
        attempts=row.attempts,
        deleted=row.deleted,
        remaining=row.remaining,
        due_at=row.due_at,
        verified_at=row.verified_at,
        until_at=row.until_at,
        ground=row.ground,
        fault=evidence.fault if evidence else None,
        detail=evidence.detail if evidence else None,
        parts=dict(evidence.parts) if evidence and evidence.parts else None,
        found=evidence.seen[0] if evidence and evidence.seen else None,
        words=tuple(evidence.words) if evidence else (),
    )
