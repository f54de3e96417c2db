"""The mark of an epoch behind an HTTP endpoint that the system's operator offers.

``GET`` answers 200 with ``{"mark": "…"}``, or 404 where there is none; ``PUT`` with the same body takes it and answers
2xx. The endpoint keeps it where the data are, so that it goes back in time with them.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from http import HTTPStatus
from typing import Literal

import aiohttp

from sidecar.targets.canary import MAX_CANARY_BYTES, CanaryUnreachable
from sidecar.targets.target import TargetFault

_LONGEST_BODY = 2 * MAX_CANARY_BYTES


class HttpCanary:
    """Implements ``Canary``. Redirects are not followed; whatever is not described above is a fault."""

    def __init__(
        self, url: str, headers: Mapping[str, str], tls: ssl.SSLContext | Literal[True], timeout_s: float
    ) -> None:
        self._url = url
        self._headers = headers
        self._tls = tls
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._tls, force_close=True),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={**self._headers, "Accept": "application/json"},
            timeout=aiohttp.ClientTimeout(total=self._timeout_s),
            trust_env=False,
        )

    async def stop(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def read(self) -> bytes | None:
        status, body = await self._call("GET", None)
        if status == HTTPStatus.NOT_FOUND:
            return None
        if status != HTTPStatus.OK:
            raise CanaryUnreachable(TargetFault.UNEXPECTED_STATUS)
        try:
            mark = json.loads(body)["mark"]
            return str(mark).encode()
        except (ValueError, KeyError, TypeError, RecursionError):
            raise CanaryUnreachable(TargetFault.UNEXPECTED_BODY) from None

    async def write(self, value: bytes) -> None:
        status, _ = await self._call("PUT", {"mark": value.decode("ascii")})
        if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            raise CanaryUnreachable(TargetFault.UNEXPECTED_STATUS)

    async def _call(self, method: str, body: dict[str, str] | None) -> tuple[int, bytes]:
        if self._session is None:
            raise RuntimeError("the canary was not started")
        try:
            async with self._session.request(method, self._url, json=body, allow_redirects=False) as response:
                data = b""
                async for piece in response.content.iter_any():
                    data += piece
                    if len(data) > _LONGEST_BODY:
                        raise CanaryUnreachable(TargetFault.TOO_LARGE)
                return response.status, data
        except TimeoutError:
            raise CanaryUnreachable(TargetFault.TIMED_OUT) from None
        except (aiohttp.ClientSSLError, ssl.SSLError):
            raise CanaryUnreachable(TargetFault.TLS) from None
        except aiohttp.ClientError:
            raise CanaryUnreachable(TargetFault.UNREACHABLE) from None
