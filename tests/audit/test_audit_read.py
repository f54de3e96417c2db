"""``sidecar audit show`` and ``export``: what an auditor types and sees (A21, A22, A36)."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from benchmarks.audit_log import MASTER, LogFolder
from sidecar.audit.index import INDEX_NAME
from sidecar.audit.reads import left
from sidecar.audit.record import Action, Entry
from sidecar.erasure.request import IdentityType, SubjectIdentity, subject_pseudonym
from sidecar.keys import MasterKey, Purpose
from tests.audit.conftest import Sidecar
from tests.audit.samples import entries, intent, outcome
from tests.audit.written import pseudonym, verified, visits, written

KEYS = {1: MASTER, 2: MasterKey(bytes(range(1, 33)), 2)}


@pytest.fixture
def log(tmp_path: Path) -> LogFolder:
    for version, key in KEYS.items():
        (tmp_path / f"key{version}").write_text(key.secret.hex() + "\n")
    return written(tmp_path / "log", entries(3))


@pytest.fixture
def opened(log: LogFolder) -> tuple[object, ...]:
    """The arguments that open the log."""
    return log.folder, "--key-file", log.folder.parent / "key1"


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "FOLDER"),
        ("show", "nowhere", "KEYED"),
        ("show", "FILE", "KEYED"),
        ("show", "FOLDER", "KEYED", "--since", "yesterday"),
        ("show", "FOLDER", "KEYED", "--since", "0001-01-01T00:00:00+14:00"),
        ("show", "FOLDER", "KEYED", "--until", "9999-12-31T23:59:59-14:00"),
        ("show", "FOLDER", "KEYED", "--decision", "maybe"),
        ("show", "FOLDER", "--subject-file", "PERSON"),
        ("show", "FOLDER", "--key-file", "nowhere"),
        ("show", "FOLDER", "--key-file", "PERSON"),
        ("show", "FOLDER", "KEYED", "--subject-file", "nowhere"),
        ("show", "FOLDER", "KEYED", "--subject-file", "EMPTY"),
        ("show", "FOLDER", "KEYED", "--subject-file", "NO_TEXT"),
        ("show", "FOLDER", "KEYED", "--conversation-file", "EMPTY"),
        ("show", "FOLDER", "KEYED", "--conversation-file", "-", "--subject-file", "-"),
        ("export", "FOLDER", "KEYED"),
        ("export", "FOLDER", "KEYED", "--reason", "because I can"),
        ("export", "FOLDER", "KEYED", "--reason", "CASE-1", "--format", "xml"),
        ("export", "FOLDER", "KEYED", "--reason", "CASE-1", "--format", "csv", "--format", "ocsf"),
        ("export", "FOLDER", "KEYED", "--reason", "CASE-1", "--prove-complete"),
        ("export", "FOLDER", "KEYED", "--reason", "CASE-1", "--bundle", "FOLDER"),
    ],
)
def test_bad_usage_is_exit_2_with_a_word_of_help(log: LogFolder, sidecar: Sidecar, arguments: tuple[str, ...]) -> None:
    folder = log.folder.parent
    places: dict[str, tuple[object, ...]] = {"FOLDER": (log.folder,), "KEYED": ("--key-file", folder / "key1")}
    for name, data in (
        ("PERSON", b"email=a@example.com"),
        ("EMPTY", b" \n"),
        ("NO_TEXT", b"email=\xff"),
        ("FILE", b"x"),
    ):
        (folder / name).write_bytes(data)
        places[name] = (folder / name,)
    code, out, err = sidecar("audit", *(part for one in arguments for part in places.get(one, (one,))))
    assert code == 2
    assert out == ""
    assert err.strip()
    assert "a@example.com" not in err


@pytest.mark.parametrize("command", [("show",), ("export", "--reason", "CASE-1", "--format", "ocsf")])
def test_a_checkpoint_that_was_spoiled_is_told_without_a_trace(
    log: LogFolder, opened: tuple[object, ...], sidecar: Sidecar, command: tuple[str, ...]
) -> None:
    (log.folder / "checkpoint").write_bytes(b"spoiled")
    code, out, err = sidecar("audit", *command, *opened)
    assert code == 1
    assert out == ""
    assert f"{log.folder / 'checkpoint'}: is no checkpoint" in err
    assert "See `verify`" in err


def test_show_lists_accesses(opened: tuple[object, ...], sidecar: Sidecar) -> None:
    code, out, _ = sidecar("audit", "show", *opened, "--actor", "trainer-1")
    assert code == 0
    assert len(out.splitlines()) == 3
    code, out, _ = sidecar("audit", "show", "--json", *opened, "--since", "2026-03-01T10:00:03+01:00")
    assert [json.loads(line)["exchange_id"] for line in out.splitlines()] == ["x1", "x2"]


@pytest.mark.parametrize(
    ("arguments", "action"),
    [(("show", "--reason", "CASE-7"), "audit_search"), (("export", "--reason", "CASE-7"), "audit_export")],
)
def test_a_reading_is_told_to_the_log_before_anything_is_shown_a36(
    log: LogFolder, opened: tuple[object, ...], sidecar: Sidecar, arguments: tuple[str, ...], action: str
) -> None:
    assert sidecar("audit", *arguments, *opened)[0] == 0
    ((_, reading),) = left(log.folder)
    assert reading is not None
    assert (reading.action, reading.purpose) == (Action(action), "CASE-7")


def test_what_can_not_be_recorded_is_not_shown_unless_it_is_a_copy_a36(
    log: LogFolder, opened: tuple[object, ...], sidecar: Sidecar
) -> None:
    (log.folder / "reads").write_text("in the way")
    code, out, err = sidecar("audit", "show", *opened)
    assert (code, out) == (2, "")
    assert "--unrecorded" in err
    assert sidecar("audit", "show", *opened, "--unrecorded")[0] == 0


def test_a_conversation_is_found_by_its_clear_id_under_old_and_new_keys_a21_a22(
    tmp_path: Path, log: LogFolder, sidecar: Sidecar
) -> None:
    made: list[Entry] = []
    for version, key in KEYS.items():
        label = key.pseudonymizer(Purpose.AUDIT_PSEUDONYM).label("conversation", "c-100")
        made += [intent(f"y{version}"), outcome(f"y{version}")._replace(conversations=(label,))]
    log.write(made)
    (tmp_path / "ids").write_text("c-99\nc-100\n")

    def found(*keys: str) -> list[str]:
        options = [part for key in keys for part in ("--key-file", key)]
        out = sidecar("audit", "show", "--json", log.folder, "--conversation-file", tmp_path / "ids", *options)[1]
        return [json.loads(line)["exchange_id"] for line in out.splitlines()]

    assert found(str(tmp_path / "key1")) == ["y1"]
    assert found(str(tmp_path / "key1"), f"2={tmp_path / 'key2'}") == ["y1", "y2"]


def test_another_key_opens_nothing_a25(log: LogFolder, sidecar: Sidecar) -> None:
    code, out, err = sidecar("audit", "show", log.folder, "--key-file", f"2={log.folder.parent / 'key2'}")
    assert (code, out) == (2, "")
    assert "local:1" in err


def test_a_subject_is_found_by_the_identities_of_its_request_in_any_order_a21(
    tmp_path: Path, log: LogFolder, opened: tuple[object, ...], sidecar: Sidecar, monkeypatch: pytest.MonkeyPatch
) -> None:
    email, phone = SubjectIdentity(IdentityType.EMAIL, "a@example.com"), SubjectIdentity(IdentityType.PHONE, "555-0143")
    keys = MASTER.pseudonymizer(Purpose.ERASURE_PSEUDONYM)
    log.write([intent("y1"), outcome("y1")._replace(subject=subject_pseudonym((email, phone), keys))])

    def found(*subject: str) -> int:
        (tmp_path / "person").write_text("\n".join(subject))
        asked = ("audit", "show", *opened, "--subject-file")
        from_file = sidecar(*asked, tmp_path / "person")
        monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(subject)))
        assert sidecar(*asked, "-") == from_file
        return len(from_file[1].splitlines())

    assert found("phone=555-0143", "email=a@example.com") == 1
    assert found("email=a@example.com") == 0


@pytest.mark.parametrize("kind", ["show", "export"])
@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--subject", "email=anna.canary@example.org"),
        ("--conversation", "anna-canary-7"),
        ("--conversation", "k1:anna"),
    ],
)
def test_a_value_in_clear_is_refused_as_an_argument_and_not_repeated(
    opened: tuple[object, ...], sidecar: Sidecar, kind: str, option: str, value: str
) -> None:
    reason = ("--reason", "CASE-1") if kind == "export" else ()
    code, out, err = sidecar("audit", kind, *opened, *reason, option, value)
    assert (code, out) == (2, "")
    assert "--subject-file" in err
    assert value not in err


@pytest.mark.parametrize(("form", "lines"), [("jsonl", 4), ("csv", 5), ("ocsf", 4)])
def test_export_writes_rows_to_standard_output(
    opened: tuple[object, ...], sidecar: Sidecar, form: str, lines: int
) -> None:
    code, out, _ = sidecar("audit", "export", *opened, "--reason", "CASE-1", "--format", form)
    assert code == 0
    assert len(out.splitlines()) == lines


@pytest.mark.parametrize("name", ["bundle", "bundle.tar"])
def test_export_writes_a_bundle_that_verifies_stand_alone_a36(
    tmp_path: Path, opened: tuple[object, ...], log: LogFolder, sidecar: Sidecar, name: str
) -> None:
    log.write(visits(20))
    code, out, _ = sidecar(
        "audit", "export", *opened, "--reason", "CASE-1", "--bundle", tmp_path / name, "--prove-complete",
        "--conversation", pseudonym(2), "--format", "csv", "--format", "ocsf",
    )  # fmt: skip
    assert code == 0
    assert "4 rows, 8 records" in out
    code, said = verified("bundle", tmp_path / name, log)
    assert code == 0
    assert "completeness: whole" in said


@pytest.mark.parametrize("kind", ["show", "export"])
@pytest.mark.parametrize("known", ["fresh", "known"])
def test_reading_a_broken_log_shows_what_is_sound_and_fails(
    log: LogFolder, opened: tuple[object, ...], sidecar: Sidecar, kind: str, known: str
) -> None:
    reason = ("--reason", "CASE-1") if kind == "export" else ()
    if known == "known":
        assert sidecar("audit", kind, *opened, *reason)[0] == 0
        log.write(visits(20))
    path = log.folder / ("00000000.segment" if known == "fresh" else "00000001.segment")
    path.write_bytes(path.read_bytes().replace(b'"seq":5,' if known == "fresh" else b'"seq":12,', b'"seq":4,'))
    code, out, err = sidecar("audit", kind, *opened, *reason)
    assert code == 1
    assert out.splitlines()
    assert "edited" in err


def test_an_index_that_can_not_be_written_is_made_in_memory(
    log: LogFolder, opened: tuple[object, ...], sidecar: Sidecar
) -> None:
    (log.folder / INDEX_NAME).mkdir()
    code, out, err = sidecar("audit", "show", *opened)
    assert code == 0
    assert len(out.splitlines()) == 4
    assert "in memory" in err
