"""A real HTTPS server on loopback, given a context, and clients that meet it."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest
from aiohttp import web

from sidecar.tls.connection import Peer, peer_of
from tests.tls.authority import CLIENT_USE, Authority, Issued, uri

Serve = Callable[[ssl.SSLContext], Awaitable["Served"]]


class Served:
    """A running server; ``peers`` holds who got as far as HTTP."""

    def __init__(self) -> None:
        self.port = 0
        self.peers: list[Peer] = []

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.peers.append(peer_of(request.transport, request.headers.getall("Authorization", ())))
        return web.Response(text="proxied")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "ca")


@pytest.fixture
def trainer(authority: Authority) -> Issued:
    return authority.issue("trainer", uri("spiffe://test/trainer"), CLIENT_USE)


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    runners: list[web.ServerRunner] = []

    async def start(context: ssl.SSLContext) -> Served:
        served = Served()
        runner = web.ServerRunner(web.Server(served.answer), access_log=None)
        runners.append(runner)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        served.port = runner.addresses[0][1]
        return served

    yield start
    for runner in runners:
        await runner.cleanup()


def plain_client(ca: Path, issued: Issued | None = None) -> ssl.SSLContext:
    """Return a client context of the standard library's making, not of ours."""
    context = ssl.create_default_context(cafile=str(ca))
    if issued is not None:
        context.load_cert_chain(issued.certificate, issued.key)
    return context


async def get(port: int, context: ssl.SSLContext, server_hostname: str = "localhost") -> bytes:
    """Make one request on a connection of its own and return the whole answer; ``OSError`` if it is refused."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=server_hostname)
    try:
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return await asyncio.wait_for(reader.read(), 10)
    finally:
        writer.close()


async def assert_refused(served: Served, context: ssl.SSLContext) -> None:
    """Assert that a handshake fails. In TLS 1.3 a client learns of it only when it reads: an error, or an end."""
    before = len(served.peers)
    with suppress(ssl.SSLError, ConnectionError):
        assert await get(served.port, context) == b""
    assert len(served.peers) == before


def resume(port: int, client: ssl.SSLContext, session: ssl.SSLSession | None) -> tuple[bool, ssl.SSLSession | None]:
    """Make one request and end TLS properly; return whether the session was resumed, and the one to resume."""
    raw = socket.create_connection(("127.0.0.1", port), timeout=10)
    with client.wrap_socket(raw, server_hostname="localhost", session=session) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"200 OK" in connection.recv(4096)
        reused, session = bool(connection.session_reused), connection.session
        connection.unwrap()  # without a proper end the server forgets the session
    return reused, session
