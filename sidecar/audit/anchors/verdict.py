"""What anchors say about a log: how far it is anchored, how long its unanchored tail is, whether it is broken. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sidecar.audit.anchors.anchor import Held
from sidecar.audit.note import Checkpoint, NoteInvalid, Verifier, parse_checkpoint

RootAt = Callable[[int], bytes]
"""Gives the root over the first so many records of the log; asked only for sizes that the log has."""


class Standing(StrEnum):
    """How the log stands to one anchored checkpoint."""

    HELD = "held"  # the log begins with exactly these records
    MISSING = "missing"  # the log is shorter: its tail was cut, it was deleted, or an old copy was put back (A10)
    REWRITTEN = "rewritten"  # the log has other records in that place (A11)
    FOREIGN = "foreign"  # no key of the log signed it, or it is another log's
    DROPPED = "dropped"  # stubs alone stand for those records: whoever has the log's key can write others of any size
    OWN = "own"  # the log's own copy, and as it should be: it lies where the log does, and vouches for nothing
    UNASKED = "unasked"  # this part of the log was not looked at
    NOTHING = "nothing"  # the anchor holds nothing of this log
    UNREACHABLE = "unreachable"  # nobody could ask it


class Reach(StrEnum):
    """Whether an anchor answered."""

    ANSWERED = "answered"
    UNREACHABLE = "unreachable"
    OWN = "own"  # nobody was asked: it is the copy that lies beside the log


@dataclass(frozen=True, slots=True)
class Answer:
    """What an anchor said when it was asked what it holds of a log."""

    anchor: str
    reach: Reach
    held: Held | None = None


BREAKING = frozenset({Standing.MISSING, Standing.REWRITTEN, Standing.FOREIGN})


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one anchor says. ``size`` is that of its checkpoint."""

    anchor: str
    standing: Standing
    size: int | None = None
    seen: datetime | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What all anchors say together about a log of ``size`` records (A13)."""

    size: int
    judgements: tuple[Judgement, ...]

    @property
    def broken(self) -> tuple[Judgement, ...]:
        """Those that contradict the log."""
        return tuple(one for one in self.judgements if one.standing in BREAKING)

    @property
    def unshown(self) -> tuple[Judgement, ...]:
        """Those that the log can't be held against any more, and that nothing newer from elsewhere stands for (A13)."""
        dropped = (one for one in self.judgements if one.standing is Standing.DROPPED)
        return tuple(one for one in dropped if (one.size or 0) > self.anchored)

    @property
    def anchored(self) -> int:
        """How many records from the first on an anchor vouches for."""
        return max((one.size or 0 for one in self.judgements if one.standing is Standing.HELD), default=0)

    @property
    def unanchored(self) -> int:
        """How many records at the end nobody vouches for yet."""
        return self.size - self.anchored


def judge(answer: Answer, origin: str, known: Collection[Verifier], size: int, root_at: RootAt) -> Judgement:
    """Compare what an anchor holds with a log of ``size`` records, of which ``root_at`` gives the roots."""
    if answer.reach is Reach.UNREACHABLE:
        return Judgement(answer.anchor, Standing.UNREACHABLE)
    if answer.held is None:
        return Judgement(answer.anchor, Standing.NOTHING)
    note = answer.held.note
    try:
        note.verified(known)
        checkpoint = parse_checkpoint(note.text)
    except NoteInvalid:
        return Judgement(answer.anchor, Standing.FOREIGN)
    standing = _standing(checkpoint, origin, size, root_at)
    if answer.reach is Reach.OWN and standing is Standing.HELD:
        standing = Standing.OWN
    return Judgement(answer.anchor, standing, checkpoint.size, answer.held.seen)


def _standing(checkpoint: Checkpoint, origin: str, size: int, root_at: RootAt) -> Standing:
    if checkpoint.origin != origin:
        return Standing.FOREIGN
    if checkpoint.size > size:
        return Standing.MISSING
    return Standing.HELD if root_at(checkpoint.size) == checkpoint.root else Standing.REWRITTEN
