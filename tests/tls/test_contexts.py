"""Which handshakes succeed, over real sockets, and what is said of files that can't be used."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from OpenSSL import SSL

from sidecar.errors import ConfigError
from sidecar.tls.contexts import ClientAuth, ClientTls, ServerTls, client_context, server_context
from tests.tls.authority import (
    BROKEN_KEY,
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
from tests.tls.client_hello import TLS10, TLS11, TLS12, Answer, client_hello, say
from tests.tls.conftest import Serve, assert_refused, get, plain_client

PROTOCOL_VERSION, HANDSHAKE_FAILURE = 70, 40  # RFC 5246 section 7.2
ECDHE_ECDSA_AES128_GCM, ECDHE_ECDSA_AES256_GCM, ECDHE_ECDSA_CHACHA20 = 0xC02B, 0xC02C, 0xCCA9
ECDHE_ECDSA_AES128_CBC_SHA, ECDHE_ECDSA_AES128_CBC_SHA256, ECDHE_ECDSA_AES128_CCM = 0xC009, 0xC023, 0xC0AC
RSA_AES128_GCM, RSA_AES128_CBC, DHE_RSA_AES128_GCM = 0x009C, 0x002F, 0x009E
ECDHE_ECDSA_NULL, RSA_NULL, ECDHE_ECDSA_RC4, ECDHE_ECDSA_3DES = 0xC006, 0x003B, 0xC007, 0xC008
ANONYMOUS_ECDH_AES128 = 0xC018
ALLOW_CLIENT_RENEGOTIATION = 1 << 8  # SSL_OP_ALLOW_CLIENT_RENEGOTIATION of OpenSSL 3, which Python doesn't name


@pytest.mark.parametrize(
    ("version", "ciphers", "alert"),
    [
        pytest.param(TLS10, (ECDHE_ECDSA_AES128_CBC_SHA, RSA_AES128_CBC), PROTOCOL_VERSION, id="tls1.0"),
        pytest.param(TLS11, (ECDHE_ECDSA_AES128_CBC_SHA, RSA_AES128_CBC), PROTOCOL_VERSION, id="tls1.1"),
        pytest.param(TLS12, (ECDHE_ECDSA_AES128_CBC_SHA,), HANDSHAKE_FAILURE, id="cbc-sha1"),
        pytest.param(TLS12, (ECDHE_ECDSA_AES128_CBC_SHA256,), HANDSHAKE_FAILURE, id="cbc-sha256"),
        pytest.param(TLS12, (RSA_AES128_GCM, RSA_AES128_CBC), HANDSHAKE_FAILURE, id="rsa-key-exchange"),
        pytest.param(TLS12, (DHE_RSA_AES128_GCM,), HANDSHAKE_FAILURE, id="finite-field-dhe"),
        pytest.param(TLS12, (ECDHE_ECDSA_NULL, RSA_NULL), HANDSHAKE_FAILURE, id="null"),
        pytest.param(TLS12, (ECDHE_ECDSA_RC4, ECDHE_ECDSA_3DES), HANDSHAKE_FAILURE, id="rc4-3des"),
        pytest.param(TLS12, (ANONYMOUS_ECDH_AES128,), HANDSHAKE_FAILURE, id="anonymous"),
    ],
)
async def test_p50_weak_offers_are_refused(
    authority: Authority, serve: Serve, version: bytes, ciphers: tuple[int, ...], alert: int
) -> None:
    served = await serve(server_context(authority.serve()))
    answer = await asyncio.to_thread(say, served.port, client_hello(version, ciphers))
    assert answer in (Answer(alert=alert), Answer())


@pytest.mark.parametrize("cipher", [ECDHE_ECDSA_AES128_GCM, ECDHE_ECDSA_AES256_GCM, ECDHE_ECDSA_CHACHA20])
async def test_p50_sound_offers_are_accepted_and_never_compressed(
    authority: Authority, serve: Serve, cipher: int
) -> None:
    """The same bytes but for the cipher, so the refusals above are for what they name. Deflate is offered first."""
    served = await serve(server_context(authority.serve()))
    weak = (ECDHE_ECDSA_AES128_CBC_SHA, RSA_AES128_CBC)
    answer = await asyncio.to_thread(say, served.port, client_hello(TLS12, (*weak, cipher), b"\x01\x00"))
    assert answer == Answer(version=TLS12, cipher=cipher, compression=0)


async def test_p50_renegotiation_is_refused(authority: Authority, trainer: Issued, serve: Serve) -> None:
    """The same client gets its way with a server that allows it, so the refusal is the server's."""
    ours = server_context(authority.serve())
    lax = server_context(authority.serve())
    lax.options &= ~ssl.OP_NO_RENEGOTIATION
    lax.options |= ALLOW_CLIENT_RENEGOTIATION
    refused = [
        await asyncio.to_thread(_renegotiate, (await serve(context)).port, authority.file, trainer)
        for context in (ours, lax)
    ]
    assert refused == [True, False]


