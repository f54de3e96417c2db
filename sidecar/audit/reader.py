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
from sidecar.audit.store import is_dropped, key_path, numbers, open_lines, read_lines, segment_path
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
    """Yield the records from a number on, those of segments left out that were dropped, or are while others are read.

    ``after`` is the position of a record that is known: reading goes on behind it, at no cost for what lies before.
    A half-written last line ends the reading: it is being written. Raises BrokenLine at the first line that does not
    continue the one before, KeyMaterialError and KeyProviderUnavailable where keys can't be had, OSError.
    """
    openings = _openings(folder, after[0] if after else 0)
    at = max(0, bisect_right([header.first for header in openings], first) - 1)
    for header in openings[at:]:
        here = after[1] if after and after[0] == header.segment else None
        try:
            stored_there = _segment(folder, header, keys, here)
        except FileNotFoundError:
            if not is_dropped(folder, header.segment):
                raise
            continue
        for stored in stored_there:
            if stored.index >= first:
                yield stored


def read_segment(folder: Path, number: int, keys: KeyProvider | None = None) -> Iterator[Stored]:
    """Yield the records of one segment. Raises like ``read_records``, and FileNotFoundError where it was dropped."""
    return _segment(folder, _header(folder, number), keys, None)


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
    headers = (_header_if_there(folder, number) for number in numbers(folder) if number >= start)
    return [header for header in headers if header is not None]


def _header_if_there(folder: Path, number: int) -> Header | None:
    try:
        return _header(folder, number)
    except FileNotFoundError:  # dropped, if need be a moment ago; a stub that is missing is for ``verify`` to find
        return None


def _header(folder: Path, number: int) -> Header:
    return parse_header(next(read_lines(segment_path(folder, number)), b""))


def _opener(folder: Path, header: Header, keys: KeyProvider | None) -> Opener | None:
    return open_segment(folder, header.log, header.segment, header.first, keys) if keys is not None else None


def open_segment(folder: Path, log: str, number: int, first: int, keys: KeyProvider) -> Opener:
    """Return what opens the records of a segment. Raises FileNotFoundError where it is being dropped, or was."""
    try:
        data = key_path(folder, number).read_bytes()
    except FileNotFoundError:
        if is_dropped(folder, number):
            raise
        raise KeyMaterialError(f"the key file of segment {number} is gone") from None
    return Opener(unlock_keys(data, keys, WrapContext(log, number)), first)


def _segment(folder: Path, header: Header, keys: KeyProvider | None, after: int | None) -> Iterator[Stored]:
    """Open a segment, so that it can be read to its end whatever becomes of it, and return its records."""
    opener = _opener(folder, header, keys)
    return _records(header, open_lines(segment_path(folder, header.segment), after or 0), opener, after)


def _records(header: Header, lines: Iterator[bytes], opener: Opener | None, after: int | None) -> Iterator[Stored]:
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
