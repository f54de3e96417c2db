"""P55: who was revoked is refused, and where nobody can tell whether somebody was, everybody is. Real handshakes."""

from __future__ import annotations

import asyncio
import shutil
import ssl
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID

from sidecar.errors import ConfigError
from sidecar.metrics import Metrics
from sidecar.tls import reload
from sidecar.tls.certificate_files import Trust
from sidecar.tls.contexts import ClientAuth, ServerTls, server_context
from sidecar.tls.reload import Look
from sidecar.tls.reloaded_listener import reloaded_listener
from tests.tls.authority import CLIENT_USE, NOW, Authority, Issued, uri
from tests.tls.conftest import Serve, assert_refused, get, plain_client, resume

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


def write_list(
    authority: Authority,
    revoked: Sequence[Issued] = (),
    *,
    until: datetime = NOW + timedelta(days=1),
    name: str = "crl",
    coded: _ASN1Type | None = None,
) -> Path:
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, authority.name, coded)])
    builder = x509.CertificateRevocationListBuilder(issuer, NOW - timedelta(days=2), until)
    key_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    builder = builder.add_extension(key_id, critical=False).add_extension(x509.CRLNumber(1), critical=False)
    for one in revoked:
        serial = x509.load_pem_x509_certificate(one.certificate.read_bytes()).serial_number
        made = x509.RevokedCertificateBuilder(serial, NOW - timedelta(days=1)).build()
        builder = builder.add_revoked_certificate(made)
    path = authority.folder / f"{name}.pem"
    path.write_bytes(builder.sign(authority.key, hashes.SHA256()).public_bytes(Encoding.PEM))
    return path


def serving(authority: Authority, revocations: Path) -> ServerTls:
    tls = authority.serve()
    return ServerTls(tls.certificate, tls.key, ClientAuth.REQUIRED, tls.client_ca, revocations)


@pytest.mark.parametrize("version", VERSIONS)
async def test_p55_who_was_revoked_is_refused_and_others_are_not(
    authority: Authority, trainer: Issued, serve: Serve, version: ssl.TLSVersion
) -> None:
    other = authority.issue("other", uri("spiffe://test/other"), CLIENT_USE)
    served = await serve(server_context(serving(authority, write_list(authority, [trainer]))))
    revoked, welcome = plain_client(authority.file, trainer), plain_client(authority.file, other)
    revoked.maximum_version = welcome.maximum_version = version
    await assert_refused(served, revoked)
    assert b"proxied" in await get(served.port, welcome)


async def test_p55_a_list_that_expired_meanwhile_admits_nobody(
    authority: Authority, trainer: Issued, serve: Serve
) -> None:
    tls = serving(authority, write_list(authority, until=NOW - timedelta(minutes=20)))
    context = server_context(tls, lambda: NOW - timedelta(minutes=40))  # it was sound when it was read
    await assert_refused(await serve(context), plain_client(authority.file, trainer))


async def test_p55_a_list_of_another_authority_admits_nobody(
    authority: Authority, trainer: Issued, serve: Serve
) -> None:
    tls = serving(authority, write_list(Authority(authority.folder, "another")))
    await assert_refused(await serve(server_context(tls)), plain_client(authority.file, trainer))


async def test_p55_no_session_outlives_the_list_that_its_client_was_looked_up_in(
    authority: Authority, trainer: Issued, serve: Serve
) -> None:
    now, ends = NOW, NOW + timedelta(hours=1)
    listener = reloaded_listener(
        "data", serving(authority, write_list(authority, until=ends)), Metrics(), clock=lambda: now
    )
    served = await serve(listener.open())
    client = plain_client(authority.file, trainer)
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    _, session = await asyncio.to_thread(resume, served.port, client, None)
    now = ends - timedelta(seconds=1)
    reused, session = await asyncio.to_thread(resume, served.port, client, session)
    assert reused  # so there is something to refuse below
    now, calls = ends, len(served.peers)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.to_thread(resume, served.port, client, session)
    assert len(served.peers) == calls


