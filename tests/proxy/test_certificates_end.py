"""A certificate that no longer counts opens nothing on a connection that is open already (P52, P54, P55): real TLS."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.name import _ASN1Type

from sidecar.access import Identity, KnownCaller, Role
from sidecar.metrics import Metrics
from sidecar.payloads.field_map import FieldMap
from sidecar.proxy.routes import BodyMode, Route, WebsocketRules
from sidecar.tls import connection
from sidecar.tls.reload import Look
from sidecar.tls.reloaded_listener import ReloadedListener, reloaded_listener
from tests.proxy.frames import Peer, accepting, connected, echo, said
from tests.proxy.rig import Received, Rig, answering, route, running
from tests.tls.authority import CLIENT_USE, LOCALHOST, NOW, SERVER_USE, Authority, Issued, uri
from tests.tls.conftest import plain_client
from tests.tls.test_revocation import write_list

_ECDSA_WITH_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")
NAME = "spiffe://test/trainer"
CALLER = KnownCaller(Identity("notebook", frozenset({Role.TRAINER})), certificate_name=f"URI:{NAME}")
GET = b"GET /api/1 HTTP/1.1\r\nHost: localhost\r\n\r\n"
SOCKETS = route("sockets", "/ws", websocket=WebsocketRules(), fields=FieldMap(deltas=()))
STREAMS = route("streams", "/streams", body=BodyMode.OPAQUE)


class Upstream:
    """Answers, echoes messages, and sends a piece of a stream whenever it is told to."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()

    async def __call__(self, got: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if got.values(b"sec-websocket-key"):
            await accepting(echo)(got, reader, writer)
        if not got.target.startswith(b"/streams"):
            await answering()(got, reader, writer)
            return
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nfirst")
        await self.go_on.wait()
        writer.write(b"second")
        await reader.read()
        raise EOFError


@asynccontextmanager
async def serving(
    authority: Authority,
    issued: Issued,
    listener: ReloadedListener,
    routes: Sequence[Route] = (route(), SOCKETS, STREAMS),
) -> AsyncIterator[tuple[Rig, Upstream]]:
    trust = plain_client(authority.folder / "server-ca.pem", issued)
    trust.check_hostname = False  # the rig calls by address
    upstream = Upstream()
    async with running(
        upstream, (listener.open(), trust), routes, callers=[CALLER], upstream_changes={"read_seconds": 60}
    ) as rig:
        yield rig, upstream


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "ca")


def listening(authority: Authority) -> ReloadedListener:
    """A listener whose clients' authorities are in a file of their own: ``ca.pem``, also the issuer of its server."""
    tls = authority.serve()
    shutil.copy(authority.file, authority.folder / "server-ca.pem")
    return reloaded_listener("data", tls, Metrics())


async def status_of_next(client: object) -> int:
    reader, writer = client.reader, client.writer  # type: ignore[attr-defined]
    writer.write(GET)
    async with asyncio.timeout(10):
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        await reader.readexactly(length)
    return int(head.split()[1])


async def until_cut(reader: asyncio.StreamReader) -> bytes:
    got = b""
    async with asyncio.timeout(10):
        try:
            while some := await reader.read(100):
                got += some
        except ConnectionError:
            return got
    raise AssertionError("it ended as if it were whole")


async def test_P52_a_certificate_that_expires_opens_nothing_any_more(authority: Authority) -> None:
    since = (datetime.now(UTC) - NOW).total_seconds()
    issued = authority.issue("t", uri(NAME), CLIENT_USE, days=(since + 8) / 86_400)
    async with (
        serving(authority, issued, listening(authority)) as (rig, upstream),
        connected(rig) as peer,
    ):
        kept, streaming = await rig.connect(), await rig.connect()
        assert await status_of_next(kept) == 200
        streaming.writer.write(GET.replace(b"/api/1", b"/streams"))
        await streaming.reader.readuntil(b"first")
        await peer.say(said("x"))
        assert await peer.heard() == said("x")
        for _ in range(150):
            if (status := await status_of_next(kept)) != 200:
                break
            await asyncio.sleep(0.2)
        assert status == 401
        await _all_is_over(upstream, peer, streaming.reader)
        assert {one.reason for one in rig.audit.outcomes} == {None, "no_identity"}


async def _all_is_over(upstream: Upstream, peer: Peer, reader: asyncio.StreamReader) -> None:
    await peer.say(said("x"))
    assert (await peer.closed()).code == 1008
    upstream.go_on.set()
    assert b"second" not in await until_cut(reader)


async def test_P54_open_connections_end_whose_authority_is_taken_out(authority: Authority) -> None:
    listener = listening(authority)
    successor = Authority(authority.folder, "successor")
    successor.write()
    old = authority.issue("old", uri(NAME), CLIENT_USE)
    new = successor.issue("new", uri(NAME), CLIENT_USE)
    async with serving(authority, old, listener) as (rig, upstream), connected(rig) as peer:
        kept, streaming = await rig.connect(), await rig.connect()
        assert await status_of_next(kept) == 200
        streaming.writer.write(GET.replace(b"/api/1", b"/streams"))
        await streaming.reader.readuntil(b"first")
        authority.file.write_bytes((authority.folder / "server-ca.pem").read_bytes() + successor.file.read_bytes())
        assert await listener.look() is Look.SWAPPED
        assert await status_of_next(kept) == 200  # one more is trusted, and none less
        rig.trust = plain_client(authority.folder / "server-ca.pem", new)
        rig.trust.check_hostname = False
        successors = await rig.connect()
        assert await status_of_next(successors) == 200
        shutil.copy(successor.file, authority.file)
        assert await listener.look() is Look.SWAPPED
        assert await status_of_next(kept) == 401
        await _all_is_over(upstream, peer, streaming.reader)
        assert await status_of_next(successors) == 200  # made before the swap, by one who is trusted still
        await successors.close()


