"""The commands. Each module parses its arguments, calls one function, prints, and returns an exit code.

0: done. 1: a check failed. 2: usage or configuration. 130: interrupted, which is no result.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from importlib import import_module

from sidecar import __version__
from sidecar.errors import ConfigError, KeyMaterialError, SidecarError

DONE, CHECK_FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130

_COMMANDS = {
    "run": "sidecar.cli.run",
    "demo": "sidecar.cli.demo",
    "check-config": "sidecar.cli.check_config",
    "certs": "sidecar.cli.certs",
    "redact": "sidecar.cli.redact",
    "evaluate": "sidecar.cli.evaluate",
    "train": "sidecar.cli.train",
    "audit": "sidecar.cli.audit",
    "erasure": "sidecar.cli.erasure",
}
_SERVING = frozenset({"run", "demo"})  # they end when they are told to, and not before


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. Expected errors are printed without a trace."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    is_serving = _asked(arguments) in _SERVING
    try:
        if is_serving:
            # The first process of a container does not hear what it has no handler for: until the loop has its own, a
            # pod that is deleted while it starts would start all the same, and be killed in the midst of its work.
            signal.signal(signal.SIGTERM, signal.default_int_handler)
        args = _parser(arguments).parse_args(arguments)
        code = args.run(args)
    except (ConfigError, KeyMaterialError) as error:
        print(error, file=sys.stderr)
        return USAGE
    except SidecarError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return CHECK_FAILED
    except KeyboardInterrupt:
        return DONE if is_serving else INTERRUPTED
    except BrokenPipeError:
        # The reader went away: nothing more can be said to it.
        sys.stderr.close()
        return CHECK_FAILED
    return int(code)


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """Build the parser of the command asked for alone: importing the others (spaCy) would cost seconds."""
    parser = argparse.ArgumentParser(prog="sidecar", description="Redacts chats between a chatbot and its trainers.")
    parser.add_argument("--version", action="version", version=f"sidecar {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    asked = _asked(arguments)
    names = [asked] if asked in _COMMANDS else list(_COMMANDS)
    for name in names:
        import_module(_COMMANDS[name]).add_parser(commands)
    return parser


def _asked(arguments: Sequence[str]) -> str | None:
    return next((argument for argument in arguments if not argument.startswith("-")), None)
