"""The thread that writes the log: it gathers what is waiting, and has it made durable with one fsync. Edge.

States: *sound* (all is well), *troubled* (the last append failed; each further one, and an idle retry, starts with a
record of how many were refused), *lost* (the file is not ours any more; only a restart, after a person has looked,
ends this). An outcome that can't be written is kept in memory for the retry, because what it tells has happened.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from time import monotonic

from sidecar.audit.appender import Appender
from sidecar.audit.fields import Parts, parts_of
from sidecar.audit.file import LogTampered
from sidecar.audit.keyring import KeyProviderUnavailable
from sidecar.audit.leaf import instant
from sidecar.audit.record import Action, Event
from sidecar.errors import AuditUnavailable, KeyMaterialError
from sidecar.metrics import Metrics

logger = logging.getLogger(__name__)

RETRY_SECONDS = 1.0
LINGER_SECONDS = 0.02
BATCH_LIMIT = 512
CLOSED = "the audit log is closed"
TAMPERED = "the audit log was tampered with"
STEP_TOLERATED = timedelta(seconds=1)


class State(Enum):
    SOUND = "sound"
    TROUBLED = "troubled"
    LOST = "lost"
    ENDED = "ended"


class IfRefused(Enum):
    """What becomes of a record that can't be written now."""

    DROP = "drop"  # nothing has happened yet
    KEEP = "keep"


class Haste(Enum):
    """How long a record may wait for others, to share their fsync."""

    AT_ONCE = "at_once"  # something must not happen before it is durable
    WITH_THE_NEXT = "with_the_next"  # it has happened: with the next record in a hurry, or after ``LINGER_SECONDS``


