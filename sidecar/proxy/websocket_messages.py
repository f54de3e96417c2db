"""What becomes of each message of a WebSocket: parsed as the route says, rewritten by its policy, counted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from sidecar.detection.within import within
from sidecar.errors import (
    Direction,
    PayloadFault,
    PayloadRefused,
    RequestFault,
    RequestRefused,
    SidecarError,
)
from sidecar.payloads.document import Document, PayloadFormat
from sidecar.payloads.json_body import JsonBody
from sidecar.payloads.socketio import Binary, SocketioMessage, speaks_of_transport
from sidecar.payloads.spliced import DEFAULT_LIMITS, Limits
from sidecar.payloads.stream import Frame, FrameKind
from sidecar.payloads.text import TextBody
from sidecar.proxy.account import Account
from sidecar.proxy.earlier_turns import EarlierTurns
from sidecar.proxy.event_stream import EventStream, StreamRules
from sidecar.proxy.passage import Passage
from sidecar.proxy.rewriter import Rewritten
from sidecar.proxy.routes import MessageKind, RequestPolicy, WebsocketRules
from sidecar.proxy.scanning import Scanner
from sidecar.proxy.streaming import stream_limits

_TEXT = TextBody()


@dataclass(frozen=True, slots=True)
class MessageFormat:
    """Reads the text messages of a route, each of which is an event of a stream."""

    rules: WebsocketRules

    @property
    def media_types(self) -> frozenset[str]:
        return frozenset()

    def of(self, limits: Limits = DEFAULT_LIMITS) -> PayloadFormat:
        if self.rules.messages is MessageKind.SOCKETIO:
            return SocketioMessage(self.rules.binary, limits)
        return JsonBody(limits) if self.rules.messages is MessageKind.JSON else TextBody(limits)

    def parse(self, frame: Frame, limits: Limits = DEFAULT_LIMITS) -> Document:
        return self.of(limits).parse(frame.text)

    def frame(self, text: str) -> Frame:
        """Pings of a transport within the WebSocket wait for no text that is held back."""
        at_once = self.rules.messages is MessageKind.SOCKETIO and speaks_of_transport(text)
        return Frame(text, FrameKind.COMMENT if at_once else FrameKind.EVENT)


class ScannedMessages:
    """The messages of one connection (``websocket_relay.Messages``).

    Where the field map names texts that come in pieces, each direction is a stream in which such texts are held back
    until they are decided on (P34). Messages that name no conversation belong to the one that was named last on this
    connection; before any was, to the connection's path. ``check_still`` raises where nothing more may pass.
    """

    def __init__(
        self,
        scanner: Scanner,
        rules: WebsocketRules,
        account: Account,
        scope: str,
        check_still: Callable[[], None],
    ) -> None:
        self._check_still = check_still
        self._scanner = scanner
        self._rules = rules
        self._format = MessageFormat(rules)
        self._account = account
        self._route = account.admitted_route
        self._scope = scope
        self._turns = EarlierTurns()  # of both sides: one asks, the other answers
        self._streams: dict[Direction, EventStream] = {}
        if self._route.fields.deltas:
            self._streams = {direction: self._stream(direction, scope) for direction in Direction}
        account.messages = 0

    async def text(self, text: str, direction: Direction) -> Sequence[str]:
        self._check_still()
        size = len(text.encode())
        self._count(direction, size)
        self._account.share.hold(size)
        try:
            return await self._rewritten(text, direction)
        finally:
            self._account.share.let_go(size)

    async def _rewritten(self, text: str, direction: Direction) -> Sequence[str]:
        stream = self._streams.get(direction)
        if self._passes(direction) or stream is None:
            return self._shown(direction, [await self._scanned(text, self._format.of(), direction)])
        out = await self._within_time(stream.push(self._format.frame(text)))
        self._account.share.vary(sum(one.held_bytes for one in self._streams.values()))
        return self._shown(direction, out)

    async def last(self, direction: Direction) -> Sequence[str]:
        stream = self._streams.get(direction)
        return [] if stream is None else self._shown(direction, await self._within_time(stream.finish()))

    async def binary(self, data: bytes, direction: Direction) -> bytes:
        self._check_still()
        self._count(direction, len(data))
        if self._rules.binary is Binary.REFUSE:
            raise PayloadRefused(PayloadFault.MEDIA_TYPE, "a binary message")
        self._account.sent += len(data) if direction is Direction.RESPONSE else 0
        return data

    async def reason(self, text: str, direction: Direction) -> str:
        """Words that can't be scanned are left out: the code says enough."""
        try:
            words = await self._scanned(text, _TEXT, direction) if text else ""
            self._check_still()
        except SidecarError:
            return ""
        return words

    def _count(self, direction: Direction, size: int) -> None:
        self._account.messages = (self._account.messages or 0) + 1
        if direction is Direction.REQUEST:
            self._account.received += size

    def _shown(self, direction: Direction, texts: Sequence[str]) -> Sequence[str]:
        """Let out what was read, unless meanwhile it came to be for nobody to see (E39)."""
        if texts:
            self._check_still()
        if direction is Direction.RESPONSE:
            self._account.sent += sum(len(text.encode()) for text in texts)
        return texts

    def _passes(self, direction: Direction) -> bool:
        return direction is Direction.REQUEST and self._route.request_policy is RequestPolicy.PASS

    async def _scanned(self, text: str, payload_format: PayloadFormat, direction: Direction) -> str:
        if self._passes(direction):
            return text
        passage = Passage(direction, turns=self._turns)
        rewritten = await self._scanner.rewrite_message(text, payload_format, passage, self._account, self._scope)
        self._scope = rewritten.scope or self._scope
        self._check(rewritten, direction)
        return rewritten.body.decode()

    def _check(self, rewritten: Rewritten, direction: Direction) -> None:
        refuses = direction is Direction.REQUEST and self._route.request_policy is RequestPolicy.REFUSE
        if refuses and rewritten.entities:
            raise RequestRefused(RequestFault.PERSONAL_DATA)

    def _stream(self, direction: Direction, scope: str) -> EventStream:
        route = self._route
        rules = StreamRules(
            self._format,
            route.fields,
            route.policy,
            scope,
            Passage(direction, turns=self._turns),
            stream_limits(route.limits),
        )
        return EventStream(rules, self._scanner.rewriter.without_memory(), self._told(direction))

    def _told(self, direction: Direction) -> Callable[[Rewritten], None]:
        def account(rewritten: Rewritten) -> None:
            self._account.add(rewritten)
            self._check(rewritten, direction)

        return account

    async def _within_time(self, work: Awaitable[list[bytes]]) -> list[str]:
        async with within(self._route.limits.rewrite_seconds):
            return [one.decode() for one in await work]
