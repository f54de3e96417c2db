"""The verifier that auditors use instead of us: one file, run as a process, on sound and attacked logs (A9–A15)."""

from __future__ import annotations

import ast
import sys
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.audit_log import MASTER, START, LogFolder
from sidecar.audit.note import Checkpoint
from sidecar.audit.retention import drop, stub_of
from sidecar.audit.store import CHECKPOINT_NAME, key_path, segment_path
from tests.audit.written import VERIFIER, verified, verified_alone, visits, written

Attack = Callable[[LogFolder], None]


@pytest.fixture
def log(tmp_path: Path) -> LogFolder:
    return written(tmp_path / "log", visits(50), segment_records=40)


def test_it_depends_on_nothing_but_cryptography_and_the_standard_library() -> None:
    tree = ast.parse(VERIFIER.read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} - sys.stdlib_module_names == {"cryptography"}


def test_a_healthy_log_is_intact(log: LogFolder) -> None:
    code, said = verified("log", log.folder, log)
    assert code == 0
    assert "integrity: intact (100 records, 0 of them dropped; 10 checkpoints)" in said
    assert "completeness: not looked at" in said


def test_completeness_is_a_verdict_of_its_own_a15(log: LogFolder, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(MASTER.secret.hex() + "\n")
    assert "completeness: complete" in verified("log", log.folder, log, "--master-key", tmp_path / "key")[1]
    log.write(visits(3)[:3])
    code, said = verified("log", log.folder, log, "--master-key", tmp_path / "key")
    assert code == 0
    assert "integrity: intact" in said
    assert "completeness: INCOMPLETE\n  1 intents without outcome" in said


def edit(old: bytes, new: bytes, segment: int = 1) -> Attack:
    def attack(log: LogFolder) -> None:
        path = segment_path(log.folder, segment)
        data = path.read_bytes()
        assert old in data
        path.write_bytes(data.replace(old, new, 1))

    return attack


def lines(change: Callable[[list[bytes]], list[bytes]], segment: int = 1) -> Attack:
    def attack(log: LogFolder) -> None:
        path = segment_path(log.folder, segment)
        path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))

    return attack


def wipe(log: LogFolder) -> None:
    for path in log.folder.iterdir():
        path.unlink()


def another(log: LogFolder) -> None:
    segment_path(log.folder, 2).write_bytes(b"segment\t{}\n")


def rewrite(log: LogFolder) -> None:
    """Who has the signing key writes another log of the same length in its place."""
    wipe(log)
    written(log.folder, visits(50, people=7), segment_records=40)


def truncate(log: LogFolder) -> None:
    """The log ends at an earlier checkpoint, as if nothing had come after."""
    segment_path(log.folder, 2).unlink()
    key_path(log.folder, 2).unlink()
    (log.folder / CHECKPOINT_NAME).unlink()


SEEN_ALONE: dict[str, tuple[Attack, str]] = {
    "edited": (edit(b'"seq":43,', b'"seq":44,'), "line 5 (record 43): edited"),
    "a sealed part": (
        lines(lambda all_: [*all_[:4], all_[4][:-9] + bytes([all_[4][-9] ^ 1]) + all_[4][-8:], *all_[5:]]),
        "record 43",
    ),
    "deleted": (lines(lambda all_: [*all_[:4], *all_[5:]]), "deleted"),
    "duplicated": (lines(lambda all_: [*all_[:5], all_[4], *all_[5:]]), "duplicated"),
    "reordered": (lines(lambda all_: [*all_[:4], all_[5], all_[4], *all_[6:]]), "reordered"),
    "torn": (lines(lambda all_: [*all_[:-1], all_[-1][:50]], 2), "torn"),
    "a segment gone": (lambda log: segment_path(log.folder, 1).unlink(), "segment 1: deleted"),
    "all gone": (wipe, "no segment"),
    "a checkpoint gone": (lines(lambda all_: [one for one in all_ if one[:5] != b"check"], 2), ""),
    "a segment emptied": (lines(lambda _: [], 2), "segment 2: torn"),
    "the tail gone": (lines(lambda all_: all_[:8], 2), "cut"),
    "the key that is named": (edit(b'"key":"sidecar', b'"key":"Sidecar'), "a key that is not the log's"),
    "another's segment": (another, "edited"),
}


