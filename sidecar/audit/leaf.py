"""One record as one line, and what binds it to the record before. Pure. See docs/audit-format.md.

A line is ``record``, the leaf hash, the leaf, sealed facts and sealed links, split by tabs::

    leaf = {"commitments":[c1,c2],"head":{"log","prev","seals":[s1,s2],"segment","seq","time","v"}}, canonical
    H    = SHA-256(0x00 || leaf): an RFC 6962 leaf hash, and the ``prev`` of the next record

A part enters H twice: by a salted commitment to what it says, which whoever is shown the part can check, and by the
hash of its sealed form, which whoever has no key can check. Neither needs the part itself, so it may become unreadable
while H and every proof over it stay valid (A24, A26).
"""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime
from enum import StrEnum
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final, NamedTuple

import rfc8785

from sidecar.audit.canonical import canonical

FORMAT_VERSION: Final = 2
GENESIS: Final = "0" * 64
SALT_BYTES: Final = 16
LINE_LIMIT: Final = 1 << 25  # bytes; a reader holds one line at a time
RECORD: Final = b"record"

_LEAF_PREFIX = b"\x00"
_COLUMNS = 5
_OPENING = 151  # bytes of a leaf up to its head
_TIME = slice(-36, -9)
_INSTANT_CHARACTERS = 26  # without the zone
_DAY_CHARACTERS = 10
_COMMITMENTS = re.compile(rb'\{"commitments":\["[0-9a-f]{64}","[0-9a-f]{64}"\],')
_INSTANT = re.compile(rb"[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{6}Z")
_LEAF = b'%b"head":{"log":"%b","prev":"%b","seals":["%b","%b"],"segment":%d,"seq":%d,"time":"%b","v":2}}'
_ORIGIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:-]{0,127}")


class Flaw(StrEnum):
    """What is wrong at the first place that is not as it was written."""

    EDITED = "edited"
    INSERTED = "inserted"
    DELETED = "deleted"
    REORDERED = "reordered"
    DUPLICATED = "duplicated"
    TORN = "torn"
    MALFORMED = "malformed"
    WRONG_LOG = "wrong_log"
    UNKNOWN_VERSION = "unknown_version"
    CUT = "cut"  # the log ends before a checkpoint
    REWRITTEN = "rewritten"  # the log has other records than a checkpoint says
    UNSIGNED = "unsigned"  # a checkpoint or stub that no key of the log signed
    UNREADABLE = "unreadable"  # a sealed part does not open, or says other than its commitment


class BrokenLine(ValueError):
    """A line that no writer of this format could have written here. Holds none of its text."""

    def __init__(self, flaw: Flaw, detail: str) -> None:
        super().__init__(f"{flaw.value}: {detail}")
        self.flaw = flaw
        self.detail = detail


class Place(NamedTuple):
    """Where a record stands: log, segment, its number from 0, UTC time with µs, the hash it continues (hex)."""

    log: str
    segment: int
    seq: int
    time: str
    prev: str = GENESIS


class RecordLine(NamedTuple):
    """A record as it stands: its leaf hash in hex, its leaf, and its two parts sealed and in base64."""

    hash: str
    leaf: bytes
    facts: bytes
    links: bytes

    @property
    def commitments(self) -> tuple[str, str]:
        """What the facts and the links must say, in hex. Of lines that were followed only."""
        return self.leaf[17:81].decode(), self.leaf[84:148].decode()


def instant(moment: datetime) -> str:
    """Return a moment as ``2025-01-31T09:05:00.000001Z``: fixed width, so that text order is time order."""
    return f"{moment.astimezone(UTC).isoformat(timespec='microseconds')[:_INSTANT_CHARACTERS]}Z"


def is_origin(text: str) -> bool:
    """Whether a log may be called so: what needs no escape in JSON, in a path, in a note."""
    return _ORIGIN.fullmatch(text) is not None


def hash_of(leaf: bytes) -> str:
    """Return the RFC 6962 leaf hash, in hex."""
    return sha256(_LEAF_PREFIX + leaf).hexdigest()


def make_line(place: Place, commitments: tuple[str, str], facts: bytes, links: bytes) -> tuple[bytes, str]:
    """Return the line of a record, newline included, and its leaf hash. Parts are sealed and in base64."""
    opening = b'{"commitments":["%b","%b"],' % (commitments[0].encode(), commitments[1].encode())
    leaf = _leaf(opening, place, place.time.encode(), facts, links)
    digest = hash_of(leaf)
    return b"record\t%b\t%b\t%b\t%b\n" % (digest.encode(), leaf, facts, links), digest


def follow(line: bytes, place: Place) -> tuple[RecordLine, str]:
    """Return the record of a line and its time; raise BrokenLine unless it is the one that comes at this place.

    ``place.time`` is that of the record before: time never goes backwards. The whole line is built anew from what is
    known, so every bit of it counts.
    """
    columns = line[:-1].split(b"\t")
    if len(columns) == _COLUMNS and line[-1:] == b"\n" and columns[0] == RECORD:
        _, digest, leaf, facts, links = columns
        opening, time = leaf[:_OPENING], leaf[_TIME]
        if (
            leaf == _leaf(opening, place, time, facts, links)
            and hash_of(leaf).encode() == digest
            and time.decode("latin-1") >= place.time
            and _INSTANT.fullmatch(time)
            and _is_day(time[:_DAY_CHARACTERS])
            and _COMMITMENTS.fullmatch(opening)
        ):
            return RecordLine(digest.decode(), leaf, facts, links), time.decode()
    return _follow_slowly(line, place)


