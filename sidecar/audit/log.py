"""The audit log as the rest of the sidecar sees it. Edge.

Protocol: ``intend`` before anything happens, and only when it is done may the first byte leave; ``conclude`` once when
it has ended, however it ended; ``note`` for what happens to the sidecar itself. What all three return is done when the
record is durable and fails with ``AuditUnavailable`` otherwise. A record whose wait was cut short by the deadline may
still be written later: an access that was refused, yet recorded, is no harm; the other way round is.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from sidecar.audit.anchors.verdict import Answer
from sidecar.audit.appender import LogKeys
from sidecar.audit.fields import halves_of
from sidecar.audit.forgetting import Findings, forget_links
from sidecar.audit.keyring import KeyProviderUnavailable
from sidecar.audit.leaf import BrokenLine
from sidecar.audit.link_searches import Aim, LinkSearches, Search
from sidecar.audit.outbox import Outbox
from sidecar.audit.record import Action, Entry, Event, Intent, Outcome
from sidecar.audit.retention import drop, expired, stub_of
from sidecar.audit.rewrapping import rewrap_all
from sidecar.audit.scribe import IfRefused
from sidecar.audit.settings import AuditSettings
from sidecar.audit.writer import Haste, Pending, ThreadWriter, Writer
from sidecar.errors import AuditUnavailable, KeyMaterialError
from sidecar.metrics import Metrics

logger = logging.getLogger(__name__)

T = TypeVar("T")

NewWriter = Callable[[Callable[[], object]], Writer]
"""Makes a writer of what it shall call if it ends unasked."""

NOT_OPEN = "the audit log is not open"
MARKERS_AT_ONCE = 1000
RETENTION_SECONDS = 3600.0
CLOCK_TOLERATED = timedelta(minutes=1)
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # Linux has one that counts while the machine sleeps


def utc_now() -> datetime:
    return datetime.now(UTC)


class AuditLog:
    """An ``AuditWriter`` on one local folder. Safe for many tasks, with a ``ThreadWriter`` also of several event loops.

    ``broken`` is set once records can't be written any more, whatever happens, before a restart.
    """

    def __init__(
        self,
        settings: AuditSettings,
        keys: LogKeys,
        metrics: Metrics,
        clock: Callable[[], datetime] = utc_now,
        new_writer: NewWriter | None = None,
    ) -> None:
        self._settings = settings
        self._keys = keys
        self._metrics = metrics
        self._clock = clock
        self._new_writer = new_writer or partial(ThreadWriter, settings, keys, metrics, clock)
        self._writer: Writer | None = None
        self._size = 0
        self.broken = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None
        self._forgetting = asyncio.Lock()
        self._searches = LinkSearches(self._search, self._forgetting)
        self._begun: tuple[datetime, float] | None = None
        self._stopping = threading.Event()
        self._outboxes: WeakKeyDictionary[asyncio.AbstractEventLoop, Outbox] = WeakKeyDictionary()
        self._latest: tuple[asyncio.AbstractEventLoop, Outbox] | None = None

    @property
    def healthy(self) -> bool:
        """False while records can't be made durable, for whatever reason."""
        return self._writer is not None and self._writer.is_sound(self._settings.deadline_seconds)

    @property
    def size(self) -> int:
        """How many records are durable."""
        if self._writer is not None:
            self._size = self._writer.size
        return self._size

    async def start(self, known: Sequence[Answer] = ()) -> None:
        """Lock and verify the log, and record that it was opened and what a crash left torn.

        ``known`` is what anchors hold of this log. Raises ConfigError that names what is wrong with the log.
        AuditUnavailable, where the disk or the key provider takes no record: the next start tries again.
        """
        loop = asyncio.get_running_loop()
        writer = self._new_writer(lambda: loop.call_soon_threadsafe(self.broken.set))
        events = await writer.open(known)
        self._writer = writer
        self._stopping.clear()
        try:
            for event in events:
                await self.note(event)
            await self._rewrap()
        except AuditUnavailable:
            await self.stop()
            raise
        if self._settings.retention.keep is not None:
            self._begun = self._clock(), time.clock_gettime(_CLOCK)
            self._keeping = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """Write what waits and close the log. A disk that hangs can't hold the stop up beyond the deadline."""
        self._stopping.set()
        await self._searches.stop()
        keeping, self._keeping = self._keeping, None
        if keeping is not None:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
        self._outbox().hand_over()
        writer, self._writer = self._writer, None
        if writer is not None:
            loop, closed = asyncio.get_running_loop(), asyncio.Event()
            writer.close(lambda: loop.call_soon_threadsafe(closed.set))
            try:
                async with asyncio.timeout(self._settings.deadline_seconds):
                    await closed.wait()
            except TimeoutError:
                raise AuditUnavailable("the audit log did not close in time") from None
            self._size = writer.size

    def intend(self, intent: Intent) -> asyncio.Future[None]:
        return self._append(intent, IfRefused.DROP, Haste.AT_ONCE)

    def conclude(self, outcome: Outcome) -> asyncio.Future[None]:
        # Nobody waits for the outcome of a proxied exchange: its answer is on the way.
        haste = Haste.WITH_THE_NEXT if outcome.action is Action.PROXY else Haste.AT_ONCE
        return self._append(outcome, IfRefused.KEEP, haste)

    def note(self, event: Event) -> asyncio.Future[None]:
        return self._append(event, IfRefused.KEEP, Haste.AT_ONCE)

    async def forget_subject(self, pseudonyms: Collection[str]) -> int:
        """Make the links of all records unreadable that link to any of the pseudonyms; return how many (A24, E48).

        Each is told of by a record of its own before. May be called again after any failure. Raises AuditUnavailable.
        Takes the time of reading the whole log; who can't wait so long asks again.
        """
        return await self._searches.forget(frozenset(pseudonyms))

    async def count_links(self, pseudonyms: Collection[str]) -> int:
        """Return how many records link to any of the pseudonyms, and can be read to, as of a time since the last
        ``forget_subject`` of them. Raises AuditUnavailable. Takes as long."""
        return await self._searches.count(frozenset(pseudonyms))

    async def _search(self, searches: frozenset[Search]) -> Mapping[Search, int]:
        """Read the log once, and make unreadable what is to be forgotten."""
        forgets = any(one.aim is Aim.FORGET for one in searches)
        findings = Findings(searches, await self._begin_segment() if forgets else 0)
        await self._blocking(lambda: findings.read(self._path, self._keys.provider, self._go_on))
        for start in range(0, len(findings.links), MARKERS_AT_ONCE):
            some = findings.links[start : start + MARKERS_AT_ONCE]
            await asyncio.gather(*(self.note(one.marker) for one in some))
        if forgets:
            await self._blocking(lambda: forget_links(self._path, self._keys.provider, findings.links))
        return findings.counts

    def _go_on(self) -> None:
        """Break off what a thread reads that nobody waits for any more, or the process would wait for it."""
        if self._stopping.is_set():
            raise AuditUnavailable(NOT_OPEN)

    async def drop_expired(self) -> int:
        """Drop the segments that need not be kept any more; return how many. Raises AuditUnavailable."""
        async with self._forgetting:
            retention = self._settings.retention
            now = self._no_later_than_it_is()
            numbers = await self._blocking(lambda: expired(self._path, retention, now))
            for number in numbers:
                stub = await self._blocking(partial(stub_of, self._path, number, self._clock()))
                await self.note(Event(Action.SEGMENT_DROPPED, reason=stub.reason, count=stub.count, segment=number))
                await self._asked(partial(self._open_writer().unwatch, number))
                await self._blocking(partial(drop, self._path, stub, self._keys.signer))
            return len(numbers)

    def _no_later_than_it_is(self) -> datetime:
        """Return the host's time, or what it was at the start and what has passed, where the host's has jumped ahead:
        what a wrong clock has dropped nobody can bring back."""
        now = self._clock()
        begun, at = self._begun or (now, time.clock_gettime(_CLOCK))
        steady = begun + timedelta(seconds=time.clock_gettime(_CLOCK) - at)
        if now - steady > CLOCK_TOLERATED:
            ahead = round((now - steady).total_seconds())
            logger.error(
                "audit log: the host's clock is ahead by %d s; retention goes by that of the start. If it is right now,"
                " restart the sidecar",
                ahead,
            )
        return min(now, steady)

    async def _keep(self) -> None:
        while True:
            try:
                await self.drop_expired()
            except AuditUnavailable as error:
                logger.error("audit log: no segment was dropped (%s)", error)
            await asyncio.sleep(RETENTION_SECONDS)

    async def _rewrap(self) -> None:
        keys = self._keys
        changed = await self._blocking(lambda: rewrap_all(self._path, keys.log, keys.provider))
        if changed:
            await self.note(Event(Action.KEY_ROTATED, count=changed, wrapping_key=keys.provider.key_id))

    async def _begin_segment(self) -> int:
        """Have all records so far in segments that are closed; return the number of the one that follows."""
        segment: int | None = await self._asked(self._open_writer().roll)
        if segment is None:
            raise AuditUnavailable("the audit log can't begin another segment")
        return segment

    async def _asked(self, ask: Callable[[Callable[..., object]], None]) -> Any:
        """Have the writer do something between two batches; return what it says to that."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()

        def take(said: object) -> None:
            if not answer.done():
                answer.set_result(said)

        ask(lambda said=None: loop.call_soon_threadsafe(take, said))
        try:
            async with asyncio.timeout(self._settings.deadline_seconds):
                return await answer
        except TimeoutError:
            raise AuditUnavailable("the audit log is not written in time") from None

    def _open_writer(self) -> Writer:
        if self._writer is None:
            raise AuditUnavailable(NOT_OPEN)
        return self._writer

    async def _blocking(self, act: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(act)
        except OSError as error:
            raise AuditUnavailable(f"the audit log: {os.strerror(error.errno or 0)}") from None
        except (BrokenLine, KeyProviderUnavailable, KeyMaterialError) as error:
            raise AuditUnavailable(f"the audit log: {error}") from None

    @property
    def _path(self) -> Path:
        return self._settings.folder

    def _append(self, entry: Entry, if_refused: IfRefused, haste: Haste) -> asyncio.Future[None]:
        """Queue a record. When the caller of what is returned is cancelled, the record is written all the same."""
        try:
            self._open_writer()
            return self._outbox().put(halves_of(entry), if_refused, haste)
        except AuditUnavailable as error:
            self._metrics.audit_failures.inc()
            failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            failed.set_exception(error)
            return failed

    def _outbox(self) -> Outbox:
        loop = asyncio.get_running_loop()
        if self._latest is not None and self._latest[0] is loop:
            return self._latest[1]
        outbox = self._outboxes.get(loop)
        if outbox is None:
            outbox = self._outboxes[loop] = Outbox(self._submit, self._settings.deadline_seconds, self._metrics)
        self._latest = loop, outbox
        return outbox

    def _submit(self, records: Sequence[Pending], haste: Haste) -> int:
        return self._open_writer().submit(records, haste)
