"""A system that can't be in time is said so at start (E36)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.erasure.deadlines import DeadlinePolicy, Regulation, deadlines
from sidecar.erasure.feasibility import shortest_period, too_slow_for


@pytest.mark.parametrize(
    ("days", "laws"),
    [
        (1, ()),
        (14.9, ()),
        (15, (Regulation.LGPD,)),
        (30, (Regulation.GDPR, Regulation.UK_GDPR, Regulation.LGPD)),
        (45, tuple(Regulation)),
    ],
)
def test_E36_which_deadlines_are_missed(days: float, laws: tuple[Regulation, ...]) -> None:
    assert too_slow_for(timedelta(days=days)) == laws


@given(st.sampled_from(Regulation), st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1)))
def test_E36_no_request_has_less_time_than_is_reckoned_with(regulation: Regulation, received: datetime) -> None:
    start = received.replace(tzinfo=UTC)
    assert deadlines(regulation, start, None, DeadlinePolicy()).legal - start >= shortest_period(regulation)
