"""The upstream's side of a WebSocket: the handshake, and the connection for as long as it lasts (RFC 6455).

Connections have a pool of their own that keeps none: one that was upgraded can't be used again, and long-lived ones
must not starve requests. No extension is offered: a message is never decompressed (P30), and a reserved bit ends the
connection (P38).
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any

import aiohttp
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from sidecar.errors import UpstreamFailed, UpstreamFault
from sidecar.proxy.headers import validate_fields
from sidecar.proxy.websocket_frames import FrameGuard, Frames, Reader

HEARTBEAT_SECONDS = 60.0
"""A ping after so much silence; a peer that does not answer within half of it is gone."""
CLOSE_SECONDS = 2.0
"""How long the other side is waited for once a close frame was sent."""
_SWITCHING_PROTOCOLS = 101


_frames: ContextVar[Frames] = ContextVar("frames")
"""What follows the connection that is being opened: aiohttp's session makes it, and passes nothing on."""


class UpstreamSocket(aiohttp.ClientWebSocketResponse):
    """An open connection. ``head``: the fields of the answer that opened it.

    What comes is read behind a guard: aiohttp hands its connection the ``_parser`` that it set here. That is not
    public; the tests by requirement number fail if a new aiohttp does otherwise.
    """

    _guard: FrameGuard | None = None

    def __init__(
        self, reader: Any, writer: Any, protocol: str | None, response: aiohttp.ClientResponse, *args: Any, **kw: Any
    ) -> None:
        super().__init__(reader, writer, protocol, response, *args, **kw)
        self._answer = response

    @property  # type: ignore[override]  # what is used of a reader
    def _parser(self) -> FrameGuard | None:
        return self._guard

    @_parser.setter
    def _parser(self, reader: Reader | None) -> None:
        self._guard = None
        if reader is not None:
            self._followed = _frames.get()
            self._guard = FrameGuard(reader, self._followed)
            self._guard.report_to(self._reader)

    @property
    def head(self) -> CIMultiDictProxy[str]:
        return self._answer.headers

    def cut(self) -> None:
        """End the connection without a close frame, which stops the upstream (P44). Harmless when it has ended."""
        self._answer.close()
        self._followed.end()


class UpstreamSockets:
    """Opens WebSockets to one upstream. ``tls`` returns what the next one is verified by."""

    def __init__(self, tls: Callable[[], ssl.SSLContext | None], connect_seconds: float, max_connections: int) -> None:
        self._tls = tls
        self._connect_seconds = connect_seconds
        self._max_connections = max_connections
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._max_connections, force_close=True),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            skip_auto_headers=(aiohttp.hdrs.USER_AGENT, aiohttp.hdrs.ACCEPT, aiohttp.hdrs.ACCEPT_ENCODING),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._connect_seconds),
            ws_response_class=UpstreamSocket,
            middlewares=(_only_switching,),
        )

    async def stop(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def open(
        self, url: URL, fields: CIMultiDict[str], offered: Sequence[str], max_message_bytes: int, frames: Frames
    ) -> UpstreamSocket:
        """Return the connection once the upstream has agreed to it. Raises ``UpstreamFailed`` and aiohttp's errors."""
        if self._session is None:
            raise UpstreamFailed(UpstreamFault.UNREACHABLE)
        _frames.set(frames)
        opened = await self._session.ws_connect(
            url,
            headers=fields,
            protocols=offered,
            autoclose=False,
            heartbeat=HEARTBEAT_SECONDS,
            compress=0,
            ssl=self._tls() or True,
            max_msg_size=max_message_bytes + 1,  # what reaches it is refused
            timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_SECONDS),
        )
        if not isinstance(opened, UpstreamSocket):
            raise TypeError("the session was given another class of connections")
        try:
            _validate_head(opened)
        except UpstreamFailed:
            opened.cut()
            raise
        return opened


async def _only_switching(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Let nothing but a switch of protocols through: the session would follow a redirect to wherever it leads (P8)."""
    response = await handler(request)
    if response.status != _SWITCHING_PROTOCOLS:
        response.close()
        raise UpstreamFailed(UpstreamFault.BAD_RESPONSE)
    return response


def _validate_head(opened: UpstreamSocket) -> None:
    """Raise ``UpstreamFailed`` for an upstream that chose what was not offered (RFC 6455 section 4.1)."""
    head = opened.head
    validate_fields(head)
    chosen = head.getall("Sec-WebSocket-Protocol", [])
    if "Sec-WebSocket-Extensions" in head or chosen != [one for one in (opened.protocol,) if one is not None]:
        raise UpstreamFailed(UpstreamFault.BAD_RESPONSE)
