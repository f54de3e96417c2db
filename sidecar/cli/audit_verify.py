"""``sidecar audit verify``: whether a log still says what was written.

Without a key every byte is checked; with the master key every record is opened, too.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sidecar.app.auditing import log_keys_of
from sidecar.app.settings import settings_of
from sidecar.audit.anchors.anchor import Held
from sidecar.audit.anchors.verdict import Answer, Reach, Standing
from sidecar.audit.completeness import SILENCE_SECONDS, Completeness
from sidecar.audit.keyring import KeyProvider, LocalKeys
from sidecar.audit.note import Note, NoteInvalid, parse_checkpoint, parse_note, parse_verifier
from sidecar.audit.reader import open_segment
from sidecar.audit.sealing import Opener
from sidecar.audit.store import CHECKPOINT_NAME, pieces, stub_path
from sidecar.audit.verify import OpenSegment, Report, verify
from sidecar.audit.walk import LogKey, Walk
from sidecar.config import load_config
from sidecar.errors import ConfigError, KeyMaterialError, Problem
from sidecar.keys import MasterKey

DONE, CHECK_FAILED = 0, 1
INTACT, BROKEN, NOT_SHOWN = "intact", "BROKEN", "NOT SHOWN"
_HEAD = re.compile(r"([0-9]{1,15}):([0-9a-f]{64})")
_SHOWN = 5
_SEALED = "records are sealed: give the master key with --key-file"
_UNOPENED = "not all records can be opened"


@dataclass(frozen=True, slots=True)
class ExpectedHead:
    """A head noted earlier: the record ``seq`` had this hash."""

    seq: int
    hash: str


def add_parser(kinds: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Add ``verify`` and return it."""
    parser = kinds.add_parser("verify", help="name the first broken line, if there is one (exit 1)")
    parser.add_argument("file", metavar="LOG", type=Path, help="the folder of the audit log")
    parser.add_argument(
        "--expect-head", metavar="SEQ:HASH", type=_head, help="a head noted earlier, that the log must still hold"
    )
    parser.add_argument(
        "--checkpoint", metavar="FILE", type=Path, action="append", default=[],
        help="a checkpoint kept elsewhere, that the log must still hold; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--anchors", metavar="CONFIG", type=Path,
        help="ask the anchors of this configuration what they hold, and hold the log against it",
    )  # fmt: skip
    parser.add_argument(
        "--key", metavar="VKEY[@SIZE]", type=_log_key, action="append", default=[],
        help="the log's first public key, as noted elsewhere; with @SIZE it is not believed beyond so many records",
    )  # fmt: skip
    parser.add_argument(
        "--key-file", metavar="[VERSION=]FILE", action="append", default=[],
        help="the master key that the log was written with, to open every record; repeat it after a rotation",
    )  # fmt: skip
    parser.add_argument(
        "--config", metavar="FILE", type=Path,
        help="a configuration whose key provider opens every record, in place of --key-file",
    )  # fmt: skip
    parser.add_argument(
        "--silence-seconds",
        type=float,
        default=SILENCE_SECONDS,
        help="name gaps longer than this (default: %(default)s)",
    )
    return parser


def verify_log(args: argparse.Namespace) -> int:
    """Print both verdicts. Exit code 1 where the log is not what was written."""
    expected: ExpectedHead | None = args.expect_head
    report = verify(
        lambda: pieces(args.file),
        Walk(args.key),
        [*_own_copy(args.file), *(_answer(one) for one in args.checkpoint), *_asked(args.anchors)],
        _opened(args.file, _provider(args)),
        [expected.seq + 1] if expected else (),
        args.silence_seconds,
    )
    print("\n".join(_plain(one) for one in _verdict(report, expected)))
    return DONE if _integrity(report, expected) == INTACT else CHECK_FAILED


