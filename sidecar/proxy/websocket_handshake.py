"""Whether a request may become a WebSocket: decided from its head alone (RFC 6455 section 4.2.1)."""

from __future__ import annotations

from aiohttp import web

from sidecar.errors import RequestFault, RequestRefused
from sidecar.proxy.headers import is_token
from sidecar.proxy.routes import WebsocketRules

_SINGLE = ("Upgrade", "Sec-WebSocket-Key", "Sec-WebSocket-Version")


def check_handshake(request: web.BaseRequest, rules: WebsocketRules | None) -> None:
    """Raise ``RequestRefused`` for an upgrade that is not served here, is malformed, or that a foreign page asks for.

    A browser sends its user's certificate and cookies with whatever page opens a WebSocket, and lets that page read it:
    only the Origin tells (section 10.2).
    """
    if rules is None or request.headers.get("Upgrade", "").strip().lower() != "websocket" or request.method != "GET":
        raise RequestRefused(RequestFault.UPGRADE)
    offered = offered_by(request)
    ready = web.WebSocketResponse(protocols=offered).can_prepare(request)
    single = all(len(request.headers.getall(name, ())) == 1 for name in _SINGLE)
    named = all(is_token(one) for one in offered) and len(set(offered)) == len(offered)
    if not (ready and single and named) or request.version < (1, 1) or request.body_exists:
        raise RequestRefused(RequestFault.HEADER, "no handshake of WebSocket version 13")
    own = f"https://{request.headers.get('Host')}"
    if any(one != own and one not in rules.origins for one in request.headers.getall("Origin", ())):
        raise RequestRefused(RequestFault.ORIGIN)


def offered_by(request: web.BaseRequest) -> tuple[str, ...]:
    """Return the subprotocols that the client offers, in its order."""
    fields = ",".join(request.headers.getall("Sec-WebSocket-Protocol", ()))
    return tuple(one.strip() for one in fields.split(",") if one.strip())