def _renegotiate(port: int, ca: Path, client: Issued) -> bool:
    """Ask for a new handshake within a TLS 1.2 connection; the server must say no or hang up."""
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_max_proto_version(SSL.TLS1_2_VERSION)
    context.load_verify_locations(str(ca))
    context.use_certificate_file(str(client.certificate))
    context.use_privatekey_file(str(client.key))
    with socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
        raw.settimeout(None)
        connection = SSL.Connection(context, raw)
        connection.set_tlsext_host_name(b"localhost")
        connection.set_connect_state()
        connection.do_handshake()
        assert connection.renegotiate()
        try:
            connection.do_handshake()
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert b"200 OK" in connection.recv(4096)
        except SSL.Error:
            return True
    return False


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_both_versions_serve_and_say_who_calls(
    authority: Authority, trainer: Issued, serve: Serve, version: ssl.TLSVersion
) -> None:
    served = await serve(server_context(authority.serve()))
    client = plain_client(authority.file, trainer)
    client.minimum_version = client.maximum_version = version
    assert b"proxied" in await get(served.port, client)
    (peer,) = served.peers
    assert peer.credentials.certificate_names == ("URI:spiffe://test/trainer",)
    assert peer.tls is not None
    assert peer.tls.startswith({"TLSv1_2": "TLSv1.2 ECDHE", "TLSv1_3": "TLSv1.3 TLS_"}[version.name])
    assert peer.certificate_sha256 is not None
    assert len(peer.certificate_sha256) == 64


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_p54_no_session_ticket_is_given(
    authority: Authority, trainer: Issued, serve: Serve, version: ssl.TLSVersion
) -> None:
    served = await serve(server_context(authority.serve()))
    client = plain_client(authority.file, trainer)
    client.minimum_version = client.maximum_version = version
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port, ssl=client, server_hostname="localhost")
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    await reader.read()
    session = writer.get_extra_info("ssl_object").session
    writer.close()
    assert session is None or not session.has_ticket


