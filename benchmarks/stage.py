"""The programs that are measured, each as a process, and the loads put on them."""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.load import Load, Result
from benchmarks.nginx import find_nginx, nginx_command
from benchmarks.processes import cpu_seconds, free_ports, module, process, wait_for_port
from benchmarks.sidecar_setup import write_configuration
from sidecar.tls.dev_certs import DevCertificates, make_dev_certificates

UPSTREAM, BARE, SIDECAR, NGINX = "upstream", "bare proxy", "sidecar", "nginx"
REREAD = 50  # chats that are read again and again
_READ_ONCE_SECONDS = 120.0


@dataclass(frozen=True)
class Server:
    """A program that answers on a port."""

    port: int
    pid: int


@dataclass(frozen=True)
class Stage:
    """The servers that are up, and how long and how hard they are asked."""

    servers: Mapping[str, Server]
    admin_port: int
    certificates: DevCertificates
    folder: Path
    seconds: float
    connections: int
    rounds: int

    def load(self, server: str, prefix: str, rate: float | None = None) -> Result:
        """Ask for the same chats again and again."""
        return self._run(server, replace(self._load(server, prefix), repeat_after=REREAD, requests_per_second=rate))

    def load_new(self, first: int) -> Result:
        """Ask for chats that nobody has read before."""
        return self._run(SIDECAR, replace(self._load(SIDECAR, "/chats/"), first=first))

    def read_once(self) -> None:
        """Read every chat that is to be read again; until then it would be new."""
        once = replace(self._load(SIDECAR, "/chats/"), seconds=_READ_ONCE_SECONDS, most_requests=REREAD)
        self._run(SIDECAR, once)

    def _load(self, server: str, prefix: str) -> Load:
        port = self.servers[server].port
        return Load(port, str(self.certificates.folder), prefix, self.seconds, self.connections)

    def _run(self, server: str, load: Load) -> Result:
        command = [sys.executable, "-m", "benchmarks.load"]
        asked, upstream = self.servers[server].pid, self.servers[UPSTREAM].pid
        before, before_upstream = cpu_seconds(asked), cpu_seconds(upstream)
        done = subprocess.run(command, input=json.dumps(asdict(load)), stdout=subprocess.PIPE, text=True, check=True)
        spent, upstream_spent = cpu_seconds(asked) - before, cpu_seconds(upstream) - before_upstream
        result = Result(**json.loads(done.stdout))
        return replace(result, cpu_seconds=spent, load_cpu_seconds=result.load_cpu_seconds + upstream_spent)


@contextlib.contextmanager
def stage(options: argparse.Namespace) -> Iterator[Stage]:
    """Start the upstream, the proxies and the sidecar, each as a process; end them in reverse."""
    with (
        tempfile.TemporaryDirectory(prefix="sidecar-bench-", dir=options.folder) as name,
        contextlib.ExitStack() as running,
    ):
        folder = Path(name)
        certificates = make_dev_certificates(folder / "certs", datetime.now(UTC))
        upstream, bare, data, admin, plain = free_ports(5)
        config = write_configuration(folder, certificates, data, admin, upstream, options.workers)
        commands = {
            UPSTREAM: (upstream, module("benchmarks.upstream", str(upstream))),
            BARE: (bare, module("benchmarks.bare_proxy", str(bare), str(upstream), str(certificates.folder))),
            SIDECAR: (data, module("sidecar", "run", "--config", str(config))),
        }
        if (nginx := find_nginx()) is not None:
            commands[NGINX] = plain, nginx_command(nginx, folder, certificates, plain, upstream)
        servers: dict[str, Server] = {}
        for server, (port, command) in commands.items():
            log = folder / f"{server}.log"
            started = running.enter_context(process(log, *command))
            wait_for_port(port, started, log)
            servers[server] = Server(port, started.pid)
        yield Stage(servers, admin, certificates, folder, options.seconds, options.connections, options.rounds)
