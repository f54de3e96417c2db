"""Finding accesses in a log (A17, A22, A37)."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import pytest

from sidecar.audit.chain import BrokenLine
from sidecar.audit.export import COLUMNS, ExportFormat, as_json, as_text, export
from sidecar.audit.query import Question, Row, rows
from sidecar.audit.record import Action, Decision, Entry, Event
from tests.audit.samples import PSEUDONYM, intent, lines_of, outcome

OTHER = "k2:" + "f" * 32
MADE: list[Entry] = [
    Event(Action.START, config_sha256="cd" * 32),  # 09:00:00
    intent("a"),
    intent("b", actor="auditor-1"),
    replace(outcome("b", Decision.DENIED), conversations=(), status=403, reason="role", entities={}),
    outcome("a"),  # 09:00:04
    replace(intent("c"), route="export", target_pseudonym=OTHER),
    replace(outcome("c"), conversations=(OTHER, PSEUDONYM)),
    intent("d"),  # 09:00:07, under way
]
LINES = lines_of(MADE)


def found(question: Question) -> list[str]:
    return [str(row.members.get("exchange_id", row.members["action"])) for row in rows(LINES) if question.admits(row)]


def test_an_intent_and_its_outcome_are_one_row_in_order_of_ending() -> None:
    assert found(Question()) == ["start", "b", "a", "c", "d"]
    row = list(rows(LINES))[2]
    assert (row.members["seq"], row.members["end_seq"]) == (1, 4)
    assert (row.members["actor"], row.members["decision"], row.members["entities"]) == (
        "trainer-1",
        "completed",
        {"PERSON": 3, "EMAIL": 1},
    )
    assert row.lines == (LINES[1], LINES[4])


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
def test_a_question_finds_what_it_asks_for_and_nothing_else_a37(question: Question, expected: list[str]) -> None:
    assert found(question) == expected


def test_reading_stops_at_a_broken_line_with_what_stands_before_it() -> None:
    read: list[Row] = []
    with pytest.raises(BrokenLine):
        read.extend(rows([*LINES[:5], LINES[5].replace(b"export", b"excuse"), *LINES[6:]]))
    assert len(list(rows(LINES[:5]))) == 3


def test_records_are_exported_byte_for_byte() -> None:
    text = "".join(export(rows(LINES), ExportFormat.RECORDS))
    assert sorted(text.encode().splitlines(keepends=True)) == sorted(LINES)


def test_csv_has_one_row_for_each_exchange() -> None:
    table = list(csv.DictReader(io.StringIO("".join(export(rows(LINES), ExportFormat.CSV)), newline="")))
    assert [one["exchange_id"] for one in table] == ["", "b", "a", "c", "d"]
    assert table[2]["entities"] == "EMAIL=1 PERSON=3"
    assert table[3]["conversations"] == f"{OTHER} {PSEUDONYM}"
    assert table[4]["decision"] == "pending"


def test_csv_runs_nothing_in_a_spreadsheet() -> None:
    (line,) = lines_of([intent("a", actor='=HYPERLINK("x")')])
    text = "".join(export(rows([line]), ExportFormat.CSV))
    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    assert row["actor"] == '\'=HYPERLINK("x")'


def test_every_member_has_a_column() -> None:
    for row in rows(LINES):
        assert set(row.members) <= set(COLUMNS)


def test_as_text_names_the_first_few_conversations_only() -> None:
    many = tuple(f"k1:{number:032x}" for number in range(40))
    (row,) = rows(lines_of([replace(outcome("a"), conversations=many)]))
    assert as_text(row).endswith(f"conversation {many[0]} {many[1]} {many[2]} and 37 more")
    assert as_text(next(rows(lines_of([outcome("a")])))).endswith(f"conversation {PSEUDONYM}")


def test_as_text_and_json_say_who_what_and_how_it_ended() -> None:
    row = list(rows(LINES))[1]
    assert as_text(row) == "2026-03-01T09:00:02.000000Z  #2  auditor-1 (certificate)  proxy GET chat  denied 403 role"
    assert json.loads(as_json(row))["actor"] == "auditor-1"
