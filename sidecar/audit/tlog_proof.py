"""One record with all that proves it, in one file: a tlog-proof (c2sp.org/tlog-proof), verifiable offline. Pure.

Its ``extra`` holds what the format leaves to the application: the leaf, the facts with the salt of their commitment,
and the checkpoints that made later keys the log's. Links are not opened: whom a record is about stays sealed. The form
is in docs/audit-format.md. Checking builds the whole file anew from what was read, so that no byte goes unlooked at.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import rfc8785

from sidecar.audit.canonical import canonical
from sidecar.audit.leaf import BrokenLine, parse_leaf
from sidecar.audit.merkle import ProofInvalid, verify_inclusion
from sidecar.audit.note import Checkpoint, Note, NoteInvalid, Signature, Verifier, parse_checkpoint, parse_note
from sidecar.audit.sealing import FACTS, OpenedPart, commitment
from sidecar.audit.walk import LogKey, Walk

HEADER: Final = "c2sp.org/tlog-proof@v1"
EXTRA_VERSION: Final = 1
_LAST_SECOND: Final = 253_402_300_799  # of the year 9999


@dataclass(frozen=True, slots=True)
class RecordProof:
    """A record, and the way from its leaf to a signed checkpoint. Nothing of it is believed yet."""

    index: int
    leaf: bytes = field(repr=False)
    facts: OpenedPart = field(repr=False)
    path: tuple[bytes, ...] = field(repr=False)
    checkpoint: Note = field(repr=False)
    introductions: tuple[Note, ...] = field(default=(), repr=False)

    def __bytes__(self) -> bytes:
        """The file. Raises ``rfc8785.CanonicalizationError`` where the facts have no canonical form."""
        extra = canonical({
            "facts": dict(self.facts.members), "leaf": self.leaf.decode(), "salt": self.facts.salt.hex(),
            "introductions": [_text(str(one).encode()) for one in self.introductions], "v": EXTRA_VERSION,
        })  # fmt: skip
        lines = [HEADER, f"extra {_text(extra)}", f"index {self.index}", *map(_text, self.path)]
        return ("\n".join(lines) + f"\n\n{self.checkpoint}").encode()


@dataclass(frozen=True, slots=True)
class ProvenRecord:
    """What a proof shows: that the log ``log`` held these facts as record ``index`` when it had ``size`` records."""

    log: str
    index: int
    size: int
    time: str
    facts: Mapping[str, Any] = field(repr=False)
    seen: Mapping[str, int] = field(default_factory=dict)
    """When each witness that was asked for cosigned it, by name, in seconds since 1970."""


def by_the_log(note: Note) -> Note:
    """Return a checkpoint with the log's own signatures alone: a witness's can't be checked with the log's key."""
    origin = parse_checkpoint(note.text).origin
    return Note(note.text, tuple(one for one in note.signatures if one.name == origin))


def verify_record(data: bytes, key: Verifier, witnesses: Sequence[Verifier] = ()) -> ProvenRecord:
    """Return what a file proves, or raise ProofInvalid. ``key`` is the log's first, as it was noted elsewhere.

    Each of ``witnesses`` must have cosigned the checkpoint, and nobody else.
    """
    proof = parse_record_proof(data)
    try:
        checkpoint = _believed(proof, key, witnesses)
        record, place = parse_leaf(proof.leaf)
    except BrokenLine as broken:
        raise ProofInvalid(broken.detail) from None
    if (place.log, place.seq) != (checkpoint.origin, proof.index):
        raise ProofInvalid("the leaf is that of another record")
    if commitment(FACTS, proof.facts.salt + canonical(proof.facts.members)) != record.commitments[0]:
        raise ProofInvalid("the facts are not those that the record commits to")
    verify_inclusion(bytes.fromhex(record.hash), proof.index, checkpoint.size, proof.path, checkpoint.root)
    seen = {one.name: _cosignature(proof.checkpoint, one).seconds for one in witnesses}
    return ProvenRecord(place.log, proof.index, checkpoint.size, place.time, proof.facts.members, seen)


def parse_record_proof(data: bytes) -> RecordProof:
    """Return the parts of a file, or raise ProofInvalid where it is none, or is not byte for byte as it is written."""
    try:
        head, _, note = data.decode().partition("\n\n")
        header, extra, index, *path = head.split("\n")
        proof = _proof(_bytes(extra.removeprefix("extra ")), index.removeprefix("index "), path, note)
        if header == HEADER and bytes(proof) == data:
            return proof
    except (ValueError, RecursionError, rfc8785.CanonicalizationError):
        pass
    raise ProofInvalid("it is no tlog-proof of a record, or was changed")


def _proof(extra: bytes, index: str, path: Sequence[str], note: str) -> RecordProof:
    match json.loads(extra):
        case {"facts": dict(facts), "introductions": list(notes), "leaf": str(leaf), "salt": str(salt)}:
            return RecordProof(
                int(index),
                leaf.encode(),
                OpenedPart(facts, bytes.fromhex(salt)),
                tuple(map(_bytes, path)),
                parse_note(note.encode()),
                tuple(parse_note(_bytes(str(one))) for one in notes),
            )
    raise ValueError("members are missing")


def _believed(proof: RecordProof, key: Verifier, witnesses: Sequence[Verifier]) -> Checkpoint:
    """Follow the log's keys from the first one to the one that signed, and leave no signature unchecked."""
    walk = Walk([LogKey(key)])
    walk.log = key.name
    for one in proof.introductions:
        walk.pass_introduction(one)
    checkpoint = walk.believed(proof.checkpoint)
    keys = [one.verifier for one in walk.keys]
    _require_signed(proof.introductions, keys)
    _require_signed((proof.checkpoint,), [*keys, *witnesses])
    return checkpoint


def _require_signed(notes: Iterable[Note], keys: Sequence[Verifier]) -> None:
    """Once all keys are known: a note bears its new key's signature, too, which nobody could check before."""
    known = {(one.name, one.id) for one in keys}
    for note in notes:
        try:
            note.verified(keys)
        except NoteInvalid as invalid:
            raise ProofInvalid(str(invalid)) from None
        if any((one.name, one.key_id) not in known for one in note.signatures):
            raise ProofInvalid("a checkpoint bears a signature by a key that is not the log's, nor a given witness's")


def _cosignature(note: Note, witness: Verifier) -> Signature:
    """Return a witness's cosignature, or raise ProofInvalid. One of two would be unlooked at, so there is one."""
    try:
        made, *more = (one for one in note.signatures if (one.name, one.key_id) == (witness.name, witness.id))
        witness.verify(note.text, made)
    except (ValueError, NoteInvalid):
        raise ProofInvalid(f"it is not cosigned by {witness.name}") from None
    if more or made.seconds > _LAST_SECOND:
        raise ProofInvalid(f"it is cosigned twice, or at no time, by {witness.name}")
    return made


def _text(data: bytes) -> str:
    return b64encode(data).decode()


def _bytes(text: str) -> bytes:
    return b64decode(text, validate=True)
