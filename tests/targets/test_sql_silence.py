"""A server that falls silent takes no thread with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy import make_url

from sidecar.targets.target import DeleteStatus, TargetFault
from tests.targets.rig import ANNA
from tests.targets.sql_rig import Shop, database, sql_target


class Line:
    """A way to a server. From a call with the words ``silent_from`` on, nothing goes over it any more."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.silent_from: bytes | None = None

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, calls = await asyncio.open_connection("127.0.0.1", self._port)
        asking = asyncio.create_task(self._copy(answers, writer))
        while data := await reader.read(65536):
            if self.silent_from is not None and self.silent_from in data:
                asking.cancel()
            calls.write(data)
        calls.close()
        writer.close()

    async def _copy(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            sink.write(data)
        sink.close()


@asynccontextmanager
async def line(port: int) -> AsyncIterator[tuple[Line, int]]:
    made = Line(port)
    server = await asyncio.start_server(made.carry, "127.0.0.1", 0)
    async with server:
        yield made, server.sockets[0].getsockname()[1]


async def test_E14_a_server_that_falls_silent_is_given_up_and_asked_again(tmp_path: Path) -> None:
    with database("postgresql", tmp_path) as url:
        shop = Shop(url)
        async with line(make_url(url).port or 5432) as (way, port):
            theirs = make_url(url).set(port=port).render_as_string(hide_password=False)
            target = sql_target(theirs, statement_timeout_seconds=0.1, concurrency=1)
            await target.start()
            shop.put(ANNA)
            for words in (b"DELETE FROM items", b"COMMIT"):
                way.silent_from = words
                assert (await target.delete(ANNA.identities)).fault is TargetFault.UNREACHABLE
            way.silent_from = None
            assert (await target.delete(ANNA.identities)).status in {DeleteStatus.DELETED, DeleteStatus.NO_DATA}
            assert shop.left(ANNA) == 0
            await target.stop()
        shop.engine.dispose()
