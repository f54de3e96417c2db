"""Finding accesses in a log (A17, A22, A37)."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from sidecar.audit.export import COLUMNS, ExportFormat, as_json, as_text, export
from sidecar.audit.leaf import BrokenLine
from sidecar.audit.query import Question, rows
from sidecar.audit.reader import Stored, read_records
from sidecar.audit.record import Action, Decision, Entry, Event
from sidecar.audit.store import segment_path
from tests.audit.samples import ORIGIN, PSEUDONYM, intent, keys_of, outcome, write_log

OTHER = "k2:" + "f" * 32
MADE: list[Entry] = [
    Event(Action.START, config_sha256="cd" * 32),  # 09:00:00
    intent("a"),
    intent("b", actor="auditor-1"),
    outcome("b", Decision.DENIED)._replace(conversations=(), status=403, reason="role", entities={}),
    outcome("a"),  # 09:00:04
    intent("c")._replace(route="export", target_pseudonym=OTHER),
    outcome("c")._replace(conversations=(OTHER, PSEUDONYM)),
    intent("d"),  # 09:00:07, under way
]


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> list[Stored]:
    return stored(tmp_path_factory.mktemp("log") / "audit", MADE)


def stored(folder: Path, made: Sequence[Entry]) -> list[Stored]:
    return list(read_records(write_log(folder, made), keys_of().provider))


def found(log: list[Stored], question: Question) -> list[str]:
    return [str(row.members.get("exchange_id", row.members["action"])) for row in rows(log) if question.admits(row)]


def test_an_intent_and_its_outcome_are_one_row_in_order_of_ending(log: list[Stored]) -> None:
    assert found(log, Question()) == ["start", "b", "a", "c", "d"]
    row = list(rows(log))[2]
    assert (row.members["seq"], row.members["end_seq"]) == (1, 4)
    assert (row.members["actor"], row.members["decision"], row.members["entities"]) == (
        "trainer-1",
        "completed",
        {"PERSON": 3, "EMAIL": 1},
    )
    assert row.records == (log[1], log[4])


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        (Question(actor="auditor-1"), ["b"]),
        (Question(actor="auditor"), []),
        (Question(route="export"), ["c"]),
        (Question(decision="denied"), ["b"]),
        (Question(decision="pending"), ["d"]),
        (Question(action="start"), ["start"]),
        (Question(exchange_id="a"), ["a"]),
        (Question(pseudonyms=frozenset({PSEUDONYM})), ["b", "a", "c", "d"]),  # by path, or by conversation
        (Question(pseudonyms=frozenset({OTHER})), ["c"]),
        (Question(pseudonyms=frozenset({"k1:" + "0" * 32})), []),
        (Question(pseudonyms=frozenset()), []),
        (Question(since="2026-03-01T09:00:04.000000Z"), ["a", "c", "d"]),
        (Question(until="2026-03-01T09:00:02.000000Z"), ["start", "a"]),
        (Question(since="2026-03-01T09:00:02.500000Z", until="2026-03-01T09:00:04.500000Z"), ["b", "a"]),
        (Question(actor="trainer-1", decision="completed", route="chat"), ["a"]),
    ],
)
def test_a_question_finds_what_it_asks_for_and_nothing_else_a37(
    log: list[Stored], question: Question, expected: list[str]
) -> None:
    assert found(log, question) == expected


def test_reading_stops_at_a_broken_line_with_what_stands_before_it(tmp_path: Path) -> None:
    path = segment_path(write_log(tmp_path / "audit", MADE), 0)
    path.write_bytes(path.read_bytes().replace(b'"seq":5', b'"seq":6'))
    read: list[Stored] = []
    with pytest.raises(BrokenLine):
        read.extend(read_records(path.parent, keys_of().provider))
    assert [one.index for one in read_until_broken(path.parent)] == [0, 1, 2, 3, 4]


def read_until_broken(folder: Path) -> Iterator[Stored]:
    try:
        yield from read_records(folder, keys_of().provider)
    except BrokenLine:
        return


def test_rows_are_exported_as_json_lines(log: list[Stored]) -> None:
    text = "".join(export(rows(log), ExportFormat.JSONL, ORIGIN))
    assert [json.loads(line) for line in text.splitlines()] == [dict(row.members) for row in rows(log)]


def test_csv_has_one_row_for_each_exchange(log: list[Stored]) -> None:
    table = list(csv.DictReader(io.StringIO("".join(export(rows(log), ExportFormat.CSV, ORIGIN)), newline="")))
    assert [one["exchange_id"] for one in table] == ["", "b", "a", "c", "d"]
    assert table[2]["entities"] == "EMAIL=1 PERSON=3"
    assert table[3]["conversations"] == f"{OTHER} {PSEUDONYM}"
    assert table[4]["decision"] == "pending"


def test_csv_runs_nothing_in_a_spreadsheet(tmp_path: Path) -> None:
    text = "".join(
        export(rows(stored(tmp_path / "audit", [intent("a", actor='=HYPERLINK("x")')])), ExportFormat.CSV, ORIGIN)
    )
    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    assert row["actor"] == '\'=HYPERLINK("x")'


def test_every_member_has_a_column(log: list[Stored]) -> None:
    for row in rows(log):
        assert set(row.members) <= set(COLUMNS)


def test_as_text_names_the_first_few_conversations_only(tmp_path: Path) -> None:
    many = tuple(f"k1:{number:032x}" for number in range(40))
    (row,) = rows(stored(tmp_path / "audit", [outcome("a")._replace(conversations=many)]))
    assert as_text(row).endswith(f"conversation {many[0]} {many[1]} {many[2]} and 37 more")
    assert as_text(next(rows(stored(tmp_path / "other", [outcome("a")])))).endswith(f"conversation {PSEUDONYM}")


def test_as_text_and_json_say_who_what_and_how_it_ended(log: list[Stored]) -> None:
    row = list(rows(log))[1]
    assert as_text(row) == "2026-03-01T09:00:02.000000Z  #2  auditor-1 (certificate)  proxy GET chat  denied 403 role"
    assert json.loads(as_json(row))["actor"] == "auditor-1"
