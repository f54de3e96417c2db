"""The one interface of systems that can be erased from. Values in, counts and closed reasons out: never bodies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Protocol, runtime_checkable

from sidecar.erasure.plan import Side
from sidecar.erasure.request import IdentityType, SubjectIdentity


class TargetFault(StrEnum):
    """Why a call did not do what it should. A closed set: it is evidence, a metric label and an audit field."""

    UNREACHABLE = "unreachable"
    TIMED_OUT = "timed_out"
    CLOSED_EARLY = "closed_early"
    TLS = "tls"
    REDIRECTED = "redirected"
    UNEXPECTED_STATUS = "unexpected_status"
    UNEXPECTED_BODY = "unexpected_body"
    TOO_LARGE = "too_large"
    STORE = "store"
    MISCONFIGURED = "misconfigured"  # what start-up would have refused, had the target been reachable then
    NOTHING_LISTED = "nothing_listed"  # an empty list of backups proves nothing: it may be the wrong place
    COMMAND_FAILED = "command_failed"
    BUSY = "busy"  # locked, or changed while we were at it
    CONSTRAINT = "constraint"  # other data depends on what was to go; nothing was changed
    NOT_PERMITTED = "not_permitted"
    TOO_MANY = "too_many"  # more than can be one person's
    UNSIGNED = "unsigned"  # nobody whom we know vouches for the answer
    TARGET_ERROR = "target_error"  # an error of the target's own that says no more
    WENT_BACK = "went_back"  # an older copy was put back; what was erased since is erased again first
    HOLDS_UNKNOWN = "holds_unknown"  # nobody can say whether something is lawfully kept (E32)
    IDENTITY_UNUSABLE = "identity_unusable"  # can't be written safely where the target wants it


class DeleteStatus(StrEnum):
    """What a delete call came to, by the target's own account."""

    DELETED = "deleted"
    NO_DATA = "no_data"
    SUBMITTED = "submitted"  # accepted, under way
    MANUAL = "manual"  # only people can do it
    FAILED = "failed"


class VerifyStatus(StrEnum):
    """What a look by another path came to."""

    GONE = "gone"
    PRESENT = "present"
    IMPOSSIBLE = "impossible"  # this target offers no way to look (E29)
    RETAINED = "retained"  # looked, and what is left is kept on purpose: locked, or made pseudonymous
    EXPIRING = "expiring"  # still there, in backups that expire by themselves
    KEY_PENDING = "key_pending"  # unreadable once the key is destroyed, which is ordered
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class DeleteResult:
    """``count`` is how many things the target says it deleted, if it says.

    ``parts``: the count by what was done (``delete``, ``null``, ``pseudonymise``), where that differs (E21).
    ``reference`` is how a system that works on an order calls it, to ask later how it stands.
    ``detail`` names what stood in the way, by a word of the operator's own schema (a constraint), never a value.
    """

    status: DeleteStatus
    count: int | None = None
    http_status: int | None = None
    fault: TargetFault | None = None
    retry_after: timedelta | None = None
    detail: str | None = None
    parts: Mapping[str, int] | None = None
    reference: str | None = field(default=None, repr=False)


class GoneBy(StrEnum):
    """By which way a person is gone from a backup set. A closed set: it is the ground in receipts (E38)."""

    SNAPSHOTS_EXPIRED = "snapshots_expired"  # none is left that can hold them
    KEY_DESTROYED = "key_destroyed"  # what snapshots hold of them can't be read by anybody any more


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """``count`` is how many things of the person were still found, if the target says.

    ``until``: when what is retained may be deleted, if that is known. ``by``: how a backup set came to be done.
    """

    status: VerifyStatus
    count: int | None = None
    http_status: int | None = None
    fault: TargetFault | None = None
    retry_after: timedelta | None = None
    until: datetime | None = None
    by: GoneBy | None = None


class JobStatus(StrEnum):
    """How an order stands, by the target's own account."""

    DONE = "done"
    RUNNING = "running"
    FAILED = "failed"
    VANISHED = "vanished"  # the target knows the order no more; what it said before stands (E26)
    UNKNOWN = "unknown"  # no answer that says anything


@dataclass(frozen=True, slots=True)
class PollResult:
    """What asking for an order came to. ``count`` as in ``DeleteResult``."""

    status: JobStatus
    count: int | None = None
    http_status: int | None = None
    fault: TargetFault | None = None
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """One task, as systems know it that work on orders. ``id`` is a UUID, the same for every attempt of a round."""

    id: str
    identities: Sequence[SubjectIdentity] = field(repr=False)
    reference: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class TargetLimits:
    """How hard a target may be driven: calls at the same time, and calls started in a second (None: as they come)."""

    concurrency: int = 4
    per_second: float | None = None


NO_LIMITS: Final = TargetLimits(concurrency=16)


class Target(Protocol):
    """One configured system. Deleting twice must be as harmless as deleting once: after a crash it is done again.

    ``required`` names the identity types a call needs: it is called once for each combination of them. Empty: one
    call takes all identities there are. Expected failures are results, not exceptions.
    """

    @property
    def name(self) -> str: ...

    @property
    def side(self) -> Side: ...

    @property
    def required(self) -> frozenset[IdentityType]: ...

    @property
    def limits(self) -> TargetLimits: ...

    @property
    def max_completion(self) -> timedelta:
        """How long the target may take to be rid of the data, by what its operator promises (E36)."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def delete(self, identities: Sequence[SubjectIdentity]) -> DeleteResult: ...

    async def verify(self, identities: Sequence[SubjectIdentity]) -> VerifyResult: ...


@runtime_checkable
class OrderTarget(Protocol):
    """A target that takes orders and works on them. It is given ``order`` instead of ``delete``."""

    async def order(self, order: Order) -> DeleteResult:
        """Like ``delete``; a result ``SUBMITTED`` with a ``reference`` is polled until it is done."""

    async def poll(self, order: Order) -> PollResult: ...
