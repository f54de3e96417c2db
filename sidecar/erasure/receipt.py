"""The signed statement of what an erasure came to, checkable by anybody with the public key and nothing else. Pure.

A receipt file is canonical JSON (RFC 8785) of ``{"receipt": …, "signature": <hex>}``; the signature is Ed25519 (RFC
8032) over the canonical bytes of ``receipt``. Checking rebuilds the whole file from what was read and compares bytes,
so that no byte can change without notice, not even a space (E44).

It holds no identifier. ``subject_commitment`` is HMAC-SHA-256, keyed with a salt that only the person is given, of the
identities as they were submitted: with salt and identities a person proves that the receipt is theirs (E45).
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sidecar.erasure.outcomes import Outcome, RequestState
from sidecar.erasure.request import SubjectIdentity, canonical_json, identity_rows
from sidecar.errors import SidecarError
from sidecar.keys import Pseudonymizer

FORMAT: Final = "privacy-sidecar-erasure-receipt/3"
_READABLE: Final = frozenset({FORMAT, *(f"privacy-sidecar-erasure-receipt/{version}" for version in (1, 2))})


class ReceiptKind(StrEnum):
    """Interim: live systems are done, and something is still waited for. The final one supersedes it (E46)."""

    INTERIM = "interim"
    FINAL = "final"


class ReceiptInvalid(SidecarError):
    """The receipt does not hold what it says, or is not by the holder of a known key."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What somebody said of a task that people do, with the SHA-256 of what they can show for it; never who (E30)."""

    said: str
    sha256: str
    at: datetime


@dataclass(frozen=True, slots=True)
class TaskFacts:
    """What came of one task.

    Verification found ``found`` before the deletion, and ``remaining`` after it (E28). ``deleted`` is what the target
    claimed, in ``parts`` by what it did to them (E21).
    """

    target: str
    outcome: Outcome
    deleted: int | None
    remaining: int | None
    verified_at: datetime | None
    until_at: datetime | None = None
    ground: str | None = None
    found: int | None = None
    parts: Mapping[str, int] | None = None
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class ReceiptFacts:
    """Everything a receipt says but who signed it. ``supersedes`` is the SHA-256 of the receipt file it replaces.

    ``unused_identity_types``: words only, of identities that no upstream system was asked about. ``audit_exchange``: by
    which the audit log records that this receipt was signed, with its digest.
    """

    request_id: str
    regulation: str
    received_at: datetime
    legal_deadline: datetime
    signed_at: datetime
    late: bool
    state: RequestState
    round: int
    subject_commitment: str
    tasks: tuple[TaskFacts, ...]
    unused_identity_types: tuple[str, ...] = ()
    supersedes: str | None = None
    kind: ReceiptKind = ReceiptKind.FINAL
    second_look_at: datetime | None = None
    audit_exchange: str | None = None


def receipt_salt(request_id: str, pseudonyms: Pseudonymizer) -> str:
    """Return the salt of a request as hex. Derived, so that it need not be kept anywhere."""
    return pseudonyms.digest("receipt-salt", request_id).hex()


def subject_commitment(salt: str, identities: Sequence[SubjectIdentity]) -> str:
    """Return the commitment to the identities, in the order in which they were submitted."""
    return hmac.new(bytes.fromhex(salt), canonical_json(identity_rows(identities)), sha256).hexdigest()


def key_id(key: Ed25519PublicKey) -> str:
    """Return the name of a key: 16 hex digits of the SHA-256 of its raw bytes."""
    return sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:16]


def sign_receipt(facts: ReceiptFacts, key: Ed25519PrivateKey) -> bytes:
    """Return the bytes of the receipt file."""
    body = _body(facts, key_id(key.public_key()))
    return _file(body, key.sign(canonical_json(body)))


def verify_receipt(data: bytes, keys: Mapping[str, Ed25519PublicKey]) -> Mapping[str, object]:
    """Return what the receipt says, or raise ``ReceiptInvalid``. ``keys`` are by key id, retired ones included."""
    body, signature = _parse(data)
    key = keys.get(str(body.get("key_id")))
    if key is None:
        raise ReceiptInvalid("signed with a key that is not among those given")
    if _file(body, signature) != data:
        raise ReceiptInvalid("not in canonical form: it was changed after signing")
    try:
        key.verify(signature, canonical_json(body))
    except InvalidSignature:
        raise ReceiptInvalid("the signature does not match: it was changed after signing") from None
    if body.get("format") not in _READABLE:
        raise ReceiptInvalid("of a format that this version does not know")
    return body


def is_about(body: Mapping[str, object], salt: str, identities: Sequence[SubjectIdentity]) -> bool:
    """Tell whether a verified receipt is about the person with these identities."""
    return hmac.compare_digest(str(body.get("subject_commitment")), subject_commitment(salt, identities))


def receipt_digest(data: bytes) -> str:
    """Return the SHA-256 of a receipt file, by which its successor names it (E46)."""
    return sha256(data).hexdigest()


def _body(facts: ReceiptFacts, signer: str) -> dict[str, object]:
    return {
        "format": FORMAT,
        "key_id": signer,
        "request_id": facts.request_id,
        "regulation": facts.regulation,
        "received_time": timestamp(facts.received_at),
        "legal_deadline": timestamp(facts.legal_deadline),
        "kind": facts.kind.value,
        "signed_time": timestamp(facts.signed_at),
        "second_look_time": timestamp(facts.second_look_at) if facts.second_look_at else None,
        "audit_exchange": facts.audit_exchange,
        "late": facts.late,
        "state": facts.state.value,
        "round": facts.round,
        "subject_commitment": facts.subject_commitment,
        "supersedes": facts.supersedes,
        "unused_identity_types": list(facts.unused_identity_types),
        "targets": [_task_body(task) for task in facts.tasks],
    }


def _task_body(task: TaskFacts) -> dict[str, object]:
    return {
        "target": task.target,
        "outcome": task.outcome.value,
        "found_count": task.found,
        "claimed_deleted_count": task.deleted,
        "claimed_counts": dict(task.parts) if task.parts else None,
        "remaining_count": task.remaining,
        "verified_time": timestamp(task.verified_at) if task.verified_at else None,
        "until_time": timestamp(task.until_at) if task.until_at else None,
        "ground": task.ground,
        "evidence": [{"said": one.said, "sha256": one.sha256, "time": timestamp(one.at)} for one in task.evidence],
    }


def timestamp(moment: datetime) -> str:
    """Return a UTC time as RFC 3339, whole seconds."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _file(body: Mapping[str, object], signature: bytes) -> bytes:
    return canonical_json({"receipt": body, "signature": signature.hex()})


def _parse(data: bytes) -> tuple[dict[str, object], bytes]:
    try:
        envelope = json.loads(data.decode("utf-8"))
        body, signature = envelope["receipt"], bytes.fromhex(envelope["signature"])
        _file(body, signature)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ReceiptInvalid("not a receipt file") from None
    if not isinstance(body, dict):
        raise ReceiptInvalid("not a receipt file")
    return body, signature
