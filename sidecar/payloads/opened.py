"""A document some of whose strings are opened, each by a format of its own: HTML in JSON, the parts of a URL.

The leaves of what is within stand in place of the string, with paths that go on below its own; the string itself is not
scanned.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sidecar.errors import PayloadFault, PayloadRefused
from sidecar.payloads.document import Document, Edit, Leaf, LeafKind

_OUTSIDE = -1


class OpenedDocument:
    """``within``: what is in the strings, by the index of their leaf in the document ``around``."""

    def __init__(self, around: Document, within: Mapping[int, Document], most_leaves: int) -> None:
        """Raises ``PayloadRefused`` (too large)."""
        self._around = around
        self._within = within
        self._most_leaves = most_leaves
        self._origins: list[tuple[int, int]] = []  # whose leaf it is: that of a string, or of none; and which one there
        self._leaves: list[Leaf] = []
        self._now: list[int] = []
        for leaf in around.leaves:
            self._now.append(len(self._leaves))
            if leaf.index in within:
                self._add(replace(leaf, kind=LeafKind.OTHER, text=""), _OUTSIDE)
                self._open(leaf, within[leaf.index])
            else:
                self._add(leaf, _OUTSIDE)

    def _open(self, host: Leaf, inner: Document) -> None:
        embedded_at = len(host.path) if host.embedded_at is None else host.embedded_at
        for leaf in inner.leaves:
            self._add(replace(leaf, path=host.path + leaf.path, embedded_at=embedded_at), host.index)

    def _add(self, leaf: Leaf, origin: int) -> None:
        if len(self._leaves) >= self._most_leaves:
            raise PayloadRefused(PayloadFault.TOO_LARGE, f"more than {self._most_leaves} leaves")
        self._origins.append((origin, leaf.index))
        self._leaves.append(replace(leaf, index=len(self._leaves)))

    @property
    def leaves(self) -> Sequence[Leaf]:
        return self._leaves

    def index_now(self, index: int) -> int:
        """Return which leaf here is the one with that index in the document around."""
        return self._now[index]

    def render(self, edits: Mapping[int, Edit]) -> bytes:
        """Return the payload. A string in which nothing is edited stays byte for byte what it was."""
        by_origin: dict[int, dict[int, Edit]] = {}
        for index, new in edits.items():
            origin, place = self._origins[index]
            by_origin.setdefault(origin, {})[place] = new
        around = by_origin.pop(_OUTSIDE, {})
        for slot, inner in by_origin.items():
            around.setdefault(slot, self._within[slot].render(inner).decode())
        return self._around.render(around)
