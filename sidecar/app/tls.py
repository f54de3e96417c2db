"""From configuration to TLS as a client."""

from __future__ import annotations

from sidecar.config.traffic import UpstreamTlsConfig
from sidecar.tls.contexts import ClientTls


def client_tls_of(config: UpstreamTlsConfig) -> ClientTls:
    """Return whom we trust as a server, and what we show."""
    return ClientTls(config.ca, config.certificate, config.private_key)
