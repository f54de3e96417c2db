"""Kills its own process, kill -9, before a numbered effect. Without a number it only notes which effects there are.

An effect is whatever outlives the process: a commit, a byte in a file, a name in a folder, a call to another system.
Each is named by what it is and by the function of the product that has it done, so that what was never killed shows.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Final

import aio_pika
import aiohttp
import botocore.httpsession
import nats.js.client
import redis.asyncio.connection as redis_connection
from sqlalchemy import Connection, Engine, event

from sidecar.stores import database as database_module
from sidecar.stores.database import Database

OF_FILES: Final = ("fsync", "write", "pwrite", "ftruncate", "rename", "replace", "unlink", "rmdir")
_STORE: Final = "sidecar.stores.database"
_SMALL_BUFFER: Final = 16  # so that a file is torn in its middle


def _unsynced(_descriptor: int) -> None:
    """A process that is killed loses nothing that it gave to the kernel: only a power cut would tell the difference."""


@dataclass
class Injector:
    """``effects``: what there was, in order. Safe for threads."""

    kill_before: int | None = None
    effects: list[str] = field(default_factory=list)
    _turn: threading.Lock = field(default_factory=threading.Lock)
    _storing: threading.local = field(default_factory=threading.local)

    def effect(self, what: str, where: str | None = None) -> None:
        """Note an effect that is about to be, or die."""
        place = where or place_of(sys._getframe(1))
        if place is None:
            return  # the test's own
        with self._turn:
            number = len(self.effects)
            self.effects.append(f"{what} {place}")
        if number == self.kill_before:
            os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(60)  # never returned from

    def checkpoint(self, place: str) -> None:
        """A place that the product itself names."""
        self.effect(f"checkpoint:{place}")

    def install(self) -> None:
        """Watch this process, for good."""
        for name in OF_FILES:
            setattr(os, name, self._watched(name, _unsynced if name == "fsync" else getattr(os, name)))
        os.fdopen = self._fdopen(os.fdopen)
        self._install_stores()
        request = aiohttp.ClientSession._request

        async def watched_request(session: aiohttp.ClientSession, method: str, url: Any, **more: Any) -> Any:
            self.effect(f"call:{method}")
            answer = await request(session, method, url, **more)
            self.effect(f"answer:{method}")
            return answer

        aiohttp.ClientSession._request = watched_request  # type: ignore[method-assign, assignment]
        self._install_clients()

    def around(self, owner: Any, name: str, what: str) -> None:
        """Watch a method of a client that is awaited."""
        method = getattr(owner, name)

        async def watched(*given: Any, **more: Any) -> Any:
            self.effect(f"call:{what}")
            answer = await method(*given, **more)
            self.effect(f"answer:{what}")
            return answer

        setattr(owner, name, watched)

    def _install_stores(self) -> None:
        run = Database.run

        def watched_run(database: Database, call: Callable[[Any], Any]) -> Any:
            where = place_of(sys._getframe(1)) or ""

            def named(connection: Any) -> Any:
                self._storing.where = where
                return call(connection)

            return run(database, named)

        Database.run = watched_run  # type: ignore[method-assign, assignment]
        event.listen(Engine, "commit", self._commit)
        event.listen(Engine, "engine_connect", _never_syncing)
        event.listen(Engine, "before_cursor_execute", self._statement)
        scrub = database_module._truncate_log

        def watched_scrub(engine: Engine) -> bool:
            self.effect("scrub", f"{_STORE}:_truncate_log")
            return scrub(engine)

        database_module._truncate_log = watched_scrub

    def _install_clients(self) -> None:
        self.around(redis_connection.AbstractConnection, "send_packed_command", "redis")
        self.around(nats.js.client.JetStreamContext, "publish", "nats")
        self.around(aio_pika.Exchange, "publish", "rabbitmq")
        send = botocore.httpsession.URLLib3Session.send

        def watched_send(session: Any, request: Any) -> Any:
            self.effect(f"call:{request.method}")
            answer = send(session, request)
            self.effect(f"answer:{request.method}")
            return answer

        botocore.httpsession.URLLib3Session.send = watched_send

    def _commit(self, _connection: Any) -> None:
        where = self._storing.__dict__.pop("where", None)
        if where != "":
            self.effect("commit", where)

    def _statement(self, _connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        place = place_of(sys._getframe(1))
        if place is not None and place.startswith("sidecar.targets.") and not statement.startswith("SELECT"):
            self.effect("statement", place)

    def _watched(self, name: str, done: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*given: Any, **more: Any) -> Any:
            self.effect(name)
            return done(*given, **more)

        return watched

    def _fdopen(self, opened: Callable[..., Any]) -> Callable[..., Any]:
        injector = self

        class Torn(io.BufferedWriter):
            def write(self, data: Any) -> int:
                injector.effect("write")
                return super().write(data)

        def fdopen(descriptor: int, mode: str = "r", *given: Any, **more: Any) -> Any:
            if mode != "wb" or given or more:
                return opened(descriptor, mode, *given, **more)
            return Torn(io.FileIO(descriptor, "wb"), _SMALL_BUFFER)

        return fdopen


def _never_syncing(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        connection.connection.cursor().execute("PRAGMA synchronous=OFF").close()


def place_of(frame: FrameType | None) -> str | None:
    """Return ``module:function`` of the innermost part of the product on the stack; None: there is none."""
    store = None
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.startswith("sidecar."):
            place = f"{module}:{frame.f_code.co_qualname.partition('.<locals>')[0]}"
            if module != _STORE:
                return place
            store = store or place
        frame = frame.f_back
    return store
