"""The queue in front of the workers of detection: in order, and only what its caller can still use (D14)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from sidecar.detection.backlog import Backlog, Ticket, patience_of_caller, weight_of
from sidecar.detection.batches import batches
from sidecar.detection.recognizer import Message
from sidecar.detection.span import Span
from sidecar.errors import DetectionFailed, DetectionFault
from sidecar.metrics import Metrics

Answer = list[tuple[Span, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """One batch and what its caller waits for."""

    messages: list[Message] = field(repr=False)
    answer: asyncio.Future[Answer] = field(repr=False)
    ticket: Ticket = field(repr=False)

    def fail(self, failure: DetectionFailed) -> None:
        if not self.answer.done():
            self.answer.set_exception(failure)


class WaitingJobs:
    """Made within the event loop that it is used in."""

    def __init__(self, backlog: Backlog, metrics: Metrics) -> None:
        self._backlog = backlog
        self._queue: asyncio.Queue[Job] = asyncio.Queue()
        self._waiting = metrics.detection_waiting
        self._wait_seconds = metrics.detection_wait_seconds

    def admit(self, messages: Sequence[Message], workers: int, at_once: int) -> list[Job]:
        """Return a caller's batches, of which it may submit ``at_once``. Raises ``DetectionFailed`` (overloaded)."""
        loop = asyncio.get_running_loop()
        patience = patience_of_caller(loop.time)
        idle = max(1, workers - len(self._backlog))  # spreading what must wait anyway only makes it dearer
        jobs = [Job(some, loop.create_future(), Ticket(weight_of(some), patience)) for some in batches(messages, idle)]
        self._backlog.admit(sum(job.ticket.weight for job in jobs), min(len(jobs), at_once), patience)
        return jobs

    def submit(self, job: Job) -> None:
        job.answer.add_done_callback(lambda _: self._leave(job))
        self.put_back(job)

    def put_back(self, job: Job) -> None:
        """Queue a batch that nobody reads yet."""
        self._backlog.join(job.ticket)
        self._queue.put_nowait(job)
        self._waiting.set(self._backlog.waiting)

    async def take(self) -> Job:
        """Wait for a batch to read. Those that are not wanted any more, or would come too late, end here."""
        while True:
            job = await self._queue.get()
            if job.answer.done():
                self._backlog.leave(job.ticket)
                continue
            self._wait_seconds.observe(job.ticket.patience.waited_s)
            try:
                self._backlog.take(job.ticket)
            except DetectionFailed as failure:
                job.fail(failure)
                continue
            self._waiting.set(self._backlog.waiting)
            return job

    def put_down(self, job: Job, read_s: float | None) -> None:
        """A worker is done with a batch; ``read_s``: the seconds that it took, where it was read."""
        self._backlog.put_down(job.ticket, read_s)

    def fail_all(self, detail: str) -> None:
        """Nobody will answer what waits."""
        while not self._queue.empty():
            self._queue.get_nowait().fail(DetectionFailed(DetectionFault.CRASHED, detail))

    def _leave(self, job: Job) -> None:
        self._backlog.leave(job.ticket)
        self._waiting.set(self._backlog.waiting)