@pytest.mark.parametrize("coded", [None, _ASN1Type.PrintableString])  # as its certificates name it, and otherwise
async def test_P55_open_connections_end_whose_certificate_is_revoked(
    authority: Authority, coded: _ASN1Type | None
) -> None:
    tls = authority.serve()
    shutil.copy(authority.file, authority.folder / "server-ca.pem")
    issued, other = (authority.issue(name, uri(NAME), CLIENT_USE) for name in ("revoked", "other"))
    path = write_list(authority)
    listener = reloaded_listener("data", replace(tls, revocations=path), Metrics())
    async with serving(authority, issued, listener) as (rig, upstream), connected(rig) as peer:
        kept, streaming = await rig.connect(), await rig.connect()
        assert await status_of_next(kept) == 200
        streaming.writer.write(GET.replace(b"/api/1", b"/streams"))
        await streaming.reader.readuntil(b"first")
        rig.trust = plain_client(authority.folder / "server-ca.pem", other)
        rig.trust.check_hostname = False
        others = await rig.connect()
        assert await status_of_next(others) == 200
        write_list(authority, [issued], coded=coded)
        assert await listener.look() is Look.SWAPPED
        assert await status_of_next(kept) == 401
        await _all_is_over(upstream, peer, streaming.reader)
        assert await status_of_next(others) == 200
        await others.close()


async def test_P55_open_connections_end_with_the_list_that_their_client_was_looked_up_in(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, real = SimpleNamespace(time=time.time), time.time
    monkeypatch.setattr(connection, "time", clock)
    tls, issued = authority.serve(), authority.issue("t", uri(NAME), CLIENT_USE)
    shutil.copy(authority.file, authority.folder / "server-ca.pem")
    another = Authority(authority.folder, "another")
    authority.file.write_bytes(authority.file.read_bytes() + another.write().read_bytes())
    lasting = write_list(another, name="another-crl", until=NOW + timedelta(hours=30)).read_bytes()
    path = write_list(authority, until=NOW + timedelta(hours=10))
    path.write_bytes(path.read_bytes() + lasting)
    listener = reloaded_listener("data", replace(tls, revocations=path), Metrics())
    async with serving(authority, issued, listener) as (rig, upstream), connected(rig) as peer:
        kept, streaming = await rig.connect(), await rig.connect()
        assert await status_of_next(kept) == 200
        streaming.writer.write(GET.replace(b"/api/1", b"/streams"))
        await streaming.reader.readuntil(b"first")
        await peer.say(said("x"))
        assert await peer.heard() == said("x")
        own, rig.trust = (
            rig.trust,
            plain_client(authority.folder / "server-ca.pem", another.issue("o", uri(NAME), CLIENT_USE)),
        )
        rig.trust.check_hostname = False
        others = await rig.connect()
        assert await status_of_next(others) == 200
        clock.time = lambda: real() + 11 * 3600
        assert await status_of_next(kept) == 401
        await _all_is_over(upstream, peer, streaming.reader)
        assert await status_of_next(others) == 200  # the list of its authority is valid still
        path.write_bytes(write_list(authority, name="new").read_bytes() + lasting)
        assert await listener.look() is Look.SWAPPED
        assert await status_of_next(others) == 200
        shutil.copy(authority.folder / "new.pem", path)  # without the other authority's
        assert await listener.look() is Look.SWAPPED
        assert await status_of_next(others) == 401
        rig.trust = own
        anew = await rig.connect()
        assert await status_of_next(anew) == 200
        await anew.close()


def write_in_latin_1(authority: Authority, path: Path) -> None:
    """Write a certificate anew with the authority's name in Latin-1 in a T61String, as old CAs have theirs."""
    name, size = authority.name.encode(), bytes([len(authority.name)])
    signed = x509.load_pem_x509_certificate(path.read_bytes()).tbs_certificate_bytes
    signed = signed.replace(b"\x0c" + size + name, b"\x14" + size + b"\xfc" * len(name))
    signature = b"\0" + authority.key.sign(signed, ec.ECDSA(hashes.SHA256()))
    body = signed + _ECDSA_WITH_SHA256 + bytes([3, len(signature)]) + signature
    path.write_text(ssl.DER_cert_to_PEM_cert(b"\x30\x82" + len(body).to_bytes(2, "big") + body))


async def test_P54_a_client_whose_authority_only_openssl_can_name_is_served_on_after_a_rotation(
    authority: Authority,
) -> None:
    listener = listening(authority)
    theirs = Authority(authority.folder, "theirs")
    issued = theirs.issue("t", uri(NAME), CLIENT_USE)
    for path in (theirs.write(), issued.certificate):
        write_in_latin_1(theirs, path)
    with pytest.raises(ValueError, match="asn1"):
        _ = x509.load_pem_x509_certificate(issued.certificate.read_bytes()).issuer
    shutil.copy(theirs.file, authority.file)
    async with serving(authority, issued, listener) as (rig, _):
        kept = await rig.connect()
        assert await status_of_next(kept) == 200
        authority.issue("server", LOCALHOST, SERVER_USE)
        assert await listener.look() is Look.SWAPPED
        assert await status_of_next(kept) == 200
        await kept.close()
