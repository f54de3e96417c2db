"""From configuration to anchors and sinks. A kind's package is imported only where one of it is configured."""

from __future__ import annotations

import socket
from datetime import timedelta
from pathlib import Path

from sidecar.app.secrets import read_secret
from sidecar.app.tls import client_tls_of
from sidecar.audit.anchors.anchor import Anchor
from sidecar.audit.anchors.file import FileAnchor
from sidecar.audit.anchors.http import HttpAnchor
from sidecar.audit.anchors.object_store import BucketSettings, ObjectStoreAnchor
from sidecar.audit.anchors.timestamp import TimestampAnchor
from sidecar.audit.anchors.witness import WitnessAnchor
from sidecar.audit.note import KeyKind, NoteInvalid, Verifier, parse_verifier
from sidecar.audit.outbound import Endpoint
from sidecar.audit.sinks.http import HttpSink
from sidecar.audit.sinks.otlp import OtlpSink
from sidecar.audit.sinks.sink import Sink
from sidecar.audit.sinks.syslog import SyslogSettings, SyslogSink
from sidecar.config.audit_elsewhere import (
    AnchorConfig,
    FileAnchorConfig,
    HttpAnchorConfig,
    HttpSinkConfig,
    OtlpSinkConfig,
    S3AnchorConfig,
    SinkConfig,
    SyslogSinkConfig,
    TimestampAnchorConfig,
    WitnessAnchorConfig,
)
from sidecar.errors import ConfigError, Problem
from sidecar.tls.contexts import client_context

EVIDENCE = "evidence"
"""The folder, beside the log, of what witnesses and authorities signed."""


def anchor_of(config: AnchorConfig, where: str, audit_folder: Path) -> Anchor:
    """Return one anchor. Raises ``ConfigError``."""
    evidence = audit_folder / EVIDENCE / config.name
    match config:
        case FileAnchorConfig():
            return FileAnchor(config.name, config.folder)
        case HttpAnchorConfig():
            return HttpAnchor(config.name, _endpoint(config, where))
        case S3AnchorConfig():
            return ObjectStoreAnchor(config.name, _bucket(config, where))
        case WitnessAnchorConfig():
            return WitnessAnchor(config.name, _endpoint(config, where), _witness_key(config.key, where), evidence)
        case TimestampAnchorConfig():
            return TimestampAnchor(config.name, _endpoint(config, where), config.roots, evidence)


def sink_of(config: SinkConfig, where: str) -> Sink:
    """Return one sink. Raises ``ConfigError``."""
    match config:
        case HttpSinkConfig():
            return HttpSink(config.name, _endpoint(config, where))
        case OtlpSinkConfig():
            return OtlpSink(config.name, _endpoint(config, where))
        case SyslogSinkConfig():
            tls = client_context(client_tls_of(config.tls))
            name = _ascii(socket.gethostname())
            settings = SyslogSettings(config.host, config.port, name, tls, config.timeout_seconds)
            return SyslogSink(config.name, settings)


_OverHttp = HttpAnchorConfig | WitnessAnchorConfig | TimestampAnchorConfig | HttpSinkConfig | OtlpSinkConfig


def _endpoint(config: _OverHttp, where: str) -> Endpoint:
    headers = {name: read_secret(one, f"{where}.headers.{name}") for name, one in config.headers.items()}
    if not config.url.startswith("https:"):
        return Endpoint(config.url, headers, timeout_seconds=config.timeout_seconds)
    return Endpoint(config.url, headers, client_context(client_tls_of(config.tls)), config.timeout_seconds)


def _bucket(config: S3AnchorConfig, where: str) -> BucketSettings:
    secret = config.secret_access_key
    if (config.access_key_id is None) != (secret is None):
        problem = Problem(where, "access_key_id and secret_access_key go together", "Give both, or none")
        raise ConfigError((problem,))
    return BucketSettings(
        config.bucket, config.prefix, config.endpoint_url, config.region, config.ca, config.access_key_id,
        read_secret(secret, f"{where}.secret_access_key") if secret is not None else None,
        timedelta(days=config.retain_days) if config.retain_days is not None else None,
    )  # fmt: skip


def _witness_key(text: str, where: str) -> Verifier:
    try:
        key = parse_verifier(text)
    except NoteInvalid as invalid:
        raise ConfigError((Problem(f"{where}.key", str(invalid), "Give the witness's vkey"),)) from None
    if key.kind is not KeyKind.COSIGNATURE:
        remedy = "Give the vkey that its cosignatures (Ed25519, type 0x04) are verified with"
        raise ConfigError((Problem(f"{where}.key", "is no key of a witness", remedy),))
    return key


def _ascii(name: str) -> str:
    return "".join(one for one in name if "!" <= one <= "~") or "-"
