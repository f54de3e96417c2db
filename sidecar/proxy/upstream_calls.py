"""Requests that are all there when they are sent: over the pool of aiohttp's client, without the rest of it.

Connections, their pool, their parser and their timeouts are aiohttp's. What is left out is what a session does for a
browser (cookies, redirects, credentials, proxies, URLs taken apart and put together), which takes longer than the rest
of an exchange and which a proxy has to switch off. Bodies that are streamed, or too long for one write, take the
session: it sends them while it listens for an early answer.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http_writer import _serialize_headers
from aiohttp.streams import StreamReader
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

LONGEST_BODY = 32 * 1024  # bytes: less than any transport's high-water mark, so that no write has to wait
_REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
_WITHOUT_LENGTH = frozenset({"GET", "HEAD", "OPTIONS"})  # where no body is what is expected (RFC 9110 section 8.6)
_SWITCHING_PROTOCOLS = 101
Tls = Callable[[], ssl.SSLContext | None]
"""Returns what the next connection is verified by; None: the system's authorities, or plain http."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds: for a connection, and for the silence of who was asked."""

    connect: float
    read: float


class Reply:
    """What came back: a head, and a body that is read once. Its connection goes back when the body has ended."""

    def __init__(
        self, status: int, reason: str, headers: CIMultiDictProxy[str], content: StreamReader, connection: Connection
    ) -> None:
        self.status = status
        self.reason = reason
        self.headers = headers
        self.content = content
        self._connection: Connection | None = connection
        content.on_eof(self._give_back)

    def close(self) -> None:
        """Cut the connection, unless everything was read."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _give_back(self) -> None:
        if self._connection is not None:
            self._connection.release()
            self._connection = None


class UpstreamCalls:
    """Calls to one server. ``connector``: the pool, which others may use as well."""

    def __init__(
        self,
        connector: aiohttp.TCPConnector,
        session: aiohttp.ClientSession,
        origin: URL,
        patience: Patience,
        tls: Tls,
    ) -> None:
        self._connector = connector
        self._session = session
        self._origin = origin
        self._loop = asyncio.get_running_loop()
        self._timeout = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=patience.connect)
        self._read_seconds = patience.read
        self._tls = tls
        self._place, self._place_tls = self._place_by(tls()), tls()

    async def call(self, method: str, target: str, fields: CIMultiDict[str], body: bytes | None) -> Reply:
        """Send a request and return what comes back, whatever it says. ``target`` goes out byte for byte.

        Only a request without a body that may be repeated is sent again, once, when a kept connection turns out to be
        closed (P46, P47). Raises aiohttp's errors, and ``TimeoutError``.
        """
        if body is not None or method not in _WITHOUT_LENGTH:
            fields["Content-Length"] = str(len(body or b""))
        try:
            return await self._call_once(method, target, fields, body)
        except aiohttp.ClientConnectorError:
            raise
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError):
            if body is not None or method not in _REPEATABLE:
                raise
        return await self._call_once(method, target, fields, body)

    async def _call_once(self, method: str, target: str, fields: CIMultiDict[str], body: bytes | None) -> Reply:
        connection = await self._connected()
        try:
            protocol = connection.protocol
            transport = None if protocol is None else protocol.transport
            if protocol is None or transport is None or transport.is_closing():
                raise aiohttp.ServerDisconnectedError
            protocol.set_response_params(
                skip_payload=method == "HEAD",
                read_until_eof=True,
                auto_decompress=False,
                read_timeout=self._read_seconds,
            )
            head = _serialize_headers(f"{method} {target} HTTP/1.1", fields)
            transport.write(head + body if body else head)
            protocol.start_timeout()
            return await _reply(protocol, connection)
        except BaseException:
            connection.close()
            raise

    async def _connected(self) -> Connection:
        tls = self._tls()
        if tls is not self._place_tls:
            self._place, self._place_tls = self._place_by(tls), tls
        try:
            return await self._connector.connect(self._place, [], self._timeout)
        except TimeoutError as error:
            raise aiohttp.ConnectionTimeoutError from error

    def _place_by(self, tls: ssl.SSLContext | None) -> aiohttp.ClientRequest:
        """Return what says to the pool where a connection leads, and how it is verified; it is never sent."""
        return aiohttp.ClientRequest("GET", self._origin, loop=self._loop, session=self._session, ssl=tls or True)


async def _reply(protocol: ResponseHandler, connection: Connection) -> Reply:
    """Return the final answer; what servers say before it is theirs to say, and passed over (RFC 9110 section 15.2)."""
    while True:
        message, content = await protocol.read()
        if not 100 <= message.code <= 199 or message.code == _SWITCHING_PROTOCOLS:
            return Reply(message.code, message.reason, message.headers, content, connection)
