"""Export bundles: records taken out of a log with all that proves them, for whoever has neither the log nor us. Edge.

The format is described in docs/audit-format.md. A bundle speaks of the newest checkpoint: what was written after it is
not signed yet, and is left out. It is made beside its place and renamed, so that half a bundle is never taken for one.
"""

from __future__ import annotations

import shutil
import tarfile
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Final

from sidecar.audit.canonical import canonical
from sidecar.audit.export import ExportFormat, export
from sidecar.audit.lookup import AuditLookup, Proven
from sidecar.audit.note import Checkpoint, parse_checkpoint
from sidecar.audit.query import Question, Row
from sidecar.audit.reader import Stored
from sidecar.errors import ConfigError, Problem

MOST_ROWS: Final = 100_000  # they are in memory together
KIND: Final = "sidecar-audit/2/export"
RECORDS, RANGE, MANIFEST, CHECKPOINT = "records.jsonl", "range.jsonl", "manifest.json", "checkpoint"
VIEWS: Final[Mapping[ExportFormat, str]] = {
    ExportFormat.JSONL: "rows.jsonl", ExportFormat.CSV: "rows.csv", ExportFormat.OCSF: "rows.ocsf.jsonl",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Order:
    """What to take out, and why. ``complete``: also show that nothing of the span that was asked for is left out."""

    question: Question
    reason: str
    made: str  # the time, as ``leaf.instant`` gives it
    formats: tuple[ExportFormat, ...] = (ExportFormat.JSONL,)
    complete: bool = False
    most_rows: int = MOST_ROWS


@dataclass(frozen=True, slots=True)
class Bundled:
    """What is in a bundle."""

    rows: int
    records: int
    size: int


def write_bundle(lookup: AuditLookup, order: Order, path: Path) -> Bundled:
    """Write a bundle, as a folder, or as a tar where the path ends so. Raises ConfigError, and like ``AuditLookup``."""
    if path.exists():
        raise ConfigError((Problem(str(path), "is there already", "Give a path that is not"),))
    half = path.with_name(f".{path.name}.half")
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(0o700)
    try:
        bundled = _Writing(lookup, order, half).write()
        if path.suffix == ".tar":
            _pack(half, path)
        else:
            half.rename(path)
    finally:
        shutil.rmtree(half, ignore_errors=True)
    return bundled


class _Writing:
    """One bundle in the making."""

    def __init__(self, lookup: AuditLookup, order: Order, folder: Path) -> None:
        self._lookup = lookup
        self._order = order
        self._folder = folder
        self._digests: dict[str, str] = {}

    def write(self) -> Bundled:
        note = self._lookup.checkpoint()
        if note is None:
            raise ConfigError((Problem("the log", "has no checkpoint yet", "Wait a minute, or stop the sidecar"),))
        checkpoint = parse_checkpoint(note.text)
        found = islice(self._lookup.find(self._order.question), self._order.most_rows + 1)
        rows = [row for one in found if (row := _signed(one, checkpoint.size))]
        if len(rows) > self._order.most_rows:
            message = f"would hold more than {self._order.most_rows} rows"
            raise ConfigError((Problem("the bundle", message, "Ask for a shorter time, in parts"),))
        records = sorted({one.index: one for row in rows for one in row.records}.values(), key=lambda one: one.index)
        self._file(CHECKPOINT, [str(note)])
        self._file(RECORDS, (_record_line(self._lookup.prove(one, checkpoint)) for one in records))
        for view in self._order.formats:
            self._file(VIEWS[view], export(rows, view, checkpoint.origin))
        manifest = self._manifest(checkpoint, len(records))
        if self._order.complete:
            manifest |= self._completeness(checkpoint, {one.index for one in records})
        self._file(MANIFEST, [canonical(manifest | {"files": dict(self._digests)}).decode()])
        return Bundled(len(rows), len(records), checkpoint.size)

    def _manifest(self, checkpoint: Checkpoint, records: int) -> dict[str, object]:
        introductions = self._lookup.introductions(checkpoint.size)
        return {
            "v": 1, "kind": KIND, "log": checkpoint.origin, "size": checkpoint.size, "records": records,
            "made": self._order.made, "reason": self._order.reason, "question": self._order.question.members,
            "introductions": [b64encode(str(one).encode()).decode() for one in introductions],
        }  # fmt: skip

    def _completeness(self, checkpoint: Checkpoint, shown: set[int]) -> dict[str, object]:
        """Write the leaves of the whole span, with the links of those that are not shown: none must be asked for."""
        question = self._order.question
        if question.pseudonyms is None or question.members.keys() - {"since", "until", "pseudonyms"}:
            remedy = "Ask by conversation or subject and time alone: what else is in a record stays sealed"
            raise ConfigError((Problem("--prove-complete", "can't be shown for this question", remedy),))
        first, end = self._lookup.span(question, checkpoint.size)
        end = min(end + 1, checkpoint.size)  # one beyond the time, to show that there is no more of it
        self._file(RANGE, self._range_lines(first, end, shown))
        proof = self._lookup.inclusion(end - 1, checkpoint.size) if end > first else ()
        return {"range": [first, end], "range_proof": [b64encode(one).decode() for one in proof]}

    def _range_lines(self, first: int, end: int, shown: set[int]) -> Iterator[str]:
        expected = first
        for stored in self._lookup.between(first, end):
            if stored.index != expected:
                raise _dropped(f"Ask for the time from {stored.time} on")
            expected += 1
            yield _range_line(stored, stored.index in shown)
        if expected != end:
            raise _dropped("Ask for an earlier time, or a later one")

    def _file(self, name: str, pieces: Sequence[str] | Iterator[str]) -> None:
        digest = sha256()
        with (self._folder / name).open("wb") as stream:
            for piece in pieces:
                data = piece.encode()
                digest.update(data)
                stream.write(data)
        self._digests[name] = digest.hexdigest()


def _dropped(remedy: str) -> ConfigError:
    return ConfigError((Problem("--prove-complete", "retention has dropped records of this time", remedy),))


def _signed(row: Row, size: int) -> Row | None:
    """Return what of a row the checkpoint reaches."""
    if row.first.index >= size:
        return None
    return row if row.last is None or row.last.index < size else Row(row.first)


def _record_line(proven: Proven) -> str:
    stored = proven.stored
    parts = (stored.facts, stored.links)
    facts, links = (part.members if part else None for part in parts)
    return _line({
        "seq": stored.index, "leaf": stored.record.leaf.decode(), "facts": facts, "links": links,
        "salts": [part.salt.hex() if part else None for part in parts],
        "proof": [b64encode(one).decode() for one in proven.proof],
    })  # fmt: skip


def _range_line(stored: Stored, is_shown: object) -> str:
    opened = None if is_shown else stored.links
    leaf = stored.record.leaf.decode()
    return _line({
        "leaf": leaf, "links": opened.members if opened else None, "salt": opened.salt.hex() if opened else None,
    })  # fmt: skip


def _line(members: Mapping[str, object]) -> str:
    return f"{canonical(members).decode()}\n"


def _pack(folder: Path, path: Path) -> None:
    """Pack the files into a tar that says nothing of this machine or its user."""

    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = member.mtime = 0
        member.uname = member.gname = ""
        return member

    half = path.with_name(f".{path.name}.packing")
    with tarfile.open(half, "w", format=tarfile.PAX_FORMAT) as archive:
        for file in sorted(folder.iterdir()):
            archive.add(file, arcname=f"{path.stem}/{file.name}", filter=plain)
    half.rename(path)
