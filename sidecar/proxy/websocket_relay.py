"""One open WebSocket between a client and an upstream: message by message, each way on its own, until one side ends it.

Invariants. A message passes whole and scanned, or the connection ends. The next message is read when the last has been
handed on, so neither side is read faster than the other takes (P45). A side that ended with a close frame is told from
one that vanished: the first is passed on as a close, the second as a lost connection (P46). What a ping says stays on
its side; both sides are answered here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from aiohttp import WSCloseCode, WSMessage, WSMsgType, web
from aiohttp.http import WebSocketError

from sidecar.errors import (
    AccessDenied,
    DetectionFailed,
    DetectionFault,
    Direction,
    PayloadFault,
    PayloadRefused,
    RequestFault,
    RequestRefused,
    SidecarError,
    UpstreamFailed,
    UpstreamFault,
)
from sidecar.proxy.relay import ClientGone
from sidecar.proxy.upstream_socket import CLOSE_SECONDS, UpstreamSocket
from sidecar.proxy.websocket_frames import Frames

_LONGEST_REASON = 123  # bytes: what a control frame holds behind the code (RFC 6455 section 5.5)
_LAST_CODE = 4999  # there are none beyond (section 7.4.2)
_PAYLOAD_CODES = {
    PayloadFault.TOO_LARGE: WSCloseCode.MESSAGE_TOO_BIG,
    PayloadFault.MEDIA_TYPE: WSCloseCode.UNSUPPORTED_DATA,
}
_REQUEST_CODES = {
    RequestFault.FRAMING: WSCloseCode.PROTOCOL_ERROR,
    RequestFault.OVERLOADED: WSCloseCode.TRY_AGAIN_LATER,
    RequestFault.QUARANTINED: WSCloseCode.TRY_AGAIN_LATER,
}


class Messages(Protocol):
    """What becomes of the messages of one connection."""

    async def text(self, text: str, direction: Direction) -> Sequence[str]:
        """Return what to pass on now. Raises ``SidecarError`` where nothing may be, now or later."""

    async def binary(self, data: bytes, direction: Direction) -> bytes:
        """Return what to pass on, or raise ``PayloadRefused``."""

    async def last(self, direction: Direction) -> Sequence[str]:
        """Return what was held back until now: the side that sent it says no more. Raises as ``text``."""

    async def reason(self, text: str, direction: Direction) -> str:
        """Return what may be passed on of a close frame's words."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a connection ends: the codes for both sides, and the words that one of them gave."""

    to_client: int
    to_upstream: int
    reason: str = field(default="", repr=False)


GOING_AWAY = Ending(WSCloseCode.GOING_AWAY, WSCloseCode.GOING_AWAY)


class ClientSocket(web.WebSocketResponse):
    """The client's side. aiohttp would close it for a breach of the protocol before anybody could note the reason."""

    _receiving = False

    def __init__(self, frames: Frames, **settings: Any) -> None:
        super().__init__(**settings)
        self._frames = frames

    def _post_start(self, request: web.BaseRequest, protocol: str | None, writer: Any) -> None:
        """Have the client's frames followed from the first byte on; what came behind the handshake is read in here."""
        connection: Any = request.protocol  # the listener's
        connection.frames = self._frames
        super()._post_start(request, protocol, writer)
        connection.guard.report_to(self._reader)

    async def receive(self, timeout: float | None = None) -> WSMessage:  # noqa: ASYNC109
        self._receiving = True
        try:
            return await super().receive(timeout)
        finally:
            self._receiving = False

    async def close(self, *, code: int = WSCloseCode.OK, message: bytes = b"", drain: bool = True) -> bool:
        return not self._receiving and await super().close(code=code, message=message, drain=drain)


_Side = ClientSocket | UpstreamSocket


class Broken(Exception):
    """The connection can't go on. ``ending``: what both sides are to be told; None: they see it lost."""

    def __init__(self, error: SidecarError, direction: Direction) -> None:
        super().__init__(direction.value)
        self.error = error
        self.direction = direction
        self.ending = _ending_of(error, direction)


@dataclass(frozen=True, slots=True)
class Ends:
    """The two sides."""

    client: ClientSocket
    upstream: UpstreamSocket

    def of(self, direction: Direction) -> tuple[_Side, _Side]:
        """Return where messages of that direction come from, and where they go."""
        if direction is Direction.REQUEST:
            return self.client, self.upstream
        return self.upstream, self.client

    async def close(self, ending: Ending) -> None:
        """Close both at once. One that does not take it in time is left to whoever cuts it."""
        reason = _fitting(ending.reason)
        await asyncio.gather(
            _close(self.client, ending.to_client, reason), _close(self.upstream, ending.to_upstream, reason)
        )


