"""Seals the parts of a record with AES-256-GCM, and opens them (NIST SP 800-38D). Pure. See docs/audit-format.md.

The invariant that everything rests on: no key ever meets one nonce twice. Facts of a segment share a key, so nonces
count up in the one ``Sealer`` that exists for a segment, and are used up by failed writes too. A restart begins another
segment, with other keys. A forked process is refused: it would count on from the same number (A27).
"""

from __future__ import annotations

import binascii
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sidecar.audit.fields import Halves
from sidecar.audit.keytree import KeyTree, Nodes
from sidecar.audit.leaf import SALT_BYTES, BrokenLine, Flaw, Place, RecordLine
from sidecar.errors import AuditUnavailable

_decode = json.JSONDecoder().decode  # without the guesses of ``json.loads`` about encodings

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
FACTS: Final = b"sidecar-audit/2/facts\x00"
LINKS: Final = b"sidecar-audit/2/links\x00"
"""What separates one half of a record from the other."""


@dataclass(frozen=True, slots=True)
class SegmentKeys:
    """What seals one segment: 32 bytes for all facts, and the nodes that are left of the tree of keys for links."""

    facts: bytes = field(repr=False)
    links: Nodes = field(repr=False)


class SealedParts(NamedTuple):
    """Both parts in base64, as they stand in a line, and their commitments in hex."""

    facts: bytes
    links: bytes
    commitments: tuple[str, str]


@dataclass(frozen=True, slots=True)
class OpenedPart:
    """What a part says, and the salt that its commitment was made with."""

    members: Mapping[str, Any] = field(repr=False)
    salt: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Opened:
    """A record as it can be read. ``links`` is None where their key was destroyed (A24)."""

    facts: OpenedPart
    links: OpenedPart | None


class Sealer:
    """Seals the records of one segment, in the process that made it."""

    def __init__(self, keys: SegmentKeys, first: int, process: Callable[[], int]) -> None:
        self._facts = AESGCM(keys.facts)
        self._links = KeyTree(keys.links)
        self._first = first
        self._process = process
        self._owner = process()
        self._nonce = 0

    def seal(self, halves: Halves, place: Place, salts: bytes) -> SealedParts:
        """Seal both halves of a record; ``salts`` are 32 random bytes. Raises AuditUnavailable in a forked process."""
        if self._process() != self._owner:
            raise AuditUnavailable("the audit log belongs to another process")
        key = self._links.leaf(place.seq - self._first)
        if key is None:
            raise AuditUnavailable("the key of the record was destroyed")
        facts = salts[:SALT_BYTES] + halves.facts
        links = salts[SALT_BYTES:] + halves.links
        return SealedParts(
            self._sealed(self._facts, facts, FACTS, place),
            self._sealed(AESGCM(key), links, LINKS, place),
            (commitment(FACTS, facts), commitment(LINKS, links)),
        )

    def _sealed(self, cipher: AESGCM, plain: bytes, half: bytes, place: Place) -> bytes:
        nonce = self._nonce.to_bytes(NONCE_BYTES, "big")
        self._nonce += 1
        return binascii.b2a_base64(nonce + cipher.encrypt(nonce, plain, bound(half, place)), newline=False)


class Opener:
    """Opens the records of one segment."""

    def __init__(self, keys: SegmentKeys, first: int) -> None:
        self._facts = AESGCM(keys.facts)
        self._links = KeyTree(keys.links)
        self._first = first

    def open(self, record: RecordLine, place: Place) -> Opened:
        """Return what a record says. Raises BrokenLine unless both parts open and are what the leaf commits to."""
        facts, links = record.commitments
        opened = _opened(self._facts, record.facts, FACTS, place, facts)
        key = self._links.leaf(place.seq - self._first)
        return Opened(opened, _opened(AESGCM(key), record.links, LINKS, place, links) if key else None)


def commitment(half: bytes, salted: bytes) -> str:
    """Return the commitment to a part, of its salt and canonical bytes, in hex."""
    return sha256(half + salted).hexdigest()


def bound(half: bytes, place: Place) -> bytes:
    """Return what a sealed part is bound to: it opens nowhere else (A25)."""
    return b"%b%b\x00%d\x00%d" % (half, place.log.encode(), place.segment, place.seq)


def _opened(cipher: AESGCM, sealed: bytes, half: bytes, place: Place, committed: str) -> OpenedPart:
    try:
        raw = binascii.a2b_base64(sealed)
        plain = cipher.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], bound(half, place))
    except (InvalidTag, ValueError):
        raise BrokenLine(Flaw.UNREADABLE, "a sealed part does not open with the key of its segment") from None
    if commitment(half, plain) != committed:
        raise BrokenLine(Flaw.UNREADABLE, "a sealed part says something else than its commitment")
    try:
        members = _decode(plain[SALT_BYTES:].decode())
    except (ValueError, RecursionError):
        members = None
    if not isinstance(members, dict):
        raise BrokenLine(Flaw.UNREADABLE, "a sealed part is not a JSON object")
    return OpenedPart(members, plain[:SALT_BYTES])
