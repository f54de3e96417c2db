"""Walks a log from line to line and knows at each what must come next. Pure.

The one place that says what continues what: ``verify``, start-up, readers and retention all walk with it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from sidecar.audit.leaf import GENESIS, BrokenLine, Flaw, Place, RecordLine, follow
from sidecar.audit.merkle import Frontier
from sidecar.audit.note import Checkpoint, Note, NoteInvalid, Verifier, parse_checkpoint, parse_verifier
from sidecar.audit.ranges import Misaligned, grown
from sidecar.audit.segment import KEY_LINE, Header, parse_checkpoint_line, parse_header, parse_stub

_FLUSH = 4096  # leaf hashes kept until they enter the tree


class Piece(NamedTuple):
    """One segment as it lies there: its number, and its lines with their newlines, or the bytes of its stub."""

    number: int
    lines: Iterable[bytes]
    stub: bytes | None = None


@dataclass(frozen=True, slots=True)
class LogKey:
    """A public key of the log. Beyond ``until`` records nothing it signed is believed, and no key it named (A28)."""

    verifier: Verifier
    until: int | None = None

    def covers(self, size: int) -> bool:
        return self.until is None or size <= self.until


class Unproven(NamedTuple):
    """A stub that was passed: its segment, the records [first, end) that it stands for, and its note."""

    segment: int
    first: int
    end: int
    note: Note


class Walk:
    """Where a walk stands. Every method raises BrokenLine for what can't come next, and then stays where it was.

    Without keys the word of the first segment that is there, or of the first stub that tells of a key, is taken for
    which key signs: that finds damage, not forgery. ``own`` are believed besides, by whoever holds them.
    """

    def __init__(self, keys: Iterable[LogKey] = (), own: Iterable[Verifier] = ()) -> None:
        self.keys = list(keys)
        self._own = tuple(own)
        self.are_keys_given = bool(self.keys)
        self.log: str | None = None
        self.segment = -1
        self.first = 0
        self.size = 0
        self.hash = GENESIS
        self.time = ""
        self.signed: Note | None = None  # the newest checkpoint that was passed
        self.signed_size = 0
        self.checkpoints = 0
        self.unproven: list[Unproven] = []
        self.introductions: list[Note] = []  # checkpoints of this segment that made keys the log's
        self._claimed = ""  # the key that the segment names
        self._tree = Frontier()
        self._fresh: list[bytes] = []

    @property
    def tree(self) -> Frontier:
        """The tree of all records passed."""
        if self._fresh:
            self._tree = self._tree.extended(self._fresh)
            self._fresh.clear()
        return self._tree

    def believe(self, header: Header) -> None:
        """Stand where a segment's first line says it begins. The next checkpoint whose root holds proves it right."""
        self.log, self.segment, self.first = header.log, header.segment - 1, header.first
        self.size, self.hash, self.time = header.first, header.prev, header.time
        try:
            self._tree = Frontier(header.first, header.peaks)
        except ValueError:
            raise BrokenLine(Flaw.EDITED, "the segment does not begin at the number that it says") from None
        self._fresh.clear()

    def keys_of(self, vkey: str) -> None:
        """Take a key on the word of the log, where none is known."""
        self._learn(vkey)

    def enter(self, header: Header) -> None:
        """Stand behind the line that opens a segment, believing it: to read, not to verify."""
        self.believe(header)
        self.segment = header.segment

    def go_on_behind(self, record: RecordLine, place: Place) -> None:
        """Stand behind a record, believing it: to read, not to verify. The tree is not known from here on."""
        self.size, self.hash, self.time = place.seq + 1, record.hash, place.time

    def open(self, number: int, line: bytes) -> Header:
        """Pass the line that opens a segment."""
        header = parse_header(line)
        self._belongs(header.log)
        if header.segment != number:
            raise BrokenLine(Flaw.REORDERED, f"the file of segment {header.segment} lies under another number")
        self._comes_next(number, header.first)
        if (header.prev, header.peaks, header.time) != (self.hash, self.tree.peaks, self.time):
            raise BrokenLine(Flaw.EDITED, "the segment does not continue the one before")
        self._learn(header.key)
        self._claimed = header.key
        self.log, self.segment, self.first = header.log, number, header.first
        self.introductions = []
        return header

    def record(self, line: bytes) -> tuple[RecordLine, Place]:
        """Pass a record. ``time`` of the place that is returned is that of the record before."""
        place = Place(self.log or "", self.segment, self.size, self.time, self.hash)
        record, self.time = follow(line, place)
        self.hash = record.hash
        self.size += 1
        self._fresh.append(bytes.fromhex(record.hash))
        if len(self._fresh) >= _FLUSH:
            self._tree = self.tree
        return record, place

    def checkpoint(self, line: bytes) -> Checkpoint:
        """Pass a checkpoint: signed by a key of the log, and true of exactly the records before it."""
        note = parse_checkpoint_line(line)
        checkpoint = self.believed(note)
        if checkpoint.size != self.size:
            flaw = Flaw.DELETED if checkpoint.size > self.size else Flaw.INSERTED
            raise BrokenLine(flaw, f"a checkpoint over {checkpoint.size} records stands behind {self.size}")
        if self.signed is not None and checkpoint.size == self.signed_size:
            raise BrokenLine(Flaw.DUPLICATED, f"there is a checkpoint over {checkpoint.size} records already")
        if checkpoint.root != self.tree.root():
            raise BrokenLine(Flaw.REWRITTEN, f"the {self.size} records are not those of the checkpoint behind them")
        known = {str(one.verifier) for one in self.keys}
        self._introduce(note, checkpoint)
        if self._claimed not in {"", *(str(one.verifier) for one in self.keys)}:
            raise BrokenLine(Flaw.EDITED, "the key that the segment names is none of the log's")
        self._require_ours_alone(note, checkpoint, known)
        self.signed, self.signed_size = note, checkpoint.size
        self.checkpoints += 1
        return checkpoint

    def pass_stub(self, number: int, data: bytes) -> None:
        """Pass a segment that was dropped, on the word of its stub. Who signed that is asked at the end of the walk:
        it may be a key that was introduced long after the segment."""
        stub, note = parse_stub(data)
        self._belongs(stub.log)
        self._comes_next(number, stub.first)
        for one in stub.introductions:
            self.pass_introduction(one)
        self.unproven.append(Unproven(number, stub.first, stub.first + stub.count, note))
        try:
            tree = grown(self.tree, stub.nodes)
        except Misaligned:
            raise BrokenLine(Flaw.EDITED, "the stub's subtrees do not continue the tree") from None
        if stub.segment != number or tree.size != stub.first + stub.count:
            raise BrokenLine(Flaw.EDITED, "the stub does not stand for the segment of its number")
        self._tree, self.size = tree, tree.size
        self.log, self.segment, self.first = stub.log, number, stub.first
        self.hash, self.time = stub.prev, stub.until

    def hold_beside(self, header: Header, data: bytes) -> None:
        """Take up the stub of a segment that is there, but can't be opened any more: who signed it is asked, too."""
        stub, note = parse_stub(data)
        if (stub.log, stub.segment, stub.first) != (header.log, header.segment, header.first):
            raise BrokenLine(Flaw.EDITED, "the stub beside the segment is not its")
        self.unproven.append(Unproven(stub.segment, stub.first, stub.first + stub.count, note))

    def prove(self, stub: Unproven) -> None:
        """Raise BrokenLine unless a key of the log signed a stub that was passed."""
        self._signed(stub.note, stub.end)

    def pass_introduction(self, note: Note) -> None:
        """Take up the keys that a checkpoint names, if a key of the log signed it (A28)."""
        if not self.keys:  # of what came before nothing but stubs is left
            for key in _introduced(_parsed(note)):
                self._add(key)
        self._introduce(note, self.believed(note))

    def believed(self, note: Note) -> Checkpoint:
        """Return the checkpoint in a note, if a key of the log signed it and it is this log's."""
        checkpoint = _parsed(note)
        self._signed(note, checkpoint.size)
        if self.log is not None and checkpoint.origin != self.log:
            raise BrokenLine(Flaw.WRONG_LOG, "the checkpoint belongs to another log")
        return checkpoint

    def _signed(self, note: Note, size: int) -> None:
        try:
            note.verified([*self._own, *(one.verifier for one in self.keys if one.covers(size))])
        except NoteInvalid:
            raise BrokenLine(Flaw.UNSIGNED, f"no key of the log signed what is said of {size} records") from None

    def _require_ours_alone(self, note: Note, checkpoint: Checkpoint, known: Collection[str]) -> None:
        """Once it is known which keys the note makes the log's: it bears their signatures, too, and nobody else's.

        Who begins at a key of later than the first knows it before it is introduced, and not who introduces it.
        """
        self._signed(note, checkpoint.size)
        ours = {(one.name, one.id) for one in (*self._own, *(one.verifier for one in self.keys))}
        strangers = [one.name for one in note.signatures if (one.name, one.key_id) not in ours]
        introduced = list(_introduced(checkpoint))
        introducers = [checkpoint.origin] if introduced and all(one in known for one in introduced) else []
        if strangers not in ([], introducers):
            raise BrokenLine(Flaw.EDITED, "the checkpoint bears a signature that is none of the log's")

    def _introduce(self, note: Note, checkpoint: Checkpoint) -> None:
        """Take up the keys that a believed checkpoint names (A28), unless a stolen key alone says so.

        Which size a checkpoint is of its signer chooses: a thief would introduce a key of his own at a size from before
        the theft, and sign all that follows with that.
        """
        if not self._is_signed_by_a_whole_key(note):
            return
        for key in _introduced(checkpoint):
            self.introductions.append(note)
            self._add(key)

    def _is_signed_by_a_whole_key(self, note: Note) -> bool:
        """Whether a key signed it that is believed without end."""
        try:
            note.verified([*self._own, *(one.verifier for one in self.keys if one.until is None)])
        except NoteInvalid:
            return False
        return True

    def _learn(self, vkey: str) -> None:
        if not self.keys:
            self._add(vkey)

    def _add(self, vkey: str) -> None:
        try:
            verifier = parse_verifier(vkey)
        except NoteInvalid:
            raise BrokenLine(Flaw.EDITED, "what should be a public key is none") from None
        if all(one.verifier != verifier for one in self.keys):
            self.keys.append(LogKey(verifier))

    def _belongs(self, log: str) -> None:
        if self.log is not None and log != self.log:
            raise BrokenLine(Flaw.WRONG_LOG, "the segment belongs to another log")

    def _comes_next(self, number: int, first: int) -> None:
        if number > self.segment + 1:
            raise BrokenLine(Flaw.DELETED, f"segment {self.segment + 1} is missing")
        if first > self.size:
            raise BrokenLine(Flaw.DELETED, f"records {self.size} to {first - 1} are missing")
        if first < self.size:
            raise BrokenLine(Flaw.INSERTED, f"the segment begins with record {first}, where {self.size} should stand")


def _parsed(note: Note) -> Checkpoint:
    try:
        return parse_checkpoint(note.text)
    except NoteInvalid:
        raise BrokenLine(Flaw.EDITED, "the note holds no checkpoint") from None


def _introduced(checkpoint: Checkpoint) -> Iterator[str]:
    """Yield the keys that a checkpoint makes the log's (A28)."""
    return (one.removeprefix(KEY_LINE) for one in checkpoint.extensions if one.startswith(KEY_LINE))