@pytest.mark.parametrize("name", SEEN_ALONE)
def test_what_is_seen_in_the_log_alone_a9(log: LogFolder, name: str) -> None:
    attack, word = SEEN_ALONE[name]
    before = log.folder / CHECKPOINT_NAME
    kept = before.read_bytes()
    attack(log)
    code, said = verified("log", log.folder, log)
    if name == "a checkpoint gone":  # the next one covers what it covered
        assert code == 0
        assert "20 records behind the last checkpoint" in said
        (log.folder.parent / "kept").write_bytes(kept)
        assert verified("log", log.folder, log, "--checkpoint", log.folder.parent / "kept")[0] == 0
        return
    assert code == 1
    assert "integrity: BROKEN" in said
    assert word in said


@pytest.mark.parametrize(("attack", "word"), [(truncate, "cut"), (rewrite, "rewritten")])
def test_what_only_a_checkpoint_from_elsewhere_shows_a10_a11_a13(log: LogFolder, attack: Attack, word: str) -> None:
    kept = log.folder.parent / "anchored"
    kept.write_bytes((log.folder / CHECKPOINT_NAME).read_bytes())
    code, said = verified("log", log.folder, log, "--checkpoint", kept)
    assert code == 0
    assert "anchored: 100; unanchored tail: 0" in said
    attack(log)
    assert verified("log", log.folder, log)[0] == 0
    code, said = verified("log", log.folder, log, "--checkpoint", kept)
    assert code == 1
    assert word in said


def test_a_tail_behind_the_anchor_is_told_apart_a13(log: LogFolder) -> None:
    kept = log.folder.parent / "anchored"
    kept.write_bytes((log.folder / CHECKPOINT_NAME).read_bytes())
    log.write(visits(10))
    assert "anchored: 100; unanchored tail: 20" in verified("log", log.folder, log, "--checkpoint", kept)[1]


def test_a_stub_does_not_stand_for_what_an_anchor_saw_a13_a32(log: LogFolder) -> None:
    """Whoever has the log's key can make up a stub for records of any kind."""
    early, newest = log.folder.parent / "early", log.folder.parent / "newest"
    newest.write_bytes((log.folder / CHECKPOINT_NAME).read_bytes())
    lines = segment_path(log.folder, 0).read_bytes().splitlines()
    early.write_bytes(next(b64decode(one.split(b"\t")[1]) for one in lines if one.startswith(b"checkpoint")))
    drop(log.folder, stub_of(log.folder, 0, START), log.signer)
    assert verified("log", log.folder, log, "--checkpoint", early, "--checkpoint", newest)[0] == 0
    code, said = verified("log", log.folder, log, "--checkpoint", early)
    assert code == 1
    assert "not shown: only stubs are left" in said


def test_another_key_than_the_first_is_not_believed_a28(log: LogFolder, tmp_path: Path) -> None:
    other = LogFolder(tmp_path, origin="sidecar.example/other")
    code, said = verified("log", log.folder, other)
    assert code == 1
    assert "no key of the log signed it" in said


def test_a_key_is_believed_up_to_where_it_was_cut_off_a28(log: LogFolder) -> None:
    class Until:
        signer = type("S", (), {"verifier": f"{log.signer.verifier}@60"})

    code, said = verified("log", log.folder, Until)  # type: ignore[arg-type]
    assert code == 1
    assert "(record 70)" in said


def test_a_forged_checkpoint_is_none(log: LogFolder, tmp_path: Path) -> None:
    note = Checkpoint(log.origin, 100, log.tree.root()).signed_by(log.signer)
    (tmp_path / "forged").write_text(str(note).replace("\n100\n", "\n99\n"))
    assert verified("log", log.folder, log, "--checkpoint", tmp_path / "forged")[0] == 1


def test_a_wrong_master_key_opens_nothing(log: LogFolder, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("11" * 32)
    code, said = verified("log", log.folder, log, "--master-key", tmp_path / "key")
    assert code == 1
    assert "does not open with this key" in said


def test_what_can_not_be_read_is_usage(log: LogFolder, tmp_path: Path) -> None:
    assert verified("log", tmp_path / "nowhere", log)[0] == 2
    assert verified("bundle", tmp_path / "nowhere", log)[0] == 2


@pytest.mark.parametrize("held", ["", "zz" * 32, "11" * 31, "\u00e9"])
def test_a_key_that_is_none_says_nothing_of_the_log(log: LogFolder, tmp_path: Path, held: str) -> None:
    (tmp_path / "key").write_text(held, encoding="latin-1")
    code, said = verified("log", log.folder, log, "--master-key", tmp_path / "key")
    assert code == 2
    assert "no readable file of 64 hex digits" in said
    assert verified_alone(log.folder, "no+vkey")[0] == 2
