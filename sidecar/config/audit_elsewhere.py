"""Where the audit log is carried: anchors, which remember its checkpoints, and sinks, which are told of its records."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from sidecar.config.scalars import HttpUrl, Name, Port, Seconds, Section, is_loopback
from sidecar.config.traffic import UpstreamTlsConfig
from sidecar.targets.form import SecretSource


def _encrypted(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise ValueError("plain http could be read and changed on the way; use https, or a loopback address")
    return url


OutboundUrl = Annotated[HttpUrl, AfterValidator(_encrypted)]


class _Http(Section):
    """What every place behind HTTP has."""

    name: Name
    url: OutboundUrl
    headers: dict[str, SecretSource] = Field(default_factory=dict)
    tls: UpstreamTlsConfig = UpstreamTlsConfig()
    timeout_seconds: Seconds = 10.0


class FileAnchorConfig(Section):
    """A folder on another disk or share, which must exist."""

    name: Name
    type: Literal["file"]
    folder: Path


class HttpAnchorConfig(_Http):
    """A server that keeps what it is given. See docs/audit.md for its two calls."""

    type: Literal["http"]


class S3AnchorConfig(Section):
    """A bucket. Without keys the SDK finds its own; ``retain_days`` asks for an object lock."""

    name: Name
    type: Literal["s3"]
    bucket: Annotated[str, Field(min_length=3, max_length=255)]
    prefix: str = ""
    endpoint_url: OutboundUrl | None = None
    region: str | None = None
    ca: Path | None = None
    access_key_id: str | None = None
    secret_access_key: SecretSource | None = None
    retain_days: Annotated[int, Field(ge=1, le=36_500)] | None = None


class WitnessAnchorConfig(_Http):
    """A witness (c2sp.org/tlog-witness), with the vkey of its cosignatures."""

    type: Literal["witness"]
    key: str


class TimestampAnchorConfig(_Http):
    """A time-stamping authority (RFC 3161), with the certificates (PEM) that its stamps must lead to."""

    type: Literal["rfc3161"]
    roots: Path


AnchorConfig = Annotated[
    FileAnchorConfig | HttpAnchorConfig | S3AnchorConfig | WitnessAnchorConfig | TimestampAnchorConfig,
    Field(discriminator="type"),
]


class HttpSinkConfig(_Http):
    """Takes JSON lines by POST."""

    type: Literal["http"]


class OtlpSinkConfig(_Http):
    """An OpenTelemetry collector; the URL ends in /v1/logs."""

    type: Literal["otlp"]


class SyslogSinkConfig(Section):
    """A syslog receiver over TLS (RFC 5425)."""

    name: Name
    type: Literal["syslog"]
    host: Annotated[str, Field(min_length=1, max_length=253)]
    port: Port = 6514
    tls: UpstreamTlsConfig = UpstreamTlsConfig()
    timeout_seconds: Seconds = 10.0


SinkConfig = Annotated[HttpSinkConfig | OtlpSinkConfig | SyslogSinkConfig, Field(discriminator="type")]
