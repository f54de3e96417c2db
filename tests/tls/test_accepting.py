"""Whoever says nothing takes no room from others (P12): real sockets, on both event loops."""

from __future__ import annotations

import asyncio
import resource
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from sidecar.app.event_loop import new_event_loop
from sidecar.tls.accepting import Acceptor
from sidecar.tls.contexts import server_context
from tests.tls.authority import Authority, Issued
from tests.tls.conftest import plain_client

HALF = b"\x16\x03\x01\x02\x00\x01\x00"  # the beginning of a ClientHello
MOST = 20


LOOPS = (asyncio.new_event_loop, new_event_loop)  # Python's own, and the one that serves


class Echo(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)  # type: ignore[attr-defined]


@asynccontextmanager
async def accepting(context: ssl.SSLContext | None) -> AsyncIterator[Acceptor]:
    acceptor = Acceptor(Echo, context, handshake_seconds=60, most_handshakes=MOST)
    await acceptor.open("127.0.0.1", 0, 100)
    try:
        yield acceptor
    finally:
        acceptor.close()
        await acceptor.end()


async def served(port: int, context: ssl.SSLContext | None, connected: socket.socket | None = None) -> bool:
    where = {"sock": connected} if connected else {"host": "127.0.0.1", "port": port}
    name = "localhost" if context else None
    reader, writer = await asyncio.open_connection(ssl=context, server_hostname=name, **where)
    writer.write(b"there?")
    async with asyncio.timeout(20):
        got = await reader.readexactly(6)
    writer.close()
    return got == b"there?"


async def half_open(port: int) -> asyncio.StreamReader:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HALF)
    reader.writer = writer  # type: ignore[attr-defined]  # or it would be closed with its last reference
    return reader


@pytest.mark.parametrize("loop", LOOPS)
def test_P12_half_open_handshakes_are_bounded_and_in_nobodys_way(
    authority: Authority, trainer: Issued, loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(_many_say_nothing(authority, plain_client(authority.write(), trainer)))


async def _many_say_nothing(authority: Authority, client: ssl.SSLContext) -> None:
    async with accepting(server_context(authority.serve())) as acceptor:
        waiting = [await half_open(acceptor.port) for _ in range(5 * MOST)]
        assert await served(acceptor.port, client)
        ended = [asyncio.ensure_future(one.read()) for one in waiting]
        async with asyncio.timeout(20):
            for one in ended[: 4 * MOST]:  # the oldest were given up
                with suppress(ConnectionError):
                    assert await one == b""
        assert not any(one.done() for one in ended[-MOST // 2 :])
        for one in ended:
            one.cancel()


@contextmanager
def without_descriptors() -> Iterator[socket.socket]:
    """Let this process open nothing more but this one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    last = max(int(one.name) for one in Path("/proc/self/fd").iterdir())
    fillers: list[socket.socket] = []
    while not fillers or fillers[-1].fileno() <= last:  # until there are no gaps
        fillers.append(socket.socket())
    resource.setrlimit(resource.RLIMIT_NOFILE, (fillers[-1].fileno() + 1, hard))
    try:
        yield fillers[-1]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for one in fillers[:-1]:
            one.close()


@pytest.mark.parametrize("loop", LOOPS)
def test_it_goes_on_accepting_when_there_are_descriptors_again(
    authority: Authority,
    trainer: Issued,
    loop: Callable[[], asyncio.AbstractEventLoop],
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def run_out() -> None:
        client = plain_client(authority.write(), trainer)
        async with accepting(server_context(authority.serve())) as acceptor:
            with without_descriptors() as waiting:
                waiting.connect(("127.0.0.1", acceptor.port))
                for _ in range(100):
                    if "could not be taken in" in caplog.text:
                        break
                    await asyncio.sleep(0.05)
            assert "could not be taken in" in caplog.text
            assert await served(acceptor.port, client, waiting)

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(run_out())


async def test_plain_text_is_served_too() -> None:
    async with accepting(None) as acceptor:
        assert await served(acceptor.port, None)


async def test_an_end_leaves_nothing_behind(authority: Authority) -> None:
    async with accepting(server_context(authority.serve())) as acceptor:
        reader = await half_open(acceptor.port)
        await asyncio.sleep(0.05)
        port = acceptor.port
    with suppress(ConnectionError):
        assert await reader.read() == b""
    with pytest.raises(OSError):
        await half_open(port)
    assert [one.get_name() for one in asyncio.all_tasks() if one.get_name() in ("accepting", "handshake")] == []


async def test_an_address_in_use_is_an_error_and_leaves_no_socket() -> None:
    async with accepting(None) as first:
        second = Acceptor(Echo, None, 1, 1)
        with pytest.raises(OSError):
            await second.open("127.0.0.1", first.port, 10)
        with pytest.raises(IndexError):
            _ = second.port


@pytest.mark.parametrize("loop", LOOPS)
def test_p49_a_descriptor_that_listened_is_free_for_others_once_closed(
    loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def take_its_place() -> None:
        async with accepting(None) as acceptor:
            await asyncio.sleep(0.05)  # it waits for a connection
            acceptor.close()
            ours, theirs = socket.socketpair()  # of the same number, as what is under way may open one meanwhile
            with ours, theirs:
                readable = asyncio.Event()
                asyncio.get_running_loop().add_reader(ours, readable.set)
                await asyncio.sleep(0.05)
                theirs.send(b"x")
                async with asyncio.timeout(20):
                    await readable.wait()
                asyncio.get_running_loop().remove_reader(ours)

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(take_its_place())


async def test_a_host_of_two_families_is_served_by_the_one_that_there_is() -> None:
    loop = asyncio.get_running_loop()
    resolve = loop.getaddrinfo
    missing = (socket.AF_AX25, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 0))  # as IPv6 on a kernel without it

    async def answer(*args: Any, **more: Any) -> Any:
        return [missing, *await resolve(*args, **more)]

    loop.getaddrinfo = answer  # type: ignore[method-assign]
    async with accepting(None) as acceptor:
        assert await served(acceptor.port, None)


class Delays(Echo):
    """Says whether what it writes is sent at once."""

    def data_received(self, data: bytes) -> None:
        held = self.transport.get_extra_info("socket")
        at_once = held.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
        super().data_received(b"at once" if at_once else b"delayed")


@pytest.mark.parametrize("loop", LOOPS)
def test_small_answers_do_not_wait_for_the_client_to_acknowledge_others(
    loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def ask() -> bytes:
        acceptor = Acceptor(Delays, None, handshake_seconds=60, most_handshakes=MOST)
        await acceptor.open("127.0.0.1", 0, 100)
        reader, writer = await asyncio.open_connection("127.0.0.1", acceptor.port)
        writer.write(b"?")
        async with asyncio.timeout(20):
            said = await reader.readexactly(7)
        writer.close()
        acceptor.close()
        await acceptor.end()
        return said

    with asyncio.Runner(loop_factory=loop) as runner:
        assert runner.run(ask()) == b"at once"
