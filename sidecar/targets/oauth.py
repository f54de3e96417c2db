"""A bearer token by client credentials (OAuth 2.0, RFC 6749 4.4), kept until shortly before it ends, or is refused."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Final, Literal
from urllib.parse import quote_plus, urlencode

from sidecar.targets.criteria import resolve_pointer
from sidecar.targets.http_client import AuthorizationFailed, Call, HttpClient, fault_of
from sidecar.targets.target import TargetFault

_EARLY_S: Final = 30.0
_UNSAID_S: Final = 300.0
_LONGEST_S: Final = 1e9


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """Who we are to the authorization server. ``style``: how it wants to be told (RFC 6749 2.3.1)."""

    token_url: str
    client_id: str
    client_secret: str = field(repr=False)
    scope: str | None = None
    audience: str | None = None
    style: Literal["basic", "body"] = "basic"
    timeout_s: float = 10.0


class TokenSource:
    """Implements ``Authorization``. Calls at the same time wait for one token."""

    def __init__(self, credentials: ClientCredentials, clock: Callable[[], float] = monotonic) -> None:
        self._credentials = credentials
        self._clock = clock
        self._lock = asyncio.Lock()
        self._header: str | None = None
        self._ends = 0.0

    def __repr__(self) -> str:
        return "TokenSource()"

    async def header(self, client: HttpClient) -> str:
        async with self._lock:
            if self._header is None or self._clock() >= self._ends:
                await self._fetch(client)
            assert self._header is not None  # noqa: S101 - fetched, or raised
            return self._header

    def refuse(self, header: str) -> None:
        if header == self._header:
            self._header = None

    async def _fetch(self, client: HttpClient) -> None:
        asked = self._clock()
        call, headers = _call(self._credentials)
        reply = await client.send_as(call, headers)
        if reply.answer is None:
            raise AuthorizationFailed(reply.fault or TargetFault.UNREACHABLE)
        answer = reply.answer
        token = resolve_pointer(answer.body, "/access_token") if answer.is_json else None
        kind = resolve_pointer(answer.body, "/token_type") if answer.is_json else None
        usable = isinstance(token, str) and token.isascii() and token.isprintable() and " " not in token
        if answer.status != 200 or not usable or str(kind).lower() != "bearer":
            refused = answer.status in (400, 401, 403)
            fault = TargetFault.NOT_PERMITTED if refused else fault_of(answer, frozenset({200}))
            raise AuthorizationFailed(fault, answer.status)
        lasts = resolve_pointer(answer.body, "/expires_in")
        known = isinstance(lasts, int | float) and not isinstance(lasts, bool) and 0 <= lasts < _LONGEST_S
        self._ends = asked + max((float(lasts) if known else _UNSAID_S) - _EARLY_S, 0.0)  # type: ignore[arg-type]
        self._header = f"Bearer {token}"


def _call(credentials: ClientCredentials) -> tuple[Call, dict[str, str]]:
    fields = {"grant_type": "client_credentials"}
    if credentials.scope is not None:
        fields["scope"] = credentials.scope
    if credentials.audience is not None:
        fields["audience"] = credentials.audience
    headers: dict[str, str] = {}
    if credentials.style == "basic":
        pair = f"{quote_plus(credentials.client_id)}:{quote_plus(credentials.client_secret)}"
        headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
    else:
        fields |= {"client_id": credentials.client_id, "client_secret": credentials.client_secret}
    body = urlencode(fields).encode()
    url, kind = credentials.token_url, "application/x-www-form-urlencoded"
    return Call("POST", url, body, credentials.timeout_s, kind), headers
