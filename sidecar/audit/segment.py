"""What stands around the records: the line that opens a segment, checkpoints, and the stub of a dropped one. Pure."""

from __future__ import annotations

import binascii
import json
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import rfc8785

from sidecar.audit.canonical import canonical
from sidecar.audit.leaf import FORMAT_VERSION, BrokenLine, Flaw
from sidecar.audit.merkle import HASH_BYTES
from sidecar.audit.note import Note, NoteInvalid, parse_note
from sidecar.audit.ranges import Node

SEGMENT: Final = b"segment"
CHECKPOINT: Final = b"checkpoint"
STUB: Final = "sidecar-audit/2/stub"
KEY_LINE: Final = "key "

_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Header:
    """The line that opens a segment: what it continues. ``key`` is the vkey that signs now, to be compared only.

    ``time`` is that of the record before; empty where there is none.
    """

    log: str
    segment: int
    first: int
    prev: str
    time: str
    peaks: tuple[bytes, ...]
    key: str


@dataclass(frozen=True, slots=True)
class Stub:
    """What is kept of a dropped segment, enough for every later root to follow (A32).

    ``nodes`` are the subtrees over its records, ``prev`` the hash of the last; ``introductions`` the checkpoints in
    it that made keys the log's.
    """

    log: str
    segment: int
    first: int
    count: int
    prev: str
    since: str
    until: str
    dropped: str
    reason: str
    nodes: tuple[Node, ...]
    introductions: tuple[Note, ...] = ()

    @property
    def text(self) -> str:
        """The text to sign."""
        members = {
            "count": self.count, "dropped": self.dropped, "first": self.first,
            "introductions": [b64encode(str(one).encode()).decode() for one in self.introductions],
            "log": self.log, "nodes": [[node.level, node.hash.hex()] for node in self.nodes], "prev": self.prev,
            "reason": self.reason, "segment": self.segment, "since": self.since, "until": self.until,
            "v": FORMAT_VERSION,
        }  # fmt: skip
        return f"{STUB}\n{canonical(members).decode()}\n"


def header_line(header: Header) -> bytes:
    """Return the line, newline included."""
    members = {
        "first": header.first, "key": header.key, "log": header.log, "peaks": [one.hex() for one in header.peaks],
        "prev": header.prev, "segment": header.segment, "time": header.time, "v": FORMAT_VERSION,
    }  # fmt: skip
    return b"segment\t%b\n" % canonical(members)


def parse_header(line: bytes) -> Header:
    """Return what a segment's first line says, or raise BrokenLine."""
    if not line.endswith(b"\n"):
        raise BrokenLine(Flaw.TORN, "the line does not end")
    kind, _, text = line[:-1].partition(b"\t")
    if kind != SEGMENT:
        raise BrokenLine(Flaw.MALFORMED, "a segment must begin with a line that says so")
    match _object(text):
        case {"v": int(version)} if version != FORMAT_VERSION:
            raise BrokenLine(Flaw.UNKNOWN_VERSION, f"written in a format other than {FORMAT_VERSION}")
        case {"log": str(log), "segment": int(segment), "first": int(first), "prev": str(prev), "time": str(time),
              "peaks": list(peaks), "key": str(key)} if _HEX.fullmatch(prev):  # fmt: skip
            header = Header(log, segment, first, prev, time, tuple(_hash(one) for one in peaks), key)
            if type(segment) is type(first) is int and _is_as_written(lambda: header_line(header), line):
                return header
    raise BrokenLine(Flaw.EDITED, "the line that opens the segment is not as it was written")


def checkpoint_line(note: Note) -> bytes:
    """Return the line of a checkpoint, newline included."""
    return b"checkpoint\t%b\n" % b64encode(str(note).encode())


def parse_checkpoint_line(line: bytes) -> Note:
    """Return the note of a checkpoint line, unverified, or raise BrokenLine."""
    if not line.endswith(b"\n"):
        raise BrokenLine(Flaw.TORN, "the line does not end")
    try:
        note = parse_note(b64decode(line[:-1].partition(b"\t")[2], validate=True))
    except (binascii.Error, NoteInvalid):
        raise BrokenLine(Flaw.EDITED, "the checkpoint is no signed note") from None
    if checkpoint_line(note) != line:
        raise BrokenLine(Flaw.EDITED, "the checkpoint is not as it was written")
    return note


def parse_stub(data: bytes) -> tuple[Stub, Note]:
    """Return a stub and its note, unverified, or raise BrokenLine."""
    try:
        note = parse_note(data)
    except NoteInvalid:
        raise BrokenLine(Flaw.EDITED, "the stub is no signed note") from None
    stub = _stub(_object(note.text.removeprefix(f"{STUB}\n").encode()))
    if not _is_as_written(lambda: stub.text, note.text):
        raise BrokenLine(Flaw.EDITED, "the stub is not as it was written")
    return stub, note


def _is_as_written(make: Callable[[], object], there: object) -> bool:
    """Whether what was read is written so. What has no canonical form was never written."""
    try:
        return make() == there
    except rfc8785.CanonicalizationError:
        return False


def _stub(members: Mapping[str, Any]) -> Stub:
    match members:
        case {"v": 2, "log": str(log), "segment": int(segment), "first": int(first), "count": int(count),
              "prev": str(prev), "since": str(since), "until": str(until), "dropped": str(dropped),
              "reason": str(reason), "nodes": list(nodes), "introductions": list(introductions)}:  # fmt: skip
            rows = tuple(_node(one) for one in nodes)
            notes = tuple(_introduction(one) for one in introductions)
            return Stub(log, segment, first, count, prev, since, until, dropped, reason, rows, notes)
    raise BrokenLine(Flaw.EDITED, "the stub is not as it was written")


def _node(value: object) -> Node:
    match value:
        case [int(level), str() as text] if 0 <= level < 64:
            return Node(level, _hash(text))
    raise BrokenLine(Flaw.EDITED, "the stub is not as it was written")


def _introduction(value: object) -> Note:
    try:
        return parse_note(b64decode(str(value), validate=True))
    except (binascii.Error, NoteInvalid):
        raise BrokenLine(Flaw.EDITED, "the stub is not as it was written") from None


def _hash(value: object) -> bytes:
    if not isinstance(value, str) or not _HEX.fullmatch(value):
        raise BrokenLine(Flaw.EDITED, f"a hash must be {2 * HASH_BYTES} hex digits")
    return bytes.fromhex(value)


def _object(text: bytes) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise BrokenLine(Flaw.MALFORMED, "not a JSON object")
    return value
