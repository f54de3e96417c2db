"""NATS as a messenger: JetStream keeps what is sent, and the last answer on each subject. Needs nats-py."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import nats
import nats.errors
import nats.js.errors

from sidecar.errors import ConfigError, Problem
from sidecar.targets.broker import MessengerFailed
from sidecar.targets.broker_settings import BrokerSettings
from sidecar.targets.form import is_loopback
from sidecar.targets.target import TargetFault

_FAULTS: Final[tuple[tuple[type[BaseException], TargetFault], ...]] = (
    (nats.js.errors.NoStreamResponseError, TargetFault.MISCONFIGURED),
    (nats.js.errors.NotFoundError, TargetFault.MISCONFIGURED),
    (nats.js.errors.ServiceUnavailableError, TargetFault.MISCONFIGURED),
    (nats.errors.NoRespondersError, TargetFault.MISCONFIGURED),
    (nats.errors.AuthorizationError, TargetFault.NOT_PERMITTED),
    (nats.errors.InvalidUserCredentialsError, TargetFault.NOT_PERMITTED),
    (nats.errors.SecureConnRequiredError, TargetFault.TLS),
    (nats.errors.SecureConnFailedError, TargetFault.TLS),
    (ssl.SSLError, TargetFault.TLS),
    (nats.errors.NoServersError, TargetFault.UNREACHABLE),
    (TimeoutError, TargetFault.TIMED_OUT),
    (nats.errors.ConnectionClosedError, TargetFault.CLOSED_EARLY),
    (nats.errors.Error, TargetFault.TARGET_ERROR),
    (OSError, TargetFault.UNREACHABLE),
)
_EXPECTED: Final = tuple(kind for kind, _ in _FAULTS)


class NatsMessenger:
    """Implements ``Messenger``."""

    def __init__(self, settings: BrokerSettings, url: str, tls: ssl.SSLContext, where: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"nats", "tls"} or not parts.hostname:
            raise _refused(where, "is no URL of a NATS server")
        if parts.scheme == "nats" and not is_loopback(parts.hostname):
            raise _refused(where, "is not encrypted and leaves this machine")
        self._settings = settings
        self._url = url
        self._tls = tls if parts.scheme == "tls" else None

    async def check(self) -> None:
        async with self._stream() as stream:
            await stream.find_stream_name_by_subject(self._settings.destination)
            if self._settings.acknowledgements is not None:
                await stream.find_stream_name_by_subject(f"{self._settings.acknowledgements}.any")

    async def send(self, message_id: str, body: bytes) -> None:
        async with self._stream() as stream:
            await stream.publish(self._settings.destination, body, headers={"Nats-Msg-Id": message_id})

    async def acknowledgement(self, message_id: str) -> bytes | None:
        subject = f"{self._settings.acknowledgements}.{message_id}"
        async with self._stream() as stream:
            name = await stream.find_stream_name_by_subject(subject)
            try:
                found = await stream.get_last_msg(name, subject)
            except nats.js.errors.NotFoundError:
                return None
            return bytes(found.data or b"")

    @asynccontextmanager
    async def _stream(self) -> AsyncIterator[Any]:
        timeout = self._settings.timeout_seconds
        try:
            async with asyncio.timeout(2 * timeout):
                client = await nats.connect(
                    self._url,
                    tls=self._tls,
                    allow_reconnect=False,
                    connect_timeout=max(1, int(timeout)),
                    max_reconnect_attempts=1,  # else it tries the first connection for ever
                    reconnect_time_wait=0,
                    error_cb=_ignore,
                )
                try:
                    yield client.jetstream(timeout=timeout)
                finally:
                    await client.close()
        except _EXPECTED as error:
            raise MessengerFailed(next(fault for kind, fault in _FAULTS if isinstance(error, kind))) from None


async def _ignore(_error: Exception) -> None:
    """The call raises what it has to; the client's own log would hold more than ours may."""


def _refused(where: str, message: str) -> ConfigError:
    return ConfigError((Problem(f"{where}.url", message, "Use tls://user:password@host:port, or nats:// on loopback"),))
