"""Waits (E14)."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from sidecar.erasure.backoff import Backoff


@given(
    st.integers(1, 10**9),
    st.none() | st.timedeltas(timedelta(), timedelta(days=10**6)),
    st.floats(0, 1, exclude_max=True),
)
def test_E14_never_at_once_and_never_longer_than_allowed(
    failures: int, wished: timedelta | None, chance: float
) -> None:
    backoff = Backoff()
    delay = backoff.delay(failures, wished, chance)
    assert delay >= backoff.first / 2
    assert delay <= (backoff.ceiling if wished is None else backoff.longest_wished)
    if wished is not None:
        assert delay >= min(wished, backoff.longest_wished)


def test_E14_waits_grow_and_differ_by_chance() -> None:
    backoff = Backoff(first=timedelta(seconds=2))
    assert [backoff.delay(n, None, 0.0).total_seconds() for n in (1, 2, 3, 4)] == [1, 2, 4, 8]
    assert backoff.delay(3, None, 0.5).total_seconds() == 6
    assert backoff.delay(99, None, 0.0) == timedelta(minutes=30)
