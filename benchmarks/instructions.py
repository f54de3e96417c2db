"""``python -m benchmarks.instructions``: how many machine instructions an exchange takes of the event loop's thread.

Needs valgrind, which counts them (callgrind). The count hardly depends on what else the machine does, so it tells
changes of a few percent apart, where requests per second don't. It is no time: what the kernel does is not in it, nor
the log's own process, and valgrind knows no SHA instructions, so hashing counts for more than it takes.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.load import Load, Result
from benchmarks.processes import free_ports, module, process, wait_for_port
from benchmarks.sidecar_setup import write_configuration
from benchmarks.stage import REREAD
from sidecar.tls.dev_certs import DevCertificates, make_dev_certificates

_BEFORE = 200  # exchanges of the shorter count: connections are opened in both, and fall out of the difference
_LONGEST_SECONDS = 600.0
_TOTAL = re.compile(r"^totals: (\d+)", re.MULTILINE)
_CASES = (("bare proxy", "/chats/"), ("sidecar, opaque body", "/blobs/"), ("sidecar, chats read before", "/chats/"))


@dataclass(frozen=True)
class _Counted:
    """A server that runs under valgrind, and what is asked of it."""

    pid: int
    port: int
    folder: Path
    certificates: DevCertificates
    connections: int

    def per_exchange(self, prefix: str, exchanges: int) -> float:
        """Return the instructions of one exchange, from the difference of a longer and a shorter load."""
        self._load(prefix, _BEFORE)
        fewer = self._count(prefix, _BEFORE)
        return (self._count(prefix, _BEFORE + exchanges) - fewer) / exchanges

    def _count(self, prefix: str, exchanges: int) -> int:
        for old in self.folder.glob(f"callgrind.{self.pid}.*"):
            old.unlink()
        self._control("--zero")
        self._control("--instr=on")
        self._load(prefix, exchanges)
        self._control("--instr=off")
        self._control("--dump")
        (counted,) = self.folder.glob(f"callgrind.{self.pid}.*-01")  # the first thread's
        total = _TOTAL.search(counted.read_text(encoding="utf-8", errors="replace"))
        if total is None:
            raise SystemExit("valgrind wrote no total")
        return int(total[1])

    def _load(self, prefix: str, exchanges: int) -> None:
        load = Load(
            self.port, str(self.certificates.folder), prefix, _LONGEST_SECONDS, self.connections, 0, REREAD,
            None, exchanges, 0.0,
        )  # fmt: skip
        done = subprocess.run(
            module("benchmarks.load"), input=json.dumps(asdict(load)), stdout=subprocess.PIPE, text=True, check=True
        )
        result = Result(**json.loads(done.stdout))
        if result.errors:
            raise SystemExit(f"{result.errors} requests failed: {result.first_error}")

    def _control(self, what: str) -> None:
        subprocess.run(("callgrind_control", what, str(self.pid)), stdout=subprocess.DEVNULL, check=True)


def main() -> int:
    """Count and print. Exit 2 without valgrind."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.instructions", description=__doc__)
    parser.add_argument("--exchanges", type=int, default=1000, help="that are counted (default 1000)")
    parser.add_argument("--connections", type=int, default=16, help="kept open at the same time (default 16)")
    options = parser.parse_args()
    if shutil.which("valgrind") is None:
        print("valgrind is not installed (Debian: valgrind)", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="sidecar-instructions-") as name, ExitStack() as running:
        folder = Path(name)
        certificates = make_dev_certificates(folder / "certs", datetime.now(UTC))
        upstream, bare, data, admin = free_ports(4)
        config = write_configuration(folder, certificates, data, admin, upstream, 1)
        commands = {
            bare: module("benchmarks.bare_proxy", str(bare), str(upstream), str(certificates.folder)),
            data: module("sidecar", "run", "--config", str(config)),
        }
        _start(running, folder, upstream, *module("benchmarks.upstream", str(upstream)))
        valgrind = (
            "valgrind", "--tool=callgrind", "--instr-atstart=no", "--separate-threads=yes",
            f"--callgrind-out-file={folder}/callgrind.%p",
        )  # fmt: skip
        servers = {
            port: _Counted(_start(running, folder, port, *valgrind, *command), port, folder, certificates,
                           options.connections)
            for port, command in commands.items()
        }  # fmt: skip
        print("| | instructions, thousands | of bare |\n|---|--:|--:|")
        of_bare = 0.0
        for (case, prefix), port in zip(_CASES, (bare, data, data), strict=True):
            count = servers[port].per_exchange(prefix, options.exchanges)
            of_bare = of_bare or count
            print(f"| {case} | {count / 1000:,.0f} | {count / of_bare:.2f} |", flush=True)
    return 0


def _start(running: ExitStack, folder: Path, port: int, *command: str) -> int:
    log = folder / f"{port}.log"
    started = running.enter_context(process(log, *command))
    wait_for_port(port, started, log)
    return started.pid


if __name__ == "__main__":
    sys.exit(main())
