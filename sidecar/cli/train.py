"""``sidecar train``: make the spaCy pipeline that detection uses."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from sidecar.detection.ner import SHIPPED
from sidecar.training.train import read_settings, save, train


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``train``."""
    parser = commands.add_parser("train", help="train the pipeline that finds names, addresses and the like")
    parser.add_argument(
        "--data",
        metavar="DIR",
        type=Path,
        action="append",
        default=[],
        help="labelled JSON lines to learn from besides the synthetic dialogues, a file or a folder; may be repeated",
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        type=Path,
        default=SHIPPED,
        help="where the pipeline goes (default: over the shipped one)",
    )
    parser.add_argument("--seed", type=int, help="of everything random (default: that of training.toml)")
    parser.add_argument("--messages", type=int, help="synthetic messages in each pass")
    parser.add_argument("--passes", type=int, help="passes over the data")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Train and save."""
    started = time.monotonic()
    settings = read_settings(seed=args.seed, synthetic_messages=args.messages, passes=args.passes)
    nlp = train(
        settings,
        args.data,
        report=lambda line: print(f"{time.monotonic() - started:6.0f} s  {line}", file=sys.stderr, flush=True),
    )
    save(nlp, args.out)
    print(f"Trained pipeline written to {args.out}")
    return 0
