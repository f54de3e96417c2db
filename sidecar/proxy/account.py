"""What is known of one exchange while it goes on, and the records that come out of it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from sidecar.access import ANONYMOUS, Identity, Proof
from sidecar.audit.record import Action, Decision, Intent, Outcome
from sidecar.detection.entity_types import ERASED
from sidecar.errors import Direction, PayloadFault, PayloadRefused, RequestFault, RequestRefused
from sidecar.metrics import method_label
from sidecar.proxy.body_budget import BodyShare
from sidecar.proxy.refusals import Refusal
from sidecar.proxy.rewriter import Rewritten
from sidecar.proxy.routes import Route, SuppressionPolicy
from sidecar.tls.connection import Peer

UNROUTED = "none"


@dataclass(slots=True)
class Account:
    """The running account of one exchange. Holds no payload text; names are the operator's."""

    method: str
    share: BodyShare = field(repr=False)
    """What the exchange holds of bodies, of all that may be held."""
    exchange_id: str = field(default_factory=lambda: os.urandom(16).hex())
    began: float = field(default_factory=time.perf_counter)
    caller: Identity = ANONYMOUS
    shown: Proof = Proof.NONE
    """The proof that was presented, whether or not it names somebody known."""
    route: Route | None = None
    policy_version: str | None = None
    direction: Direction = Direction.REQUEST
    intending: asyncio.Future[None] | None = None
    """The writing of the intent. Once it has succeeded, exactly one outcome is owed."""
    decision: Decision = Decision.COMPLETED
    reason: str | None = None
    over: bool = False
    """Whether decision and reason are final."""
    status: int | None = None
    received: int = 0
    sent: int = 0
    upstream_seconds: float | None = None
    """How long the upstream was waited for; None where it was not asked."""
    entities: dict[str, int] = field(default_factory=dict)
    confidence: dict[str, int] = field(default_factory=dict)
    residuals: int = 0
    conversations: tuple[str, ...] = ()
    messages: int | None = None
    """How many came over a WebSocket, both ways; None where there was none."""

    @property
    def admitted_route(self) -> Route:
        """The route, where admission has succeeded."""
        if self.route is None:
            raise RequestRefused(RequestFault.NO_ROUTE)
        return self.route

    @property
    def route_name(self) -> str:
        return self.route.name if self.route else UNROUTED

    def add(self, rewritten: Rewritten) -> None:
        """Count what was rewritten. Raises ``PayloadRefused`` where none of it may pass (E27)."""
        _add(self.entities, rewritten.entities)
        _add(self.confidence, rewritten.confidence)
        self.residuals += rewritten.residuals
        if rewritten.conversations:
            self.conversations = tuple(dict.fromkeys((*self.conversations, *rewritten.conversations)))
        if ERASED in rewritten.entities:
            self.reason = self.reason or PayloadFault.SUPPRESSED.value
            if self.admitted_route.suppression is SuppressionPolicy.REFUSE:
                raise PayloadRefused(PayloadFault.SUPPRESSED)

    def waited(self, seconds: float) -> None:
        """Count time that the upstream was waited for."""
        self.upstream_seconds = (self.upstream_seconds or 0.0) + seconds

    def end(self, refusal: Refusal) -> None:
        self.decision, self.reason = refusal.decision, refusal.reason

    def cut_short(self, reason: str) -> None:
        """Cut off after the first byte, or by the client at any time. Of several reasons the first counts."""
        if not self.over:
            self.decision, self.reason = Decision.ABORTED, reason
        self.over = True

    def complete(self) -> None:
        """It has ended as both sides wanted; what their connections do after that changes nothing."""
        self.over = True

    def intent(self, peer: Peer, target_pseudonym: str) -> Intent:
        return Intent(
            exchange_id=self.exchange_id,
            action=Action.PROXY,
            actor=self.caller.name,
            proof=self.caller.proof.value,
            peer_certificate_sha256=peer.certificate_sha256,
            tls=peer.tls,
            route=self.route.name if self.route else None,
            method=method_label(self.method),
            target_pseudonym=target_pseudonym,
        )

    def outcome(self, detector: str) -> Outcome:
        return Outcome(
            exchange_id=self.exchange_id,
            action=Action.PROXY,
            decision=self.decision,
            reason=self.reason,
            status=self.status,
            conversations=self.conversations,
            entities=self.entities,
            confidence=self.confidence,
            residuals=self.residuals,
            messages=self.messages,
            bytes_received=self.received,
            bytes_sent=self.sent,
            duration_us=int((time.perf_counter() - self.began) * 1_000_000),
            policy=self.policy_version,
            detector=detector,
        )


def _add(counts: dict[str, int], more: Mapping[str, int]) -> None:
    if not counts:
        counts.update(more)
        return
    for label, count in more.items():
        counts[label] = counts.get(label, 0) + count
