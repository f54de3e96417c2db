"""One connection of the admin listener, bounded in number and in life."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

Answering = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many connections there may be, and at their handshake, and how many seconds each lives and idles.

    The longest life also ends whoever sends a request head byte by byte (P12), and whoever stays connected under
    certificates that have been replaced (P54). A request under way is answered first.
    """

    connections: int = 512
    handshakes: int = 128
    life_seconds: float = 60.0
    idle_seconds: float = 30.0
    handshake_seconds: float = 10.0


class WithoutText(logging.Filter):
    """Takes the text of exceptions out of what aiohttp logs: of a malformed request they quote it."""

    def filter(self, record: logging.LogRecord) -> bool:
        kind = record.exc_info[0] if record.exc_info else None
        record.msg = f"a request failed: {kind.__name__}" if kind else "a request failed"
        record.args, record.exc_info, record.exc_text = (), None, None
        return True


_log = logging.getLogger("sidecar.admin.http")
_log.addFilter(WithoutText())


class Connection(web.RequestHandler):
    """aiohttp's connection within ``Bounds``. ``malformed`` answers what could not be parsed: aiohttp would quote it.

    Overrides one method and reads one attribute that are not public; the tests of the listener fail if a new aiohttp
    changes them.
    """

    __slots__ = ("_bounds", "_end_of_life", "_malformed", "_peers")

    def __init__(self, server: web.Server, bounds: Bounds, malformed: Answering) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=bounds.idle_seconds,
            logger=_log,
            access_log=None,  # type: ignore[arg-type]  # the audit log is the access log
        )
        self._peers = server
        self._bounds = bounds
        self._malformed = malformed
        self._end_of_life: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if len(self._peers.connections) >= self._bounds.connections:
            transport.abort()  # type: ignore[attr-defined]  # always a transport that writes
            return
        super().connection_made(transport)
        self._end_of_life = asyncio.get_running_loop().call_later(self._bounds.life_seconds, self._retire)

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._end_of_life is not None:
            self._end_of_life.cancel()
        super().connection_lost(exc)

    def _make_error_handler(self, _err_info: Any) -> Answering:
        return self._malformed

    def _retire(self) -> None:
        """End at once where no request is under way, else after its answer."""
        idle = self._waiter is not None
        self.close()
        if idle:
            self.force_close()
