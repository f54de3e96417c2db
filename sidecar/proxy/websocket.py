"""WebSockets through the sidecar: handshakes on both sides, and the end of every connection when we stop (RFC 6455).

The upstream is asked first. Only when it has agreed is the client's request answered, with the subprotocol that the
upstream chose (P38). No extension is agreed to with either side: messages are never compressed, so that none can grow
beyond its limit (P30).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial

from aiohttp import web
from multidict import CIMultiDict

from sidecar.errors import RequestFault, RequestRefused, UpstreamFailed, UpstreamFault
from sidecar.proxy.account import Account
from sidecar.proxy.headers import BodyFate, Hop, add_own_fields, plain_name, request_fields
from sidecar.proxy.refusals import refusal_for
from sidecar.proxy.routes import TargetPolicy, WebsocketRules
from sidecar.proxy.scanning import Scanner
from sidecar.proxy.upstream import Upstream
from sidecar.proxy.upstream_socket import CLOSE_SECONDS, HEARTBEAT_SECONDS, UpstreamSocket
from sidecar.proxy.websocket_frames import Frames
from sidecar.proxy.websocket_handshake import offered_by
from sidecar.proxy.websocket_messages import ScannedMessages
from sidecar.proxy.websocket_relay import GOING_AWAY, Broken, ClientSocket, Ends, MessageRelay

_SWITCHING_PROTOCOLS = 101
_OUR_OWN = "sec-websocket-"  # fields of a handshake, which is another on either side


class Websockets:
    """Serves upgraded requests, any number at a time, until it is told to end them."""

    def __init__(
        self,
        upstreams: Mapping[str, Upstream],
        scanner: Scanner,
        check_still: Callable[[web.BaseRequest, Account], None],
    ) -> None:
        """``check_still`` raises where a connection would not be admitted any more; called for every message."""
        self._upstreams = upstreams
        self._scanner = scanner
        self._check_still = check_still
        self._stopping = asyncio.Event()
        self._open: set[asyncio.Future[None]] = set()

    async def end(self, seconds: float) -> None:
        """Close every connection with 1001, and wait until they are closed or the time is over (P49)."""
        self._stopping.set()
        if self._open:
            await asyncio.wait(self._open, timeout=seconds)

    async def serve(self, request: web.BaseRequest, target: str, account: Account, scope: str) -> web.StreamResponse:
        """Serve one connection from handshake to close. Raises what ended it, if that was no close frame.

        However it ends, the upstream's side is closed when this returns (P44).
        """
        if account.admitted_route.target_policy is TargetPolicy.REFUSE:
            await self._scanner.check_target(target, account, scope)
        upstream = await self._open_upstream(request, target, account)
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._open.add(ended)
        try:
            client = await self._accept(request, upstream, account, scope)
            check = partial(self._check_still, request, account)
            await self._relay(
                Ends(client, upstream),
                ScannedMessages(self._scanner, rules_of(account), account, scope, check),
                account,
            )
            return client
        finally:
            upstream.cut()
            self._open.discard(ended)
            ended.set_result(None)

    async def _open_upstream(self, request: web.BaseRequest, target: str, account: Account) -> UpstreamSocket:
        route = account.admitted_route
        upstream = self._upstreams[route.upstream]
        hop = Hop(request.remote or "unknown", request.headers.get("Host"), upstream.host, upstream.settings.origin)
        fields = request_fields(request.headers, request.method, route, hop, BodyFate.NONE, account.caller.proof)
        for name in [name for name in fields if plain_name(name).startswith(_OUR_OWN)]:
            fields.popall(name, None)
        try:
            async with asyncio.timeout(route.limits.exchange_seconds):
                frames = Frames(account.share.another(), masked=False)
                return await upstream.open_socket(
                    target, fields, offered_by(request), rules_of(account).max_message_bytes, frames
                )
        except TimeoutError:
            raise UpstreamFailed(UpstreamFault.TIMED_OUT) from None

    async def _accept(
        self, request: web.BaseRequest, upstream: UpstreamSocket, account: Account, scope: str
    ) -> ClientSocket:
        """Answer the client's handshake. Of the upstream's answer only its cookies go with it."""
        fields = CIMultiDict(("Set-Cookie", value) for value in upstream.head.getall("Set-Cookie", ()))
        await self._scanner.clean_fields(fields, request.raw_path, account, scope)
        client = ClientSocket(
            Frames(account.share.another(), masked=True),
            protocols=() if upstream.protocol is None else (upstream.protocol,),
            timeout=CLOSE_SECONDS,
            autoclose=False,
            heartbeat=HEARTBEAT_SECONDS,
            compress=False,
            max_msg_size=rules_of(account).max_message_bytes + 1,  # what reaches it is refused
        )
        client.headers.extend(fields)
        add_own_fields(client.headers, account.exchange_id)
        account.status = _SWITCHING_PROTOCOLS
        await client.prepare(request)
        return client

    async def _relay(self, ends: Ends, messages: ScannedMessages, account: Account) -> None:
        relay = MessageRelay(ends, messages, account.admitted_route.limits.client_stall_seconds)
        try:
            ending = await relay.run(self._stopping)
        except Broken as broken:
            account.direction = broken.direction
            account.cut_short(refusal_for(broken.error, broken.direction, account.shown).reason)
            if broken.ending is not None:
                await ends.close(broken.ending)
            raise broken.error from None
        if ending is GOING_AWAY:
            account.cut_short("stopping")
        else:
            account.complete()
        await ends.close(ending)


def rules_of(account: Account) -> WebsocketRules:
    """Return the rules of a route on which an upgrade was admitted."""
    rules = account.admitted_route.websocket
    if rules is None:
        raise RequestRefused(RequestFault.UPGRADE)
    return rules
