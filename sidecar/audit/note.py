"""Signed notes (c2sp.org/signed-note) and the checkpoints of logs in them (c2sp.org/tlog-checkpoint). Pure.

A note is a text that ends in a newline, an empty line, and lines of signatures::

    example.com/log        <- origin
    20852163               <- size
    CsUYapGG…              <- root hash, base64

    — example.com/log Az3grl…

A signature says which key made it by name and 32-bit id. Signatures of unknown keys are carried along and say nothing;
one of a known key that does not verify spoils the whole note. A *cosignature* (c2sp.org/tlog-cosignature, Ed25519) is a
witness's: it binds the time at which the witness saw the checkpoint.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Collection
from dataclasses import dataclass, field
from enum import IntEnum
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from sidecar.audit.merkle import HASH_BYTES

SIGNATURE_LIMIT = 100
_ID_BYTES = 4
_KEY_BYTES = 32
_TIME_BYTES = 8
_DASH = "— "
_CONTROLS = re.compile("[\x00-\x09\x0b-\x1f]")
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
_VKEY = re.compile(r"([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})")


class NoteInvalid(ValueError):
    """No note, no key, no checkpoint, or none that can be believed. Holds none of its text."""


class KeyKind(IntEnum):
    """What a key signs; the byte stands in its id and its text."""

    ED25519 = 0x01  # the text
    COSIGNATURE = 0x04  # the text and a time


@dataclass(frozen=True, slots=True)
class Verifier:
    """A public key under a name. ``public`` is 32 bytes (RFC 8032)."""

    name: str
    public: bytes
    kind: KeyKind = KeyKind.ED25519

    def __post_init__(self) -> None:
        if not is_key_name(self.name):
            raise NoteInvalid("the name of a key must be without spaces and plus signs, and not empty")
        if len(self.public) != _KEY_BYTES:
            raise NoteInvalid(f"an Ed25519 key must have {_KEY_BYTES} bytes")

    @property
    def id(self) -> bytes:
        """Four bytes that, with the name, say which key signed."""
        return sha256(self.name.encode() + b"\n" + bytes((self.kind,)) + self.public).digest()[:_ID_BYTES]

    def __str__(self) -> str:
        """Return the key as text ("vkey"): name, id in hex, kind and key in base64."""
        return f"{self.name}+{self.id.hex()}+{b64encode(bytes((self.kind,)) + self.public).decode()}"

    def verify(self, text: str, signature: Signature) -> None:
        """Raise NoteInvalid unless this key made the signature over the text."""
        message, made = text.encode(), signature.made
        if self.kind is KeyKind.COSIGNATURE:
            message, made = _cosigned(text, signature.seconds), made[_TIME_BYTES:]
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(made, message)
        except (InvalidSignature, ValueError):
            raise NoteInvalid("a signature of a known key does not verify") from None


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line, after the dash. ``made`` is what follows the key's id."""

    name: str
    key_id: bytes
    made: bytes

    @property
    def seconds(self) -> int:
        """When a witness saw it, in seconds since 1970; of cosignatures only."""
        if len(self.made) <= _TIME_BYTES:
            raise NoteInvalid("a cosignature is too short")
        return int.from_bytes(self.made[:_TIME_BYTES], "big")

    def __str__(self) -> str:
        return f"{_DASH}{self.name} {b64encode(self.key_id + self.made).decode()}\n"


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key under a name."""

    name: str
    key: Ed25519PrivateKey = field(repr=False)
    kind: KeyKind = KeyKind.ED25519

    @property
    def verifier(self) -> Verifier:
        return Verifier(self.name, self.key.public_key().public_bytes_raw(), self.kind)

    def sign(self, text: str, seconds: int = 0) -> Signature:
        """Sign the text of a note; a cosignature binds the time given, in seconds since 1970."""
        verifier = self.verifier
        if self.kind is KeyKind.ED25519:
            return Signature(self.name, verifier.id, self.key.sign(text.encode()))
        made = seconds.to_bytes(_TIME_BYTES, "big") + self.key.sign(_cosigned(text, seconds))
        return Signature(self.name, verifier.id, made)


@dataclass(frozen=True, slots=True)
class Note:
    """A text with its signatures, none of them verified yet."""

    text: str
    signatures: tuple[Signature, ...] = ()

    def __post_init__(self) -> None:
        if not self.text.endswith("\n") or _CONTROLS.search(self.text):
            raise NoteInvalid("the text of a note must end in a newline and hold no control characters")

    def __str__(self) -> str:
        return f"{self.text}\n{''.join(map(str, self.signatures))}"

    def signed(self, *signatures: Signature) -> Note:
        """Return the note with more signatures; a key's earlier one gives way."""
        fresh = {(one.name, one.key_id) for one in signatures}
        kept = [one for one in self.signatures if (one.name, one.key_id) not in fresh]
        return Note(self.text, (*kept, *signatures))

    def verified(self, known: Collection[Verifier]) -> tuple[Signature, ...]:
        """Return the signatures of known keys, or raise NoteInvalid: there must be one, and none may be wrong."""
        keys = {(one.name, one.id): one for one in known}
        found: dict[tuple[str, bytes], Signature] = {}
        for one in self.signatures:
            who = one.name, one.key_id
            if who in keys:
                keys[who].verify(self.text, one)
                found.setdefault(who, one)
        if not found:
            raise NoteInvalid("the note bears no signature of a known key")
        return tuple(found.values())


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of a log's tree: whose, of how many leaves, with which root (32 bytes). Extensions are opaque lines."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        lines = (self.origin, *self.extensions)
        if any(not line or "\n" in line or _CONTROLS.search(line) for line in lines):
            raise NoteInvalid("the lines of a checkpoint must be single and not empty")
        if self.size < 0 or len(self.root) != HASH_BYTES:
            raise NoteInvalid(f"a checkpoint has a size and a root hash of {HASH_BYTES} bytes")

    @property
    def text(self) -> str:
        """The text to sign."""
        return "".join(
            f"{line}\n" for line in (self.origin, self.size, b64encode(self.root).decode(), *self.extensions)
        )

    def signed_by(self, *signers: Signer) -> Note:
        """Return the note of this checkpoint, signed by the log's keys."""
        return Note(self.text).signed(*(one.sign(self.text) for one in signers))


