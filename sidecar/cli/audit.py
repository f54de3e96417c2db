"""``sidecar audit verify | show | export``: read an audit log. None of them writes to it or needs the sidecar."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from sidecar.audit.chain import BrokenLine, instant
from sidecar.audit.export import ExportFormat, as_json, as_text, export
from sidecar.audit.file import read_lines
from sidecar.audit.query import Question, Row, rows
from sidecar.audit.record import Action, Decision
from sidecar.audit.verify import Anchor, Anchoring, Report, verify
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
_HEAD = re.compile(r"([0-9]{1,15}):([0-9a-f]{64})")


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``audit`` and its three kinds."""
    audit = commands.add_parser("audit", help="verify, show or export an audit log")
    kinds = audit.add_subparsers(dest="kind", required=True)
    checking = kinds.add_parser("verify", help="name the first broken line, if there is one (exit 1)")
    checking.add_argument("file", metavar="FILE", type=Path, help="the audit log")
    checking.add_argument(
        "--expect-head", metavar="SEQ:HASH", type=_anchor, help="a head noted earlier, that the log must still hold"
    )
    checking.set_defaults(run=run, read=_verify)
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
    parser.add_argument("file", metavar="FILE", type=Path, help="the audit log")
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
        help="a master key that pseudonyms were made with; repeat it after a rotation",
    )  # fmt: skip


def _verify(args: argparse.Namespace) -> int:
    report = verify(lambda: read_lines(args.file), anchor=args.expect_head)
    print("\n".join(_verdict(report)))
    return DONE if report.intact else CHECK_FAILED


def _verdict(report: Report) -> Iterator[str]:
    yield f"integrity: {'intact' if report.intact else 'BROKEN'} ({report.records} records)"
    if report.finding:
        yield f"  first broken {report.finding}"
        yield "  what follows it was not looked at"
    yield f"  {_ANCHORING[report.anchoring]}"
    yield f"completeness: {'complete' if report.complete else 'INCOMPLETE'}"
    if report.without_outcome:
        yield f"  {report.without_outcome} intents without outcome (under way, or cut off by a crash), of which:"
        yield from (f"    {exchange_id}" for exchange_id in report.examples)
    if report.without_intent:
        yield f"  {report.without_intent} outcomes without intent"
    if report.repeated:
        yield f"  {report.repeated} intents with an id that was already under way"
    if report.records:
        yield f"log: {report.tail.log}"
        yield f"head: {report.tail.next_seq - 1}:{report.tail.hash}"


_ANCHORING = {
    Anchoring.NONE: "no expected head was given: a cut tail can't be seen (note the head below, use --expect-head)",
    Anchoring.HELD: "the expected head is there",
    Anchoring.MISSING: "the log ends before the expected head: records were cut off, or an old copy was put back",
    Anchoring.REWRITTEN: "another record stands at the expected head: the log was rewritten or replaced",
}


def _show(args: argparse.Namespace) -> int:
    render = as_json if args.json else as_text
    return _print_rows(args, lambda found: (f"{render(row)}\n" for row in found))


def _export(args: argparse.Namespace) -> int:
    return _print_rows(args, lambda found: export(found, args.format))


def _print_rows(args: argparse.Namespace, render: Callable[[Iterator[Row]], Iterator[str]]) -> int:
    question = _question(args)
    found = (row for row in rows(read_lines(args.file)) if question.admits(row))
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
        made |= _made(args, [_master_key(argument) for argument in args.key_file])
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


def _master_key(argument: str) -> MasterKey:
    version, separator, path = argument.partition("=")
    if not separator or not version.isdecimal():
        version, path = "1", argument
    try:
        secret = bytes.fromhex(Path(path).read_text(encoding="ascii").strip())
    except (OSError, ValueError):
        raise KeyMaterialError(f"{path}: not a readable file of 64 hex digits") from None
    return MasterKey(secret, int(version))


def _anchor(text: str) -> Anchor:
    match = _HEAD.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError("expected SEQ:HASH as `verify` prints it after 'head:'")
    return Anchor(int(match[1]), match[2])


def _moment(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("expected a time such as 2026-03-01 or 2026-03-01T09:00:00Z") from None
    return instant(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
