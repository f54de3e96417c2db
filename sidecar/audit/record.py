"""What one audit record may say. Frozen and allow-listed: what has no field here can't be recorded (A19, A20).

Every access writes two records with one ``exchange_id``: an intent before it happens and an outcome after it (A1).
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple, Protocol

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
    SUBJECT_KEY = "subject_key"  # a person's key was asked for, or another one allowed (E42)
    QUARANTINE = "quarantine"  # a system that went back in time is closed off, or opened again (E39)
    AUDIT_READ = "audit_read"
    AUDIT_SEARCH = "audit_search"
    AUDIT_EXPORT = "audit_export"
    AUDIT_VERIFY = "audit_verify"
    AUDIT_CANDIDATE = "audit_candidate"  # whether a value given in clear occurs (A21)
    LOG_OPENED = "log_opened"  # the first record after every start
    START = "start"
    STOP = "stop"
    HEARTBEAT = "heartbeat"  # so that silence says something (A14)
    CONFIG_CHANGED = "config_changed"  # since the last start (A40)
    RELOAD = "reload"  # certificates or the catalogue, while running
    RELOAD_FAILED = "reload_failed"  # new certificates can't be used: the old ones go on
    LINKS_ERASED = "links_erased"  # of one record, which is named by its number (A24)
    SEGMENT_DROPPED = "segment_dropped"  # by retention (A32)
    KEY_ROTATED = "key_rotated"  # the key that signs, or the one that wraps (A26, A28)
    LOG_RECOVERED = "log_recovered"  # after a crash or a full disk (A33, A34)
    DENIALS_COUNTED = "denials_counted"  # of peers with too many for a record each: begun, or how many of a reason
    CLOCK_JUMPED = "clock_jumped"  # the host's, by so many seconds; erasures go on by the database's (E35)
    CLOCK_STEPPED_BACK = "clock_stepped_back"  # times stand still until the clock has caught up (A17)


class Decision(StrEnum):
    """How it ended."""

    PENDING = "pending"  # intents only
    COMPLETED = "completed"
    DENIED = "denied"  # the caller may not
    REFUSED = "refused"  # what was sent or answered can't be handled safely
    FAILED = "failed"  # an upstream or a part of the sidecar failed
    ABORTED = "aborted"  # cut off after the first byte


class Intent(NamedTuple):
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
    purpose: str | None = None  # why an auditor looks or exports: the reference of a ticket (A36)


class Outcome(NamedTuple):
    """Written when it ended. ``entities`` counts by entity type; never a value, never an offset (A23).

    ``confidence`` counts the same entities by score, in tenths rounded down: ``p80`` is 0.8 up to 0.9.
    """

    exchange_id: str
    action: Action
    decision: Decision
    reason: str | None = None  # a value of a closed set from sidecar.errors
    status: int | None = None
    conversations: tuple[str, ...] = ()
    subject: str | None = None
    entities: Mapping[str, int] = NOTHING
    confidence: Mapping[str, int] = NOTHING
    residuals: int = 0
    messages: int | None = None  # of a WebSocket, both ways
    results: int | None = None  # of a search or an export: how many records it gave
    bytes_received: int = 0
    bytes_sent: int = 0
    duration_us: int = 0
    policy: str | None = None
    detector: str | None = None
    receipt_sha256: str | None = None  # of the receipt that was signed (E46)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to the sidecar itself."""

    action: Action
    reason: str | None = None
    count: int | None = None  # bytes set aside, records refused, seconds: the action says which
    config_sha256: str | None = None
    policies_sha256: str | None = None  # over the policies in force, whatever else the configuration says
    policy: str | None = None
    detector: str | None = None
    checkpoint_size: int | None = None  # the newest checkpoint when the log was opened (A12)
    checkpoint_root: str | None = None
    signing_key: str | None = None  # SHA-256 of the public key that signs from here on
    wrapping_key: str | None = None  # the provider's name of the key that wraps from here on
    record: int | None = None  # the number of the record that is spoken of
    segment: int | None = None
    conversations: tuple[str, ...] = ()  # links of that record that stay: other people's
    subject: str | None = None
    upstream: str | None = None  # the operator's name of the one that is spoken of
    certificate_sha256: str | None = None  # of the leaf certificate that is shown from here on, or was found unusable
    former_certificate_sha256: str | None = None  # of the one before
    authorities_sha256: str | None = None  # over the certificates of all CAs that are trusted from here on
    former_authorities_sha256: str | None = None


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
