"""The tree of RFC 6962 (A29): published vectors, and an implementation of its own that knows the recursion only."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.audit.merkle import (
    EMPTY_ROOT,
    Frontier,
    ProofInvalid,
    consistency_proof,
    hash_leaf,
    inclusion_proof,
    nodes_over,
    root_of,
    verify_consistency,
    verify_inclusion,
)

# The leaves and roots that Certificate Transparency's implementations share as test data for RFC 6962.
INPUTS = [
    bytes.fromhex(one)
    for one in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
INCLUSIONS = [  # leaf, size, path by the first bytes of each hash
    (0, 1, []),
    (0, 8, ["96a296d2", "5f083f0a", "6b47aaf2"]),
    (5, 8, ["bc1a0643", "ca854ea1", "d37ee418"]),
    (2, 3, ["fac54203"]),
    (1, 5, ["6e340b9c", "5f083f0a", "bc1a0643"]),
]
CONSISTENCIES = [  # old size, new size, path
    (1, 1, []),
    (1, 8, ["96a296d2", "5f083f0a", "6b47aaf2"]),
    (6, 8, ["0ebc5d34", "ca854ea1", "d37ee418"]),
    (2, 5, ["5f083f0a", "bc1a0643"]),
]
LEAVES = [hash_leaf(one) for one in INPUTS]
SIZES = st.integers(0, 130)


def leaves(count: int) -> list[bytes]:
    return [hash_leaf(number.to_bytes(4)) for number in range(count)]


def naive_root(hashes: list[bytes]) -> bytes:
    """MTH of RFC 6962, section 2.1, word for word, over leaf hashes."""
    if not hashes:
        return sha256().digest()
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    return sha256(b"\x01" + naive_root(hashes[:k]) + naive_root(hashes[k:])).digest()


def naive_path(m: int, hashes: list[bytes]) -> list[bytes]:
    """PATH of RFC 6962, section 2.1.1."""
    if len(hashes) == 1:
        return []
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    if m < k:
        return [*naive_path(m, hashes[:k]), naive_root(hashes[k:])]
    return [*naive_path(m - k, hashes[k:]), naive_root(hashes[:k])]


def naive_subproof(m: int, hashes: list[bytes], known: object) -> list[bytes]:
    """SUBPROOF of RFC 6962, section 2.1.2; ``known``: whether the verifier has this node as the old root."""
    if m == len(hashes):
        return [] if known else [naive_root(hashes)]
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    if m <= k:
        return [*naive_subproof(m, hashes[:k], known), naive_root(hashes[k:])]
    return [*naive_subproof(m - k, hashes[k:], None), naive_root(hashes[:k])]


def grown(count: int) -> Frontier:
    frontier = Frontier()
    for leaf in leaves(count):
        frontier = frontier.after(leaf)
    return frontier


@pytest.mark.parametrize("size", range(9))
def test_roots_are_the_published_ones_a29(size: int) -> None:
    assert Frontier().extended(LEAVES[:size]).root().hex() == ROOTS[size]
    assert root_of(size, nodes_over(LEAVES)).hex() == ROOTS[size]


@pytest.mark.parametrize(("index", "size", "path"), INCLUSIONS)
def test_inclusion_proofs_are_the_published_ones_a29(index: int, size: int, path: list[str]) -> None:
    proof = inclusion_proof(index, size, nodes_over(LEAVES))
    assert [one.hex()[:8] for one in proof] == path
    verify_inclusion(LEAVES[index], index, size, proof, bytes.fromhex(ROOTS[size]))


@pytest.mark.parametrize(("old", "new", "path"), CONSISTENCIES)
def test_consistency_proofs_are_the_published_ones_a29(old: int, new: int, path: list[str]) -> None:
    proof = consistency_proof(old, new, nodes_over(LEAVES))
    assert [one.hex()[:8] for one in proof] == path
    verify_consistency(old, bytes.fromhex(ROOTS[old]), new, bytes.fromhex(ROOTS[new]), proof)


@given(SIZES, SIZES)
def test_a_tree_grows_to_the_same_root_in_any_steps(first: int, second: int) -> None:
    whole = leaves(first + second)
    frontier = grown(first).extended(whole[first:])
    assert frontier == grown(first + second)
    assert frontier.root() == naive_root(whole)
    assert len(frontier.peaks) <= frontier.size.bit_length()


@given(st.integers(1, 130), st.data())
def test_inclusion_proofs_are_those_of_the_recursion_and_short_a29(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    whole = leaves(size)
    proof = inclusion_proof(index, size, nodes_over(whole))
    assert list(proof) == naive_path(index, whole)
    assert len(proof) <= (size - 1).bit_length()  # the ceiling of log2
    verify_inclusion(whole[index], index, size, proof, naive_root(whole))


@given(SIZES, SIZES)
def test_consistency_proofs_are_those_of_the_recursion_a29(one: int, other: int) -> None:
    old, new = sorted((one, other))
    whole = leaves(new)
    proof = consistency_proof(old, new, nodes_over(whole))
    assert list(proof) == (naive_subproof(old, whole, "yes") if old else [])
    verify_consistency(old, naive_root(whole[:old]), new, naive_root(whole), proof)


@given(st.integers(2, 70), st.data())
def test_nothing_but_the_proof_proves_an_inclusion(size: int, data: st.DataObject) -> None:
    whole = leaves(size)
    index = data.draw(st.integers(0, size - 1))
    proof, root = list(inclusion_proof(index, size, nodes_over(whole))), naive_root(whole)
    other = data.draw(st.integers(0, size - 1).filter(lambda at: at != index))
    place = data.draw(st.integers(0, len(proof) - 1))
    flipped = bytes((proof[place][0] ^ 1,)) + proof[place][1:]
    wrong = [
        (whole[other], index, size, proof, root),
        (whole[index], other, size, proof, root),
        (whole[index], index, size, proof[:-1], root),
        (whole[index], index, size, [*proof, root], root),
        (whole[index], index, size, [*proof[:place], flipped, *proof[place + 1 :]], root),
        (whole[index], index, size, proof, naive_root(whole[:-1])),
        (whole[index], size, size, proof, root),
    ]
    for case in wrong:
        with pytest.raises(ProofInvalid):
            verify_inclusion(*case)


@given(st.integers(2, 70), st.data())
def test_nothing_but_the_proof_proves_consistency(new: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, new - 1))
    whole = leaves(new)
    proof, roots = list(consistency_proof(old, new, nodes_over(whole))), (naive_root(whole[:old]), naive_root(whole))
    rewritten = [hash_leaf(b"another"), *whole[1:]]
    wrong = [
        (old, naive_root(rewritten[:old]), new, roots[1], proof),
        (old, roots[0], new, naive_root(rewritten), proof),
        (old, roots[0], new, roots[1], proof[:-1]),
        (old, roots[0], new, roots[1], [*proof, roots[0]]),
        (new, roots[1], old, roots[0], proof),
        (old, roots[0], old, roots[1], []),
        (0, roots[0], new, roots[1], []),
    ]
    for case in wrong:
        with pytest.raises(ProofInvalid):
            verify_consistency(*case)


def test_an_empty_tree_has_a_root_and_no_leaf() -> None:
    assert Frontier().root() == EMPTY_ROOT
    with pytest.raises(ValueError, match="no leaf 0"):
        inclusion_proof(0, 0, nodes_over([]))
    with pytest.raises(ValueError, match="beginning"):
        consistency_proof(3, 2, nodes_over(leaves(3)))


def test_a_frontier_is_checked_when_it_comes_from_elsewhere() -> None:
    with pytest.raises(ValueError, match="peak"):
        Frontier(3, (hash_leaf(b""),))
