"""``sidecar check-config FILE``: every problem with its path and remedy, and nothing else."""

from __future__ import annotations

import argparse
from pathlib import Path

from sidecar.app import check


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("check-config", help="check a configuration and report every problem")
    parser.add_argument("file", type=Path, help="the configuration, YAML")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit 0 where ``sidecar run`` would start as far as files can tell, 2 otherwise."""
    check(args.file)
    print(f"{args.file}: no problem found")
    return 0
