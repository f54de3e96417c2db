"""HTTP calls to what lies outside: anchors and sinks. Edge. TLS is verified, redirects are not followed."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import aiohttp

from sidecar.errors import SidecarError

ANSWER_LIMIT = 1024 * 1024  # bytes


class Unreachable(SidecarError):
    """No answer, or none that can be used. Says what kind of trouble it was, never what was sent."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to call, and as whom. ``headers`` may hold a secret; ``tls`` True trusts the system's authorities."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    tls: ssl.SSLContext | Literal[True] = field(default=True, repr=False)
    timeout_seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer."""

    status: int
    body: bytes = field(repr=False)
    retry_after_seconds: float | None = None

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


class Caller:
    """A client of one endpoint, between ``start`` and ``stop``. Each call is bounded in time and size."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        # A connection for each call: aiohttp silently sends again on one that was kept and turned out closed.
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._endpoint.tls, force_close=True),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=self._endpoint.headers,
            timeout=aiohttp.ClientTimeout(total=self._endpoint.timeout_seconds),
            trust_env=False,
        )

    async def stop(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def call(self, method: str, path: str = "", body: bytes | None = None, media_type: str = "") -> Reply:
        """Return the answer, whatever its status, or raise Unreachable. ``path`` is added to the endpoint's URL."""
        if self._session is None:
            raise Unreachable("not started")
        headers = {"Content-Type": media_type} if media_type else {}
        url = f"{self._endpoint.url.rstrip('/')}{path}"
        try:
            async with self._session.request(method, url, data=body, headers=headers, allow_redirects=False) as answer:
                data = await _read(answer)
                return Reply(answer.status, data, _seconds(answer.headers.get("Retry-After")))
        except (TimeoutError, asyncio.IncompleteReadError):
            raise Unreachable("timed_out") from None
        except aiohttp.ClientSSLError:
            raise Unreachable("tls") from None
        except (aiohttp.ClientError, OSError, ValueError):
            raise Unreachable("unreachable") from None


class Outlet:
    """The part of an anchor or a sink behind HTTP that is the same for all: a name, and a client with its life."""

    def __init__(self, name: str, endpoint: Endpoint) -> None:
        self._name = name
        self._caller = Caller(endpoint)

    @property
    def name(self) -> str:
        return self._name

    async def start(self) -> None:
        await self._caller.start()

    async def stop(self) -> None:
        await self._caller.stop()


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    data = bytearray()
    async for piece in answer.content.iter_chunked(65536):
        data += piece
        if len(data) > ANSWER_LIMIT:
            raise Unreachable("answer_too_large")
    return bytes(data)


def _seconds(text: str | None) -> float | None:
    """Return a Retry-After in seconds; one given as a date is not heeded."""
    return float(text) if text is not None and text.isdecimal() and len(text) < 7 else None
