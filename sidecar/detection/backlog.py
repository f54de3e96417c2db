"""What waits for the workers of detection, how long that will take, and who is turned away. Pure.

Where more text comes than the workers can read, a queue only makes everybody late, until all run out of time. So a
caller is turned away at once where its turn would not come in time by the pace of late (``OVERLOADED``), and a batch
whose caller waited too long is not worked on any more. Whoever is let in is served about as fast as ever.

What a caller's own batches take is no overload, however long that is: only the wait behind others counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

from sidecar.detection.recognizer import Message
from sidecar.errors import DetectionFailed, DetectionFault

Clock = Callable[[], float]
"""Seconds, monotonic."""

_OF_A_MESSAGE: Final = 40  # a short message costs more than its characters
_FIRST_PACE_S: Final = 50e-6  # for a unit of weight, until it is known better
_FIRST_WEIGHT: Final = 1_000.0
_FADING: Final = 0.9
_MOST_RETRY_S: Final = 60


def weight_of(messages: Sequence[Message]) -> int:
    """Return how much work messages are, in about characters."""
    return sum(len(message.text) + _OF_A_MESSAGE for message in messages)


class Patience:
    """How long one caller can wait, and how much of that went by in the queue while nothing of its own was read."""

    def __init__(self, seconds: float, clock: Clock) -> None:
        self._seconds = seconds
        self._clock = clock
        self._until = self._since = clock()
        self._until += seconds
        self._waited_s = 0.0
        self._waiting = 0
        self._worked = 0
        self.weight = 0
        """Of its batches that wait or are worked on."""

    @property
    def left_s(self) -> float:
        return self._until - self._clock()

    @property
    def waited_s(self) -> float:
        self.count(0, 0)
        return self._waited_s

    @property
    def is_crowded_out(self) -> bool:
        """Whether it was others, more than its own work, that took its time."""
        return self.waited_s > self._seconds / 2

    def count(self, waiting: int, worked: int) -> None:
        """Take note that so many more of its batches wait now, and so many more are worked on."""
        now = self._clock()
        if self._waiting and not self._worked:
            self._waited_s += now - self._since
        self._since = now
        self._waiting += waiting
        self._worked += worked


_patience: ContextVar[Patience | None] = ContextVar("patience", default=None)


@contextmanager
def patient(patience: Patience) -> Iterator[None]:
    """Let all that is detected inside, in tasks that are begun there too, count as of one caller."""
    token = _patience.set(patience)
    try:
        yield
    finally:
        _patience.reset(token)


def patience_of_caller(clock: Clock) -> Patience:
    """Return that of the caller; one who said nothing can wait for ever."""
    return _patience.get() or Patience(math.inf, clock)


@dataclass(frozen=True, slots=True, eq=False)
class Ticket:
    """One batch's place in the backlog."""

    weight: int
    patience: Patience


class Backlog:
    """Counts batches from when they are queued until a worker is done with them.

    ``longest_wait_s``: of a caller, behind others. ``most``: batches that wait or are worked on.
    """

    def __init__(self, workers: int, longest_wait_s: float, most: int) -> None:
        self._workers = workers
        self._longest_wait_s = longest_wait_s
        self._most = most
        self._waiting: set[Ticket] = set()
        self._worked: set[Ticket] = set()
        self._weight = 0
        self._read_s = _FIRST_PACE_S * _FIRST_WEIGHT
        self._read_weight = _FIRST_WEIGHT

    def __len__(self) -> int:
        return len(self._waiting) + len(self._worked)

    @property
    def waiting(self) -> int:
        """How many batches no worker has taken."""
        return len(self._waiting)

    @property
    def is_full(self) -> bool:
        """Whether a newcomer would be turned away, however little it brings."""
        return len(self) >= self._most or self._expected_s(self._weight) > self._longest_wait_s

    def admit(self, weight: int, batches: int, patience: Patience) -> None:
        """Raise ``DetectionFailed`` (overloaded) where so much more can't be read in time.

        Where nobody else waits everything is tried: nobody but the caller suffers if it takes too long.
        """
        wait_s = self._expected_s(self._weight - patience.weight)
        room_s = min(self._longest_wait_s, max(0.0, patience.left_s - self._expected_s(weight)))
        if (len(self) and len(self) + batches > self._most) or wait_s > room_s:
            raise _overloaded("too many detections are waiting", wait_s)

    def join(self, ticket: Ticket) -> None:
        """A batch is queued, or goes back to the queue."""
        self._waiting.add(ticket)
        self._weigh(ticket, ticket.weight)
        ticket.patience.count(1, 0)

    def leave(self, ticket: Ticket) -> None:
        """A batch is not waited for any more. Does nothing for one that a worker has taken."""
        if ticket in self._waiting:
            self._waiting.remove(ticket)
            self._weigh(ticket, -ticket.weight)
            ticket.patience.count(-1, 0)

    def take(self, ticket: Ticket) -> None:
        """A worker takes a batch from the queue.

        Raises ``DetectionFailed`` (overloaded) where its caller has waited too long: then it has left instead.
        """
        patience = ticket.patience
        too_late = patience.left_s < ticket.weight * self._pace_s and patience.is_crowded_out
        if too_late or patience.waited_s > self._longest_wait_s:
            self.leave(ticket)
            raise _overloaded("waited too long", self._expected_s(self._weight))
        self._waiting.remove(ticket)
        self._worked.add(ticket)
        patience.count(-1, 1)

    def put_down(self, ticket: Ticket, read_s: float | None) -> None:
        """A worker is done with a batch; ``read_s``: what it took, where all of it was read."""
        self._worked.remove(ticket)
        self._weigh(ticket, -ticket.weight)
        ticket.patience.count(0, -1)
        if read_s is not None:
            self._read_s = self._read_s * _FADING + read_s
            self._read_weight = self._read_weight * _FADING + ticket.weight

    @property
    def _pace_s(self) -> float:
        return self._read_s / self._read_weight

    def _expected_s(self, weight: float) -> float:
        return weight * self._pace_s / self._workers

    def _weigh(self, ticket: Ticket, weight: int) -> None:
        self._weight += weight
        ticket.patience.weight += weight


def _overloaded(detail: str, wait_s: float) -> DetectionFailed:
    return DetectionFailed(DetectionFault.OVERLOADED, detail, min(_MOST_RETRY_S, math.ceil(wait_s)))
