"""Certificate and key files, read and judged before a TLS library sees them.

A library's own words for a bad file ("KEY_VALUES_MISMATCH", "PEM lib") help nobody at three in the morning; each
problem here names the file and the remedy. Nothing of a private key is ever part of a message.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from sidecar.errors import ConfigError, Problem

_REVOCATION_LIST = re.compile(rb"-----BEGIN X509 CRL-----.*?-----END X509 CRL-----", re.DOTALL)
_NEVER = datetime.max.replace(tzinfo=UTC)
Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the time now, aware, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate chain (leaf first) in PEM and the leaf's private key in PEM, unencrypted."""

    certificate: Path
    key: Path


def check_key_pair(pair: KeyPair, now: datetime) -> datetime:
    """Return when the leaf certificate expires, or raise ``ConfigError`` naming every problem found."""
    problems: list[Problem] = []
    chain = _read_certificates(pair.certificate, problems)
    key = _read_public_half(pair.key, problems)
    if chain:
        problems.extend(_validity_problems(pair.certificate, chain[0], now))
        certified = _certified_key(pair.certificate, chain[0], problems)
        if key is not None and certified is not None and key != certified:
            problems.append(
                Problem(
                    str(pair.key),
                    f"is not the key of the certificate in {pair.certificate}",
                    "Give the certificate and the key that were issued together, the leaf certificate first.",
                )
            )
    if problems or not chain:
        raise ConfigError(tuple(problems))
    return chain[0].not_valid_after_utc


@dataclass(frozen=True, slots=True)
class Fingerprints:
    """Who is shown, and who is trusted: SHA-256 in hexadecimal; None where there is no such file or it can't be read.

    ``certificate``: of the leaf certificate. ``authorities``: over those of all certificates in the CA file, sorted.
    """

    certificate: str | None = None
    authorities: str | None = None


def fingerprints_of(certificate: Path | None, authorities: Path | None) -> Fingerprints:
    """Return what the files hold now. Never raises for what is in them."""
    shown = _read_certificates(certificate, []) if certificate else []
    trusted = _read_certificates(authorities, []) if authorities else []
    each = sorted(_sha256_of(one) for one in trusted)
    return Fingerprints(
        _sha256_of(shown[0]) if shown else None, sha256("\n".join(each).encode()).hexdigest() if each else None
    )


def digest_of(files: tuple[Path, ...]) -> bytes:
    """Return a digest of what the files hold now; one that can't be read is a state of its own."""
    digest = sha256()
    for path in files:
        try:
            data = path.read_bytes()
        except OSError as error:
            data = f"unreadable {error.errno}".encode()
        digest.update(sha256(data).digest())
    return digest.digest()


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose certificates are trusted, and which of them are not: issuer, however it is coded, and serial number.

    ``ends``: when the last list of each issuer that has one expires (nextUpdate, RFC 5280 section 5.1.2.5), never where
    it does not say; ``lists_end``: when the first list does.
    """

    authorities: tuple[x509.Certificate, ...] = ()
    revoked: frozenset[tuple[x509.Name, int]] = frozenset()
    ends: Mapping[x509.Name, datetime] = field(default_factory=dict)
    lists_end: datetime | None = None


def trust_of(authorities: Path | None, revocations: Path | None) -> Trust:
    """Return what the files hold now; nothing of those that can't be read."""
    lists = _read_revocations(revocations, []) if revocations else []
    revoked = frozenset((one.issuer, entry.serial_number) for one in lists for entry in one)
    listed = [(one.issuer, one.next_update_utc or _NEVER) for one in lists]
    ends = dict(sorted(listed, key=lambda one: one[1]))  # of two lists of one issuer the later one stays
    first = min((one.next_update_utc for one in lists if one.next_update_utc is not None), default=None)
    return Trust(tuple(_read_certificates(authorities, [])) if authorities else (), revoked, ends, first)


