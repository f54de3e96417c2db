"""P53, P54: files change under a listener that serves; real handshakes say what came of it."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import ssl
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from sidecar.errors import ConfigError
from sidecar.metrics import Metrics
from sidecar.tls.certificate_files import Fingerprints
from sidecar.tls.contexts import ClientAuth, ClientTls, ServerTls
from sidecar.tls.reload import Change, Look, reloaded_client
from sidecar.tls.reloaded_listener import ReloadedListener, reloaded_listener
from tests.tls.authority import (
    CLIENT_USE,
    LOCALHOST,
    NOW,
    SERVER_USE,
    TWICE_CONSTRAINED,
    UNKNOWN_KEY,
    Authority,
    Issued,
    changed,
    uri,
)
from tests.tls.conftest import Serve, Served, assert_refused, get, plain_client, resume

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


def reloads(metrics: Metrics, outcome: Look, name: str = "data") -> float:
    labels = {"listener": name, "outcome": outcome.value}
    return metrics.registry.get_sample_value("sidecar_certificate_reloads_total", labels) or 0.0


async def served_serial(port: int, context: ssl.SSLContext) -> int:
    """Return the serial number of the certificate that a new handshake is shown."""
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
    certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return x509.load_der_x509_certificate(certificate).serial_number


def fingerprint_of(path: Path) -> str:
    return x509.load_pem_x509_certificate(path.read_bytes()).fingerprint(SHA256()).hex()


def authorities_of(*paths: Path) -> str:
    """As docs/audit.md says."""
    return sha256("\n".join(sorted(map(fingerprint_of, paths))).encode()).hexdigest()


def serial_of(path: Path) -> int:
    return x509.load_pem_x509_certificate(path.read_bytes()).serial_number


async def test_p53_a_new_certificate_serves_new_handshakes(
    authority: Authority, trainer: Issued, serve: Serve, metrics: Metrics
) -> None:
    tls = authority.serve()
    told: list[Change] = []
    listener = reloaded_listener("data", tls, metrics, on_change=told.append)
    served = await serve(listener.open())
    client = plain_client(authority.file, trainer)
    before = await served_serial(served.port, client)
    assert await listener.look() is Look.UNCHANGED
    authority.issue("server", LOCALHOST, SERVER_USE, days=20)
    assert await listener.look() is Look.SWAPPED
    after = await served_serial(served.port, client)
    assert (before == after, after) == (False, serial_of(tls.certificate))
    assert reloads(metrics, Look.SWAPPED) == 1
    [change] = told
    assert change.look is Look.SWAPPED
    assert change.found.certificate == fingerprint_of(tls.certificate)
    assert change.before.certificate not in (None, change.found.certificate)
    assert change.before.authorities == change.found.authorities == authorities_of(authority.file)
    expiry = metrics.registry.get_sample_value("sidecar_certificate_not_after_timestamp_seconds", {"listener": "data"})
    assert expiry == pytest.approx((NOW + timedelta(days=20)).timestamp(), abs=1)


def _other_pair(authority: Authority) -> Issued:
    return authority.issue("other", LOCALHOST, SERVER_USE)


def _half_rotated(authority: Authority, tls: ServerTls) -> None:
    shutil.copy(_other_pair(authority).certificate, tls.certificate)


def _gone(authority: Authority, tls: ServerTls) -> None:
    tls.key.unlink()


def _garbage(authority: Authority, tls: ServerTls) -> None:
    tls.certificate.write_bytes(b"\xff" * 100)


def _expired(authority: Authority, tls: ServerTls) -> None:
    authority.issue("server", LOCALHOST, SERVER_USE, start=NOW - timedelta(days=9), days=-1)


def _empty_ca(authority: Authority, tls: ServerTls) -> None:
    authority.file.write_bytes(b"")


def _unknown_key(authority: Authority, tls: ServerTls) -> None:
    changed(tls.certificate, *UNKNOWN_KEY)


def _twice_constrained(authority: Authority, tls: ServerTls) -> None:
    changed(authority.file, *TWICE_CONSTRAINED)


@pytest.mark.parametrize(
    "spoil", [_half_rotated, _gone, _garbage, _expired, _empty_ca, _unknown_key, _twice_constrained]
)
async def test_p53_unusable_files_change_nothing_and_are_counted(
    authority: Authority,
    trainer: Issued,
    serve: Serve,
    metrics: Metrics,
    caplog: pytest.LogCaptureFixture,
    spoil: Callable[[Authority, ServerTls], None],
) -> None:
    """Trap 2: a certificate loaded into the serving context before its key is found wrong kills the listener."""
    tls = authority.serve()
    told: list[Change] = []
    listener = reloaded_listener("data", tls, metrics, on_change=told.append)
    served = await serve(listener.open())
    client = plain_client(authority.file, trainer)
    before = await served_serial(served.port, client)
    in_force = Fingerprints(fingerprint_of(tls.certificate), authorities_of(authority.file))
    sound = {path: path.read_bytes() for path in tls.files}
    spoil(authority, tls)
    assert [await listener.look(), await listener.look()] == [Look.KEPT, Look.KEPT]
    assert await served_serial(served.port, client) == before
    assert b"proxied" in await get(served.port, client)
    assert reloads(metrics, Look.KEPT) == 2
    assert sum("can't be used" in line for line in caplog.messages) == 1
    assert [(change.look, change.before) for change in told] == [(Look.KEPT, in_force)], "told once, however often seen"
    for path, data in sound.items():
        path.write_bytes(data)
    assert await listener.look() is Look.UNCHANGED
    authority.issue("server", LOCALHOST, SERVER_USE)
    assert await listener.look() is Look.SWAPPED
    assert await served_serial(served.port, client) == serial_of(tls.certificate) != before


def _publish(volume: Path, state: Path) -> None:
    """Swap ``..data`` as the kubelet does: a new folder, a new link, one rename."""
    link = volume / "..data_tmp"
    link.symlink_to(state.name)
    link.replace(volume / "..data")


async def test_p53_a_kubernetes_volume_is_followed_under_load(
    authority: Authority, trainer: Issued, serve: Serve, metrics: Metrics, tmp_path: Path
) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    first, second = (_state(authority, volume, name) for name in ("..1", "..2"))
    _publish(volume, first)
    for name in ("tls.crt", "tls.key"):
        (volume / name).symlink_to(Path("..data") / name)
    tls = ServerTls(volume / "tls.crt", volume / "tls.key", client_ca=authority.write())
    listener = reloaded_listener("data", tls, metrics, poll_seconds=0.02)
    served = await serve(listener.open())
    await listener.start()
    try:
        client = plain_client(authority.file, trainer)
        stop = asyncio.Event()
        load = [asyncio.create_task(_call_until(stop, served, client)) for _ in range(4)]
        _publish(volume, second)
        shutil.rmtree(first)
        await asyncio.wait_for(_until_serial(served, client, serial_of(second / "tls.crt")), 20)
        stop.set()
        answers = [answer for task in load for answer in await task]
    finally:
        await listener.stop()
    assert answers
    assert all(b"proxied" in answer for answer in answers)
    assert reloads(metrics, Look.SWAPPED) == 1


def _state(authority: Authority, volume: Path, name: str) -> Path:
    issued = authority.issue(f"state{name}", LOCALHOST, SERVER_USE)
    state = volume / name
    state.mkdir()
    shutil.copy(issued.certificate, state / "tls.crt")
    shutil.copy(issued.key, state / "tls.key")
    return state


async def _call_until(stop: asyncio.Event, served: Served, client: ssl.SSLContext) -> list[bytes]:
    answers = []
    while not stop.is_set():
        answers.append(await get(served.port, client))
    return answers


async def _until_serial(served: Served, client: ssl.SSLContext, serial: int) -> None:
    while await served_serial(served.port, client) != serial:  # noqa: ASYNC110 - what changes is on the other side
        await asyncio.sleep(0.02)


@pytest.fixture
async def rotated(
    authority: Authority, trainer: Issued, serve: Serve, metrics: Metrics, tmp_path: Path
) -> tuple[Served, ReloadedListener, Authority, Path]:
    """A listener, the CA that its clients will have, and the file that names the CAs of clients."""
    tls = authority.serve()
    clients = tmp_path / "clients.pem"
    shutil.copy(authority.file, clients)
    listener = reloaded_listener("data", ServerTls(tls.certificate, tls.key, client_ca=clients), metrics)
    served = await serve(listener.open())
    successor = Authority(tmp_path, "successor")
    successor.write()
    return served, listener, successor, clients


Rotated = tuple[Served, ReloadedListener, Authority, Path]


@pytest.mark.parametrize("version", VERSIONS)
async def test_p54_a_removed_authority_is_refused_and_its_successor_admitted(
    rotated: Rotated, authority: Authority, trainer: Issued, version: ssl.TLSVersion
) -> None:
    """Trap 3: CAs loaded into a context are never taken out of it again."""
    served, listener, successor, clients = rotated
    old = plain_client(authority.file, trainer)
    new = plain_client(authority.file, successor.issue("t", uri("spiffe://test/trainer"), CLIENT_USE))
    old.maximum_version = new.maximum_version = version
    assert b"proxied" in await get(served.port, old)
    await assert_refused(served, new)
    shutil.copy(successor.file, clients)
    assert await listener.look() is Look.SWAPPED
    await assert_refused(served, old)
    assert b"proxied" in await get(served.port, new)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("sni", ["localhost", None])
async def test_trap_1_no_certificate_is_refused_after_a_swap_too(
    rotated: Rotated, authority: Authority, version: ssl.TLSVersion, sni: str | None
) -> None:
    served, listener, successor, clients = rotated
    shutil.copy(successor.file, clients)
    assert await listener.look() is Look.SWAPPED
    client = plain_client(authority.file)
    client.maximum_version = version
    client.check_hostname = sni is not None
    with contextlib.suppress(ssl.SSLError, ConnectionError):
        assert await get(served.port, client, server_hostname=sni or "") == b""
    assert served.peers == []


async def test_p54_a_session_from_before_the_swap_opens_nothing(
    rotated: Rotated, authority: Authority, trainer: Issued
) -> None:
    """TLS 1.2 resumes by session id without looking at the certificate again; the listening context keeps these."""
    served, listener, successor, clients = rotated
    client = plain_client(authority.file, trainer)
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    _, session = await asyncio.to_thread(resume, served.port, client, None)
    reused, session = await asyncio.to_thread(resume, served.port, client, session)
    assert reused  # so there is something to refuse below
    calls = len(served.peers)
    shutil.copy(successor.file, clients)
    assert await listener.look() is Look.SWAPPED
    for _ in range(3):
        with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
            await asyncio.to_thread(resume, served.port, client, session)
    assert len(served.peers) == calls


async def test_p54_a_client_that_is_still_trusted_gets_in_again_after_its_session_was_refused(
    rotated: Rotated, authority: Authority, trainer: Issued
) -> None:
    served, listener, successor, clients = rotated
    client = plain_client(authority.file, trainer)
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    _, session = await asyncio.to_thread(resume, served.port, client, None)
    clients.write_bytes(authority.file.read_bytes() + successor.file.read_bytes())
    assert await listener.look() is Look.SWAPPED
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.to_thread(resume, served.port, client, session)
    reused, _ = await asyncio.to_thread(resume, served.port, client, session)
    assert not reused


async def test_a_connection_from_before_the_swap_is_known_as_such(
    authority: Authority, trainer: Issued, metrics: Metrics
) -> None:
    listener = reloaded_listener("data", authority.serve(), metrics)
    seen: list[bool] = []

    async def note(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = writer.get_extra_info("ssl_object")
        seen.append(listener.is_current(connection))
        authority.issue("server", LOCALHOST, SERVER_USE)
        await listener.look()
        seen.append(listener.is_current(connection))
        writer.close()

    server = await asyncio.start_server(note, "127.0.0.1", 0, ssl=listener.open())
    async with server:
        assert await get(server.sockets[0].getsockname()[1], plain_client(authority.file, trainer)) == b""
    assert seen == [True, False]


async def test_start_refuses_unusable_files(authority: Authority, metrics: Metrics) -> None:
    tls = authority.serve()
    tls.key.unlink()
    with pytest.raises(ConfigError, match="does not exist"):
        reloaded_listener("data", tls, metrics).open()


async def test_use_before_open_is_a_bug_that_shows(authority: Authority, metrics: Metrics) -> None:
    with pytest.raises(RuntimeError, match="before it was opened"):
        _ = reloaded_client("chatbot", ClientTls(authority.write()), metrics).current
    with pytest.raises(RuntimeError, match="before it was opened"):
        await reloaded_listener("data", authority.serve(), metrics).start()


async def test_calls_to_an_upstream_follow_their_files(
    authority: Authority, trainer: Issued, serve: Serve, metrics: Metrics, tmp_path: Path
) -> None:
    """P53 for the other side: the CA of an upstream and our certificate for it are rotated too."""
    served = await serve(reloaded_listener("data", authority.serve(), metrics).open())
    trusted = tmp_path / "trusted.pem"
    old = Authority(tmp_path, "old").write()
    shutil.copy(old, trusted)
    told: list[Change] = []
    tls = ClientTls(trusted, trainer.certificate, trainer.key)
    calls = reloaded_client("chatbot", tls, metrics, on_change=told.append)
    calls.open()
    with pytest.raises(ssl.SSLCertVerificationError):
        await get(served.port, calls.current)
    shutil.copy(authority.file, trusted)
    assert await calls.look() is Look.SWAPPED
    assert b"proxied" in await get(served.port, calls.current)
    shown = fingerprint_of(trainer.certificate)
    before, found = Fingerprints(shown, authorities_of(old)), Fingerprints(shown, authorities_of(authority.file))
    assert told == [Change(Look.SWAPPED, found, before)]
    trusted.write_bytes(old.read_bytes() + authority.file.read_bytes())
    assert await calls.look() is Look.SWAPPED
    assert told[1].found.authorities == authorities_of(authority.file, old)


async def test_optional_stays_optional_after_a_swap(authority: Authority, serve: Serve, metrics: Metrics) -> None:
    tls = authority.serve()
    optional = ServerTls(tls.certificate, tls.key, ClientAuth.OPTIONAL, tls.client_ca)
    listener = reloaded_listener("admin", optional, metrics)
    served = await serve(listener.open())
    authority.issue("server", LOCALHOST, SERVER_USE)
    assert await listener.look() is Look.SWAPPED
    assert b"proxied" in await get(served.port, plain_client(authority.file))
