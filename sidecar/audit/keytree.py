"""A tree of keys of which single leaves can be destroyed: a puncturable pseudorandom function. Pure.

After Goldreich, Goldwasser and Micali ("How to construct random functions", 1986): the child of key k on side b is
HMAC-SHA-256(k, b). Whoever holds a node makes every key below it and none beside it. To destroy a leaf, the nodes above
it give way to their other children. What has to be kept grows by 20 nodes for each destroyed leaf at most, and nothing
that was sealed has to be touched.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from typing import Final

DEPTH: Final = 20
LEAVES: Final = 1 << DEPTH
NODE_BYTES: Final = 32
_SIDES: Final = b"\x00", b"\x01"

Nodes = Mapping[str, bytes]
"""Keys by their path from the root, a text of ``0`` and ``1``. No path is the beginning of another."""


class KeyTree:
    """Makes leaves from the nodes that are left. Keeps the way to the last leaf, as the next one mostly lies beside."""

    def __init__(self, nodes: Nodes) -> None:
        self._nodes = dict(nodes)
        self._last = 0
        self._way: list[bytes] = []  # keys on the way to the last leaf, the held node first

    @property
    def nodes(self) -> Nodes:
        return dict(self._nodes)

    def leaf(self, index: int) -> bytes | None:
        """Return the 32-byte key of a leaf; None when it was destroyed."""
        common = DEPTH - (index ^ self._last).bit_length()  # steps that both ways share
        held = DEPTH + 1 - len(self._way)  # how deep the held node lies
        if index < 0 or not self._way or common < held:
            path = path_of(index)
            start = next((depth for depth in range(DEPTH + 1) if path[:depth] in self._nodes), None)
            if start is None:
                return None
            self._way, common = [self._nodes[path[:start]]], start
        else:
            del self._way[common - held + 1 :]
        key = self._way[-1]
        for below in range(DEPTH - common - 1, -1, -1):
            key = hmac.digest(key, _SIDES[index >> below & 1], "sha256")
            self._way.append(key)
        self._last = index
        return key

    def without(self, indices: Iterable[int]) -> KeyTree:
        """Return the tree with some leaves destroyed; those that were already change nothing."""
        nodes = dict(self._nodes)
        for index in indices:
            _puncture(nodes, path_of(index))
        return KeyTree(nodes)


def path_of(index: int) -> str:
    """Return the way from the root to a leaf."""
    if not 0 <= index < LEAVES:
        raise ValueError(f"the tree has {LEAVES} leaves")
    return f"{index:0{DEPTH}b}"


def child(key: bytes, side: str) -> bytes:
    """Return the key below another on one side, ``0`` or ``1``."""
    return hmac.digest(key, _SIDES[side == "1"], "sha256")


def _puncture(nodes: dict[str, bytes], path: str) -> None:
    start = next((depth for depth in range(DEPTH + 1) if path[:depth] in nodes), None)
    if start is None:
        return
    key = nodes.pop(path[:start])
    for depth in range(start, DEPTH):
        side, other = path[depth], "1" if path[depth] == "0" else "0"
        nodes[path[:depth] + other] = child(key, other)
        key = child(key, side)
