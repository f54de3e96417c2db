"""What keeps a flood of denied requests from filling the audit volume, while nothing goes unrecorded (A1, P58).

A denial is recorded like any exchange, two records each, as long as its peer has not had too many. From then on the
peer's denials are answered 429, and counted: the log says that counting began before the first of them is answered, and
at the end of each interval how many there were of each kind. An interval that was begun and has no count was ended by a
crash. Requests that are admitted are never counted here.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from sidecar.audit.record import Action, AuditWriter, Event
from sidecar.errors import AuditUnavailable

_LOG = logging.getLogger(__name__)
_BEGUN = "begun"


@dataclass(frozen=True, slots=True)
class DenialLimits:
    """Denials of one peer, and of all together, that are recorded one by one; how often the others are summed up."""

    per_minute: float = 60.0
    in_all_per_minute: float = 600.0
    interval_seconds: float = 10.0
    peers: int = 10_000


class _Bucket:
    """A minute's worth at most, refilled steadily."""

    __slots__ = ("_left", "_per_minute", "_then")

    def __init__(self, per_minute: float, now: float) -> None:
        self._per_minute = self._left = per_minute
        self._then = now

    def take(self, now: float) -> bool:
        grown = max(0.0, now - self._then) * self._per_minute / 60
        self._left, self._then = min(self._per_minute, self._left + grown), now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Denials:
    """Decides which denials get records of their own, and sums up the others."""

    def __init__(self, audit: AuditWriter, limits: DenialLimits, clock: Callable[[], float] = time.monotonic) -> None:
        self._audit = audit
        self._limits = limits
        self._clock = clock
        self._peers: OrderedDict[str, _Bucket] = OrderedDict()
        self._all = _Bucket(limits.in_all_per_minute, clock())
        self._beginning: asyncio.Future[None] | None = None
        self._counts: Counter[str] = Counter()
        self._telling: set[asyncio.Task[None]] = set()

    def may_be_recorded(self, peer: str) -> bool:
        """Take one from the allowance of a peer: its certificate's fingerprint, or its address."""
        now = self._clock()
        bucket = self._peers.get(peer)
        if bucket is None:
            bucket = self._peers[peer] = _Bucket(self._limits.per_minute, now)
            if len(self._peers) > self._limits.peers:
                self._peers.popitem(last=False)
        self._peers.move_to_end(peer)
        return bucket.take(now) and self._all.take(now)

    async def count(self, reason: str) -> None:
        """Return once the log says that denials are being counted, this one among them.

        Raises ``AuditUnavailable`` where it can't be said.
        """
        if self._beginning is None:
            event = Event(Action.DENIALS_COUNTED, reason=_BEGUN)
            self._beginning = asyncio.ensure_future(self._begin(event))
        beginning = self._beginning
        self._counts[reason] += 1
        # Shielded: of many who wait for it, one that goes away must not end it.
        await asyncio.shield(beginning)

    async def settle(self) -> None:
        """Write down what has been counted until now."""
        self._tell()
        while self._telling:
            await asyncio.wait(self._telling)

    async def _begin(self, event: Event) -> None:
        try:
            await self._audit.note(event)
        except AuditUnavailable:
            self._beginning = None  # the next one tries again; those until now were answered 503
            self._counts.clear()
            raise
        asyncio.get_running_loop().call_later(self._limits.interval_seconds, self._tell)

    def _tell(self) -> None:
        counts, self._counts = self._counts, Counter()
        self._beginning = None
        if counts:
            telling = asyncio.ensure_future(self._note(counts))
            self._telling.add(telling)
            telling.add_done_callback(self._telling.discard)

    async def _note(self, counts: Counter[str]) -> None:
        try:
            for reason, count in sorted(counts.items()):
                await self._audit.note(Event(Action.DENIALS_COUNTED, reason=reason, count=count))
        except AuditUnavailable as error:
            _LOG.error("%d denials were counted, and could not be recorded: %s", counts.total(), error)
