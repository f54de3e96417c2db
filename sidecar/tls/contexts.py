"""TLS contexts: what is spoken, and with whom. TLS 1.2 and 1.3, forward secrecy and authenticated ciphers only.

Each call builds a fresh context, so a bad file can never damage one that serves (``load_cert_chain`` on a live
context replaces the certificate *before* it notices that the key does not match), and a CA taken out of a file is gone
(``load_verify_locations`` only ever adds).
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sidecar.errors import ConfigError, Problem
from sidecar.tls.certificate_files import Clock, KeyPair, check_authorities, check_key_pair, check_revocations, utc_now

# TLS 1.2 only; those of 1.3 are all of this kind. Level 2 asks for 112 bits: RSA from 2048, no SHA-1 signatures.
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:@SECLEVEL=2"


class ClientAuth(StrEnum):
    """Whether a client must show a certificate. One that is shown is verified in any case but ``none``."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class ServerTls:
    """What a listener shows, and whose clients it trusts.

    ``revocations``: lists (CRLs) of every authority in ``client_ca``. Where one is missing or has expired, nobody whom
    that authority vouches for is admitted.
    """

    certificate: Path
    key: Path
    client_auth: ClientAuth = ClientAuth.REQUIRED
    client_ca: Path | None = None
    revocations: Path | None = None

    @property
    def pair(self) -> KeyPair:
        return KeyPair(self.certificate, self.key)

    @property
    def files(self) -> tuple[Path, ...]:
        return tuple(
            path for path in (self.certificate, self.key, self.client_ca, self.revocations) if path is not None
        )


@dataclass(frozen=True, slots=True)
class ClientTls:
    """Whom we trust as a server (``ca`` None: the CAs of the operating system), and what we show to it."""

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        return tuple(path for path in (self.ca, self.certificate, self.key) if path is not None)


def server_context(tls: ServerTls, clock: Clock = utc_now) -> ssl.SSLContext:
    """Return a context for a listener, or raise ``ConfigError`` naming the file and the remedy."""
    check_key_pair(tls.pair, clock())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _restrict(context)
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.OP_NO_RENEGOTIATION
    # A ticket or a stored session would admit its holder without a look at today's CA file (P54). What can't be
    # switched off here, resumption by session id in TLS 1.2, `reloaded_listener` refuses once that look may differ.
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    _load_pair(context, tls.pair)
    _trust_clients(context, tls, clock)
    return context


def client_context(tls: ClientTls, clock: Clock = utc_now) -> ssl.SSLContext:
    """Return a context for calls to a server, whose certificate and name are always verified.

    Raises ``ConfigError`` naming the file and the remedy.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # sets check_hostname and CERT_REQUIRED
    _restrict(context)
    if tls.ca is None:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    else:
        check_authorities(tls.ca, clock())
        _load_authorities(context, tls.ca)
    if tls.certificate is not None and tls.key is not None:
        pair = KeyPair(tls.certificate, tls.key)
        check_key_pair(pair, clock())
        _load_pair(context, pair)
    elif tls.certificate is not None or tls.key is not None:
        given = tls.certificate or tls.key
        remedy = "A client certificate needs two files: the certificate and its key."
        raise ConfigError((Problem(str(given), "stands alone", remedy),))
    return context


def _restrict(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION
    context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_TRUSTED_FIRST
    context.set_alpn_protocols(["http/1.1"])


def _trust_clients(context: ssl.SSLContext, tls: ServerTls, clock: Clock) -> None:
    if tls.client_auth is ClientAuth.NONE:
        needless = tls.client_ca or tls.revocations
        if needless is not None:
            remedy = "Ask clients for certificates (required or optional), or leave the file out."
            raise ConfigError((Problem(str(needless), "is given, but clients are asked for none", remedy),))
        return
    if tls.client_ca is None:
        remedy = "Name the file that holds the CA of the clients' certificates."
        raise ConfigError((Problem("client_ca", "is missing, but clients are asked for certificates", remedy),))
    check_authorities(tls.client_ca, clock())
    _load_authorities(context, tls.client_ca)
    if tls.revocations is not None:
        check_revocations(tls.revocations, clock())
        _load_authorities(context, tls.revocations)  # OpenSSL keeps lists beside the authorities
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    optional = tls.client_auth is ClientAuth.OPTIONAL
    context.verify_mode = ssl.CERT_OPTIONAL if optional else ssl.CERT_REQUIRED


def _load_pair(context: ssl.SSLContext, pair: KeyPair) -> None:
    try:
        context.load_cert_chain(pair.certificate, pair.key, password=_no_passphrase)
    except (ssl.SSLError, OSError, ValueError) as error:
        message = f"is refused by OpenSSL ({_reason(error)})"
        remedy = "Use ECDSA P-256 or RSA from 2048 bits, signed with SHA-256, with its key."
        raise ConfigError((Problem(str(pair.certificate), message, remedy),)) from None


def _load_authorities(context: ssl.SSLContext, path: Path) -> None:
    try:
        context.load_verify_locations(cafile=path)
    except (ssl.SSLError, OSError) as error:
        message = f"is refused by OpenSSL ({_reason(error)})"
        raise ConfigError((Problem(str(path), message, "Write the CA certificates as PEM."),)) from None


def _no_passphrase() -> str:
    """Keep OpenSSL from asking on a terminal; the key was found unencrypted, so this is never the right answer."""
    return ""


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", None) or getattr(error, "strerror", None) or type(error).__name__)
