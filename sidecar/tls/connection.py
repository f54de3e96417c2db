"""What a connection says about its peer: credentials for the decision, fingerprint and cipher for the record (A42)."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from sidecar.access import Credentials
from sidecar.tls.peer import credentials


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end. ``tls`` is protocol and cipher, e.g. ``TLSv1.3 TLS_AES_256_GCM_SHA384``; None in plain text."""

    credentials: Credentials
    certificate_sha256: str | None = None
    tls: str | None = None


def peer_of(transport: asyncio.BaseTransport | None, authorization: Sequence[str]) -> Peer:
    """Return the peer of one request. Two Authorization headers are none: nobody chooses between them.

    Looked at anew for each request: were the handshake ever to let a client pass without a certificate, the request
    would still carry no identity (trap 1 in the tests of ``reload``).
    """
    header = authorization[0] if len(authorization) == 1 else None
    connection = transport.get_extra_info("ssl_object") if transport is not None else None
    if not isinstance(connection, ssl.SSLObject | ssl.SSLSocket):
        return Peer(credentials(None, header))
    certificate = connection.getpeercert(binary_form=True)
    cipher = connection.cipher()
    return Peer(
        credentials=credentials(connection.getpeercert(), header),
        certificate_sha256=sha256(certificate).hexdigest() if certificate else None,
        tls=f"{connection.version()} {cipher[0]}" if cipher else None,
    )
