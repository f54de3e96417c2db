"""A tree grows by the subtrees of a range as by its leaves (A32)."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.audit.merkle import Frontier
from sidecar.audit.ranges import Misaligned, Node, grown, nodes_of

LEAVES = [sha256(bytes([number])).digest() for number in range(200)]


@given(st.integers(0, 100), st.integers(0, 100), st.integers(0, 100))
def test_a_tree_grows_by_subtrees_as_by_leaves_a32(before: int, dropped: int, after: int) -> None:
    tree = Frontier().extended(LEAVES[:before])
    nodes = nodes_of(before, LEAVES[before : before + dropped])
    tree = grown(tree, nodes).extended(LEAVES[before + dropped : before + dropped + after])
    assert tree == Frontier().extended(LEAVES[: before + dropped + after])
    assert sum(1 << node.level for node in nodes) == dropped
    assert len(nodes) <= 2 * 8


@pytest.mark.parametrize("level", [1, 2, -1])
def test_a_subtree_that_does_not_fit_is_refused(level: int) -> None:
    with pytest.raises(Misaligned):
        grown(Frontier().extended(LEAVES[:3]), [Node(level, LEAVES[0])])
