"""Rows as text, for people, spreadsheets and other tools. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum

from sidecar.audit.canonical import canonical
from sidecar.audit.query import Row
from sidecar.audit.reader import Stored

COLUMNS = (
    "seq", "time", "end_seq", "end_time", "action", "exchange_id", "actor", "proof", "peer_certificate_sha256", "tls",
    "route", "method", "purpose", "decision", "reason", "status", "count", "entities", "confidence", "residuals",
    "messages", "results", "bytes_received", "bytes_sent", "duration_us", "policy", "detector", "config_sha256",
    "policies_sha256", "checkpoint_size", "checkpoint_root", "signing_key", "wrapping_key", "record", "segment",
    "target_pseudonym", "conversation", "conversations", "subject",
)  # fmt: skip
SHOWN = 3
_FORMULA_STARTS = ("=", "+", "-", "@")


class ExportFormat(StrEnum):
    RECORDS = "jsonl"  # one object for each record, with its leaf hash
    CSV = "csv"  # one row for each exchange


def export(rows: Iterable[Row], to: ExportFormat) -> Iterator[str]:
    """Yield the text piece by piece, one line for each record, or one row of CSV for an intent and its outcome."""
    if to is ExportFormat.RECORDS:
        for row in rows:
            yield from (f"{canonical(_record(stored)).decode()}\n" for stored in row.records)
        return
    yield _csv_line(COLUMNS)
    for row in rows:
        yield _csv_line([_cell(row.members.get(name)) for name in COLUMNS])


def _record(stored: Stored) -> Mapping[str, object]:
    return {"hash": stored.record.hash, "seq": stored.index, "time": stored.time, **stored.members}


def as_json(row: Row) -> str:
    """Return a joined row as one line of canonical JSON."""
    return canonical(row.members).decode()


def as_text(row: Row) -> str:
    """Return a joined row as one line for a terminal."""
    members = row.members
    who = f"{members['actor']} ({members['proof']})" if "actor" in members else "-"
    what = " ".join(str(members[name]) for name in ("action", "method", "route") if name in members)
    words = [str(members["time"]), f"#{members['seq']}", who, what, _ending(members)]
    for name, word in (("conversations", "conversation"), ("conversation", "conversation"), ("subject", "subject")):
        if name in members:
            words.append(f"{word} {_shortened(members[name])}")
    return "  ".join(word for word in words if word)


def _shortened(value: object) -> str:
    if isinstance(value, list) and len(value) > SHOWN:
        return f"{_cell(value[:SHOWN])} and {len(value) - SHOWN} more"
    return _cell(value)


def _ending(members: Mapping[str, object]) -> str:
    words = [str(members[name]) for name in ("decision", "status", "reason") if name in members]
    if "count" in members:
        words.append(f"count={members['count']}")
    if "entities" in members:
        words.append(f"[{_cell(members['entities'])}]")
    return " ".join(words)


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case dict():
            return " ".join(f"{name}={count}" for name, count in sorted(value.items()))
        case list():
            return " ".join(str(one) for one in value)
    text = str(value)
    # A spreadsheet would run this as a formula.
    return f"'{text}" if isinstance(value, str) and text.startswith(_FORMULA_STARTS) else text


def _csv_line(cells: Iterable[str]) -> str:
    sink = io.StringIO(newline="")
    csv.writer(sink, lineterminator="\r\n").writerow(cells)  # RFC 4180
    return sink.getvalue()
