"""A writer that is a process of its own, so that sealing and fsync never hold up the event loop. Edge.

Everything happens in the loop in which it was opened. Records wait in this process until somebody is in a hurry and all
that went before are settled: the busier the disk, the more of them share a message and an fsync. They go in one
message, and are settled in the order in which they went. If the process ends unasked, whoever waits is refused, and
so is everybody after: the log is not written any more, and only a restart opens it again (``on_broken``).
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import multiprocessing
import socket
from collections import deque
from collections.abc import Callable, Sequence
from multiprocessing.context import SpawnProcess
from time import monotonic
from typing import cast

from sidecar.audit.anchors.verdict import Answer
from sidecar.audit.appender import LogKeys
from sidecar.audit.frames import Message, Say, Unpacking, packed
from sidecar.audit.record import Event
from sidecar.audit.scribe import BATCH_LIMIT, IfRefused, State
from sidecar.audit.settings import AuditSettings
from sidecar.audit.writer import CLOSED, LINGER_SECONDS, Haste, Pending, Rolled
from sidecar.audit.writing_process import serve
from sidecar.errors import AuditUnavailable, ConfigError, Problem
from sidecar.metrics import Metrics

logger = logging.getLogger(__name__)

_JOIN_SECONDS = 5.0
_PROCESS = "the process that writes the audit log"

KeysOf = Callable[[], LogKeys]
"""Makes the keys in the writing process; can be pickled, as a signing key can't."""


