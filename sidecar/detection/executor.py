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
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from sidecar.detection.backlog import Backlog
from sidecar.detection.recognizer import Message
from sidecar.detection.waiting import Answer, Job, WaitingJobs
from sidecar.detection.worker import DetectorRecipe
from sidecar.detection.worker_process import Retired, WorkerProcess
from sidecar.errors import ConfigError, DetectionFailed, DetectionFault, Problem
from sidecar.metrics import Metrics

_log = logging.getLogger(__name__)

_SHORTEST_PAUSE_S = 0.5
_QUEUED_PER_WORKER = 3
_LONGEST_PAUSE_S = 30.0
_NONE_RUNS = "no detection worker is running"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ExecutorLimits:
    """``budget_s`` is for one batch: at most 32 messages, or one long one. ``max_pending`` counts waiting batches.

    ``max_wait_s``: how long a caller waits behind others at most.

    ``renew_characters``: after so much text a worker makes room for a fresh one (D15). spaCy gives back what it
    learnt of words (``memory_zone``), but not the hash tables that held it: about 25 MB for a million words.
    """

    workers: int = 1
    budget_s: float = 10.0
    start_s: float = 60.0
    max_pending: int = 256
    max_wait_s: float = 10.0
    renew_characters: int = 5_000_000


class DetectionExecutor:
    """A pool of detection workers. ``start`` before use; ``stop`` when done."""

    def __init__(self, recipe: DetectorRecipe, metrics: Metrics, limits: ExecutorLimits | None = None) -> None:
        self._recipe = recipe
        self._limits = limits or ExecutorLimits()
        self._restarts = metrics.detection_restarts
        self._metrics = metrics
        self._workers: list[WorkerProcess] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._threads: ThreadPoolExecutor | None = None
        self._backlog = Backlog(self._limits.workers, self._limits.max_wait_s, self._limits.max_pending)
        self._waiting = WaitingJobs(self._backlog, metrics)
        self._starting: list[WorkerProcess] = []
        self._renewal: asyncio.Task[None] | None = None
        self._reloading = asyncio.Lock()
        self._reloaded = asyncio.Event()
        self._broken: set[int] = set()  # places whose worker could not be replaced so far
        self._version = ""

    @property
    def version(self) -> str:
        """The version of the workers' detector; empty before ``start``."""
        return self._version

    @property
    def healthy(self) -> bool:
        """Whether any worker runs or is being replaced without trouble."""
        return bool(self._tasks) and len(self._broken) < len(self._tasks)

    @property
    def is_full(self) -> bool:
        """Whether more would be turned away now."""
        return self._backlog.is_full

    async def start(self) -> None:
        """Start all workers and wait until each has loaded. Raises ``ConfigError`` if one can't."""
        count = self._limits.workers
        self._waiting = WaitingJobs(self._backlog, self._metrics)
        self._reloading, self._reloaded = asyncio.Lock(), asyncio.Event()
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="detection")
        self._workers = [self._new_worker() for _ in range(count)]
        atexit.register(self._kill_all)  # before multiprocessing's own, which waits for children for ever
        try:
            await self._start_all(self._workers, self._off_loop)
        except BaseException:
            await self.stop()
            raise
        self._version = self._workers[0].version
        self._tasks = [asyncio.create_task(self._work(index)) for index in range(count)]

    async def _start_all(self, workers: Sequence[WorkerProcess], run: Callable[..., Awaitable[None]]) -> None:
        starts = await asyncio.gather(*(run(worker.start) for worker in workers), return_exceptions=True)
        for outcome in starts:
            if isinstance(outcome, BaseException):
                raise outcome
        for worker in workers:
            _require_version(worker, workers[0].version)

    async def stop(self) -> None:
        """End all workers. Detections under way fail as crashed. Safe to call twice."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        self._kill_all()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._renewal is not None:
            await self._renewal
        self._waiting.fail_all("stopping")
        threads, self._threads = self._threads, None
        if threads is not None:
            await asyncio.to_thread(threads.shutdown)
        await asyncio.gather(*(asyncio.to_thread(worker.close) for worker in self._workers))
        self._workers = []
        atexit.unregister(self._kill_all)

    async def reload(self, recipe: DetectorRecipe | None = None) -> None:
        """Read model, catalogue and settings anew, without a gap: new workers are ready before the old ones end.

        ``recipe``: what to build from now on, if that is something else. Raises ``ConfigError`` if it can't be used;
        then the old workers, and what they read, stay in force.
        """
        async with self._reloading:
            recipe = recipe or self._recipe
            fresh = self._starting = [self._new_worker(recipe) for _ in self._tasks]
            try:
                await self._start_all(fresh, asyncio.to_thread)
            except BaseException:
                await asyncio.gather(*(asyncio.to_thread(worker.close) for worker in fresh))
                raise
            finally:
                self._starting = []
            if self._tasks:  # else it was stopped meanwhile
                self._version = fresh[0].version
                self._recipe = recipe
                fresh, self._workers = self._workers, fresh
                self._broken.clear()
                self._reloaded.set()
                self._reloaded = asyncio.Event()
            await asyncio.gather(*(asyncio.to_thread(worker.retire) for worker in fresh))

    async def detect(self, messages: Sequence[Message]) -> Answer:
        """Return sorted disjoint spans for each message, in order. Raises ``DetectionFailed``, with no partial answer.

        A cancelled caller leaves at once; a batch that a worker is busy with is finished (or runs out of time) and its
        answer is thrown away.
        """
        if not self.healthy:
            raise DetectionFailed(DetectionFault.CRASHED, _NONE_RUNS)
        window = _QUEUED_PER_WORKER * max(1, len(self._tasks))
        jobs = self._waiting.admit(messages, len(self._tasks), window)
        try:
            return await self._answers(jobs, window)
        finally:
            for job in jobs:
                job.answer.cancel()  # what is still queued is not wanted any more
                if not job.answer.cancelled():
                    job.answer.exception()  # one failure is told; the others are not to be complained about

    async def _answers(self, jobs: Sequence[Job], window: int) -> Answer:
        """Queue few batches at a time: between those of a long conversation other callers get their turn."""
        found: Answer = []
        for index in range(min(window, len(jobs))):
            self._waiting.submit(jobs[index])
        for index, job in enumerate(jobs):
            found += await job.answer
            if index + window < len(jobs):
                self._waiting.submit(jobs[index + window])
        return found

    async def _work(self, index: int) -> None:
        while True:
            job = await self._waiting.take()
            worker = self._workers[index]
            try:
                answer = await self._timed(worker, job)
            except Retired:
                self._waiting.put_back(job)
                continue
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
            if worker.characters >= self._limits.renew_characters and (self._renewal is None or self._renewal.done()):
                self._renewal = asyncio.create_task(self._renew(index, worker))

    async def _renew(self, index: int, old: WorkerProcess) -> None:
        """Put a fresh worker in the place of one that has read much. If there can be none, the old one goes on."""
        async with self._reloading:
            fresh = self._new_worker()
            self._starting = [fresh]
            try:
                await asyncio.to_thread(fresh.start)
                _require_version(fresh, self._version)
            except ConfigError as error:
                _log.warning("a detection worker can't be renewed: %s", error)
                old.characters = 0
            else:
                if self._tasks and self._workers[index] is old:
                    self._workers[index], fresh = fresh, old
            finally:
                self._starting = []
            await asyncio.to_thread(fresh.retire)

    async def _timed(self, worker: WorkerProcess, job: Job) -> Answer:
        loop = asyncio.get_running_loop()
        began, read_s = loop.time(), None
        timer = loop.call_later(self._limits.budget_s, worker.expire)
        try:
            answer = await self._off_loop(worker.exchange, job.messages)
            read_s = loop.time() - began
            return answer
        finally:
            timer.cancel()
            self._waiting.put_down(job, read_s)

    async def _replace(self, index: int) -> None:
        """Put a new worker in the place of a dead one; keep trying, ever more slowly, until that or a reload did it."""
        self._restarts.inc()
        place = self._workers
        await self._off_loop(place[index].close)
        pause_s = _SHORTEST_PAUSE_S
        while place is self._workers:
            place[index] = worker = self._new_worker()
            try:
                await self._off_loop(worker.start)
                _require_version(worker, self._version)
            except ConfigError as error:
                await self._off_loop(worker.close)
                if place is self._workers:
                    self._give_up(index, error)
                    await self._pause(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
                continue
            if place is self._workers:
                self._broken.discard(index)
            return

    def _give_up(self, index: int, error: ConfigError) -> None:
        """Note a place without a worker. If no other is left, nobody will answer what waits."""
        _log.error("a detection worker can't be replaced: %s", error)
        self._broken.add(index)
        if not self.healthy:
            self._waiting.fail_all(_NONE_RUNS)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._reloaded.wait(), seconds)

    def _new_worker(self, recipe: DetectorRecipe | None = None) -> WorkerProcess:
        return WorkerProcess(recipe or self._recipe, self._limits.start_s, self._limits.budget_s)

    async def _off_loop(self, call: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call, *arguments)

    def _kill_all(self) -> None:
        for worker in (*self._workers, *self._starting):
            worker.kill()


def _require_version(worker: WorkerProcess, version: str) -> None:
    """Refuse a worker that would answer differently from the others (D13)."""
    if worker.version != version:
        problem = Problem(
            "detection", "model, catalogue or settings changed on disk while running", "Restart the sidecar"
        )
        raise ConfigError((problem,))
