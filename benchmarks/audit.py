"""How many records the audit log makes durable, and how many it verifies, beside what the disk can do.

``python -m benchmarks.audit [--folder DIR] [--seconds 5] [--exchanges 64]``, with a folder on the disk in question.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from benchmarks.disk import fsync_milliseconds
from benchmarks.processes import cpu_seconds
from sidecar.audit.log import AuditLog
from sidecar.audit.opening import StartCheck
from sidecar.audit.reader import open_segment
from sidecar.audit.recipe import KeyRecipe
from sidecar.audit.record import Action, Decision, Intent, Outcome
from sidecar.audit.remote_writer import RemoteWriter
from sidecar.audit.sealing import Opener
from sidecar.audit.settings import AuditSettings
from sidecar.audit.store import pieces
from sidecar.audit.verify import Report, verify
from sidecar.audit.walk import LogKey, Walk
from sidecar.keys import MasterKey
from sidecar.metrics import Metrics

MASTER = MasterKey(bytes(32))
ORIGIN = "benchmark"
PSEUDONYM = "k1:" + "0123456789abcdef" * 2
RECIPE = KeyRecipe(ORIGIN, None, MASTER)
KEYS = RECIPE()


class Measured(NamedTuple):
    """What a piece of work took: how many records, wall-clock and processor seconds of the process."""

    records: int
    wall_seconds: float
    cpu_seconds: float

    def __str__(self) -> str:
        return (
            f"{self.records:8d} records  {self.records / self.wall_seconds:9,.0f}/s wall clock"
            f"  {self.records / self.cpu_seconds:9,.0f}/s of one core"
        )


def intent(exchange_id: str) -> Intent:
    """What the proxy records before an exchange."""
    return Intent(
        exchange_id, Action.PROXY, "trainer-1", "certificate", peer_certificate_sha256="ab" * 32,
        tls="TLSv1.3 TLS_AES_256_GCM_SHA384", route="conversations", method="GET", target_pseudonym=PSEUDONYM,
    )  # fmt: skip


def outcome(exchange_id: str) -> Outcome:
    """What the proxy records after it."""
    return Outcome(
        exchange_id, Action.PROXY, Decision.COMPLETED, status=200, conversations=(PSEUDONYM,),
        entities={"PERSON": 3, "EMAIL": 1}, bytes_sent=2048, duration_us=12_345, policy="default:0123456789ab",
        detector="rules-1 ner-1",
    )  # fmt: skip


async def append(folder: Path, exchanges: int, seconds: float) -> Measured:
    """Exchanges side by side, each with an intent that is waited for and an outcome that is not, as in the proxy.

    Processor seconds are those of both processes, the one that records and the one that writes.
    """
    settings, metrics = AuditSettings(folder, start_check=StartCheck.RECENT), Metrics()
    log = AuditLog(settings, KEYS, metrics, new_writer=partial(RemoteWriter, settings, RECIPE, metrics))
    await log.start()
    until = time.monotonic() + seconds

    async def exchange(name: int) -> None:
        number = 0
        last = None
        while time.monotonic() < until:
            exchange_id = f"x{name}-{number}"
            await log.intend(intent(exchange_id))
            last = log.conclude(outcome(exchange_id))
            number += 1
        if last is not None:
            await last

    wall, cpu, size = time.perf_counter(), cpu_seconds(os.getpid()), log.size
    await asyncio.gather(*(exchange(name) for name in range(exchanges)))
    measured = Measured(log.size - size, time.perf_counter() - wall, cpu_seconds(os.getpid()) - cpu)
    await log.stop()
    return measured


def verified(act: Callable[[], Report]) -> Measured:
    """Return what a verification took; one that finds anything is no measurement."""
    wall, cpu = time.perf_counter(), time.process_time()
    report = act()
    if not report.intact:
        raise SystemExit(f"the log of the benchmark is broken: {report.finding}")
    return Measured(report.records, time.perf_counter() - wall, time.process_time() - cpu)


def without_keys(folder: Path) -> Report:
    """Every byte, hash, signature and root."""
    return verify(lambda: pieces(folder), Walk([LogKey(KEYS.signer.verifier)]))


def with_keys(folder: Path) -> Report:
    """The same, and every record opened and matched."""

    def opened(log: str, number: int, first: int) -> Opener:
        return open_segment(folder, log, number, first, KEYS.provider)

    return verify(lambda: pieces(folder), Walk([LogKey(KEYS.signer.verifier)]), opened=opened)


async def start(folder: Path, check: StartCheck) -> float:
    """Return the processor seconds of a start."""
    log = AuditLog(AuditSettings(folder, start_check=check), KEYS, Metrics())
    began = time.process_time()
    await log.start()
    took = time.process_time() - began
    await log.stop()
    return took


def main() -> None:
    """Print figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="where the log lies (default: that of temporary files)")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--exchanges", type=int, default=64)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as place:
        folder = Path(place) / "audit"
        print(f"one fsync of {place}: {fsync_milliseconds(Path(place)):.2f} ms (median)", flush=True)
        for exchanges in (1, args.exchanges):
            print(
                f"append, {exchanges:3d} exchanges   {asyncio.run(append(folder, exchanges, args.seconds))}", flush=True
            )
        print(f"verify without keys    {verified(lambda: without_keys(folder))}", flush=True)
        print(f"verify with keys       {verified(lambda: with_keys(folder))}", flush=True)
        for check in StartCheck:
            print(f"start, check {check.value:7s}   {asyncio.run(start(folder, check)):8.2f} s of one core", flush=True)
        size = sum(one.stat().st_size for one in folder.glob("*.segment"))
        print(f"{size / size_of(folder):.0f} bytes on disk for each record")


def size_of(folder: Path) -> int:
    """Return how many records a log holds."""
    return without_keys(folder).walk.size


if __name__ == "__main__":
    main()
