"""Start-up: is the log that lies there the one that was written? Runs the code of ``verify``. Edge; blocking.

Whatever does not hold stops the start, and what lies there is not touched: it is evidence. The one exception is the
torn end that a crash leaves; it is moved to a side file, and recorded.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from pathlib import Path

from sidecar.audit.anchors.anchor import Held
from sidecar.audit.anchors.verdict import Answer, Judgement, Reach, Standing
from sidecar.audit.appender import Head, LogKeys
from sidecar.audit.folder import LogFolder
from sidecar.audit.leaf import BrokenLine, Flaw
from sidecar.audit.note import Note, NoteInvalid, Signer, Verifier, parse_checkpoint, parse_note
from sidecar.audit.segment import parse_header
from sidecar.audit.store import CHECKPOINT_NAME, numbers, pieces, read_lines, segment_path, stub_path
from sidecar.audit.verify import Report, verify
from sidecar.audit.walk import LogKey, Walk
from sidecar.disk import sync_folder, write_whole
from sidecar.errors import ConfigError, Problem

OWN_COPY = "checkpoint file"


class StartCheck(Enum):
    """How much of the log is verified at start-up."""

    WHOLE = "whole"  # every record
    RECENT = "recent"  # from the segment on that holds the newest checkpoint; the rest is left to ``audit verify``


@dataclass(frozen=True, slots=True)
class Opening:
    """A log that is sound. ``torn_sizes`` are those of torn ends not yet on record."""

    head: Head
    signed: Note | None
    introducer: Signer | None
    torn_sizes: tuple[int, ...]
    segments: tuple[int, ...]


def open_log(folder: LogFolder, keys: LogKeys, check: StartCheck, known: Sequence[Answer]) -> Opening:
    """Lock and verify. Raises ConfigError that names what is wrong, where, and what to do."""
    path = folder.path
    try:
        folder.acquire()
        copy = _own_copy(path, keys)
        report = _verified(path, keys, check, [*copy, *known])
        _require_sound(path, keys, report, bool(copy))
        if report.finding is not None:
            _set_aside(path, report)
        _sign_anew(path, keys)
        walk, there = report.walk, [one for one in numbers(path) if segment_path(path, one).exists()]
        for number in there:
            folder.watch(number)
        head = Head(walk.size, walk.hash, walk.time, walk.segment, walk.tree)
        return Opening(head, walk.signed, _introducer(keys, walk), _torn_sizes(path, head), tuple(there))
    except OSError as error:
        folder.release()
        remedy = "Give a folder on a writable local file system, in one that the sidecar may write to"
        raise ConfigError((_problem(path, f"can't be opened ({os.strerror(error.errno or 0)})", remedy),)) from None
    except ConfigError:
        folder.release()
        raise


def _own_copy(path: Path, keys: LogKeys) -> list[Answer]:
    """Return the newest checkpoint as the log itself keeps it, if there is one."""
    try:
        note = parse_note((path / CHECKPOINT_NAME).read_bytes())
        note.verified(_verifiers(keys))
    except FileNotFoundError:
        return []
    except NoteInvalid:
        message = "the newest checkpoint was changed, or was signed by another key than this sidecar's"
        raise ConfigError((_problem(path, message, _KEYS_REMEDY),)) from None
    return [Answer(OWN_COPY, Reach.OWN, Held(OWN_COPY, note))]


def _verified(path: Path, keys: LogKeys, check: StartCheck, known: Sequence[Answer]) -> Report:
    own = _verifiers(keys)
    walk = Walk(own=own)
    if not numbers(path):
        walk = Walk(map(LogKey, own))
        walk.log = keys.log
    start = _start(path, known) if check is StartCheck.RECENT else 0
    if start:
        try:
            walk.believe(parse_header(next(read_lines(segment_path(path, start)), b"")))
        except BrokenLine:
            start = 0  # the check of the whole names what is wrong
            walk = Walk(own=own)
    return verify(lambda: pieces(path, start), walk, known)


def _start(path: Path, known: Sequence[Answer]) -> int:
    """Return the last segment that begins before the newest checkpoint of our own."""
    sizes = [parse_checkpoint(one.held.note.text).size for one in known if one.anchor == OWN_COPY and one.held]
    for number in reversed(numbers(path)):
        line = next(read_lines(segment_path(path, number)), b"") if segment_path(path, number).exists() else b""
        try:
            if line and sizes and parse_header(line).first < sizes[0]:
                return number
        except BrokenLine:
            return 0
    return 0


def _require_sound(path: Path, keys: LogKeys, report: Report, has_copy: bool) -> None:
    problems = list(_problems(path, keys, report, has_copy))
    if problems:
        raise ConfigError(tuple(problems))


def _problems(path: Path, keys: LogKeys, report: Report, has_copy: bool) -> Iterator[Problem]:
    finding, walk = report.finding, report.walk
    if finding is not None and (finding.flaw is not Flaw.TORN or finding.segment != max(numbers(path))):
        yield _problem(path, f"the log is broken: {finding}", _EVIDENCE_REMEDY)
        return
    if walk.log not in (None, keys.log):
        message = f"this log is called {walk.log}, not {keys.log}"
        yield _problem(path, message, "Mend audit.origin, or give the log of this name")
        return
    for one in report.verdict.broken:
        yield _problem(path, _broken(one, report), _EVIDENCE_REMEDY)
    for one in report.verdict.unshown:
        yield _problem(path, _broken(one, report), _UNSHOWN_REMEDY)
    if walk.signed is not None and not has_copy and walk.checkpoints > 1:
        yield _problem(path, "the checkpoint file is gone", _EVIDENCE_REMEDY)
    if walk.signed is not None and not _is_ours(walk.signed, keys):
        yield _problem(path, "the newest checkpoint in it was signed by another key than this sidecar's", _KEYS_REMEDY)


def _broken(one: Judgement, report: Report) -> str:
    match one.standing:
        case Standing.MISSING:
            return (
                f"{one.anchor} knows {one.size} records, of which {report.walk.size} are there: the end was cut off, an"
                " old copy was put back, or the log was deleted"
            )
        case Standing.REWRITTEN:
            return f"the first {one.size} records are not those that {one.anchor} knows: the log was rewritten"
        case Standing.DROPPED:
            return (
                f"{one.anchor} knows {one.size} records, of which the last are dropped, and no anchor knows of later"
                " ones: that they were those which it knows can't be shown"
            )
    return f"{one.anchor} holds a checkpoint under this name that no key of this log signed"


def _is_ours(note: Note, keys: LogKeys) -> bool:
    try:
        note.verified(_verifiers(keys))
    except NoteInvalid:
        return False
    return True


def _verifiers(keys: LogKeys) -> list[Verifier]:
    return [one.verifier for one in (keys.signer, *keys.earlier)]


def _sign_anew(path: Path, keys: LogKeys) -> None:
    """Sign stubs that an earlier key of ours signed: it will be gone one day, and nothing else vouches for them.

    What is wrong with one that nobody of us signed, is for who verifies to say.
    """
    stubs = [stub_path(path, one) for one in numbers(path)] if keys.earlier else []
    for stub in filter(Path.exists, stubs):
        with suppress(NoteInvalid):
            note = parse_note(stub.read_bytes())
            if _is_ours(note, keys) and keys.signer.verifier.id not in {one.key_id for one in note.signatures}:
                write_whole(stub, str(note.signed(keys.signer.sign(note.text))).encode())


def _introducer(keys: LogKeys, walk: Walk) -> Signer | None:
    """Return who must introduce our key: the signer of the newest checkpoint, unless that was our key (A28)."""
    if walk.signed is None:
        return None
    made = {one.key_id for one in walk.signed.signatures}
    if keys.signer.verifier.id in made:
        return None
    return next(one for one in keys.earlier if one.verifier.id in made)


def _set_aside(path: Path, report: Report) -> None:
    """Move a torn end to a side file. Each step may be repeated after a crash (A33)."""
    segment = segment_path(path, report.walk.segment)
    torn = segment.read_bytes()[report.good_bytes :]
    digest = sha256(torn).hexdigest()[:12]
    write_whole(segment.with_suffix(f".torn-{report.walk.size}-{digest}"), torn)
    descriptor = os.open(segment, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        os.ftruncate(descriptor, report.good_bytes)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_folder(path)


def _torn_sizes(path: Path, head: Head) -> tuple[int, ...]:
    """A side file named for the next record has no record yet: its record would bear that number."""
    return tuple(side.stat().st_size for side in sorted(path.glob(f"*.torn-{head.size}-*")))


def _problem(path: Path, message: str, remedy: str) -> Problem:
    return Problem(f"audit log {path}", message, remedy)


_EVIDENCE_REMEDY = (
    "Keep the folder as evidence, look at it with `sidecar audit verify`, and start with a new folder and a new"
    " audit.origin"
)
_UNSHOWN_REMEDY = (
    "If the anchor was out of reach for as long as records are kept, take it out of audit.anchors, and give it back"
    " under another name and place; else keep the folder as evidence"
)
_KEYS_REMEDY = "Give the master key that it was written with as keys.previous"
