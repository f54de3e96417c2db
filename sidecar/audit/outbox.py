"""What one event loop has for the log: handed over together, waited for no longer than agreed.

Records are gathered as long as each turn of the loop brings more of them: while it does, the loop has work, and nobody
is held up by more than a turn that brings none. To wake the writer, and to be woken by it, costs more than all else
that is done here for a record, and an fsync costs the writer as much as sealing a few. One timer keeps the deadline of
all that wait.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from sidecar.audit.fields import Halves
from sidecar.audit.scribe import IfRefused
from sidecar.audit.writer import Haste, Pending
from sidecar.errors import AuditUnavailable
from sidecar.metrics import Metrics

OVERDUE = "the audit record was not durable in time"
FULL = "too many audit records wait to be written"

_ENOUGH = 64  # records, of which no more are waited for
_LONGEST_SECONDS = 0.005  # that they are gathered, however many come

Submit = Callable[[Sequence[Pending], Haste], int]
"""Queues records for the writer and returns how many it took, or raises ``AuditUnavailable`` for them all."""


class Outbox:
    """Of one loop, and used in no other. Records leave in the order in which they came."""

    def __init__(self, submit: Submit, deadline_seconds: float, metrics: Metrics) -> None:
        self._submit = submit
        self._deadline_seconds = deadline_seconds
        self._metrics = metrics
        self._leaving: list[Pending] = []
        self._seen = 0  # how many were leaving a turn ago
        self._gather_until = 0.0
        self._haste = Haste.WITH_THE_NEXT
        self._awaited: deque[tuple[float, Pending]] = deque()  # with the time when patience ends, which only grows
        self._timer: asyncio.TimerHandle | None = None

    def put(self, halves: Halves, if_refused: IfRefused, haste: Haste) -> asyncio.Future[None]:
        """Take a record. What is returned is done when it is durable, and fails with ``AuditUnavailable`` otherwise."""
        loop = asyncio.get_running_loop()
        pending = Pending(halves, if_refused, loop, self._metrics)
        if not self._leaving:
            self._seen = 0
            self._gather_until = loop.time() + _LONGEST_SECONDS
            loop.call_soon(self._after_turn, loop)
        self._leaving.append(pending)
        if haste is Haste.AT_ONCE:
            self._haste = haste
        self._watch(loop, pending)
        return pending.future

    def _after_turn(self, loop: asyncio.AbstractEventLoop) -> None:
        count = len(self._leaving)
        if self._seen < count < _ENOUGH and loop.time() < self._gather_until:
            self._seen = count
            loop.call_soon(self._after_turn, loop)
        else:
            self.hand_over()

    def hand_over(self) -> None:
        """Pass on what was taken until now."""
        leaving, self._leaving = self._leaving, []
        haste, self._haste = self._haste, Haste.WITH_THE_NEXT
        if not leaving:
            return
        try:
            taken, why = self._submit(leaving, haste), FULL
        except AuditUnavailable as error:
            taken, why = 0, str(error)
        for one in leaving[taken:]:
            one.settle(why)

    def _watch(self, loop: asyncio.AbstractEventLoop, pending: Pending) -> None:
        awaited = self._awaited
        while awaited and awaited[0][1].future.done():
            awaited.popleft()
        awaited.append((loop.time() + self._deadline_seconds, pending))
        if self._timer is None:
            self._timer = loop.call_at(awaited[0][0], self._give_up, loop)

    def _give_up(self, loop: asyncio.AbstractEventLoop) -> None:
        """Settle what is overdue, and come again when the next one may be."""
        now, awaited = loop.time(), self._awaited
        while awaited and (awaited[0][1].future.done() or awaited[0][0] <= now):
            awaited.popleft()[1].settle(OVERDUE)
        self._timer = loop.call_at(awaited[0][0], self._give_up, loop) if awaited else None
