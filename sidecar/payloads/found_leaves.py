"""The leaves of one event by the patterns they match, and which of them is nearest to a place. Pure.

Events may be long, and made so that each piece of text has all others beside it: what is asked for each piece takes
time in the length of its path only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sidecar.payloads.document import Leaf, Path, PathPart
from sidecar.payloads.paths import PathPattern


class FoundLeaves:
    """``numbers``: of the patterns, as leaves are added by them."""

    def __init__(self, numbers: Mapping[PathPattern, int]) -> None:
        self._numbers = numbers
        self._at: dict[int, list[Leaf]] = {}
        self._trees: dict[int, _Branch] = {}
        self._within: dict[tuple[int, int], dict[Path, list[str]]] = {}

    def add(self, number: int, leaf: Leaf) -> None:
        """All are added before anything is asked."""
        self._at.setdefault(number, []).append(leaf)

    def of(self, pattern: PathPattern) -> Sequence[Leaf]:
        """In the order they were added in."""
        return self._at.get(self._numbers[pattern], ())

    def nearest(self, pattern: PathPattern, path: Path) -> Leaf | None:
        """Return the pattern's leaf that has most of the path in common, the first of several.

        What is in another element of one array is not meant, unless the pattern counts that element off.
        """
        number = self._numbers[pattern]
        tree = self._trees.get(number)
        if tree is None:
            tree = self._trees[number] = _tree(self.of(pattern))
        branches = [tree]
        for part in path:
            below = branches[-1].below.get(part)
            if below is None:
                break
            branches.append(below)
        for shared in reversed(range(len(branches))):
            leaf = branches[shared].nearest(pattern, path, shared)
            if leaf is not None:
                return leaf
        return None

    def within(self, pattern: PathPattern, element: Path) -> Sequence[str]:
        """Return the values of the pattern's leaves within the element."""
        key = (self._numbers[pattern], len(element))
        if key not in self._within:
            by_element = self._within[key] = {}
            for leaf in self.of(pattern):
                by_element.setdefault(leaf.path[: len(element)], []).append(leaf.text)
        return self._within[key].get(element, ())


@dataclass(slots=True)
class _Branch:
    """All leaves whose paths begin alike. ``first``: of them; ``other``: that goes on in another way than the first;
    ``no_element``: that does not go on with an element of an array.
    """

    first: Leaf | None = None
    other: Leaf | None = None
    no_element: Leaf | None = None
    below: dict[PathPart, _Branch] = field(default_factory=dict)

    def add(self, leaf: Leaf, depth: int) -> None:
        following = leaf.path[depth : depth + 1]
        if self.first is None:
            self.first = leaf
        elif self.other is None and self.first.path[depth : depth + 1] != following:
            self.other = leaf
        if self.no_element is None and not (following and isinstance(following[0], int)):
            self.no_element = leaf

    def nearest(self, pattern: PathPattern, path: Path, shared: int) -> Leaf | None:
        """Return the first leaf that has this much of the path in common, and no more."""
        following = path[shared : shared + 1]
        if following and isinstance(following[0], int) and not _counts(pattern, shared):
            return self.no_element
        if following and self.first is not None and self.first.path[shared : shared + 1] == following:
            return self.other
        return self.first


def _tree(leaves: Sequence[Leaf]) -> _Branch:
    root = _Branch()
    for leaf in leaves:
        branch = root
        branch.add(leaf, 0)
        for depth, part in enumerate(leaf.path, 1):
            below = branch.below.get(part)
            if below is None:
                below = branch.below[part] = _Branch()
            branch = below
            branch.add(leaf, depth)
    return root


def _counts(pattern: PathPattern, depth: int) -> bool:
    """Whether the pattern names an element by its position."""
    segments = pattern.segments
    return pattern.has_fixed_length and depth < len(segments) and isinstance(segments[depth].selector, int)


def shared_by(one: Path, other: Path) -> int:
    """How many parts two paths have in common from the root on."""
    shared = 0
    for mine, theirs in zip(one, other, strict=False):
        if mine != theirs:
            break
        shared += 1
    return shared