def read_master_key(argument: str) -> MasterKey:
    """Return the key of ``[VERSION=]FILE``."""
    version, separator, path = argument.partition("=")
    if not separator or not version.isdecimal():
        version, path = "1", argument
    try:
        secret = bytes.fromhex(Path(path).read_text(encoding="ascii").strip())
    except (OSError, ValueError):
        raise KeyMaterialError(f"{path}: not a readable file of 64 hex digits") from None
    return MasterKey(secret, int(version))


def _provider(args: argparse.Namespace) -> KeyProvider | None:
    if args.config is not None:
        return log_keys_of(settings_of(load_config(args.config))).provider
    masters = [read_master_key(one) for one in args.key_file]
    return LocalKeys({one.version: one for one in masters}) if masters else None


def _opened(folder: Path, keys: KeyProvider | None) -> OpenSegment | None:
    return partial(_opener, folder, keys) if keys is not None else None


def _opener(folder: Path, keys: KeyProvider, log: str, number: int, first: int) -> Opener | bytes:
    try:
        return open_segment(folder, log, number, first, keys)
    except FileNotFoundError:  # it is being dropped: its keys went first
        return stub_path(folder, number).read_bytes()


def _own_copy(folder: Path) -> Iterator[Answer]:
    """The copy beside the log vouches for nothing. But one that was spoiled, or that the log falls short of, tells."""
    path = folder / CHECKPOINT_NAME
    if path.exists():
        try:
            note = _checkpoint(path)
        except NoteInvalid:
            note = Note("\n")  # signed by nobody
        yield Answer(str(path), Reach.OWN, Held(str(path), note))


def _asked(config: Path | None) -> tuple[Answer, ...]:
    """Return what the anchors of a configuration hold. The rest of it is only wired where it is needed."""
    if config is None:
        return ()
    from sidecar.app.audit_reading import ask_anchors

    return ask_anchors(config)


def _answer(path: Path) -> Answer:
    try:
        note = _checkpoint(path)
    except NoteInvalid:
        raise ConfigError((Problem(str(path), "holds no checkpoint", "Give a signed note of this log"),)) from None
    return Answer(str(path), Reach.ANSWERED, Held(str(path), note))


def _checkpoint(path: Path) -> Note:
    note = parse_note(path.read_bytes())
    parse_checkpoint(note.text)
    return note


def _plain(line: str) -> str:
    """Names come from the log: one that moves a terminal's cursor could write a better verdict over this one."""
    return "".join(one if one.isprintable() else "?" for one in line)


def _verdict(report: Report, expected: ExpectedHead | None) -> Iterator[str]:
    walk = report.walk
    yield f"integrity: {_integrity(report, expected)} ({report.records} records)"
    if _is_nowhere(report):
        yield "  no segment lies there: the log was deleted, or this is not its folder"
    if report.finding:
        yield f"  first broken {report.finding}"
        yield "  what follows it was not looked at"
    if report.dropped:
        yield f"  {report.dropped} segments were dropped; their signed stubs stand for them"
    yield from (f"  {line}" for line in _anchoring(report, expected))
    if not walk.are_keys_given:
        yield "  signatures were checked against the key that the log itself names: compare it, or give it with --key"
    if report.unopened:
        yield f"  {report.unopened} segments can't be opened any more: their keys went with a drop that was cut off"
    yield from _completeness(report.completeness, _UNOPENED if report.unopened else _SEALED)
    if report.silences:
        yield f"silences: {len(report.silences)} (no record and no heartbeat: stopped, or suppressed)"
        yield from (f"  {one}" for one in report.silences[:_SHOWN])
    if walk.log:
        yield f"log: {walk.log}"
        yield from (f"key: {one.verifier}" for one in walk.keys)
    if report.records:
        yield f"head: {walk.size - 1}:{walk.hash}"


