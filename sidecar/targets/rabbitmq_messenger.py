"""RabbitMQ as a messenger: publisher confirms, mandatory and persistent messages. Needs aio-pika."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import aio_pika
from aio_pika.exceptions import (
    AMQPConnectionError,
    AMQPException,
    AuthenticationError,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
    DeliveryError,
    ProbableAuthenticationError,
)
from aiormq.exceptions import ChannelAccessRefused

from sidecar.errors import ConfigError, Problem
from sidecar.targets.broker import MessengerFailed
from sidecar.targets.broker_settings import BrokerSettings
from sidecar.targets.form import is_loopback
from sidecar.targets.target import TargetFault

_FAULTS: Final[tuple[tuple[type[BaseException], TargetFault], ...]] = (
    (ssl.SSLError, TargetFault.TLS),
    (DeliveryError, TargetFault.MISCONFIGURED),  # no queue took it
    (ChannelNotFoundEntity, TargetFault.MISCONFIGURED),
    (ChannelPreconditionFailed, TargetFault.MISCONFIGURED),
    (ChannelAccessRefused, TargetFault.NOT_PERMITTED),
    (AuthenticationError, TargetFault.NOT_PERMITTED),
    (ProbableAuthenticationError, TargetFault.NOT_PERMITTED),
    (TimeoutError, TargetFault.TIMED_OUT),
    (AMQPConnectionError, TargetFault.UNREACHABLE),
    (AMQPException, TargetFault.TARGET_ERROR),
    (OSError, TargetFault.UNREACHABLE),
)
_EXPECTED: Final = tuple(kind for kind, _ in _FAULTS)


class RabbitMqMessenger:
    """Implements ``Messenger``. A system answers into a queue for each message, which is made with the message."""

    def __init__(self, settings: BrokerSettings, url: str, tls: ssl.SSLContext, where: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"amqp", "amqps"} or not parts.hostname or parts.query:
            raise _refused(where, "is no URL of a RabbitMQ server")
        if parts.scheme == "amqp" and not is_loopback(parts.hostname):
            raise _refused(where, "is not encrypted and leaves this machine")
        self._settings = settings
        self._url = url
        self._tls = tls if parts.scheme == "amqps" else None

    async def check(self) -> None:
        async with self._connection() as connection:
            await (await _channel(connection)).declare_queue(self._settings.destination, passive=True)

    async def send(self, message_id: str, body: bytes) -> None:
        async with self._connection() as connection:
            reply_to = None
            if self._settings.acknowledgements is not None:
                reply_to = (await self._answers(connection, message_id)).name
            message = aio_pika.Message(
                body,
                content_type="application/json",
                message_id=message_id,
                reply_to=reply_to,
                delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            )
            exchange = (await _channel(connection)).default_exchange
            await exchange.publish(message, self._settings.destination, mandatory=True)

    async def acknowledgement(self, message_id: str) -> bytes | None:
        async with self._connection() as connection:
            queue = await self._answers(connection, message_id)
            last = await queue.get(fail=False)
            while last is not None and (newer := await queue.get(fail=False)) is not None:
                await last.ack()  # what a system said before is over
                last = newer
            if last is None:
                return None
            await last.reject(requeue=True)  # it must still be there if we are killed before it is recorded
            return bytes(last.body)

    async def _answers(self, connection: Any, message_id: str) -> Any:
        """Return the queue as it is, or a new one: it may have been made when other settings were in force."""
        name = f"{self._settings.acknowledgements}.{message_id}"
        try:
            return await (await _channel(connection)).declare_queue(name, passive=True)
        except ChannelNotFoundEntity:  # which closes the channel
            lasts_ms = int(self._settings.max_completion.total_seconds() * 1000) + 30 * 86_400_000
            arguments = {"x-expires": min(lasts_ms, 2**32 - 1)}
            return await (await _channel(connection)).declare_queue(name, durable=True, arguments=arguments)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Any]:
        try:
            async with asyncio.timeout(self._settings.timeout_seconds):
                connection = await aio_pika.connect(self._url, ssl_context=self._tls)
                async with connection:
                    yield connection
        except _EXPECTED as error:
            raise MessengerFailed(next(fault for kind, fault in _FAULTS if isinstance(error, kind))) from None


async def _channel(connection: Any) -> Any:
    return await connection.channel(publisher_confirms=True, on_return_raises=True)


def _refused(where: str, message: str) -> ConfigError:
    remedy = "Use amqps://user:password@host/vhost, or amqp:// on loopback, without options"
    return ConfigError((Problem(f"{where}.url", message, remedy),))
