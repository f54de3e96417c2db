"""Answers questions about a log, with the index where that helps, and proves what it answers. Edge; blocking.

Order of every answer: the index says where → the log says what → the hash of what it says is proven to be in the tree
of the signed checkpoint. An index that leads astray is made anew, once; a log that does is broken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, islice, takewhile
from pathlib import Path
from typing import TypeVar

from sidecar.audit.index import AuditIndex, term_of
from sidecar.audit.keyring import KeyProvider
from sidecar.audit.leaf import BrokenLine, Flaw
from sidecar.audit.merkle import ProofInvalid, consistency_proof, inclusion_proof, verify_inclusion
from sidecar.audit.note import Checkpoint, Note, parse_checkpoint, parse_note
from sidecar.audit.query import Question, Row, rows
from sidecar.audit.reader import Stored, read_at, read_records
from sidecar.audit.record import Action, Phase
from sidecar.audit.segment import CHECKPOINT, KEY_LINE, parse_checkpoint_line, parse_header, parse_stub
from sidecar.audit.store import CHECKPOINT_NAME, numbers, read_lines, segment_path, stub_path

T = TypeVar("T")

EVENTS = frozenset({
    Action.START, Action.STOP, Action.HEARTBEAT, Action.CONFIG_CHANGED, Action.RELOAD, Action.LINKS_ERASED,
    Action.SEGMENT_DROPPED, Action.KEY_ROTATED, Action.LOG_RECOVERED, Action.LOG_OPENED, Action.DENIALS_COUNTED,
    Action.CLOCK_STEPPED_BACK, Action.RELOAD_FAILED,
})  # fmt: skip
"""Actions that stand in events alone: rare enough to be looked up."""


@dataclass(frozen=True, slots=True)
class Proven:
    """A record with the proof that it is in the tree of a checkpoint."""

    stored: Stored
    proof: tuple[bytes, ...]


class AuditLookup:
    """One reader of one log; for one thread at a time. Raises BrokenLine, KeyMaterialError, OSError like ``reader``."""

    def __init__(self, folder: Path, keys: KeyProvider | None, index: AuditIndex) -> None:
        self._folder = folder
        self._keys = keys
        self._index = index

    @property
    def size(self) -> int:
        """How many records the index knows of."""
        state = self._index.state
        return state.size if state else 0

    @property
    def origin(self) -> str:
        """The log's name; empty while it has no checkpoint."""
        note = self.checkpoint()
        return parse_checkpoint(note.text).origin if note else ""

    def checkpoint(self) -> Note | None:
        """Return the newest signed checkpoint; None of a log that has none yet. Raises NoteInvalid for others."""
        return newest_checkpoint(self._folder)

    def catch_up(self, limit: int | None = None) -> None:
        """Take in what was written since, or so many records of it.

        An index of another log, or of one that was put back, begins anew.
        """
        state = self._index.state
        if state is not None:
            if self._still_there(*state.position, state.hash):
                records = read_records(self._folder, self._keys, state.size, state.position)
                self._index.add(state.origin, islice(records, limit))
                return
            self._index.clear()
        self._add_stubs()
        records = read_records(self._folder, self._keys)
        first = next(records, None)
        if first is not None:
            self._index.add(self.origin, islice(chain((first,), records), limit))

    def scan_length(self, question: Question, size: int) -> int:
        """Return how many of the first ``size`` records have to be read one by one to answer."""
        first, end = self._index.span(question.since, question.until)
        return max(0, min(end, size) - first) if _terms(question) is None else 0

    def find(self, question: Question, size: int | None = None) -> Iterator[Row]:
        """Yield the rows that are asked for, as the log says them; of the first ``size`` records if that is given."""
        first, end = self._index.span(question.since, question.until)
        end = end if size is None else max(first, min(end, size))
        terms = _terms(question)
        found = self._scanned(first, end) if terms is None else self._looked_up(terms, first, end)
        seen: set[int] = set()
        for row in found:
            if row.first.index not in seen and question.admits(row):
                seen.add(row.first.index)
                yield row

    def span(self, question: Question, size: int) -> tuple[int, int]:
        """Return numbers [first, end) between which every record of the time asked for lies, among the first so many.

        Only what lies in segments that are still there.
        """
        first, end = self._index.span(question.since, question.until)
        first = max(first, min(self._beginning(), size))
        return first, max(first, min(end, size))

    def between(self, first: int, end: int) -> Iterator[Stored]:
        """Yield the records [first, end), as far as they were not dropped."""
        try:
            after = self._index.position(first - 1) if first > self._beginning() else None
        except KeyError:  # dropped, with one before it that is held
            after = None
        return takewhile(lambda one: one.index < end, read_records(self._folder, self._keys, first, after))

    def at(self, seq: int) -> Stored:
        """Return one record. KeyError if there is none, or it was dropped."""
        try:
            stored = read_at(self._folder, self._keys, *self._index.position(seq))
        except FileNotFoundError:  # the index was made before that
            raise KeyError(seq) from None
        if stored.index != seq:  # the index leads astray
            raise KeyError(seq)
        return stored

    def prove(self, stored: Stored, checkpoint: Checkpoint) -> Proven:
        """Return the record with its proof, checked. BrokenLine if it is not in the tree of the checkpoint."""

        def proven() -> Proven:
            proof = inclusion_proof(stored.index, checkpoint.size, self._index.node)
            verify_inclusion(stored.hash, stored.index, checkpoint.size, proof, checkpoint.root)
            return Proven(stored, proof)

        return self._sure(proven)

    def inclusion(self, seq: int, size: int) -> tuple[bytes, ...]:
        """Return the proof that a record is in the tree of the first ``size``. KeyError beyond what is known."""
        return inclusion_proof(seq, size, self._index.node)

    def consistency(self, old_size: int, new_size: int) -> tuple[bytes, ...]:
        """Return the proof between two sizes. KeyError beyond what is known."""
        if new_size > self.size:
            self.catch_up()
        return consistency_proof(old_size, new_size, self._index.node)

    def introductions(self, size: int) -> tuple[Note, ...]:
        """Return the checkpoints that made further keys the log's, among the first ``size`` records (A28)."""
        found: dict[int, list[Note]] = {}
        rotated = self._index.find([term_of("event", Action.KEY_ROTATED)], 0, size)
        for number in {self._index.position(seq).segment for seq in rotated}:
            with suppress(FileNotFoundError):  # its stub tells
                found[number] = list(_introductions_in(segment_path(self._folder, number)))
        for number in numbers(self._folder):
            if not segment_path(self._folder, number).exists():
                stub, _ = parse_stub(stub_path(self._folder, number).read_bytes())
                found[number] = list(stub.introductions)
        notes = chain.from_iterable(found[number] for number in sorted(found))
        return tuple(one for one in notes if parse_checkpoint(one.text).size <= size)

    def _sure(self, act: Callable[[], T]) -> T:
        """Do it once more with a fresh index before the log is called broken."""
        try:
            return act()
        except (ProofInvalid, KeyError):
            self._index.clear()
            self.catch_up()
        try:
            return act()
        except (ProofInvalid, KeyError):
            raise BrokenLine(Flaw.REWRITTEN, "a record is not in the tree that was signed") from None

    def _looked_up(self, terms: list[bytes], first: int, end: int) -> Iterator[Row]:
        for seq in self._index.find(terms, first, end):
            try:
                yield from self._rows_at(self.at(seq))
            except KeyError:
                yield from self._left_of(terms, seq)

    def _left_of(self, terms: list[bytes], seq: int) -> Iterator[Row]:
        """Yield what retention has left of the row that began with a record which it dropped."""
        last = {self._index.end_of(term, seq, self.size) for term in terms} - {None}
        yield from (Row(one) for one in map(self._held, last) if one is not None)

    def _rows_at(self, stored: Stored) -> Iterator[Row]:
        """Yield the row that a record belongs to; of one that says what links are left of another, that one's too."""
        yield self._whole(Row(stored))
        named = stored.members.get("record")
        if stored.members.get("action") == Action.LINKS_ERASED and isinstance(named, int):
            other = self._held(named)
            if other is not None:
                yield self._whole(Row(other))

    def _held(self, seq: int | None) -> Stored | None:
        """Return one record; None of none, and of one that was dropped."""
        try:
            return self.at(seq) if seq is not None else None
        except KeyError:
            return None

    def _scanned(self, first: int, end: int) -> Iterator[Row]:
        yield from (self._whole(row) for row in rows(self.between(first, end)))

    def _whole(self, row: Row) -> Row:
        """Join an intent and an outcome of which only one was met. Of what was dropped nothing is joined."""
        phase, exchange = row.first.members.get("phase"), str(row.first.members.get("exchange_id", ""))
        if row.last is not None or phase == Phase.EVENT or not exchange:
            return row
        term, seq = term_of("exchange", exchange), row.first.index
        if phase == Phase.OUTCOME:
            begun = self._index.beginning_of(term, seq)
            intent = self._held(begun) if begun != seq else None
            return Row(intent, row.first) if intent is not None else row
        outcome = self._held(self._index.end_of(term, seq, self.size))
        return Row(row.first, outcome) if outcome is not None else row

    def _still_there(self, segment: int, offset: int, digest: str) -> bool:
        try:
            return read_at(self._folder, None, segment, offset).record.hash == digest
        except (BrokenLine, FileNotFoundError):
            return False

    def _beginning(self) -> int:
        """Return the first record that was not dropped."""
        for number in numbers(self._folder):
            with suppress(FileNotFoundError):
                return parse_header(next(read_lines(segment_path(self._folder, number)), b"")).first
        return 0

    def _add_stubs(self) -> None:
        for number in numbers(self._folder):
            if not segment_path(self._folder, number).exists():
                stub, _ = parse_stub(stub_path(self._folder, number).read_bytes())
                self._index.add_nodes(stub.first, stub.nodes)


def newest_checkpoint(folder: Path) -> Note | None:
    """Return the newest checkpoint, as it lies there; None of a log that has none yet. Raises NoteInvalid, OSError."""
    try:
        note = parse_note((folder / CHECKPOINT_NAME).read_bytes())
    except FileNotFoundError:
        return None
    parse_checkpoint(note.text)
    return note


def _terms(question: Question) -> list[bytes] | None:
    """Return what to look up, the rarest kind; None where nothing but reading all of it will do."""
    if question.pseudonyms is not None:
        return [term_of("link", one) for one in question.pseudonyms]
    if question.exchange_id is not None:
        return [term_of("exchange", question.exchange_id)]
    if question.actor is not None:
        return [term_of("actor", question.actor)]
    return [term_of("event", question.action)] if question.action in EVENTS else None


def _introductions_in(path: Path) -> Iterator[Note]:
    for line in read_lines(path):
        if line.startswith(CHECKPOINT):
            note = parse_checkpoint_line(line)
            if any(one.startswith(KEY_LINE) for one in parse_checkpoint(note.text).extensions):
                yield note