class MessageRelay:
    """Carries messages until the connection ends. ``stall_seconds``: for one message that a side does not read."""

    def __init__(self, ends: Ends, messages: Messages, stall_seconds: float) -> None:
        self._ends = ends
        self._messages = messages
        self._stall_seconds = stall_seconds

    async def run(self, stopping: asyncio.Event) -> Ending:
        """Return how one side, or ``stopping``, ended it. Raises ``ClientGone`` and ``Broken``."""
        carrying = {asyncio.create_task(self._carry(direction)) for direction in Direction}
        stopped = asyncio.create_task(stopping.wait())
        try:
            done, _ = await asyncio.wait({*carrying, stopped}, return_when=asyncio.FIRST_COMPLETED)
            for task in carrying & done:
                return task.result()
            return GOING_AWAY
        finally:
            for one in (*carrying, stopped):
                one.cancel()
            await asyncio.gather(*carrying, stopped, return_exceptions=True)

    async def _carry(self, direction: Direction) -> Ending:
        source, target = self._ends.of(direction)
        try:
            while True:
                message = await source.receive()
                if message.type is WSMsgType.TEXT:
                    await self._pass_all(target, await self._messages.text(message.data, direction))
                elif message.type is WSMsgType.BINARY:
                    data = await self._messages.binary(message.data, direction)
                    await self._pass(target, target.send_bytes(data))
                else:
                    return await self._end(message, direction, target)
        except SidecarError as error:
            raise Broken(error, direction) from None

    async def _end(self, message: WSMessage, direction: Direction, target: _Side) -> Ending:
        """Return what a close frame asks for; what else comes in its place is raised."""
        if message.type is not WSMsgType.CLOSE:
            raise _fault_of(message, direction)
        # A frame without a code can't be sent on as such; "normal" is what it means.
        code = int(message.data) or int(WSCloseCode.OK)
        if code > _LAST_CODE or code == WSCloseCode.ABNORMAL_CLOSURE:  # which stands for there having been no frame
            raise _breach_by(direction)
        await self._pass_all(target, await self._messages.last(direction))
        return Ending(code, code, await self._messages.reason(message.extra or "", direction))

    async def _pass_all(self, target: _Side, texts: Sequence[str]) -> None:
        for text in texts:
            await self._pass(target, target.send_str(text))

    async def _pass(self, target: _Side, sending: Awaitable[None]) -> None:
        try:
            async with asyncio.timeout(self._stall_seconds):
                await sending
        except TimeoutError:
            if target is self._ends.client:
                raise ClientGone from None
            raise UpstreamFailed(UpstreamFault.TIMED_OUT) from None
        except OSError:
            # A close frame may be on its way through the other direction, which is then the one that ends this.
            await asyncio.sleep(CLOSE_SECONDS)
            if target is self._ends.client:
                raise ClientGone from None
            raise UpstreamFailed(UpstreamFault.CLOSED_EARLY) from None


def _fault_of(message: WSMessage, direction: Direction) -> SidecarError | ClientGone:
    """Name what ended a connection without a close frame: a breach of the protocol, or its loss."""
    breach = message.data if isinstance(message.data, WebSocketError) else None
    if breach is not None and breach.code == WSCloseCode.MESSAGE_TOO_BIG:
        return PayloadRefused(PayloadFault.TOO_LARGE)
    if breach is not None and breach.code == WSCloseCode.TRY_AGAIN_LATER:
        return RequestRefused(RequestFault.OVERLOADED, "too many bytes of bodies are held")
    if breach is not None and breach.code == WSCloseCode.INVALID_TEXT:
        return PayloadRefused(PayloadFault.CHARSET)
    if breach is not None:
        return _breach_by(direction)
    return ClientGone() if direction is Direction.REQUEST else UpstreamFailed(UpstreamFault.CLOSED_EARLY)


def _breach_by(direction: Direction) -> SidecarError:
    """Return the error for what the protocol forbids."""
    if direction is Direction.REQUEST:
        return RequestRefused(RequestFault.FRAMING)
    return UpstreamFailed(UpstreamFault.BAD_RESPONSE)


def _ending_of(error: SidecarError, direction: Direction) -> Ending | None:
    """Return what both sides are told: the sender of what was refused the cause, the other that it is over."""
    if isinstance(error, UpstreamFailed):
        return None
    if isinstance(error, PayloadRefused):
        code = _PAYLOAD_CODES.get(error.fault, WSCloseCode.INVALID_TEXT)
        if direction is Direction.REQUEST:
            return Ending(code, WSCloseCode.GOING_AWAY)
        too_big = code is WSCloseCode.MESSAGE_TOO_BIG
        return Ending(code if too_big else WSCloseCode.INTERNAL_ERROR, code)
    if isinstance(error, AccessDenied):
        return Ending(WSCloseCode.POLICY_VIOLATION, WSCloseCode.GOING_AWAY)
    if isinstance(error, RequestRefused):
        return Ending(_REQUEST_CODES.get(error.fault, WSCloseCode.POLICY_VIOLATION), WSCloseCode.GOING_AWAY)
    overloaded = isinstance(error, DetectionFailed) and error.fault is DetectionFault.OVERLOADED
    return Ending(WSCloseCode.TRY_AGAIN_LATER if overloaded else WSCloseCode.INTERNAL_ERROR, WSCloseCode.GOING_AWAY)


async def _close(side: _Side, code: int, reason: bytes) -> None:
    try:
        async with asyncio.timeout(2 * CLOSE_SECONDS):
            await side.close(code=code, message=reason)
    except (TimeoutError, OSError):
        return  # it is cut instead


def _fitting(reason: str) -> bytes:
    """Return the words as UTF-8, cut between characters to what a close frame holds."""
    return reason.encode()[:_LONGEST_REASON].decode(errors="ignore").encode()
