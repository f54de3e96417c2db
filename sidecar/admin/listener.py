"""The admin listener: its own port, its own endpoints, nothing of it reachable through the data port (P59)."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field

from aiohttp import HttpVersion10, HttpVersion11, web
from aiohttp.typedefs import Handler

from sidecar.admin.connection import Answering, Bounds, Connection
from sidecar.admin.guard import Guard
from sidecar.admin.route import AdminRoute
from sidecar.errors import ConfigError, Problem
from sidecar.tls.accepting import Acceptor
from sidecar.tls.reloaded_listener import ReloadedListener

MAX_BODY_BYTES = 1024 * 1024
_SHUTDOWN_SECONDS = 5.0
_BACKLOG = 100
_VERSIONS = frozenset({HttpVersion10, HttpVersion11})
_HEADERS = {
    "Server": "privacy-sidecar",  # versions are for /metrics
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}
_HSTS = "max-age=63072000"  # two years (P57)


@dataclass(frozen=True, slots=True)
class AdminSettings:
    """Where to listen; port 0 takes a free one. Without TLS only on loopback, or ``ConfigError``."""

    host: str
    port: int
    tls: ReloadedListener | None
    max_body_bytes: int = MAX_BODY_BYTES
    bounds: Bounds = field(default_factory=Bounds)

    def __post_init__(self) -> None:
        if self.tls is None and not _is_loopback(self.host):
            remedy = "Give it a certificate (tls), or bind it to 127.0.0.1."
            message = f"listens on {self.host} without TLS"
            raise ConfigError((Problem("listeners.admin", message, remedy),))


class AdminListener:
    """Serves guarded endpoints between ``start`` and ``stop``."""

    def __init__(self, settings: AdminSettings, routes: Sequence[AdminRoute], guard: Guard) -> None:
        self._settings = settings
        self._routes = tuple(routes)
        self._guard = guard
        self._application = self._serving()
        self._runner: web.AppRunner | None = None
        self._acceptor: Acceptor | None = None

    @property
    def port(self) -> int:
        """The port that is listened on, once started."""
        if self._acceptor is None:
            raise RuntimeError("the admin listener is not started")
        return self._acceptor.port

    async def start(self) -> None:
        """Bind and serve, or raise ``ConfigError`` for unusable certificate files or an address that can't be bound."""
        tls = self._settings.tls
        context = await asyncio.to_thread(tls.open) if tls else None
        runner = web.AppRunner(self._application, handle_signals=False, shutdown_timeout=_SHUTDOWN_SECONDS)
        await runner.setup()
        try:
            self._acceptor = await self._listen(runner, context)
        except OSError as error:
            await runner.cleanup()
            where = f"{self._settings.host}:{self._settings.port}"
            message = f"can't listen on {where} ({error.strerror or type(error).__name__})"
            remedy = "Choose a free port and an address of this machine."
            raise ConfigError((Problem("listeners.admin", message, remedy),)) from None
        self._runner = runner
        if tls:
            await tls.start()

    async def stop(self) -> None:
        """Take no new connections, end those that are idle, and give the others a few seconds."""
        if self._settings.tls:
            await self._settings.tls.stop()
        if self._acceptor is not None:
            self._acceptor.close()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        if self._acceptor is not None:
            await self._acceptor.end()
            self._acceptor = None
        await self._guard.settle()

    async def _listen(self, runner: web.AppRunner, context: ssl.SSLContext | None) -> Acceptor:
        settings, server = self._settings, runner.server
        if server is None:
            raise RuntimeError("the admin application was not set up")
        server.request_handler = self._routed(server.request_handler)
        bounds = settings.bounds
        acceptor = Acceptor(
            lambda: Connection(server, bounds, self._turn_away), context, bounds.handshake_seconds, bounds.handshakes
        )
        await acceptor.open(settings.host, settings.port, _BACKLOG)
        return acceptor

    def _serving(self) -> web.Application:
        application = web.Application(client_max_size=self._settings.max_body_bytes)
        for route in self._routes:
            application.router.add_route(
                route.method, route.path, self._guarded(route), expect_handler=_no_early_continue
            )
        application.on_response_prepare.append(self._add_headers)
        return application

    def _routed(self, serve: Answering) -> Answering:
        """Keep from aiohttp what no endpoint takes: before anybody is identified it would say 100 Continue (P43), or
        quote an Expect that it does not know, and so tell which paths there are.
        """

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            if request.version not in _VERSIONS:
                return await self._turn_away(request)
            unknown = (await self._application.router.resolve(_whole(request))).http_exception
            if unknown is None:
                return await serve(request)
            response = await self._guard.refuse_unknown(_whole(request), unknown.status)
            await self._add_headers(request, response)
            return response

        return handle

    async def _turn_away(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer what is no request of HTTP/1.0 or 1.1, and end its connection: what follows can't be told apart."""
        response = await self._guard.refuse_malformed(_whole(request))
        response.force_close()
        await self._add_headers(request, response)
        return response

    def _guarded(self, route: AdminRoute) -> Handler:
        async def serve(request: web.Request) -> web.StreamResponse:
            response = await self._guard.serve(request, route)
            if not response.prepared:  # in the same order as on answers that no endpoint gives
                await self._add_headers(request, response)
            return response

        return serve

    async def _add_headers(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        response.headers.update(_HEADERS)
        if self._settings.tls is not None:
            response.headers["Strict-Transport-Security"] = _HSTS
            self._end_stale_connection(self._settings.tls, request, response)

    def _end_stale_connection(
        self, tls: ReloadedListener, request: web.BaseRequest, response: web.StreamResponse
    ) -> None:
        """Let no connection live on that was admitted under certificates since replaced (P54)."""
        connection = request.transport.get_extra_info("ssl_object") if request.transport else None
        if connection is not None and not tls.is_current(connection):
            response.force_close()
            response.headers["Connection"] = "close"


def _whole(request: web.BaseRequest) -> web.Request:
    """Return the request as what it is: an application makes no others."""
    if not isinstance(request, web.Request):
        raise TypeError("a request that no application made")
    return request


async def _no_early_continue(_request: web.Request) -> None:
    """The guard says 100 Continue once the caller is admitted, not before (P43)."""


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
