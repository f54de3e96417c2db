"""Export bundles that verify without us (A36, A37), and what becomes of those that were tampered with."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from benchmarks.audit_log import LogFolder
from sidecar.audit.bundle import Bundled, Order, write_bundle
from sidecar.audit.export import ExportFormat
from sidecar.audit.query import Question
from sidecar.audit.retention import drop, stub_of
from sidecar.audit.store import CHECKPOINT_NAME
from sidecar.errors import ConfigError
from tests.audit.written import lookup_of, pseudonym, verified, visits, written

SINCE, UNTIL = "2026-03-01T09:01:00.000000Z", "2026-03-01T09:03:20.000000Z"
ABOUT = Question(since=SINCE, until=UNTIL, pseudonyms=frozenset({pseudonym(2)}))


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> LogFolder:
    return written(tmp_path_factory.mktemp("log"), visits(300), segment_records=128)


def bundled(log: LogFolder, path: Path, question: Question = ABOUT, **options: Any) -> Bundled:
    order = Order(question, "CASE-2026-17", "2026-03-02T00:00:00.000000Z", **options)
    return write_bundle(lookup_of(log), order, path)


def test_a_bundle_verifies_stand_alone_a36(log: LogFolder, tmp_path: Path) -> None:
    made = bundled(log, tmp_path / "b")
    assert (made.rows, made.size) == (14, 600)
    code, said = verified("bundle", tmp_path / "b", log, "--checkpoint", log.folder / CHECKPOINT_NAME)
    assert code == 0
    assert f"integrity: intact ({made.records} records" in said
    assert "reason of the export: CASE-2026-17" in said
    assert "completeness: not shown" in said


def test_a_tar_is_the_same_bundle_and_says_nothing_of_the_machine(log: LogFolder, tmp_path: Path) -> None:
    bundled(log, tmp_path / "b.tar", complete=True)
    code, said = verified("bundle", tmp_path / "b.tar", log)
    assert code == 0
    assert "completeness: whole" in said
    with tarfile.open(tmp_path / "b.tar") as archive:
        assert {(one.uid, one.uname, one.mtime) for one in archive} == {(0, "", 0)}
    assert [one.name for one in tmp_path.iterdir()] == ["b.tar"]


@pytest.mark.parametrize(("since", "until"), [(SINCE, UNTIL), (None, UNTIL), (SINCE, None), (None, None)])
def test_the_count_of_a_search_is_provable_a37(
    log: LogFolder, tmp_path: Path, since: str | None, until: str | None
) -> None:
    bundled(log, tmp_path / "b", Question(since, until, pseudonyms=frozenset({pseudonym(2)})), complete=True)
    code, said = verified("bundle", tmp_path / "b", log)
    assert code == 0
    assert "completeness: whole" in said
    assert "but for" not in said


def test_nobody_elses_facts_are_opened_to_prove_it(log: LogFolder, tmp_path: Path) -> None:
    bundled(log, tmp_path / "b", complete=True)
    shown = {json.loads(line)["seq"] for line in (tmp_path / "b" / "records.jsonl").read_text().splitlines()}
    text = (tmp_path / "b" / "range.jsonl").read_text()
    assert "trainer-" not in text
    assert len(text.splitlines()) > len(shown) > 0


@pytest.mark.parametrize(
    "question", [Question(), Question(actor="trainer-1"), Question(actor="a", pseudonyms=frozenset())]
)
def test_what_is_not_a_question_of_links_can_not_be_proven_complete(
    log: LogFolder, tmp_path: Path, question: Question
) -> None:
    with pytest.raises(ConfigError, match="prove-complete"):
        bundled(log, tmp_path / "b", question, complete=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("since", "until"),
    [("2026-03-01T09:00:00.000000Z", "2026-03-01T09:04:16.000000Z"), ("2026-03-01T09:05:00.000000Z", None)],
    ids=["ends where it was dropped", "begins there"],
)
def test_what_retention_has_dropped_is_not_called_complete_a32_a37(
    tmp_path: Path, since: str, until: str | None
) -> None:
    """A hold keeps an older segment, so that there is a hole in the log. Without the claim there is a bundle."""
    log = written(tmp_path / "log", visits(300), segment_records=256)
    lookup = lookup_of(log)
    drop(log.folder, stub_of(log.folder, 1, datetime(2027, 1, 1, tzinfo=UTC)), log.signer)
    question = Question(since, until, pseudonyms=frozenset({pseudonym(2)}))
    order = Order(question, "CASE-2026-17", "2026-03-02T00:00:00.000000Z", complete=True)
    with pytest.raises(ConfigError, match="retention has dropped"):
        write_bundle(lookup, order, tmp_path / "b")
    write_bundle(lookup, replace(order, complete=False), tmp_path / "c")
    assert verified("bundle", tmp_path / "c", log)[0] == 0


def test_nothing_is_written_over(log: LogFolder, tmp_path: Path) -> None:
    bundled(log, tmp_path / "b")
    with pytest.raises(ConfigError, match="there already"):
        bundled(log, tmp_path / "b")


def test_all_views_are_in_it_on_demand(log: LogFolder, tmp_path: Path) -> None:
    bundled(log, tmp_path / "b", formats=tuple(ExportFormat))
    names = {one.name for one in (tmp_path / "b").iterdir()}
    assert {"rows.csv", "rows.jsonl", "rows.ocsf.jsonl", "records.jsonl", "manifest.json", "checkpoint"} == names


Rows = list[dict[str, Any]]


def change_rows(folder: Path, name: str, change: Callable[[Rows], Rows]) -> None:
    rows = change([json.loads(line) for line in (folder / name).read_text().splitlines()])
    (folder / name).write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def set_fact(rows: Rows) -> Rows:
    rows[0]["facts"]["actor"] = "somebody-else"
    return rows


def set_leaf(rows: Rows) -> Rows:
    rows[0]["leaf"] = rows[0]["leaf"].replace('"seq":', '"seq":1', 1)
    return rows


def set_proof(rows: Rows) -> Rows:
    rows[0]["proof"] = rows[0]["proof"][1:]
    return rows


def set_links(rows: Rows) -> Rows:
    hidden = next(row for row in rows if row["links"] and "conversations" in row["links"])
    hidden["links"]["conversations"] = []
    return rows


def unsalted(links: dict[str, Any]) -> Callable[[Rows], Rows]:
    """Say other links, and leave out the salt that they would be checked with."""

    def change(rows: Rows) -> Rows:
        linked = next(row for row in rows if row["links"] and "conversations" in row["links"])
        linked["links"] = links
        if "salts" in linked:
            linked["salts"][1] = None
        else:
            linked["salt"] = None
        return rows

    return change


ATTACKS: dict[str, tuple[str, Callable[[Rows], Rows], str]] = {
    "a fact": ("records.jsonl", set_fact, "the facts are not what the leaf commits to"),
    "a leaf": ("records.jsonl", set_leaf, "not of this record"),
    "a proof": ("records.jsonl", set_proof, "proof"),
    "a record left out": ("records.jsonl", lambda rows: rows[1:], "records, where the manifest says"),
    "a record moved": ("records.jsonl", lambda rows: [{**rows[0], "seq": rows[1]["seq"]}, *rows[1:]], "not of this"),
    "of the range": ("range.jsonl", lambda rows: [*rows[:5], *rows[6:]], "a record of the range is missing"),
    "the range cut": ("range.jsonl", lambda rows: rows[:-3], "ends before"),
    "a link of the range": ("range.jsonl", set_links, "the links are not what the leaf commits to"),
    "a link of the range without its salt": ("range.jsonl", unsalted({}), "the salt of the links is missing"),
    "a link without its salt": ("records.jsonl", unsalted({"subject": pseudonym(7)}), "the salt of the links"),
    "no hexadecimal": ("range.jsonl", lambda rows: [{**one, "salt": "zz"} for one in rows], "malformed"),
    "no characters": ("records.jsonl", lambda rows: [{**rows[0], "proof": ["\ud800"]}, *rows[1:]], "malformed"),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_a_bundle_that_was_tampered_with_is_broken(log: LogFolder, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "b"
    bundled(log, folder, complete=True)
    file, change, word = ATTACKS[name]
    change_rows(folder, file, change)
    assert f"{file}: edited" in verified("bundle", folder, log)[1]  # the manifest's word
    reseal(folder)  # whoever changes a bundle changes its manifest, too
    code, said = verified("bundle", folder, log)
    assert code == 1
    assert word in said


def test_a_record_that_was_asked_for_can_not_be_left_out_a37(log: LogFolder, tmp_path: Path) -> None:
    folder = tmp_path / "b"
    bundled(log, folder, complete=True)
    other = tmp_path / "other"
    bundled(log, other, Question(SINCE, UNTIL, pseudonyms=frozenset({pseudonym(9)})), complete=True)
    for name in ("records.jsonl", "range.jsonl"):  # as if nothing had been found, with every leaf in place
        (folder / name).write_bytes((other / name).read_bytes())
    reseal(folder, records=0)
    code, said = verified("bundle", folder, log)
    assert code == 1
    assert "was asked for and is not among the records" in said


def test_a_checkpoint_of_another_log_of_this_size_is_told_a11(log: LogFolder, tmp_path: Path) -> None:
    bundled(log, tmp_path / "b")
    other = written(tmp_path / "other", visits(300, people=7), segment_records=128)
    code, said = verified("bundle", tmp_path / "b", log, "--checkpoint", other.folder / CHECKPOINT_NAME)
    assert code == 1
    assert "rewritten" in said
    other.write(visits(3))
    code, said = verified("bundle", tmp_path / "b", log, "--checkpoint", other.folder / CHECKPOINT_NAME)
    assert code == 0
    assert "says nothing about this bundle" in said


def test_a_bundle_of_too_many_rows_is_refused(log: LogFolder, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="more than 10 rows"):
        bundled(log, tmp_path / "b", most_rows=10)
    assert list(tmp_path.iterdir()) == []


def test_a_range_that_ends_too_early_is_told_a37(log: LogFolder, tmp_path: Path) -> None:
    bundled(log, tmp_path / "b", complete=True)
    question = {"pseudonyms": [pseudonym(9)], "since": SINCE, "until": "2026-03-01T10:00:00.000000Z"}
    reseal(tmp_path / "b", question=question)
    code, said = verified("bundle", tmp_path / "b", log)
    assert code == 1
    assert "ends before the time that was asked for" in said


def test_a_range_that_ends_before_the_log_does_is_told_where_no_end_was_asked_for_a37(
    log: LogFolder, tmp_path: Path
) -> None:
    bundled(log, tmp_path / "b", complete=True)
    reseal(tmp_path / "b", question={"pseudonyms": [pseudonym(9)], "since": SINCE})
    code, said = verified("bundle", tmp_path / "b", log)
    assert code == 1
    assert "ends before the time that was asked for" in said


@pytest.mark.parametrize("asked", [{"pseudonyms": []}, {"pseudonyms": [pseudonym(9)], "actor": "trainer-1"}])
def test_a_question_that_can_not_be_shown_to_be_answered_whole_is_told_a37(
    log: LogFolder, tmp_path: Path, asked: dict[str, Any]
) -> None:
    bundled(log, tmp_path / "b", complete=True)
    reseal(tmp_path / "b", question={"since": SINCE, "until": UNTIL, **asked})
    code, said = verified("bundle", tmp_path / "b", log)
    assert code == 1
    assert "of this question nobody can show that nothing was left out" in said


def test_it_says_what_was_asked_since_only_that_is_answered_whole_a37(log: LogFolder, tmp_path: Path) -> None:
    bundled(log, tmp_path / "b", complete=True)
    said = verified("bundle", tmp_path / "b", log)[1]
    assert f'question: {{"pseudonyms":["{pseudonym(2)}"],"since":"{SINCE}","until":"{UNTIL}"}}' in said


def reseal(folder: Path, **changes: Any) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    for name in manifest["files"]:
        manifest["files"][name] = sha256((folder / name).read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest | changes))
