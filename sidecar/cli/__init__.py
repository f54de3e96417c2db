"""The commands. Each module parses its arguments, calls one function, prints, and returns an exit code.

0: done. 1: a check failed. 2: usage or configuration.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from sidecar import __version__
from sidecar.errors import ConfigError, KeyMaterialError, SidecarError

DONE, CHECK_FAILED, USAGE = 0, 1, 2

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


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. Expected errors are printed without a trace."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    args = _parser(arguments).parse_args(arguments)
    try:
        code = args.run(args)
    except (ConfigError, KeyMaterialError) as error:
        print(error, file=sys.stderr)
        return USAGE
    except SidecarError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return CHECK_FAILED
    except KeyboardInterrupt:
        return DONE
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
    asked = next((argument for argument in arguments if not argument.startswith("-")), None)
    names = [asked] if asked in _COMMANDS else list(_COMMANDS)
    for name in names:
        import_module(_COMMANDS[name]).add_parser(commands)
    return parser
