"""Calls to upstreams over aiohttp's inner layers: what they rest on, and what becomes of kept connections."""

from __future__ import annotations

import asyncio
import inspect
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http_writer import _serialize_headers
from multidict import CIMultiDict

from sidecar.errors import UpstreamFailed, UpstreamFault
from sidecar.metrics import Metrics
from sidecar.proxy.body_budget import BodyBudget
from sidecar.proxy.upstream import Upstream, UpstreamSettings
from sidecar.proxy.upstream_calls import LONGEST_BODY
from sidecar.tls.contexts import ClientAuth as Asks
from sidecar.tls.contexts import ClientTls, ServerTls, client_context, server_context
from sidecar.tls.dev_certs import DevCertificates
from tests.proxy.rig import Handler, RawUpstream, Received, answer, answering, read_body


@pytest.mark.parametrize(
    ("what", "parameters"),
    [
        (aiohttp.TCPConnector.connect, {"req", "traces", "timeout"}),
        (Connection.release, set()),
        (Connection.close, set()),
        (ResponseHandler.set_response_params, {"skip_payload", "read_until_eof", "auto_decompress", "read_timeout"}),
        (ResponseHandler.start_timeout, set()),
        (ResponseHandler.read, set()),
        (aiohttp.ClientRequest.__init__, {"method", "url", "loop", "session", "ssl"}),
    ],
)
def test_what_is_used_of_aiohttp_is_still_there(what: Callable[..., object], parameters: set[str]) -> None:
    """A new aiohttp that moves one of these is to be read before it is admitted in pyproject.toml."""
    assert parameters <= inspect.signature(what).parameters.keys()
    assert isinstance(ResponseHandler.should_close, property)
    assert isinstance(Connection.protocol, property)


def test_a_head_is_written_as_it_is_and_no_line_can_be_smuggled_into_one() -> None:
    fields = CIMultiDict([("Host", "a"), ("X-Two", "1"), ("x-two", "2")])
    assert _serialize_headers("GET /a?b HTTP/1.1", fields) == (
        b"GET /a?b HTTP/1.1\r\nHost: a\r\nX-Two: 1\r\nx-two: 2\r\n\r\n"
    )
    for line, more in (
        ("GET /\r\nX: HTTP/1.1", {}),
        ("GET / HTTP/1.1", {"A": "b\r\nC: d"}),
        ("GET / HTTP/1.1", {"A\n": "b"}),
    ):
        with pytest.raises(ValueError, match=r"^[^/]*$"):
            _serialize_headers(line, CIMultiDict(more))


@asynccontextmanager
async def asking(handler: Handler) -> AsyncIterator[tuple[Upstream, RawUpstream]]:
    behind = RawUpstream(handler)
    upstream = Upstream(UpstreamSettings("chatbot", f"http://127.0.0.1:{await behind.start()}"))
    await upstream.start()
    try:
        yield upstream, behind
    finally:
        await upstream.stop()
        await behind.stop()


async def ask(upstream: Upstream, method: str = "GET", body: bytes | None = None) -> bytes:
    got = await upstream.send(method, "/a", CIMultiDict({"Host": "x"}), body)
    try:
        return await got.read(10**6, BodyBudget(10**6, Metrics()).share())
    finally:
        got.close()


async def test_a_connection_is_kept_and_used_again() -> None:
    async with asking(answering()) as (upstream, behind):
        assert [await ask(upstream) for _ in range(3)] == [b"{}"] * 3
        assert behind.connections == 1


@pytest.mark.parametrize("size", [0, 1, LONGEST_BODY, LONGEST_BODY + 1, 10**6])
async def test_P23_a_body_has_its_length_once_whichever_way_it_goes(size: int) -> None:
    async with asking(answering()) as (upstream, behind):
        await ask(upstream, "POST", b"x" * size)
        (got,) = behind.requests
        assert (got.values(b"content-length"), len(got.body)) == ([str(size).encode()], size)
        assert not got.values(b"transfer-encoding")


@pytest.mark.parametrize(("method", "lengths"), [("GET", []), ("HEAD", []), ("POST", [b"0"]), ("DELETE", [b"0"])])
async def test_a_request_without_a_body_says_so_where_one_is_expected(method: str, lengths: list[bytes]) -> None:
    async with asking(answering()) as (upstream, behind):
        await ask(upstream, method)
        assert behind.requests[0].values(b"content-length") == lengths


