"""The sidecar as a process in front of a piece of software, as an operator would configure it."""

from __future__ import annotations

import http.client
import json
import secrets
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sidecar.access import Role
from sidecar.demo.setup import free_port
from sidecar.tls.certificate_files import utc_now
from sidecar.tls.dev_certs import DevCertificates, client_san, make_dev_certificates

START_S = 240.0
LONG = 9  # characters
DOCS = Path(__file__).parents[2] / "docs" / "payloads.md"


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole response."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass(frozen=True, slots=True)
class Front:
    """A running sidecar, and what a trainer needs to talk to it."""

    folder: Path
    certificates: DevCertificates
    port: int

    @property
    def origin(self) -> str:
        return f"https://localhost:{self.port}"

    def trust(self) -> ssl.SSLContext:
        """A trainer's side of TLS, client certificate included."""
        context = ssl.create_default_context(cafile=str(self.certificates.ca))
        context.load_cert_chain(*self.certificates.client(Role.TRAINER))
        return context

    def call(self, method: str, path: str, body: Any = None, fields: Mapping[str, str] | None = None) -> Answer:
        connection = http.client.HTTPSConnection("localhost", self.port, timeout=60, context=self.trust())
        try:
            data = None if body is None else json.dumps(body).encode()
            kind = {} if body is None else {"Content-Type": "application/json"}
            connection.request(method, path, data, {**kind, **(fields or {})})
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def left_behind(self, *values: str) -> list[str]:
        """Return which of some values stand in what the sidecar wrote: state, audit log and its own log.

        Long ones only: a few characters turn up in sealed bytes by chance, in base64 above all.
        """
        assert all(len(value) >= LONG for value in values), values
        written = self._written().lower()
        return [value for value in values if value in written]

    def _written(self) -> str:
        return "".join(path.read_bytes().decode("latin-1") for path in sorted(self.folder.rglob("*")) if path.is_file())


def documented_routes(tool: str) -> list[dict[str, Any]]:
    """Return the routes that the documentation gives for a tool."""
    block = DOCS.read_text(encoding="utf-8").split(f"\n{tool}")[1].split("```yaml\n")[1].split("```")[0]
    routes: list[dict[str, Any]] = yaml.safe_load(block)
    return routes


@contextmanager
def fronted(folder: Path, upstream_url: str, tool: str) -> Iterator[Front]:
    """Yield a sidecar that is ready, with the documented routes; it is stopped afterwards, and must have ended well."""
    folder.mkdir()
    front = Front(folder, make_dev_certificates(folder / "certs", utc_now()), free_port(0))
    (folder / "master.key").write_text(secrets.token_hex(32))
    (folder / "master.key").chmod(0o600)
    admin_port = free_port(0)
    config = folder / "config.yaml"
    config.write_text(
        yaml.safe_dump(_config(front, admin_port, upstream_url, documented_routes(tool)), sort_keys=False)
    )
    log = folder / "sidecar.log"
    with log.open("wb") as out:
        command = [sys.executable, "-m", "sidecar", "run", "--config", str(config)]
        process = subprocess.Popen(command, stdout=out, stderr=out)
        try:
            _await(process, log)
            yield front
            process.terminate()
            assert process.wait(60) == 0, log.read_text()
        finally:
            process.kill()
            process.wait()


def _await(process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while "sidecar ready" not in log.read_text():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)


def _config(front: Front, admin_port: int, upstream_url: str, routes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    certificate, key = front.certificates.server
    tls = {"certificate": str(certificate), "private_key": str(key), "client_ca": str(front.certificates.ca)}
    data = {"host": "127.0.0.1", "port": front.port, "drain_delay_seconds": 0, "drain_seconds": 2, "tls": tls}
    san = {"san": client_san(Role.TRAINER)}
    return {
        "listeners": {"data": data, "admin": {"host": "127.0.0.1", "port": admin_port, "tls": tls}},
        "keys": {"master_file": str(front.folder / "master.key")},
        "state": {"url": f"sqlite:///{front.folder}/state.db"},
        "audit": {"folder": str(front.folder / "audit")},
        "identities": [{"name": "trainer", "roles": ["trainer"], "certificate": san}],
        "upstreams": {route["upstream"]: {"url": upstream_url} for route in routes},
        "routes": list(routes),
    }
