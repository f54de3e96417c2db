"""One exchange, from the request's head to the audit outcome. Read ``_run`` top to bottom.

Invariants. Nothing is forwarded before the intent is durable (A2). What was not scanned is not relayed. A failure
before the first response byte is a refusal; after it the connection is cut, so that the client can tell. Every request
that arrives here leaves exactly one intent and one outcome, however it ends (P58), but for denials of a peer that has
had too many: those are counted, and the counts recorded (``denials``).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from aiohttp import web

from sidecar.audit.denials import DenialLimits, Denials
from sidecar.audit.record import AuditWriter
from sidecar.errors import (
    AccessDenied,
    DetectionFailed,
    DetectionFault,
    Direction,
    RequestFault,
    RequestRefused,
    UpstreamFailed,
    UpstreamFault,
)
from sidecar.keys import Pseudonymizer
from sidecar.proxy.account import Account
from sidecar.proxy.admission import Admission
from sidecar.proxy.body_budget import BodyBudget
from sidecar.proxy.conclusion import Conclusions, report
from sidecar.proxy.headers import BodyFate, Hop, add_own_fields, request_fields
from sidecar.proxy.meter import Meter
from sidecar.proxy.refusals import refusal_for, render
from sidecar.proxy.relay import ClientGone, RequestBody, ResponseStream, cut, send_whole
from sidecar.proxy.routes import BodyMode, TargetPolicy
from sidecar.proxy.scanning import Scanner
from sidecar.proxy.taking import Taken, take_answer, take_request
from sidecar.proxy.text_source import TextSourceParts, sources_for
from sidecar.proxy.upstream import Answer, Upstream
from sidecar.proxy.websocket import Websockets
from sidecar.tls.connection import peer_of

_REFUSAL_SECONDS = 10.0
_READ_ONLY = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Parts:
    """What exchanges work with."""

    admission: Admission
    upstreams: Mapping[str, Upstream]
    scanner: Scanner
    audit: AuditWriter
    pseudonyms: Pseudonymizer
    meter: Meter
    budget: BodyBudget
    detector_version: Callable[[], str]  # a new one once the catalogue changed
    detection_is_full: Callable[[], bool] = lambda: False
    max_inflight: int = 512
    denials: DenialLimits = field(default_factory=DenialLimits)
    clock: Callable[[], float] = time.monotonic


class Exchange:
    """Handles requests, one call each, any number at a time."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._scanner = parts.scanner
        self._text_source = TextSourceParts(parts.admission, parts.upstreams, parts.scanner)
        self._meter = parts.meter
        self._websockets = Websockets(parts.upstreams, parts.scanner, parts.admission.check_still)
        self._inflight = 0
        self._draining = False
        self._conclusions = Conclusions(parts.audit, parts.detector_version)
        self._denials = Denials(parts.audit, parts.denials, parts.clock)

    def drain(self) -> None:
        """From now on ask clients to open their next connection elsewhere (P49)."""
        self._draining = True

    async def end_websockets(self, seconds: float) -> None:
        """Say goodbye on every WebSocket: unlike other exchanges, they would not end by themselves (P49)."""
        await self._websockets.end(seconds)

    async def settle(self) -> None:
        """Return when every outcome has been written or has failed to be."""
        await self._conclusions.settle()
        await self._denials.settle()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request. Only cancellation, which is the client going away, leaves as an exception."""
        return await self._handle(request, None)

    async def turn_away(self, request: web.BaseRequest, fault: RequestFault) -> web.StreamResponse:
        """Record and refuse what could not even be parsed; ``request`` stands for it."""
        return await self._handle(request, RequestRefused(fault))

    async def _handle(self, request: web.BaseRequest, malformed: RequestRefused | None) -> web.StreamResponse:
        account = Account(request.method, self._parts.budget.share())
        self._inflight += 1
        self._meter.begin()
        try:
            return await self._run(request, account, malformed)
        except (ClientGone, asyncio.CancelledError) as error:
            account.cut_short("stopping" if self._draining else "client_gone")
            cut(request)
            if isinstance(error, asyncio.CancelledError):
                raise
            return web.Response()  # for nobody: the connection is cut
        except Exception as error:  # noqa: BLE001 - the one broad handler: whatever failed, this exchange ends closed
            return await self._refuse(request, account, error)
        finally:
            self._inflight -= 1
            account.share.give_back()
            self._close(account)

    async def _run(
        self, request: web.BaseRequest, account: Account, malformed: RequestRefused | None
    ) -> web.StreamResponse:
        target = await self._admit(request, account, malformed)
        route = account.admitted_route
        scope = f"{route.name} {target.partition('?')[0]}"
        if "Upgrade" in request.headers:  # it would not have been admitted where no WebSocket is served
            return await self._switch(request, target, account, scope)
        body = RequestBody(request, route.limits, account.share)
        scanner, source = self._scanner, sources_for(self._text_source, request, target, account)
        answer: Answer | None = None
        try:
            async with asyncio.timeout(route.limits.exchange_seconds):
                self._check_detection(request.method, account)
                if route.target_policy is TargetPolicy.REFUSE:
                    await scanner.check_target(target, account, scope)
                content, fate = await take_request(scanner, request, body, account, scope, source)
                answer = await self._ask(request, target, content, fate, account)
                upstream_host = self._parts.upstreams[route.upstream].host
                taken = await take_answer(scanner, request, answer, account, scope, source, upstream_host)
            self._parts.admission.check_open(route)  # it may have been closed meanwhile
            return await self._relay(request, taken, body, account)
        except TimeoutError:
            raise UpstreamFailed(UpstreamFault.TIMED_OUT) from None
        except UpstreamFailed:
            if body.failure is None:
                raise
            account.direction = Direction.REQUEST  # a streamed request broke off on the client's side
            raise body.failure from None
        finally:
            account.received = body.received
            if answer is not None:
                answer.close()

    async def _switch(self, request: web.BaseRequest, target: str, account: Account, scope: str) -> web.StreamResponse:
        self._inflight -= 1  # what lasts for hours is bounded by the number of connections alone
        try:
            return await self._websockets.serve(request, target, account, scope)
        finally:
            self._inflight += 1

    async def _admit(self, request: web.BaseRequest, account: Account, malformed: RequestRefused | None) -> str:
        """Decide who asks for what, make the intent durable, and only then let a denial out. Return the target."""
        # What could not be parsed has no fields that could be trusted to be any.
        peer = peer_of(request.transport, request.headers.getall("Authorization", ()) if malformed is None else ())
        target = "/"
        denial: AccessDenied | RequestRefused | None = malformed
        try:
            if malformed is None:
                target = self._parts.admission.admit(request, peer, account)
                if self._inflight > self._parts.max_inflight:
                    raise RequestRefused(RequestFault.OVERLOADED)
        except (AccessDenied, RequestRefused) as error:
            denial = error
        if denial is not None and not self._denials.may_be_recorded(
            peer.certificate_sha256 or request.remote or "unknown"
        ):
            await self._denials.count(refusal_for(denial, Direction.REQUEST, account.shown).reason)
            raise RequestRefused(RequestFault.TOO_MANY)
        pseudonym = self._parts.pseudonyms.label("target", target.partition("?")[0])
        account.intending = asyncio.ensure_future(self._parts.audit.intend(account.intent(peer, pseudonym)))
        # Shielded: a client that goes away meanwhile must not leave an intent that nobody concludes.
        await asyncio.shield(account.intending)
        if denial is not None:
            raise denial
        return target

    def _check_detection(self, method: str, account: Account) -> None:
        """Turn away what would be done upstream though nobody could be shown its answer.

        What is only read is asked for all the same: most of it was read before and needs no detection.
        """
        reads_answer = account.admitted_route.body is not BodyMode.OPAQUE
        if reads_answer and method not in _READ_ONLY and self._parts.detection_is_full():
            raise DetectionFailed(DetectionFault.OVERLOADED)

    async def _ask(
        self,
        request: web.BaseRequest,
        target: str,
        content: bytes | AsyncIterable[bytes] | None,
        fate: BodyFate,
        account: Account,
    ) -> Answer:
        route = account.admitted_route
        upstream = self._parts.upstreams[route.upstream]
        hop = Hop(request.remote or "unknown", request.headers.get("Host"), upstream.host, upstream.settings.origin)
        fields = request_fields(request.headers, request.method, route, hop, fate, account.caller.proof)
        account.direction = Direction.RESPONSE
        began = time.perf_counter()
        try:
            return await upstream.send(request.method, target, fields, content)
        finally:
            account.waited(time.perf_counter() - began)

    async def _relay(
        self, request: web.BaseRequest, taken: Taken, body: RequestBody, account: Account
    ) -> web.StreamResponse:
        """Send the response. From here on a failure can only cut it short."""
        response = taken.response
        add_own_fields(response.headers, account.exchange_id)
        if body.unread or self._draining:
            response.force_close()
        account.status = response.status
        stall_seconds = account.admitted_route.limits.client_stall_seconds
        if isinstance(response, web.Response):
            account.sent = await send_whole(request, response, stall_seconds)
            return response
        check = partial(self._parts.admission.check_still, request, account)
        stream = ResponseStream(request, response, taken.body, check)
        try:
            await stream.run(stall_seconds)
        finally:
            account.sent = stream.sent
        return response

    async def _refuse(self, request: web.BaseRequest, account: Account, error: Exception) -> web.StreamResponse:
        """End an exchange that failed: with a generic answer, or cut off where the answer had begun (P40)."""
        refusal = refusal_for(error, account.direction, account.shown)
        report(account, refusal.reason, error)
        if account.status is not None:
            account.cut_short(refusal.reason)
            cut(request)
            return web.Response()  # for nobody: the connection is cut
        account.end(refusal)
        account.status = refusal.status.value
        response = render(refusal, account.exchange_id)
        if self._draining or not request.content.is_eof() or "Upgrade" in request.headers:
            response.force_close()  # what came behind an upgrade was meant for another protocol (P10)
        try:
            account.sent = await send_whole(request, response, _REFUSAL_SECONDS)
        except ClientGone:
            cut(request)
        return response

    def _close(self, account: Account) -> None:
        self._meter.measure(account)
        self._conclusions.conclude(account)