@pytest.mark.parametrize("version", VERSIONS)
async def test_p55_no_session_outlives_the_list_that_names_its_client(
    authority: Authority, trainer: Issued, serve: Serve, version: ssl.TLSVersion
) -> None:
    listener = reloaded_listener("data", serving(authority, write_list(authority)), Metrics())
    served = await serve(listener.open())
    client = plain_client(authority.file, trainer)
    client.minimum_version = client.maximum_version = version
    _, session = await asyncio.to_thread(resume, served.port, client, None)
    reused, session = await asyncio.to_thread(resume, served.port, client, session)
    assert reused is (version is ssl.TLSVersion.TLSv1_2)  # TLS 1.3 has tickets alone, and none is given
    calls = len(served.peers)
    write_list(authority, [trainer])
    assert await listener.look() is Look.SWAPPED
    with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
        await asyncio.to_thread(resume, served.port, client, session)
    assert len(served.peers) == calls


async def test_p55_metrics_tell_when_the_first_list_expires(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics, name = Metrics(), "sidecar_revocation_list_next_update_timestamp_seconds"
    path, soon, late = write_list(authority), NOW + timedelta(hours=3), NOW + timedelta(days=9)
    other = write_list(Authority(authority.folder, "another"), until=soon, name="another-crl")
    path.write_bytes(path.read_bytes() + other.read_bytes())
    listener = reloaded_listener("data", serving(authority, path), metrics)
    listener.open()
    assert metrics.registry.get_sample_value(name, {"listener": "data"}) == pytest.approx(soon.timestamp(), abs=1)
    shutil.copy(write_list(authority, until=late, name="new"), path)
    assert await listener.look() is Look.SWAPPED
    assert metrics.registry.get_sample_value(name, {"listener": "data"}) == pytest.approx(late.timestamp(), abs=1)
    monkeypatch.setattr(reload, "trust_of", lambda *_: Trust())  # of lists that don't say, against RFC 5280
    shutil.copy(write_list(authority, until=soon, name="newer"), path)
    assert await listener.look() is Look.SWAPPED
    assert metrics.registry.get_sample_value(name, {"listener": "data"}) is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "does not exist"),
        ("", "no readable"),
        ("-----BEGIN X509 CRL-----\nAA==\n-----END X509 CRL-----\n", "no readable"),
    ],
)
def test_p55_a_file_without_a_list_does_not_serve(authority: Authority, text: str | None, says: str) -> None:
    path = authority.folder / "crl.pem"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=says):
        server_context(serving(authority, path))


async def test_p55_a_list_whose_authority_can_not_be_read_is_told_of_like_any_other_fault(authority: Authority) -> None:
    """OpenSSL takes it: Latin-1 in a T61String, as old CAs have it. Nor may it end the look for new files."""
    path = write_list(authority)
    listener = reloaded_listener("data", serving(authority, path), Metrics())
    listener.open()
    sound = x509.load_pem_x509_crl(path.read_bytes()).public_bytes(Encoding.DER)
    name, size = authority.name.encode(), bytes([len(authority.name)])
    der = sound.replace(b"\x0c" + size + name, b"\x14" + size + b"\xfc" * len(name))
    assert der != sound
    path.write_bytes(ssl.DER_cert_to_PEM_cert(der).replace("CERTIFICATE", "X509 CRL").encode())
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(path)
    assert await listener.look() is Look.KEPT
    with pytest.raises(ConfigError, match="no readable"):
        reloaded_listener("data", serving(authority, path), Metrics()).open()


def test_p55_a_list_that_has_expired_does_not_serve(authority: Authority) -> None:
    with pytest.raises(ConfigError, match="expired"):
        server_context(serving(authority, write_list(authority, until=NOW - timedelta(hours=1))))


def test_p55_a_list_needs_certificates_to_speak_of(authority: Authority) -> None:
    tls = authority.serve()
    with pytest.raises(ConfigError, match="asked for none"):
        server_context(ServerTls(tls.certificate, tls.key, ClientAuth.NONE, None, write_list(authority)))


async def test_p55_a_new_list_holds_from_the_next_handshake_on(
    authority: Authority, trainer: Issued, serve: Serve
) -> None:
    path = write_list(authority)
    listener = reloaded_listener("data", serving(authority, path), Metrics())
    served = await serve(listener.open())
    client = plain_client(authority.file, trainer)
    assert b"proxied" in await get(served.port, client)
    shutil.copy(write_list(authority, [trainer], name="new"), path)
    assert await listener.look() is Look.SWAPPED
    await assert_refused(served, client)
    path.unlink()
    assert await listener.look() is Look.KEPT  # the list that was read last goes on
    await assert_refused(served, client)
