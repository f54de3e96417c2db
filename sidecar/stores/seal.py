"""Seals what a request says about a person, so that destroying one small key destroys it for good.

Each request has its own key (AES-256-GCM, NIST SP 800-38D; 96-bit random nonces, some hundred messages for each key at
most), wrapped by a key derived from the master key. The request id is bound in, so that sealed bytes can't be moved
from one request to another.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sidecar.erasure.request import SubjectIdentity, canonical_json, identities_from_rows, identity_rows
from sidecar.errors import KeyMaterialError

_NONCE_BYTES: Final = 12
_KEY_BITS: Final = 256


@dataclass(frozen=True, slots=True)
class Sealed:
    """Identities under a key of their own, and that key under ours."""

    wrapped_key: bytes = field(repr=False)
    identities: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Seal:
    """Seals with one wrapping key (``Purpose.ERASURE_SEAL``); opens what ``former`` ones sealed, too."""

    wrapping_key: bytes = field(repr=False)
    former: tuple[bytes, ...] = field(default=(), repr=False)

    def close(self, request_id: str, identities: Sequence[SubjectIdentity]) -> Sealed:
        key = AESGCM.generate_key(bit_length=_KEY_BITS)
        return Sealed(
            wrapped_key=_encrypt(self.wrapping_key, key, f"erasure-key/1 {request_id}"),
            identities=_encrypt(key, canonical_json(identity_rows(identities)), f"erasure-identities/1 {request_id}"),
        )

    def open(self, request_id: str, sealed: Sealed) -> tuple[SubjectIdentity, ...]:
        """Return the identities. Raises ``KeyMaterialError`` under another master key, or if a byte was changed."""
        key = self._unwrapped(request_id, sealed.wrapped_key)
        rows = json.loads(_decrypt(key, sealed.identities, f"erasure-identities/1 {request_id}"))
        return identities_from_rows(rows)

    def close_texts(self, request_id: str, sealed: Sealed, texts: Sequence[str]) -> list[bytes]:
        """Seal more of a request under its own key: what goes with the identities when that key is destroyed."""
        if not texts:
            return []
        key = self._unwrapped(request_id, sealed.wrapped_key)
        return [_encrypt(key, text.encode(), f"erasure-text/1 {request_id}") for text in texts]

    def open_text(self, request_id: str, wrapped_key: bytes, data: bytes) -> str:
        """Return a text that ``close_texts`` sealed. Raises ``KeyMaterialError`` as ``open`` does."""
        key = self._unwrapped(request_id, wrapped_key)
        return _decrypt(key, data, f"erasure-text/1 {request_id}").decode()

    def _unwrapped(self, request_id: str, wrapped_key: bytes) -> bytes:
        for wrapping_key in self.former:
            with suppress(KeyMaterialError):
                return _decrypt(wrapping_key, wrapped_key, f"erasure-key/1 {request_id}")
        return _decrypt(self.wrapping_key, wrapped_key, f"erasure-key/1 {request_id}")


def _encrypt(key: bytes, data: bytes, bound: str) -> bytes:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, data, bound.encode())


def _decrypt(key: bytes, data: bytes, bound: str) -> bytes:
    try:
        return AESGCM(key).decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], bound.encode())
    except (InvalidTag, ValueError):
        raise KeyMaterialError(
            "the sealed identities of an erasure request do not open: the master key is not the one they were made"
            " with, or the database was changed"
        ) from None
