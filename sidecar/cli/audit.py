"""``sidecar audit verify | show | export``: read an audit log. None of them needs the sidecar."""

from __future__ import annotations

import argparse
import sqlite3
import sys
from collections.abc import Callable

from sidecar.audit.index import INDEX_NAME
from sidecar.audit.note import NoteInvalid
from sidecar.audit.store import CHECKPOINT_NAME
from sidecar.cli import audit_verify
from sidecar.cli.audit_read import add_export, add_show

CHECK_FAILED, USAGE = 1, 2


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``audit`` and its three kinds."""
    audit = commands.add_parser("audit", help="verify, show or export an audit log")
    kinds = audit.add_subparsers(dest="kind", required=True)
    audit_verify.add_parser(kinds).set_defaults(run=run, read=audit_verify.verify_log)
    for name, purpose, add in (
        ("show", "list accesses, one line each", add_show),
        ("export", "write accesses for other tools, or with their proofs for an auditor", add_export),
    ):
        parser = kinds.add_parser(name, help=purpose)
        add(parser)
        parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run one kind. What can't be read is a usage error."""
    read: Callable[[argparse.Namespace], int] = args.read
    try:
        return read(args)
    except BrokenPipeError:
        raise
    except OSError as error:
        place = args.file if error.filename is None else error.filename
        remedy = "Give the path of an audit log" if str(place) == str(args.file) else "Check the path"
        print(f"{place}: can't be read: {error.strerror}. {remedy}", file=sys.stderr)
    except NoteInvalid as invalid:
        print(f"{args.file / CHECKPOINT_NAME}: is no checkpoint: {invalid}. See `verify`", file=sys.stderr)
        return CHECK_FAILED
    except sqlite3.Error as error:
        remedy = "Delete it: it is made anew from the log"
        print(f"{args.file / INDEX_NAME}: can't be used ({error}). {remedy}", file=sys.stderr)
    return USAGE
