"""``sidecar audit verify | show | export``: read an audit log. None of them writes to it or needs the sidecar."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from sidecar.audit.export import ExportFormat, as_json, as_text, export
from sidecar.audit.keyring import LocalKeys
from sidecar.audit.leaf import BrokenLine, instant
from sidecar.audit.query import Question, Row, rows
from sidecar.audit.reader import read_records
from sidecar.audit.record import Action, Decision
from sidecar.cli import audit_verify
from sidecar.cli.audit_verify import read_master_key
from sidecar.cli.identities import STANDARD_INPUT, read_identities, read_values
from sidecar.erasure.request import subject_pseudonym
from sidecar.errors import ConfigError, KeyMaterialError, Problem
from sidecar.keys import MasterKey, Purpose

DONE, CHECK_FAILED, USAGE = 0, 1, 2
_PSEUDONYM = re.compile(r"k[0-9]{1,6}:[0-9a-f]{32}")
_NOT_IN_ARGUMENTS = (
    "not a pseudonym such as k1:<32 hex digits>. Clear values are read from a file or standard input "
    "(--subject-file, --conversation-file), because arguments can be seen by every user of the machine"
)


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``audit`` and its three kinds."""
    audit = commands.add_parser("audit", help="verify, show or export an audit log")
    kinds = audit.add_subparsers(dest="kind", required=True)
    audit_verify.add_parser(kinds).set_defaults(run=run, read=audit_verify.verify_log)
    showing = kinds.add_parser("show", help="list accesses, one line each")
    showing.add_argument("--json", action="store_true", help="as JSON, one object a line")
    _add_question(showing)
    showing.set_defaults(run=run, read=_show)
    exporting = kinds.add_parser("export", help="write accesses for other tools, to standard output")
    exporting.add_argument(
        "--format", type=ExportFormat, choices=ExportFormat, default=ExportFormat.RECORDS, help="jsonl (default) or csv"
    )
    _add_question(exporting)
    exporting.set_defaults(run=run, read=_export)


def run(args: argparse.Namespace) -> int:
    """Run one kind. A file that can't be read is a usage error."""
    read: Callable[[argparse.Namespace], int] = args.read
    try:
        return read(args)
    except BrokenPipeError:
        raise
    except OSError as error:
        place = args.file if error.filename is None else error.filename
        remedy = "Give the path of an audit log" if str(place) == str(args.file) else "Check the path"
        print(f"{place}: can't be read: {error.strerror}. {remedy}", file=sys.stderr)
        return USAGE


def _add_question(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="LOG", type=Path, help="the folder of the audit log")
    parser.add_argument("--since", metavar="TIME", type=_moment, help="ISO 8601; without an offset it is UTC")
    parser.add_argument("--until", metavar="TIME", type=_moment, help="up to, but not at, this time")
    parser.add_argument("--actor", help="the name of an identity")
    parser.add_argument("--route", help="the name of a route")
    parser.add_argument("--decision", choices=[one.value for one in Decision])
    parser.add_argument("--action", choices=[one.value for one in Action])
    parser.add_argument("--exchange", metavar="ID", help="one exchange, by its id")
    _add_whom(parser)


def _add_whom(parser: argparse.ArgumentParser) -> None:
    """Arguments take pseudonyms alone: they can be seen by every user of the machine, and stay in histories."""
    for name, what in (("conversation", "a conversation"), ("subject", "a person")):
        parser.add_argument(
            f"--{name}", metavar="k1:…", type=_pseudonym, action="append", default=[],
            help=f"{what} by pseudonym, as it stands in the log",
        )  # fmt: skip
    parser.add_argument(
        "--conversation-file", metavar="FILE", type=Path,
        help="ids as the chatbot knows them, one a line; - is standard input (with --key-file)",
    )  # fmt: skip
    parser.add_argument(
        "--subject-file", metavar="FILE", type=Path,
        help="all identities of an erasure request, one type=value a line; - is standard input (with --key-file)",
    )  # fmt: skip
    parser.add_argument(
        "--key-file", metavar="[VERSION=]FILE", action="append", default=[],
        help="the master key that the log was written with; repeat it after a rotation",
    )  # fmt: skip


def _show(args: argparse.Namespace) -> int:
    render = as_json if args.json else as_text
    return _print_rows(args, lambda found: (f"{render(row)}\n" for row in found))


def _export(args: argparse.Namespace) -> int:
    return _print_rows(args, lambda found: export(found, args.format))


def _print_rows(args: argparse.Namespace, render: Callable[[Iterator[Row]], Iterator[str]]) -> int:
    question = _question(args)
    if not args.key_file:
        raise KeyMaterialError("records are sealed: give the master key with --key-file")
    keys = LocalKeys({one.version: one for one in map(read_master_key, args.key_file)})
    found = (row for row in rows(read_records(args.file, keys)) if question.admits(row))
    try:
        for text in render(found):
            sys.stdout.write(text)
    except BrokenLine as broken:
        print(f"{args.file}: broken, {broken}. Only what stands before it was read; see `verify`", file=sys.stderr)
        return CHECK_FAILED
    return DONE


def _question(args: argparse.Namespace) -> Question:
    return Question(
        args.since,
        args.until,
        args.actor,
        args.route,
        args.decision,
        args.action,
        args.exchange,
        _pseudonyms(args),
    )


def _pseudonyms(args: argparse.Namespace) -> frozenset[str] | None:
    """Return what is looked for, as it is called under each key; a pseudonym already made is taken as it is."""
    made = {*args.conversation, *args.subject}
    files = [one for one in (args.conversation_file, args.subject_file) if one is not None]
    if files.count(STANDARD_INPUT) > 1:
        problem = Problem("--subject-file", "is standard input, as is --conversation-file", "Put one into a file")
        raise ConfigError((problem,))
    if files and not args.key_file:
        raise KeyMaterialError("to look for a value in clear, give the master key with --key-file")
    if files:
        made |= _made(args, [read_master_key(argument) for argument in args.key_file])
    return frozenset(made) if made else None


def _made(args: argparse.Namespace, keys: Sequence[MasterKey]) -> set[str]:
    """Return the pseudonyms of the values in the files, under each key."""
    made: set[str] = set()
    if args.conversation_file is not None:
        ids = [line for _, line in read_values(args.conversation_file, "--conversation-file")]
        if not ids:
            raise ConfigError((Problem("--conversation-file", "holds no id", "Write one id a line"),))
        labels = [key.pseudonymizer(Purpose.AUDIT_PSEUDONYM) for key in keys]
        made |= {label.label("conversation", one) for label in labels for one in ids}
    if args.subject_file is not None:
        subject = read_identities(args.subject_file, "--subject-file")
        made |= {subject_pseudonym(subject, key.pseudonymizer(Purpose.ERASURE_PSEUDONYM)) for key in keys}
    return made


def _pseudonym(text: str) -> str:
    if _PSEUDONYM.fullmatch(text) is None:
        raise argparse.ArgumentTypeError(_NOT_IN_ARGUMENTS)  # what was typed is not repeated
    return text


def _moment(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("expected a time such as 2026-03-01 or 2026-03-01T09:00:00Z") from None
    return instant(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
