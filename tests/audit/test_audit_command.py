"""``sidecar audit``: what an operator types and sees (A9, A10, A15, A21, A22)."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sidecar.audit.record import Entry
from sidecar.audit.store import segment_path
from sidecar.cli import main
from sidecar.erasure.request import IdentityType, SubjectIdentity, subject_pseudonym
from sidecar.keys import MasterKey, Purpose
from tests.audit.samples import PSEUDONYM, entries, intent, outcome, write_log

KEYS = {1: bytes(range(32)), 2: bytes(range(1, 33))}
Sidecar = Callable[..., tuple[int, str, str]]


@pytest.fixture
def sidecar(capsys: pytest.CaptureFixture[str]) -> Sidecar:
    def run(*arguments: object) -> tuple[int, str, str]:
        try:
            code = main([str(one) for one in arguments])
        except SystemExit as ended:
            code = int(str(ended.code))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def log(tmp_path: Path) -> Path:
    (tmp_path / "key").write_text(KEYS[1].hex())
    return write_log(tmp_path / "audit", entries(3))


@pytest.mark.parametrize(
    "arguments",
    [
        ("verify",),
        ("verify", "FILE", "--expect-head", "12"),
        ("verify", "FILE", "--expect-head", "x:" + "0" * 64),
        ("verify", "nowhere"),
        ("show", "nowhere"),
        ("show", "FILE"),
        ("show", "FILE", "--since", "yesterday"),
        ("show", "FILE", "--decision", "maybe"),
        ("show", "FILE", "--conversation-file", "PERSON"),
        ("show", "FILE", "--subject-file", "PERSON"),
        ("show", "FILE", "--subject-file", "PERSON", "--key-file", "nowhere"),
        ("show", "FILE", "--subject-file", "PERSON", "--key-file", "FILE"),
        ("show", "FILE", "--subject-file", "nowhere", "--key-file", "KEY"),
        ("show", "FILE", "--subject-file", "EMPTY", "--key-file", "KEY"),
        ("show", "FILE", "--subject-file", "NO_TEXT", "--key-file", "KEY"),
        ("show", "FILE", "--subject-file", "KEY", "--key-file", "KEY"),
        ("show", "FILE", "--conversation-file", "EMPTY", "--key-file", "KEY"),
        ("show", "FILE", "--conversation-file", "-", "--subject-file", "-", "--key-file", "KEY"),
        ("export", "FILE", "--format", "xml"),
    ],
)
def test_bad_usage_is_exit_2_with_a_word_of_help(log: Path, sidecar: Sidecar, arguments: tuple[str, ...]) -> None:
    places = {"FILE": log, "KEY": log.with_name("key")}
    for name, data in (("PERSON", b"email=a@example.com"), ("EMPTY", b" \n"), ("NO_TEXT", b"email=\xff")):
        places[name] = log.with_name(name)
        places[name].write_bytes(data)
    code, out, err = sidecar("audit", *(places.get(one, one) for one in arguments))
    assert code == 2
    assert out == ""
    assert err.strip()


def test_show_lists_accesses(log: Path, sidecar: Sidecar) -> None:
    code, out, _ = sidecar("audit", "show", log, "--key-file", log.with_name("key"), "--actor", "trainer-1")
    assert code == 0
    assert len(out.splitlines()) == 3
    code, out, _ = sidecar(
        "audit", "show", "--json", log, "--key-file", log.with_name("key"), "--since", "2026-03-01T10:00:03+01:00"
    )
    assert [json.loads(line)["exchange_id"] for line in out.splitlines()] == ["x1", "x2"]


def test_a_conversation_is_found_by_its_clear_id_under_old_and_new_keys_a21_a22(
    tmp_path: Path, sidecar: Sidecar
) -> None:
    log = tmp_path / "audit"
    made: list[Entry] = []
    for version, secret in KEYS.items():
        label = MasterKey(secret, version).pseudonymizer(Purpose.AUDIT_PSEUDONYM).label("conversation", "c-100")
        made += [intent(f"x{version}"), replace(outcome(f"x{version}"), conversations=(label,))]
        (tmp_path / f"key{version}").write_text(secret.hex() + "\n")
    made += [intent("x3"), outcome("x3")]
    (tmp_path / "ids").write_text("c-99\nc-100\n")
    write_log(log, made)

    def found(*keys: str) -> list[str]:
        options = [part for key in keys for part in ("--key-file", key)]
        out = sidecar("audit", "show", "--json", log, "--conversation-file", tmp_path / "ids", *options)[1]
        return [json.loads(line)["exchange_id"] for line in out.splitlines()]

    assert found(str(tmp_path / "key1")) == ["x1"]
    assert found(str(tmp_path / "key1"), f"2={tmp_path / 'key2'}") == ["x1", "x2"]


def test_a_subject_is_found_by_the_identities_of_its_request_in_any_order_a21(
    tmp_path: Path, sidecar: Sidecar, monkeypatch: pytest.MonkeyPatch
) -> None:
    email, phone = SubjectIdentity(IdentityType.EMAIL, "a@example.com"), SubjectIdentity(IdentityType.PHONE, "555-0143")
    keys = MasterKey(KEYS[1]).pseudonymizer(Purpose.ERASURE_PSEUDONYM)
    made: list[Entry] = [
        intent("x1"),
        replace(outcome("x1"), subject=subject_pseudonym((email, phone), keys)),
        intent("x2"),
    ]
    log = tmp_path / "audit"
    write_log(log, made)
    (tmp_path / "key").write_text(KEYS[1].hex())

    def found(*subject: str) -> int:
        (tmp_path / "person").write_text("\n".join(subject))
        asked = ("audit", "show", log, "--key-file", tmp_path / "key", "--subject-file")
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
    log: Path, sidecar: Sidecar, kind: str, option: str, value: str
) -> None:
    (log.parent / "key").write_text(KEYS[1].hex())
    code, out, err = sidecar("audit", kind, log, option, value, "--key-file", log.parent / "key")
    assert (code, out) == (2, "")
    assert "--subject-file" in err
    assert value not in err


def test_the_wrong_key_is_a_clear_error_a25(log: Path, sidecar: Sidecar) -> None:
    log.with_name("key").write_text(KEYS[2].hex())
    code, out, err = sidecar("audit", "show", log, "--key-file", log.with_name("key"))
    assert (code, out) == (2, "")
    assert "not the key" in err


def test_a_pseudonym_can_be_asked_for_as_it_stands(log: Path, sidecar: Sidecar) -> None:
    asked = sidecar("audit", "show", log, "--key-file", log.with_name("key"), "--conversation", PSEUDONYM)
    assert len(asked[1].splitlines()) == 3


def test_export_writes_every_record(log: Path, sidecar: Sidecar) -> None:
    code, out, _ = sidecar("audit", "export", log, "--key-file", log.with_name("key"))
    assert code == 0
    assert [json.loads(line)["seq"] for line in out.splitlines()] == list(range(7))


def test_reading_a_broken_log_shows_what_is_sound_and_fails(log: Path, sidecar: Sidecar) -> None:
    path = segment_path(log, 0)
    path.write_bytes(path.read_bytes().replace(b'"seq":5', b'"seq":6'))
    for kind in ("show", "export"):
        code, out, err = sidecar("audit", kind, log, "--key-file", log.with_name("key"))
        assert code == 1
        assert out
        assert "edited" in err
