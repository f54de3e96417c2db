"""The tree of keys for links: every leaf can be made, and a destroyed one by nobody (A24)."""

from __future__ import annotations

import hmac

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.audit.keytree import DEPTH, LEAVES, KeyTree, path_of

ROOT = bytes(range(32))
INDEX = st.integers(0, LEAVES - 1)


def by_hand(index: int) -> bytes:
    """The documented formula, step by step."""
    key = ROOT
    for side in f"{index:020b}":
        key = hmac.new(key, bytes([int(side)]), "sha256").digest()
    return key


@settings(max_examples=50)
@given(st.lists(INDEX, min_size=1, max_size=20))
def test_a_leaf_is_what_the_formula_says_in_whatever_order_leaves_are_asked_for(indices: list[int]) -> None:
    tree = KeyTree({"": ROOT})
    assert [tree.leaf(one) for one in indices] == [by_hand(one) for one in indices]


@settings(max_examples=50)
@given(st.sets(INDEX, min_size=1, max_size=10), st.sets(INDEX, max_size=10))
def test_a_destroyed_leaf_is_gone_and_every_other_stays_a24(destroyed: set[int], others: set[int]) -> None:
    tree = KeyTree({"": ROOT}).without(destroyed)
    assert all(tree.leaf(one) is None for one in destroyed)
    neighbours = {near for one in destroyed for near in (one - 1, one + 1) if 0 <= near < LEAVES}
    for one in sorted((others | neighbours) - destroyed):
        assert tree.leaf(one) == by_hand(one)
    again = KeyTree(tree.nodes)
    assert all(again.leaf(one) is None for one in destroyed)


@given(st.sets(INDEX, min_size=1, max_size=10))
def test_what_is_kept_cannot_make_what_was_destroyed_a24(destroyed: set[int]) -> None:
    """No node that is left lies on the way to a destroyed leaf, and there are at most 20 for each."""
    nodes = KeyTree({"": ROOT}).without(destroyed).nodes
    assert len(nodes) <= DEPTH * len(destroyed)
    for path in nodes:
        assert not any(path_of(one).startswith(path) for one in destroyed)


def test_destroying_twice_or_all_of_two_is_no_harm() -> None:
    tree = KeyTree({"": ROOT}).without([6]).without([6, 7])
    assert (tree.leaf(6), tree.leaf(7), tree.leaf(5)) == (None, None, by_hand(5))


@pytest.mark.parametrize("index", [-1, LEAVES])
def test_there_is_no_leaf_outside_the_tree(index: int) -> None:
    with pytest.raises(ValueError, match="leaves"):
        KeyTree({"": ROOT}).leaf(index)
