"""The process that writes the log: it opens it, and makes durable what it is sent. Edge.

It ends when it is told to, or when the sidecar has ended, however that did: what it was sent by then is written, and
the log closed. It is deaf to signals that stop the sidecar, which still has records for it while it drains.
"""

from __future__ import annotations

import select
import signal
import socket
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime

from sidecar.audit.anchors.verdict import Answer
from sidecar.audit.appender import LogKeys
from sidecar.audit.beginning import Begun, begin
from sidecar.audit.fields import Halves
from sidecar.audit.frames import Message, Say, Unpacking, packed
from sidecar.audit.scribe import BATCH_LIMIT, Due, IfRefused, Scribe
from sidecar.audit.settings import AuditSettings
from sidecar.errors import ConfigError, SidecarError
from sidecar.logs import configure_logging, end_by_bug, forbid_core_dumps

LOCK_SECONDS = 5.0  # for the writing process of a sidecar that was killed, to finish
_RECEIVE_BYTES = 1 << 16  # larger buffers are asked of the kernel anew each time


def serve(end: socket.socket, settings: AuditSettings, keys_of: Callable[[], LogKeys], known: Sequence[Answer]) -> None:
    """Be the writing process, at this end of a socket pair."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    configure_logging()
    forbid_core_dumps()
    end.setblocking(True)
    try:
        begun = _begin(end, settings, keys_of, known)
        if begun is not None:
            _Desk(end, begun.scribe).work()
    finally:
        if (error := sys.exception()) is not None:
            end_by_bug(error)


def _begin(
    end: socket.socket, settings: AuditSettings, keys_of: Callable[[], LogKeys], known: Sequence[Answer]
) -> Begun | None:
    try:
        begun = begin(settings, keys_of(), known, lambda: datetime.now(UTC), LOCK_SECONDS)
    except ConfigError as error:
        end.sendall(packed(Say.REFUSED, [(one.path, one.message, one.remedy) for one in error.problems]))
    except SidecarError as error:
        end.sendall(packed(Say.FAILED, str(error)))
    else:
        end.sendall(packed(Say.BEGUN, begun.events, begun.scribe.size))
        return begun
    return None


class _Desk:
    """Takes what has come, writes it with as few fsyncs as that allows, and answers."""

    def __init__(self, end: socket.socket, scribe: Scribe) -> None:
        self._end = end
        self._scribe = scribe
        self._unpacking = Unpacking()
        self._poll = select.poll()
        self._poll.register(end, select.POLLIN)

    def work(self) -> None:
        """Return once the log is closed."""
        is_open = True
        try:
            while is_open:
                messages = self._receive()
                is_open = messages is not None and self._do(messages)
        finally:
            self._scribe.close()
        self._tell(Say.CLOSED)

    def _receive(self) -> list[Message] | None:
        """Return what has come: nothing, when the log must be looked after; None, when nothing will come any more."""
        if not self._poll.poll(1000 * self._scribe.patience_seconds):
            return []
        try:
            data = self._end.recv(_RECEIVE_BYTES)
        except ConnectionResetError:  # the sidecar ended with answers unread; what it sent before is still to come
            return []
        return list(self._unpacking.feed(data)) if data else None

    def _do(self, messages: list[Message]) -> bool:
        """Do as told, in order; return whether more is to come."""
        if not messages:
            self._scribe.write([])
            self._tell(Say.SETTLED, 0, None)  # how the log stands
        for say, run in _runs(messages):
            match say:
                case Say.RECORDS:
                    for batch in _batches(run):
                        self._tell(Say.SETTLED, len(batch), self._scribe.write(batch))
                case Say.ROLL:
                    self._tell(Say.ANSWERED, self._scribe.roll())
                case Say.UNWATCH:
                    self._scribe.unwatch(run[0][1])
                    self._tell(Say.ANSWERED, None)
                case Say.CLOSE:
                    return False
        return True

    def _tell(self, say: Say, *rest: object) -> None:
        """Answer, if anybody is left to hear it: what was sent by a sidecar that has ended is written all the same."""
        scribe = self._scribe
        with suppress(ConnectionError):
            self._end.sendall(packed(say, *rest, (scribe.state.value, scribe.written, scribe.size)))


def _runs(messages: Iterable[Message]) -> Iterator[tuple[Say, list[Message]]]:
    """Yield neighbouring messages with records together, all others alone."""
    run: list[Message] = []
    for message in messages:
        if message[0] == Say.RECORDS:
            run.append(message)
            continue
        if run:
            yield Say.RECORDS, run
            run = []
        yield Say(message[0]), [message]
    if run:
        yield Say.RECORDS, run


def _batches(run: Iterable[Message]) -> Iterator[list[Due]]:
    due = [
        (Halves(facts, links), IfRefused.KEEP if keep else IfRefused.DROP)
        for message in run
        for facts, links, keep in message[1]
    ]
    for start in range(0, len(due), BATCH_LIMIT):
        yield due[start : start + BATCH_LIMIT]
