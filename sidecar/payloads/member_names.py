"""Rewritten member names stay unique within their object: two masks may come out alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sidecar.payloads.document import Leaf, LeafKind, Path


def keep_unique(leaves: Sequence[Leaf], names: Mapping[int, str]) -> dict[int, str]:
    """Return the new names by leaf index, with ``~2``, ``~3`` … behind those that would meet another name.

    Names that were equal before stay equal: a duplicate name is the payload's own.
    """
    if not names:
        return {}
    objects = {leaves[index].path[:-1] for index in names}
    owners: dict[tuple[Path, str], str] = {
        (leaf.path[:-1], leaf.text): leaf.text
        for leaf in leaves
        if leaf.kind is LeafKind.KEY and leaf.index not in names and leaf.path[:-1] in objects
    }
    unique: dict[int, str] = {}
    for index, name in sorted(names.items()):
        leaf, attempt, free = leaves[index], 1, name
        while owners.setdefault((leaf.path[:-1], free), leaf.text) != leaf.text:
            attempt += 1
            free = f"{name}~{attempt}"
        unique[index] = free
    return unique
