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
    tried: dict[tuple[Path, str], int] = {}  # how far: thousands of names may come out alike
    given: dict[tuple[Path, str, str], str] = {}
    unique: dict[int, str] = {}
    for index, name in sorted(names.items()):
        place, before = leaves[index].path[:-1], leaves[index].text
        free = given.get((place, before, name))
        if free is None:
            attempt = tried.get((place, name), 1)
            free = _numbered(name, attempt)
            while owners.setdefault((place, free), before) != before:
                attempt += 1
                free = _numbered(name, attempt)
            tried[place, name], given[place, before, name] = attempt, free
        unique[index] = free
    return unique


def _numbered(name: str, attempt: int) -> str:
    return name if attempt == 1 else f"{name}~{attempt}"
