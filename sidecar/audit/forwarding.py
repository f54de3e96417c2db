"""Brings every durable record to every sink, in order and without a gap, each sink at its own pace. Edge.

The backlog is the log itself: for each sink a small file says which record comes next. It moves on only after the sink
has taken a batch, so a crash repeats a batch and loses none; a sink that is down for days falls behind and catches up
(A6). No sink waits for another, and no exchange for any (A5).
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from sidecar.audit.reader import Position
from sidecar.audit.sinks.sink import Forwarded, Sink, SinkOverfull, SinkUnavailable
from sidecar.audit.source import RecordSource, SourceUnavailable
from sidecar.metrics import Metrics

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """How much goes at once, how often new records are looked for, and how failed tries are spaced."""

    batch: int = 500
    poll_seconds: float = 1.0
    retry_seconds: float = 1.0
    retry_limit_seconds: float = 60.0


class Cursor:
    """Which record a sink takes next, on disk. Blocking."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> int:
        """Return the number of the next record; 0 where nothing, or nothing sensible, is written."""
        try:
            written = json.loads(self._path.read_bytes())
        except (OSError, ValueError):
            return 0
        match written:
            case {"next": int(number)} if number >= 0:
                return number
        return 0

    def store(self, number: int) -> None:
        """Write it down; the old number stands until the new one is durable."""
        half = self._path.with_suffix(".half")
        with half.open("wb") as stream:
            stream.write(b'{"next":%d}\n' % number)
            stream.flush()
            os.fsync(stream.fileno())
        half.replace(self._path)


class Forwarding:
    """Runs between ``start`` and ``stop``, with a task for each sink."""

    def __init__(
        self,
        sinks: Sequence[Sink],
        source: RecordSource,
        folder: Path,
        metrics: Metrics,
        pace: Pace | None = None,
    ) -> None:
        self._sinks = tuple(sinks)
        self._source = source
        self._folder = folder
        self._metrics = metrics
        self._pace = pace or Pace()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        if self._sinks:
            await asyncio.to_thread(self._folder.mkdir, 0o700, True, True)
        for sink in self._sinks:
            await sink.start()
            cursor = Cursor(self._folder / f"{sink.name}.cursor")
            run = _Run(sink, self._source, cursor, self._metrics, self._pace)
            task = asyncio.create_task(run.forever(), name=f"sink-{sink.name}")
            task.add_done_callback(partial(self._ended, sink.name))
            self._tasks.append(task)

    def _ended(self, sink: str, task: asyncio.Task[None]) -> None:
        """Tell of a bug: a sink that is told of nothing any more must not look like one with nothing to be told."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self._metrics.audit_forward_failures.labels(sink).inc()
            _log.critical("audit: sink %s: forwarding ended on a bug (%s); restart", sink, type(error).__name__)

    async def stop(self) -> None:
        """End; what a sink has not taken by now is taken after the next start."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        for task in tasks:
            await asyncio.wait({task})  # how it ended was told
        for sink in self._sinks:
            await sink.stop()


class _Run:
    """One sink's way through the log."""

    def __init__(self, sink: Sink, source: RecordSource, cursor: Cursor, metrics: Metrics, pace: Pace) -> None:
        self._sink = sink
        self._source = source
        self._cursor = cursor
        self._metrics = metrics
        self._pace = pace
        self._next = 0
        self._after: Position | None = None
        self._batch = pace.batch  # the largest that the sink takes
        self._tried = pace.batch  # what it was last found to take in time

    async def forever(self) -> None:
        self._next = await self._beginning()
        while True:
            try:
                await self._catch_up()
            except SourceUnavailable as trouble:
                await self._wait(self._pace.retry_limit_seconds, str(trouble))
            await asyncio.sleep(self._pace.poll_seconds)

    async def _catch_up(self) -> None:
        records = self._source.read(self._next, self._after)
        while batch := await asyncio.to_thread(_take, records, self._pace.batch):
            self._tell_gap(batch[0].seq)
            await self._deliver(batch)
        await self._tell_backlog()

    async def _beginning(self) -> int:
        """Return where to go on. A number beyond the log's end is another log's: then from the first record."""
        number = await asyncio.to_thread(self._cursor.load)
        if number > await asyncio.to_thread(self._source.size):
            _log.error("audit: sink %s has taken more records than the log has; from the first again", self._sink.name)
            return 0
        return number

    async def _deliver(self, batch: Sequence[Forwarded]) -> None:
        """Send until the sink has taken all of it, however long that takes."""
        wait = self._pace.retry_seconds
        while batch:
            part = batch[: min(self._batch, self._tried)]
            try:
                await self._sink.send(part)
            except SinkOverfull:
                self._metrics.audit_forward_failures.labels(self._sink.name).inc()
                if len(part) > 1:
                    self._batch = len(part) // 2
                    continue
                await self._wait(wait, "takes not even one record at a time")
            except SinkUnavailable as trouble:
                self._metrics.audit_forward_failures.labels(self._sink.name).inc()
                self._tried = max(1, len(part) // 2)  # a slow sink takes less in time, but never as much again
                await self._wait(wait, str(trouble))
            else:
                self._tried = min(self._pace.batch, self._tried + self._tried // 4 + 1)
                batch, wait = batch[len(part) :], self._pace.retry_seconds
                await self._advance(part)
                continue
            wait = min(2 * wait, self._pace.retry_limit_seconds)

    async def _advance(self, taken: Sequence[Forwarded]) -> None:
        self._next, self._after = taken[-1].seq + 1, taken[-1].position
        self._metrics.audit_forwarded.labels(self._sink.name).inc(len(taken))
        try:
            await asyncio.to_thread(self._cursor.store, self._next)
        except OSError as error:  # after a crash they are sent once more
            why = os.strerror(error.errno or 0)
            _log.warning("audit: sink %s: its place can't be written (%s)", self._sink.name, why)
        await self._tell_backlog()

    async def _wait(self, seconds: float, why: str) -> None:
        _log.warning("audit: %s; tried again in %.0f s", why, seconds)
        await self._tell_backlog()
        await asyncio.sleep(seconds)

    async def _tell_backlog(self) -> None:
        backlog = await asyncio.to_thread(self._source.size) - self._next
        self._metrics.audit_forward_backlog.labels(self._sink.name).set(max(0, backlog))

    def _tell_gap(self, first: int) -> None:
        if first > self._next:
            text = "audit: sink %s: records %d to %d were dropped from the log before it took them"
            _log.error(text, self._sink.name, self._next, first - 1)


def _take(records: Iterator[Forwarded], count: int) -> list[Forwarded]:
    return list(islice(records, count))
