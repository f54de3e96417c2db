"""A sidecar to measure: its configuration, as an operator would write it, and its own account of itself."""

from __future__ import annotations

import math
import secrets
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPSConnection
from pathlib import Path

import yaml
from prometheus_client.parser import text_string_to_metric_families

from sidecar.access import Role
from sidecar.tls.dev_certs import DevCertificates, client_san

_QUANTILE = 0.99


def write_configuration(
    folder: Path, certificates: DevCertificates, data_port: int, admin_port: int, upstream_port: int, workers: int
) -> Path:
    """Write what the sidecar is told; its state and audit log lie beside it."""
    master = folder / "master.key"
    master.write_text(secrets.token_hex(32))
    certificate, key = (str(path) for path in certificates.server)
    tls = {"certificate": certificate, "private_key": key, "client_ca": str(certificates.ca)}
    route = {"methods": ["GET"], "upstream": "chatbot", "roles": ["trainer"]}
    configuration = {
        "listeners": {
            "data": {"host": "127.0.0.1", "port": data_port, "tls": tls, "drain_delay_seconds": 0},
            "admin": {"host": "127.0.0.1", "port": admin_port, "tls": {**tls, "client_auth": "optional"}},
        },
        "keys": {"master_file": str(master)},
        "state": {"url": f"sqlite:///{folder}/state.db"},
        "audit": {"folder": str(folder / "audit")},
        "identities": [
            {"name": role.value, "roles": [role.value], "certificate": {"san": client_san(role)}}
            for role in (Role.TRAINER, Role.METRICS)
        ],
        "upstreams": {"chatbot": {"url": f"http://127.0.0.1:{upstream_port}"}},
        "detection": {"workers": workers},
        "routes": [
            {"name": "chats", "path_prefix": "/chats", "body": "json", "preset": "generic-chat", **route},
            {"name": "blobs", "path_prefix": "/blobs", "body": "opaque", **route},
        ],
    }
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(configuration, sort_keys=False))
    return file


Samples = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


@dataclass(frozen=True)
class Scrape:
    """Everything the sidecar counts, at one moment."""

    samples: Samples

    def since(self, earlier: Scrape, name: str, **labels: str) -> float:
        """Return by how much a counter, over all series with these labels, grew."""
        return self._sum(name, labels) - earlier._sum(name, labels)

    def quantile_since(self, earlier: Scrape, histogram: str) -> float:
        """Return the upper bound of the bucket that holds the 99th percentile of what was observed in between."""
        grown = {
            float(dict(labels)["le"]): value - earlier.samples.get((name, labels), 0.0)
            for (name, labels), value in self.samples.items()
            if name == f"{histogram}_bucket"
        }
        total = grown.get(math.inf, 0.0)
        return min((le for le, value in grown.items() if total and value >= _QUANTILE * total), default=math.nan)

    def _sum(self, name: str, wanted: Mapping[str, str]) -> float:
        return sum(v for (one, labels), v in self.samples.items() if one == name and wanted.items() <= set(labels))


def scrape(admin_port: int, certificates: DevCertificates) -> Scrape:
    """Ask the admin listener for its metrics, as Prometheus would."""
    body = get(admin_port, "/metrics", certificates, Role.METRICS).decode()
    families = text_string_to_metric_families(body)
    return Scrape({(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples})


def get(port: int, path: str, certificates: DevCertificates, role: Role) -> bytes:
    """Return the body of one answer with status 200; anything else ends the run."""
    context = ssl.create_default_context(cafile=str(certificates.ca))
    context.load_cert_chain(*certificates.client(role))
    connection = HTTPSConnection("localhost", port, context=context, timeout=60)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    if answer.status != 200:
        raise SystemExit(f"{path} on port {port} was answered with {answer.status}: {body[:200]!r}")
    return body
