"""States derived from outcomes: time is never success, and neither is a skip (E15, E29)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.erasure.outcomes import (
    ENDED,
    RUNNABLE,
    STUCK,
    VERIFIED,
    WAITING,
    Outcome,
    RequestState,
    ended_state,
    request_state,
)

LEGAL = datetime(2025, 4, 1, tzinfo=UTC)
BEFORE, AFTER = LEGAL - timedelta(days=1), LEGAL + timedelta(days=1)


@pytest.mark.parametrize(
    ("outcomes", "now", "state"),
    [
        ("pending", BEFORE, "pending"),
        ("pending pending", BEFORE, "pending"),
        ("pending verifying", BEFORE, "in_progress"),
        ("verified_erased pending", BEFORE, "in_progress"),
        ("verified_erased retryable_failure", BEFORE, "in_progress"),
        ("verified_erased retryable_failure", AFTER, "overdue"),
        ("verified_erased capability_unresolved", BEFORE, "needs_attention"),
        ("verified_erased manual_required", AFTER, "overdue"),
        ("capability_unresolved pending", BEFORE, "in_progress"),
        ("verified_erased verified_no_data", BEFORE, "completed"),
        ("verified_erased verified_no_data", AFTER, "completed"),
        ("verified_erased unverified", BEFORE, "ended_with_exceptions"),
        ("retained", BEFORE, "ended_with_exceptions"),
        ("verified_erased awaiting_expiry", BEFORE, "live_erased"),
        ("verified_erased awaiting_expiry", AFTER, "live_erased"),
        ("retained key_pending unverified", BEFORE, "live_erased"),
        ("awaiting_expiry retryable_failure", BEFORE, "in_progress"),
        ("awaiting_expiry capability_unresolved", BEFORE, "needs_attention"),
        ("awaiting_expiry manual_required", AFTER, "overdue"),
        ("", BEFORE, "needs_attention"),
        ("", AFTER, "overdue"),
    ],
)
def test_states(outcomes: str, now: datetime, state: str) -> None:
    found = [Outcome(word) for word in outcomes.split()]
    assert request_state(found, (), subject_verified=BEFORE, legal=LEGAL, now=now) is RequestState(state)


@given(st.lists(st.sampled_from(Outcome)), st.datetimes(timezones=st.just(UTC)))
def test_E15_completed_needs_every_task_verified_whatever_the_time(outcomes: list[Outcome], now: datetime) -> None:
    state = request_state(outcomes, (), subject_verified=LEGAL, legal=LEGAL, now=now)
    assert (state is RequestState.COMPLETED) == (bool(outcomes) and VERIFIED.issuperset(outcomes))
    assert (ended_state(outcomes, ()) is None) == (state not in {"completed", "ended_with_exceptions"})


def test_E7_unidentified_is_a_state_of_its_own() -> None:
    assert (
        request_state([Outcome.PENDING], (), subject_verified=None, legal=LEGAL, now=BEFORE) == "awaiting_verification"
    )
    assert request_state([Outcome.PENDING], (), subject_verified=None, legal=LEGAL, now=AFTER) == "overdue"


def test_the_sets_do_not_overlap() -> None:
    assert not ENDED & RUNNABLE
    assert not ENDED & STUCK
    assert not RUNNABLE & STUCK
    assert set(Outcome) - ENDED - RUNNABLE - STUCK == WAITING


def test_what_nobody_was_asked_about_is_never_completed() -> None:
    outcomes = [Outcome.VERIFIED_ERASED, Outcome.VERIFIED_NO_DATA]
    assert ended_state(outcomes, ()) is RequestState.COMPLETED
    assert ended_state(outcomes, ("customer_id",)) is RequestState.ENDED_WITH_EXCEPTIONS
    assert ended_state([*outcomes, Outcome.PENDING], ("customer_id",)) is None
