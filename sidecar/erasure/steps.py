"""What a result makes of a task. Pure; chance and clock are passed in.

    pending / retryable_failure --delete--> verifying --verify--> verified_erased | verified_no_data | unverified
                                 \\-------> submitted --verify--> …, or --poll--> verifying where it can be asked
    of a backup:        pending --verify--> awaiting_expiry --verify--> … --verify--> verified_erased

Only a verification that looked and found nothing makes success. Whatever is not understood is tried again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from sidecar.erasure.backoff import Backoff
from sidecar.erasure.outcomes import Outcome
from sidecar.erasure.plan import Side
from sidecar.targets.target import (
    DeleteResult,
    DeleteStatus,
    GoneBy,
    JobStatus,
    PollResult,
    TargetFault,
    VerifyResult,
    VerifyStatus,
)

_WAITS: Final = MappingProxyType(
    {
        VerifyStatus.EXPIRING: Outcome.AWAITING_EXPIRY,
        VerifyStatus.KEY_PENDING: Outcome.KEY_PENDING,
        VerifyStatus.RETAINED: Outcome.RETAINED,
    }
)


FOUND_GONE: Final = VerifyStatus.GONE.value
"""How evidence says that somebody looked and found nothing."""


class Step(StrEnum):
    DELETE = "delete"
    POLL = "poll"
    VERIFY = "verify"


@dataclass(frozen=True, slots=True)
class Pace:
    """How long to wait: after failures, before looking, and between looks at work that the target has taken on."""

    backoff: Backoff = field(default_factory=Backoff)
    before_verify: timedelta = timedelta()
    between_looks: timedelta = timedelta(days=1)  # at what waits for a day
    longest_submitted: timedelta = timedelta(days=1)  # then the order is given again


@dataclass(frozen=True, slots=True)
class TaskState:
    """What a step starts from. ``claimed``: the target said at least once that it deleted, or took the order to.

    ``reference``: how the target calls the order that it works on, if it can be asked.
    """

    outcome: Outcome
    claimed: bool = False
    deleted: int | None = None
    failures: int = 0
    submitted_at: datetime | None = None
    reference: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Advance:
    """What a step leads to: the new state, what verification still found, and when the next step is due.

    ``until``: when what is left should be gone or may go, for outcomes that wait for a day. ``ground``: why it is kept,
    or by which way it went, where there are several.
    """

    state: TaskState
    due: datetime
    until: datetime | None = None
    remaining: int | None = None
    verified_at: datetime | None = None
    ground: str | None = None


def next_step(outcome: Outcome, side: Side = Side.UPSTREAM, reference: str | None = None) -> Step:
    """Return what to do for a task that may be run. In a backup there is nothing to do but look."""
    if side is Side.BACKUP:
        return Step.VERIFY
    if outcome is Outcome.SUBMITTED and reference is not None:
        return Step.POLL
    return Step.VERIFY if outcome in {Outcome.SUBMITTED, Outcome.VERIFYING} else Step.DELETE


def after_delete(state: TaskState, result: DeleteResult, now: datetime, pace: Pace, chance: float) -> Advance:
    """Return where a delete call leads."""
    if result.status is DeleteStatus.FAILED:
        if result.fault is TargetFault.IDENTITY_UNUSABLE:
            return Advance(_moved(state, Outcome.CAPABILITY_UNRESOLVED), now)
        return _again(state, Outcome.RETRYABLE_FAILURE, result.retry_after, now, pace, chance)
    if result.status is DeleteStatus.MANUAL:
        return Advance(_moved(state, Outcome.MANUAL_REQUIRED), now)
    total = state.deleted if result.count is None else (state.deleted or 0) + result.count
    submitted = result.status is DeleteStatus.SUBMITTED
    moved = TaskState(
        outcome=Outcome.SUBMITTED if submitted else Outcome.VERIFYING,
        claimed=state.claimed or result.status is not DeleteStatus.NO_DATA,
        deleted=total,
        submitted_at=now if submitted else None,
        reference=result.reference if submitted else None,
    )
    wait = pace.backoff.delay(1, result.retry_after, chance) if submitted else pace.before_verify
    return Advance(moved, now + wait)


def when_held(state: TaskState, ground: str, until: datetime | None, now: datetime) -> Advance:
    """Return where a legal hold leads: nothing was done, and the task waits (E31)."""
    return Advance(_moved(state, Outcome.RETAINED), now, until, ground=ground)


def after_poll(
    state: TaskState, result: PollResult, now: datetime, pace: Pace, chance: float, patience: timedelta
) -> Advance:
    """Return where asking for an order leads. What is not said to be done is asked for again (E26).

    ``patience``: how long the target may work on it; then it is ordered anew. An order that the target knows no more is
    looked for in its data, by ``verify``: what was said of it before stands.
    """
    if result.status in {JobStatus.DONE, JobStatus.VANISHED}:
        counted = state.deleted if result.count is None else (state.deleted or 0) + result.count
        moved = TaskState(Outcome.VERIFYING, state.claimed, counted, 0, state.submitted_at)
        return Advance(moved, now + pace.before_verify)
    late = state.submitted_at is None or now - state.submitted_at >= max(patience, pace.longest_submitted)
    outcome = Outcome.RETRYABLE_FAILURE if late or result.status is JobStatus.FAILED else Outcome.SUBMITTED
    return _again(state, outcome, result.retry_after, now, pace, chance)


def after_verify(state: TaskState, result: VerifyResult, now: datetime, pace: Pace, chance: float) -> Advance:
    """Return where a look leads."""
    if result.status is VerifyStatus.GONE:
        was_there = state.claimed or result.by is GoneBy.KEY_DESTROYED
        outcome = Outcome.VERIFIED_ERASED if was_there else Outcome.VERIFIED_NO_DATA
        return Advance(_moved(state, outcome), now, remaining=0, verified_at=now, ground=result.by and result.by.value)
    if result.status is VerifyStatus.IMPOSSIBLE:
        return Advance(_moved(state, Outcome.UNVERIFIED), now)
    if result.status in _WAITS:
        return _waiting(state, result, now, pace)
    outcome = state.outcome
    if result.status is VerifyStatus.PRESENT and not _still_at_work(state, now, pace):
        outcome = Outcome.RETRYABLE_FAILURE
    advance = _again(state, outcome, result.retry_after, now, pace, chance)
    return Advance(advance.state, advance.due, remaining=result.count)


def _waiting(state: TaskState, result: VerifyResult, now: datetime, pace: Pace) -> Advance:
    """Look again on the day, and daily until then: what was to expire may have been prolonged, or be gone before.

    It was there, and it will not be: so it counts as claimed, and ends as erased. What is retained is no success.
    """
    outcome = _WAITS[result.status]
    claimed = state.claimed or outcome is not Outcome.RETAINED
    moved = TaskState(outcome, claimed, state.deleted, 0, state.submitted_at)
    latest = now + pace.between_looks
    due = min(max(result.until or latest, now + pace.backoff.ceiling), latest)
    looked = now if outcome is Outcome.RETAINED else None
    return Advance(moved, due, result.until, remaining=result.count, verified_at=looked)


def _still_at_work(state: TaskState, now: datetime, pace: Pace) -> bool:
    return state.submitted_at is not None and now - state.submitted_at < pace.longest_submitted


def _again(
    state: TaskState, outcome: Outcome, wished: timedelta | None, now: datetime, pace: Pace, chance: float
) -> Advance:
    failures = state.failures + 1
    kept = state.reference if outcome is Outcome.SUBMITTED else None
    moved = TaskState(outcome, state.claimed, state.deleted, failures, state.submitted_at, kept)
    return Advance(moved, now + pace.backoff.delay(failures, wished, chance))


def _moved(state: TaskState, outcome: Outcome) -> TaskState:
    return TaskState(outcome, state.claimed, state.deleted, 0, state.submitted_at)
