"""Does a log still say what was written? Pure: it is given a way to read the lines, as often as it needs.

Two verdicts, never one (A15). *Integrity*: every line continues the line before. *Completeness*: every intent has
one outcome. Start-up and ``sidecar audit verify`` run this same code.

A log that was cut at a line's end, or rewritten with all hashes computed anew, is intact in itself: only a head that
was noted elsewhere (``Anchor``) tells (A10, A11).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice

from sidecar.audit.chain import GENESIS, BrokenLine, Flaw, Sealed, unseal
from sidecar.audit.record import Phase

ReadLines = Callable[[], Iterable[bytes]]
"""Opens the lines anew, from the same place, each with its newline."""

EXAMPLES = 20


@dataclass(frozen=True, slots=True)
class Tail:
    """What the next line must continue. ``size`` counts the bytes that are known good."""

    log: str | None = None
    next_seq: int = 0
    hash: str = GENESIS
    time: str = ""
    size: int = 0

    def after(self, sealed: Sealed, line_bytes: int) -> Tail:
        place = sealed.place
        return Tail(place.log, place.seq + 1, sealed.hash, place.time, self.size + line_bytes)


@dataclass(frozen=True, slots=True)
class Anchor:
    """A head noted outside the log: the record ``seq`` had this hash."""

    seq: int
    hash: str


class Anchoring(StrEnum):
    """Whether the log still holds the record that an anchor names."""

    NONE = "none"
    HELD = "held"
    MISSING = "missing"  # the log ends before it: records were cut off, or an old copy was put back
    REWRITTEN = "rewritten"  # another record stands there


@dataclass(frozen=True, slots=True)
class Finding:
    """The first broken line: its number in the file from 1, and the record that should stand there."""

    line: int
    seq: int
    flaw: Flaw
    detail: str

    def __str__(self) -> str:
        return f"line {self.line} (record {self.seq}): {self.flaw.value}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Report:
    """What was found. ``tail`` ends at the last good line."""

    tail: Tail
    records: int
    finding: Finding | None
    anchoring: Anchoring
    without_outcome: int = 0
    without_intent: int = 0
    repeated: int = 0
    examples: tuple[str, ...] = field(default=())

    @property
    def intact(self) -> bool:
        return self.finding is None and self.anchoring in (Anchoring.NONE, Anchoring.HELD)

    @property
    def complete(self) -> bool:
        return not (self.without_outcome or self.without_intent or self.repeated)


def verify(read: ReadLines, start: Tail | None = None, anchor: Anchor | None = None) -> Report:
    """Walk the log once, in constant memory but for exchanges under way; walk again only to name a flaw."""
    tail = start or Tail()
    pairs = _Pairs()
    anchoring = Anchoring.MISSING if anchor else Anchoring.NONE
    finding = None
    number = 0
    for number, line in enumerate(read(), start=1):
        try:
            sealed = follow(tail, line)
        except BrokenLine as broken:
            flaw = _classify(read, tail, number, line, broken)
            finding = Finding(number, tail.next_seq, flaw, broken.detail)
            number -= 1
            break
        tail = tail.after(sealed, len(line))
        pairs.see(sealed)
        if anchor and sealed.place.seq == anchor.seq:
            anchoring = Anchoring.HELD if sealed.hash == anchor.hash else Anchoring.REWRITTEN
    return Report(
        tail, number, finding, anchoring, len(pairs.open), pairs.without_intent, pairs.repeated, pairs.examples()
    )


def follow(tail: Tail, line: bytes) -> Sealed:
    """Return the record of a line that continues the tail, or raise BrokenLine."""
    sealed = unseal(line)
    place = sealed.place
    if tail.log is not None and place.log != tail.log:
        raise BrokenLine(Flaw.WRONG_LOG, "the line belongs to another log")
    if place.seq > tail.next_seq:
        raise BrokenLine(Flaw.DELETED, f"record {place.seq} stands where {tail.next_seq} should")
    if place.seq < tail.next_seq:
        raise BrokenLine(Flaw.INSERTED, f"record {place.seq} stands where {tail.next_seq} should")
    if place.prev != tail.hash:
        raise BrokenLine(Flaw.EDITED, "the line does not continue the line before: one of the two was rewritten")
    return sealed


def before(first: Sealed, size: int) -> Tail:
    """Return the tail that a line continues, taking the line's own word for it: for a check of the end only."""
    return Tail(first.place.log, first.place.seq, first.place.prev, "", size)


def _classify(read: ReadLines, tail: Tail, number: int, line: bytes, broken: BrokenLine) -> Flaw:
    """Name what was done, by what else stands in the file."""
    match broken.flaw:
        case Flaw.EDITED if _continues_later(read, tail, number):
            return Flaw.INSERTED
        case Flaw.DELETED if _continues_later(read, tail, number):
            return Flaw.REORDERED
        case Flaw.INSERTED if any(one == line for one in islice(read(), number - 1)):
            return Flaw.DUPLICATED
    return broken.flaw


def _continues_later(read: ReadLines, tail: Tail, number: int) -> bool:
    for line in islice(read(), number, None):
        try:
            follow(tail, line)
        except BrokenLine:
            continue
        return True
    return False


class _Pairs:
    """Matches outcomes with intents. Holds the ids of exchanges under way only."""

    def __init__(self) -> None:
        self.open: dict[str, None] = {}
        self.without_intent = 0
        self.repeated = 0

    def see(self, sealed: Sealed) -> None:
        exchange_id = str(sealed.parts.facts.get("exchange_id", ""))
        match sealed.parts.facts.get("phase"):
            case Phase.INTENT:
                self.repeated += exchange_id in self.open
                self.open[exchange_id] = None
            case Phase.OUTCOME if exchange_id in self.open:
                del self.open[exchange_id]
            case Phase.OUTCOME:
                self.without_intent += 1

    def examples(self) -> tuple[str, ...]:
        return tuple(islice(self.open, EXAMPLES))
