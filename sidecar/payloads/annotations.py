"""Annotations of a payload, and the texts they speak of (X6). Pure.

Two rules hold whichever way a payload goes. Words that an annotation quotes are never taken from anywhere but the
text itself, at the place that the offsets name. And nothing is guessed: a quotation that is not what stands there, an
offset outside the text, or two texts that could be meant, and the annotation does not fit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from sidecar.payloads.annotation_rules import AnnotationRule
from sidecar.payloads.document import Edit, Leaf, LeafKind, Path
from sidecar.payloads.field_map import FieldMap
from sidecar.payloads.matcher import PathMatcher
from sidecar.payloads.offsets import BadOffset, Shift, from_code_points, to_code_points
from sidecar.payloads.paths import PathPattern

_OFFSET = re.compile(r"[0-9]{1,9}")
_BREAKS = re.compile(r"\s+|\\[rn]")
"""Tools trim and break what they quote, or write line breaks as two characters."""
_JOINTS = ("", " ", "\n", "\n\n")


class Part(StrEnum):
    """What a leaf is to an annotation."""

    START = "start"
    END = "end"
    START_IN = "start_in"
    END_IN = "end_in"
    QUOTE = "quote"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Annotation:
    """One annotation: the rule by which it is one, its place, and its leaves."""

    rule: AnnotationRule
    path: Path = field(repr=False)
    parts: Mapping[Part, Leaf] = field(repr=False)

    def indices(self) -> tuple[int, int]:
        """Of the texts in which it begins and ends, within the array of texts."""
        if Part.START_IN not in self.parts:
            return 0, 0
        return int(self.parts[Part.START_IN].text), int(self.parts[Part.END_IN].text)

    @property
    def quote(self) -> str | None:
        return self.parts[Part.QUOTE].text if Part.QUOTE in self.parts else None


Texts = Mapping[int, "Text"]
"""The texts of one array, by index; a text that stands alone is at 0."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text that annotations speak of, as their author saw it: a leaf of this payload, or from elsewhere."""

    given: str = field(repr=False)
    leaf: int | None = None
    shift: Shift | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Found:
    """The annotations of a payload, and its texts by the rule that names them and the root they are within.

    ``broken``: the places of annotations that no rule can read.
    """

    annotations: tuple[Annotation, ...]
    texts: Mapping[tuple[AnnotationRule, Path], tuple[Texts, ...]] = field(repr=False)
    broken: tuple[Path, ...] = field(default=(), repr=False)

    def texts_of(self, annotation: Annotation) -> tuple[Texts, ...]:
        """Return the texts it may speak of, of the nearest root that has any."""
        for depth in range(len(annotation.path), -1, -1):
            texts = self.texts.get((annotation.rule, annotation.path[:depth]))
            if texts:
                return texts
        return ()

    @property
    def lack_texts(self) -> bool:
        return any(not self.texts_of(annotation) for annotation in self.annotations)


@dataclass(frozen=True, slots=True)
class _Mark:
    rule: int
    part: Part
    length: int


class AnnotationFinder:
    """Finds the annotations that a field map names. Made once for a map."""

    def __init__(self, fields: FieldMap) -> None:
        self._rules = fields.annotations
        marks: list[tuple[PathPattern, _Mark]] = []
        for number, rule in enumerate(self._rules):
            named = {
                Part.START: rule.start,
                Part.END: rule.end,
                Part.START_IN: rule.start_in,
                Part.END_IN: rule.end_in,
                Part.QUOTE: rule.quote,
            }
            for part, pattern in named.items():
                if pattern is not None:
                    marks.append((rule.each.plus(pattern), _Mark(number, part, len(pattern.segments))))
            for pattern in rule.texts:
                for root in fields.conversations:
                    marks.append((root.root.plus(pattern), _Mark(number, Part.TEXT, len(pattern.segments))))
        self._marks = [mark for _, mark in marks]
        self._matcher = PathMatcher([pattern for pattern, _ in marks])

    def find(self, leaves: Sequence[Leaf]) -> Found:
        """Return the annotations and texts among the leaves of a payload."""
        parts: dict[Path, dict[tuple[int, Part], Leaf]] = {}
        texts: dict[tuple[AnnotationRule, Path], dict[Path, dict[int, Text]]] = {}
        for leaf in leaves:
            for mark in self._marks_of(leaf):
                above = leaf.path[: len(leaf.path) - mark.length]
                if mark.part is not Part.TEXT:
                    parts.setdefault(above, {})[mark.rule, mark.part] = leaf
                elif leaf.kind is LeafKind.STRING:
                    rule = self._rules[mark.rule]
                    group, index = _place_of_text(leaf.path, len(above), rule)
                    groups = texts.setdefault((rule, above), {})
                    groups.setdefault(group, {})[index] = Text(leaf.text, leaf.index)
        made = {path: self._annotation(path, its) for path, its in parts.items()}
        return Found(
            tuple(one for one in made.values() if one is not None),
            {where: tuple(groups.values()) for where, groups in texts.items()},
            tuple(path for path, one in made.items() if one is None and _has_offsets(parts[path])),
        )

    def _marks_of(self, leaf: Leaf) -> Iterator[_Mark]:
        if leaf.kind in (LeafKind.KEY, LeafKind.CONTAINER):
            return
        state = self._matcher.start
        for part in leaf.path:
            state = self._matcher.step(state, self._matcher.symbol(part))
        for accepted in sorted(state.accepted):
            yield self._marks[accepted]

    def _annotation(self, path: Path, parts: Mapping[tuple[int, Part], Leaf]) -> Annotation | None:
        """Return what the first rule that can read it makes of an object."""
        for number, rule in enumerate(self._rules):
            own = {part: leaf for (of, part), leaf in parts.items() if of == number and leaf.kind is not LeafKind.OTHER}
            if own.get(Part.QUOTE, _NO_LEAF).kind is not LeafKind.STRING:
                own.pop(Part.QUOTE, None)
            if _is_read_by(rule, own):
                return Annotation(rule, path, own)
        return None


