"""A server that hangs, or a network that is gone without a word: whoever waits is told, and nobody for ever (E4)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from sqlalchemy import make_url, text

from sidecar.errors import StoreUnavailable
from sidecar.stores.database import Database, DatabaseSettings
from tests.services import fresh_postgresql

WAIT_SECONDS = 0.5


class Relay:
    """Passes on what a client and a server say, unless it is told to keep it."""

    def __init__(self) -> None:
        self.passing = asyncio.Event()
        self.passing.set()
        self.port = 0

    async def serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        server, to_server = await asyncio.open_connection(self._host, self._port)
        await asyncio.gather(self._pass(client, to_server), self._pass(server, to_client))

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                await self.passing.wait()
                sink.write(data)
                await sink.drain()
        sink.close()

    @asynccontextmanager
    async def before(self, url: str) -> AsyncIterator[str]:
        """Give the URL of a database behind it."""
        server = make_url(url)
        self._host, self._port = server.host or "127.0.0.1", server.port or 5432
        listener = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        try:
            yield server.set(host="127.0.0.1", port=port).render_as_string(hide_password=False)
        finally:
            listener.close()


@asynccontextmanager
async def relayed() -> AsyncIterator[tuple[Database, Relay]]:
    relay = Relay()
    with fresh_postgresql() as url:
        async with relay.before(url) as behind:
            database = Database(DatabaseSettings(behind, busy_timeout_s=WAIT_SECONDS))
            await database.start()
            try:
                yield database, relay
            finally:
                relay.passing.set()
                await database.stop()


async def test_E4_a_store_that_says_nothing_is_unavailable_and_comes_back() -> None:
    async with relayed() as (database, relay):
        relay.passing.clear()
        calls = [database.read(lambda connection: connection.scalar(text("SELECT 1"))) for _ in range(5)]
        async with asyncio.timeout(60):
            answers: list[Any] = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(one) for one in answers} == {StoreUnavailable}
        relay.passing.set()
        assert await database.read(lambda connection: connection.scalar(text("SELECT 1"))) == 1


async def test_a_stop_does_not_wait_for_a_store_that_says_nothing() -> None:
    async with relayed() as (database, relay):
        relay.passing.clear()
        call = asyncio.create_task(database.run(lambda connection: connection.execute(text("SELECT 1"))))
        await asyncio.sleep(0)
        async with asyncio.timeout(60):
            await database.stop()
        with pytest.raises(StoreUnavailable):
            await call


async def test_a_server_that_works_on_a_statement_is_not_silent_too_long() -> None:
    async with relayed() as (database, _):
        with pytest.raises(StoreUnavailable, match="57014"):  # the server's own bound comes first
            await database.read(lambda connection: connection.execute(text("SELECT pg_sleep(60)")))
