"""Certificates for development and tests: a CA that signs once and is forgotten, a server, and a client for each role.

The CA's key is never written, so nobody can later make a certificate that these files trust. Not for production.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sidecar.access import Role
from sidecar.errors import ConfigError, Problem

LONGEST_DAYS = 90  # Mozilla's guideline for server certificates
_SERVER_NAMES = ("localhost", "127.0.0.1", "::1")
_BACKDATE = timedelta(minutes=5)  # clocks of containers and their hosts differ
_CA_FILE = "ca.pem"


class Existing(StrEnum):
    """What is done about files that are there already."""

    REFUSE = "refuse"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True)
class DevCertificates:
    """Where everything lies. Each certificate ``NAME.pem`` has its key beside it, ``NAME-key.pem`` (mode 0600)."""

    folder: Path

    @property
    def ca(self) -> Path:
        return self.folder / _CA_FILE

    @property
    def server(self) -> tuple[Path, Path]:
        return self._pair("server")

    def client(self, role: Role) -> tuple[Path, Path]:
        return self._pair(_client_name(role))

    def _pair(self, name: str) -> tuple[Path, Path]:
        return self.folder / f"{name}.pem", self.folder / f"{name}-key.pem"


def client_san(role: Role) -> str:
    """Return the name to write in the configuration for a role's client certificate."""
    return f"URI:spiffe://dev/{_client_name(role)}"


def make_dev_certificates(
    folder: Path,
    now: datetime,
    *,
    extra_names: Sequence[str] = (),
    days: int = 30,
    existing: Existing = Existing.REFUSE,
) -> DevCertificates:
    """Write the files, or raise ``ConfigError`` having written none. ``extra_names``: host names or addresses."""
    if not 1 <= days <= LONGEST_DAYS:
        raise ConfigError((Problem("days", f"is {days}", f"Give 1 to {LONGEST_DAYS}."),))
    names = [_general_name(name) for name in dict.fromkeys((*_SERVER_NAMES, *extra_names))]
    contents = dict(_issue(names, now - _BACKDATE, now + timedelta(days=days)))
    _write_all(folder, contents, existing)
    return DevCertificates(folder)


def _issue(server_names: list[x509.GeneralName], start: datetime, end: datetime) -> Iterator[tuple[str, bytes]]:
    authority = _Authority(ec.generate_private_key(ec.SECP256R1()), start, end)
    yield _CA_FILE, authority.certificate().public_bytes(Encoding.PEM)
    yield from authority.pair("server", server_names, ExtendedKeyUsageOID.SERVER_AUTH)
    for role in Role:
        uri = x509.UniformResourceIdentifier(client_san(role).removeprefix("URI:"))
        yield from authority.pair(_client_name(role), [uri], ExtendedKeyUsageOID.CLIENT_AUTH)


@dataclass(frozen=True)
class _Authority:
    key: ec.EllipticCurvePrivateKey
    start: datetime
    end: datetime

    def certificate(self) -> x509.Certificate:
        usage = _key_usage(signs_certificates=True)
        builder = self._builder("privacy sidecar development CA", self.key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        return builder.add_extension(usage, critical=True).sign(self.key, hashes.SHA256())

    def pair(
        self, name: str, names: list[x509.GeneralName], purpose: x509.ObjectIdentifier
    ) -> Iterator[tuple[str, bytes]]:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(name, key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_key_usage(signs_certificates=False), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        yield f"{name}.pem", builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM)
        yield f"{name}-key.pem", key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def _builder(self, name: str, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        builder = x509.CertificateBuilder(
            issuer_name=_subject("privacy sidecar development CA"),
            subject_name=_subject(name),
            public_key=key,
            serial_number=x509.random_serial_number(),
            not_valid_before=self.start,
            not_valid_after=self.end,
        )
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        return builder.add_extension(issuer, critical=False)


def _write_all(folder: Path, contents: dict[str, bytes], existing: Existing) -> None:
    there = [folder / name for name in contents if os.path.lexists(folder / name)]
    if there and existing is Existing.REFUSE:
        remedy = "Name an empty folder, or replace the files with --force."
        raise ConfigError(tuple(Problem(str(path), "is there already", remedy) for path in there))
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, data in contents.items():
            _write(folder / name, data)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        remedy = "Name a folder that you may write to."
        raise ConfigError((Problem(str(folder), f"can't be written ({reason})", remedy),)) from None


def _write(path: Path, data: bytes) -> None:
    """Write beside and rename: no reader sees half a file, and a link in the place of ``path`` is not followed."""
    mode = 0o600 if path.name.endswith("-key.pem") else 0o644
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with suppress(FileNotFoundError):
        beside.unlink()
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    beside.replace(path)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    try:
        return x509.DNSName(name)
    except ValueError:
        problem = Problem("name", "is no host name", "Write names outside ASCII in their xn-- form.")
        raise ConfigError((problem,)) from None


def _client_name(role: Role) -> str:
    return role.value.replace("_", "-")


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