def _integrity(report: Report, expected: ExpectedHead | None) -> str:
    """Broken is what was found to be so. What was dropped can't be held against what was known of it."""
    is_shown = not report.verdict.unshown and not _is_dropped(report, expected)
    if report.finding or report.verdict.broken or _is_nowhere(report):
        return BROKEN
    if not _is_met(report, expected) and not _is_dropped(report, expected):
        return BROKEN
    return INTACT if is_shown else NOT_SHOWN


def _is_nowhere(report: Report) -> bool:
    return report.finding is None and report.walk.log is None


def _anchoring(report: Report, expected: ExpectedHead | None) -> Iterator[str]:
    for one in report.verdict.judgements:
        size = f" ({one.size} records)" if one.size is not None else ""
        yield f"{_STANDING[one.standing]}: {one.anchor}{size}"
    anchored = report.verdict.anchored
    yield f"anchored: {anchored} records; unanchored tail: {report.walk.size - anchored} records"
    if expected is None:
        yield "no expected head was given: what was cut off behind the checkpoints can't be seen (note the head below)"
    elif _is_met(report, expected):
        yield "the expected head is there"
    elif report.walk.size <= expected.seq:
        yield "the log ends before the expected head: records were cut off, or an old copy was put back"
    elif _is_dropped(report, expected):
        yield "the expected head is of a record that was dropped: whether it was there can't be seen any more"
    else:
        yield "another record stands at the expected head: the log was rewritten or replaced"


def _completeness(found: Completeness | None, why_not: str) -> Iterator[str]:
    if found is None:
        yield f"completeness: NOT CHECKED ({why_not})"
        return
    yield f"completeness: {'complete' if found.complete else 'INCOMPLETE'}"
    if found.without_outcome:
        yield f"  {found.without_outcome} intents without outcome (under way, or cut off by a crash), of which:"
        yield from (f"    {exchange_id}" for exchange_id in found.examples)
    if found.without_intent:
        yield f"  {found.without_intent} outcomes without intent"
    if found.repeated:
        yield f"  {found.repeated} intents with an id that was already under way"
    if found.erased:
        yield f"  the links of {found.erased} records were erased"
    if found.unmarked:
        yield f"  of {len(found.unmarked)} of them no record says so: {', '.join(map(str, found.unmarked[:_SHOWN]))}"


_STANDING = {
    Standing.HELD: "held",
    Standing.MISSING: "MISSING: the log ends before it (records were cut off, or an old copy was put back)",
    Standing.REWRITTEN: "REWRITTEN: the log has other records in its place",
    Standing.FOREIGN: "FOREIGN: no key of this log signed it",
    Standing.DROPPED: "DROPPED: only stubs are left of its records; a newer one from elsewhere must stand for it",
    Standing.OWN: "the log's own copy, which vouches for nothing",
    Standing.UNASKED: "not looked at",
    Standing.NOTHING: "holds nothing of this log",
    Standing.UNREACHABLE: "unreachable",
}


def _is_met(report: Report, expected: ExpectedHead | None) -> bool:
    return expected is None or report.heads.get(expected.seq + 1) == expected.hash


def _is_dropped(report: Report, expected: ExpectedHead | None) -> bool:
    """Whether the head that was noted is of a record that the log no longer has, but for a stub."""
    return (
        expected is not None
        and report.dropped > 0
        and expected.seq < report.walk.size
        and expected.seq + 1 not in report.heads
    )


def _head(text: str) -> ExpectedHead:
    match = _HEAD.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError("expected SEQ:HASH as `verify` prints it after 'head:'")
    return ExpectedHead(int(match[1]), match[2])


def _log_key(text: str) -> LogKey:
    vkey, separator, size = text.partition("@")
    if separator and not size.isdecimal():
        raise argparse.ArgumentTypeError("expected a number of records after '@'")
    try:
        return LogKey(parse_verifier(vkey), int(size) if separator else None)
    except NoteInvalid as error:
        raise argparse.ArgumentTypeError(f"no public key: {error}") from None
