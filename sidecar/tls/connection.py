"""What a connection says about its peer: credentials for the decision, fingerprint and cipher for the record (A42)."""

from __future__ import annotations

import asyncio
import ssl
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from weakref import WeakKeyDictionary

from sidecar.access import Credentials
from sidecar.tls.peer import bearer_token, credentials


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end. ``tls`` is protocol and cipher, e.g. ``TLSv1.3 TLS_AES_256_GCM_SHA384``; None in plain text."""

    credentials: Credentials
    certificate_sha256: str | None = None
    tls: str | None = None


def peer_of(transport: asyncio.BaseTransport | None, authorization: Sequence[str]) -> Peer:
    """Return the peer of one request. Two Authorization headers are none: nobody chooses between them.

    Taken from the connection itself: were the handshake ever to let a client pass without a certificate, its requests
    would still carry no identity (trap 1 in the tests of ``reload``). Looked at once: there is no renegotiation, and no
    certificate after the handshake, so what a connection says of its peer never changes.
    """
    header = authorization[0] if len(authorization) == 1 else None
    connection = transport.get_extra_info("ssl_object") if transport is not None else None
    if not isinstance(connection, ssl.SSLObject | ssl.SSLSocket):
        return Peer(credentials(None, header))
    known = _connections.get(connection)
    if known is None:
        known = _connections[connection] = _peer(connection)
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
    )


@dataclass(frozen=True, slots=True)
class _Shown:
    """What a certificate says: the names that count, and its fingerprint."""

    names: tuple[str, ...] = ()
    sha256: str | None = None


_NOTHING = _Shown()
_MOST_CERTIFICATES = 1024
_connections: WeakKeyDictionary[ssl.SSLObject | ssl.SSLSocket, Peer] = WeakKeyDictionary()
_read_before: OrderedDict[bytes, _Shown] = OrderedDict()
"""By the whole certificate: OpenSSL takes longer to spell one out than all else that identifies a caller."""


def _shown(connection: ssl.SSLObject | ssl.SSLSocket) -> _Shown:
    certificate = connection.getpeercert(binary_form=True)
    if not certificate:
        return _NOTHING
    known = _read_before.get(certificate)
    if known is not None and connection.context.verify_mode is not ssl.CERT_NONE:
        return known
    names = credentials(connection.getpeercert(), None).certificate_names  # none of a certificate that is not verified
    shown = _Shown(names, sha256(certificate).hexdigest())
    if connection.context.verify_mode is not ssl.CERT_NONE:
        _read_before[certificate] = shown
        if len(_read_before) > _MOST_CERTIFICATES:
            _read_before.popitem(last=False)
    return shown
