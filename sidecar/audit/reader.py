"""Records as they can be read, from a log's folder, while it is written or at rest. Edge; blocking.

Reading checks each record against the one before. It does not replace ``verify``, which also looks at checkpoints.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from sidecar.audit.keyfile import unlock_keys
from sidecar.audit.keyring import KeyProvider, WrapContext
from sidecar.audit.leaf import BrokenLine, Flaw, Place, RecordLine, parse_record
from sidecar.audit.sealing import OpenedPart, Opener
from sidecar.audit.segment import CHECKPOINT, Header, parse_header
from sidecar.audit.store import key_path, numbers, read_lines, segment_path
from sidecar.audit.walk import Walk
from sidecar.errors import KeyMaterialError


@dataclass(frozen=True, slots=True)
class Stored:
    """One record. ``offset`` is that of its line, in bytes from the start of its segment.

    ``facts`` and ``links`` are None without keys, and ``links`` also where they were erased.
    """

    index: int
    segment: int
    offset: int
    time: str
    record: RecordLine = field(repr=False)
    facts: OpenedPart | None = field(default=None, repr=False)
    links: OpenedPart | None = field(default=None, repr=False)

    @property
    def hash(self) -> bytes:
        """The RFC 6962 leaf hash."""
        return bytes.fromhex(self.record.hash)

    @property
    def members(self) -> Mapping[str, Any]:
        """Everything it says that can be read."""
        facts = self.facts.members if self.facts else {}
        return {**facts, **self.links.members} if self.links else facts


class Position(NamedTuple):
    """Where a record's line begins: its segment, and the offset in bytes there."""

    segment: int
    offset: int


def read_records(
    folder: Path, keys: KeyProvider | None = None, first: int = 0, after: tuple[int, int] | None = None
) -> Iterator[Stored]:
    """Yield the records from a number on, those of dropped segments left out.

    ``after`` is the position of a record that is known: reading goes on behind it, at no cost for what lies before.
    A half-written last line ends the reading: it is being written. Raises BrokenLine at the first line that does not
    continue the one before, KeyMaterialError and KeyProviderUnavailable where keys can't be had, OSError.
    """
    openings = _openings(folder, after[0] if after else 0)
    at = max(0, bisect_right([header.first for header in openings], first) - 1)
    for header in openings[at:]:
        opener = _opener(folder, header, keys)
        here = after[1] if after and after[0] == header.segment else None
        for stored in _segment(folder, header, opener, here):
            if stored.index >= first:
                yield stored


def read_segment(folder: Path, number: int, keys: KeyProvider | None = None) -> Iterator[Stored]:
    """Yield the records of one segment. Raises like ``read_records``."""
    header = _header(folder, number)
    return _segment(folder, header, _opener(folder, header, keys), None)


def read_at(folder: Path, keys: KeyProvider | None, segment: int, offset: int) -> Stored:
    """Return the record whose line begins at an offset of a segment. Raises like ``read_records``.

    The record is checked against its own hash and, with keys, against its place; not against its neighbours.
    """
    header = _header(folder, segment)
    line = next(read_lines(segment_path(folder, segment), offset), b"")
    return _alone(line, header, offset, _opener(folder, header, keys))


def read_leaf_hashes(folder: Path, first: int = 0) -> Iterator[bytes]:
    """Yield leaf hashes from a record on, 32 bytes each."""
    for stored in read_records(folder, None, first):
        yield stored.hash


def _openings(folder: Path, start: int) -> list[Header]:
    """Return the openings of the segments that are there, from a number on."""
    there = (number for number in numbers(folder) if number >= start and segment_path(folder, number).exists())
    return [_header(folder, number) for number in there]


def _header(folder: Path, number: int) -> Header:
    return parse_header(next(read_lines(segment_path(folder, number)), b""))


def _opener(folder: Path, header: Header, keys: KeyProvider | None) -> Opener | None:
    return open_segment(folder, header.log, header.segment, header.first, keys) if keys is not None else None


def open_segment(folder: Path, log: str, number: int, first: int, keys: KeyProvider) -> Opener:
    """Return what opens the records of a segment."""
    try:
        data = key_path(folder, number).read_bytes()
    except FileNotFoundError:
        raise KeyMaterialError(f"the key file of segment {number} is gone") from None
    return Opener(unlock_keys(data, keys, WrapContext(log, number)), first)


def _segment(folder: Path, header: Header, opener: Opener | None, after: int | None) -> Iterator[Stored]:
    lines = read_lines(segment_path(folder, header.segment), after or 0)
    line = next(lines, b"")  # nothing where the file was cut meanwhile; what it should hold is then told to be broken
    offset = len(line) + (after or 0)
    walk = Walk()
    walk.enter(header)
    if after is not None:
        walk.go_on_behind(*parse_record(line))
    for line in lines:
        if not line.endswith(b"\n"):
            return
        if not line.startswith(CHECKPOINT):
            record, place = walk.record(line)
            yield _stored(record, place, walk.time, offset, opener)
        offset += len(line)


def _alone(line: bytes, header: Header, offset: int, opener: Opener | None) -> Stored:
    record, place = parse_record(line)
    if (place.log, place.segment) != (header.log, header.segment):
        raise BrokenLine(Flaw.INSERTED, "the line belongs to another segment")
    return _stored(record, place, place.time, offset, opener)


def _stored(record: RecordLine, place: Place, time: str, offset: int, opener: Opener | None) -> Stored:
    opened = opener.open(record, place) if opener is not None else None
    facts, links = (opened.facts, opened.links) if opened else (None, None)
    return Stored(place.seq, place.segment, offset, time, record, facts, links)
