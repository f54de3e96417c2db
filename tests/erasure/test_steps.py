"""What results make of tasks: only a look that found nothing makes success (E16, E26, E28, E29)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.erasure.outcomes import ENDED, RUNNABLE, VERIFIED, WAITING, Outcome
from sidecar.erasure.plan import Side
from sidecar.erasure.steps import Pace, Step, TaskState, after_delete, after_verify, next_step
from sidecar.targets.target import DeleteResult, DeleteStatus, TargetFault, VerifyResult, VerifyStatus

NOW = datetime(2025, 3, 1, tzinfo=UTC)
PACE = Pace(before_verify=timedelta(seconds=5))
STATES = st.builds(
    TaskState,
    st.sampled_from(sorted(RUNNABLE)),
    st.booleans(),
    st.none() | st.integers(0, 9),
    st.integers(0, 99),
    st.none() | st.just(NOW - timedelta(hours=1)) | st.just(NOW - timedelta(days=9)),
)


@pytest.mark.parametrize(
    ("status", "fault", "outcome"),
    [
        (DeleteStatus.DELETED, None, Outcome.VERIFYING),
        (DeleteStatus.NO_DATA, None, Outcome.VERIFYING),
        (DeleteStatus.SUBMITTED, None, Outcome.SUBMITTED),
        (DeleteStatus.FAILED, TargetFault.TIMED_OUT, Outcome.RETRYABLE_FAILURE),
        (DeleteStatus.FAILED, TargetFault.IDENTITY_UNUSABLE, Outcome.CAPABILITY_UNRESOLVED),
    ],
)
def test_after_delete(status: DeleteStatus, fault: TargetFault | None, outcome: Outcome) -> None:
    advance = after_delete(TaskState(Outcome.PENDING), DeleteResult(status, fault=fault), NOW, PACE, 0.5)
    assert advance.state.outcome is outcome


@pytest.mark.parametrize(
    ("before", "claimed", "status", "outcome"),
    [
        (Outcome.VERIFYING, True, VerifyStatus.GONE, Outcome.VERIFIED_ERASED),
        (Outcome.VERIFYING, False, VerifyStatus.GONE, Outcome.VERIFIED_NO_DATA),
        (Outcome.VERIFYING, True, VerifyStatus.PRESENT, Outcome.RETRYABLE_FAILURE),
        (Outcome.VERIFYING, True, VerifyStatus.FAILED, Outcome.VERIFYING),
        (Outcome.VERIFYING, True, VerifyStatus.IMPOSSIBLE, Outcome.UNVERIFIED),
        (Outcome.SUBMITTED, True, VerifyStatus.FAILED, Outcome.SUBMITTED),
        (Outcome.SUBMITTED, True, VerifyStatus.IMPOSSIBLE, Outcome.UNVERIFIED),
    ],
)
def test_after_verify(before: Outcome, claimed: bool, status: VerifyStatus, outcome: Outcome) -> None:
    advance = after_verify(TaskState(before, claimed), VerifyResult(status), NOW, PACE, 0.5)
    assert advance.state.outcome is outcome


@pytest.mark.parametrize(("hours", "outcome"), [(1, Outcome.SUBMITTED), (25, Outcome.RETRYABLE_FAILURE)])
def test_E26_work_under_way_is_waited_for_a_day(hours: int, outcome: Outcome) -> None:
    state = TaskState(Outcome.SUBMITTED, True, submitted_at=NOW - timedelta(hours=hours))
    assert after_verify(state, VerifyResult(VerifyStatus.PRESENT), NOW, PACE, 0.5).state.outcome is outcome


@given(STATES, st.sampled_from(DeleteStatus), st.none() | st.sampled_from(TargetFault), st.none() | st.integers(0, 9))
def test_E28_no_delete_call_ever_ends_a_task(
    state: TaskState, status: DeleteStatus, fault: TargetFault | None, count: int | None
) -> None:
    advance = after_delete(state, DeleteResult(status, count, fault=fault), NOW, PACE, 0.5)
    assert advance.state.outcome not in ENDED
    assert advance.due >= NOW


@given(STATES, st.sampled_from(VerifyStatus), st.none() | st.integers(0, 9))
def test_E29_success_is_a_look_that_found_nothing(state: TaskState, status: VerifyStatus, count: int | None) -> None:
    advance = after_verify(state, VerifyResult(status, count), NOW, PACE, 0.5)
    assert (advance.state.outcome in VERIFIED) == (status is VerifyStatus.GONE)
    assert (advance.verified_at is not None) == (status in {VerifyStatus.GONE, VerifyStatus.RETAINED})
    assert (advance.remaining == 0 and advance.verified_at == NOW) or status is not VerifyStatus.GONE


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (VerifyStatus.EXPIRING, Outcome.AWAITING_EXPIRY),
        (VerifyStatus.KEY_PENDING, Outcome.KEY_PENDING),
        (VerifyStatus.RETAINED, Outcome.RETAINED),
    ],
)
@pytest.mark.parametrize(
    ("until_hours", "due_hours"),
    [(5, 5), (500, 24), (None, 24), (-5, 1), (0, 1)],
    ids=["soon", "far", "?", "past", "0"],
)
def test_E38_what_waits_for_a_day_is_looked_at_on_it_and_daily(
    status: VerifyStatus, outcome: Outcome, until_hours: int | None, due_hours: int
) -> None:
    until = None if until_hours is None else NOW + timedelta(hours=until_hours)
    advance = after_verify(TaskState(Outcome.PENDING), VerifyResult(status, 2, until=until), NOW, PACE, 0.5)
    assert (advance.state.outcome, advance.until, advance.remaining) == (outcome, until, 2)
    assert advance.due == NOW + timedelta(hours=due_hours)
    gone = after_verify(advance.state, VerifyResult(VerifyStatus.GONE), NOW, PACE, 0.5)
    held = status is not VerifyStatus.RETAINED
    assert gone.state.outcome is (Outcome.VERIFIED_ERASED if held else Outcome.VERIFIED_NO_DATA)


def test_counts_add_up_and_verification_waits() -> None:
    first = after_delete(TaskState(Outcome.PENDING), DeleteResult(DeleteStatus.DELETED, 3), NOW, PACE, 0.5)
    assert (first.state.deleted, first.due) == (3, NOW + timedelta(seconds=5))
    again = after_delete(first.state, DeleteResult(DeleteStatus.NO_DATA, 0), NOW, PACE, 0.5)
    assert (again.state.deleted, again.state.claimed) == (3, True)


def test_next_steps() -> None:
    assert {outcome: next_step(outcome) for outcome in RUNNABLE} == {
        Outcome.PENDING: Step.DELETE,
        Outcome.RETRYABLE_FAILURE: Step.DELETE,
        Outcome.SUBMITTED: Step.VERIFY,
        Outcome.VERIFYING: Step.VERIFY,
    }
    assert {next_step(outcome, Side.BACKUP) for outcome in RUNNABLE | WAITING} == {Step.VERIFY}
