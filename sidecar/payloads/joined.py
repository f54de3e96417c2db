"""Texts that a reader sees in one piece, though markup stands between: ``marta<mark>@</mark>example.org``.

Such a run is read as one text, and what is found in it is written back into its pieces; the markup stays. Where it is
not clear whether two pieces are one word, both readings are scanned, and both edits hold. (What is found in both is
counted twice.)
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from itertools import pairwise, takewhile

from sidecar.errors import PayloadFault, PayloadRefused
from sidecar.payloads.document import Edit, Leaf, LeafKind, Path
from sidecar.payloads.spliced import SplicedBuilder, Writer

_LONGEST = 2_000
"""Characters of a run before it is ended at the next piece: what is compared word by word stays short."""
_TOKEN = re.compile(r"\s*\[[A-Z_]+(?:[0-9]+|#[0-9a-f]+)\]|\s*\w+|\s*[^\w\s]|\s+")  # a placeholder is one
_WORD = re.compile(r"\w")

_MOST_PAIRS = 200_000
"""Of equal words, one in each text: of prose a page has thousands, a line of dots has the square of its length."""

Reading = tuple[int | str, ...]
"""What a leaf shows, in order: texts of slots, which are leaves themselves, and what stands for markup."""


@dataclass(frozen=True, slots=True)
class Change:
    """Characters ``start`` to ``end`` of a text give way to another."""

    start: int
    end: int
    text: str = field(repr=False)


class Reworded(str):
    """What a text became, of which it is known by which changes: sorted, and none that overlap."""

    __slots__ = ("changes",)
    changes: Sequence[Change]

    def __new__(cls, new: str, changes: Sequence[Change]) -> Reworded:
        made = super().__new__(cls, new)
        made.changes = changes
        return made


@dataclass(frozen=True, slots=True)
class _Piece:
    path: Path = field(repr=False)
    text: str = field(repr=False)
    start: int
    end: int
    writer: Writer


class Joiner:
    """Gathers the pieces of one run after the other, and adds them to the builder.

    ``slots``: as what the pieces are added. ``STRING`` has each scanned on its own, by the rules of its own place; with
    ``OTHER`` they are only read together, and a second time with spaces between. ``readings``: of each joined leaf.
    """

    def __init__(self, builder: SplicedBuilder, slots: LeafKind) -> None:
        self._builder = builder
        self._slots = slots
        self._run: list[_Piece | str] = []
        self._length = 0
        self.readings: dict[int, Reading] = {}

    def text(self, path: Path, text: str, start: int, end: int, writer: Writer) -> None:
        """Add a piece: its decoded text, and its place in the payload."""
        if self._length > _LONGEST:
            self.finish()
        self._run.append(_Piece(path, text, start, end, writer))
        self._length += len(text)

    def gap(self, shown: str) -> None:
        """Say what a reader sees of markup within the run: nothing, or a line end."""
        if self._run and shown:
            self._run.append(shown)

    def ends_with_colon(self) -> bool:
        """Whether the run, as far as it goes, announces what comes next."""
        shown = "".join(one if isinstance(one, str) else one.text for one in self._run[-2:])
        return shown.rstrip().endswith(":")

    def finish(self) -> None:
        """End the run. Blank ones leave no leaf."""
        run, self._run, self._length = self._run, [], 0
        while run and _is_blank(run[0]):
            run.pop(0)
        while run and _is_blank(run[-1]):
            run.pop()
        pieces = [one for one in run if isinstance(one, _Piece)]
        if len(pieces) == 1:
            self._add(LeafKind.STRING, pieces[0])
        elif pieces:
            self._join(run, pieces)

    def _join(self, run: list[_Piece | str], pieces: list[_Piece]) -> None:
        reading = tuple(one if isinstance(one, str) else self._add(self._slots, one) for one in run)
        path = _common([piece.path for piece in pieces])
        self._read(reading, path, pieces[0])
        apart = self._apart(reading) if self._slots is LeafKind.OTHER else reading
        if apart != reading:
            self._read(apart, path, pieces[0])

    def _apart(self, reading: Reading) -> Reading:
        """The reading with a space wherever two pieces touch."""
        shown = [self._shown(one) for one in reading]
        spaced: list[int | str] = [reading[0]]
        for (before, after), one in zip(pairwise(shown), reading[1:], strict=True):
            spaced += [one] if before[-1:].isspace() or after[:1].isspace() or not after else [" ", one]
        return tuple(spaced)

    def _read(self, reading: Reading, path: Path, first: _Piece) -> None:
        text = "".join(self._shown(one) for one in reading)
        index = self._builder.add(path, LeafKind.STRING, text, first.start, first.start, first.writer)
        self.readings[index] = reading

    def _shown(self, one: int | str) -> str:
        return one if isinstance(one, str) else self._builder.leaves[one].text

    def _add(self, kind: LeafKind, piece: _Piece) -> int:
        return self._builder.add(piece.path, kind, piece.text, piece.start, piece.end, piece.writer)


def _common(paths: Sequence[Path]) -> Path:
    """The place that all of these are in: what is said of one of them alone is not said of the others."""
    common = paths[0]
    for path in paths[1:]:
        common = tuple(one for one, _ in takewhile(lambda pair: pair[0] == pair[1], zip(common, path, strict=False)))
    return common


def _is_blank(one: _Piece | str) -> bool:
    return not (one if isinstance(one, str) else one.text).strip()


class JoinedDocument:
    """A document some of whose leaves are readings of several slots."""

    def __init__(self, text: str, builder: SplicedBuilder, readings: Mapping[int, Reading]) -> None:
        self._document = builder.build(text)
        self._readings = readings

    @property
    def leaves(self) -> Sequence[Leaf]:
        return self._document.leaves

    def render(self, edits: Mapping[int, str | int | None]) -> bytes:
        """Return UTF-8 bytes. Edits of readings become edits of their slots; None empties them all."""
        plain = {index: new for index, new in edits.items() if index not in self._readings}
        of_slots: dict[int, list[Change]] = {}
        for index in sorted(edits.keys() & self._readings.keys()):
            for slot, change in self._spread(index, edits[index]):
                of_slots.setdefault(slot, []).append(change)
        for slot, some in of_slots.items():
            old, own = self.leaves[slot].text, plain.get(slot, self.leaves[slot].text)
            if own is not None:
                plain[slot] = applied(old, [*some, *_changes_of(old, own)])
        return self._document.render(plain)

    def _spread(self, index: int, new: Edit) -> Iterable[tuple[int, Change]]:
        """What changes in which slot. The new text goes where the old one began; the rest of it is cut away."""
        for change in _changes_of(self.leaves[index].text, new):
            text, offset = change.text, 0
            for one in self._readings[index]:
                size = len(one) if isinstance(one, str) else len(self.leaves[one].text)
                start, end = max(change.start - offset, 0), min(change.end - offset, size)
                added_here = change.start == change.end and 0 <= change.start - offset <= size
                if isinstance(one, int) and (start < end or added_here):
                    yield one, Change(start, end, text)
                    text = ""
                offset += size


def _changes_of(old: str, new: Edit) -> Sequence[Change]:
    if isinstance(new, Reworded) and applied(old, new.changes) == new:  # changes of another text would leave some of it
        return new.changes
    return () if new == old else changes(old, "" if new is None else str(new))


def changes(old: str, new: str) -> list[Change]:
    """Return what to change in ``old`` so that it becomes ``new``, in whole words, from the left.

    What stays between two changes has a word in it: a space alone is no sign that two texts are aligned. For texts of
    which nothing else is known; raises ``PayloadRefused`` where it would take long.
    """
    before, after = _TOKEN.findall(old), _TOKEN.findall(new)
    found: list[Change] = []
    position = 0
    often = Counter(after)
    if sum(often[word] for word in before) > _MOST_PAIRS:
        raise PayloadRefused(PayloadFault.NOT_PARSEABLE)
    blocks = SequenceMatcher(None, before, after, autojunk=False).get_opcodes()
    for number, (tag, first, last, first_new, last_new) in enumerate(blocks):
        size = len("".join(before[first:last]))
        text = "".join(after[first_new:last_new])
        inner = 0 < number < len(blocks) - 1
        if tag != "equal" or (inner and not _WORD.search(text)):
            if found and found[-1].end == position:
                found[-1] = Change(found[-1].start, position + size, found[-1].text + text)
            else:
                found.append(Change(position, position + size, text))
        position += size
    return found


def applied(old: str, some: Sequence[Change]) -> str:
    """Return the text with all changes made. Of several that overlap the longest is written for all, or the first."""
    groups: list[list[int]] = []
    for index in sorted(range(len(some)), key=lambda index: (some[index].start, some[index].end)):
        if groups and some[index].start < max(some[one].end for one in groups[-1]):
            groups[-1].append(index)
        else:
            groups.append([index])
    pieces: list[str] = []
    done = 0
    for group in groups:
        longest = max(sorted(group), key=lambda index: some[index].end - some[index].start)
        pieces += (old[done : some[group[0]].start], some[longest].text)
        done = max(some[index].end for index in group)
    return "".join(pieces) + old[done:]
