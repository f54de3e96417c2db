"""One server behind the sidecar: requests out, validated answers in. Foreign errors are translated here, once.

Invariants: a request with a body is sent at most once (P47); nothing decodes, redirects, keeps cookies or reads the
environment behind our back; a connection that said more than it was asked for is never used again (P48).
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

import aiohttp
from aiohttp import hdrs
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from sidecar.errors import (
    ConfigError,
    PayloadFault,
    PayloadRefused,
    Problem,
    UpstreamFailed,
    UpstreamFault,
)
from sidecar.proxy.body_budget import BodyShare
from sidecar.proxy.headers import validate_response
from sidecar.proxy.upstream_calls import LONGEST_BODY, Patience, Reply, Tls, UpstreamCalls
from sidecar.proxy.upstream_socket import UpstreamSocket, UpstreamSockets
from sidecar.proxy.websocket_frames import Frames

_OURS_TO_SET = (hdrs.USER_AGENT, hdrs.ACCEPT, hdrs.ACCEPT_ENCODING, hdrs.CONTENT_TYPE)


class Plaintext(StrEnum):
    """Where plain HTTP may go (P51)."""

    LOOPBACK_ONLY = "loopback_only"
    UNSAFE_ANYWHERE = "unsafe_anywhere"  # chats cross the network in clear


@dataclass(frozen=True, slots=True)
class UpstreamSettings:
    """Where an upstream is and how long it is waited for. Raises ``ConfigError`` for one that is not safe to use.

    ``url`` is scheme and authority only. ``tls`` verifies an https upstream; None: the system's authorities.
    ``keepalive_seconds`` is below what servers commonly grant, so that a connection is seldom reused as it closes.
    """

    name: str
    url: str
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    connect_seconds: float = 5.0
    read_seconds: float = 60.0
    max_connections: int = 100
    keepalive_seconds: float = 4.0
    plaintext: Plaintext = Plaintext.LOOPBACK_ONLY

    def __post_init__(self) -> None:
        problem = _problem_with(self)
        if problem is not None:
            raise ConfigError((Problem(f"upstreams.{self.name}.url", *problem),))

    @property
    def origin(self) -> str:
        return self.url.rstrip("/")


def _problem_with(settings: UpstreamSettings) -> tuple[str, str] | None:
    parts = urlsplit(settings.url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return "not an http or https URL", "Write it like https://chatbot.example:8443"
    if parts.path.rstrip("/") or parts.query or parts.fragment or parts.username or parts.password:
        return "more than scheme, host and port", "Leave out path, query and user; paths pass through unchanged"
    if parts.scheme == "http" and settings.plaintext is Plaintext.LOOPBACK_ONLY and not _is_loopback(parts.hostname):
        return "plain http to another machine", "Use https, or set unsafe_allow_plaintext to send chats in clear"
    context = settings.tls
    if context is not None and not (context.verify_mode is ssl.CERT_REQUIRED and context.check_hostname):
        return "its certificate would not be verified", "Give a TLS context that checks chain and host name"
    return None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Answer:
    """An upstream's response: a validated head, and a body that is read once. Close it in every case."""

    def __init__(self, response: aiohttp.ClientResponse | Reply, read_seconds: float) -> None:
        self._response = response
        self._read_seconds = read_seconds
        self.status = response.status

    @property
    def fields(self) -> CIMultiDictProxy[str]:
        return self._response.headers

    @property
    def announced(self) -> int:
        """The Content-Length, -1 without one."""
        return int(self._response.headers.get("Content-Length", "-1"))

    @property
    def ended(self) -> bool:
        """Whether everything has been read."""
        return self._response.content.at_eof()

    async def read_some(self) -> bytes:
        """Return the bytes at hand, b"" at the end. Raises ``UpstreamFailed`` for an end that is not one (P46)."""
        content = self._response.content
        try:
            if content.is_eof():  # all of it is here: nothing to wait for
                return await content.readany()
            async with asyncio.timeout(self._read_seconds):
                return await content.readany()
        except (aiohttp.ClientError, aiohttp.http.HttpProcessingError, OSError) as error:
            raise UpstreamFailed(_fault_of(error)) from None

    async def read(self, cap: int, share: BodyShare) -> bytes:
        """Return the whole body, or raise ``PayloadRefused`` for more than ``cap`` bytes.

        Raises ``RequestRefused`` (overloaded) for more than the share can take.
        """
        if self.announced > cap:
            raise PayloadRefused(PayloadFault.TOO_LARGE)
        first = await self.read_some()
        share.hold(len(first))
        if self.ended and len(first) <= cap:
            return first
        whole = bytearray(first)
        while len(whole) <= cap:
            some = await self.read_some()
            if not some:
                return bytes(whole)
            share.hold(len(some))
            whole += some
        raise PayloadRefused(PayloadFault.TOO_LARGE)

    def close(self) -> None:
        """Give the connection back if the whole answer was read, else cut it, which stops the upstream (P44)."""
        self._response.close()