def parse_record(line: bytes) -> tuple[RecordLine, Place]:
    """Return a record and the place that it claims, or raise BrokenLine. What comes before it is not looked at."""
    record, head = _parsed(line)
    return record, _place(head)


def parse_leaf(leaf: bytes) -> tuple[RecordLine, Place]:
    """Return the record of a leaf that stands alone, its sealed parts left empty, and the place that it claims.

    Raises BrokenLine. Whether the leaf is any log's is shown by its hash alone.
    """
    head = _head(leaf)
    return RecordLine(hash_of(leaf), leaf, b"", b""), _place(head)


def _place(head: dict[str, Any]) -> Place:
    return Place(head["log"], head["segment"], head["seq"], head["time"], head["prev"])


def _leaf(opening: bytes, place: Place, time: bytes, facts: bytes, links: bytes) -> bytes:
    return _LEAF % (
        opening,
        place.log.encode(),
        place.prev.encode(),
        sha256(facts).hexdigest().encode(),
        sha256(links).hexdigest().encode(),
        place.segment,
        place.seq,
        time,
    )


def _follow_slowly(line: bytes, place: Place) -> tuple[RecordLine, str]:
    """Name what is wrong, or find that it is no more than a member that this version does not know (A18)."""
    record, head = _parsed(line)
    if head["log"] != place.log:
        raise BrokenLine(Flaw.WRONG_LOG, "the line belongs to another log")
    if head["seq"] > place.seq:
        raise BrokenLine(Flaw.DELETED, f"record {head['seq']} stands where {place.seq} should")
    if head["seq"] < place.seq:
        raise BrokenLine(Flaw.INSERTED, f"record {head['seq']} stands where {place.seq} should")
    if head["segment"] != place.segment:
        raise BrokenLine(Flaw.INSERTED, "the line belongs to another segment")
    if head["prev"] != place.prev:
        raise BrokenLine(Flaw.EDITED, "the line does not continue the line before: one of the two was rewritten")
    if head["time"] < place.time:
        raise BrokenLine(Flaw.EDITED, "the time is before that of the line before")
    time = head["time"].encode()
    if not _INSTANT.fullmatch(time) or not _is_day(time[:_DAY_CHARACTERS]):
        raise BrokenLine(Flaw.EDITED, "the time is none that there is")
    return record, head["time"]


def _parsed(line: bytes) -> tuple[RecordLine, dict[str, Any]]:
    """Return what a line says by itself, or raise BrokenLine."""
    if len(line) > LINE_LIMIT:
        raise BrokenLine(Flaw.MALFORMED, f"the line is longer than {LINE_LIMIT} bytes")
    if not line.endswith(b"\n"):
        raise BrokenLine(Flaw.TORN, "the line does not end")
    columns = line[:-1].split(b"\t")
    if len(columns) != _COLUMNS or columns[0] != RECORD:
        raise BrokenLine(Flaw.MALFORMED, "the line is no record")
    _, digest, leaf, facts, links = columns
    if hash_of(leaf).encode() != digest:
        raise BrokenLine(Flaw.EDITED, "the leaf does not match its hash")
    head = _head(leaf)
    if head["seals"] != [sha256(facts).hexdigest(), sha256(links).hexdigest()]:
        raise BrokenLine(Flaw.EDITED, "a sealed part does not match its hash")
    return RecordLine(digest.decode(), leaf, facts, links), head


def _head(leaf: bytes) -> dict[str, Any]:
    try:
        outer: Any = json.loads(leaf)
    except (ValueError, RecursionError):
        raise BrokenLine(Flaw.MALFORMED, "the leaf is not JSON") from None
    match outer:
        case {"head": {"v": int(version)}} if version != FORMAT_VERSION:
            raise BrokenLine(Flaw.UNKNOWN_VERSION, f"written in a format other than {FORMAT_VERSION}")
        case {
            "commitments": [str(), str()],
            "head": {
                "log": str(),
                "prev": str(),
                "seals": list(),
                "segment": int(segment),
                "seq": int(seq),
                "time": str(),
            },
        } if type(seq) is int and type(segment) is int and _is_canonical(leaf, outer):
            head: dict[str, Any] = outer["head"]
            return head
    raise BrokenLine(Flaw.EDITED, "the leaf must have commitments and a head with log, prev, seals, segment, seq, time")


@lru_cache(maxsize=16)
def _is_day(text: bytes) -> bool:
    """Whether there is such a day: whoever reads the time of a record takes it for one. Records share a few."""
    try:
        date.fromisoformat(text.decode("latin-1"))
    except ValueError:
        return False
    return True


def _is_canonical(leaf: bytes, outer: dict[str, object]) -> bool:
    """A member that stands twice, say, would be read one way here and another way elsewhere."""
    try:
        return _COMMITMENTS.match(leaf) is not None and canonical(outer) == leaf
    except (rfc8785.CanonicalizationError, RecursionError):
        return False
