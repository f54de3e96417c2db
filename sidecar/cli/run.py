"""``sidecar run --config FILE``: serve until told to stop."""

from __future__ import annotations

import argparse
from pathlib import Path

from sidecar.app import event_loop
from sidecar.app.running import serve


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("run", help="run the sidecar")
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="the configuration, YAML")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT, then drain."""
    event_loop.run(serve(args.config))
    return 0
