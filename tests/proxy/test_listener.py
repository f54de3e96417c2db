"""P12, P49, P51, P52, P59: who gets in, for how long, and how it ends."""

from __future__ import annotations

import asyncio
import os
import ssl
import subprocess
import sys
from contextlib import suppress

import pytest

from sidecar.access import Identity, KnownCaller, Role
from sidecar.errors import ConfigError
from sidecar.proxy.listener import ListenerSettings, require_compiled_parser
from sidecar.tls.contexts import ClientTls, client_context
from sidecar.tls.dev_certs import DevCertificates, client_san
from tests.proxy.rig import AUTH, Received, answer, answering, request, running

Contexts = tuple[ssl.SSLContext, ssl.SSLContext]


def settings(**changes: float) -> ListenerSettings:
    plain = {"drain_delay_seconds": 0.0, "drain_seconds": 0.1}
    return ListenerSettings("127.0.0.1", 0, **{**plain, **changes})  # type: ignore[arg-type]


async def test_P12_head_that_drips_is_closed_within_its_time(contexts: Contexts) -> None:
    async with running(answering(), contexts, settings=settings(header_seconds=0.5)) as rig:
        client = await rig.connect()
        began = asyncio.get_running_loop().time()

        async def drip() -> None:
            for byte in request("GET", "/api/1"):
                client.writer.write(bytes([byte]))
                await asyncio.sleep(0.05)

        dripping = asyncio.create_task(drip())
        with suppress(ConnectionError, ssl.SSLError):
            assert await client.reader.read() == b""
        assert asyncio.get_running_loop().time() - began < 5
        dripping.cancel()
        await asyncio.gather(dripping, return_exceptions=True)
        await client.close()
        assert rig.upstream.requests == []


async def test_P12_second_head_on_a_kept_connection_is_bounded_too(contexts: Contexts) -> None:
    async with running(answering(), contexts, settings=settings(header_seconds=0.3)) as rig:
        client = await rig.connect()
        client.writer.write(request("GET", "/api/1"))
        assert (await client.answer()).status == 200
        client.writer.write(b"GET /api/2 HT")
        assert await client.is_closed()
        await client.close()


async def test_P12_time_for_a_head_does_not_run_while_a_request_is_served(contexts: Contexts) -> None:
    async def slow(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.6)
        writer.write(answer(b"{}", length=2))

    async with running(slow, contexts, settings=settings(header_seconds=0.2)) as rig:
        client = await rig.connect()
        data = request("GET", "/api/1")
        client.writer.write(data[:10])
        await asyncio.sleep(0.05)
        client.writer.write(data[10:])
        assert (await client.answer()).status == 200
        await client.close()


async def test_idle_connection_is_closed(contexts: Contexts) -> None:
    async with running(answering(), contexts, settings=settings(keepalive_seconds=0.3)) as rig:
        client = await rig.connect()
        assert await client.is_closed()
        await client.close()


async def test_connections_over_the_limit_are_cut(contexts: Contexts) -> None:
    async with running(answering(), contexts, settings=settings(max_connections=2)) as rig:
        first, second, third = await rig.connect(), await rig.connect(), await rig.connect()
        third.writer.write(request("GET", "/api/1"))
        assert await third.is_closed()
        first.writer.write(request("GET", "/api/1"))
        assert (await first.answer()).status == 200
        await first.close()
        async with asyncio.timeout(5):
            while True:
                fourth = await rig.connect()
                fourth.writer.write(request("GET", "/api/1"))
                with suppress(asyncio.IncompleteReadError, ConnectionError):
                    assert (await fourth.answer()).status == 200
                    break
        for client in (second, third, fourth):
            await client.close()


async def test_P51_plain_http_gets_no_proxied_byte(contexts: Contexts) -> None:
    async with running(answering(), contexts) as rig:
        reader, writer = await asyncio.open_connection("127.0.0.1", rig.listener.port)
        writer.write(b"GET /api/1 HTTP/1.1\r\nHost: a\r\n" + AUTH + b"\r\n")
        got = b""
        with suppress(ConnectionError):
            got = await reader.read()
        assert b"HTTP" not in got
        writer.close()
        assert rig.upstream.requests == []
        assert rig.audit.intents == []


