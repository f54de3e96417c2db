"""Webhooks as Standard Webhooks has them (standardwebhooks.com, version 1): id, timestamp, signature over all. Pure.

The id stays the same on every try, so that a receiver can tell what it has seen; the signature covers id and time, so
that nothing can be replayed later under another.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sidecar.errors import ConfigError, Problem

_SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - how secrets begin, no secret
_PRIVATE_PREFIX: Final = "whsk_"
_LEAST_BYTES: Final = 24  # what Standard Webhooks asks of a shared secret
TOLERANCE: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class WebhookKey:
    """Either a secret that both sides hold (HMAC-SHA-256), or our private key (Ed25519)."""

    shared: bytes | None = field(default=None, repr=False)
    private: Ed25519PrivateKey | None = field(default=None, repr=False)

    def sign(self, message_id: str, timestamp: int, body: bytes) -> str:
        """Return the value of ``webhook-signature``."""
        signed = f"{message_id}.{timestamp}.".encode() + body
        if self.private is not None:
            return "v1a," + base64.b64encode(self.private.sign(signed)).decode("ascii")
        return "v1," + base64.b64encode(hmac.digest(self.shared or b"", signed, "sha256")).decode("ascii")

    def holds(self, message_id: str, timestamp: str, signatures: str, body: bytes, now: datetime) -> bool:
        """Tell whether a webhook that reached us is by who shares our secret, and of these minutes."""
        if self.shared is None or not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 12:
            return False
        if abs(now.timestamp() - int(timestamp)) > TOLERANCE.total_seconds():
            return False
        wanted = self.sign(message_id, int(timestamp), body)
        matches = [hmac.compare_digest(wanted.encode(), one.encode()) for one in signatures.split(" ")]
        return any(matches)


def parse_webhook_key(text: str, where: str) -> WebhookKey:
    """Return the key in ``whsec_…`` (shared) or ``whsk_…`` (private, Ed25519), or raise ``ConfigError``."""
    for prefix in (_SECRET_PREFIX, _PRIVATE_PREFIX):
        if not text.startswith(prefix):
            continue
        try:
            data = base64.b64decode(text.removeprefix(prefix), validate=True)
        except (binascii.Error, ValueError):
            break
        if prefix == _SECRET_PREFIX and len(data) >= _LEAST_BYTES:
            return WebhookKey(shared=data)
        if prefix == _PRIVATE_PREFIX and len(data) in (32, 64):  # the seed, alone or with the public key behind it
            return WebhookKey(private=Ed25519PrivateKey.from_private_bytes(data[:32]))
    remedy = f"Write whsec_ and base64 of at least {_LEAST_BYTES} random bytes, or whsk_ and that of an Ed25519 key"
    raise ConfigError((Problem(where, "is no key of Standard Webhooks", remedy),))


def webhook_headers(key: WebhookKey, message_id: str, now: datetime, body: bytes) -> dict[str, str]:
    """Return the headers of one try."""
    timestamp = int(now.timestamp())
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": key.sign(message_id, timestamp, body),
    }