class RemoteWriter(asyncio.Protocol):
    """Implements ``Writer``. ``on_broken`` is called in the loop if the process ends unasked."""

    def __init__(
        self,
        settings: AuditSettings,
        keys_of: KeysOf,
        metrics: Metrics,
        on_broken: Callable[[], object],
    ) -> None:
        self.size = 0
        self._settings = settings
        self._keys_of = keys_of
        self._metrics = metrics
        self._on_broken = on_broken
        self._on_closed: Callable[[], object] | None = None
        self._process: SpawnProcess | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._transport: asyncio.WriteTransport | None = None
        self._unpacking = Unpacking()
        self._state, self._counted = State.ENDED, 0
        self._waiting: list[Pending] = []
        self._unsettled: deque[Pending] = deque()
        self._pressed = False  # somebody is in a hurry for what waits
        self._asked: deque[Callable[..., object]] = deque()
        self._busy_since: float | None = None
        self._lingering: asyncio.TimerHandle | None = None
        self._beginning: asyncio.Future[Sequence[Event]] | None = None
        self._reaping: asyncio.Future[None] | None = None

    async def open(self, known: Sequence[Answer]) -> Sequence[Event]:
        self._loop = loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        arguments = (theirs, self._settings, self._keys_of, known)
        self._process = multiprocessing.get_context("spawn").Process(
            target=serve, args=arguments, name="audit-log", daemon=True
        )
        self._beginning = loop.create_future()
        atexit.register(self._kill)  # before multiprocessing's own, which waits for children for ever
        try:
            await asyncio.to_thread(self._process.start)
        except OSError as error:  # no memory or no process left; what comes later may find some
            atexit.unregister(self._kill)
            ours.close()
            raise AuditUnavailable(
                f"the process that writes the audit log can't be started ({error.strerror})"
            ) from None
        finally:
            theirs.close()  # else nobody would see that the process has ended
        await loop.create_unix_connection(lambda: self, sock=ours)
        return await self._beginning

    def submit(self, records: Sequence[Pending], haste: Haste) -> int:
        self._require_open()
        if records[0].loop is not self._loop:
            raise AuditUnavailable("this audit log is written to from one event loop alone")
        room = self._settings.rhythm.pending_limit - len(self._waiting) - len(self._unsettled)
        taken = records if len(records) <= room else records[: max(0, room)]
        self._waiting += taken
        if haste is Haste.AT_ONCE or len(self._waiting) >= BATCH_LIMIT:
            self._press()
        elif self._lingering is None and taken:
            self._lingering = taken[0].loop.call_later(LINGER_SECONDS, self._press)
        return len(taken)

    def _press(self) -> None:
        self._pressed = True
        if not self._unsettled:
            self._send_waiting()

    def is_sound(self, patience_seconds: float) -> bool:
        busy_since = self._busy_since
        return self._state is State.SOUND and (busy_since is None or monotonic() - busy_since < patience_seconds)

    def roll(self, told: Rolled) -> None:
        self._ask(told, Say.ROLL)

    def unwatch(self, number: int, told: Callable[[], object]) -> None:
        self._ask(lambda _: told(), Say.UNWATCH, number)

    def close(self, on_closed: Callable[[], object]) -> None:
        self._on_closed = on_closed
        if self._transport is None:
            on_closed()
            return
        self._send_waiting()
        self._send(Say.CLOSE)

    # -- what the loop tells -------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        for message in self._unpacking.feed(data):
            self._hear(message)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the signature of a protocol
        """The process has ended, or will in a moment. What it had not settled it may have written, or not."""
        self._transport = None
        self._state = State.ENDED
        self._metrics.audit_healthy.set(0)
        atexit.unregister(self._kill)
        unsettled, self._unsettled = self._unsettled, deque()
        waiting, self._waiting = self._waiting, []
        for one in (*unsettled, *waiting):
            one.settle(CLOSED)
        if self._beginning is not None and not self._beginning.done():
            self._beginning.set_exception(AuditUnavailable(f"{_PROCESS} ended at its start"))
        self._reaping = asyncio.ensure_future(self._reap())

    async def _reap(self) -> None:
        if self._process is not None:
            await asyncio.to_thread(self._process.join, _JOIN_SECONDS)
            self._kill()
        if self._on_closed is not None:
            self._on_closed()
            return
        logger.critical("%s ended; every exchange is refused until a restart", _PROCESS)
        self._on_broken()

    # -- messages ------------------------------------------------------------------------------------------------------

    def _hear(self, message: Message) -> None:
        match message:
            case (Say.SETTLED, count, refusal, standing):
                self._stand(*standing)
                for _ in range(count):
                    self._unsettled.popleft().settle(refusal)
                if count:  # else it only looked after the files: whoever waits has not come any further
                    self._busy_since = monotonic() if self._unsettled else None
                if self._pressed and not self._unsettled:
                    self._send_waiting()
            case (Say.ANSWERED, answer, standing):
                self._stand(*standing)
                self._asked.popleft()(answer)
            case (Say.BEGUN, events, size):
                self._stand(State.SOUND.value, 0, size)
                self._begin_with(events)
            case (Say.REFUSED, problems):
                self._on_closed = _nothing
                self._begin_with(ConfigError(tuple(Problem(*one) for one in problems)))
            case (Say.FAILED, why):
                self._on_closed = _nothing
                self._begin_with(AuditUnavailable(why))
            case (Say.CLOSED, standing):
                self._stand(*standing)

    def _stand(self, standing: str, written: int, size: int) -> None:
        state = State(standing)
        self._metrics.audit_records.inc(written - self._counted)
        if state is not self._state:
            self._metrics.audit_healthy.set(state is State.SOUND)
        self._state, self._counted, self.size = state, written, size

    def _begin_with(self, outcome: Sequence[Event] | Exception) -> None:
        if self._beginning is None or self._beginning.done():
            return
        if isinstance(outcome, Exception):
            self._beginning.set_exception(outcome)
        else:
            self._beginning.set_result(outcome)

    def _send_waiting(self) -> None:
        if self._lingering is not None:
            self._lingering.cancel()
            self._lingering = None
        waiting, self._waiting, self._pressed = self._waiting, [], False
        if not waiting or self._transport is None:
            return
        keep = IfRefused.KEEP
        self._send(Say.RECORDS, [(*one.halves, one.if_refused is keep) for one in waiting])
        self._unsettled += waiting
        if self._busy_since is None:
            self._busy_since = monotonic()

    def _ask(self, told: Callable[..., object], say: Say, *rest: object) -> None:
        self._require_open()
        self._send_waiting()
        self._asked.append(told)
        self._send(say, *rest)

    def _send(self, say: Say, *rest: object) -> None:
        if self._transport is not None:
            self._transport.write(packed(say, *rest))

    def _require_open(self) -> None:
        if self._transport is None or self._on_closed is not None or self._state in (State.LOST, State.ENDED):
            raise AuditUnavailable(CLOSED)

    def _kill(self) -> None:
        if self._process is not None and self._process.is_alive():
            self._process.kill()


def _nothing() -> None:
    pass
