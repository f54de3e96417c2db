"""An HTTP API to erase from. Redirects are not followed, TLS is verified, bodies are read to be judged and never kept.

Success is only what the operator described. Everything else is a closed fault, and tried again.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final, Literal

import aiohttp
from yarl import URL

from sidecar.erasure.plan import Side
from sidecar.erasure.request import IdentityType, SubjectIdentity
from sidecar.targets.criteria import Answer, count_at
from sidecar.targets.http_settings import HttpCall, HttpTargetSettings
from sidecar.targets.target import (
    DeleteResult,
    DeleteStatus,
    TargetFault,
    TargetLimits,
    VerifyResult,
    VerifyStatus,
)
from sidecar.targets.template import Values, ValueUnusable

MAX_ANSWER_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Reply:
    """An answer, or why there is none."""

    answer: Answer | None = None
    fault: TargetFault | None = None
    retry_after: timedelta | None = None

    @property
    def status(self) -> int | None:
        return self.answer.status if self.answer else None


class HttpTarget:
    """Implements ``Target``. ``tls`` is a verifying context for https URLs; True takes the system's authorities."""

    def __init__(
        self,
        settings: HttpTargetSettings,
        tls: ssl.SSLContext | Literal[True] = True,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._settings = settings
        self._tls = tls
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None

    @property
    def name(self) -> str:
        return self._settings.name

    @property
    def side(self) -> Side:
        return Side.UPSTREAM

    @property
    def required(self) -> frozenset[IdentityType]:
        return self._settings.required

    @property
    def limits(self) -> TargetLimits:
        return self._settings.limits

    @property
    def max_completion(self) -> timedelta:
        return self._settings.max_completion

    async def start(self) -> None:
        # A connection for each call: aiohttp silently sends again on one that was kept and turned out closed.
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._tls, force_close=True, limit=self.limits.concurrency),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={**self._settings.headers, "Accept": "application/json"},
            trust_env=False,
        )

    async def stop(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def delete(self, identities: Sequence[SubjectIdentity]) -> DeleteResult:
        rules = self._settings.delete
        reply = await self._send(rules.call, identities)
        if reply.answer is None:
            return DeleteResult(DeleteStatus.FAILED, fault=reply.fault, retry_after=reply.retry_after)
        answer = reply.answer
        count = count_at(answer.body, rules.call.count) if rules.call.count else None
        if rules.done.met_by(answer) and not (rules.call.count and not count):
            return DeleteResult(DeleteStatus.DELETED, count, answer.status)
        if rules.no_data is not None and rules.no_data.met_by(answer):
            return DeleteResult(DeleteStatus.NO_DATA, 0, answer.status)
        if rules.accepted is not None and rules.accepted.met_by(answer):
            return DeleteResult(DeleteStatus.SUBMITTED, None, answer.status, retry_after=reply.retry_after)
        return DeleteResult(
            DeleteStatus.FAILED, count, answer.status, _why(answer, rules.done.statuses), reply.retry_after
        )

    async def verify(self, identities: Sequence[SubjectIdentity]) -> VerifyResult:
        rules = self._settings.verify
        if rules is None:
            return VerifyResult(VerifyStatus.IMPOSSIBLE)
        reply = await self._send(rules.call, identities)
        if reply.fault is TargetFault.IDENTITY_UNUSABLE:
            return VerifyResult(VerifyStatus.IMPOSSIBLE, fault=reply.fault)
        if reply.answer is None:
            return VerifyResult(VerifyStatus.FAILED, fault=reply.fault, retry_after=reply.retry_after)
        answer = reply.answer
        count = count_at(answer.body, rules.call.count) if rules.call.count else None
        if rules.gone.met_by(answer) and not count:
            return VerifyResult(VerifyStatus.GONE, 0, answer.status)
        if count or (rules.present is not None and rules.present.met_by(answer)):
            return VerifyResult(VerifyStatus.PRESENT, count, answer.status, retry_after=reply.retry_after)
        return VerifyResult(
            VerifyStatus.FAILED, count, answer.status, _why(answer, rules.gone.statuses), reply.retry_after
        )

    async def _send(self, call: HttpCall, identities: Sequence[SubjectIdentity]) -> _Reply:
        values: Values = {identity.type: identity.value for identity in identities}
        try:
            url = URL(call.url.fill(values), encoded=True)
        except ValueUnusable:
            return _Reply(fault=TargetFault.IDENTITY_UNUSABLE)
        body = call.body.fill(values) if call.body else None
        try:
            return await self._exchange(call, url, body)
        except (ssl.SSLError, aiohttp.ClientSSLError, aiohttp.ServerFingerprintMismatch):
            return _Reply(fault=TargetFault.TLS)
        except TimeoutError:
            return _Reply(fault=TargetFault.TIMED_OUT)
        except aiohttp.ClientConnectorError:
            return _Reply(fault=TargetFault.UNREACHABLE)
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientPayloadError, aiohttp.ClientOSError):
            return _Reply(fault=TargetFault.CLOSED_EARLY)
        except aiohttp.ClientError:  # may quote the answer, so nothing of it goes on
            return _Reply(fault=TargetFault.UNEXPECTED_BODY)

    async def _exchange(self, call: HttpCall, url: URL, body: bytes | None) -> _Reply:
        if self._session is None:
            raise RuntimeError("the target was not started")
        async with self._session.request(
            call.method,
            url,
            data=body,
            headers={"Content-Type": "application/json"} if body is not None else None,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=call.timeout_s),
        ) as response:
            data = await _read(response)
            retry_after = _retry_after(response.headers.get("Retry-After"), self._clock())
            if data is None:
                return _Reply(fault=TargetFault.TOO_LARGE, retry_after=retry_after)
            return _Reply(_answer(response.status, response.content_type, data), retry_after=retry_after)


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


def _why(answer: Answer, wanted: frozenset[int]) -> TargetFault:
    if 300 <= answer.status < 400:
        return TargetFault.REDIRECTED
    return TargetFault.UNEXPECTED_BODY if answer.status in wanted else TargetFault.UNEXPECTED_STATUS


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