@dataclass(frozen=True, slots=True)
class Pending:
    """A record that someone waits for. ``settle`` is called in the loop: with None when it is durable, else why not."""

    parts: Parts
    if_refused: IfRefused
    loop: asyncio.AbstractEventLoop = field(repr=False)
    settle: Callable[[str | None], None] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How much may wait, how often an idle log is looked after (A8), and how long it may be silent (A14)."""

    pending_limit: int = 10_000
    check_seconds: float = 5.0
    heartbeat_seconds: float = 60.0


class LogWriter:
    """Runs in one thread of its own; ``submit`` and ``close`` may be called from any."""

    def __init__(
        self,
        appender: Appender,
        metrics: Metrics,
        clock: Callable[[], datetime],
        rhythm: Rhythm,
    ) -> None:
        self._appender = appender
        self._metrics = metrics
        self._clock = clock
        self._pending_limit = rhythm.pending_limit
        self._check_seconds = rhythm.check_seconds
        self._heartbeat_seconds = rhythm.heartbeat_seconds
        self._tasks: deque[Callable[[], None]] = deque()
        self._tended_at = self._written_at = monotonic()
        self._pending: deque[Pending] = deque()
        self._in_hand: list[Pending] = []
        self._kept: deque[Parts] = deque(maxlen=rhythm.pending_limit)
        self._refused = 0
        self._stepped = False
        self._closing = False
        self._pressed = False  # somebody waits for what is queued
        self._lingering = False  # a timer of a loop will see to what is queued
        self._on_closed: Callable[[], object] = _nothing
        self._state = State.SOUND
        self._busy_since: float | None = None
        self._wake = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="audit-log", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def submit(self, records: Sequence[Pending], haste: Haste) -> int:
        """Queue records, and return how many were taken: there may be room for the first of them only.

        Called in the loop in which they are waited for. Raises AuditUnavailable when they could never be written.
        """
        with self._wake:
            if self._closing or self._state in (State.LOST, State.ENDED):
                raise AuditUnavailable(CLOSED)
            room = self._pending_limit - len(self._pending)
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
        """Whether records are being written, and the disk answers within the patience given."""
        busy_since = self._busy_since
        return self._state is State.SOUND and (busy_since is None or monotonic() - busy_since < patience_seconds)

    def run(self, task: Callable[[], None]) -> None:
        """Have something done in the writing thread, between two batches. It must not raise."""
        with self._wake:
            if self._closing or self._state in (State.LOST, State.ENDED):
                raise AuditUnavailable(CLOSED)
            self._tasks.append(task)
            self._wake.notify()

    def close(self, on_closed: Callable[[], object]) -> None:
        """Write what waits, end the thread, then call back from it. Does not block."""
        with self._wake:
            self._closing = True
            self._on_closed = on_closed
            self._wake.notify()

    def _run(self) -> None:
        try:
            while (batch := self._take()) is not None:
                self._in_hand = batch
                self._busy_since = monotonic()
                self._attempt(batch)
                self._busy_since = None
            if self._state is State.TROUBLED:
                self._attempt([])  # a last chance for the outcomes kept in memory
        finally:
            # Also reached when a fault of our own ends the thread: nobody may wait for ever, and nothing may pass.
            with self._wake:
                was_lost = self._state is State.LOST
                self._set_state(State.ENDED)
                left, self._pending = list(self._pending), deque()
            if was_lost:
                self._appender.abandon()
            else:
                self._let_go()
            self._settle([*self._in_hand, *left], CLOSED)  # those in hand have their answer, but for such a fault
            self._on_closed()

    def _let_go(self) -> None:
        """End the log with a checkpoint; where that can't be, the records stand all the same."""
        try:
            self._appender.close()
        except (OSError, LogTampered):
            logger.warning("audit log: closed without a checkpoint over its last records")

    def _take(self) -> list[Pending] | None:
        """Wait for work. An empty list means it is time to look after the file; None, that all is done."""
        patience = self._check_seconds if self._state is State.SOUND else RETRY_SECONDS
        with self._wake:
            if not self._pressed and not self._closing and not self._tasks:
                self._wake.wait(patience)
            if self._closing and not self._pending:
                return None
            batch = [self._pending.popleft() for _ in range(min(BATCH_LIMIT, len(self._pending)))]
            self._pressed = bool(self._pending)  # what is left filled a batch, so it has waited long enough
            return batch

    def _attempt(self, batch: list[Pending]) -> None:
        if self._state is State.LOST:
            self._refuse(batch, TAMPERED)
            return
        try:
            self._tend()
            if batch or self._state is State.TROUBLED:
                self._commit([one.parts for one in batch])
        except LogTampered as tampered:
            logger.critical("audit log: %s; every exchange is refused until a restart", tampered)
            self._set_state(State.LOST)
            self._refuse(batch, TAMPERED)
        except OSError as error:
            self._stumble(batch, os.strerror(error.errno or 0))
        except (KeyProviderUnavailable, KeyMaterialError, AuditUnavailable) as error:
            self._stumble(batch, str(error))
        else:
            self._settle(batch, None)

    def _stumble(self, batch: list[Pending], cause: str) -> None:
        if self._state is State.SOUND:
            logger.error("audit log: can't be written (%s); exchanges are refused", cause)
        self._set_state(State.TROUBLED)
        self._refuse(batch, "the audit log can't be written")

    def _tend(self) -> None:
        """Do what is asked for, and from time to time look after all files. A silent log says that it is alive."""
        while self._tasks:
            self._tasks.popleft()()
        now = monotonic()
        if now - self._tended_at >= self._check_seconds:
            self._tended_at = now
            self._appender.tend()
            if self._state is State.SOUND and now - self._written_at >= self._heartbeat_seconds:
                self._commit([parts_of(Event(Action.HEARTBEAT))])

    def _commit(self, batch: Sequence[Parts]) -> None:
        """Append the batch, after what has to be said first."""
        moment = self._clock()
        told = [*self._notices(moment), *self._kept]
        now = instant(moment)
        self._appender.append([*told, *batch], now)
        self._written_at = monotonic()
        self._kept.clear()
        self._refused = 0
        self._stepped = now < self._appender.head.time
        if self._state is State.TROUBLED:
            logger.warning("audit log: written again")
            self._set_state(State.SOUND)
        self._metrics.audit_records.inc(len(told) + len(batch))

    def _notices(self, moment: datetime) -> list[Parts]:
        notices = []
        if self._state is State.TROUBLED:
            notices.append(Event(Action.LOG_RECOVERED, reason="write_failed", count=self._refused))
        last = self._appender.head.time
        if last and not self._stepped and instant(moment) < last:
            step = datetime.fromisoformat(last) - moment
            if step > STEP_TOLERATED:
                notices.append(Event(Action.CLOCK_STEPPED_BACK, count=int(step.total_seconds())))
        return [parts_of(one) for one in notices]

    def _refuse(self, batch: list[Pending], why: str) -> None:
        kept = [one.parts for one in batch if one.if_refused is IfRefused.KEEP]
        overflow = max(0, len(self._kept) + len(kept) - self._pending_limit)  # their intents stay without outcome
        self._refused += len(batch) - len(kept) + overflow
        self._kept.extend(kept)
        self._settle(batch, why)

    def _settle(self, batch: list[Pending], refusal: str | None) -> None:
        """Tell those who wait, with one call for each event loop."""
        for loop in {one.loop for one in batch}:
            settles = [one.settle for one in batch if one.loop is loop]
            try:
                loop.call_soon_threadsafe(_tell, settles, refusal)
            except RuntimeError:  # the loop is closed: nobody waits
                continue

    def _set_state(self, state: State) -> None:
        self._state = state
        self._metrics.audit_healthy.set(state is State.SOUND)


def _nothing() -> None:
    pass


def _tell(settles: list[Callable[[str | None], None]], refusal: str | None) -> None:
    for settle in settles:
        settle(refusal)
