"""Where the admin listener may listen, what every answer carries, and what malformed requests leave behind."""

from __future__ import annotations

import asyncio
import json
import socket
from dataclasses import replace

import pytest
from aiohttp import web

from sidecar.access import Identity, Role
from sidecar.admin.connection import Bounds
from sidecar.admin.guard import Guard
from sidecar.admin.listener import AdminListener, AdminSettings
from sidecar.admin.probes import probe_routes
from sidecar.admin.route import AdminRoute
from sidecar.audit.record import Action
from sidecar.errors import ConfigError
from sidecar.metrics import Metrics
from sidecar.tls.dev_certs import Existing, make_dev_certificates
from tests.admin.conftest import PSEUDONYMS, MemoryAudit, Open, parse
from tests.tls.authority import NOW


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "sidecar.example", ""])
def test_plain_http_is_for_loopback_only(host: str) -> None:
    with pytest.raises(ConfigError, match="without TLS"):
        AdminSettings(host, 9443, None)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.3.2.1", "::1", "localhost"])
def test_plain_http_on_loopback_may_be(host: str) -> None:
    assert AdminSettings(host, 9443, None).tls is None


def _plain(port: int = 0) -> AdminListener:
    metrics = Metrics()
    guard = Guard((), MemoryAudit(), PSEUDONYMS, metrics, 1000)
    return AdminListener(AdminSettings("127.0.0.1", port, None), probe_routes((), metrics.registry), guard)


async def test_a_port_in_use_is_named_with_the_remedy() -> None:
    taken = socket.create_server(("127.0.0.1", 0))
    with taken, pytest.raises(ConfigError, match=r"can't listen on 127\.0\.0\.1") as caught:
        await _plain(taken.getsockname()[1]).start()
    assert caught.value.problems[0].remedy


async def test_stopped_means_gone() -> None:
    listener = _plain()
    await listener.start()
    port = listener.port
    await listener.stop()
    await listener.stop()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
    with pytest.raises(RuntimeError, match="not started"):
        _ = listener.port


async def test_p57_hsts_over_tls_only(open_admin: Open) -> None:
    admin = await open_admin(())
    answer = await admin.call("/healthz")
    assert answer.headers["strict-transport-security"] == "max-age=63072000"
    listener = _plain()
    await listener.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert b"Strict-Transport-Security" not in await reader.read()
    writer.close()
    await listener.stop()


@pytest.mark.parametrize("path", ["/healthz", "/metrics", "/nothing"])
async def test_every_answer_is_for_this_caller_alone(open_admin: Open, path: str) -> None:
    answer = await (await open_admin(())).call(path)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["server"] == "privacy-sidecar"  # and no version


@pytest.mark.parametrize("path", ["/..;/metrics", "/%2e%2e/metrics", "/healthz/../metrics", "//metrics", "/METRICS"])
async def test_p59_no_spelling_of_a_path_gets_around_the_guard(open_admin: Open, path: str) -> None:
    admin = await open_admin(())
    answer = await admin.call(path)
    assert answer.status in (400, 401)
    assert b"sidecar_" not in answer.body


async def test_p60_a_malformed_request_leaves_nothing_of_itself_in_the_log(
    open_admin: Open, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    admin = await open_admin(())
    raw = await admin.say(b"GET /healthz HTTP/1.1\r\nHost: a\r\nX max.mustermann@example.com\r\n\r\n")
    assert parse(raw).status == 400
    assert "mustermann" not in caplog.text


async def test_p51_plain_http_on_the_tls_port(open_admin: Open) -> None:
    admin = await open_admin(())
    reader, writer = await asyncio.open_connection("127.0.0.1", admin.listener.port)
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert b"HTTP" not in await asyncio.wait_for(reader.read(), 10)
    writer.close()


async def test_p54_a_connection_ends_once_its_certificates_were_replaced(open_admin: Open) -> None:
    async def read(_request: web.Request, _identity: Identity) -> web.StreamResponse:
        return web.json_response({})

    route = AdminRoute("GET", "/read", frozenset({Role.AUDITOR}), Action.ADMIN_READ, read)
    admin = await open_admin((route,))
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", admin.listener.port, ssl=admin.client(Role.AUDITOR), server_hostname="localhost"
    )
    request = b"GET /read HTTP/1.1\r\nHost: localhost\r\n\r\n"
    writer.write(request)
    assert b"close" not in await reader.readuntil(b"\r\n\r\n{}")
    make_dev_certificates(admin.certificates.folder, NOW, existing=Existing.REPLACE)
    tls = admin.listener._settings.tls
    assert tls is not None
    await tls.look()
    writer.write(request)
    last = await asyncio.wait_for(reader.read(), 10)
    assert b"Connection: close" in last
    writer.close()


