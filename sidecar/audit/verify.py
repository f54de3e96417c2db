"""Does a log still say what was written? Pure: it is given a way to read the log, as often as it needs.

*Integrity*: every line continues the line before, and every checkpoint is signed and true. *Anchoring*: the log holds
the records of checkpoints that others keep. *Completeness*: every intent has one outcome (``completeness``). Start-up
and ``sidecar audit verify`` run this same code.

A log whose end was cut, or rewritten with all hashes computed anew and signed with a stolen key, is intact in itself:
only a checkpoint kept elsewhere tells (A10, A11, A13).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from sidecar.audit.anchors.verdict import Answer, Judgement, Standing, Verdict, judge
from sidecar.audit.completeness import SILENCE_SECONDS, Census, Completeness, Hush, Silence
from sidecar.audit.leaf import BrokenLine, Flaw, Place, follow
from sidecar.audit.merkle import EMPTY_ROOT
from sidecar.audit.note import NoteInvalid, parse_checkpoint
from sidecar.audit.sealing import Opener
from sidecar.audit.segment import CHECKPOINT
from sidecar.audit.walk import Piece, Walk

ReadPieces = Callable[[], Iterable[Piece]]
"""Opens the segments anew, from the same place."""

OpenSegment = Callable[[str, int, int], Opener | bytes]
"""Gives what opens the records of a segment: by log, number, and number of its first record. Where its keys went with a
drop that was cut off: the stub that says so."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The first broken line: its segment, its number there from 1, and the record that should stand there.

    Where records were rewritten with right hashes it is the first that may be: that behind the last good checkpoint.
    """

    segment: int
    line: int
    seq: int
    flaw: Flaw
    detail: str

    def __str__(self) -> str:
        return f"segment {self.segment}, line {self.line} (record {self.seq}): {self.flaw.value}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Report:
    """What was found. ``walk`` stands behind the last good line, ``size`` bytes of its segment are good.

    ``heads`` gives the hash of the last record at each size that was asked for; ``completeness`` is None without keys,
    and where some of the segments that are there are ``unopened``.
    """

    walk: Walk = field(repr=False)
    records: int
    good_bytes: int
    finding: Finding | None
    verdict: Verdict
    heads: dict[int, str] = field(repr=False)
    completeness: Completeness | None
    silences: tuple[Silence, ...]
    dropped: int
    unopened: int = 0

    @property
    def intact(self) -> bool:
        return self.finding is None and not self.verdict.broken and not self.verdict.unshown


def verify(
    read: ReadPieces,
    walk: Walk | None = None,
    known: Sequence[Answer] = (),
    opened: OpenSegment | None = None,
    sizes: Collection[int] = (),
    silence_seconds: float = SILENCE_SECONDS,
) -> Report:
    """Walk the log once, in constant memory but for exchanges under way; walk again only to name a flaw.

    ``known`` are checkpoints that others keep. ``sizes`` are those whose last record's hash is asked for.
    """
    one = _Verification(read, walk or Walk(), known, opened, sizes, silence_seconds)
    return one.run()


class _Verification:
    def __init__(
        self,
        read: ReadPieces,
        walk: Walk,
        known: Sequence[Answer],
        opened: OpenSegment | None,
        sizes: Collection[int],
        silence_seconds: float,
    ) -> None:
        self._read = read
        self._walk = walk
        self._known = known
        self._opened = opened
        self._stops = sorted({*sizes, *map(_size_of, known)}, reverse=True)
        self._roots: dict[int, bytes] = {0: EMPTY_ROOT}
        self._heads: dict[int, str] = {}
        self._census = Census()
        self._hush = Hush(silence_seconds)
        self._begun = walk.size
        self._good_bytes = 0
        self._dropped = 0
        self._unopened = 0
        self._is_end_known = True
        self._number, self._line = walk.segment + 1, 0  # where we are

    def run(self) -> Report:
        finding = None
        try:
            for piece in self._read():
                self._piece(piece)
        except BrokenLine as broken:
            flaw = self._named(broken)
            seq = self._walk.signed_size if flaw is Flaw.REWRITTEN else self._walk.size
            finding = Finding(self._number, self._line, seq, flaw, broken.detail)
        walk = self._walk
        finding = finding or self._false_stub()
        self._is_end_known = finding is None or finding.flaw is Flaw.TORN
        return Report(
            walk,
            walk.size - self._begun,
            self._good_bytes,
            finding,
            Verdict(walk.size, tuple(self._judged(one) for one in self._known)),
            self._heads,
            self._census.result() if self._opened and not self._unopened else None,
            tuple(self._hush.found),
            self._dropped,
            self._unopened,
        )

    def _false_stub(self) -> Finding | None:
        for stub in self._walk.unproven:
            try:
                self._walk.prove(stub)
            except BrokenLine as broken:
                return Finding(stub.segment, 1, stub.first, broken.flaw, broken.detail)
        return None

    def _piece(self, piece: Piece) -> None:
        walk = self._walk
        self._number, self._line = piece.number, 1
        self._good_bytes = 0
        if piece.stub is not None:
            walk.pass_stub(piece.number, piece.stub)
            self._dropped += 1
            self._hush.forget()
            return
        lines = iter(piece.lines)
        first = next(lines, b"")
        header = walk.open(piece.number, first)
        self._good_bytes = len(first)
        opener = self._opened(header.log, piece.number, header.first) if self._opened else None
        if isinstance(opener, bytes):
            walk.hold_beside(header, opener)
            self._unopened += 1
            opener = None
        self._lines(lines, opener)

    def _lines(self, lines: Iterator[bytes], opener: Opener | None) -> None:
        walk, hush = self._walk, self._hush
        stop = self._next_stop()
        for self._line, line in enumerate(lines, start=2):
            if line.startswith(CHECKPOINT):
                walk.checkpoint(line)
            else:
                record, place = walk.record(line)
                silent = hush.hear(place.seq, walk.time)
                if opener is not None:
                    if silent and self._census.last_action == "stop":
                        hush.excuse()
                    self._census.see(place.seq, opener.open(record, place))
                if walk.size == stop:
                    stop = self._note_stop()
            self._good_bytes += len(line)
        self._line += 1

    def _next_stop(self) -> int:
        while self._stops and self._stops[-1] <= self._walk.size:
            if self._stops[-1] == self._walk.size:
                self._keep()
            self._stops.pop()
        return self._stops[-1] if self._stops else -1

    def _note_stop(self) -> int:
        self._keep()
        return self._next_stop()

    def _keep(self) -> None:
        self._roots[self._walk.size] = self._walk.tree.root()
        self._heads[self._walk.size] = self._walk.hash

    def _judged(self, answer: Answer) -> Judgement:
        """Compare with what an anchor holds. A size that the walk did not come by says nothing here, unless it lies
        in what was dropped."""
        walk, size = self._walk, _size_of(answer)
        is_looked_at = size in self._roots if size <= walk.size else self._is_end_known
        if answer.held is not None and not is_looked_at:
            is_dropped = self._dropped and self._begun < size <= walk.size
            standing = Standing.DROPPED if is_dropped else Standing.UNASKED
            return Judgement(answer.anchor, standing, size, answer.held.seen)
        if answer.held is not None and walk.log is None:
            return Judgement(answer.anchor, Standing.MISSING, size, answer.held.seen)
        keys = [one.verifier for one in walk.keys if one.covers(size)]
        return judge(answer, walk.log or "", keys, walk.size, self._roots.__getitem__)

    def _named(self, broken: BrokenLine) -> Flaw:
        """Name what was done, by what else stands in the log."""
        here = next((line for _, _, line in self._from(self._number, self._line)), b"")
        if self._line == 1:
            return broken.flaw
        match broken.flaw:
            case Flaw.EDITED if not here.startswith(CHECKPOINT) and self._continues_later():
                return Flaw.INSERTED
            case Flaw.DELETED if self._continues_later():
                return Flaw.REORDERED
            case Flaw.INSERTED if self._stood_before(here):
                return Flaw.DUPLICATED
        return broken.flaw

    def _continues_later(self) -> bool:
        """Whether the record that should stand here stands further down."""
        walk = self._walk
        for number, _, line in self._from(self._number, self._line + 1):
            place = Place(walk.log or "", number, walk.size, walk.time, walk.hash)
            try:
                follow(line, place)
            except BrokenLine:
                continue
            return True
        return False

    def _stood_before(self, here: bytes) -> bool:
        for number, at, line in self._from(0, 1):
            if (number, at) == (self._number, self._line):
                return False
            if line == here:
                return True
        return False

    def _from(self, number: int, first: int) -> Iterator[tuple[int, int, bytes]]:
        for piece in self._read():
            if piece.number < number:
                continue
            for at, line in enumerate(piece.lines, start=1):
                if piece.number > number or at >= first:
                    yield piece.number, at, line


def _size_of(answer: Answer) -> int:
    try:
        return parse_checkpoint(answer.held.note.text).size if answer.held else 0
    except NoteInvalid:
        return 0
