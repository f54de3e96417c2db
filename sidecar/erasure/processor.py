"""Who we are to controllers who speak OpenDSR: a domain, an authority's certificate, signatures by its key. Pure.

The signature is over the SHA-256 of the raw body, RSA (PKCS #1 v1.5) or ECDSA as in FIPS 186-4: the specification knows
no Ed25519.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from sidecar.errors import ConfigError, Problem


@dataclass(frozen=True, slots=True)
class Processor:
    """``domain`` is what controllers know us by; ``certificate_url`` is where they fetch the certificate.

    ``not_after``: from when on they must refuse whatever we sign.
    """

    domain: str
    certificate_url: str
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey = field(repr=False)
    not_after: datetime | None = None

    def sign(self, body: bytes) -> str:
        """Return the signature of a body, as it stands in a header."""
        if isinstance(self.key, rsa.RSAPrivateKey):
            signature = self.key.sign(body, padding.PKCS1v15(), SHA256())
        else:
            signature = self.key.sign(body, ec.ECDSA(SHA256()))
        return base64.b64encode(signature).decode("ascii")


def parse_processor(
    domain: str, certificate_url: str, certificate: bytes, key: bytes, now: datetime, where: str
) -> Processor:
    """Return who we are, or raise ``ConfigError`` for what a controller would have to refuse."""
    try:
        leaf = x509.load_pem_x509_certificates(certificate)[0]
        private = load_pem_private_key(key, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _refused(
            where, "certificate or private_key is no PEM", "Give the chain, and its key without a password"
        ) from None
    if not isinstance(private, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise _refused(f"{where}.private_key", "is neither RSA nor ECDSA", "OpenDSR signs as in FIPS 186-4")
    encoding = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if private.public_key().public_bytes(*encoding) != leaf.public_key().public_bytes(*encoding):
        raise _refused(f"{where}.private_key", "does not belong to the certificate", "Give both of one pair")
    if leaf.issuer == leaf.subject:
        raise _refused(f"{where}.certificate", "is self-signed", "Controllers verify its chain: have it issued")
    if domain not in _names(leaf):
        remedy = "It must name the domain itself; a wildcard does not count"
        raise _refused(f"{where}.certificate", f"is not for {domain}", remedy)
    if not leaf.not_valid_before_utc <= now <= leaf.not_valid_after_utc:
        raise _refused(f"{where}.certificate", "is not valid now", "Renew it")
    return Processor(domain, certificate_url, private, leaf.not_valid_after_utc)


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return names.get_values_for_type(x509.DNSName)


def _refused(path: str, message: str, remedy: str) -> ConfigError:
    return ConfigError((Problem(path, message, remedy),))
