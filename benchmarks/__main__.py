"""``python -m benchmarks``: what the sidecar costs beside a proxy that only passes bytes on, in one run."""

from __future__ import annotations

import argparse
import os
import platform
import ssl
import sys
from importlib.util import find_spec
from pathlib import Path

from benchmarks.aims import OPAQUE, REREAD, SHARES, aims, aims_table
from benchmarks.conversations import MESSAGES, canary, conversation
from benchmarks.disk import fsync_milliseconds
from benchmarks.load import Result
from benchmarks.report import Figures, at_rate, budget, figures, highest_rates
from benchmarks.sidecar_setup import get, scrape
from benchmarks.stage import BARE, NGINX, SIDECAR, Stage, stage
from benchmarks.stream import MIB, measure_growth
from sidecar.access import Role

_FIRST_NEW = 1_000_000
_PLAIN = {
    "bare proxy": (BARE, "/chats/"),
    "nginx, 1 worker": (NGINX, "/chats/"),
    OPAQUE: (SIDECAR, "/blobs/"),
}
_REREAD = {REREAD: (SIDECAR, "/chats/")}


def check(stage: Stage) -> None:
    """Make sure that what is about to be measured does its work: a fast proxy that leaks would win every race."""
    sent = conversation(0)
    for server, path in _PLAIN.values():
        if server in stage.servers and _get(stage, server, f"{path}0") != sent:
            raise SystemExit(f"{server} does not pass {path}0 on unchanged")
    redacted = _get(stage, SIDECAR, "/chats/0")
    if canary(0).encode() in redacted or redacted.count(b'"sender"') != MESSAGES:
        raise SystemExit("the sidecar does not redact the conversation")


def _get(stage: Stage, server: str, path: str) -> bytes:
    return get(stage.servers[server].port, path, stage.certificates, Role.TRAINER)


def measure_at(stage: Stage, rate: float | None) -> list[Figures]:
    """Measure the cases at one common rate, requests being due at fixed times; None: as fast as each goes.

    In turns, so that what else the machine does meets all of them alike. The bare proxy comes first.
    """
    cases = {name: case for name, case in (_PLAIN | _REREAD).items() if case[0] in stage.servers}
    results: dict[str, list[Result]] = {name: [] for name in cases}
    for _ in range(stage.rounds):
        for name, (server, prefix) in cases.items():
            results[name].append(stage.load(server, prefix, rate))
    return [figures(name, some) for name, some in results.items()]


def measure_new(stage: Stage) -> tuple[Figures, float, str]:
    """Measure chats never seen before. Return the figures, the event-loop lag's p99, and what the sidecar says."""
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
    return row, lag, said


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="for each case in each round (default 3)")
    parser.add_argument("--rounds", type=int, default=3, help="of all cases in turns (default 3)")
    parser.add_argument("--connections", type=int, default=16, help="kept open at the same time (default 16)")
    parser.add_argument("--workers", type=int, default=1, help="detection processes of the sidecar (default 1)")
    parser.add_argument("--mebibytes", type=int, default=1024, help="streamed to a slow reader; 0: none (default 1024)")
    parser.add_argument("--folder", type=Path, help="where state and audit log lie (default: that of temporary files)")
    return parser.parse_args()


def main() -> int:
    """Measure and print. Exit 1 where a request failed: then the figures mean nothing."""
    options = parse_options()
    print(f"Python {platform.python_version()}, {ssl.OPENSSL_VERSION}, {os.cpu_count()} cores, "
          f"{options.rounds} rounds of {options.seconds:g} s, {options.connections} connections, "
          f"{len(conversation(0))} bytes and {MESSAGES} messages in a chat. Loops: bare proxy asyncio, "
          f"sidecar {'uvloop' if find_spec('uvloop') else 'asyncio'}", flush=True)  # fmt: skip
    with stage(options) as up:
        check(up)
        print(f"One fsync where the audit log lies: {fsync_milliseconds(up.folder):.2f} ms (median)", flush=True)
        if NGINX not in up.servers:
            print("nginx is not installed, so it is left out")
        print()
        up.read_once()
        highest = measure_at(up, None)
        new, lag, said = measure_new(up)
        print(highest_rates((*highest, new)), "\n", flush=True)
        rate = highest[-1].per_second / 2
        paced = measure_at(up, rate)
        print(at_rate(rate, paced), "\n")
        print(said, "\n", flush=True)
        for row in highest:
            if row.name in SHARES:
                print(budget(SHARES[row.name], highest[0], row, os.cpu_count() or 1))
        print()
        growth = measure_growth(up, options.mebibytes) if options.mebibytes else None
        found = aims(highest, paced, lag, growth and growth / MIB)
        print(aims_table(found))
    failed = [row for row in (*highest, new, *paced) if row.errors]
    for row in failed:
        print(f"{row.name}: {row.errors} requests failed, the first with {row.first_error}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
