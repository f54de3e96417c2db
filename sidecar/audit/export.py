"""Rows as text, for people, spreadsheets and other tools. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum

from sidecar.audit.canonical import canonical
from sidecar.audit.ocsf import event_of
from sidecar.audit.query import Row

COLUMNS = (
    "seq", "time", "end_seq", "end_time", "action", "exchange_id", "actor", "proof", "peer_certificate_sha256", "tls",
    "route", "method", "purpose", "decision", "reason", "status", "count", "results", "entities", "confidence",
    "residuals", "messages", "bytes_received", "bytes_sent", "duration_us", "policy", "detector", "config_sha256",
    "policies_sha256", "checkpoint_size", "checkpoint_root", "signing_key", "wrapping_key", "upstream",
    "certificate_sha256", "former_certificate_sha256", "authorities_sha256", "former_authorities_sha256", "record",
    "segment", "target_pseudonym", "conversation", "conversations", "subject", "links",
)  # fmt: skip
SHOWN = 3
_FORMULA_STARTS = ("=", "+", "-", "@")


class ExportFormat(StrEnum):
    """What rows may be written as, for tools that read no proofs."""

    JSONL = "jsonl"  # one joined row a line
    CSV = "csv"
    OCSF = "ocsf"  # JSON lines, each an event of the Open Cybersecurity Schema Framework


def export(rows: Iterable[Row], to: ExportFormat, origin: str) -> Iterator[str]:
    """Yield the text piece by piece; a row joins an intent with its outcome."""
    if to is ExportFormat.CSV:
        yield _csv_line(COLUMNS)
        for row in rows:
            yield _csv_line([_cell(row.members.get(name)) for name in COLUMNS])
        return
    line: Callable[[Row], str] = as_json if to is ExportFormat.JSONL else lambda row: _json(event_of(row, origin))
    for row in rows:
        yield f"{line(row)}\n"


def as_json(row: Row) -> str:
    """Return a joined row as one line of canonical JSON."""
    return _json(row.members)


def as_text(row: Row) -> str:
    """Return a joined row as one line for a terminal."""
    members = row.members
    who = f"{members['actor']} ({members['proof']})" if "actor" in members else "-"
    what = " ".join(str(members[name]) for name in ("action", "method", "route", "purpose") if name in members)
    words = [str(members["time"]), f"#{members['seq']}", who, what, _ending(members)]
    for name, word in (("conversations", "conversation"), ("conversation", "conversation"), ("subject", "subject")):
        if name in members:
            words.append(f"{word} {_shortened(members[name])}")
    if "links" in members:
        words.append("links erased")
    return "  ".join(word for word in words if word)


def _json(members: Mapping[str, object]) -> str:
    return canonical(members).decode()


def _shortened(value: object) -> str:
    if isinstance(value, list) and len(value) > SHOWN:
        return f"{_cell(value[:SHOWN])} and {len(value) - SHOWN} more"
    return _cell(value)


def _ending(members: Mapping[str, object]) -> str:
    words = [str(members[name]) for name in ("decision", "status", "reason") if name in members]
    words += [f"{name}={members[name]}" for name in ("count", "results", "record", "segment") if name in members]
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
