"""P51, P56: upstreams that would carry chats in clear, or could be anybody, are refused before they are used."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest
from multidict import CIMultiDict

from sidecar.errors import ConfigError, UpstreamFailed, UpstreamFault
from sidecar.metrics import Metrics
from sidecar.proxy.body_budget import BodyBudget
from sidecar.proxy.upstream import Plaintext, Upstream, UpstreamSettings
from sidecar.tls.contexts import ClientAuth as Asks
from sidecar.tls.contexts import ClientTls, ServerTls, client_context, server_context
from sidecar.tls.dev_certs import DevCertificates, Existing, make_dev_certificates


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8080",
        "http://[::1]:8080/",
        "http://localhost",
        "https://chatbot.example",
        "http://127.9.9.9:1",
    ],
)
def test_P51_urls_that_are_safe(url: str) -> None:
    assert UpstreamSettings("chatbot", url).origin == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "http://chatbot:8080", "http://10.0.0.1", "http://0.0.0.0:80", "http://localhost.evil.example", "chatbot:8080",
        "ftp://127.0.0.1", "https://", "https://user:pw@chatbot.example", "https://chatbot.example/base",
        "https://chatbot.example?x", "http://[2001:db8::1]", "http://2130706433",
    ],
)  # fmt: skip
def test_P51_urls_that_are_not(url: str) -> None:
    with pytest.raises(ConfigError) as error:
        UpstreamSettings("chatbot", url)
    (problem,) = error.value.problems
    assert problem.path == "upstreams.chatbot.url"
    assert problem.remedy
    assert "pw" not in str(error.value).replace("upstreams", "")


async def _closing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
    writer.close()


@pytest.mark.parametrize("body", [None, b"x", b"x" * 100_000])
async def test_an_upstream_by_its_IPv6_address_is_asked(body: bytes | None) -> None:
    try:
        server = await asyncio.start_server(_closing, "::1", 0)
    except OSError:
        pytest.skip("no IPv6 here")
    port = server.sockets[0].getsockname()[1]
    upstream = Upstream(UpstreamSettings("chatbot", f"http://[::1]:{port}"))
    await upstream.start()
    try:
        answer = await upstream.send("POST", "/a%2Fb?", CIMultiDict({"Host": upstream.host}), body)
        assert await answer.read(10, BodyBudget(10, Metrics()).share()) == b"ok"
    finally:
        await upstream.stop()
        server.close()


def test_P51_plain_text_elsewhere_takes_an_explicit_word() -> None:
    UpstreamSettings("chatbot", "http://chatbot:8080", plaintext=Plaintext.UNSAFE_ANYWHERE)


def test_P56_a_context_that_verifies_nothing_is_refused() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with pytest.raises(ConfigError):
        UpstreamSettings("chatbot", "https://chatbot.example", tls=context)


@pytest.fixture(scope="module")
def strangers(tmp_path_factory: pytest.TempPathFactory, certificates: DevCertificates) -> DevCertificates:
    from datetime import UTC, datetime

    folder: Path = tmp_path_factory.mktemp("strangers")
    return make_dev_certificates(folder, datetime.now(UTC), existing=Existing.REPLACE)


@pytest.mark.parametrize(
    ("host", "ours", "fault"),
    [("127.0.0.1", True, None), ("127.0.0.1", False, UpstreamFault.TLS), ("127.0.0.2", True, UpstreamFault.TLS)],
    ids=["verified", "another CA", "another name"],
)
async def test_P56_certificates_of_upstreams_are_verified(
    host: str, ours: bool, fault: UpstreamFault | None, certificates: DevCertificates, strangers: DevCertificates
) -> None:
    got = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        got.set()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        await writer.drain()
        writer.close()

    certificate, key = certificates.server
    context = server_context(ServerTls(certificate, key, Asks.NONE))
    server = await asyncio.start_server(serve, host, 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    trust = client_context(ClientTls(ca=(certificates if ours else strangers).ca))
    upstream = Upstream(UpstreamSettings("chatbot", f"https://{host}:{port}", tls=trust))
    await upstream.start()
    try:
        if fault is None:
            answer = await upstream.send("GET", "/", CIMultiDict(), None)
            assert await answer.read(10, BodyBudget(10, Metrics()).share()) == b"{}"
            answer.close()
        else:
            with pytest.raises(UpstreamFailed) as failed:
                await upstream.send("GET", "/", CIMultiDict(), None)
            assert failed.value.fault is fault
            assert not got.is_set()
    finally:
        await upstream.stop()
        server.close()


async def test_nothing_is_sent_before_start_or_after_stop() -> None:
    upstream = Upstream(UpstreamSettings("chatbot", "http://127.0.0.1:1"))
    with pytest.raises(UpstreamFailed):
        await upstream.send("GET", "/", CIMultiDict(), None)
    await upstream.start()
    await upstream.stop()
    with pytest.raises(UpstreamFailed):
        await upstream.send("GET", "/", CIMultiDict(), None)
