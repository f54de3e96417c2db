"""What a field map says about the places of a document: whose conversation it is, and what becomes of each leaf."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum

from sidecar.payloads.document import Leaf
from sidecar.payloads.field_map import FieldMap, Mark, Role
from sidecar.payloads.matcher import State, Symbol

NOWHERE = -1


class Treatment(StrEnum):
    """What becomes of a leaf, most private first: of several, the first in this list wins."""

    DROP = "drop"
    HASH = "hash"
    KNOWN = "known"
    MESSAGE = "message"
    TERM = "term"
    KEEP = "keep"
    SCAN = "scan"


_ORDER = {treatment: rank for rank, treatment in enumerate(Treatment)}
_REACHES_DOWN = {Role.DROP: Treatment.DROP, Role.HASH: Treatment.HASH, Role.KNOWN: Treatment.KNOWN}
_ALONE = {Role.TERM: Treatment.TERM, Role.KEEP: Treatment.KEEP}


@dataclass(frozen=True, slots=True)
class Placement:
    """The place of one leaf. Depths are lengths of prefixes of its path, or ``NOWHERE``.

    ``root_depth``: of its conversation; ``names``: of the conversations that the leaf is an id of, each with its rank;
    ``message_depth``: of the message object whose text or speaker it is; ``rule``: of that message; ``speaker_rank``:
    None for what names no speaker; ``label``: of the known value; ``dropped_depth``: of the outermost thing that is
    dropped; ``names_are_data``: of a member name, that its object's names are texts; ``is_markup``: of a string, that
    it is HTML.
    """

    treatment: Treatment = Treatment.SCAN
    root_depth: int = NOWHERE
    names: tuple[tuple[int, int], ...] = ()
    message_depth: int = NOWHERE
    rule: int = NOWHERE
    speaker_rank: int | None = None
    label: str | None = None
    dropped_depth: int = NOWHERE
    names_are_data: bool = False
    is_markup: bool = False

    def drops_all_of(self, leaf: Leaf) -> bool:
        """Whether the leaf is the outermost thing that is dropped."""
        return self.dropped_depth == len(leaf.path)

    def treated(self, treatment: Treatment) -> Treatment:
        return min(self.treatment, treatment, key=_ORDER.__getitem__)


@dataclass(slots=True)
class _Shape:
    """All paths with the same symbols. ``inherited``: what holds for everything below, too."""

    state: State
    depth: int
    placement: Placement
    inherited: Placement
    text: Mark | None
    below: dict[Symbol, _Shape] = field(default_factory=dict)


class Placer:
    """Places the leaves of one document. Paths of one shape are judged once, and forgotten with the document."""

    def __init__(self, fields: FieldMap) -> None:
        self._fields = fields
        self._matcher = fields.matcher
        self._root = self._shape(self._matcher.start, 0, Placement())

    def place(self, leaf: Leaf) -> Placement:
        symbol_of = self._matcher.symbol
        shape = self._root
        host: _Shape | None = None
        for part in leaf.path:
            if shape.depth == leaf.embedded_at:
                host = shape
            symbol = symbol_of(part)
            below = shape.below.get(symbol)
            if below is None:
                state = self._matcher.step(shape.state, symbol)
                below = shape.below[symbol] = self._shape(state, shape.depth + 1, shape.inherited)
            shape = below
        if host is not None and host.text is not None:
            return _within_message(shape, host.text, host.depth)
        return shape.placement

    def _shape(self, state: State, depth: int, inherited: Placement) -> _Shape:
        marks = [self._fields.marks[index] for index in sorted(state.accepted)]
        for mark in marks:
            inherited = self._handed_down(inherited, mark, depth)
        here = replace(inherited, names_are_data=False)
        for mark in marks:
            here = _here_alone(here, mark, depth)
        if inherited.names_are_data:  # as the parent says of its own members
            here = replace(here, names_are_data=True)
        handed = replace(inherited, names_are_data=any(mark.role is Role.KEYS for mark in marks))
        text = next((mark for mark in marks if mark.role is Role.TEXT), None)
        return _Shape(state, depth, here, handed, text)

    def _handed_down(self, placement: Placement, mark: Mark, depth: int) -> Placement:
        """What a mark says of a place and of everything below it."""
        if mark.role is Role.ROOT:
            return replace(placement, root_depth=depth)
        if mark.role not in _REACHES_DOWN:
            return placement
        placement = replace(placement, treatment=placement.treated(_REACHES_DOWN[mark.role]))
        if mark.role is Role.KNOWN:
            return replace(placement, label=self._fields.known[mark.rule].label)
        if mark.role is Role.DROP and placement.dropped_depth == NOWHERE:
            return replace(placement, dropped_depth=depth)
        return placement


def _here_alone(placement: Placement, mark: Mark, depth: int) -> Placement:
    """What a mark says of a place itself."""
    above = depth - mark.length
    if mark.role is Role.ID:
        return replace(placement, names=(*placement.names, (above, mark.rank)))
    if mark.role is Role.HTML:
        return replace(placement, is_markup=True)
    if mark.role in _ALONE:
        return replace(placement, treatment=placement.treated(_ALONE[mark.role]))
    if mark.role is Role.TEXT:
        treatment = placement.treated(Treatment.MESSAGE)
        return replace(placement, treatment=treatment, message_depth=above, rule=mark.rule)
    if mark.role is Role.SPEAKER:
        return replace(placement, message_depth=above, rule=mark.rule, speaker_rank=mark.rank)
    return placement


def _within_message(shape: _Shape, text: Mark, depth: int) -> Placement:
    """A leaf of JSON that is the text of a message, unless it is a message's text, or known, by itself."""
    here = shape.placement
    if here.treatment in (Treatment.TERM, Treatment.KEEP, Treatment.SCAN):
        return replace(
            here, treatment=Treatment.MESSAGE, message_depth=depth - text.length, rule=text.rule, speaker_rank=None
        )
    return here
