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
    KNOWN = "known"
    MESSAGE = "message"
    KEEP = "keep"
    SCAN = "scan"


@dataclass(slots=True)
class Placement:
    """The place of one leaf. Depths are lengths of prefixes of its path.

    ``root_depth``: of its conversation, or ``NOWHERE``; ``names``: of the conversations that the leaf is an id of, each
    with its rank; ``message``: the prefix that is the message object whose text or speaker it is; ``rule``: of that
    message; ``speaker_rank``: None for what names no speaker; ``label``: of the known value; ``dropped_depth``: of the
    outermost thing that is dropped.
    """

    treatment: Treatment = Treatment.SCAN
    root_depth: int = NOWHERE
    names: tuple[tuple[int, int], ...] = ()
    message: Path = ()
    rule: int = NOWHERE
    speaker_rank: int | None = None
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
            here.message, here.rule = leaf.path[: depth - mark.length], mark.rule
            _choose(here, Treatment.MESSAGE)
    elif mark.role is Role.SPEAKER and depth == size:
        here.message, here.rule = leaf.path[: depth - mark.length], mark.rule
        here.speaker_rank = mark.rank
    elif mark.role is Role.KEEP and depth == size:
        _choose(here, Treatment.KEEP)
    elif mark.role is Role.KEYS and depth == size - 1:
        here.names_are_data = True


def _choose(here: Placement, treatment: Treatment) -> None:
    if _ORDER[treatment] < _ORDER[here.treatment]:
        here.treatment = treatment