class Upstream:
    """The client side of the proxy, for one upstream.

    ``tls`` returns the context for the next connection; without it, it is always that of the settings. Connections
    that were kept from another context are not used again.
    """

    def __init__(self, settings: UpstreamSettings, tls: Tls | None = None) -> None:
        self.settings = settings
        self._tls: Tls = tls if tls is not None else lambda: settings.tls
        parts = urlsplit(settings.url)
        self.host = parts.netloc
        self._scheme = parts.scheme
        self._session: aiohttp.ClientSession | None = None
        self._calls: UpstreamCalls | None = None
        self._sockets = UpstreamSockets(self._tls, settings.connect_seconds, settings.max_connections)

    async def start(self) -> None:
        await self._sockets.start()
        settings = self.settings
        connector = _CleanConnector(
            limit=settings.max_connections,
            keepalive_timeout=settings.keepalive_seconds,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            skip_auto_headers=_OURS_TO_SET,
            timeout=aiohttp.ClientTimeout(
                total=None,
                connect=None,
                sock_connect=settings.connect_seconds,
                sock_read=settings.read_seconds,
            ),
        )
        patience = Patience(settings.connect_seconds, settings.read_seconds)
        self._calls = UpstreamCalls(connector, self._session, self._url("/"), patience, self._tls)

    async def stop(self) -> None:
        await self._sockets.stop()
        if self._session is not None:
            await self._session.close()
            self._session = self._calls = None

    async def send(
        self, method: str, target: str, fields: CIMultiDict[str], body: bytes | AsyncIterable[bytes] | None
    ) -> Answer:
        """Send a request and return the answer once its head is here and valid. Raises ``UpstreamFailed``.

        ``target`` goes out byte for byte (P21). Only a request without a body that may be repeated is sent again, once,
        when a kept connection turns out to be closed (P46).
        """
        if self._session is None or self._calls is None:
            raise UpstreamFailed(UpstreamFault.UNREACHABLE)
        response: aiohttp.ClientResponse | Reply
        try:
            if body is None or (isinstance(body, bytes) and len(body) <= LONGEST_BODY):
                response = await self._calls.call(method, target, fields, body)
            else:
                response = await self._session.request(
                    method,
                    self._url(target),
                    headers=fields,
                    data=body,
                    ssl=self._tls() or True,
                    allow_redirects=False,
                    middlewares=(_send_once,),
                )
        except (aiohttp.ClientError, aiohttp.http.HttpProcessingError, OSError) as error:
            raise UpstreamFailed(_fault_of(error)) from None
        try:
            validate_response(response.status, response.reason, response.headers)
        except UpstreamFailed:
            response.close()
            raise
        return Answer(response, self.settings.read_seconds)

    async def open_socket(
        self, target: str, fields: CIMultiDict[str], offered: Sequence[str], max_message_bytes: int, frames: Frames
    ) -> UpstreamSocket:
        """Return an open WebSocket, or raise ``UpstreamFailed``, also if it is denied.

        ``offered`` are subprotocols; ``frames`` follows what comes.
        """
        try:
            return await self._sockets.open(self._url(target), fields, offered, max_message_bytes, frames)
        except (aiohttp.ClientError, OSError) as error:
            raise UpstreamFailed(_fault_of(error)) from None

    def _url(self, target: str) -> URL:
        # The query stays part of the path: split and joined again, "/a?" would lose its question mark.
        return URL.build(scheme=self._scheme, authority=self.host, path=target, encoded=True)


class _CleanConnector(aiohttp.TCPConnector):
    """A pool that throws away what spoke while nobody had asked it anything.

    Bytes that arrive on an idle connection would otherwise be taken for the answer to the next request, which may be
    another caller's (P48). aiohttp looks for them when a connection is given back, but not when it is taken again.
    """

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[aiohttp.tracing.Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - the signature that is overridden
    ) -> aiohttp.connector.Connection:
        while True:
            connection = await super().connect(req, traces, timeout)
            if connection.protocol is None or not connection.protocol.should_close:
                return connection
            connection.close()


async def _send_once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Turn a lost connection into our own error, which the session does not take for a reason to send again (P47)."""
    try:
        return await handler(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise UpstreamFailed(_fault_of(error)) from None


def _fault_of(error: Exception) -> UpstreamFault:
    """Name a foreign error. The order matters: the classes are nested."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError | ssl.SSLError):
        return UpstreamFault.TLS
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return UpstreamFault.UNREACHABLE
    if isinstance(error, TimeoutError):
        return UpstreamFault.TIMED_OUT
    if isinstance(error, aiohttp.ClientResponseError | aiohttp.http.HttpProcessingError):
        return UpstreamFault.BAD_RESPONSE
    return UpstreamFault.CLOSED_EARLY
