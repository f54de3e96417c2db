"""What the commands that call a running sidecar have in common: how it is reached, and how answers are shown."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from sidecar.erasure.client import Connection, NoAnswer
from sidecar.errors import ConfigError, Problem, UpstreamFault
from sidecar.tls.contexts import ClientTls, client_context

DONE, CHECK_FAILED, USAGE = 0, 1, 2
PATH: Final = "/v1/erasures"

_ID: Final = re.compile(r"[0-9A-Za-z-]{1,64}")

Act = Callable[[argparse.Namespace], int]


def add_command(
    kinds: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    act: Act,
    text: str,
) -> argparse.ArgumentParser:
    """Add a command that calls a running sidecar, with the options by which it is reached."""
    parser = kinds.add_parser(name, help=text)
    parser.add_argument("--url", required=True, help="the admin listener, e.g. https://127.0.0.1:9443")
    parser.add_argument("--ca", metavar="FILE", type=Path, help="authority of its certificate (default: the system's)")
    parser.add_argument("--certificate", metavar="FILE", type=Path, help="our client certificate")
    parser.add_argument("--key", metavar="FILE", type=Path, help="its key")
    parser.add_argument("--token-file", metavar="FILE", type=Path, help="or a bearer token")
    parser.set_defaults(run=run, act=act)
    return parser


def add_identities(parser: argparse.ArgumentParser, default: Path | None) -> None:
    parser.add_argument(
        "--identities", metavar="FILE", type=Path, default=default, help="lines type=value; - is standard input"
    )


def run(args: argparse.Namespace) -> int:
    """Run one kind. A file that can't be read or written is a usage error."""
    act: Act = args.act
    try:
        return act(args)
    except BrokenPipeError:
        raise
    except OSError as error:
        where = error.filename or "a file"
        print(f"{where}: {error.strerror}. Check the path and its permissions", file=sys.stderr)
        return USAGE
    except UnicodeDecodeError:
        print("a file is no UTF-8 text. Check that it is the right one", file=sys.stderr)
        return USAGE


def connect(args: argparse.Namespace) -> Connection:
    """Return how the sidecar of the options is called. Raises ``ConfigError`` and ``OSError``."""
    tls = None
    if args.url.startswith("https:"):
        tls = client_context(ClientTls(ca=args.ca, certificate=args.certificate, key=args.key))
    token = args.token_file.read_text("utf-8").strip() if args.token_file else None
    if token is not None and not (token.isascii() and token.isprintable() and token):
        raise usage_error("--token-file", "holds no token", "It must hold one line of printable ASCII")
    return Connection(args.url.rstrip("/"), tls, token)


def path_of(args: argparse.Namespace) -> str:
    """Return the path of the request that ``args.id`` names."""
    return f"{PATH}/{id_of(args, 'ID')}"


def id_of(args: argparse.Namespace, where: str) -> str:
    """Return ``args.id``; what can't be an id may be somebody's name, and is not repeated."""
    if not _ID.fullmatch(args.id):
        raise usage_error(where, "is not the id of a request", "Give the id that was printed at submission")
    return str(args.id)


def print_json(data: bytes) -> None:
    print(json.dumps(parse(data), indent=2))


def parse(data: bytes) -> dict[str, Any]:
    """Return an answer that is a JSON object, or raise ``NoAnswer``."""
    try:
        said = json.loads(data)
    except (ValueError, RecursionError):
        raise NoAnswer(UpstreamFault.BAD_RESPONSE) from None
    if not isinstance(said, dict):
        raise NoAnswer(UpstreamFault.BAD_RESPONSE)
    return said


def usage_error(path: str, message: str, remedy: str) -> ConfigError:
    return ConfigError((Problem(path, message, remedy),))
