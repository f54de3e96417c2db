"""Drops whole segments that are older than they need be, and keeps a signed stub of each (A32). Edge; blocking.

Order: the stub is worked out → a record tells of it → the stub is durable → the segment goes, and its keys first. After
a crash in between, the segment is there and counts; the next round drops it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

from sidecar.audit.leaf import instant
from sidecar.audit.note import Note, Signer
from sidecar.audit.ranges import nodes_of
from sidecar.audit.segment import CHECKPOINT, Header, Stub, parse_header
from sidecar.audit.store import key_path, numbers, read_lines, segment_path, stub_path
from sidecar.audit.walk import Walk
from sidecar.disk import sync_folder, write_whole

EXPIRED = "retention"


@dataclass(frozen=True, slots=True)
class Hold:
    """A legal hold: what was recorded from ``since`` up to ``until`` stays; None is for ever."""

    name: str
    since: datetime
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Retention:
    """How long records are kept. None keeps them for ever."""

    keep: timedelta | None = None
    holds: tuple[Hold, ...] = ()


def expired(folder: Path, retention: Retention, now: datetime) -> list[int]:
    """Return the segments whose last record is older than need be, and that no hold protects. Never the newest."""
    if retention.keep is None:
        return []
    headers = [_header(folder, one) for one in numbers(folder) if segment_path(folder, one).exists()]
    edge = instant(now - retention.keep)
    ends = pairwise(headers)  # a segment has ended when the next one begins
    return [one.segment for one, after in ends if after.time < edge and not _is_held(one, after.time, retention)]


def stub_of(folder: Path, number: int, now: datetime) -> Stub:
    """Walk a segment once more and return what is kept of it. Raises BrokenLine: a broken segment is not dropped."""
    lines = read_lines(segment_path(folder, number))
    header, walk, hashes, times = parse_header(next(lines)), Walk(), [], []
    walk.keys_of(header.key)
    walk.enter(header)
    for line in lines:
        if line.startswith(CHECKPOINT):
            walk.checkpoint(line)
        else:
            hashes.append(bytes.fromhex(walk.record(line)[0].hash))
            times.append(walk.time)
    nodes = nodes_of(header.first, hashes)
    since, until = (times[0], times[-1]) if times else (header.time, header.time)
    return Stub(
        header.log, number, header.first, len(hashes), walk.hash, since, until, instant(now), EXPIRED, nodes,
        tuple(walk.introductions),
    )  # fmt: skip


def drop(folder: Path, stub: Stub, signer: Signer) -> None:
    """Put the signed stub in the place of its segment. May be called again after a crash."""
    note = Note(stub.text)
    write_whole(stub_path(folder, stub.segment), str(note.signed(signer.sign(note.text))).encode())
    key_path(folder, stub.segment).unlink(missing_ok=True)
    segment_path(folder, stub.segment).unlink(missing_ok=True)
    sync_folder(folder)


def _header(folder: Path, number: int) -> Header:
    return parse_header(next(read_lines(segment_path(folder, number)), b""))


def _is_held(header: Header, end: str, retention: Retention) -> bool:
    return any(
        instant(one.since) <= end and (one.until is None or header.time < instant(one.until)) for one in retention.holds
    )
