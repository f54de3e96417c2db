"""Brings the log's newest checkpoint to every anchor, each at its own pace: one that is down holds nobody up. Edge."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from time import time
from typing import Protocol

from sidecar.audit.anchors.anchor import Anchor, AnchorConflict, AnchorUnavailable, Offer
from sidecar.audit.anchors.verdict import Answer, Reach
from sidecar.audit.note import Note, NoteInvalid, Verifier, parse_checkpoint
from sidecar.audit.source import SourceUnavailable
from sidecar.metrics import Metrics

_log = logging.getLogger(__name__)


class CheckpointSource(Protocol):
    """The log, as far as anchors need it. Both methods raise SourceUnavailable, and are called again."""

    async def checkpoint(self) -> Note | None:
        """Return the newest signed checkpoint; None of a log that has none yet."""

    async def consistency(self, old_size: int, new_size: int) -> tuple[bytes, ...]:
        """Return the proof that the first ``old_size`` records are the beginning of the first ``new_size``."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a checkpoint is brought, and after how long a failed try is repeated (doubling up to the limit)."""

    interval_seconds: float = 300.0
    retry_seconds: float = 5.0
    retry_limit_seconds: float = 300.0
    last_seconds: float = 3.0  # for the last one, at a stop


class AnchorPublishing:
    """Runs between ``start`` and ``stop``, with a task for each anchor. The anchors are ``opened`` by the caller."""

    def __init__(
        self,
        anchors: Sequence[Anchor],
        source: CheckpointSource,
        keys: Collection[Verifier],
        metrics: Metrics,
        pace: Pace | None = None,
    ) -> None:
        """``keys`` are those that sign the log's checkpoints."""
        self._anchors = tuple(anchors)
        self._source = source
        self._keys = tuple(keys)
        self._metrics = metrics
        self._pace = pace or Pace()
        self._tasks: list[asyncio.Task[None]] = []
        self._conflicts: set[str] = set()
        self._has_ended = False  # a task, by a bug

    @property
    def sound(self) -> bool:
        """False once an anchor contradicts the log, or is brought nothing any more."""
        return not self._conflicts and not self._has_ended

    async def start(self) -> None:
        for anchor in self._anchors:
            task = asyncio.create_task(self._keep(anchor), name=f"anchor-{anchor.name}")
            task.add_done_callback(partial(self._ended, anchor.name))
            self._tasks.append(task)

    def _ended(self, anchor: str, task: asyncio.Task[None]) -> None:
        """Tell of a bug: an anchor that is brought nothing any more must not look like one that has all there is."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self._has_ended = True
            self._metrics.audit_anchor_failures.labels(anchor).inc()
            _log.critical("audit: anchor %s: anchoring ended on a bug (%s); restart", anchor, type(error).__name__)

    async def stop(self) -> None:
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        for task in tasks:
            await asyncio.wait({task})  # how it ended was told

    async def conclude(self) -> None:
        """Bring the last checkpoint, once the log is closed: one try for each anchor, none of them waited for long."""

        async def bring(anchor: Anchor) -> None:
            try:
                async with asyncio.timeout(self._pace.last_seconds):
                    await self._publish(anchor, -1)
            except (AnchorUnavailable, AnchorConflict, SourceUnavailable, TimeoutError):
                _log.warning("audit: anchor %s does not have the last checkpoint; it is brought next time", anchor.name)

        await asyncio.gather(*(bring(anchor) for anchor in self._anchors))

    async def _keep(self, anchor: Anchor) -> None:
        published, wait = -1, self._pace.retry_seconds
        while True:
            try:
                published = await self._publish(anchor, published)
            except (AnchorUnavailable, SourceUnavailable) as trouble:
                _log.warning("audit: %s; tried again in %.0f s", trouble, wait)
                self._metrics.audit_anchor_failures.labels(anchor.name).inc()
                await asyncio.sleep(wait)
                wait = min(2 * wait, self._pace.retry_limit_seconds)
            except AnchorConflict as conflict:
                _log.critical("audit: %s; the log or the anchor was changed", conflict)
                self._conflicts.add(anchor.name)
                self._metrics.audit_anchor_conflict.labels(anchor.name).set(1)
                await asyncio.sleep(self._pace.interval_seconds)
            else:
                wait = self._pace.retry_seconds
                await asyncio.sleep(self._pace.interval_seconds)

    async def _publish(self, anchor: Anchor, published: int) -> int:
        """Bring the newest checkpoint, if it is a new one; return the size that the anchor has now."""
        note = await self._source.checkpoint()
        if note is None:
            return published
        self._require_ours(note)
        size = parse_checkpoint(note.text).size
        if size > published:

            async def prove(old_size: int) -> tuple[bytes, ...]:
                return await self._source.consistency(old_size, size)

            await anchor.publish(Offer(note, prove))
            self._metrics.audit_anchored_records.labels(anchor.name).set(size)
        self._metrics.audit_anchor_timestamp.labels(anchor.name).set(time())
        self._metrics.audit_anchor_conflict.labels(anchor.name).set(0)
        self._conflicts.discard(anchor.name)
        return size

    def _require_ours(self, note: Note) -> None:
        """Whoever can write to the folder could have anchors remember what the log never said, and nothing after it."""
        try:
            note.verified(self._keys)
        except NoteInvalid:
            raise SourceUnavailable("the newest checkpoint of the audit log was not signed by its key") from None


@asynccontextmanager
async def opened(anchors: Sequence[Anchor]) -> AsyncIterator[None]:
    """Open anchors for calls, and close them whatever happens."""
    async with AsyncExitStack() as stack:
        for anchor in anchors:
            await anchor.start()
            stack.push_async_callback(anchor.stop)
        yield


async def ask(anchors: Sequence[Anchor], origin: str, patience_seconds: float) -> tuple[Answer, ...]:
    """Ask all anchors at once what they hold of a log, in the order given.

    One that does not answer in time is not waited for: an anchor that is down must not keep the sidecar down.
    """

    async def asked(anchor: Anchor) -> Answer:
        try:
            async with asyncio.timeout(patience_seconds):
                return Answer(anchor.name, Reach.ANSWERED, await anchor.latest(origin))
        except (AnchorUnavailable, TimeoutError):
            return Answer(anchor.name, Reach.UNREACHABLE)

    return tuple(await asyncio.gather(*(asked(anchor) for anchor in anchors)))
