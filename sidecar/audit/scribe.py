"""Writes batches of records, whatever the disk does, and says of each batch whether it is durable. Edge; blocking.

States: *sound* (all is well), *troubled* (the last append failed; each further one, and an idle retry, starts with a
record of how many were refused), *lost* (the file is not ours any more; only a restart, after a person has looked,
ends this), *ended*. An outcome that can't be written is kept in memory for the retry, because what it tells has
happened. Used by one thread.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from time import monotonic

from sidecar.audit.appender import Appender
from sidecar.audit.fields import Halves, halves_of
from sidecar.audit.file import LogTampered
from sidecar.audit.keyring import KeyProviderUnavailable
from sidecar.audit.leaf import instant
from sidecar.audit.record import Action, Event
from sidecar.errors import AuditUnavailable, KeyMaterialError

logger = logging.getLogger(__name__)

RETRY_SECONDS = 1.0
BATCH_LIMIT = 512
TAMPERED = "the audit log was tampered with"
UNWRITABLE = "the audit log can't be written"
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


Due = tuple[Halves, IfRefused]
"""A record that is to be written."""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How much may wait, how often an idle log is looked after (A8), and how long it may be silent (A14)."""

    pending_limit: int = 10_000
    check_seconds: float = 5.0
    heartbeat_seconds: float = 60.0


class Scribe:
    """``written`` counts durable records since the start; ``state`` says how things are."""

    def __init__(self, appender: Appender, clock: Callable[[], datetime], rhythm: Rhythm) -> None:
        self.state = State.SOUND
        self.written = 0
        self._appender = appender
        self._clock = clock
        self._rhythm = rhythm
        self._tended_at = self._written_at = monotonic()
        self._kept: deque[Halves] = deque(maxlen=rhythm.pending_limit)
        self._refused = 0
        self._stepped = False

    @property
    def patience_seconds(self) -> float:
        """After how long without a record ``write`` wants to be called with none."""
        return self._rhythm.check_seconds if self.state is State.SOUND else RETRY_SECONDS

    @property
    def size(self) -> int:
        """How many records the log holds."""
        return self._appender.head.size

    def write(self, batch: Sequence[Due]) -> str | None:
        """Make a batch durable, in order. Return None, or why it was refused. Looks after the files now and then."""
        if self.state is State.LOST:
            return self._refuse(batch, TAMPERED)
        try:
            self._tend()
            if batch or self.state is State.TROUBLED:
                self._commit([halves for halves, _ in batch])
        except LogTampered as tampered:
            logger.critical("audit log: %s; every exchange is refused until a restart", tampered)
            self.state = State.LOST
            return self._refuse(batch, TAMPERED)
        except OSError as error:
            return self._stumble(batch, os.strerror(error.errno or 0))
        except (KeyProviderUnavailable, KeyMaterialError, AuditUnavailable) as error:
            return self._stumble(batch, str(error))
        return None

    def roll(self) -> int | None:
        """Have all records so far in segments that are closed; return the number of the one that follows, or None."""
        if self.state is State.LOST:
            return None
        try:
            self._appender.roll()
        except (OSError, LogTampered, KeyProviderUnavailable, KeyMaterialError):
            return None
        return self._appender.head.segment

    def unwatch(self, number: int) -> None:
        """A segment is about to be dropped, by us."""
        self._appender.unwatch(number)

    def close(self) -> None:
        """Say what is still to be said, and end the log with a checkpoint. A log that is not ours is not touched."""
        if self.state is State.TROUBLED:
            self.write([])  # a last chance for the outcomes kept in memory
        was_lost, self.state = self.state is State.LOST, State.ENDED
        if was_lost:
            self._appender.abandon()
            return
        try:
            self._appender.close()
        except (OSError, LogTampered):
            logger.warning("audit log: closed without a checkpoint over its last records")

    def _stumble(self, batch: Sequence[Due], cause: str) -> str:
        if self.state is State.SOUND:
            logger.error("audit log: can't be written (%s); exchanges are refused", cause)
        self.state = State.TROUBLED
        return self._refuse(batch, UNWRITABLE)

    def _tend(self) -> None:
        """From time to time look after all files. A silent log says that it is alive."""
        now = monotonic()
        if now - self._tended_at >= self._rhythm.check_seconds:
            self._tended_at = now
            self._appender.tend()
            if self.state is State.SOUND and now - self._written_at >= self._rhythm.heartbeat_seconds:
                self._commit([halves_of(Event(Action.HEARTBEAT))])

    def _commit(self, batch: Sequence[Halves]) -> None:
        """Append the batch, after what has to be said first."""
        moment = self._clock()
        now = instant(moment)
        told = [*self._notices(moment, now), *self._kept]
        self._appender.append([*told, *batch], now)
        self._written_at = monotonic()
        self._kept.clear()
        self._refused = 0
        self._stepped = now < self._appender.head.time
        if self.state is State.TROUBLED:
            logger.warning("audit log: written again")
            self.state = State.SOUND
        self.written += len(told) + len(batch)

    def _notices(self, moment: datetime, now: str) -> list[Halves]:
        notices = []
        if self.state is State.TROUBLED:
            notices.append(Event(Action.LOG_RECOVERED, reason="write_failed", count=self._refused))
        last = self._appender.head.time
        if last and not self._stepped and now < last:
            step = datetime.fromisoformat(last) - moment
            if step > STEP_TOLERATED:
                notices.append(Event(Action.CLOCK_STEPPED_BACK, count=int(step.total_seconds())))
        return [halves_of(one) for one in notices]

    def _refuse(self, batch: Sequence[Due], why: str) -> str:
        kept = [halves for halves, if_refused in batch if if_refused is IfRefused.KEEP]
        # What finds no room leaves its intent without an outcome.
        overflow = max(0, len(self._kept) + len(kept) - self._rhythm.pending_limit)
        self._refused += len(batch) - len(kept) + overflow
        self._kept.extend(kept)
        return why
