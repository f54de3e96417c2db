"""What ``sidecar audit show`` and ``export`` are asked, from the command line."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from sidecar.audit.leaf import instant
from sidecar.audit.query import Question
from sidecar.audit.record import Action, Decision
from sidecar.cli.audit_verify import read_master_key
from sidecar.cli.identities import STANDARD_INPUT, read_identities, read_values
from sidecar.erasure.request import subject_pseudonym
from sidecar.errors import ConfigError, KeyMaterialError, Problem
from sidecar.keys import MasterKey, Purpose

_PSEUDONYM = re.compile(r"k[0-9]{1,6}:[0-9a-f]{32}")
_NOT_IN_ARGUMENTS = (
    "not a pseudonym such as k1:<32 hex digits>. Clear values are read from a file or standard input "
    "(--subject-file, --conversation-file), because arguments can be seen by every user of the machine"
)


def add_question(parser: argparse.ArgumentParser) -> None:
    """Add the filters, and the keys that open the log and make pseudonyms."""
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
        help="ids as the chatbot knows them, one a line; - is standard input",
    )  # fmt: skip
    parser.add_argument(
        "--subject-file", metavar="FILE", type=Path,
        help="all identities of an erasure request, one type=value a line; - is standard input",
    )  # fmt: skip
    parser.add_argument(
        "--key-file", metavar="[VERSION=]FILE", action="append", default=[],
        help="a master key, to open the log and to make pseudonyms with; repeat it after a rotation",
    )  # fmt: skip


def master_keys(args: argparse.Namespace) -> dict[int, MasterKey]:
    """Return the keys that were given, by version."""
    return {one.version: one for one in map(read_master_key, args.key_file)}


def question_of(args: argparse.Namespace, keys: Sequence[MasterKey]) -> Question:
    """Return what is asked; clear values are turned into pseudonyms under each key."""
    return Question(
        args.since, args.until, args.actor, args.route, args.decision, args.action, args.exchange,
        _pseudonyms(args, keys),
    )  # fmt: skip


def _pseudonyms(args: argparse.Namespace, keys: Sequence[MasterKey]) -> frozenset[str] | None:
    """Return what is looked for, as it is called under each key; a pseudonym already made is taken as it is."""
    made = {*args.conversation, *args.subject}
    files = [one for one in (args.conversation_file, args.subject_file) if one is not None]
    if files.count(STANDARD_INPUT) > 1:
        problem = Problem("--subject-file", "is standard input, as is --conversation-file", "Put one into a file")
        raise ConfigError((problem,))
    if files and not keys:
        raise KeyMaterialError("to look for a value in clear, give the master key with --key-file")
    if files:
        made |= _made(args, keys)
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
        return instant(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError):  # also of the first and the last day that there are, in other zones
        raise argparse.ArgumentTypeError("expected a time such as 2026-03-01 or 2026-03-01T09:00:00Z") from None
