"""Makes everything a demonstration needs in one folder: certificates, a key, and a configuration to look at."""

from __future__ import annotations

import secrets
import socket
from dataclasses import dataclass
from pathlib import Path

from sidecar.access import Role
from sidecar.tls.certificate_files import utc_now
from sidecar.tls.dev_certs import DevCertificates, Existing, client_san, make_dev_certificates

_CONFIG = """\
# Written by `sidecar demo`. config.example.yaml explains every key.
listeners:
  data:
    host: 127.0.0.1
    port: {data_port}
    drain_delay_seconds: 0
    tls: {{certificate: {certificate}, private_key: {key}, client_ca: {ca}}}
  admin:
    host: 127.0.0.1
    port: {admin_port}
    tls: {{certificate: {certificate}, private_key: {key}, client_ca: {ca}, client_auth: optional}}
keys: {{master_file: {folder}/master.key}}
state: {{url: "sqlite:///{folder}/state.db"}}
audit: {{folder: {folder}/audit, origin: sidecar-audit/demo}}
identities:
{identities}
upstreams:
  chatbot: {{url: "{chatbot}"}}
routes:
  - name: conversations
    path_prefix: /api/conversations
    methods: [GET, POST]
    upstream: chatbot
    roles: [trainer]
    preset: generic-chat
erasure:
  second_look_hours: 0
  journal: {folder}/erasure.journal
  targets:
    - name: chatbot
      type: http
      delete:
        method: DELETE
        url: "{chatbot}/api/customers/{{email}}"
        done: {{status: [200], where: ["/deleted >= 1"]}}
        no_data: {{status: [404]}}
        count: /deleted
      verify:
        method: GET
        url: "{chatbot}/api/customers/{{email}}/count"
        gone: {{status: [200], where: ["/conversations == 0"]}}
        present: {{status: [200], where: ["/conversations >= 1"]}}
        count: /conversations
"""


@dataclass(frozen=True, slots=True)
class DemoSetup:
    """Where the demonstration's files are, and where it listens."""

    folder: Path
    certificates: DevCertificates
    config: Path
    data_port: int
    admin_port: int


def prepare(folder: Path, chatbot_url: str, wished_ports: tuple[int, int] = (8443, 9443)) -> DemoSetup:
    """Write certificates, key and configuration into ``folder``; take the wished ports where they are free."""
    certificates = make_dev_certificates(folder / "certs", utc_now(), existing=Existing.REPLACE)
    key_file = folder / "master.key"
    if not key_file.exists():
        key_file.touch(mode=0o600)
        key_file.write_text(secrets.token_hex(32) + "\n", encoding="ascii")
    data_port, admin_port = (free_port(port) for port in wished_ports)
    config = folder / "config.yaml"
    certificate, key = certificates.server
    config.write_text(
        _CONFIG.format(
            folder=folder,
            data_port=data_port,
            admin_port=admin_port,
            certificate=certificate,
            key=key,
            ca=certificates.ca,
            chatbot=chatbot_url,
            identities="\n".join(_identity(role) for role in Role),
        ),
        encoding="utf-8",
    )
    return DemoSetup(folder, certificates, config, data_port, admin_port)


def free_port(wished: int) -> int:
    """Return ``wished`` if nobody listens there on loopback, another port otherwise."""
    for port in (wished, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError("no free port on loopback")


def _identity(role: Role) -> str:
    name = role.value.replace("_", "-")
    return f'  - {{name: {name}, roles: [{role.value}], certificate: {{san: "{client_san(role)}"}}}}'
