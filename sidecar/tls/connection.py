"""What a connection says about its peer: credentials for the decision, fingerprint and cipher for the record (A42).

A certificate is verified once, at the handshake, but connections last. So its names count only for as long as it is
valid, and while an authority that is still trusted stands behind it, with a list of those it revoked that has not
expired, where lists are asked for (P52, P54, P55).
"""

from __future__ import annotations

import asyncio
import math
import ssl
import time
from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from weakref import WeakKeyDictionary, WeakSet

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from sidecar.access import Credentials
from sidecar.tls.certificate_files import Trust
from sidecar.tls.peer import bearer_token, credentials


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end. ``tls`` is protocol and cipher, e.g. ``TLSv1.3 TLS_AES_256_GCM_SHA384``; None in plain text.

    ``valid_until``: seconds since the epoch, of its certificate.
    """

    credentials: Credentials
    certificate_sha256: str | None = None
    tls: str | None = None
    valid_until: float = 0.0


def peer_of(transport: asyncio.BaseTransport | None, authorization: Sequence[str]) -> Peer:
    """Return the peer of one request. Two Authorization headers are none: nobody chooses between them.

    Taken from the connection itself: were the handshake ever to let a client pass without a certificate, its requests
    would still carry no identity (trap 1 in the tests of ``reload``). Read once: there is no renegotiation, and no
    certificate after the handshake, so what a connection says of its peer never changes; but it can cease to count.
    """
    header = authorization[0] if len(authorization) == 1 else None
    connection = transport.get_extra_info("ssl_object") if transport is not None else None
    if not isinstance(connection, ssl.SSLObject | ssl.SSLSocket):
        return Peer(credentials(None, header))
    known = _connections.get(connection)
    if known is None:
        known = _connections[connection] = _peer(connection)
    if known.credentials.certificate_names and not _counts(connection, known):
        known = replace(known, credentials=Credentials())
    token = bearer_token(header)
    return (
        known if token is None else replace(known, credentials=Credentials(known.credentials.certificate_names, token))
    )


def _peer(connection: ssl.SSLObject | ssl.SSLSocket) -> Peer:
    shown, cipher = _shown(connection), connection.cipher()
    return Peer(
        credentials=Credentials(shown.names),
        certificate_sha256=shown.sha256,
        tls=f"{connection.version()} {cipher[0]}" if cipher else None,
        valid_until=shown.valid_until,
    )


class Succession:
    """The contexts of one listener, one after the other, and what became of the trust behind them.

    Once an authority was taken out, a certificate counts on connections from before only if one that is trusted now
    issued it directly: a chain is not at hand any more, so its owner has to connect anew.
    """

    def __init__(self) -> None:
        self._earlier: WeakSet[ssl.SSLContext] = WeakSet()
        self._lost_one = False

    def begin(self, context: ssl.SSLContext, trust: Trust) -> None:
        """Take in who is trusted by the context that makes connections from now on."""
        if trust.ends:
            _verdicts[context] = _Verdict(trust, by_issuer=False)

    def follow(self, old: ssl.SSLContext, before: Trust, now: Trust) -> None:
        """Take in that ``old``, which trusted those before, makes no more connections, and who is trusted now."""
        self._earlier.add(old)
        self._lost_one = self._lost_one or not set(before.authorities) <= set(now.authorities)
        for context in self._earlier:
            _verdicts[context] = _Verdict(now, self._lost_one)


@dataclass(frozen=True, slots=True)
class _Verdict:
    """On the connections of one context, which were made before what is known now."""

    trust: Trust
    by_issuer: bool

    def holds_until(self, certificate: x509.Certificate) -> float:
        """Return until when it holds for a certificate, in seconds since the epoch; 0.0 if it does not."""
        if self.trust.revoked and _is_revoked(certificate, self.trust.revoked):
            return 0.0
        if self.by_issuer and not _is_issued_by(certificate, self.trust.authorities):
            return 0.0
        return _end_of_lists(certificate, self.trust) if self.trust.ends else math.inf


def _counts(connection: ssl.SSLObject | ssl.SSLSocket, peer: Peer) -> bool:
    now = time.time()
    if now >= peer.valid_until:
        return False
    verdict = _verdicts.get(connection.context)
    if verdict is None:
        return True
    judged = _judged.get(connection)
    if judged is None or judged[0] is not verdict:
        certificate = x509.load_der_x509_certificate(connection.getpeercert(binary_form=True) or b"")
        judged = _judged[connection] = verdict, verdict.holds_until(certificate)
    return now < judged[1]


def _end_of_lists(certificate: x509.Certificate, trust: Trust) -> float:
    """Return from when on nobody can tell whether it was revoked: always, where its authority has no list."""
    try:
        end = trust.ends.get(certificate.issuer)
    except ValueError:  # not every name that OpenSSL reads can be read here: then the first list of all counts
        return math.inf if trust.lists_end is None else trust.lists_end.timestamp()
    return 0.0 if end is None else end.timestamp()


def _is_revoked(certificate: x509.Certificate, revoked: Collection[tuple[x509.Name, int]]) -> bool:
    """Whether it is on a list. Not every name that OpenSSL reads can be read here: whose can't is taken for revoked."""
    try:
        return (certificate.issuer, certificate.serial_number) in revoked
    except ValueError:
        return True


def _is_issued_by(certificate: x509.Certificate, authorities: Sequence[x509.Certificate]) -> bool:
    for authority in authorities:
        try:
            certificate.verify_directly_issued_by(authority)
        except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
            continue
        return True
    return False


@dataclass(frozen=True, slots=True)
class _Shown:
    """What a certificate says: the names that count, its fingerprint, and until when."""

    names: tuple[str, ...] = ()
    sha256: str | None = None
    valid_until: float = 0.0


_NOTHING = _Shown()
_MOST_CERTIFICATES = 1024
_connections: WeakKeyDictionary[ssl.SSLObject | ssl.SSLSocket, Peer] = WeakKeyDictionary()
_verdicts: WeakKeyDictionary[ssl.SSLContext, _Verdict] = WeakKeyDictionary()
_judged: WeakKeyDictionary[ssl.SSLObject | ssl.SSLSocket, tuple[_Verdict, float]] = WeakKeyDictionary()
_read_before: OrderedDict[bytes, _Shown] = OrderedDict()
"""By the whole certificate: OpenSSL takes longer to spell one out than all else that identifies a caller."""


def _shown(connection: ssl.SSLObject | ssl.SSLSocket) -> _Shown:
    certificate = connection.getpeercert(binary_form=True)
    if not certificate:
        return _NOTHING
    known = _read_before.get(certificate)
    if known is not None and connection.context.verify_mode is not ssl.CERT_NONE:
        return known
    told = connection.getpeercert()  # nothing of a certificate that is not verified
    names = credentials(told, None).certificate_names
    until = ssl.cert_time_to_seconds(str(told["notAfter"])) if told else 0.0
    shown = _Shown(names, sha256(certificate).hexdigest(), until)
    if connection.context.verify_mode is not ssl.CERT_NONE:
        _read_before[certificate] = shown
        if len(_read_before) > _MOST_CERTIFICATES:
            _read_before.popitem(last=False)
    return shown
