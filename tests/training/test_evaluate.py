"""``sidecar evaluate`` from file to table."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sidecar.cli import main

ROWS = [
    {"text": "my name is john smith", "source": "one", "spans": [{"start": 11, "end": 21, "label": "PERSON"}]},
    {"text": "ok thank you", "source": "one", "spans": []},
    {"text": "write to jane.doe@mail.example", "source": "two", "spans": [{"start": 9, "end": 30, "label": "EMAIL"}]},
]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in ROWS), encoding="utf-8")
    return path


def test_json_has_every_measure(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(file), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["messages_a_second"] > 0
    assert report["resident_mib"] > 0
    assert set(report["sources"]) == {"one", "two"}
    whole = report["sources"]["one"]["all"]
    assert (whole["messages"], whole["leak_rate"], whole["clean_touched"]) == (2, 0, 0)
    assert whole["labels"]["PERSON"]["recall"] == 1
    assert set(report["sources"]["one"]) == {"all", "≤ 3 tokens", "lower case"}


def test_the_table_names_sources_slices_and_labels(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(file)]) == 0
    printed = capsys.readouterr().out
    for word in ("one", "two", "lower case", "leak", "over-redaction", "PERSON", "messages/s", "MiB"):
        assert word in printed
    assert "john" not in printed


def test_parts_can_be_left_out(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(file), "--json", "--only-rules"]) == 0
    assert json.loads(capsys.readouterr().out)["sources"]["two"]["all"]["leak_rate"] == 0
    with pytest.raises(SystemExit):
        main(["evaluate", str(file), "--only-rules", "--only-model"])


def test_unknown_types_and_missing_files_are_refused(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(file), "--types", "PERSON,SHOE_SIZE"]) == 2
    assert "SHOE_SIZE" in capsys.readouterr().err
    assert main(["evaluate", str(file.with_name("none.jsonl"))]) == 1
    assert main(["evaluate", str(file), "--model", str(file.parent)]) == 2
    assert "sidecar train" in capsys.readouterr().err
