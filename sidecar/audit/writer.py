"""Who has records written: what is asked of a writer, and one that is a thread of this process. Edge.

The sidecar writes its log in a process of its own (``remote_writer``), because a thread would fight the event loop for
the interpreter at every record. The thread is for programs that write a log beside other work.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from enum import Enum
from time import monotonic
from typing import Protocol

from sidecar.audit.anchors.verdict import Answer
from sidecar.audit.appender import LogKeys
from sidecar.audit.beginning import begin
from sidecar.audit.fields import Halves
from sidecar.audit.record import Event
from sidecar.audit.scribe import BATCH_LIMIT, IfRefused, Scribe, State
from sidecar.audit.settings import AuditSettings
from sidecar.errors import AuditUnavailable
from sidecar.metrics import Metrics

LINGER_SECONDS = 0.02
CLOSED = "the audit log is closed"


class Haste(Enum):
    """How long a record may wait for others, to share their fsync."""

    AT_ONCE = "at_once"  # something must not happen before it is durable
    WITH_THE_NEXT = "with_the_next"  # it has happened: with the next record in a hurry, or after ``LINGER_SECONDS``


class Pending:
    """A record that someone waits for, in one event loop. ``future``: that it is durable, or the reason why it is not,
    whichever is known first.
    """

    __slots__ = ("_metrics", "future", "halves", "if_refused", "loop")

    def __init__(
        self, halves: Halves, if_refused: IfRefused, loop: asyncio.AbstractEventLoop, metrics: Metrics
    ) -> None:
        self.halves = halves
        self.if_refused = if_refused
        self.loop = loop
        self.future: asyncio.Future[None] = loop.create_future()
        self._metrics = metrics

    def settle(self, refusal: str | None) -> None:
        """Tell whoever waits, once, in the loop; later words count for nothing, nor where the caller was cancelled."""
        if self.future.done():
            return
        if refusal is None:
            self.future.set_result(None)
            return
        self._metrics.audit_failures.inc()
        self.future.set_exception(AuditUnavailable(refusal))


Rolled = Callable[[int | None], object]
"""Is told, in any thread, which segment was begun; None where none could be."""


class Writer(Protocol):
    """Opens a log and writes to it until it is closed. ``size``: how many records are durable."""

    @property
    def size(self) -> int: ...

    async def open(self, known: Sequence[Answer]) -> Sequence[Event]:
        """Lock and verify the log; return what its next records must say. Raises ConfigError, AuditUnavailable."""

    def submit(self, records: Sequence[Pending], haste: Haste) -> int:
        """Queue records, and return how many were taken: there may be room for the first of them only.

        Called in the loop in which they are waited for. Raises AuditUnavailable when they could never be written.
        """

    def is_sound(self, patience_seconds: float) -> bool:
        """Whether records are being written, and the disk answers within the patience given."""

    def roll(self, told: Rolled) -> None:
        """Close the segment that is written to, and begin another. Raises AuditUnavailable."""

    def unwatch(self, number: int, told: Callable[[], object]) -> None:
        """Look after a segment no more, as it is about to be dropped. Raises AuditUnavailable."""

    def close(self, on_closed: Callable[[], object]) -> None:
        """Write what waits, end, then call back from any thread. Does not block."""


class ThreadWriter:
    """A thread of this process; records may come from any event loop.

    ``on_broken`` is called in the thread if a fault of our own ends it.
    """

    def __init__(
        self,
        settings: AuditSettings,
        keys: LogKeys,
        metrics: Metrics,
        clock: Callable[[], datetime],
        on_broken: Callable[[], object],
    ) -> None:
        self._settings = settings
        self._keys = keys
        self._metrics = metrics
        self._clock = clock
        self._scribe: Scribe | None = None
        self._tasks: deque[Callable[[Scribe], object]] = deque()
        self._pending: deque[Pending] = deque()
        self._in_hand: list[Pending] = []
        self._counted = 0
        self._closing = False
        self._pressed = False  # somebody waits for what is queued
        self._lingering = False  # a timer of a loop will see to what is queued
        self._at_end = on_broken
        self._busy_since: float | None = None
        self._wake = threading.Condition()

    @property
    def size(self) -> int:
        return self._scribe.size if self._scribe else 0

    async def open(self, known: Sequence[Answer]) -> Sequence[Event]:
        begun = await asyncio.to_thread(begin, self._settings, self._keys, known, self._clock)
        self._scribe = begun.scribe
        self._report(begun.scribe)
        threading.Thread(target=self._run, args=(begun.scribe,), name="audit-log", daemon=True).start()
        return begun.events

    def submit(self, records: Sequence[Pending], haste: Haste) -> int:
        with self._wake:
            self._require_open()
            room = self._settings.rhythm.pending_limit - len(self._pending)
            taken = records if len(records) <= room else records[: max(0, room)]
            self._pending.extend(taken)
            if haste is Haste.AT_ONCE or len(self._pending) >= BATCH_LIMIT:
                self._hurry()
            elif not self._pressed and not self._lingering:
                self._lingering = True
                records[0].loop.call_later(LINGER_SECONDS, self._linger_no_more)
            return len(taken)

    def _linger_no_more(self) -> None:
        with self._wake:
            self._lingering = False
            if self._pending:
                self._hurry()

    def _hurry(self) -> None:
        if not self._pressed:
            self._pressed = True
            self._wake.notify()

    def is_sound(self, patience_seconds: float) -> bool:
        busy_since = self._busy_since
        is_prompt = busy_since is None or monotonic() - busy_since < patience_seconds
        return self._scribe is not None and self._scribe.state is State.SOUND and is_prompt

    def roll(self, told: Rolled) -> None:
        self._between(lambda scribe: told(scribe.roll()))

    def unwatch(self, number: int, told: Callable[[], object]) -> None:
        def unwatch(scribe: Scribe) -> None:
            scribe.unwatch(number)
            told()

        self._between(unwatch)

    def _between(self, task: Callable[[Scribe], object]) -> None:
        """Have something done between two batches. It must not raise."""
        with self._wake:
            self._require_open()
            self._tasks.append(task)
            self._wake.notify()

    def close(self, on_closed: Callable[[], object]) -> None:
        with self._wake:
            self._closing = True
            self._at_end = on_closed
            self._wake.notify()

    def _require_open(self) -> None:
        if self._closing or self._scribe is None or self._scribe.state in (State.LOST, State.ENDED):
            raise AuditUnavailable(CLOSED)

    def _run(self, scribe: Scribe) -> None:
        try:
            while (batch := self._take(scribe)) is not None:
                self._in_hand = batch
                self._busy_since = monotonic()
                while self._tasks:
                    self._tasks.popleft()(scribe)
                refusal = scribe.write([(one.halves, one.if_refused) for one in batch])
                self._report(scribe)
                _settle(batch, refusal)
                self._busy_since = None
        finally:
            # Also reached when a fault of our own ends the thread: nobody may wait for ever, and nothing may pass.
            with self._wake:
                self._closing = True
                left, self._pending = list(self._pending), deque()
            try:
                scribe.close()
            finally:
                self._report(scribe)
                _settle([*self._in_hand, *left], CLOSED)  # those in hand have their answer, but for such a fault
                self._at_end()

    def _take(self, scribe: Scribe) -> list[Pending] | None:
        """Wait for work. An empty list means it is time to look after the file; None, that all is done."""
        with self._wake:
            if not self._pressed and not self._closing and not self._tasks:
                self._wake.wait(scribe.patience_seconds)
            if self._closing and not self._pending:
                return None
            batch = [self._pending.popleft() for _ in range(min(BATCH_LIMIT, len(self._pending)))]
            self._pressed = bool(self._pending)  # what is left filled a batch, so it has waited long enough
            return batch

    def _report(self, scribe: Scribe) -> None:
        self._metrics.audit_records.inc(scribe.written - self._counted)
        self._counted = scribe.written
        self._metrics.audit_healthy.set(scribe.state is State.SOUND)


def _settle(batch: list[Pending], refusal: str | None) -> None:
    """Tell those who wait, with one call for each event loop."""
    for loop in {one.loop for one in batch}:
        theirs = [one for one in batch if one.loop is loop]
        try:
            loop.call_soon_threadsafe(_tell, theirs, refusal)
        except RuntimeError:  # the loop is closed: nobody waits
            continue


def _tell(settled: list[Pending], refusal: str | None) -> None:
    for one in settled:
        one.settle(refusal)
