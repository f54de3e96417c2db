"""Where the sidecar listens, and how it is reached."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from sidecar.config.scalars import Host, Port, Seconds, Section, is_loopback
from sidecar.tls.contexts import ClientAuth


class ServerTlsConfig(Section):
    """The certificate a listener shows, and which clients' certificates it trusts."""

    certificate: Path
    private_key: Path
    client_ca: Path | None = None
    client_auth: ClientAuth = ClientAuth.REQUIRED
    client_crl: Path | None = None
    reload_seconds: Seconds = 10.0

    @model_validator(mode="after")
    def _client_ca_given(self) -> ServerTlsConfig:
        if self.client_auth is not ClientAuth.NONE and self.client_ca is None:
            raise ValueError(f"client_auth is {self.client_auth.value}, but client_ca names no CA file")
        if self.client_crl is not None and self.client_auth is ClientAuth.NONE:
            raise ValueError("client_crl is given, but clients are asked for no certificate")
        return self


class DataListenerConfig(Section):
    """Where trainer tools connect. TLS only."""

    host: Host = "0.0.0.0"  # noqa: S104 - a pod's listener; Service and NetworkPolicy bound it
    port: Port = 8443
    tls: ServerTlsConfig
    max_connections: Annotated[int, Field(ge=1, le=100_000)] = 1000
    max_handshakes: Annotated[int, Field(ge=1, le=100_000)] = 256
    handshake_seconds: Annotated[float, Field(gt=0, le=60)] = 10.0
    drain_delay_seconds: Annotated[float, Field(ge=0, le=600)] = 5.0
    drain_seconds: Annotated[float, Field(ge=0, le=3600)] = 25.0
    max_exchanges: Annotated[int, Field(ge=1, le=100_000)] = 512
    max_held_mebibytes: Annotated[int, Field(ge=1, le=1_000_000)] = 64
    recorded_denials_per_minute: Annotated[int, Field(ge=1, le=1_000_000)] = 60


class AdminListenerConfig(Section):
    """Where probes, Prometheus, auditors and intake connect. Plain HTTP is for loopback only."""

    host: Host = "127.0.0.1"
    port: Port = 9443
    tls: ServerTlsConfig | None = None
    max_connections: Annotated[int, Field(ge=1, le=100_000)] = 512
    max_handshakes: Annotated[int, Field(ge=1, le=100_000)] = 128
    handshake_seconds: Annotated[float, Field(gt=0, le=60)] = 10.0

    @model_validator(mode="after")
    def _plain_on_loopback_only(self) -> AdminListenerConfig:
        if self.tls is None and not is_loopback(self.host):
            raise ValueError("without tls the admin listener must be on a loopback address such as 127.0.0.1")
        return self


class ListenersConfig(Section):
    """The two listeners. Nothing of ``admin`` can be reached through ``data``."""

    data: DataListenerConfig
    admin: AdminListenerConfig = AdminListenerConfig()
