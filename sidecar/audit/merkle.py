"""The Merkle tree over a log: roots, proofs, and their verification, as RFC 6962 (section 2.1) and RFC 9162 say. Pure.

A leaf's hash is made elsewhere (``chain``); here a tree is a number of leaf hashes, 32 bytes each. A *node* is a
complete subtree, by level and index from the left: node (0, i) is leaf i, node (l, i) stands over leaves
[i·2^l, (i+1)·2^l). Every root and every proof is put together from such nodes, so whoever keeps some of them need not
hash the whole log again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from hashlib import sha256

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()

NodeAt = Callable[[int, int], bytes]
"""Gives the hash of the complete subtree (level, index). Called only for subtrees that lie whole within the tree."""


class ProofInvalid(ValueError):
    """A proof does not show what it is said to show."""


def hash_leaf(data: bytes) -> bytes:
    """Return the hash of a leaf that holds ``data``."""
    return sha256(b"\x00" + data).digest()


def hash_children(left: bytes, right: bytes) -> bytes:
    """Return the hash of a node over two others. Another prefix than a leaf's: neither can pass for the other."""
    return sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Frontier:
    """All that has to be remembered of a tree to let it grow: the complete subtrees it falls into, largest first.

    One for each bit that is set in ``size``, so ⌈log₂ n⌉ hashes at most (a "compact range" from 0).
    """

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 0 or len(self.peaks) != self.size.bit_count():
            raise ValueError("a frontier has one peak for each bit of its size")

    def after(self, leaf_hash: bytes) -> Frontier:
        """Return the tree with one more leaf."""
        return self.extended((leaf_hash,))

    def extended(self, leaf_hashes: Iterable[bytes]) -> Frontier:
        """Return the tree with more leaves; two hashes for each on average."""
        size, peaks = self.size, list(self.peaks)
        for node in leaf_hashes:
            trailing, carried = size, node
            while trailing & 1:
                carried = hash_children(peaks.pop(), carried)
                trailing >>= 1
            peaks.append(carried)
            size += 1
        return Frontier(size, tuple(peaks))

    def root(self) -> bytes:
        """Return the root hash of the tree as it is."""
        return _joined(self.peaks) if self.peaks else EMPTY_ROOT


def nodes_over(leaf_hashes: Sequence[bytes]) -> NodeAt:
    """Return the nodes of a tree that is in memory. Each level is worked out once, when it is first asked for."""
    levels: list[Sequence[bytes]] = [leaf_hashes]

    def node(level: int, index: int) -> bytes:
        while len(levels) <= level:
            below = levels[-1]
            levels.append([hash_children(below[at], below[at + 1]) for at in range(0, len(below) - 1, 2)])
        return levels[level][index]

    return node


def root_of(size: int, node: NodeAt) -> bytes:
    """Return the root hash of the first ``size`` leaves."""
    return _range_hash(0, size, node) if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, node: NodeAt) -> tuple[bytes, ...]:
    """Return the audit path of one leaf in the tree of ``size`` leaves: ⌈log₂ size⌉ hashes at most, lowest first."""
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    path = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_range_hash(middle, end, node))
            end = middle
        else:
            path.append(_range_hash(start, middle, node))
            start = middle
    return tuple(reversed(path))


def consistency_proof(old_size: int, new_size: int, node: NodeAt) -> tuple[bytes, ...]:
    """Return what shows that the tree of ``old_size`` leaves is the beginning of that of ``new_size``.

    Empty for equal sizes, and for an empty old tree, of which nothing has to be shown.
    """
    if not 0 <= old_size <= new_size:
        raise ValueError(f"no tree of {old_size} leaves is the beginning of one of {new_size}")
    if old_size in (0, new_size):
        return ()
    path = []
    start, end = 0, new_size
    while end != old_size:
        middle = start + _split(end - start)
        if old_size <= middle:
            path.append(_range_hash(middle, end, node))
            end = middle
        else:
            path.append(_range_hash(start, middle, node))
            start = middle
    if start:  # else the old tree is one node, whose hash the verifier has as the old root
        path.append(_range_hash(start, end, node))
    return tuple(reversed(path))


def verify_inclusion(leaf_hash: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Raise ProofInvalid unless the proof leads from the leaf to the root (RFC 9162, section 2.1.3.2)."""
    if not 0 <= index < size:
        raise ProofInvalid("the tree has no such leaf")
    at, last, node = index, size - 1, leaf_hash
    for sibling in proof:
        if last == 0:
            raise ProofInvalid("the proof is too long")
        if at & 1 or at == last:
            node = hash_children(sibling, node)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            node = hash_children(node, sibling)
        at, last = at >> 1, last >> 1
    if last:
        raise ProofInvalid("the proof is too short")
    if node != root:
        raise ProofInvalid("the proof leads to another root")


def verify_consistency(old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Raise ProofInvalid unless the old tree is the beginning of the new one (RFC 9162, section 2.1.4.2)."""
    if not 0 <= old_size <= new_size:
        raise ProofInvalid("the old tree is larger than the new one")
    if old_size == new_size:
        _require(not proof and old_root == new_root, "two trees of one size have different roots")
        return
    if old_size == 0:
        _require(not proof and old_root == EMPTY_ROOT, "an empty tree has the hash of nothing for its root")
        return
    path = list(proof) if old_size & (old_size - 1) else [old_root, *proof]
    _require(bool(path), "the proof is too short")
    at, last = old_size - 1, new_size - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    old = new = path[0]
    for sibling in path[1:]:
        _require(last > 0, "the proof is too long")
        if at & 1 or at == last:
            old, new = hash_children(sibling, old), hash_children(sibling, new)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            new = hash_children(new, sibling)
        at, last = at >> 1, last >> 1
    _require(last == 0, "the proof is too short")
    _require(old == old_root, "the proof leads to another old root")
    _require(new == new_root, "the proof leads to another new root")


def _require(holds: object, otherwise: str) -> None:
    if not holds:
        raise ProofInvalid(otherwise)


def _split(count: int) -> int:
    """Return the largest power of two below ``count``: how many leaves go to the left (count ≥ 2)."""
    return 1 << (count - 1).bit_length() - 1


def _range_hash(start: int, end: int, node: NodeAt) -> bytes:
    """Return the hash over leaves [start, end), where start is a multiple of the largest power of two within."""
    peaks = []
    while start < end:
        level = (end - start).bit_length() - 1
        peaks.append(node(level, start >> level))
        start += 1 << level
    return _joined(peaks)


def _joined(peaks: Sequence[bytes]) -> bytes:
    """Join subtrees that stand beside each other, largest first, from the right."""
    return reduce(lambda right, left: hash_children(left, right), reversed(peaks))
