"""Keys derived from one master secret, and the keyed hashes that stand for people in stored state.

Only this module turns a value into a pseudonym. Purposes separate domains: a hash made for the audit log can't be
matched with one made for placeholders (HKDF, RFC 5869; HMAC, RFC 2104).
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from enum import StrEnum

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from sidecar.errors import KeyMaterialError

MASTER_BYTES = 32


class Purpose(StrEnum):
    """What a derived key is for. Changing a value orphans everything made with it."""

    AUDIT_PSEUDONYM = "audit-pseudonym/1"
    AUDIT_WRAPPING = "audit-wrapping/1"
    AUDIT_SIGNING = "audit-signing/1"
    PLACEHOLDER = "placeholder/1"
    OPERATOR = "operator/1"
    DETECTION_CACHE = "detection-cache/1"
    REWRITE_CACHE = "rewrite-cache/1"
    ERASURE_SEAL = "erasure-seal/1"
    ERASURE_JOURNAL = "erasure-journal/1"
    ERASURE_PSEUDONYM = "erasure-pseudonym/1"
    RECEIPT_SIGNING = "receipt-signing/1"
    SUBJECT_KEY = "subject-key/1"
    SUPPRESSION = "suppression/1"
    EPOCH_SIGNING = "epoch-signing/1"
    KEY_CHECK = "key-check/1"


@dataclass(frozen=True, slots=True)
class MasterKey:
    """32 secret bytes. Never printed; ``version`` says which generation made a stored hash."""

    secret: bytes = field(repr=False)
    version: int = 1

    def __post_init__(self) -> None:
        if len(self.secret) != MASTER_BYTES:
            raise KeyMaterialError(f"the master key must be {MASTER_BYTES} bytes, not {len(self.secret)}")

    def derive(self, purpose: Purpose) -> bytes:
        """Return the 32-byte key for one purpose (RFC 5869 expand; the master is uniformly random)."""
        return HKDFExpand(algorithm=SHA256(), length=32, info=purpose.value.encode()).derive(self.secret)

    def pseudonymizer(self, purpose: Purpose) -> Pseudonymizer:
        return Pseudonymizer(self.derive(purpose), self.version)


@dataclass(frozen=True, slots=True)
class Pseudonymizer:
    """A keyed hash: the same value gives the same bytes, and without the key nothing can be enumerated (A21)."""

    key: bytes = field(repr=False)
    version: int = 1

    def digest(self, *parts: str) -> bytes:
        """Return 32 bytes for the parts; lengths are bound in, so ("ab", "c") differs from ("a", "bc")."""
        bound = bytearray()
        for part in parts:
            data = part.encode("utf-8", "surrogatepass")
            bound += len(data).to_bytes(8, "big")
            bound += data
        return hmac.digest(self.key, bound, "sha256")

    def label(self, *parts: str) -> str:
        """Return the pseudonym as written in records: ``k<key version>:<32 hex digits>``."""
        return f"k{self.version}:{self.digest(*parts)[:16].hex()}"


def version_of(label: str) -> int:
    """Return the version of the master key that made a label (``Pseudonymizer.label``)."""
    return int(label[1 : label.index(":")])
