"""The audit log as the rest of the sidecar sees it. Edge.

Protocol: ``intend`` before anything happens, and only when it is done may the first byte leave; ``conclude`` once when
it has ended, however it ended; ``note`` for what happens to the sidecar itself. What all three return is done when the
record is durable and fails with ``AuditUnavailable`` otherwise. A record whose wait was cut short by the deadline may
still be written later: an access that was refused, yet recorded, is no harm; the other way round is.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from weakref import WeakKeyDictionary

from sidecar.audit.fields import parts_of
from sidecar.audit.file import LogFile, StartCheck
from sidecar.audit.outbox import Outbox
from sidecar.audit.record import Action, Entry, Event, Intent, Outcome
from sidecar.audit.writer import Haste, IfRefused, LogWriter, Pending
from sidecar.errors import AuditUnavailable
from sidecar.metrics import Metrics


@dataclass(frozen=True, slots=True)
class AuditSettings:
    """``deadline_seconds`` bounds every wait (A5); ``check_seconds`` is how often an idle log is looked after (A8)."""

    path: Path
    deadline_seconds: float = 5.0
    check_seconds: float = 5.0
    pending_limit: int = 10_000
    start_check: StartCheck = StartCheck.WHOLE


def utc_now() -> datetime:
    return datetime.now(UTC)


class AuditLog:
    """An ``AuditWriter`` on one local file. Safe for many tasks, also of several event loops."""

    def __init__(self, settings: AuditSettings, metrics: Metrics, clock: Callable[[], datetime] = utc_now) -> None:
        self._settings = settings
        self._metrics = metrics
        self._clock = clock
        self._writer: LogWriter | None = None
        self._outboxes: WeakKeyDictionary[asyncio.AbstractEventLoop, Outbox] = WeakKeyDictionary()

    @property
    def healthy(self) -> bool:
        """False while records can't be made durable, for whatever reason."""
        return self._writer is not None and self._writer.is_sound(self._settings.deadline_seconds)

    async def start(self) -> None:
        """Lock and verify the log, and record what a crash left torn. Raises ConfigError naming the first bad line.

        AuditUnavailable, where the disk takes no record of what was torn: the next start tries again.
        """
        settings = self._settings
        file = LogFile(settings.path)
        tail, torn_sizes = await asyncio.to_thread(file.open, settings.start_check)
        log_id = secrets.token_hex(16)  # only for a log that is new
        self._writer = LogWriter(
            file, tail, log_id, self._metrics, self._clock, settings.pending_limit, settings.check_seconds
        )
        self._writer.start()
        self._metrics.audit_healthy.set(1)
        try:
            for size in torn_sizes:
                await self.note(Event(Action.LOG_RECOVERED, reason="torn_line", count=size))
        except AuditUnavailable:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Write what waits and close the file. A disk that hangs can't hold the stop up beyond the deadline."""
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

    def _append(self, entry: Entry, if_refused: IfRefused, haste: Haste) -> asyncio.Future[None]:
        """Queue a record. When the caller of what is returned is cancelled, the record is written all the same."""
        try:
            if self._writer is None:
                raise AuditUnavailable("the audit log is not open")
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
            raise AuditUnavailable("the audit log is not open")
        return self._writer.submit(records, haste)
