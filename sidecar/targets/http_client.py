"""One HTTP call: redirects not followed, TLS verified, bodies bounded, failures as closed words."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import Final, Literal, Protocol

import aiohttp
from yarl import URL

from sidecar.targets.criteria import Answer
from sidecar.targets.target import TargetFault

MAX_ANSWER_BYTES: Final = 1024 * 1024
_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Call:
    """What is sent. ``url`` is percent-encoded already; ``body`` is JSON."""

    method: str
    url: str = field(repr=False)
    body: bytes | None = field(default=None, repr=False)
    timeout_s: float = 10.0
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, or why there is none. ``data`` are its bytes, to be judged and never kept."""

    answer: Answer | None = None
    fault: TargetFault | None = None
    retry_after: timedelta | None = None
    headers: Mapping[str, str] = field(default_factory=lambda: _NO_HEADERS, repr=False)
    data: bytes = field(default=b"", repr=False)

    @property
    def status(self) -> int | None:
        return self.answer.status if self.answer else None


class Authorization(Protocol):
    """Where the ``Authorization`` header comes from, if it is not fixed. Raises ``AuthorizationFailed``."""

    async def header(self, client: HttpClient) -> str: ...

    def refuse(self, header: str) -> None:
        """Learn that a header was refused, so that the next one is new."""


class AuthorizationFailed(Exception):
    """No authorization can be had now."""

    def __init__(self, fault: TargetFault, status: int | None = None) -> None:
        super().__init__(fault.value)
        self.fault = fault
        self.status = status


def utc_now() -> datetime:
    return datetime.now(UTC)


class HttpClient:
    """``start`` before use. ``tls`` is a verifying context; True takes the system's authorities."""

    def __init__(
        self,
        headers: Mapping[str, str] = _NO_HEADERS,
        tls: ssl.SSLContext | Literal[True] = True,
        concurrency: int = 4,
        authorization: Authorization | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._headers = headers
        self._tls = tls
        self._concurrency = concurrency
        self._authorization = authorization
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None

    def __repr__(self) -> str:
        return "HttpClient()"  # its headers are secrets

    async def start(self) -> None:
        # A connection for each call: aiohttp silently sends again on one that was kept and turned out closed.
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._tls, force_close=True, limit=self._concurrency),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Accept": "application/json"},
            trust_env=False,
        )

    async def stop(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def send(self, call: Call) -> Reply:
        """Send with authorization. An answer 401 is no deletion: it is asked for once more, with a new token."""
        if self._authorization is None:
            return await self.send_as(call, self._headers)
        others = {name: value for name, value in self._headers.items() if name.lower() != "authorization"}
        reply = Reply()
        for _ in range(2):
            try:
                header = await self._authorization.header(self)
            except AuthorizationFailed as failed:
                return Reply(fault=failed.fault)
            reply = await self.send_as(call, {**others, "Authorization": header})
            if reply.status != 401:
                break
            self._authorization.refuse(header)
        return reply

    async def send_as(self, call: Call, headers: Mapping[str, str]) -> Reply:
        """Send with these headers alone: the system's own secrets are not for who gives tokens."""
        try:
            return await self._exchange(call, headers)
        except (ssl.SSLError, aiohttp.ClientSSLError, aiohttp.ServerFingerprintMismatch):
            return Reply(fault=TargetFault.TLS)
        except TimeoutError:
            return Reply(fault=TargetFault.TIMED_OUT)
        except aiohttp.ClientConnectorError:
            return Reply(fault=TargetFault.UNREACHABLE)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientPayloadError, aiohttp.ClientOSError):
            return Reply(fault=TargetFault.CLOSED_EARLY)
        except aiohttp.ClientError:  # may quote the answer, so nothing of it goes on
            return Reply(fault=TargetFault.UNEXPECTED_BODY)

    async def _exchange(self, call: Call, headers: Mapping[str, str]) -> Reply:
        if self._session is None:
            raise RuntimeError("the target was not started")
        kind = {"Content-Type": call.content_type} if call.body is not None else {}
        async with self._session.request(
            call.method,
            URL(call.url, encoded=True),
            data=call.body,
            headers={**headers, **kind},
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=call.timeout_s),
        ) as response:
            data = await _read(response)
            retry_after = _retry_after(response.headers.get("Retry-After"), self._clock())
            if data is None:
                return Reply(fault=TargetFault.TOO_LARGE, retry_after=retry_after)
            answer = _answer(response.status, response.content_type, data)
            return Reply(answer, None, retry_after, response.headers, data)


def fault_of(answer: Answer, wanted: frozenset[int]) -> TargetFault:
    """Return why an answer that meets no criterion is none, given the statuses that would have been right."""
    if 300 <= answer.status < 400:
        return TargetFault.REDIRECTED
    if answer.status in (401, 403):
        return TargetFault.NOT_PERMITTED
    return TargetFault.UNEXPECTED_BODY if answer.status in wanted else TargetFault.UNEXPECTED_STATUS


async def _read(response: aiohttp.ClientResponse) -> bytes | None:
    """Return the whole body, or None if it is longer than we read."""
    pieces: list[bytes] = []
    size = 0
    async for piece in response.content.iter_any():
        size += len(piece)
        if size > MAX_ANSWER_BYTES:
            return None
        pieces.append(piece)
    return b"".join(pieces)


def _answer(status: int, content_type: str, data: bytes) -> Answer:
    is_html = "html" in content_type or data.lstrip()[:1] == b"<"
    try:
        return Answer(status, is_html, True, json.loads(data))
    except (ValueError, RecursionError):
        return Answer(status, is_html, False)


def _retry_after(value: str | None, now: datetime) -> timedelta | None:
    """Return the wait that an answer asks for (RFC 9110 10.2.3): seconds or a date. None if it can't be read."""
    if value is None:
        return None
    if value.isascii() and value.isdecimal():
        return timedelta(seconds=int(value)) if len(value) < 10 else None
    try:
        wait = parsedate_to_datetime(value) - now
    except (ValueError, TypeError, OverflowError):
        return None
    return max(wait, timedelta())
