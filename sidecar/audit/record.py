"""What one audit record may say. Frozen and allow-listed: what has no field here can't be recorded (A19, A20).

Every access writes two records with one ``exchange_id``: an intent before it happens and an outcome after it (A1).
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol

SCHEMA_VERSION = 1
NOTHING: Mapping[str, int] = MappingProxyType({})


class Phase(StrEnum):
    INTENT = "intent"
    OUTCOME = "outcome"
    EVENT = "event"  # no exchange around it: start, stop, reload


class Action(StrEnum):
    """What was done, or would have been."""

    PROXY = "proxy"
    ADMIN_READ = "admin_read"
    ERASURE_SUBMIT = "erasure_submit"
    ERASURE_STEP = "erasure_step"
    ERASURE_READ = "erasure_read"
    AUDIT_READ = "audit_read"
    START = "start"
    STOP = "stop"
    LOG_RECOVERED = "log_recovered"  # after a crash or a full disk (A33, A34)
    CLOCK_STEPPED_BACK = "clock_stepped_back"  # times stand still until the clock has caught up (A17)


class Decision(StrEnum):
    """How it ended."""

    PENDING = "pending"  # intents only
    COMPLETED = "completed"
    DENIED = "denied"  # the caller may not
    REFUSED = "refused"  # what was sent or answered can't be handled safely
    FAILED = "failed"  # an upstream or a part of the sidecar failed
    ABORTED = "aborted"  # cut off after the first byte


@dataclass(frozen=True, slots=True)
class Intent:
    """Written and fsynced before anything happens. Names are the operator's own words, never the caller's."""

    exchange_id: str
    action: Action
    actor: str
    proof: str
    peer_certificate_sha256: str | None = None
    tls: str | None = None  # protocol and cipher, e.g. "TLSv1.3 TLS_AES_256_GCM_SHA384"
    route: str | None = None
    method: str | None = None
    target_pseudonym: str | None = None  # keyed hash of the request path
    conversation: str | None = None
    subject: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """Written when it ended. ``entities`` counts by entity type; never a value, never an offset (A23)."""

    exchange_id: str
    action: Action
    decision: Decision
    reason: str | None = None  # a value of a closed set from sidecar.errors
    status: int | None = None
    conversations: tuple[str, ...] = ()
    subject: str | None = None
    entities: Mapping[str, int] = field(default_factory=lambda: NOTHING)
    residuals: int = 0
    messages: int | None = None  # of a WebSocket, both ways
    bytes_received: int = 0
    bytes_sent: int = 0
    duration_us: int = 0
    policy: str | None = None
    detector: str | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to the sidecar itself."""

    action: Action
    reason: str | None = None
    count: int | None = None  # bytes set aside, records refused, seconds: the action says which
    config_sha256: str | None = None
    policy: str | None = None
    detector: str | None = None


Entry = Intent | Outcome | Event


class AuditWriter(Protocol):
    """Records made durable, in the order of the calls. What is returned is done when no power cut could take it back.

    It fails with ``AuditUnavailable`` otherwise: then the act that the record stands for must not happen (A4).
    """

    def intend(self, intent: Intent) -> Awaitable[None]:
        """Record what is about to happen; await this before the first byte leaves (A2)."""

    def conclude(self, outcome: Outcome) -> Awaitable[None]:
        """Record how it ended, exactly once for each intent (A1, A3)."""

    def note(self, event: Event) -> Awaitable[None]:
        """Record something that happened to the sidecar itself."""
