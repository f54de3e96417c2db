"""How tasks end, and what that makes of the request. Pure.

Time never turns into success, and a skip is never success: ``completed`` needs every task verified, whatever the date,
and every identity to have been asked about in some upstream system.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from enum import StrEnum
from typing import Final


class Outcome(StrEnum):
    """Where one task stands. A closed set."""

    PENDING = "pending"  # nothing was tried
    SUBMITTED = "submitted"  # the target took the order and works on it
    VERIFYING = "verifying"  # the target says it is done; we have not looked yet
    VERIFIED_ERASED = "verified_erased"
    VERIFIED_NO_DATA = "verified_no_data"
    RETAINED = "retained"  # lawfully kept, with a ground
    AWAITING_EXPIRY = "awaiting_expiry"  # in a backup that expires on a known day
    KEY_PENDING = "key_pending"  # the key's destruction is ordered, not done
    MANUAL_REQUIRED = "manual_required"
    RETRYABLE_FAILURE = "retryable_failure"
    CAPABILITY_UNRESOLVED = "capability_unresolved"  # no way to act on this target as things are
    UNVERIFIED = "unverified"  # the target says it is done; nobody can look


VERIFIED: Final = frozenset({Outcome.VERIFIED_ERASED, Outcome.VERIFIED_NO_DATA})
ENDED: Final = VERIFIED | {Outcome.RETAINED, Outcome.UNVERIFIED}
"""No further step is due. Only the verified ones are success."""

RUNNABLE: Final = frozenset({Outcome.PENDING, Outcome.SUBMITTED, Outcome.VERIFYING, Outcome.RETRYABLE_FAILURE})
"""The worker leases these, and no others."""

WAITING: Final = frozenset({Outcome.AWAITING_EXPIRY, Outcome.KEY_PENDING})
"""A known day must come first; then it is looked at again."""

STUCK: Final = frozenset({Outcome.MANUAL_REQUIRED, Outcome.CAPABILITY_UNRESOLVED})
"""Only a person can move these on."""

LEFT_TO_DO: Final = RUNNABLE | WAITING | {Outcome.MANUAL_REQUIRED}
"""What can't be done any more where its system is configured no longer, by people neither: nobody would ask them."""


class RequestState(StrEnum):
    """Where a request stands, derived from its tasks and the clock; never stored."""

    AWAITING_VERIFICATION = "awaiting_verification"  # nobody has said yet that the person is who they say (E7)
    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    NEEDS_ATTENTION = "needs_attention"  # only steps that a person must take are left
    LIVE_ERASED = "live_erased"  # no live system has anything; backups that hold it expire on a known day (E38)
    OVERDUE = "overdue"
    CONFIRMING = "confirming"  # nothing is left anywhere; everything is looked at once more before that is said (E27)
    CANCELLED = "cancelled"  # taken back before anything was done
    COMPLETED = "completed"  # every task verified, every identity asked about
    ENDED_WITH_EXCEPTIONS = "ended_with_exceptions"  # every task ended; something was kept, not verifiable or not asked


ENDED_STATES: Final = frozenset({RequestState.COMPLETED, RequestState.ENDED_WITH_EXCEPTIONS})
"""What a final receipt can say."""


def ended_state(outcomes: Collection[Outcome], unused_types: Collection[str]) -> RequestState | None:
    """Return how a request ended, or None while a task has not. A request without tasks never ends.

    ``unused_types``: of identities that no upstream system was asked about. Nobody has looked for those.
    """
    if not outcomes or not ENDED.issuperset(outcomes):
        return None
    whole = VERIFIED.issuperset(outcomes) and not unused_types
    return RequestState.COMPLETED if whole else RequestState.ENDED_WITH_EXCEPTIONS


def signed_state(state: RequestState, *, signed: bool) -> RequestState:
    """Return what may be said of a state: what has not been signed has not ended."""
    return RequestState.IN_PROGRESS if state in ENDED_STATES and not signed else state


def is_live_erased(outcomes: Collection[Outcome]) -> bool:
    """Tell whether all that is left to wait for is a known day: backups expire, a key's destruction takes effect."""
    return (ENDED | WAITING).issuperset(outcomes) and not WAITING.isdisjoint(outcomes)


def request_state(
    outcomes: Collection[Outcome],
    unused_types: Collection[str],
    *,
    subject_verified: datetime | None,
    legal: datetime | None,
    now: datetime,
    cancelled: datetime | None = None,
    second_look: datetime | None = None,
) -> RequestState:
    """Return the state of a request. Past the legal deadline whatever live systems still have is overdue (E15).

    ``legal`` is None while the clock stands still; ``second_look`` is when everything is, or was, looked at once more.
    """
    if cancelled is not None:
        return RequestState.CANCELLED
    if second_look is not None and (ENDED | WAITING | {Outcome.VERIFYING}).issuperset(outcomes):
        return RequestState.CONFIRMING if WAITING.isdisjoint(outcomes) else RequestState.LIVE_ERASED
    ended = ended_state(outcomes, unused_types)
    if ended is not None:
        return ended
    if is_live_erased(outcomes):
        return RequestState.LIVE_ERASED
    if legal is not None and now > legal:
        return RequestState.OVERDUE
    if subject_verified is None:
        return RequestState.AWAITING_VERIFICATION
    if outcomes and all(outcome is Outcome.PENDING for outcome in outcomes):
        return RequestState.PENDING
    if RUNNABLE.isdisjoint(outcomes):
        return RequestState.NEEDS_ATTENTION
    return RequestState.IN_PROGRESS
