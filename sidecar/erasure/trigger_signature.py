"""Who sends a message that is signed as a webhook, in place of a token or a certificate (Standard Webhooks 1.0).

The signature covers id, time and body. Nothing is remembered of a message: the request that it files is made from who
asks and the day that was signed, so that whoever sends one again, while its time is still accepted, files nothing more.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from aiohttp import web

from sidecar.access import Identity, Proof, Role
from sidecar.admin.route import BODY
from sidecar.erasure.answers import read_raw
from sidecar.erasure.attempt import Clock
from sidecar.erasure.webhook import WebhookKey

SIGNED_AT: Final = web.RequestKey("signed_at", datetime)
"""The time that the sender signed, for the handler."""

_HEADERS: Final = ("webhook-id", "webhook-timestamp", "webhook-signature")


class SignedSenders:
    """Known senders by their names, each with the secret that it shares with us."""

    def __init__(self, senders: Mapping[str, WebhookKey], clock: Clock) -> None:
        self._senders = dict(senders)
        self._clock = clock

    async def identify(self, request: web.Request) -> Identity | None:
        """Return whose secret signed the request, or None, whatever is wrong with it. Its body is in ``BODY`` then."""
        message_id, timestamp, signatures = (request.headers.get(name, "") for name in _HEADERS)
        if not self._senders or not (message_id and timestamp and signatures):
            return None
        if not (message_id + timestamp + signatures).isascii():
            return None
        body = await read_raw(request)
        now = self._clock()
        # Every secret is tried, so that the time it takes tells nothing about which there are.
        signers = [
            name for name, key in self._senders.items() if key.holds(message_id, timestamp, signatures, body, now)
        ]
        if not signers:
            return None
        request[BODY], request[SIGNED_AT] = body, datetime.fromtimestamp(int(timestamp), UTC)
        return Identity(signers[0], frozenset({Role.INTAKE}), Proof.SIGNATURE)
