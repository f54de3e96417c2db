"""The annotations of one payload on their way: which text each speaks of, and what becomes of it (X6). Pure.

In two steps, because redaction stands between them. ``mark`` decides, by the texts as they were given, where each
annotation fits, and takes the words it quotes out of what is scanned. ``Marking.edits`` then writes offsets and words
anew, by the texts as they have become.

What is quoted in a response is never taken from anywhere but the redacted text, at the place that the offsets name:
without the sentence around them detection might pass the words by. What can't be found there is not shown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sidecar.errors import Direction, PayloadFault, PayloadRefused
from sidecar.payloads.annotation_rules import AnnotationRule, Quotes
from sidecar.payloads.annotations import Annotation, Found, Part, Text, Texts
from sidecar.payloads.document import Edit
from sidecar.payloads.offsets import BadOffset, Shift, from_code_points, to_code_points

_BREAKS = re.compile(r"\s+|\\[rn]")
"""Tools trim and break what they quote, or write line breaks as two characters."""
_JOINTS = ("", " ", "\n", "\n\n")

SourceTexts = Mapping[AnnotationRule, tuple[Texts, ...]]
"""Texts from elsewhere, by the rule that names them."""


def as_shown(texts: SourceTexts) -> SourceTexts:
    """Turn texts with what becomes of them into texts as they are shown, with what they come from."""
    return {rule: tuple(_as_shown(group) for group in groups) for rule, groups in texts.items()}


def _as_shown(texts: Texts) -> Texts:
    shifts = {index: text.shift.reversed() for index, text in texts.items() if text.shift is not None}
    return {index: Text(shift.given, shift=shift) for index, shift in shifts.items()}


@dataclass(frozen=True, slots=True)
class _Placed:
    """An annotation with the texts in which it fits."""

    annotation: Annotation
    texts: tuple[Texts, ...] = field(repr=False)
    is_quoted: bool
    """Whether its words are written by ``Marking.edits``, and by nobody else."""


@dataclass(frozen=True, slots=True)
class _Carried:
    """An annotation on the other side: its offsets, in the unit of its rule, and its words before and after."""

    start: int
    end: int
    words: tuple[str, ...] = field(repr=False)
    given: tuple[str, ...] = field(repr=False)


class Marking:
    """The annotations of one payload, placed. ``unscanned``: the leaves that only ``edits`` may write."""

    def __init__(self, placed: Sequence[_Placed], direction: Direction, hidden: Iterable[int] = ()) -> None:
        """``hidden``: quotations that are not passed on."""
        self._placed = placed
        self._direction = direction
        self._hidden = tuple(hidden)
        written = (one.annotation.parts[Part.QUOTE].index for one in placed if one.is_quoted)
        self.unscanned = frozenset((*written, *self._hidden))

    def edits(self, shift_of: Callable[[Text], Shift | None]) -> dict[int, Edit]:
        """Return what offsets and quotations become. ``shift_of`` is None for a text that is not passed on.

        Raises ``PayloadRefused`` (offsets) for an annotation in a request that could be meant in two ways.
        """
        edits: dict[int, Edit] = dict.fromkeys(self._hidden)
        for one in self._placed:
            edits.update(self._edits_of(one, shift_of))
        return edits

    def _edits_of(self, one: _Placed, shift_of: Callable[[Text], Shift | None]) -> dict[int, Edit]:
        annotation = one.annotation
        carried = list(_carried(one, shift_of))
        in_request = self._direction is Direction.REQUEST
        if in_request and len({(way.start, way.end, way.words) for way in carried}) != 1:
            raise PayloadRefused(PayloadFault.OFFSETS, "an annotation of no text, or of two that could be meant")
        if not carried:  # the text is not shown, so neither is what is quoted of it
            return {annotation.parts[Part.QUOTE].index: None} if one.is_quoted else {}
        edits = _quote_edit(annotation, carried[0]) if one.is_quoted else {}
        if len({(way.start, way.end) for way in carried}) == 1:
            edits.update(_offset_edits(annotation, carried[0]))
        return edits


NO_MARKING = Marking((), Direction.RESPONSE)


def mark(found: Found, sources: SourceTexts, direction: Direction) -> Marking:
    """Place the annotations of a payload: in its own texts, or in those from elsewhere.

    What does not fit is refused in a request, since it would be written down at the wrong words: raises
    ``PayloadRefused`` (offsets). In a response its offsets stay as they are, and what it quotes is not shown.
    """
    placed = [_place(one, found.texts_of(one) or sources.get(one.rule, ()), direction) for one in found.annotations]
    lost = [one.annotation.parts.get(Part.QUOTE) for one in placed if not one.texts]
    if direction is Direction.RESPONSE:
        return Marking(placed, direction, [leaf.index for leaf in (*lost, *found.broken) if leaf is not None])
    if lost or found.broken:
        raise PayloadRefused(PayloadFault.OFFSETS, "an annotation that fits no text")
    return Marking(placed, direction)


def _place(annotation: Annotation, candidates: Iterable[Texts], direction: Direction) -> _Placed:
    texts = tuple(candidate for candidate in candidates if _fits(annotation, candidate))
    ours = direction is Direction.RESPONSE or annotation.rule.quotes is Quotes.RESTORE
    return _Placed(annotation, texts, bool(texts) and ours and annotation.quote is not None)


def _fits(annotation: Annotation, texts: Texts) -> bool:
    """Whether the offsets are within the text, and the words there are those that are quoted, if any are."""
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
    if not touched or any(index not in texts for index in touched):
        raise BadOffset("no such text")
    start = to_code_points(texts[first].given, int(parts[Part.START].text), unit)
    end = to_code_points(texts[last].given, int(parts[Part.END].text), unit)
    ranges = []
    for index in touched:
        until = end if index == last else len(texts[index].given)
        ranges.append((index, start if index == first else 0, until))
    if any(start > end for _, start, end in ranges):
        raise BadOffset("ends before it starts")
    return ranges


def _carried(placed: _Placed, shift_of: Callable[[Text], Shift | None]) -> Iterable[_Carried]:
    for texts in placed.texts:
        pieces = []
        for index, start, end in _ranges(placed.annotation, texts):
            shift = shift_of(texts[index])
            if shift is None:
                break
            pieces.append((shift, shift.carry(start, end), shift.given[start:end]))
        else:
            yield _joined(placed.annotation, pieces)


def _joined(annotation: Annotation, pieces: Sequence[tuple[Shift, tuple[int, int], str]]) -> _Carried:
    (first, (start, _), _), (last, (_, end), _) = pieces[0], pieces[-1]
    return _Carried(
        from_code_points(first.wanted, start, annotation.rule.unit),
        from_code_points(last.wanted, end, annotation.rule.unit),
        tuple(shift.wanted[begins:ends] for shift, (begins, ends), _ in pieces),
        tuple(given for _, _, given in pieces),
    )


def _offset_edits(annotation: Annotation, carried: _Carried) -> dict[int, Edit]:
    new = {Part.START: carried.start, Part.END: carried.end}
    return {annotation.parts[p].index: at for p, at in new.items() if annotation.parts[p].text != str(at)}


def _quote_edit(annotation: Annotation, carried: _Carried) -> dict[int, Edit]:
    """Return the words of the other side, joined as the quotation was; nothing where they are the same."""
    if carried.words == carried.given:
        return {}
    joint = next((joint for joint in _JOINTS if joint.join(carried.given) == annotation.quote), "\n")
    return {annotation.parts[Part.QUOTE].index: joint.join(carried.words)}
