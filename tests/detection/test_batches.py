"""Batches are small enough for a worker's budget, and spread over the workers there are."""

from __future__ import annotations

import pytest

from sidecar.detection.batches import batches
from sidecar.detection.recognizer import Message


@pytest.mark.parametrize(
    ("lengths", "workers", "sizes"),
    [
        ([], 1, []),
        ([5], 4, [1]),
        ([5] * 20, 1, [20]),
        ([5] * 20, 2, [10, 10]),
        ([5] * 100, 2, [32, 32, 32, 4]),
        ([9000, 9000, 1], 1, [1, 1, 1]),
        ([4000, 4000, 4000], 1, [2, 1]),
    ],
)
def test_batches(lengths: list[int], workers: int, sizes: list[int]) -> None:
    assert [len(batch) for batch in batches([Message("x" * n) for n in lengths], workers)] == sizes
