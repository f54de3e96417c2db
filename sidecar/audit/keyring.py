"""Where the keys that wrap segment keys come from. Pure, but for providers that call elsewhere (``vault``, ``aws``)."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sidecar.audit.note import Signer
from sidecar.audit.sealing import NONCE_BYTES
from sidecar.errors import KeyMaterialError, SidecarError
from sidecar.keys import MasterKey, Purpose


class KeyProviderUnavailable(SidecarError):
    """The provider can't be reached, or did not do as asked. The same call may succeed later."""


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A key as the provider gave it back, and the provider's name of the key that wraps it."""

    key_id: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class WrapContext:
    """What a wrapped key is for; it opens for nothing else."""

    log: str
    segment: int

    @property
    def bound(self) -> bytes:
        return b"sidecar-audit/2/wrap\x00%b\x00%d" % (self.log.encode(), self.segment)


class KeyProvider(Protocol):
    """Wraps keys of 32 bytes under a key-encryption key that never leaves it. Calls block, bounded in time.

    Both methods raise KeyProviderUnavailable for what may pass, and KeyMaterialError for what won't: a key that is
    revoked or unknown, or bytes that were changed.
    """

    @property
    def key_id(self) -> str:
        """Name the key that wraps now, as ``<kind>:<name>``. What was wrapped under another can still be opened."""

    def wrap(self, key: bytes, context: WrapContext) -> Wrapped: ...

    def unwrap(self, wrapped: Wrapped, context: WrapContext) -> bytes: ...


class LocalKeys:
    """A ``KeyProvider`` on keys derived from master keys: the newest wraps, older ones only open (A26)."""

    def __init__(self, masters: Mapping[int, MasterKey] | MasterKey) -> None:
        known = {masters.version: masters} if isinstance(masters, MasterKey) else dict(masters)
        self._keys = {_name(version): one.derive(Purpose.AUDIT_WRAPPING) for version, one in known.items()}
        self._current = _name(max(known))

    @property
    def key_id(self) -> str:
        return self._current

    def wrap(self, key: bytes, context: WrapContext) -> Wrapped:
        nonce = secrets.token_bytes(NONCE_BYTES)
        cipher = AESGCM(self._keys[self._current])
        return Wrapped(self._current, nonce + cipher.encrypt(nonce, key, context.bound))

    def unwrap(self, wrapped: Wrapped, context: WrapContext) -> bytes:
        key = self._keys.get(wrapped.key_id)
        if key is None:
            raise KeyMaterialError(f"segment {context.segment} needs the key {wrapped.key_id}, which was not given")
        try:
            return AESGCM(key).decrypt(wrapped.data[:NONCE_BYTES], wrapped.data[NONCE_BYTES:], context.bound)
        except (InvalidTag, ValueError):
            raise KeyMaterialError(
                f"the keys of segment {context.segment} do not open: {wrapped.key_id} is not the key that they were"
                " wrapped with, or they were changed or moved"
            ) from None


def signer_of(master: MasterKey, log: str) -> Signer:
    """Return what signs the checkpoints of a log, unless it was given a key of its own (Ed25519, RFC 8032)."""
    return Signer(log, Ed25519PrivateKey.from_private_bytes(master.derive(Purpose.AUDIT_SIGNING)))


def _name(version: int) -> str:
    return f"local:{version}"
