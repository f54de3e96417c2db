"""Where trainer tools connect: TLS, bounded in connections, header size and time, and drained before it stops.

On top of aiohttp's low-level server; there is no router in front of the exchange. What the parser rejects goes through
the exchange too, so that it is recorded like everything else (P58), and nothing of it reaches a log.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp.http_parser
from aiohttp import web
from aiohttp.http_exceptions import BadHttpMethod, HttpProcessingError

from sidecar.errors import ConfigError, Problem, RequestFault
from sidecar.proxy.exchange import Exchange
from sidecar.proxy.websocket_frames import FrameGuard, Frames
from sidecar.tls.accepting import Acceptor

_GOODBYE_SECONDS = 5.0
# What chunks may cost beside what they carry (P7): a byte in a chunk of its own costs five more. llhttp reads on
# through extensions of any length, and shows them to nobody.
_FRAMING_BYTES = 64 * 1024
_FRAMING_SHARE = 8
_SHORTEST_GRACE = 0.001  # seconds; to aiohttp no time is without end
_LINGER_SECONDS = 2.0  # for a client that still sends after it was turned away


@dataclass(frozen=True, slots=True)
class ListenerSettings:
    """Where to listen and how long to be patient. Sizes are bytes."""

    host: str
    port: int
    keepalive_seconds: float = 75.0
    header_seconds: float = 15.0
    handshake_seconds: float = 10.0
    max_line_bytes: int = 8190
    max_field_bytes: int = 8190
    max_fields: int = 128
    max_connections: int = 1000
    max_handshakes: int = 256
    drain_delay_seconds: float = 5.0
    drain_seconds: float = 25.0


class DataListener:
    """The data listener. ``ready`` is False from the moment it begins to drain (P49)."""

    def __init__(self, settings: ListenerSettings, context: ssl.SSLContext, exchange: Exchange) -> None:
        self._settings = settings
        self._context = context
        self._exchange = exchange
        self._gate: _Gate | None = None
        self._acceptor: Acceptor | None = None
        self.ready = False

    @property
    def port(self) -> int:
        """The port that is listened on, also where 0 was asked for."""
        return self._settings.port if self._acceptor is None else self._acceptor.port

    async def start(self) -> None:
        """Raise ``ConfigError`` for an address that can't be bound, and where aiohttp's compiled parser is missing.

        Most request smuggling that aiohttp ever had was in its pure-Python parser.
        """
        require_compiled_parser()
        settings = self._settings
        self._gate = _Gate(self._exchange, settings)
        acceptor = Acceptor(self._gate, self._context, settings.handshake_seconds, settings.max_handshakes)
        try:
            await acceptor.open(settings.host, settings.port, min(settings.max_connections, 1024))
        except OSError as error:
            message = f"can't listen on {settings.host}:{settings.port} ({error.strerror or type(error).__name__})"
            remedy = "Choose a free port and an address of this machine."
            raise ConfigError((Problem("listeners.data", message, remedy),)) from None
        self._acceptor = acceptor
        self.ready = True

    async def stop(self) -> None:
        """Drain: not ready, but accepting for a while; then only what is under way; then whatever is left is cut."""
        self.ready = False
        self._exchange.drain()
        if self._acceptor is not None and self._gate is not None:
            await asyncio.sleep(self._settings.drain_delay_seconds)
            self._acceptor.close()
            await self._exchange.end_websockets(min(_GOODBYE_SECONDS, self._settings.drain_seconds))
            self._gate.pre_shutdown()
            await self._gate.shutdown(max(self._settings.drain_seconds, _SHORTEST_GRACE))
            await self._acceptor.end()
        await self._exchange.settle()
        self._acceptor = self._gate = None


def require_compiled_parser() -> None:
    """Raise ``ConfigError`` unless aiohttp parses requests with llhttp."""
    if aiohttp.http_parser.HttpRequestParser.__module__ != "aiohttp._http_parser":
        problem = "aiohttp runs without its compiled parser, which is the one that is strict with malformed requests"
        remedy = "Unset AIOHTTP_NO_EXTENSIONS, or install an aiohttp wheel for this platform"
        raise ConfigError((Problem("environment", problem, remedy),))


class _Gate(web.Server):
    """Makes a protocol for each connection, up to a number."""

    def __init__(self, exchange: Exchange, settings: ListenerSettings) -> None:
        super().__init__(exchange.handle, handler_cancellation=True)
        self.exchange = exchange
        self.settings = settings

    def __call__(self) -> web.RequestHandler:
        return _Connection(self)


class _Connection(web.RequestHandler):
    """One client connection.

    Adds to aiohttp's: a limit on connections, limits on the time that a head may take (P12) and on what chunks may cost
    (P7), a guard over the frames of a WebSocket (P38), and a record of what can't be parsed. It overrides four methods
    and reads four attributes that are not public; the tests by requirement number fail if a new aiohttp changes them.
    """

    __slots__ = ("_gate", "_head_timer", "_since_head", "frames", "guard")

    def __init__(self, gate: _Gate) -> None:
        settings = gate.settings
        super().__init__(
            gate,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=settings.keepalive_seconds,
            access_log=None,  # type: ignore[arg-type]  # paths and queries may hold personal data (P22)
            max_line_size=settings.max_line_bytes,
            max_field_size=settings.max_field_bytes,
            max_headers=settings.max_fields,
            lingering_time=_LINGER_SECONDS,
            auto_decompress=False,
        )
        self._gate = gate
        self._head_timer: asyncio.TimerHandle | None = None
        self.frames: Frames | None = None  # of the WebSocket that this connection is about to be
        self.guard: FrameGuard | None = None
        self._since_head = 0  # bytes that came after the newest head, as far as they came in later pieces

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if len(self._gate.connections) >= self._gate.settings.max_connections:
            transport.abort()  # type: ignore[attr-defined]  # always a transport that writes
            return
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._stop_head_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        before = self._request_count
        super().data_received(data)
        if self._request_count > before:
            self._since_head = 0
            self._stop_head_timer()
            self._break_off_body()
            return
        self._since_head += len(data)
        if self._since_head > _FRAMING_BYTES:
            self._limit_framing()
        if self._head_timer is None and self._waits_for_head():
            self._head_timer = self._loop.call_later(self._gate.settings.header_seconds, self._head_is_late)

    def set_parser(self, parser: Any, data_received_cb: Callable[[], None] | None = None) -> None:
        """Read frames, behind a guard. Fails for a WebSocket that says nothing of how its frames are followed."""
        if self.frames is None:
            raise RuntimeError("a WebSocket without a guard over its frames")
        self.guard = FrameGuard(parser, self.frames)
        super().set_parser(self.guard, data_received_cb)  # type: ignore[arg-type]  # what is used of a reader

    def _waits_for_head(self) -> bool:
        return self._waiter is not None and not self._waiter.done()

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self._waits_for_head():
            self.force_close()

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _break_off_body(self) -> None:
        """Tell whoever reads a request's body that what follows it on the wire is malformed (P6).

        aiohttp queues the parse error behind the request, which would wait for the rest of its body for ever.
        """
        newest = self._messages[-1][0] if self._messages else None
        current = self._current_request
        is_error = isinstance(getattr(newest, "exc", None), HttpProcessingError)
        if is_error and current is not None and not current.content.is_eof():
            current.content.set_exception(web.RequestPayloadError("malformed"))

    def _limit_framing(self) -> None:
        """Break off a body whose chunks are mostly extensions (P7)."""
        current = self._current_request
        body = self._messages[-1][1] if self._messages else current.content if current is not None else None
        if body is None or body.is_eof():
            return
        if self._since_head > _FRAMING_BYTES + _FRAMING_SHARE * body.total_bytes and body.exception() is None:
            body.set_exception(web.RequestPayloadError("malformed"))

    def _make_error_handler(self, err_info: Any) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
        fault = RequestFault.METHOD if isinstance(err_info.exc, BadHttpMethod) else RequestFault.FRAMING

        async def turn_away(request: web.BaseRequest) -> web.StreamResponse:
            return await self._gate.exchange.turn_away(request, fault)

        return turn_away

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Say nothing: the exchange records how it ended, and what aiohttp would log quotes the request."""
