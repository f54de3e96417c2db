"""What a field map says about one leaf: which conversation it belongs to, and what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sidecar.payloads.document import Leaf, Path
from sidecar.payloads.field_map import FieldMap, Mark, Role

NOWHERE = -1


class Treatment(StrEnum):
    """What becomes of a leaf, most private first: of several, the first in this list wins."""

    DROP = "drop"
    HASH = "hash"
    SPEAKER = "speaker"  # kept if it is a role; else a known value or a text like any other
    KNOWN = "known"
    MESSAGE = "message"
    KEEP = "keep"
    SCAN = "scan"


@dataclass(slots=True)
class Placement:
    """The place of one leaf. Depths are lengths of prefixes of its path.

    ``root_depth``: of its conversation, or ``NOWHERE``; ``names``: of the conversations that the leaf is an id of, each
    with its rank; ``message``: the prefix that is its message object; ``rule`` and ``rank``: of the message and of the
    speaker in it; ``label``: of the known value; ``dropped_depth``: of the outermost thing that is dropped.
    """

    treatment: Treatment = Treatment.SCAN
    root_depth: int = NOWHERE
    names: tuple[tuple[int, int], ...] = ()
    message: Path = ()
    rule: int = NOWHERE
    rank: int = 0
    label: str | None = None
    dropped_depth: int | None = None
    names_are_data: bool = False  # of a member name: its object's names are scanned like texts


_ORDER = {treatment: place for place, treatment in enumerate(Treatment)}
_REACHES_DOWN = {Role.DROP: Treatment.DROP, Role.HASH: Treatment.HASH, Role.KNOWN: Treatment.KNOWN}


def place(fields: FieldMap, leaf: Leaf) -> Placement:
    """Return the placement of a leaf. Pure, but for the matcher's memory of states."""
    here = Placement()
    size = len(leaf.path)
    for depth, accepted in enumerate(fields.matcher.walk(leaf.path)):
        for index in accepted:
            mark = fields.marks[index]
            if mark.role is Role.ROOT:
                here.root_depth = depth
            elif mark.role is Role.ID:
                if depth == size:
                    here.names += ((size - mark.length, mark.rank),)
            else:
                _apply(here, fields, mark, leaf, depth)
    return here


def _apply(here: Placement, fields: FieldMap, mark: Mark, leaf: Leaf, depth: int) -> None:
    size = len(leaf.path)
    if mark.role in _REACHES_DOWN:
        _choose(here, _REACHES_DOWN[mark.role])
        if mark.role is Role.KNOWN:
            here.label = fields.known[mark.rule].label
        elif mark.role is Role.DROP and here.dropped_depth is None:
            here.dropped_depth = depth
    elif mark.role is Role.TEXT:
        if depth in (size, leaf.embedded_at):
            _belong(here, mark, leaf.path[: depth - mark.length], Treatment.MESSAGE)
    elif mark.role is Role.SPEAKER and depth == size:
        _belong(here, mark, leaf.path[: depth - mark.length], Treatment.SPEAKER)
    elif mark.role is Role.KEEP and depth == size:
        _choose(here, Treatment.KEEP)
    elif mark.role is Role.KEYS and depth == size - 1:
        here.names_are_data = True


def _belong(here: Placement, mark: Mark, message: Path, treatment: Treatment) -> None:
    if _ORDER[treatment] <= _ORDER[here.treatment]:
        here.message, here.rule, here.rank = message, mark.rule, mark.rank
    _choose(here, treatment)


def _choose(here: Placement, treatment: Treatment) -> None:
    if _ORDER[treatment] < _ORDER[here.treatment]:
        here.treatment = treatment
