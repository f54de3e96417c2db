"""Annotations of a payload, and the texts they speak of (X6). Pure.

Nothing is guessed: a quotation that is not what stands there, an offset outside the text, or two texts that could be
meant, and the annotation does not fit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from sidecar.payloads.annotation_rules import AnnotationRule
from sidecar.payloads.document import Leaf, LeafKind, Path
from sidecar.payloads.matcher import PathMatcher
from sidecar.payloads.names import number_text
from sidecar.payloads.offsets import Shift
from sidecar.payloads.paths import PathPattern

_OFFSET = re.compile(r"[0-9]{1,9}")


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

    ``broken``: annotations that no rule can read, each as what it quotes, if anything.
    """

    annotations: tuple[Annotation, ...]
    texts: Mapping[tuple[AnnotationRule, Path], tuple[Texts, ...]] = field(repr=False)
    broken: tuple[Leaf | None, ...] = field(default=(), repr=False)

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
    """Finds annotations by the rules of a field map; texts are looked for within ``roots``. Made once for a map."""

    def __init__(self, rules: Sequence[AnnotationRule], roots: Sequence[PathPattern]) -> None:
        self._rules = tuple(rules)
        marks: list[tuple[PathPattern, _Mark]] = []
        for number, rule in enumerate(rules):
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
                for root in roots:
                    marks.append((root.plus(pattern), _Mark(number, Part.TEXT, len(pattern.segments))))
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
            tuple(_quote(parts[path]) for path, one in made.items() if one is None and _has_offsets(parts[path])),
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
            own.update((part, _plain(leaf)) for part, leaf in own.items() if part in _OFFSETS)
            if own.get(Part.QUOTE, _NO_LEAF).kind is not LeafKind.STRING:
                own.pop(Part.QUOTE, None)
            if _is_read_by(rule, own):
                return Annotation(rule, path, own)
        return None


_NO_LEAF = Leaf(-1, (), LeafKind.OTHER, "")
_OFFSETS = (Part.START, Part.END)


def _plain(leaf: Leaf) -> Leaf:
    """Return the leaf with a whole number as digits alone: ``10.0`` is the same offset."""
    return replace(leaf, text=number_text(leaf.text)) if leaf.kind is LeafKind.NUMBER else leaf


def _is_read_by(rule: AnnotationRule, parts: Mapping[Part, Leaf]) -> bool:
    """Whether the offsets are whole numbers, and so are the indices, which some tools write as strings."""
    offsets = [parts.get(part, _NO_LEAF) for part in _OFFSETS]
    if not all(leaf.kind is LeafKind.NUMBER and _OFFSET.fullmatch(leaf.text) for leaf in offsets):
        return False
    indices = [parts.get(part, _NO_LEAF) for part in (Part.START_IN, Part.END_IN)] if rule.start_in is not None else []
    return all(_OFFSET.fullmatch(leaf.text) for leaf in indices)


def _has_offsets(parts: Mapping[tuple[int, Part], Leaf]) -> bool:
    """Whether there is anything that could be an offset into a text.

    What a rule finds to begin or to end at a fraction (of seconds, of percents) is of no text.
    """
    offsets = [(of, _plain(leaf)) for (of, part), leaf in parts.items() if part in _OFFSETS]
    fractions = {of for of, leaf in offsets if leaf.kind is LeafKind.NUMBER and "." in leaf.text}
    return any(
        leaf.kind is LeafKind.STRING or _OFFSET.fullmatch(leaf.text) for of, leaf in offsets if of not in fractions
    )


def _quote(parts: Mapping[tuple[int, Part], Leaf]) -> Leaf | None:
    quotes = (leaf for (_, part), leaf in parts.items() if part is Part.QUOTE and leaf.kind is LeafKind.STRING)
    return next(quotes, None)


def _place_of_text(path: Path, root: int, rule: AnnotationRule) -> tuple[Path, int]:
    """Return the array that a text is of, and its index in it; without indices each text stands alone."""
    numbers = [at for at in range(root, len(path)) if isinstance(path[at], int)]
    if rule.start_in is None or not numbers:
        return path, 0
    index = path[numbers[-1]]
    return (*path[: numbers[-1]], *path[numbers[-1] + 1 :]), index if isinstance(index, int) else 0
