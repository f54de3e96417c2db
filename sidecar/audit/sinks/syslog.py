"""A sink that speaks syslog over TLS: messages of RFC 5424 in the framing of RFC 5425 (octet counting).

Syslog knows no acknowledgement. So a batch counts as taken when the peer's host has acknowledged every byte and the
connection has then stayed up for a moment: a receiver that dies with unread bytes resets it. Else the whole batch goes
out again on a new connection. A receiver tells repetitions, and gaps, by ``sequenceId`` and by ``seq`` in the message.
"""

from __future__ import annotations

import asyncio
import fcntl
import socket
import ssl
import struct
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from termios import TIOCOUTQ

from sidecar import __version__
from sidecar.audit.sinks.sink import Forwarded, SinkUnavailable

_FACILITY = 13 << 3  # log audit
_NOTICE, _WARNING = 5, 4
_WARNED_OF = frozenset({"denied", "refused", "failed", "aborted"})
_LARGEST_SEQUENCE_ID = 2147483647
_HOST_LIMIT = 255
_POLL_SECONDS = 0.005


@dataclass(frozen=True, slots=True)
class SyslogSettings:
    """Where the receiver is. ``tls`` verifies it and may show our certificate; ``hostname``: how we call ourselves."""

    host: str
    port: int = 6514
    hostname: str = "-"
    tls: ssl.SSLContext = field(default_factory=ssl.create_default_context, repr=False)
    timeout_seconds: float = 10.0
    settle_seconds: float = 0.2


class SyslogSink:
    """Implements ``Sink`` over one connection, opened when there is something to send."""

    def __init__(self, name: str, settings: SyslogSettings) -> None:
        self._name = name
        self._settings = settings
        self._connection: _Connection | None = None

    @property
    def name(self) -> str:
        return self._name

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        await self._drop()

    async def send(self, batch: Sequence[Forwarded]) -> None:
        frames = b"".join(frame(message(one, self._settings.hostname)) for one in batch)
        try:
            async with asyncio.timeout(self._settings.timeout_seconds):
                if self._connection is None:
                    self._connection = await _Connection.open(self._settings)
                await self._connection.send(frames, self._settings.settle_seconds)
        except TimeoutError:
            await self._drop()
            raise SinkUnavailable(f"sink {self._name}: timed_out") from None
        except ssl.SSLError:
            await self._drop()
            raise SinkUnavailable(f"sink {self._name}: tls") from None
        except (OSError, UnicodeError):  # the latter of a host that no address can be asked for
            await self._drop()
            raise SinkUnavailable(f"sink {self._name}: unreachable") from None

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()


class _Connection:
    """One TLS connection, watched for its end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._ended = asyncio.ensure_future(reader.read(1))  # a receiver says nothing; what comes is the end

    @classmethod
    async def open(cls, settings: SyslogSettings) -> _Connection:
        return cls(*await asyncio.open_connection(settings.host, settings.port, ssl=settings.tls))

    async def send(self, data: bytes, settle_seconds: float) -> None:
        """Write, wait until the peer's host has every byte, and look whether the connection stays. Raises OSError."""
        if self._ended.done():
            raise ConnectionResetError
        self._writer.write(data)
        await self._writer.drain()
        while self._unacknowledged():  # noqa: ASYNC110 - the kernel sends no event for it
            await asyncio.sleep(_POLL_SECONDS)
        await asyncio.wait({self._ended}, timeout=settle_seconds)
        if self._ended.done() or self._writer.is_closing():
            raise ConnectionResetError

    def _unacknowledged(self) -> int:
        """Return how many bytes are still on our side: in asyncio's buffer, or sent and not acknowledged by TCP."""
        transport = self._writer.transport
        if transport.is_closing():
            raise ConnectionResetError
        waiting = transport.get_write_buffer_size()
        sock: socket.socket = transport.get_extra_info("socket")
        with suppress(ValueError):  # closed in between; the next look tells
            waiting += struct.unpack("i", fcntl.ioctl(sock.fileno(), TIOCOUTQ, b"\0" * 4))[0]
        return int(waiting)

    async def close(self) -> None:
        self._ended.cancel()
        self._writer.close()
        with suppress(OSError, asyncio.CancelledError, TimeoutError):
            async with asyncio.timeout(1):
                await self._writer.wait_closed()


def message(record: Forwarded, hostname: str) -> bytes:
    """Return a SYSLOG-MSG: header, the registered elements ``meta`` and ``origin``, and the record's JSON.

    Hosts, programs and actions come from configuration and closed sets: nothing in the header needs escaping.
    """
    warned = record.facts.get("decision") in _WARNED_OF
    priority = _FACILITY + (_WARNING if warned else _NOTICE)
    action = str(record.facts.get("action", "-"))[:32]
    number = record.seq % _LARGEST_SEQUENCE_ID + 1
    elements = f'[meta sequenceId="{number}"][origin software="privacy-sidecar" swVersion="{__version__}"]'
    header = f"<{priority}>1 {record.time} {hostname[:_HOST_LIMIT]} privacy-sidecar - {action} {elements} "
    return header.encode("ascii") + b"\xef\xbb\xbf" + record.json


def frame(data: bytes) -> bytes:
    """Return a message with its length before it, as RFC 5425 frames it."""
    return b"%d %b" % (len(data), data)