async def test_P48_a_kept_connection_with_unasked_bytes_is_never_used_again() -> None:
    answered, spoken = asyncio.Event(), asyncio.Event()

    async def talkative(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answering(b"own")(received, reader, writer)
        await writer.drain()
        if not spoken.is_set():
            await answered.wait()
            writer.write(answer(b"foreign", length=7))
            await writer.drain()
            spoken.set()

    async with asking(talkative) as (upstream, behind):
        assert await ask(upstream) == b"own"
        answered.set()
        await spoken.wait()
        await asyncio.sleep(0.05)  # what was written is in the kernel: the loop reads it in its next turn
        assert await ask(upstream) == b"own"
        assert behind.connections == 2


async def test_P48_an_answer_with_more_behind_it_is_read_alone_and_its_connection_dropped() -> None:
    async def doubled(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(b"own", length=3) + answer(b"foreign", length=7))

    async with asking(doubled) as (upstream, behind):
        assert [await ask(upstream) for _ in range(2)] == [b"own", b"own"]
        assert behind.connections == 2


async def test_P46_a_connection_that_was_half_closed_behind_its_answer_is_not_used_again() -> None:
    left = asyncio.Event()

    async def leaving(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answering(b"own")(received, reader, writer)
        await writer.drain()
        writer.write_eof()
        left.set()

    async with asking(leaving) as (upstream, behind):
        assert await ask(upstream) == b"own"
        await left.wait()
        await asyncio.sleep(0.05)  # the end is in the kernel: the loop reads it in its next turn
        assert await ask(upstream, "POST", b"x") == b"own"
        assert behind.connections == 2


async def test_P47_an_early_answer_to_a_long_body_is_taken_and_its_connection_dropped() -> None:
    taken = asyncio.Event()

    async def refusing(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(b"no", status="413 Content Too Large", length=2))
        await taken.wait()  # the rest is neither read nor cut off before the answer is there

    async with asking(refusing) as (upstream, behind):
        got = await upstream.send("POST", "/a", CIMultiDict({"Host": "x"}), b"x" * 30_000_000)
        assert got.status == 413
        got.close()
        taken.set()
        behind.handler = answering()
        assert await ask(upstream) == b"{}"
        assert behind.connections == 2


async def test_interim_answers_are_passed_over() -> None:
    async def hinting(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_body(received, reader)
        writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + answer(b"own", length=3))

    async with asking(hinting) as (upstream, _):
        assert await ask(upstream) == b"own"


async def test_P47_a_lost_connection_is_tried_again_once_and_never_with_a_body() -> None:
    async def gone(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_body(received, reader)
        writer.close()

    async with asking(gone) as (upstream, behind):
        for method, body, times in (("GET", None, 2), ("POST", None, 1), ("PUT", b"x", 1), ("DELETE", None, 2)):
            behind.requests.clear()
            with pytest.raises(UpstreamFailed) as failed:
                await ask(upstream, method, body)
            assert (failed.value.fault, len(behind.requests)) == (UpstreamFault.CLOSED_EARLY, times)


async def test_P54_a_new_context_verifies_from_the_next_request_on(certificates: DevCertificates) -> None:
    """What was kept from the old one is not used again: its server may no longer be trusted."""
    trust = client_context(ClientTls(ca=certificates.ca))
    distrust = ssl.create_default_context()
    current = [trust]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(answer(b"{}", length=2))

    server_side = server_context(ServerTls(*certificates.server, Asks.NONE))
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server_side)
    port = server.sockets[0].getsockname()[1]
    settings = UpstreamSettings("chatbot", f"https://127.0.0.1:{port}", tls=trust)
    upstream = Upstream(settings, lambda: current[0])
    await upstream.start()
    try:
        assert await ask(upstream) == b"{}"
        current[0] = distrust
        for body in (None, b"x" * (LONGEST_BODY + 1)):
            with pytest.raises(UpstreamFailed) as failed:
                await ask(upstream, "POST", body)
            assert failed.value.fault is UpstreamFault.TLS
        current[0] = trust
        assert await ask(upstream) == b"{}"
    finally:
        await upstream.stop()
        server.close()
