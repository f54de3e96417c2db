"""Every error the sidecar expects.

Invariant: no message, attribute or repr here holds text from a payload, a header or a subject. Foreign errors
(which may: ``json.JSONDecodeError`` carries its whole document) are translated once, at the border, with
``raise ... from None``. Anything that is not a ``SidecarError`` is a bug and ends the exchange closed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class SidecarError(Exception):
    """An expected failure. Its text is for operators and free of personal data."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with what the operator wrote: where, what, and how to mend it."""

    path: str
    message: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}. {self.remedy}"


class ConfigError(SidecarError):
    """The configuration can't be used; every problem is listed at once. Exit code 2."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class KeyMaterialError(SidecarError):
    """A key is missing, unreadable, of the wrong size, or does not match what it should open."""


class Direction(StrEnum):
    """Which way a payload travels."""

    REQUEST = "request"
    RESPONSE = "response"


class PayloadFault(StrEnum):
    """Why a payload can't be scanned. A closed set: it is a metric label and an audit field."""

    NOT_PARSEABLE = "not_parseable"
    TOO_DEEP = "too_deep"
    TOO_LARGE = "too_large"
    MEDIA_TYPE = "media_type"
    CHARSET = "charset"
    CODING = "coding"
    LENGTH = "length"
    RANGE = "range"
    HEADER = "header"
    OFFSETS = "offsets"  # annotations that don't fit the text they speak of (X6)
    SUPPRESSED = "suppressed"  # holds data of an erased person, on a route that refuses such (E27)
    ABSOLUTE_URL = "absolute_url"  # leads around the sidecar, on a route that refuses such (X2)


class PayloadRefused(SidecarError):
    """The payload can't be understood in whole, so none of it is forwarded (P32, P35)."""

    def __init__(self, fault: PayloadFault, detail: str = "") -> None:
        super().__init__(f"{fault.value}: {detail}" if detail else fault.value)
        self.fault = fault


class RequestFault(StrEnum):
    """Why a request is turned away before anything of it is forwarded. A closed set: metric label and audit field."""

    NO_ROUTE = "no_route"
    METHOD = "method"
    TARGET = "target"
    FRAMING = "framing"
    HEADER = "header"
    EXPECTATION = "expectation"
    UPGRADE = "upgrade"
    ORIGIN = "origin"  # a page from elsewhere asks for a WebSocket
    SLOW = "slow"
    OVERLOADED = "overloaded"
    TOO_MANY = "too_many"  # denials of one peer: counted, no longer recorded one by one
    PERSONAL_DATA = "personal_data"
    QUARANTINED = "quarantined"  # the upstream went back in time; who was erased since is erased again first (E39)


class RequestRefused(SidecarError):
    """The request is malformed, leads nowhere, or may not be made now. ``allowed``: methods that would do instead."""

    def __init__(self, fault: RequestFault, detail: str = "", allowed: frozenset[str] = frozenset()) -> None:
        super().__init__(f"{fault.value}: {detail}" if detail else fault.value)
        self.fault = fault
        self.allowed = allowed


class DetectionFault(StrEnum):
    """Why a detection failed as a whole (D14)."""

    RAISED = "raised"
    TIMED_OUT = "timed_out"
    CRASHED = "crashed"
    INVALID = "invalid"
    OVERLOADED = "overloaded"  # others took the time that there was, or would


class DetectionFailed(SidecarError):
    """A recognizer raised, hung or answered nonsense, or there is too much to read: refused, never passed.

    ``retry_s``: after how many seconds another try may find room, where that is known.
    """

    def __init__(self, fault: DetectionFault, detail: str = "", retry_s: int | None = None) -> None:
        super().__init__(f"{fault.value}: {detail}" if detail else fault.value)
        self.fault = fault
        self.detail = detail
        self.retry_s = retry_s


class StoreUnavailable(SidecarError):
    """Durable state can't be read or written now. Nothing that depends on it may proceed."""


class AuditUnavailable(SidecarError):
    """A record can't be made durable: the act it would have recorded must not happen."""


class UpstreamFault(StrEnum):
    """What an upstream did wrong. A closed set: it is a metric label and an audit field."""

    UNREACHABLE = "unreachable"
    TIMED_OUT = "timed_out"
    CLOSED_EARLY = "closed_early"
    BAD_RESPONSE = "bad_response"
    TLS = "tls"


class UpstreamFailed(SidecarError):
    """The upstream gave no usable response."""

    def __init__(self, fault: UpstreamFault) -> None:
        super().__init__(fault.value)
        self.fault = fault


class DenialReason(StrEnum):
    """Why a caller is turned away. A closed set: it is a metric label and an audit field."""

    NO_IDENTITY = "no_identity"
    UNKNOWN_IDENTITY = "unknown_identity"
    ROLE = "role"


class AccessDenied(SidecarError):
    """The caller is not known, or holds none of the admitted roles."""

    def __init__(self, reason: DenialReason) -> None:
        super().__init__(reason.value)
        self.reason = reason
