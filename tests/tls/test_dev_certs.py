"""Development certificates: they work with our own contexts, they are private, they overwrite nothing unasked."""

from __future__ import annotations

import ssl
import stat
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from sidecar.access import Role
from sidecar.errors import ConfigError
from sidecar.tls.contexts import ClientAuth, ServerTls, server_context
from sidecar.tls.dev_certs import DevCertificates, Existing, client_san, make_dev_certificates
from tests.tls.authority import NOW
from tests.tls.conftest import Serve, assert_refused, get


@pytest.fixture
def made(tmp_path: Path) -> DevCertificates:
    return make_dev_certificates(tmp_path / "certs", NOW, extra_names=("sidecar.example", "192.0.2.7"))


def _context(made: DevCertificates, role: Role) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(made.ca))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.load_cert_chain(*made.client(role))
    return context


@pytest.mark.parametrize("role", list(Role))
async def test_each_role_gets_in_under_its_name(made: DevCertificates, serve: Serve, role: Role) -> None:
    served = await serve(server_context(ServerTls(*made.server, ClientAuth.REQUIRED, made.ca)))
    for name in ("localhost", "127.0.0.1", "::1", "sidecar.example", "192.0.2.7"):
        assert b"proxied" in await get(served.port, _context(made, role), server_hostname=name)
    assert {peer.credentials.certificate_names for peer in served.peers} == {(client_san(role),)}


async def test_other_names_are_not_vouched_for(made: DevCertificates, serve: Serve) -> None:
    served = await serve(server_context(ServerTls(*made.server, ClientAuth.REQUIRED, made.ca)))
    with pytest.raises(ssl.SSLCertVerificationError):
        await get(served.port, _context(made, Role.TRAINER), server_hostname="other.example")


async def test_the_server_certificate_is_no_client(made: DevCertificates, serve: Serve) -> None:
    served = await serve(server_context(ServerTls(*made.server, ClientAuth.REQUIRED, made.ca)))
    context = ssl.create_default_context(cafile=str(made.ca))
    context.load_cert_chain(*made.server)
    await assert_refused(served, context)


def test_keys_are_private_and_the_authority_has_none(made: DevCertificates) -> None:
    keys = sorted(made.folder.glob("*-key.pem"))
    assert len(keys) == 1 + len(Role)
    assert {stat.S_IMODE(key.stat().st_mode) for key in keys} == {0o600}
    assert not (made.folder / "ca-key.pem").exists()
    assert stat.S_IMODE(made.folder.stat().st_mode) == 0o700


def test_all_are_p256_and_short_lived(made: DevCertificates) -> None:
    for path in made.folder.glob("*.pem"):
        if path.name.endswith("-key.pem"):
            continue
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        key = certificate.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        assert key.curve.name == "secp256r1"
        assert certificate.not_valid_after_utc - NOW <= timedelta(days=30)


def test_nothing_is_overwritten_unasked(made: DevCertificates) -> None:
    before = {path: path.read_bytes() for path in made.folder.iterdir()}
    with pytest.raises(ConfigError, match="is there already"):
        make_dev_certificates(made.folder, NOW)
    assert {path: path.read_bytes() for path in made.folder.iterdir()} == before


def test_one_file_in_the_way_is_enough_to_write_none(tmp_path: Path) -> None:
    (tmp_path / "trainer.pem").symlink_to("nowhere")
    with pytest.raises(ConfigError, match=r"trainer\.pem: is there already"):
        make_dev_certificates(tmp_path, NOW)
    assert [path.name for path in tmp_path.iterdir()] == ["trainer.pem"]


def test_replacing_makes_all_anew_and_follows_no_link(made: DevCertificates, tmp_path: Path) -> None:
    before = made.ca.read_bytes()
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    made.server[1].unlink()
    made.server[1].symlink_to(victim)
    make_dev_certificates(made.folder, NOW, existing=Existing.REPLACE)
    assert made.ca.read_bytes() != before
    assert victim.read_text() == "untouched"
    assert not made.server[1].is_symlink()


@pytest.mark.parametrize("days", [0, -1, 91])
def test_lifetime_is_bounded(tmp_path: Path, days: int) -> None:
    with pytest.raises(ConfigError, match="Give 1 to 90"):
        make_dev_certificates(tmp_path, NOW, days=days)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="can't be written"):
        make_dev_certificates(tmp_path / "file", NOW)


def test_names_outside_ascii_are_named_as_a_problem(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="xn--"):
        make_dev_certificates(tmp_path, NOW, extra_names=("büro.example",))


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sidecar", "certs", "dev", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_the_command_makes_them_and_says_how_to_call(tmp_path: Path) -> None:
    folder = tmp_path / "with space"
    first = _run(str(folder), "--days", "7")
    assert (first.returncode, first.stderr) == (0, "")
    assert f"curl --cacert '{folder}/ca.pem' --cert '{folder}/trainer.pem'" in first.stdout
    for role in Role:
        assert client_san(role) in first.stdout
    again = _run(str(folder))
    assert again.returncode == 2
    assert "--force" in again.stderr
    assert _run(str(folder), "--force").returncode == 0