def check_revocations(path: Path, now: datetime) -> None:
    """Raise ``ConfigError`` unless the file holds revocation lists, none of them expired (P55)."""
    problems: list[Problem] = []
    for one in _read_revocations(path, problems):
        if one.next_update_utc is not None and now >= one.next_update_utc:
            expired = f"holds a revocation list that expired on {one.next_update_utc:%Y-%m-%d %H:%M} UTC"
            problems.append(Problem(str(path), expired, "Fetch the CA's newest list: until then nobody is admitted."))
    if problems:
        raise ConfigError(tuple(problems))


def check_authorities(path: Path, now: datetime) -> None:
    """Raise ``ConfigError`` unless the file holds at least one CA certificate that is valid now."""
    problems: list[Problem] = []
    authorities = _read_certificates(path, problems)
    if authorities and not any(_is_authority(one) and _is_valid(one, now) for one in authorities):
        remedy = "Put the certificate of the issuing CA there (basicConstraints CA:TRUE, not expired)."
        problems.append(Problem(str(path), "holds no CA certificate that is valid now", remedy))
    if problems:
        raise ConfigError(tuple(problems))


def _read_certificates(path: Path, problems: list[Problem]) -> list[x509.Certificate]:
    data = _read(path, problems)
    if data is None:
        return []
    try:
        return x509.load_pem_x509_certificates(data)
    except ValueError:
        remedy = "Write certificates as PEM, each between BEGIN CERTIFICATE and END CERTIFICATE."
        problems.append(Problem(str(path), "holds no readable PEM certificate", remedy))
        return []


def _read_revocations(path: Path, problems: list[Problem]) -> list[x509.CertificateRevocationList]:
    data = _read(path, problems)
    if data is None:
        return []
    try:
        found = [x509.load_pem_x509_crl(one) for one in _REVOCATION_LIST.findall(data)]
        issuers = [one.issuer for one in found]  # read only now, and not each that OpenSSL reads
    except ValueError:
        found, issuers = [], []
    if not issuers:
        remedy = "Write the lists of all client CAs as PEM, each between BEGIN X509 CRL and END X509 CRL."
        problems.append(Problem(str(path), "holds no readable PEM revocation list", remedy))
    return found


def _sha256_of(certificate: x509.Certificate) -> str:
    return sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


def _read_public_half(path: Path, problems: list[Problem]) -> bytes | None:
    data = _read(path, problems)
    if data is None:
        return None
    try:
        key = load_pem_private_key(data, password=None)
    except TypeError:
        # Asked for a passphrase, a TLS library would wait on a terminal that a pod does not have.
        remedy = "Give the key unencrypted, in a file that only the sidecar can read."
        problems.append(Problem(str(path), "is encrypted with a passphrase", remedy))
        return None
    except (ValueError, UnsupportedAlgorithm):
        remedy = "Write the key as PEM, between BEGIN PRIVATE KEY and END PRIVATE KEY."
        problems.append(Problem(str(path), "holds no readable PEM private key", remedy))
        return None
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _read(path: Path, problems: list[Problem]) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        problems.append(Problem(str(path), "does not exist", "Mount or create the file, or mend the path."))
    except IsADirectoryError:
        problems.append(Problem(str(path), "is a folder", "Name the file in it."))
    except OSError as error:
        reason = error.strerror or type(error).__name__
        problems.append(Problem(str(path), f"can't be read ({reason})", "Let the sidecar's user read the file."))
    return None


def _validity_problems(path: Path, leaf: x509.Certificate, now: datetime) -> Iterator[Problem]:
    if now >= leaf.not_valid_after_utc:
        yield Problem(str(path), f"expired on {leaf.not_valid_after_utc:%Y-%m-%d %H:%M} UTC", "Issue a new one.")
    if now < leaf.not_valid_before_utc:
        since = f"is not valid before {leaf.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
        yield Problem(str(path), since, "Check the clock of this machine, or issue a new one.")


def _is_valid(certificate: x509.Certificate, now: datetime) -> bool:
    return certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return False


def _certified_key(path: Path, leaf: x509.Certificate, problems: list[Problem]) -> bytes | None:
    try:
        return leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, UnsupportedAlgorithm):
        remedy = "Use ECDSA P-256 or RSA from 2048 bits."
        problems.append(Problem(str(path), "holds a certificate with a key of no known kind", remedy))
        return None