_NO_LEAF = Leaf(-1, (), LeafKind.OTHER, "")


def _is_read_by(rule: AnnotationRule, parts: Mapping[Part, Leaf]) -> bool:
    """Whether the offsets are whole numbers, and so are the indices, which some tools write as strings."""
    offsets = [parts.get(part, _NO_LEAF) for part in (Part.START, Part.END)]
    if not all(leaf.kind is LeafKind.NUMBER and _OFFSET.fullmatch(leaf.text) for leaf in offsets):
        return False
    indices = [parts.get(part, _NO_LEAF) for part in (Part.START_IN, Part.END_IN)] if rule.start_in is not None else []
    return all(_OFFSET.fullmatch(leaf.text) for leaf in indices)


def _has_offsets(parts: Mapping[tuple[int, Part], Leaf]) -> bool:
    """Whether there is anything that could be an offset into a text: a fraction (of seconds, of percents) can't."""
    return any(
        part in (Part.START, Part.END) and (leaf.kind is LeafKind.STRING or _OFFSET.fullmatch(leaf.text) is not None)
        for (_, part), leaf in parts.items()
    )


def _place_of_text(path: Path, root: int, rule: AnnotationRule) -> tuple[Path, int]:
    """Return the array that a text is of, and its index in it; without indices each text stands alone."""
    numbers = [at for at in range(root, len(path)) if isinstance(path[at], int)]
    if rule.start_in is None or not numbers:
        return path, 0
    index = path[numbers[-1]]
    return (*path[: numbers[-1]], *path[numbers[-1] + 1 :]), index if isinstance(index, int) else 0


@dataclass(frozen=True, slots=True)
class Placed:
    """An annotation with the texts in which it fits. None of them: it fits nowhere."""

    annotation: Annotation
    texts: tuple[Texts, ...] = field(repr=False)


def place(annotation: Annotation, candidates: Sequence[Texts]) -> Placed:
    """Return the annotation with those of the texts that it can speak of."""
    return Placed(annotation, tuple(texts for texts in candidates if _fits(annotation, texts)))


def _fits(annotation: Annotation, texts: Texts) -> bool:
    try:
        ranges = _ranges(annotation, texts)
    except BadOffset:
        return False
    words = "".join(texts[index].given[start:end] for index, start, end in ranges)
    return annotation.quote is None or _BREAKS.sub("", annotation.quote) == _BREAKS.sub("", words)


def _ranges(annotation: Annotation, texts: Texts) -> list[tuple[int, int, int]]:
    """Return (index, start, end) in code points for each text that is touched. Raises ``BadOffset``."""
    unit, parts = annotation.rule.unit, annotation.parts
    first, last = annotation.indices()
    touched = range(first, last + 1)
    if not touched or len(touched) > len(texts) or any(index not in texts for index in touched):
        raise BadOffset("no such text")
    start = to_code_points(texts[first].given, int(parts[Part.START].text), unit)
    end = to_code_points(texts[last].given, int(parts[Part.END].text), unit)
    ranges = []
    for index in touched:
        ends = end if index == last else len(texts[index].given)
        ranges.append((index, start if index == first else 0, ends))
    if any(start > end for _, start, end in ranges):
        raise BadOffset("ends before it starts")
    return ranges


@dataclass(frozen=True, slots=True)
class Carried:
    """An annotation on the other side: its offsets, in the unit of its rule, and its words."""

    start: int
    end: int
    words: tuple[str, ...] = field(repr=False)
    as_given: tuple[str, ...] = field(repr=False)


def carry(annotation: Annotation, texts: Texts, shift_of: Callable[[Text], Shift]) -> Carried:
    """Return where the annotation stands in the other form of the texts, and what it quotes there."""
    pieces = []
    for index, start, end in _ranges(annotation, texts):
        shift = shift_of(texts[index])
        pieces.append((shift, shift.carry(start, end), shift.given[start:end]))
    (first, (start, _), _), (last, (_, end), _) = pieces[0], pieces[-1]
    return Carried(
        from_code_points(first.wanted, start, annotation.rule.unit),
        from_code_points(last.wanted, end, annotation.rule.unit),
        tuple(shift.wanted[start:end] for shift, (start, end), _ in pieces),
        tuple(given for _, _, given in pieces),
    )


def offset_edits(annotation: Annotation, carried: Carried) -> dict[int, Edit]:
    start, end = annotation.parts[Part.START], annotation.parts[Part.END]
    edits: dict[int, Edit] = {start.index: carried.start, end.index: carried.end}
    return {leaf.index: edits[leaf.index] for leaf in (start, end) if leaf.text != str(edits[leaf.index])}


def quote_edit(annotation: Annotation, carried: Carried) -> dict[int, Edit]:
    """Return the words of the other side for the quotation, joined as its own were; nothing where they are the same."""
    quote = annotation.quote
    if quote is None or carried.words == carried.as_given:
        return {}
    joint = next((joint for joint in _JOINTS if joint.join(carried.as_given) == quote), "\n")
    return {annotation.parts[Part.QUOTE].index: joint.join(carried.words)}
