"""Events of the Open Cybersecurity Schema Framework (A39), validated against an excerpt of its schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from sidecar.audit.export import ExportFormat, export
from sidecar.audit.query import Row, rows
from sidecar.audit.reader import read_records
from sidecar.audit.record import Action, Decision, Entry, Event
from tests.audit.samples import intent, outcome
from tests.audit.written import written

SCHEMA = Draft202012Validator(json.loads((Path(__file__).parent / "ocsf_1_4_0.schema.json").read_text()))


def exchange(action: Action, method: str = "GET", decision: Decision = Decision.COMPLETED) -> list[Entry]:
    name = f"{action.value}-{method.lower()}-{decision.value}"
    ended = outcome(name)._replace(action=action, decision=decision, reason=None if decision == "completed" else "role")
    return [intent(name)._replace(action=action, method=method), ended]


ACTIONS = [one for one in Action if one not in (Action.ADMIN_READ,)]
MADE: list[Entry] = [
    *(entry for one in Action for entry in exchange(one)),
    *(Event(one, reason="torn_line", count=3) for one in Action),
    *(entry for method in ("POST", "PUT", "DELETE", "HEAD", "other") for entry in exchange(Action.PROXY, method)),
    *(entry for one in Decision if one is not Decision.PENDING for entry in exchange(Action.PROXY, "GET", one)),
    intent("under-way"),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    log = written(tmp_path_factory.mktemp("log"), MADE)
    found: list[Row] = list(rows(read_records(log.folder, log.keys)))
    return [json.loads(line) for line in export(found, ExportFormat.OCSF, log.origin)]


def test_every_row_is_an_event_of_the_schema_a39(made: list[dict[str, Any]]) -> None:
    assert len(made) == 2 * len(Action) + 5 + 5 + 1
    for event in made:
        assert not list(SCHEMA.iter_errors(event)), event
        assert event["type_uid"] == event["class_uid"] * 100 + event["activity_id"]


def test_reading_a_chat_is_600501_and_a_denial_is_a_failure_a39(made: list[dict[str, Any]]) -> None:
    by_id = {event["metadata"].get("correlation_uid"): event for event in made}
    assert by_id["proxy-get-completed"]["type_uid"] == 600501
    assert by_id["proxy-get-completed"]["status_id"] == 1
    assert by_id["proxy-delete-completed"]["type_uid"] == 600507
    denied = by_id["proxy-get-denied"]
    assert (denied["status_id"], denied["severity_id"], denied["status_detail"]) == (2, 3, "role")
    assert by_id["audit_export-get-completed"]["type_uid"] == 600302
    assert by_id["under-way"]["status_id"] == 0


def test_nothing_of_a_record_is_left_out(made: list[dict[str, Any]]) -> None:
    event = next(one for one in made if one["metadata"].get("correlation_uid") == "proxy-get-completed")
    assert event["unmapped"]["entities"] == {"PERSON": 3, "EMAIL": 1}
    assert event["unmapped"]["conversations"]
    assert len(event["unmapped"]["record_hashes"]) == 2
    assert event["metadata"]["original_time"].endswith("Z")


def test_the_schema_can_fail() -> None:
    assert list(SCHEMA.iter_errors({"class_uid": 6005}))


def test_certificates_that_can_not_be_used_are_a_failure_a39(made: list[dict[str, Any]]) -> None:
    told = {event.get("activity_name"): event for event in made if "correlation_uid" not in event["metadata"]}
    assert (told["reload"]["status_id"], told["reload_failed"]["status_id"]) == (1, 2)
