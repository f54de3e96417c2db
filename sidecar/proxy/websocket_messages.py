"""What becomes of each message of a WebSocket: parsed as the route says, rewritten by its policy, counted."""

from __future__ import annotations

from collections.abc import Sequence

from sidecar.errors import Direction, PayloadFault, PayloadRefused, RequestFault, RequestRefused, SidecarError
from sidecar.payloads.document import PayloadFormat
from sidecar.payloads.json_body import JsonBody
from sidecar.payloads.socketio import Binary, SocketioMessage
from sidecar.payloads.text import TextBody
from sidecar.proxy.account import Account
from sidecar.proxy.routes import MessageKind, RequestPolicy, WebsocketRules
from sidecar.proxy.scanning import Scanner

_TEXT = TextBody()


def format_of(rules: WebsocketRules) -> PayloadFormat:
    """Return what reads the text messages of a route."""
    if rules.messages is MessageKind.SOCKETIO:
        return SocketioMessage(rules.binary)
    return JsonBody() if rules.messages is MessageKind.JSON else _TEXT


class ScannedMessages:
    """The messages of one connection (``websocket_relay.Messages``).

    Messages that name no conversation belong to the one that was named last on this connection; before any was, to the
    connection's path.
    """

    def __init__(self, scanner: Scanner, rules: WebsocketRules, account: Account, scope: str) -> None:
        self._scanner = scanner
        self._rules = rules
        self._format = format_of(rules)
        self._account = account
        self._scope = scope
        account.messages = 0

    async def text(self, text: str, direction: Direction) -> Sequence[str]:
        self._count(direction, len(text.encode()))
        passed = await self._scanned(text, self._format, direction)
        self._account.sent += len(passed.encode()) if direction is Direction.RESPONSE else 0
        return (passed,)

    async def binary(self, data: bytes, direction: Direction) -> bytes:
        self._count(direction, len(data))
        if self._rules.binary is Binary.REFUSE:
            raise PayloadRefused(PayloadFault.MEDIA_TYPE, "a binary message")
        self._account.sent += len(data) if direction is Direction.RESPONSE else 0
        return data

    async def reason(self, text: str, direction: Direction) -> str:
        """Words that can't be scanned are left out: the code says enough."""
        try:
            return await self._scanned(text, _TEXT, direction) if text else ""
        except SidecarError:
            return ""

    def _count(self, direction: Direction, size: int) -> None:
        self._account.messages = (self._account.messages or 0) + 1
        if direction is Direction.REQUEST:
            self._account.received += size

    async def _scanned(self, text: str, payload_format: PayloadFormat, direction: Direction) -> str:
        policy = self._account.admitted_route.request_policy
        if direction is Direction.REQUEST and policy is RequestPolicy.PASS:
            return text
        rewritten = await self._scanner.rewrite_message(text, payload_format, direction, self._account, self._scope)
        self._scope = rewritten.scope or self._scope
        if direction is Direction.REQUEST and policy is RequestPolicy.REFUSE and rewritten.entities:
            raise RequestRefused(RequestFault.PERSONAL_DATA)
        return rewritten.body.decode()