async def test_p51_plain_http_on_the_tls_port_gets_no_proxied_byte(authority: Authority, serve: Serve) -> None:
    served = await serve(server_context(authority.serve()))
    for request in (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"):
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(request)
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        assert b"HTTP" not in answer
        assert b"proxied" not in answer
        assert len(answer) <= 7  # a TLS alert at most, so no redirect either
    assert served.peers == []


Case = Callable[[Authority, Path], Issued | None]


def _none(authority: Authority, folder: Path) -> None:
    return None


def _expired(authority: Authority, folder: Path) -> Issued:
    return authority.issue("c", uri("spiffe://test/trainer"), CLIENT_USE, start=NOW - timedelta(days=9), days=-1)


def _not_yet_valid(authority: Authority, folder: Path) -> Issued:
    return authority.issue("c", uri("spiffe://test/trainer"), CLIENT_USE, start=NOW + timedelta(days=1))


def _wrong_authority(authority: Authority, folder: Path) -> Issued:
    return Authority(folder, "other").issue("c", uri("spiffe://test/trainer"), CLIENT_USE)


def _same_name_other_key(authority: Authority, folder: Path) -> Issued:
    return Authority(folder, authority.name).issue("c", uri("spiffe://test/trainer"), CLIENT_USE)


def _wrong_use(authority: Authority, folder: Path) -> Issued:
    return authority.issue("c", uri("spiffe://test/trainer"), SERVER_USE)


@pytest.mark.parametrize("case", [_none, _expired, _not_yet_valid, _wrong_authority, _same_name_other_key, _wrong_use])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_p52_bad_client_certificates_fail_the_handshake(
    authority: Authority, serve: Serve, tmp_path: Path, case: Case, version: ssl.TLSVersion
) -> None:
    served = await serve(server_context(authority.serve()))
    client = plain_client(authority.file, case(authority, tmp_path))
    client.maximum_version = version
    await assert_refused(served, client)


@pytest.mark.parametrize(("case", "welcome"), [(_none, True), (_wrong_authority, False), (_expired, False)])
async def test_p52_optional_admits_none_but_no_bad_one(
    authority: Authority, serve: Serve, tmp_path: Path, case: Case, welcome: bool
) -> None:
    tls = authority.serve()
    served = await serve(server_context(ServerTls(tls.certificate, tls.key, ClientAuth.OPTIONAL, tls.client_ca)))
    client = plain_client(authority.file, case(authority, tmp_path))
    if welcome:
        assert b"proxied" in await get(served.port, client)
        assert [peer.credentials.certificate_names for peer in served.peers] == [()]
    else:
        await assert_refused(served, client)


async def test_no_client_certificate_is_asked_for_when_none_is_wanted(
    authority: Authority, trainer: Issued, serve: Serve
) -> None:
    """A certificate that nobody verified gives no name."""
    tls = authority.serve()
    served = await serve(server_context(ServerTls(tls.certificate, tls.key, ClientAuth.NONE)))
    assert b"proxied" in await get(served.port, plain_client(authority.file, trainer))
    assert [peer.credentials.certificate_names for peer in served.peers] == [()]


def _mismatched(authority: Authority, tls: ServerTls) -> Path:
    other = authority.issue("other", LOCALHOST, SERVER_USE)
    shutil.copy(other.key, tls.key)
    return tls.key


def _missing_key(authority: Authority, tls: ServerTls) -> Path:
    tls.key.unlink()
    return tls.key


def _missing_certificate(authority: Authority, tls: ServerTls) -> Path:
    tls.certificate.unlink()
    return tls.certificate


def _folder(authority: Authority, tls: ServerTls) -> Path:
    tls.certificate.unlink()
    tls.certificate.mkdir()
    return tls.certificate


def _no_pem(authority: Authority, tls: ServerTls) -> Path:
    tls.certificate.write_text("certificate")
    return tls.certificate


def _half_a_key(authority: Authority, tls: ServerTls) -> Path:
    tls.key.write_bytes(tls.key.read_bytes()[:100])
    return tls.key


def _encrypted_key(authority: Authority, tls: ServerTls) -> Path:
    authority.issue("server", LOCALHOST, SERVER_USE, passphrase=b"secret")
    return tls.key


def _expired_server(authority: Authority, tls: ServerTls) -> Path:
    authority.issue("server", LOCALHOST, SERVER_USE, start=NOW - timedelta(days=9), days=-1)
    return tls.certificate


def _future_server(authority: Authority, tls: ServerTls) -> Path:
    authority.issue("server", LOCALHOST, SERVER_USE, start=NOW + timedelta(days=1))
    return tls.certificate


def _missing_ca(authority: Authority, tls: ServerTls) -> Path:
    authority.file.unlink()
    return authority.file


def _expired_ca(authority: Authority, tls: ServerTls) -> Path:
    return authority.write(NOW - timedelta(days=9), NOW - timedelta(days=1))


def _leaf_as_ca(authority: Authority, tls: ServerTls) -> Path:
    shutil.copy(tls.certificate, authority.file)
    return authority.file


def _unknown_key(authority: Authority, tls: ServerTls) -> Path:
    changed(tls.certificate, *UNKNOWN_KEY)
    return tls.certificate


def _broken_key(authority: Authority, tls: ServerTls) -> Path:
    changed(tls.certificate, *BROKEN_KEY)
    return tls.certificate


def _twice_constrained(authority: Authority, tls: ServerTls) -> Path:
    changed(authority.file, *TWICE_CONSTRAINED)
    return authority.file


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (_unknown_key, "holds a certificate with a key of no known kind"),
        (_broken_key, "holds a certificate with a key of no known kind"),
        (_twice_constrained, "holds no CA certificate that is valid now"),
        (_mismatched, "is not the key of the certificate in"),
        (_missing_key, "does not exist"),
        (_missing_certificate, "does not exist"),
        (_folder, "is a folder"),
        (_no_pem, "holds no readable PEM certificate"),
        (_half_a_key, "holds no readable PEM private key"),
        (_encrypted_key, "is encrypted with a passphrase"),
        (_expired_server, "expired on"),
        (_future_server, "is not valid before"),
        (_missing_ca, "does not exist"),
        (_expired_ca, "holds no CA certificate that is valid now"),
        (_leaf_as_ca, "holds no CA certificate that is valid now"),
    ],
)
def test_unusable_files_are_named_with_the_remedy(
    authority: Authority, spoil: Callable[[Authority, ServerTls], Path], says: str
) -> None:
    tls = authority.serve()
    server_context(tls)
    path = spoil(authority, tls)
    with pytest.raises(ConfigError) as caught:
        server_context(tls)
    (problem,) = caught.value.problems
    assert problem.path == str(path)
    assert says in problem.message
    assert problem.remedy