@pytest.mark.parametrize(("listed", "status"), [(True, 200), (False, 403)])
async def test_P52_certificates_name_the_caller(
    listed: bool, status: int, contexts: Contexts, certificates: DevCertificates
) -> None:
    certificate, key = certificates.client(Role.TRAINER)
    caller = KnownCaller(
        Identity("notebook", frozenset({Role.TRAINER})),
        certificate_name=client_san(Role.TRAINER) if listed else "URI:spiffe://dev/somebody-else",
    )
    async with running(answering(), contexts, callers=[caller]) as rig:
        rig.trust = client_context(ClientTls(certificates.ca, certificate, key))
        answered = await rig.send(b"GET /api/1 HTTP/1.1\r\nHost: a\r\n\r\n")
        assert answered.status == status
        await rig.outcome()
        intent = rig.audit.intents[0]
        assert intent.peer_certificate_sha256 is not None
        assert (intent.actor, intent.proof) == (("notebook", "certificate") if listed else ("anonymous", "none"))


CLIMBING = [
    "/api/..;/files/1", "/api/%2e%2e/files/1", "/api/../metrics", "/api/..%2fmetrics", "/api/%252e%252e/metrics",
    "/api/.%2e/metrics", "/api/..\\metrics", "/api/%5c..%5cmetrics", "/api/./x", "/api/x/..", "/%2e%2e/metrics",
    "/..;/metrics", "/api/%00", "/api/%2525252e",
]  # fmt: skip


@pytest.mark.parametrize("target", CLIMBING)
async def test_P59_paths_that_climb_are_refused(target: str, contexts: Contexts) -> None:
    async with running(answering(), contexts) as rig:
        assert (await rig.get(target)).status in (400, 404)
        await rig.outcome()
        assert rig.upstream.requests == []


async def test_P49_drain_answers_what_is_under_way_and_what_still_comes(contexts: Contexts) -> None:
    go_on = asyncio.Event()

    async def slow(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if received.target == b"/api/slow":
            await go_on.wait()
        writer.write(answer(b"{}", length=2))

    drain = settings(drain_delay_seconds=0.4, drain_seconds=5)
    async with running(slow, contexts, settings=drain) as rig:
        idle, busy = await rig.connect(), await rig.connect()
        busy.writer.write(request("GET", "/api/slow"))
        await rig.upstream.arrived()
        assert rig.listener.ready
        stopping = asyncio.create_task(rig.listener.stop())
        await asyncio.sleep(0.1)
        assert not rig.listener.ready
        late = await rig.get("/api/late")
        assert (late.status, late.values("Connection")) == (200, ["close"])
        assert await idle.is_closed()
        go_on.set()
        assert (await busy.answer()).status == 200
        await asyncio.wait_for(stopping, 5)
        await rig.settled(2)
        with pytest.raises(OSError):
            await rig.connect()
        await idle.close()
        await busy.close()


@pytest.mark.parametrize("drain_seconds", [0, 0.2])
async def test_P49_what_does_not_end_in_time_is_cut_and_recorded(drain_seconds: float, contexts: Contexts) -> None:
    async def endless(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        await reader.read()
        raise EOFError

    async with running(endless, contexts, settings=settings(drain_seconds=drain_seconds)) as rig:
        client = await rig.connect()
        client.writer.write(request("GET", "/files/1"))
        await client.reader.readuntil(b"hello")
        await asyncio.wait_for(rig.listener.stop(), 5)
        outcome = await rig.outcome()
        assert (outcome.decision, outcome.reason) == ("aborted", "stopping")
        await client.close()


def test_parser_is_the_compiled_one() -> None:
    require_compiled_parser()


def test_start_is_refused_without_the_compiled_parser() -> None:
    code = "from sidecar.proxy.listener import require_compiled_parser as f\nf()"
    ended = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "AIOHTTP_NO_EXTENSIONS": "1"}, capture_output=True, text=True
    )
    assert ended.returncode == 1
    assert ConfigError.__name__ in ended.stderr
    assert "Unset AIOHTTP_NO_EXTENSIONS" in ended.stderr
