"""Runs detection in worker processes, so that the event loop is never blocked and a stuck detection can be ended (D14).

One task and one thread belong to each worker. The thread does the blocking pipe I/O; the task hands it one batch at a
time, with a timer of the event loop beside it that kills the worker when the batch is overdue. A worker that was killed
or died is replaced before its task takes the next batch. A batch is never tried twice: what ended one worker would
end the next.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sidecar.detection.recognizer import Message
from sidecar.detection.span import Span
from sidecar.detection.worker import DetectorRecipe
from sidecar.detection.worker_process import WorkerProcess
from sidecar.errors import ConfigError, DetectionFailed, DetectionFault, Problem
from sidecar.metrics import Metrics

_log = logging.getLogger(__name__)

_BATCH_MESSAGES = 32
_BATCH_CHARACTERS = 8_000
_LONGEST_PAUSE_S = 30.0

T = TypeVar("T")
Answer = list[tuple[Span, ...]]


@dataclass(frozen=True, slots=True)
class ExecutorLimits:
    """``budget_s`` is for one batch: at most 32 messages, or one long one. ``max_pending`` counts waiting batches."""

    workers: int = 1
    budget_s: float = 10.0
    start_s: float = 60.0
    max_pending: int = 256


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    messages: list[Message] = field(repr=False)
    answer: asyncio.Future[Answer] = field(repr=False)

    def fail(self, failure: DetectionFailed) -> None:
        if not self.answer.done():
            self.answer.set_exception(failure)


class DetectionExecutor:
    """A pool of detection workers. ``start`` before use; ``stop`` when done."""

    def __init__(self, recipe: DetectorRecipe, metrics: Metrics, limits: ExecutorLimits | None = None) -> None:
        self._recipe = recipe
        self._limits = limits or ExecutorLimits()
        self._restarts = metrics.detection_restarts
        self._workers: list[WorkerProcess] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._threads: ThreadPoolExecutor | None = None
        self._queue: asyncio.Queue[_Job] = asyncio.Queue()
        self._pending = 0
        self._broken = 0
        self._version = ""

    @property
    def version(self) -> str:
        """The version of the workers' detector; empty before ``start``."""
        return self._version

    @property
    def healthy(self) -> bool:
        """Whether any worker runs or is being replaced without trouble."""
        return bool(self._tasks) and self._broken < len(self._workers)

    async def start(self) -> None:
        """Start all workers and wait until each has loaded. Raises ``ConfigError`` if one can't."""
        limits = self._limits
        self._queue = asyncio.Queue()
        self._threads = ThreadPoolExecutor(limits.workers, thread_name_prefix="detection")
        self._workers = [WorkerProcess(self._recipe, limits.start_s, limits.budget_s) for _ in range(limits.workers)]
        atexit.register(self._kill_all)  # before multiprocessing's own, which waits for children for ever
        starts = await asyncio.gather(
            *(self._off_loop(worker.start) for worker in self._workers), return_exceptions=True
        )
        failures = [outcome for outcome in starts if isinstance(outcome, BaseException)]
        if failures:
            await self.stop()
            raise failures[0]
        self._version = self._workers[0].version
        self._tasks = [asyncio.create_task(self._work(index)) for index in range(limits.workers)]

    async def stop(self) -> None:
        """End all workers. Detections under way fail as crashed. Safe to call twice."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        self._kill_all()
        await asyncio.gather(*tasks, return_exceptions=True)
        while not self._queue.empty():
            self._queue.get_nowait().fail(DetectionFailed(DetectionFault.CRASHED, "stopping"))
        threads, self._threads = self._threads, None
        if threads is not None:
            await asyncio.to_thread(threads.shutdown)
        await asyncio.gather(*(asyncio.to_thread(worker.close) for worker in self._workers))
        self._workers = []
        atexit.unregister(self._kill_all)

    async def detect(self, messages: Sequence[Message]) -> Answer:
        """Return sorted disjoint spans for each message, in order. Raises ``DetectionFailed``, with no partial answer.

        A cancelled caller leaves at once; a batch that a worker is busy with is finished (or runs out of time) and its
        answer is thrown away.
        """
        if not self.healthy:
            raise DetectionFailed(DetectionFault.CRASHED, "no detection worker is running")
        loop = asyncio.get_running_loop()
        jobs = [_Job(batch, loop.create_future()) for batch in batches(messages, self._limits.workers)]
        if self._pending and self._pending + len(jobs) > self._limits.max_pending:
            raise DetectionFailed(DetectionFault.OVERLOADED, "too many detections are waiting")
        for job in jobs:
            self._pending += 1
            job.answer.add_done_callback(self._ended)
            self._queue.put_nowait(job)
        try:
            answers = await asyncio.gather(*(job.answer for job in jobs))
        finally:
            for job in jobs:
                job.answer.cancel()  # what is still queued is not wanted any more
        return [spans for answer in answers for spans in answer]

    def _ended(self, _: asyncio.Future[Answer]) -> None:
        self._pending -= 1

    async def _work(self, index: int) -> None:
        while True:
            job = await self._queue.get()
            if job.answer.done():
                continue
            worker = self._workers[index]
            try:
                answer = await self._timed(worker, job.messages)
            except DetectionFailed as failure:
                job.fail(failure)
                if not worker.usable:
                    await self._replace(index)
                continue
            except asyncio.CancelledError:
                job.fail(DetectionFailed(DetectionFault.CRASHED, "stopping"))
                raise
            if not job.answer.done():
                job.answer.set_result(answer)

    async def _timed(self, worker: WorkerProcess, messages: list[Message]) -> Answer:
        timer = asyncio.get_running_loop().call_later(self._limits.budget_s, worker.expire)
        try:
            return await self._off_loop(worker.exchange, messages)
        finally:
            timer.cancel()

    async def _replace(self, index: int) -> None:
        """Put a new worker in the place of a dead one; keep trying, ever more slowly, while that fails."""
        self._restarts.inc()
        await self._off_loop(self._workers[index].close)
        pause_s = 0.0
        while True:
            worker = WorkerProcess(self._recipe, self._limits.start_s, self._limits.budget_s)
            self._workers[index] = worker
            try:
                await self._off_loop(worker.start)
                _require_version(worker, self._version)
            except ConfigError as error:
                _log.error("a detection worker can't be replaced: %s", error)
                worker.kill()
                self._broken += pause_s == 0.0
                pause_s = min(2 * pause_s or 0.5, _LONGEST_PAUSE_S)
                self._fail_waiting()
                await asyncio.sleep(pause_s)
                continue
            self._broken -= pause_s > 0.0
            return

    def _fail_waiting(self) -> None:
        """If no worker is left, nobody will answer what waits."""
        while self._broken == len(self._workers) and not self._queue.empty():
            self._queue.get_nowait().fail(DetectionFailed(DetectionFault.CRASHED, "no detection worker is running"))

    async def _off_loop(self, call: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call, *arguments)

    def _kill_all(self) -> None:
        for worker in self._workers:
            worker.kill()


def _require_version(worker: WorkerProcess, version: str) -> None:
    """Refuse a worker that would answer differently from the others (D13)."""
    if worker.version != version:
        problem = Problem(
            "detection", "model, catalogue or settings changed on disk while running", "Restart the sidecar"
        )
        raise ConfigError((problem,))


def batches(messages: Sequence[Message], workers: int) -> Iterator[list[Message]]:
    """Cut messages into batches for workers: small enough for the budget, and spread over all workers."""
    most = min(_BATCH_MESSAGES, max(1, -(-len(messages) // workers)))
    batch: list[Message] = []
    characters = 0
    for message in messages:
        if batch and (len(batch) >= most or characters + len(message.text) > _BATCH_CHARACTERS):
            yield batch
            batch, characters = [], 0
        batch.append(message)
        characters += len(message.text)
    if batch:
        yield batch
