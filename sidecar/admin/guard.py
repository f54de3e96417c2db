"""Who may use an admin endpoint, and the record of every use. Default deny; every failure is closed.

The order is the design. Identity first, then whether the path exists, then the role: who is not known learns nothing,
not even which paths there are. The intent is durable before the endpoint's handler begins; when it can't be, the
handler does not begin. Refusals of one peer are recorded one by one up to a number, then counted (``audit.denials``).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from uuid import uuid4

from aiohttp import HttpVersion11, web

from sidecar.access import ANONYMOUS, Identity, KnownCaller, identify, require_role
from sidecar.admin.answers import Ending, answered, denied, failed, failure, malformed, raised, refused, refused_payload
from sidecar.admin.route import RESULTS, SUBJECT, AdminRoute, Handler, purpose_of
from sidecar.audit.denials import DenialLimits, Denials
from sidecar.audit.intending import intend
from sidecar.audit.record import Action, AuditWriter, Decision, Intent, Outcome
from sidecar.errors import AccessDenied, AuditUnavailable, PayloadRefused, SidecarError, StoreUnavailable
from sidecar.keys import Pseudonymizer
from sidecar.metrics import Metrics, code_class, method_label
from sidecar.tls.connection import Peer, peer_of

_NO_PATH = "none"  # stands for every path that no endpoint has
_BODY_SECONDS = 10.0  # for a body of whom nobody knows yet
_INVITED = web.RequestKey("invited", bool)
_log = logging.getLogger("sidecar.admin")


class Guard:
    """Stands before every endpoint of the admin listener."""

    def __init__(
        self,
        callers: Sequence[KnownCaller],
        audit: AuditWriter,
        pseudonyms: Pseudonymizer,
        metrics: Metrics,
        max_body_bytes: int,
        denials: DenialLimits | None = None,
    ) -> None:
        self._callers = tuple(callers)
        self._audit = audit
        self._pseudonyms = pseudonyms
        self._metrics = metrics
        self._max_body_bytes = max_body_bytes
        self._denials = Denials(audit, denials or DenialLimits())

    async def settle(self) -> None:
        """Write down the denials that were counted until now."""
        await self._denials.settle()

    async def serve(self, request: web.Request, route: AdminRoute) -> web.StreamResponse:
        """Serve one request of an endpoint, if the caller may."""
        if route.roles is None:
            ending = await self._run(request, ANONYMOUS, route.handler)
            return self._count(request, route.path, ending.response)
        peer = peer_of(request.transport, request.headers.getall("Authorization", ()))
        identity, refusal = self._admit(peer, route)
        signer = await _signer_of(request, route) if identity is ANONYMOUS else None
        if signer is not None:
            identity, refusal = signer, None
        if refusal is None and (request.content_length or 0) > self._max_body_bytes:
            refusal = refused(413)
        return self._count(request, route.path, await self._serve(request, route, peer, identity, refusal))

    async def refuse_unknown(self, request: web.Request, status: int) -> web.StreamResponse:
        """Answer what no endpoint takes: 404 or 405 to known callers, 401 or 403 to all others."""
        peer = peer_of(request.transport, request.headers.getall("Authorization", ()))
        identity, refusal = self._identify(peer)
        response = await self._serve(request, _nowhere(request), peer, identity, refusal or refused(status))
        return self._count(request, _NO_PATH, response)

    async def refuse_malformed(self, request: web.Request) -> web.StreamResponse:
        """Record and answer with 400 what could not be parsed, whoever sent it; ``request`` stands for it (A1).

        It has no fields that could be trusted to be any, so a certificate alone says whose it is.
        """
        peer = peer_of(request.transport, ())
        identity, _ = self._identify(peer)
        response = await self._serve(request, _nowhere(request), peer, identity, malformed())
        return self._count(request, _NO_PATH, response)

    def _admit(self, peer: Peer, route: AdminRoute) -> tuple[Identity, Ending | None]:
        identity, refusal = self._identify(peer)
        if refusal is None:
            try:
                require_role(identity, route.roles or ())
            except AccessDenied as denial:
                return identity, denied(denial, peer.credentials)
        return identity, refusal

    def _identify(self, peer: Peer) -> tuple[Identity, Ending | None]:
        try:
            return identify(peer.credentials, self._callers), None
        except AccessDenied as denial:
            return ANONYMOUS, denied(denial, peer.credentials)

    async def _serve(
        self, request: web.Request, route: AdminRoute, peer: Peer, identity: Identity, refusal: Ending | None
    ) -> web.StreamResponse:
        """Put the two records around the handler, or around a refusal that was decided before it.

        An endpoint without an action leaves no record of its use (scraping metrics touches nobody's data), but what
        is refused there is recorded like any other refusal.
        """
        if refusal is None and route.action is None:
            return (await self._run(request, identity, route.handler)).response
        if refusal is not None and not self._denials.may_be_recorded(
            peer.certificate_sha256 or request.remote or "unknown"
        ):
            return await self._turn_away(refusal)
        intent = self._intent(request, route, peer, identity)
        try:
            await intend(self._audit, intent)
        except AuditUnavailable:
            return failure(503)
        began = time.monotonic_ns()
        ending: Ending | None = refusal
        concluded = False
        try:
            ending = ending or await self._run(request, identity, route.handler)
        finally:
            concluded = await self._conclude(intent, ending, request, began)
        # What streamed is out by now: there a failure to conclude shows in the audit's own metric and health.
        return ending.response if concluded or ending.response.prepared else failure(503)

    async def _turn_away(self, refusal: Ending) -> web.StreamResponse:
        """Count a denial of a peer that has had too many: two records for each would fill the audit volume (P58)."""
        try:
            await self._denials.count(refusal.reason or refusal.decision.value)
        except AuditUnavailable:
            return failure(503)
        return failure(429)

    async def _conclude(self, intent: Intent, ending: Ending | None, request: web.Request, began: int) -> bool:
        """Record how it ended; no ending means that the request was cancelled."""
        response = ending.response if ending else None
        outcome = Outcome(
            exchange_id=intent.exchange_id,
            action=intent.action,
            decision=ending.decision if ending else Decision.ABORTED,
            reason=ending.reason if ending else None,
            status=response.status if response else None,
            subject=request.get(SUBJECT),
            results=request.get(RESULTS),
            bytes_received=request.content_length or 0,
            bytes_sent=_body_bytes(response),
            duration_us=(time.monotonic_ns() - began) // 1000,
        )
        try:
            await self._audit.conclude(outcome)
        except AuditUnavailable:
            return False
        return True

    async def _run(self, request: web.Request, identity: Identity, handler: Handler) -> Ending:
        """Run the endpoint and turn whatever it raises into an answer that tells the caller nothing more."""
        try:
            await _invite_body(request)
            return answered(await handler(request, identity))
        except web.HTTPException as error:
            return raised(error)
        except AccessDenied as denial:
            return Ending(failure(403), Decision.DENIED, denial.reason.value)
        except PayloadRefused as refusal:
            return refused_payload(refusal)
        except (AuditUnavailable, StoreUnavailable):
            return failed(503)
        except (ConnectionError, web.RequestPayloadError):  # the caller went away, or broke its body off
            return Ending(failure(400), Decision.ABORTED)
        except SidecarError as error:
            _log.error("an admin endpoint failed: %s", type(error).__name__)
            return failed(500)
        except Exception as error:  # noqa: BLE001 - the edge: a bug ends one request, closed
            # Its text and its frames may hold what a person wrote, so neither is logged.
            _log.error("bug in an admin endpoint: %s at %s", type(error).__name__, _place(error))
            return failed(500)

    def _intent(self, request: web.Request, route: AdminRoute, peer: Peer, identity: Identity) -> Intent:
        return Intent(
            exchange_id=uuid4().hex,
            action=route.action or Action.ADMIN_READ,
            actor=identity.name,
            proof=identity.proof.value,
            peer_certificate_sha256=peer.certificate_sha256,
            tls=peer.tls,
            route=route.path,
            method=method_label(request.method),
            target_pseudonym=self._pseudonyms.label(request.rel_url.raw_path),
            purpose=purpose_of(request),
        )

    def _count(self, request: web.Request, path: str, response: web.StreamResponse) -> web.StreamResponse:
        self._metrics.admin_requests.labels(path, method_label(request.method), code_class(response.status)).inc()
        return response


async def _signer_of(request: web.Request, route: AdminRoute) -> Identity | None:
    """Return who signed the body, where the endpoint takes signatures. A body that does not come proves nobody."""
    if route.signer is None:
        return None
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            await _invite_body(request)
            return await route.signer(request)
    except (TimeoutError, OSError, web.RequestPayloadError):
        return None


async def _invite_body(request: web.Request) -> None:
    """Tell a client that waits for it to send its body, once."""
    if request.get(_INVITED):
        return
    request[_INVITED] = True
    if request.headers.get("Expect", "").lower() == "100-continue" and request.version >= HttpVersion11:
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # as aiohttp does: these bytes are no part of the response


def _nowhere(request: web.Request) -> AdminRoute:
    return AdminRoute(request.method, _NO_PATH, frozenset(), Action.ADMIN_READ, _nothing)


async def _nothing(_request: web.Request, _identity: Identity) -> web.StreamResponse:
    return failure(404)


def _body_bytes(response: web.StreamResponse | None) -> int:
    """Count what was streamed, or what is about to be sent whole."""
    if response is None:
        return 0
    if isinstance(response, web.Response) and not response.prepared:
        return len(response.body) if isinstance(response.body, bytes) else 0
    return response.body_length if response.prepared else 0


def _place(error: BaseException) -> str:
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    return f"{frame.tb_frame.f_code.co_qualname}:{frame.tb_lineno}" if frame is not None else "nowhere"
