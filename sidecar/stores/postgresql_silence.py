"""Connections to PostgreSQL that are given up when the server says nothing any more.

The server bounds statements by itself, but a server that hangs, a network that is gone, or a commit that waits for a
standby bounds nothing: whoever waits would wait for ever, and with the last thread all that needs the store (E4).
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any, TypeVar

import psycopg
from sqlalchemy import Connection, Engine, event

R = TypeVar("R")


class ListeningConnection(psycopg.Connection[Any]):
    """Raises ``OperationalError``, and is closed, after ``silence_s`` in which nothing came. None: waits for ever."""

    silence_s: float | None = None

    def wait(self, gen: Generator[Any, Any, R], *args: Any, **kwargs: Any) -> R:
        return super().wait(self._bounded(gen), *args, **kwargs)

    def _bounded(self, gen: Generator[Any, Any, R]) -> Generator[Any, Any, R]:
        """Pass on what the driver asks for and is told. Now and then it is told that nothing has come."""
        heard_at = monotonic()
        try:
            asked = next(gen)
            while True:
                ready = yield asked
                if ready:
                    heard_at = monotonic()
                elif self.silence_s is not None and monotonic() - heard_at > self.silence_s:
                    self.close()
                    raise psycopg.OperationalError("the server says nothing")
                asked = gen.send(ready)
        except StopIteration as ended:
            result: R = ended.value
            return result


def bound_silence(engine: Engine, silence_s: float) -> None:
    """Have every connection of an engine given up after so much silence."""

    @event.listens_for(engine, "do_connect")
    def connect(_dialect: object, _record: object, arguments: Any, named: Any) -> ListeningConnection:
        connection = ListeningConnection.connect(*arguments, **named)
        connection.silence_s = silence_s
        return connection


@contextmanager
def any_silence(connection: Connection) -> Iterator[None]:
    """Let a statement take whatever time it takes."""
    driver: Any = connection.connection.driver_connection
    bound, driver.silence_s = driver.silence_s, None
    try:
        yield
    finally:
        driver.silence_s = bound
