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
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TypeVar
from weakref import WeakKeyDictionary

from sidecar.audit.anchors.verdict import Answer
from sidecar.audit.appender import Appender, LogKeys, Pace
from sidecar.audit.fields import parts_of
from sidecar.audit.file import LogTampered
from sidecar.audit.folder import LogFolder
from sidecar.audit.forgetting import find_links, forget_links
from sidecar.audit.keyring import KeyProviderUnavailable
from sidecar.audit.leaf import BrokenLine
from sidecar.audit.note import parse_checkpoint
from sidecar.audit.opening import Opening, StartCheck, open_log
from sidecar.audit.outbox import Outbox
from sidecar.audit.record import Action, Entry, Event, Intent, Outcome
from sidecar.audit.retention import Retention, drop, expired, stub_of
from sidecar.audit.rewrapping import rewrap_all
from sidecar.audit.writer import Haste, IfRefused, LogWriter, Pending, Rhythm
from sidecar.errors import AuditUnavailable, KeyMaterialError
from sidecar.metrics import Metrics

logger = logging.getLogger(__name__)

T = TypeVar("T")

NOT_OPEN = "the audit log is not open"
MARKERS_AT_ONCE = 1000
RETENTION_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class AuditSettings:
    """``deadline_seconds`` bounds every wait (A5)."""

    folder: Path
    deadline_seconds: float = 5.0
    start_check: StartCheck = StartCheck.WHOLE
    rhythm: Rhythm = field(default_factory=Rhythm)
    pace: Pace = field(default_factory=Pace)
    retention: Retention = field(default_factory=Retention)


def utc_now() -> datetime:
    return datetime.now(UTC)


class AuditLog:
    """An ``AuditWriter`` on one local folder. Safe for many tasks, also of several event loops."""

    def __init__(
        self, settings: AuditSettings, keys: LogKeys, metrics: Metrics, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self._settings = settings
        self._keys = keys
        self._metrics = metrics
        self._clock = clock
        self._folder = LogFolder(settings.folder)
        self._writer: LogWriter | None = None
        self._appender: Appender | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._forgetting = asyncio.Lock()
        self._outboxes: WeakKeyDictionary[asyncio.AbstractEventLoop, Outbox] = WeakKeyDictionary()

    @property
    def healthy(self) -> bool:
        """False while records can't be made durable, for whatever reason."""
        return self._writer is not None and self._writer.is_sound(self._settings.deadline_seconds)

    @property
    def size(self) -> int:
        """How many records are durable."""
        return self._appender.head.size if self._appender else 0

    async def start(self, known: Sequence[Answer] = ()) -> None:
        """Lock and verify the log, and record that it was opened and what a crash left torn.

        ``known`` is what anchors hold of this log. Raises ConfigError that names what is wrong with the log.
        AuditUnavailable, where the disk or the key provider takes no record: the next start tries again.
        """
        settings = self._settings
        opening = await asyncio.to_thread(open_log, self._folder, self._keys, settings.start_check, known)
        head, signed, introducer = opening.head, opening.signed, opening.introducer
        self._appender = Appender(self._folder, head, signed, self._keys, settings.pace, introducer)
        self._writer = LogWriter(self._appender, self._metrics, self._clock, settings.rhythm)
        self._writer.start()
        self._metrics.audit_healthy.set(1)
        try:
            for event in _opened(opening, self._keys):
                await self.note(event)
            await self._rewrap()
        except AuditUnavailable:
            await self.stop()
            raise
        if settings.retention.keep is not None:
            self._keeping = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """Write what waits and close the log. A disk that hangs can't hold the stop up beyond the deadline."""
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
        Takes the time of reading the whole log.
        """
        async with self._forgetting:
            end = await self._begin_segment()
            found = await self._blocking(lambda: list(find_links(self._path, self._keys.provider, pseudonyms, end)))
            for start in range(0, len(found), MARKERS_AT_ONCE):
                await asyncio.gather(*(self.note(one.marker) for one in found[start : start + MARKERS_AT_ONCE]))
            await self._blocking(lambda: forget_links(self._path, self._keys.provider, found))
            return len(found)

    async def count_links(self, pseudonyms: Collection[str]) -> int:
        """Return how many records link to any of the pseudonyms, and can be read to. Raises AuditUnavailable."""
        found = partial(find_links, self._path, self._keys.provider, pseudonyms, sys.maxsize)
        return await self._blocking(lambda: sum(1 for _ in found()))

    async def drop_expired(self) -> int:
        """Drop the segments that need not be kept any more; return how many. Raises AuditUnavailable."""
        async with self._forgetting:
            retention = self._settings.retention
            numbers = await self._blocking(lambda: expired(self._path, retention, self._clock()))
            for number in numbers:
                stub = await self._blocking(partial(stub_of, self._path, number, self._clock()))
                await self.note(Event(Action.SEGMENT_DROPPED, reason=stub.reason, count=stub.count, segment=number))
                self._folder.unwatch(number)
                await self._blocking(partial(drop, self._path, stub, self._keys.signer))
            return len(numbers)

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
        loop, done = asyncio.get_running_loop(), asyncio.Event()
        writer, appender, trouble = self._writer, self._appender, list[str]()
        if writer is None or appender is None:
            raise AuditUnavailable(NOT_OPEN)

        def roll() -> None:
            try:
                appender.roll()
            except (OSError, LogTampered, KeyProviderUnavailable, KeyMaterialError):
                trouble.append("the audit log can't begin another segment")
            loop.call_soon_threadsafe(done.set)

        writer.run(roll)
        try:
            async with asyncio.timeout(self._settings.deadline_seconds):
                await done.wait()
        except TimeoutError:
            raise AuditUnavailable("the audit log did not begin another segment in time") from None
        if trouble:
            raise AuditUnavailable(trouble[0])
        return appender.head.segment

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
            if self._writer is None:
                raise AuditUnavailable(NOT_OPEN)
            return self._outbox().put(parts_of(entry), if_refused, haste)
        except AuditUnavailable as error:
            self._metrics.audit_failures.inc()
            failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            failed.set_exception(error)
            return failed

    def _outbox(self) -> Outbox:
        loop = asyncio.get_running_loop()
        outbox = self._outboxes.get(loop)
        if outbox is None:
            outbox = self._outboxes[loop] = Outbox(self._submit, self._settings.deadline_seconds, self._metrics)
        return outbox

    def _submit(self, records: Sequence[Pending], haste: Haste) -> int:
        if self._writer is None:
            raise AuditUnavailable(NOT_OPEN)
        return self._writer.submit(records, haste)


def _opened(opening: Opening, keys: LogKeys) -> Iterator[Event]:
    """What is recorded at every start: on which checkpoint the log stands (A12), and what is not as it was before."""
    for size in opening.torn_sizes:  # first: by the number of the record it is known whether it was told
        yield Event(Action.LOG_RECOVERED, reason="torn_line", count=size)
    if opening.signed is None:
        yield Event(Action.LOG_OPENED)
    else:
        checkpoint = parse_checkpoint(opening.signed.text)
        yield Event(Action.LOG_OPENED, checkpoint_size=checkpoint.size, checkpoint_root=checkpoint.root.hex())
    if opening.introducer is not None:
        yield Event(Action.KEY_ROTATED, signing_key=sha256(keys.signer.verifier.public).hexdigest())
