"""Moving bodies: the client's to us within its limits, and the upstream's to the client as fast as it reads.

The end of a transfer is always told from its interruption: one that can't be completed ends without its last chunk or
short of its length, and the connection is cut (P40, P46).
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable

from aiohttp import web

from sidecar.errors import PayloadFault, PayloadRefused, RequestFault, RequestRefused, SidecarError
from sidecar.proxy.body_budget import BodyShare
from sidecar.proxy.routes import Limits
from sidecar.proxy.streaming import BodySource

_NEVER_WAITS = 32 * 1024  # bytes: less than any transport's high-water mark
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, for no time: closing resets


class ClientGone(Exception):
    """The client went away, or reads so slowly that it is taken for gone."""


class RequestBody:
    """The body of one request, read once: in whole, or chunk by chunk as an upstream takes it."""

    def __init__(self, request: web.BaseRequest, limits: Limits, share: BodyShare) -> None:
        self._request = request
        self._share = share
        self._limits = limits
        self.received = 0
        self.failure: SidecarError | ClientGone | None = None
        """Why a stream of chunks broke off: whoever consumes it only learns that it did."""

    @property
    def exists(self) -> bool:
        return self._request.body_exists

    @property
    def unread(self) -> bool:
        """Whether the client may still be sending."""
        return not self._request.content.is_eof()

    def check_announced(self) -> None:
        """Raise ``PayloadRefused`` for a Content-Length over the limit, before a byte is read (P41, P43)."""
        if (self._request.content_length or 0) > self._limits.request_body_bytes:
            raise PayloadRefused(PayloadFault.TOO_LARGE)

    async def ask_for_it(self) -> None:
        """Send 100 Continue to a client that waits for it. Only after all that can be refused beforehand (P43)."""
        expected = self._request.headers.get("Expect")
        if expected is None or self._request.version < (1, 1):
            return
        writer = self._request.writer
        await writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        writer.output_size = 0  # not part of the response

    async def read(self) -> bytes:
        """Return all of it, or raise as soon as it is too much or too slow, while the client still sends (P41).

        What is announced is taken from the share before it is read, so that many who begin at once do not all fail.
        """
        announced = self._request.content_length or 0
        self._share.hold(announced)
        whole = bytearray()
        try:
            async with asyncio.timeout(self._limits.request_body_seconds):
                async for some in self._some():
                    whole += some
                    self._share.hold(max(0, len(whole) - max(announced, len(whole) - len(some))))
        except TimeoutError:
            raise RequestRefused(RequestFault.SLOW) from None
        return bytes(whole)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield it as it comes. On a failure it breaks off and leaves the reason in ``failure``."""
        try:
            async for some in self._some():
                yield some
        except (SidecarError, ClientGone) as error:
            self.failure = error
            raise

    async def _some(self) -> AsyncIterator[bytes]:
        content = self._request.content
        while True:
            try:
                some = await content.readany()
            except (web.RequestPayloadError, ValueError):
                raise RequestRefused(RequestFault.FRAMING) from None
            except OSError:
                raise ClientGone from None
            if not some:
                return
            self.received += len(some)
            if self.received > self._limits.request_body_bytes:
                raise PayloadRefused(PayloadFault.TOO_LARGE)
            yield some


async def send_whole(request: web.BaseRequest, response: web.StreamResponse, stall_seconds: float) -> int:
    """Send a response that is complete, and return how many body bytes it had."""
    size = len(response.body) if isinstance(response, web.Response) and isinstance(response.body, bytes) else 0
    try:
        if size < _NEVER_WAITS and _nothing_buffered(request):
            await _send(request, response)
        else:
            async with asyncio.timeout(stall_seconds):
                await _send(request, response)
    except (OSError, TimeoutError):
        raise ClientGone from None
    return size


async def _send(request: web.BaseRequest, response: web.StreamResponse) -> None:
    await response.prepare(request)
    await response.write_eof()


def _nothing_buffered(request: web.BaseRequest) -> bool:
    transport = request.transport
    return transport is not None and transport.get_write_buffer_size() == 0


class ResponseStream:
    """An answer relayed as it comes, no faster than the client reads (P45). ``sent`` counts body bytes.

    ``check`` raises a ``SidecarError`` once it is for nobody to see any more: what came until then is not shown (E39).
    """

    def __init__(
        self, request: web.BaseRequest, response: web.StreamResponse, body: BodySource, check: Callable[[], None]
    ) -> None:
        self._request = request
        self._response = response
        self._body = body
        self._check = check
        self.sent = 0

    async def run(self, stall_seconds: float) -> None:
        """Raises ``ClientGone`` or a ``SidecarError``; then the response is incomplete and must be cut."""
        try:
            await self._response.prepare(self._request)
            while some := await self._body.read_some():
                self._check()
                async with asyncio.timeout(stall_seconds):
                    await self._response.write(some)
                self.sent += len(some)
            await self._response.write_eof()
        except (OSError, TimeoutError):
            raise ClientGone from None
        finally:
            self._body.close()


def cut(request: web.BaseRequest) -> None:
    """Reset the connection: no final chunk, no close_notify, no FIN, nothing that could pass for an end.

    An HTTP/1.0 client, for whom the end of the connection is the end of the body, can tell by the reset alone.
    """
    transport = request.transport
    if transport is None:
        return
    connection = transport.get_extra_info("socket")
    if connection is not None and not transport.is_closing():
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()
