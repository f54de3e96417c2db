"""``python -m benchmarks.memory``: what one detector keeps of a million distinct messages (D15).

Messages are made while they are detected and none is kept. The first ones warm the detector up: models, patterns and
bounded caches fill. What the process has grown by since then is what a million messages leave behind.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import time
from itertools import islice

from benchmarks.messages import made_up
from benchmarks.processes import resident_bytes
from sidecar.detection.assembly import DetectorSettings, build_detector

BATCH = 32  # as the sidecar's workers get them
GROWTH_AIM = 0.05


def main() -> int:
    """Detect, print along the way, and exit 1 where the growth is above the aim."""
    options = _options()
    detector = build_detector(DetectorSettings())
    messages = made_up()
    done, started, first = 0, time.monotonic(), 0
    print(f"{'messages':>10} {'resident MiB':>13} {'growth':>8} {'messages/s':>11}", flush=True)
    while done < options.warm_up + options.messages:
        batch = list(islice(messages, BATCH))
        detector.detect(batch)
        before, done = done, done + len(batch)
        if before < options.warm_up <= done:
            gc.collect()
            first = resident_bytes(os.getpid())
        if done >= options.warm_up and done // options.every != before // options.every:
            _print_row(done, first, started)
    gc.collect()
    growth = _print_row(done, first, started)
    return 0 if growth < GROWTH_AIM else 1


def _print_row(done: int, first: int, started: float) -> float:
    now = resident_bytes(os.getpid())
    growth = now / first - 1
    per_second = done / (time.monotonic() - started)
    print(f"{done:>10,} {now / 2**20:>13.1f} {growth:>8.1%} {per_second:>11.0f}", flush=True)
    return growth


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000, help="distinct ones, after the warm-up")
    parser.add_argument("--warm-up", type=int, default=20_000, help="before the first look (default 20,000)")
    parser.add_argument("--every", type=int, default=50_000, help="print a row this often (default 50,000)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
