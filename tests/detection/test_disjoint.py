"""Disjoint spans that stay in order, however many there are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.detection import disjoint
from sidecar.detection.disjoint import Disjoint
from sidecar.detection.span import Span

ranges = st.tuples(st.integers(0, 60), st.integers(1, 12), st.booleans())


def span(start: int, end: int) -> Span:
    return Span(start, end, "PERSON", 0.7, "r")


@given(st.lists(ranges, max_size=60))
def test_it_is_as_a_plain_list(steps: list[tuple[int, int, bool]]) -> None:
    kept, plain = Disjoint(), list[Span]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(disjoint, "_BLOCK", 2)
        for start, length, takes_all in steps:
            one = span(start, start + length)
            rivals = kept.overlapping(one)
            assert rivals == [other for other in plain if other.overlaps(one)]
            new = [one] if takes_all or not rivals else rivals[1:] or rivals
            if takes_all and rivals:
                new = [span(min(start, rivals[0].start), max(one.end, rivals[-1].end))]
            kept.exchange(one, new)
            plain = sorted([other for other in plain if other not in rivals] + new)
            assert list(kept) == plain


@pytest.mark.timeout(60)
def test_a_million_are_put_before_each_other() -> None:
    """Minutes if each moved all the others."""
    kept = Disjoint()
    for start in range(2_000_000, 0, -2):
        one = span(start, start + 1)
        kept.exchange(one, [one])
    assert sum(1 for _ in kept) == 1_000_000
