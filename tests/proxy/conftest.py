"""TLS for the rig: made once for all tests of this folder."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sidecar.tls.contexts import ClientAuth, ClientTls, ServerTls, client_context, server_context
from sidecar.tls.dev_certs import DevCertificates, make_dev_certificates


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> DevCertificates:
    folder: Path = tmp_path_factory.mktemp("proxy-certificates")
    return make_dev_certificates(folder / "pki", datetime.now(UTC))


@pytest.fixture(scope="session")
def contexts(certificates: DevCertificates) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A listener's context, and a client's without certificate."""
    certificate, key = certificates.server
    server = server_context(ServerTls(certificate, key, ClientAuth.OPTIONAL, certificates.ca))
    return server, client_context(ClientTls(ca=certificates.ca))
