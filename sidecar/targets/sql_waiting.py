"""Cuts a connection to PostgreSQL whose server fell silent: libpq waits for an answer for ever.

The server itself ends statements that take too long, as long as it is there to do so. A host that is gone, a pooler
that is paused or a disk that hangs would take one thread after the other, until nothing of this system is ever tried
again, though it came back long ago.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from threading import Timer
from typing import Any, Final

from sqlalchemy import Connection, Engine, event

_KEY: Final = "sidecar.patience"


class _Patience:
    """Shuts a socket down unless it is told often enough that there is still something done."""

    def __init__(self, descriptor: int, seconds: float) -> None:
        # A descriptor of our own: the connection's may be closed, and another's, when the time is up.
        self._socket = socket.socket(fileno=os.dup(descriptor))
        self._seconds = seconds
        self._timer = self._started()

    def renew(self) -> None:
        self._timer.cancel()
        self._timer = self._started()

    def end(self) -> None:
        self._timer.cancel()
        self._timer.join()
        self._socket.close()

    def _started(self) -> Timer:
        timer = Timer(self._seconds, self._cut)
        timer.daemon = True
        timer.start()
        return timer

    def _cut(self) -> None:
        with suppress(OSError):  # the other side may have gone meanwhile
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


def bound_waits(engine: Engine, seconds: float) -> None:
    """See that no statement, commit or rollback waits for longer. For drivers whose connections have a ``fileno``."""

    @event.listens_for(engine, "first_connect", insert=True)  # before what the dialect asks on its first connection
    @event.listens_for(engine, "connect", insert=True)
    def opened(connection: Any, record: Any) -> None:
        if _KEY not in record.info:
            record.info[_KEY] = _Patience(connection.fileno(), seconds)

    @event.listens_for(engine, "close")
    def closed(_connection: object, record: Any) -> None:
        patience: _Patience | None = record.info.pop(_KEY, None)
        if patience is not None:
            patience.end()

    @event.listens_for(engine, "before_cursor_execute")
    def executing(connection: Connection, *_: object) -> None:
        if not connection.invalidated:
            connection.info[_KEY].renew()

    for name in ("commit", "rollback"):
        event.listen(engine, name, executing)