async def test_probes_answer_from_memory(open_admin: Open) -> None:
    """Trap 6: being alive and having started depend on nothing outside."""
    admin = await open_admin(())
    assert json.loads((await admin.call("/readyz")).body) == {"ready": True}
    admin.waiting.add("detection")
    answer = await admin.call("/readyz")
    assert (answer.status, json.loads(answer.body)) == (503, {"ready": False, "waiting_for": ["detection"]})
    alive = await admin.call("/healthz")
    assert (alive.status, json.loads(alive.body)) == (200, {"alive": True})
    assert admin.audit.entries == []


@pytest.mark.parametrize(
    ("accept", "content_type", "end"),
    [
        ("*/*", "text/plain", b"\n"),
        ("application/openmetrics-text; version=1.0.0", "application/openmetrics-text", b"# EOF\n"),
    ],
)
async def test_metrics_in_either_format_for_their_role(
    open_admin: Open, accept: str, content_type: str, end: bytes
) -> None:
    admin = await open_admin(())
    answer = await admin.call("/metrics", Role.METRICS, headers=(f"Accept: {accept}",))
    assert answer.status == 200
    assert answer.headers["content-type"].startswith(content_type)
    assert answer.body.endswith(end)
    assert b'openssl="OpenSSL' in answer.body
    assert admin.audit.entries == []


@pytest.mark.parametrize(("role", "status"), [(None, 401), (Role.TRAINER, 403), (Role.AUDITOR, 403)])
async def test_p59_metrics_are_for_their_role_only(open_admin: Open, role: Role | None, status: int) -> None:
    admin = await open_admin(())
    answer = await admin.call("/metrics", role)
    assert (answer.status, b"sidecar_" in answer.body) == (status, False)
    intent, outcome = admin.audit.pair()
    assert (intent.route, outcome.status) == ("/metrics", status)


async def _bounded(bounds: Bounds, *routes: AdminRoute) -> AdminListener:
    metrics = Metrics()
    guard = Guard((), MemoryAudit(), PSEUDONYMS, metrics, 1000)
    settings = AdminSettings("127.0.0.1", 0, None, bounds=bounds)
    listener = AdminListener(settings, (*probe_routes((), metrics.registry), *routes), guard)
    await listener.start()
    return listener


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HT", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"])
async def test_p12_a_connection_that_only_lingers_is_ended(sent: bytes) -> None:
    listener = await _bounded(Bounds(life_seconds=0.2))
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(sent)
    answer = await asyncio.wait_for(reader.read(), 10)
    assert (b"200 OK" in answer) == sent.endswith(b"\r\n\r\n")
    writer.close()
    await listener.stop()


async def test_a_request_under_way_is_answered_before_its_connection_ends() -> None:
    async def slow(_request: web.Request, _identity: Identity) -> web.StreamResponse:
        await asyncio.sleep(0.5)
        return web.json_response({"done": True})

    listener = await _bounded(Bounds(life_seconds=0.1), AdminRoute("GET", "/slow", None, None, slow))
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(b"GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert (await asyncio.wait_for(reader.read(), 10)).endswith(b'{"done": true}')
    writer.close()
    await listener.stop()


async def test_connections_are_bounded_in_number() -> None:
    listener = await _bounded(Bounds(connections=2))
    opened = [await asyncio.open_connection("127.0.0.1", listener.port) for _ in range(3)]
    for _, writer in opened:
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    answers = []
    for reader, _ in opened:
        try:
            answers.append(b"200 OK" in await asyncio.wait_for(reader.read(), 10))
        except ConnectionResetError:
            answers.append(False)
    assert answers == [True, True, False]
    for _, writer in opened:
        writer.close()
    await listener.stop()


async def test_settings_are_frozen() -> None:
    settings = AdminSettings("127.0.0.1", 0, None)
    assert replace(settings, port=1).port == 1
    with pytest.raises(AttributeError):
        settings.port = 1  # type: ignore[misc]
