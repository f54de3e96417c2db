"""One record as one line, and what binds it to the line before. Pure.

A line is RFC 8785 canonical JSON, so that equal records have equal bytes::

    {"entry": facts, "hash": H, "head": {"log", "prev", "seq", "time", "v"}, "links": links, "salts": [S1, S2]}

    commitment(part) = SHA-256(domain of the part || salt || canonical(part))
    H                = SHA-256(0x00 || canonical({"commitments": [facts, links], "head": head}))
    prev             = H of the line before; 64 zeros in the first

H is at once the link of the chain and an RFC 6962 leaf hash (section 2.1), and ``seq`` counts from 0, so a Merkle
tree can be built over a log as it stands. The record enters H only through salted commitments: a part may later be
encrypted, or erased with its salt, while H and every proof over it stay valid (A24, A26).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any

import rfc8785

from sidecar.audit.canonical import canonical
from sidecar.audit.fields import Parts
from sidecar.audit.record import SCHEMA_VERSION

GENESIS = "0" * 64
SALT_BYTES = 16
LINE_LIMIT = 1 << 24  # bytes; a reader holds one line at a time

_LEAF_PREFIX = b"\x00"
_DOMAINS = (b"sidecar-audit/1/facts\x00", b"sidecar-audit/1/links\x00")
_MEMBERS = frozenset({"entry", "hash", "head", "links", "salts"})


class Flaw(StrEnum):
    """What is wrong with a line."""

    EDITED = "edited"
    INSERTED = "inserted"
    DELETED = "deleted"
    REORDERED = "reordered"
    DUPLICATED = "duplicated"
    TORN = "torn"
    NOT_JSON = "not_json"
    WRONG_LOG = "wrong_log"
    UNKNOWN_VERSION = "unknown_version"


class BrokenLine(ValueError):
    """A line that no writer of this format could have written. Holds none of its text."""

    def __init__(self, flaw: Flaw, detail: str) -> None:
        super().__init__(f"{flaw.value}: {detail}")
        self.flaw = flaw
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record stands: which log, its number from 0, UTC time as text with µs, the hash it continues."""

    log: str
    seq: int
    time: str
    prev: str = GENESIS


@dataclass(frozen=True, slots=True)
class Salts:
    """128 random bits for each part, so that a commitment says nothing about what it commits to."""

    facts: bytes = field(repr=False)
    links: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Sealed:
    """A record in its place. ``hash`` is its leaf hash in hex."""

    place: Place
    parts: Parts = field(repr=False)
    hash: str


def instant(moment: datetime) -> str:
    """Return a moment as ``2025-01-31T09:05:00.000001Z``: fixed width, so that text order is time order."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def seal(parts: Parts, place: Place, salts: Salts) -> tuple[bytes, str]:
    """Return the line, newline included, and its hash."""
    head = {"log": place.log, "prev": place.prev, "seq": place.seq, "time": place.time, "v": SCHEMA_VERSION}
    return _assemble(parts.facts, parts.links, head, (salts.facts, salts.links))


def unseal(line: bytes) -> Sealed:
    """Return the record of one line with its newline, or raise BrokenLine.

    Members of ``entry``, ``links`` and ``head`` that this version does not know are kept and covered by the hash.
    """
    if len(line) > LINE_LIMIT:
        raise BrokenLine(Flaw.NOT_JSON, f"the line is longer than {LINE_LIMIT} bytes")
    if not line.endswith(b"\n"):
        raise BrokenLine(Flaw.TORN, "the line does not end")
    outer = _object(line)
    head, facts, links = (_member(outer, name) for name in ("head", "entry", "links"))
    place = _place(head)
    try:
        rebuilt, digest = _assemble(facts, links, head, _salts(outer["salts"]))
    except (rfc8785.CanonicalizationError, RecursionError):
        raise BrokenLine(Flaw.EDITED, "a value has no canonical form") from None
    if digest != outer["hash"]:
        raise BrokenLine(Flaw.EDITED, "the content does not match the hash")
    if rebuilt != line:
        raise BrokenLine(Flaw.EDITED, "the line is not in canonical form")
    return Sealed(place, Parts(facts, links), digest)


def _assemble(
    facts: Mapping[str, object], links: Mapping[str, object], head: Mapping[str, object], salts: Sequence[bytes]
) -> tuple[bytes, str]:
    parts = (canonical(facts), canonical(links))
    head_bytes = canonical(head)
    commitments = [
        sha256(domain + salt + part).hexdigest() for domain, salt, part in zip(_DOMAINS, salts, parts, strict=True)
    ]
    leaf = b'{"commitments":["%b","%b"],"head":%b}' % (*(one.encode() for one in commitments), head_bytes)
    digest = sha256(_LEAF_PREFIX + leaf).hexdigest()
    # The members stand in canonical order, so the whole is canonical when its parts are.
    line = b'{"entry":%b,"hash":"%b","head":%b,"links":%b,"salts":["%b","%b"]}\n' % (
        parts[0],
        digest.encode(),
        head_bytes,
        parts[1],
        salts[0].hex().encode(),
        salts[1].hex().encode(),
    )
    return line, digest


def _object(line: bytes) -> dict[str, object]:
    try:
        outer = json.loads(line)
    except (ValueError, RecursionError):
        raise BrokenLine(Flaw.NOT_JSON, "the line is not JSON") from None
    if not isinstance(outer, dict):
        raise BrokenLine(Flaw.NOT_JSON, "the line is not a JSON object")
    if outer.keys() != _MEMBERS:
        raise BrokenLine(Flaw.EDITED, "the line must have exactly the members entry, hash, head, links, salts")
    return outer


def _member(outer: Mapping[str, object], name: str) -> dict[str, Any]:
    member = outer[name]
    if not isinstance(member, dict):
        raise BrokenLine(Flaw.EDITED, f"{name} must be an object")
    return member


def _place(head: Mapping[str, object]) -> Place:
    match head:
        case {"v": int(version)} if version != SCHEMA_VERSION:
            raise BrokenLine(Flaw.UNKNOWN_VERSION, f"written in a format other than {SCHEMA_VERSION}")
        case {"v": 1, "log": str(log), "seq": int(seq), "time": str(time), "prev": str(prev)} if type(seq) is int:
            return Place(log, seq, time, prev)
    raise BrokenLine(Flaw.EDITED, "head must have log, prev, seq, time and v")


def _salts(value: object) -> tuple[bytes, ...]:
    if isinstance(value, list) and len(value) == len(_DOMAINS) and all(isinstance(one, str) for one in value):
        try:
            salts = tuple(bytes.fromhex(one) for one in value)
        except ValueError:
            salts = ()
        if all(len(one) == SALT_BYTES for one in salts) and salts:
            return salts
    raise BrokenLine(Flaw.EDITED, "salts must be two texts of 32 hex digits")
