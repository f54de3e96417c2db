"""Who asks, for what, and whether it may be: decided from the head of a request alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence

from aiohttp import HttpVersion10, HttpVersion11, web

from sidecar.access import Identity, KnownCaller, Proof, identify, require_role
from sidecar.errors import AccessDenied, DenialReason, RequestFault, RequestRefused
from sidecar.proxy.account import Account
from sidecar.proxy.routes import METHODS, Route, RouteTable, split_target
from sidecar.proxy.websocket_handshake import check_handshake
from sidecar.tls.connection import Peer, peer_of

_VERSIONS = frozenset({HttpVersion10, HttpVersion11})
_HOST = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")


class Admission:
    """Default deny: an identity, then a route, then a role, then a head that can be served."""

    def __init__(
        self,
        routes: RouteTable,
        callers: Sequence[KnownCaller],
        closed_upstreams: Callable[[], Collection[str]] = frozenset,
    ) -> None:
        """``closed_upstreams``: names of those that must not be asked now. Called for every request."""
        self._routes = routes
        self._closed_upstreams = closed_upstreams
        self._callers = callers
        self._policy_versions = {route.name: route.policy.version for route in routes.routes}

    def admit(self, request: web.BaseRequest, peer: Peer, account: Account) -> str:
        """Return the target to ask the upstream for. Raises ``AccessDenied`` or ``RequestRefused``.

        What is known by then, caller and route, is in the account either way, for the record.
        """
        if peer.credentials.certificate_names:
            account.shown = Proof.CERTIFICATE
        account.caller = identify(peer.credentials, self._callers)
        target, path = self._target(request)
        route = self._routes.match(request.method, path)
        account.route, account.policy_version = route, self._policy_versions[route.name]
        require_role(account.caller, route.roles)
        self.check_open(route)
        if "Upgrade" in request.headers:
            check_handshake(request, route.websocket)
        if any(one.lower() != "100-continue" for one in request.headers.getall("Expect", ())):
            raise RequestRefused(RequestFault.EXPECTATION)
        return target

    def route_to_read(self, target: str, caller: Identity) -> Route:
        """Return the route by which a caller reads a target. Raises ``RequestRefused`` or ``AccessDenied``."""
        route = self._routes.match("GET", target.partition("?")[0])
        require_role(caller, route.roles)
        self.check_open(route)
        return route

    def check_open(self, route: Route) -> None:
        """Raise ``RequestRefused`` where the upstream of a route must not be asked now, nor its answers shown (E39)."""
        if route.upstream in self._closed_upstreams():
            raise RequestRefused(RequestFault.QUARANTINED)

    def check_still(self, request: web.BaseRequest, account: Account) -> None:
        """Raise for an exchange that lasts and would not be admitted any more: its upstream was closed off (E39), or
        the certificate that stood for the caller no longer counts (P52, P54).
        """
        self.check_open(account.admitted_route)
        if account.caller.proof is not Proof.CERTIFICATE or request.transport is None:
            return
        if not peer_of(request.transport, ()).credentials.certificate_names:
            raise AccessDenied(DenialReason.NO_IDENTITY)

    def _target(self, request: web.BaseRequest) -> tuple[str, str]:
        # The parser reads HTTP/2.0 and the bare lines of HTTP/0.9 as if they were 1.x, and undoes no other coding.
        transfer = request.headers.get("Transfer-Encoding", "chunked")
        if request.version not in _VERSIONS or transfer.lower() != "chunked":
            raise RequestRefused(RequestFault.FRAMING)
        if request.method not in METHODS:
            raise RequestRefused(RequestFault.METHOD)
        host = request.headers.get("Host")
        if (host is None and request.version >= (1, 1)) or (host is not None and not _HOST.fullmatch(host)):
            raise RequestRefused(RequestFault.HEADER, "Host")
        return split_target(request.raw_path, host)
