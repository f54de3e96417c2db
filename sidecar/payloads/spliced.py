"""A document that remembers where each leaf stands in the text, so that rendering is splicing (P35)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sidecar.errors import PayloadFault, PayloadRefused
from sidecar.payloads.document import Edit, Leaf, LeafKind, Path

Writer = Callable[[str | None], str]
"""Turns a new text (None: no value) into what stands in the payload: quoted, escaped, percent-encoded …"""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what one payload may make us hold.

    ``depth``: open containers; ``leaves``: entries of ``Document.leaves``; ``path_parts``: the lengths of all their
    paths together (a long array far down costs depth times length); ``embedding``: JSON in strings in strings;
    ``parts``: of a multipart body.
    """

    depth: int = 200
    leaves: int = 500_000
    path_parts: int = 5_000_000
    embedding: int = 3
    parts: int = 1_000


DEFAULT_LIMITS = Limits()


class SplicedDocument:
    """Leaves with their places in one text. Immutable: ``render`` cuts and joins a copy."""

    def __init__(self, text: str, builder: SplicedBuilder) -> None:
        self._text = text
        self._leaves = builder.leaves
        self._starts, self._ends, self._writers = builder.starts, builder.ends, builder.writers

    @property
    def leaves(self) -> Sequence[Leaf]:
        return self._leaves

    def render(self, edits: Mapping[int, Edit]) -> bytes:
        """Return UTF-8 bytes. An edit inside a dropped container is swallowed by the drop."""
        pieces: list[str] = []
        done = 0
        for index in sorted(edits, key=self._order):
            start = self._starts[index]
            if start < done:
                continue
            pieces += (self._text[done:start], self._written(index, edits[index]))
            done = self._ends[index]
        pieces.append(self._text[done:])
        return encoded("".join(pieces))

    def _order(self, index: int) -> tuple[int, int]:
        """Outer places before the inner ones that start at the same character."""
        return self._starts[index], -self._ends[index]

    def _written(self, index: int, new: Edit) -> str:
        kind = self._leaves[index].kind
        if isinstance(new, int):
            if kind is not LeafKind.NUMBER:
                raise ValueError(f"leaf {index} is a {kind.value} and can't become a number")
            return str(new)  # digits are written alike at any depth of escapes
        if (kind is LeafKind.KEY and new is None) or (kind is LeafKind.CONTAINER and new is not None):
            raise ValueError(f"leaf {index} is a {kind.value} and can't be edited so")
        return self._writers[index](new)


class SplicedBuilder:
    """Collects leaves and their places while a payload is scanned; keeps the limits.

    ``starts`` and ``ends``: the half-open range of each leaf in the whole text, delimiters included. ``writers``: how
    another value is written there. Lists beside each other, since a payload has many leaves and few writers.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.leaves: list[Leaf] = []
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.writers: list[Writer] = []
        self._parts = 0

    def add(
        self,
        path: Path,
        kind: LeafKind,
        text: str,
        start: int,
        end: int,
        writer: Writer,
        embedded_at: int | None = None,
    ) -> int:
        """Append one leaf; return its index. Raises ``PayloadRefused`` (too large) past the limits."""
        index = len(self.leaves)
        self._parts += len(path)
        if index >= self.limits.leaves or self._parts > self.limits.path_parts:
            raise PayloadRefused(PayloadFault.TOO_LARGE, f"more than {index} leaves, or their paths too long")
        self.leaves.append(Leaf(index, path, kind, text, embedded_at))
        self.starts.append(start)
        self.ends.append(end)
        self.writers.append(writer)
        return index

    def move(self, index: int, start: int, end: int, writer: Writer) -> None:
        """Give a leaf its place when that was not known yet."""
        self.starts[index], self.ends[index], self.writers[index] = start, end, writer

    def forget_from(self, index: int) -> None:
        """Take back everything added from ``index`` on: what looked like JSON in a string was none."""
        for column in (self.leaves, self.starts, self.ends, self.writers):
            del column[index:]

    def build(self, text: str) -> SplicedDocument:
        return SplicedDocument(text, self)


def encoded(text: str) -> bytes:
    """UTF-8. A lone surrogate can only come from a payload that was decoded laxly: refused, and not quoted."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise PayloadRefused(PayloadFault.CHARSET, "a lone surrogate outside an escape") from None
