"""``sidecar audit show | export``: read an audit log by hand. Each reading is told to the log itself."""

from __future__ import annotations

import argparse
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sidecar.app.auditing import log_keys_of
from sidecar.app.settings import settings_of
from sidecar.audit.bundle import Order, write_bundle
from sidecar.audit.export import ExportFormat, as_json, as_text, export
from sidecar.audit.fields import RecordRejected
from sidecar.audit.index import INDEX_NAME, AuditIndex
from sidecar.audit.keyring import KeyProvider, LocalKeys
from sidecar.audit.leaf import BrokenLine, instant
from sidecar.audit.lookup import AuditLookup
from sidecar.audit.reads import FOLDER_NAME, leave
from sidecar.audit.record import Action
from sidecar.audit.store import require_folder
from sidecar.cli.audit_question import add_question, master_keys, question_of
from sidecar.config import load_config
from sidecar.errors import ConfigError, KeyMaterialError, Problem
from sidecar.keys import MasterKey

DONE, CHECK_FAILED = 0, 1


def add_show(parser: argparse.ArgumentParser) -> None:
    """Add what ``show`` takes."""
    parser.add_argument("--json", action="store_true", help="as JSON, one object a line")
    parser.add_argument("--reason", metavar="TICKET", help="why you look: the reference of a ticket")
    _add_log(parser)
    parser.set_defaults(read=_show)


def add_export(parser: argparse.ArgumentParser) -> None:
    """Add what ``export`` takes."""
    parser.add_argument("--reason", metavar="TICKET", required=True, help="why: the reference of a ticket")
    parser.add_argument(
        "--format", type=ExportFormat, choices=ExportFormat, action="append",
        help="jsonl (default), csv or ocsf; of a bundle several",
    )  # fmt: skip
    parser.add_argument(
        "--bundle", metavar="PATH", type=Path,
        help="write records, proofs and checkpoint into this folder, or tar if it ends so; else print rows",
    )  # fmt: skip
    parser.add_argument(
        "--prove-complete", action="store_true",
        help="add to the bundle what shows that nothing of the time is left out (by --conversation or --subject only)",
    )  # fmt: skip
    _add_log(parser)
    parser.set_defaults(read=_export)


def _add_log(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="LOG", type=Path, help="the folder of the audit log")
    parser.add_argument(
        "--unrecorded", action="store_true", help="don't tell the log: for a copy that nobody writes to any more"
    )
    parser.add_argument(
        "--config", metavar="FILE", type=Path,
        help="a configuration whose keys open the log and make pseudonyms, in place of --key-file",
    )  # fmt: skip
    add_question(parser)


def _show(args: argparse.Namespace) -> int:
    keys = _keys(args)
    question = question_of(args, keys.masters)
    render = as_json if args.json else as_text
    with _opened(args, Action.AUDIT_SEARCH, keys.provider) as lookup:
        return _print(args, lookup, lambda: (f"{render(row)}\n" for row in lookup.find(question)))


def _export(args: argparse.Namespace) -> int:
    formats = tuple(dict.fromkeys(args.format or [ExportFormat.JSONL]))
    if args.bundle is None and (len(formats) > 1 or args.prove_complete):
        remedy = "Give --bundle PATH, or one format alone"
        raise ConfigError((Problem("--format, --prove-complete", "need a bundle to be written to", remedy),))
    keys = _keys(args)
    question = question_of(args, keys.masters)
    with _opened(args, Action.AUDIT_EXPORT, keys.provider) as lookup:
        if args.bundle is None:
            return _print(args, lookup, lambda: export(lookup.find(question), formats[0], lookup.origin))
        order = Order(question, args.reason, instant(datetime.now(UTC)), formats, args.prove_complete)
        try:
            lookup.catch_up()
            bundled = write_bundle(lookup, order, args.bundle)
        except BrokenLine as broken:
            return _broken(args, broken)
        print(f"{args.bundle}: {bundled.rows} rows, {bundled.records} records, proven by a tree of {bundled.size}")
        return DONE


def _print(args: argparse.Namespace, lookup: AuditLookup, pieces: Callable[[], Iterator[str]]) -> int:
    """Print what is asked for; of a broken log what stands before the break."""
    found: BrokenLine | None = None
    try:
        lookup.catch_up()
    except BrokenLine as broken:
        found = broken
    try:
        for text in pieces():
            sys.stdout.write(text)
    except BrokenLine as broken:
        found = found or broken
    return _broken(args, found) if found else DONE


def _broken(args: argparse.Namespace, broken: BrokenLine) -> int:
    print(f"{args.file}: broken, {broken}. Only what stands before it was read; see `verify`", file=sys.stderr)
    return CHECK_FAILED


@dataclass(frozen=True, slots=True)
class _Keys:
    """What opens the log, and what pseudonyms are made with."""

    provider: KeyProvider
    masters: tuple[MasterKey, ...]


def _keys(args: argparse.Namespace) -> _Keys:
    require_folder(args.file)
    if args.config is not None:
        settings = settings_of(load_config(args.config))
        return _Keys(log_keys_of(settings).provider, (*settings.earlier_masters, settings.master))
    masters = master_keys(args)
    if not masters:
        raise KeyMaterialError("the log is sealed: give the master key with --key-file, or the sidecar's --config")
    return _Keys(LocalKeys(masters), tuple(masters.values()))


@contextmanager
def _opened(args: argparse.Namespace, action: Action, keys: KeyProvider) -> Iterator[AuditLookup]:
    """Tell the log who reads it, and open it with an index that knows all of it."""
    _tell(args, action)
    index = _index(args.file)
    try:
        yield AuditLookup(args.file, keys, index)
    finally:
        index.close()


def _tell(args: argparse.Namespace, action: Action) -> None:
    if args.unrecorded:
        return
    try:
        leave(args.file, action, args.reason)
    except RecordRejected:
        problem = Problem("--reason", "is no reference of a ticket", "Write it like CASE-2026-17")
        raise ConfigError((problem,)) from None
    except OSError as error:
        remedy = "Read as a user who may write there; --unrecorded reads a copy that nobody writes to any more"
        message = f"a reading can't be recorded there ({error.strerror})"
        raise ConfigError((Problem(str(args.file / FOLDER_NAME), message, remedy),)) from None


def _index(folder: Path) -> AuditIndex:
    """Return the index beside the log, or one in memory where none can be written."""
    try:
        return AuditIndex(folder / INDEX_NAME)
    except (OSError, sqlite3.Error):
        print("no index can be written beside the log: it is made in memory, which takes a while", file=sys.stderr)
        return AuditIndex(None)