def parse_checkpoint(text: str) -> Checkpoint:
    """Return the checkpoint that the text of a note gives, or raise NoteInvalid. Says nothing about who signed it."""
    lines = text.split("\n")
    if len(lines) < 4 or lines.pop():
        raise NoteInvalid("a checkpoint has three lines at least")
    origin, size, root, *extensions = lines
    if _SIZE.fullmatch(size) is None:
        raise NoteInvalid("the size of a checkpoint is a decimal number without leading zeroes")
    return Checkpoint(origin, int(size), _from_base64(root), tuple(extensions))


def parse_note(data: bytes) -> Note:
    """Return a signed note, or raise NoteInvalid. Its signatures are not verified: see ``Note.verified``."""
    try:
        whole = data.decode()
    except UnicodeDecodeError:
        raise NoteInvalid("a note is UTF-8 text") from None
    text, separator, lines = whole.rpartition("\n\n")
    if not separator or not lines.endswith("\n"):
        raise NoteInvalid("a note has a text, an empty line, and lines of signatures")
    return Note(f"{text}\n", parse_signatures(lines))


def parse_signatures(lines: str) -> tuple[Signature, ...]:
    """Return the signatures of lines that each begin with a dash, or raise NoteInvalid."""
    found = tuple(_signature(line) for line in lines.removesuffix("\n").split("\n"))
    if len(found) > SIGNATURE_LIMIT:
        raise NoteInvalid(f"a note has {SIGNATURE_LIMIT} signatures at most")
    return found


def parse_verifier(text: str) -> Verifier:
    """Return the public key of a "vkey", or raise NoteInvalid."""
    match = _VKEY.fullmatch(text)
    if match is None:
        raise NoteInvalid("a key is written as name+id+base64")
    kind, public = _from_base64(match[3])[:1], _from_base64(match[3])[1:]
    if kind not in {bytes((one,)) for one in KeyKind}:
        raise NoteInvalid("the kind of the key is not known here")
    verifier = Verifier(match[1], public, KeyKind(kind[0]))
    if verifier.id.hex() != match[2]:
        raise NoteInvalid("the id of the key is not that of its name and bytes")
    return verifier


def is_key_name(name: str) -> bool:
    """Whether a key may be called so: not empty, without white space, plus signs and control characters."""
    return bool(name) and "+" not in name and not any(one.isspace() or one < " " for one in name)


def _signature(line: str) -> Signature:
    name, separator, made = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not separator or not is_key_name(name):
        raise NoteInvalid("a signature is a dash, the name of a key, and base64")
    data = _from_base64(made)
    if len(data) <= _ID_BYTES:
        raise NoteInvalid("a signature is too short")
    return Signature(name, data[:_ID_BYTES], data[_ID_BYTES:])


def _cosigned(text: str, seconds: int) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()


def _from_base64(text: str) -> bytes:
    """Only one text stands for one value: padding and unused bits must be as the encoder makes them."""
    try:
        data = b64decode(text, validate=True)
    except ValueError:
        data = b""
    if not data or b64encode(data).decode() != text:
        raise NoteInvalid("not in base64")
    return data
