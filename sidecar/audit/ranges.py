"""The subtrees into which a range of a Merkle tree falls, so that a tree can grow by records that are no longer there.

A range [first, end) of leaves is a row of complete, aligned subtrees: 2·log₂ n at most. Appended to the tree before
it, they give the tree after it. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from sidecar.audit.merkle import Frontier, hash_children


class Node(NamedTuple):
    """A complete subtree over 2^level leaves."""

    level: int
    hash: bytes


class Misaligned(ValueError):
    """A subtree can't stand there."""


def nodes_of(first: int, leaf_hashes: Iterable[bytes]) -> tuple[Node, ...]:
    """Return the subtrees over leaves that begin at index ``first``, from left to right."""
    row: list[tuple[int, Node]] = []  # with the index that each begins at, in leaves
    for index, leaf_hash in enumerate(leaf_hashes, start=first):
        start, node = index, Node(0, leaf_hash)
        while row and row[-1][1].level == node.level and row[-1][0] % (2 << node.level) == 0:
            start, left = row.pop()
            node = Node(node.level + 1, hash_children(left.hash, node.hash))
        row.append((start, node))
    return tuple(node for _, node in row)


def grown(tree: Frontier, nodes: Iterable[Node]) -> Frontier:
    """Return the tree with subtrees appended. Raises Misaligned where they don't fit."""
    size, peaks = tree.size, list(tree.peaks)
    for level, carried in nodes:
        if level < 0 or size % (1 << level):
            raise Misaligned("the subtrees do not continue the tree")
        height = level
        while size >> height & 1:
            carried = hash_children(peaks.pop(), carried)
            height += 1
        peaks.append(carried)
        size += 1 << level
    return Frontier(size, tuple(peaks))
