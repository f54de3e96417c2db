"""A certificate authority for tests: issues good certificates and every kind of bad one."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sidecar.tls.contexts import ServerTls

NOW = datetime.now(UTC)
SERVER_USE = ExtendedKeyUsageOID.SERVER_AUTH
CLIENT_USE = ExtendedKeyUsageOID.CLIENT_AUTH
LOCALHOST: tuple[x509.GeneralName, ...] = (x509.DNSName("localhost"),)


def changed(path: Path, before: bytes, after: bytes) -> None:
    """Change bytes within a certificate that nobody could issue so; its signature does not hold any more."""
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    der = certificate.public_bytes(Encoding.DER).replace(before, after)
    path.write_bytes(ssl.DER_cert_to_PEM_cert(der).encode())


UNKNOWN_KEY = (b"\x2a\x86\x48\xce\x3d\x02\x01", b"\x2a\x86\x48\xce\x30\x02\x01")  # of no algorithm
BROKEN_KEY = (b"\x03\x42\x00\x04", b"\x03\x42\x00\x05")  # no point of the curve
TWICE_CONSTRAINED = (b"\x06\x03\x55\x1d\x0f", b"\x06\x03\x55\x1d\x13")  # keyUsage by the name of basicConstraints


def uri(name: str) -> tuple[x509.GeneralName, ...]:
    return (x509.UniformResourceIdentifier(name),)


@dataclass(frozen=True)
class Issued:
    """Files of one certificate."""

    certificate: Path
    key: Path


@dataclass
class Authority:
    """Writes into ``folder``; file names start with ``name``."""

    folder: Path
    name: str
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def file(self) -> Path:
        return self.folder / f"{self.name}.pem"

    def write(self, start: datetime = NOW - timedelta(days=1), end: datetime = NOW + timedelta(days=30)) -> Path:
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        builder = self._builder(self.name, self.key.public_key(), start, end)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(usage, critical=True)
        self.file.write_bytes(builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM))
        return self.file

    def issue(
        self,
        name: str,
        names: tuple[x509.GeneralName, ...],
        use: x509.ObjectIdentifier,
        *,
        common_name: str = "unused",
        days: float = 30,
        start: datetime = NOW - timedelta(hours=1),
        passphrase: bytes | None = None,
    ) -> Issued:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(common_name, key.public_key(), start, NOW + timedelta(days=days))
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([use]), critical=False)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        issued = Issued(self.folder / f"{name}.pem", self.folder / f"{name}-key.pem")
        issued.certificate.write_bytes(builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM))
        encryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
        issued.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
        return issued

    def serve(self, name: str = "server") -> ServerTls:
        """Issue a server certificate and trust this authority for clients."""
        server = self.issue(name, LOCALHOST, SERVER_USE)
        return ServerTls(server.certificate, server.key, client_ca=self.write())

    def _builder(
        self, common_name: str, key: ec.EllipticCurvePublicKey, start: datetime, end: datetime
    ) -> x509.CertificateBuilder:
        builder = x509.CertificateBuilder(
            issuer_name=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.name)]),
            subject_name=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)]),
            public_key=key,
            serial_number=x509.random_serial_number(),
            not_valid_before=start,
            not_valid_after=end,
        )
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        return builder.add_extension(issuer, critical=False)
