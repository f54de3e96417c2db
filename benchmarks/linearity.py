"""``python -m benchmarks.linearity``: what a character of 100 kB costs beside one of 1 kB, for hard shapes (D17)."""

from __future__ import annotations

import argparse
import sys
import time

from sidecar.detection.assembly import DetectorSettings, build_detector
from sidecar.detection.detector import Detector
from sidecar.detection.recognizer import AGENT, CUSTOMER, Message, Turn
from tests.detection.shapes import SHAPES, repeated

RATIO_AIM = 10.0
_SHORT = 1_000
_ASKED = (Turn(AGENT, "What is your account number?"),)


def microseconds(detector: Detector, text: str, tries: int) -> float:
    """Return the processor time for each character, the best of several tries."""
    best = float("inf")
    for _ in range(tries):
        started = time.process_time()
        detector.detect([Message(text, CUSTOMER, _ASKED)])
        best = min(best, time.process_time() - started)
    return best / len(text) * 1e6


def main() -> int:
    """Measure and print, the worst last. Exit 1 where one is above the aim."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.linearity", description=__doc__)
    parser.add_argument("--characters", type=int, default=100_000, help="of the long text (default 100,000)")
    options = parser.parse_args()
    detector = build_detector(DetectorSettings())
    worst = 0.0
    print(f"{'shape':24} {'µs/char, 1 kB':>14} {'long':>9} {'ratio':>7}", flush=True)
    for name, piece in SHAPES.items():
        short = microseconds(detector, repeated(piece, _SHORT), 4)
        long = microseconds(detector, repeated(piece, options.characters), 1)
        worst = max(worst, long / short)
        print(f"{name:24} {short:>14.1f} {long:>9.1f} {long / short:>7.2f}", flush=True)
    print(f"worst ratio {worst:.2f}, aim {RATIO_AIM:g}")
    return 0 if worst <= RATIO_AIM else 1


if __name__ == "__main__":
    sys.exit(main())
