"""``python -m benchmarks``: what the sidecar costs beside a proxy that only passes bytes on, in one run."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.conversations import MESSAGES, canary, conversation
from benchmarks.load import Load, Result
from benchmarks.processes import free_ports, process, wait_for_port
from benchmarks.report import Figures, at_rate, figures, highest_rates
from benchmarks.sidecar_setup import get, scrape, write_configuration
from sidecar.access import Role
from sidecar.tls.dev_certs import DevCertificates, make_dev_certificates

_REREAD = 50  # chats that are read again and again
_FIRST_NEW = 1_000_000
_READ_ONCE_SECONDS = 120.0


@dataclass(frozen=True)
class Stage:
    """The servers that are up, and how long and how hard they are asked."""

    bare_port: int
    data_port: int
    admin_port: int
    certificates: DevCertificates
    seconds: float
    connections: int
    rounds: int

    def load(self, port: int, prefix: str, rate: float | None = None) -> Result:
        """Ask for the same chats again and again."""
        return self._run(replace(self._load(port, prefix), repeat_after=_REREAD, requests_per_second=rate))

    def load_new(self, first: int) -> Result:
        """Ask for chats that nobody has read before."""
        return self._run(replace(self._load(self.data_port, "/chats/"), first=first))

    def read_once(self) -> None:
        """Read every chat that is to be read again; until then it would be new."""
        once = replace(self._load(self.data_port, "/chats/"), seconds=_READ_ONCE_SECONDS, most_requests=_REREAD)
        self._run(once)

    def _load(self, port: int, prefix: str) -> Load:
        return Load(port, str(self.certificates.folder), prefix, self.seconds, self.connections)

    def _run(self, load: Load) -> Result:
        command = [sys.executable, "-m", "benchmarks.load"]
        done = subprocess.run(command, input=json.dumps(asdict(load)), stdout=subprocess.PIPE, text=True, check=True)
        return Result(**json.loads(done.stdout))


@contextlib.contextmanager
def stage(options: argparse.Namespace) -> Iterator[Stage]:
    """Start the upstream, the bare proxy and the sidecar, each as a process; end them in reverse."""
    with tempfile.TemporaryDirectory(prefix="sidecar-bench-") as name, contextlib.ExitStack() as running:
        folder = Path(name)
        certificates = make_dev_certificates(folder / "certs", datetime.now(UTC))
        upstream, bare, data, admin = free_ports(4)
        config = write_configuration(folder, certificates, data, admin, upstream, options.workers)
        commands = {
            upstream: ("benchmarks.upstream", str(upstream)),
            bare: ("benchmarks.bare_proxy", str(bare), str(upstream), str(certificates.folder)),
            data: ("sidecar", "run", "--config", str(config)),
        }
        for port, command in commands.items():
            log = folder / f"{port}.log"
            wait_for_port(port, running.enter_context(process(log, *command)), log)
        yield Stage(bare, data, admin, certificates, options.seconds, options.connections, options.rounds)


def check(stage: Stage) -> None:
    """Make sure that what is about to be measured does its work: a fast proxy that leaks would win every race."""
    sent = conversation(0)
    if get(stage.bare_port, "/chats/0", stage.certificates, Role.TRAINER) != sent:
        raise SystemExit("the bare proxy does not pass the conversation on unchanged")
    if get(stage.data_port, "/blobs/0", stage.certificates, Role.TRAINER) != sent:
        raise SystemExit("the sidecar does not pass the opaque body on unchanged")
    redacted = get(stage.data_port, "/chats/0", stage.certificates, Role.TRAINER)
    if canary(0).encode() in redacted or redacted.count(b'"sender"') != MESSAGES:
        raise SystemExit("the sidecar does not redact the conversation")


def measure_at(stage: Stage, rate: float | None) -> tuple[Figures, Figures, Figures]:
    """Measure the cases at one common rate, requests being due at fixed times; None: as fast as each goes.

    In turns, so that what else the machine does meets all of them alike.
    """
    bare, opaque, reread = [], [], []
    for _ in range(stage.rounds):
        bare.append(stage.load(stage.bare_port, "/chats/", rate))
        opaque.append(stage.load(stage.data_port, "/blobs/", rate))
        reread.append(stage.load(stage.data_port, "/chats/", rate))
    return (
        figures("bare proxy", bare),
        figures("sidecar, opaque body", opaque),
        figures("sidecar, chats read before", reread),
    )


def measure_new(stage: Stage) -> tuple[Figures, str]:
    """Measure chats never seen before, and what the sidecar says of itself meanwhile."""
    before = scrape(stage.admin_port, stage.certificates)
    results, first = [], _FIRST_NEW
    for _ in range(stage.rounds):
        results.append(stage.load_new(first))
        first = results[-1].next_number
    after = scrape(stage.admin_port, stage.certificates)
    row = figures("sidecar, every message new", results)
    whole = after.since(before, "sidecar_request_duration_seconds_sum", route="chats")
    rewriting = after.since(before, "sidecar_rewrite_duration_seconds_sum", route="chats")
    lag = after.quantile_since(before, "sidecar_event_loop_delay_seconds")
    said = (
        f"With every message new: {row.per_second * MESSAGES:.0f} messages/s; "
        f"{rewriting / whole if whole else 0:.0%} of the time of an exchange is parsing, detection and rewriting; "
        f"event-loop lag p99 at most {lag * 1000:.1f} ms."
    )
    return row, said


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0, help="for each case in each round (default 4)")
    parser.add_argument("--rounds", type=int, default=3, help="of all cases in turns (default 3)")
    parser.add_argument("--connections", type=int, default=16, help="kept open at the same time (default 16)")
    parser.add_argument("--workers", type=int, default=1, help="detection processes of the sidecar (default 1)")
    return parser.parse_args()


def main() -> int:
    """Measure and print. Exit 1 where a request failed: then the figures mean nothing."""
    options = parse_options()
    print(f"Python {platform.python_version()}, {ssl.OPENSSL_VERSION}, {os.cpu_count()} cores, "
          f"{options.rounds} rounds of {options.seconds:g} s, {options.connections} connections, "
          f"{len(conversation(0))} bytes and {MESSAGES} messages in a chat\n", flush=True)  # fmt: skip
    with stage(options) as up:
        check(up)
        up.read_once()
        highest = measure_at(up, None)
        new, said = measure_new(up)
        print(highest_rates((*highest, new)), "\n", flush=True)
        rate = highest[-1].per_second / 2
        paced = measure_at(up, rate)
        print(at_rate(rate, paced), "\n")
        print(said)
    failed = [row for row in (*highest, new, *paced) if row.errors]
    for row in failed:
        print(f"{row.name}: {row.errors} requests failed, the first with {row.first_error}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