def test_every_problem_of_a_pair_is_reported_at_once(authority: Authority) -> None:
    tls = authority.serve()
    _missing_key(authority, tls)
    _expired_server(authority, ServerTls(tls.certificate, tls.key))
    tls.key.unlink()
    with pytest.raises(ConfigError) as caught:
        server_context(tls)
    assert {problem.path for problem in caught.value.problems} == {str(tls.key), str(tls.certificate)}


@pytest.mark.parametrize("auth", [ClientAuth.REQUIRED, ClientAuth.OPTIONAL])
def test_asking_for_certificates_needs_an_authority(authority: Authority, auth: ClientAuth) -> None:
    tls = authority.serve()
    with pytest.raises(ConfigError, match="client_ca"):
        server_context(ServerTls(tls.certificate, tls.key, auth))


def test_an_authority_without_asking_is_a_contradiction(authority: Authority) -> None:
    tls = authority.serve()
    with pytest.raises(ConfigError, match="asked for none"):
        server_context(ServerTls(tls.certificate, tls.key, ClientAuth.NONE, tls.client_ca))


class TestClientContext:
    """P56: the upstream's certificate and name are always verified."""

    async def test_right_server(self, authority: Authority, trainer: Issued, serve: Serve) -> None:
        served = await serve(server_context(authority.serve()))
        ours = client_context(ClientTls(authority.file, trainer.certificate, trainer.key))
        assert b"proxied" in await get(served.port, ours)

    async def test_p56_wrong_name(self, authority: Authority, trainer: Issued, serve: Serve) -> None:
        served = await serve(server_context(authority.serve()))
        ours = client_context(ClientTls(authority.file, trainer.certificate, trainer.key))
        with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
            await get(served.port, ours, server_hostname="chatbot.example")

    async def test_p56_wrong_authority(
        self, authority: Authority, trainer: Issued, serve: Serve, tmp_path: Path
    ) -> None:
        served = await serve(server_context(authority.serve()))
        ours = client_context(ClientTls(Authority(tmp_path, "other").write(), trainer.certificate, trainer.key))
        with pytest.raises(ssl.SSLCertVerificationError):
            await get(served.port, ours)

    async def test_p56_system_authorities_do_not_know_ours(
        self, authority: Authority, trainer: Issued, serve: Serve
    ) -> None:
        served = await serve(server_context(authority.serve()))
        ours = client_context(ClientTls(None, trainer.certificate, trainer.key))
        with pytest.raises(ssl.SSLCertVerificationError):
            await get(served.port, ours)

    @pytest.mark.parametrize("use", [CLIENT_USE])
    async def test_p56_a_client_certificate_is_no_server(self, authority: Authority, serve: Serve, use: object) -> None:
        tls = authority.serve()
        wrong = authority.issue("wrong", LOCALHOST, CLIENT_USE)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(wrong.certificate, wrong.key)
        served = await serve(context)
        assert tls.client_ca is not None
        with pytest.raises(ssl.SSLCertVerificationError):
            await get(served.port, client_context(ClientTls(tls.client_ca)))

    async def test_p56_old_versions_are_not_spoken(self, authority: Authority) -> None:
        authority.write()
        assert client_context(ClientTls(authority.file)).minimum_version is ssl.TLSVersion.TLSv1_2

    @pytest.mark.parametrize("part", ["certificate", "key"])
    def test_a_certificate_needs_its_key(self, authority: Authority, trainer: Issued, part: str) -> None:
        authority.write()
        with pytest.raises(ConfigError, match="stands alone"):
            client_context(ClientTls(authority.file, **{part: getattr(trainer, part)}))

    def test_missing_authority_file(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="does not exist"):
            client_context(ClientTls(tmp_path / "ca.pem"))
