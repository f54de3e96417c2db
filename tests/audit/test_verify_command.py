"""``sidecar audit verify``: what an operator types and sees (A9–A15, A28)."""

from __future__ import annotations

import asyncio
import shutil
from base64 import b64decode
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from sidecar.audit.appender import Pace
from sidecar.audit.completeness import Hush
from sidecar.audit.leaf import instant
from sidecar.audit.note import Note
from sidecar.audit.record import Action, Event
from sidecar.audit.retention import drop, stub_of
from sidecar.audit.store import key_path, segment_path, stub_path
from sidecar.disk import write_whole
from sidecar.keys import MasterKey
from tests.audit.conftest import Sidecar
from tests.audit.samples import MASTER, ORIGIN, START, check, entries, keys_of, make_log, outcome, read, write_log


@pytest.fixture
def sidecar(sidecar: Sidecar) -> Sidecar:
    return partial(sidecar, "audit", "verify")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    (tmp_path / "key").write_text(MASTER.secret.hex())
    return write_log(tmp_path / "audit", entries(3))


@pytest.fixture
def key(log: Path) -> Path:
    return log.with_name("key")


def test_it_says_intact_and_complete_and_prints_name_key_and_head(log: Path, key: Path, sidecar: Sidecar) -> None:
    code, out, _ = sidecar(log, "--key-file", key)
    assert code == 0
    assert "integrity: intact (7 records)" in out
    assert "completeness: complete" in out
    assert f"log: {ORIGIN}" in out
    assert f"key: {keys_of().signer.verifier}" in out
    assert "head: 6:" in out


def test_without_the_key_integrity_is_checked_and_completeness_is_not_called_complete_a15(
    log: Path, sidecar: Sidecar
) -> None:
    code, out, _ = sidecar(log)
    assert code == 0
    assert "integrity: intact (7 records)" in out
    assert "completeness: NOT CHECKED" in out
    assert "the log itself names" in out


@pytest.fixture
def half_dropped(tmp_path: Path) -> Path:
    """A log whose first segment was being dropped when the sidecar was killed: the stub is there, the keys are gone."""
    path = write_log(tmp_path / "dropped", [*entries(6)[:-1], outcome("x5")], pace=Pace(segment_records=5))
    signer = keys_of().signer
    note = Note(stub_of(path, 0, START).text)
    write_whole(stub_path(path, 0), str(note.signed(signer.sign(note.text))).encode())
    key_path(path, 0).unlink()
    return path


def test_a_segment_whose_keys_went_with_a_drop_that_was_cut_off_is_checked_unopened_a15_a32(
    half_dropped: Path, key: Path, sidecar: Sidecar
) -> None:
    code, out, _ = sidecar(half_dropped, "--key-file", key)
    assert code == 0
    assert "integrity: intact (13 records)" in out
    assert "1 segments can't be opened any more" in out
    assert "completeness: NOT CHECKED (not all records can be opened)" in out


@pytest.mark.parametrize("how", ["of another segment", "by somebody else", "none"])
def test_keys_that_somebody_took_away_are_no_drop_a10_a32(
    half_dropped: Path, key: Path, sidecar: Sidecar, how: str
) -> None:
    stub = stub_path(half_dropped, 0)
    note = Note(stub_of(half_dropped, 1 if how == "of another segment" else 0, START).text)
    signer = keys_of(ORIGIN, MasterKey(bytes(32))).signer if how == "by somebody else" else keys_of().signer
    write_whole(stub, str(note.signed(signer.sign(note.text))).encode() if how != "none" else b"dropped\n")
    code, out, err = sidecar(half_dropped, "--key-file", key)
    assert code != 0
    assert "intact" not in out
    assert ("BROKEN" in out) == (how == "by somebody else")
    assert ("the key file of segment 0 is gone" in err) == (how != "by somebody else")


def test_it_names_the_first_broken_record_and_fails_a9(log: Path, sidecar: Sidecar) -> None:
    path = segment_path(log, 0)
    path.write_bytes(path.read_bytes().replace(b'"seq":3', b'"seq":4'))
    code, out, _ = sidecar(log)
    assert code == 1
    assert "integrity: BROKEN" in out
    assert "(record 3): edited" in out


def test_it_says_incomplete_apart_from_integrity_a15(tmp_path: Path, key: Path, sidecar: Sidecar) -> None:
    code, out, _ = sidecar(write_log(tmp_path / "open", entries(3)[:-1]), "--key-file", key)
    assert code == 0
    assert "integrity: intact" in out
    assert "completeness: INCOMPLETE" in out
    assert "    x2" in out


def test_a_cut_tail_is_seen_with_an_expected_head_a10(log: Path, sidecar: Sidecar) -> None:
    _, out, _ = sidecar(log)
    head = out.rpartition("head: ")[2].strip()
    assert sidecar(log, "--expect-head", head)[0] == 0
    assert sidecar(log, "--expect-head", f"6:{'0' * 64}")[0] == 1
    lines = segment_path(log, 0).read_bytes().splitlines(keepends=True)
    segment_path(log, 0).write_bytes(b"".join(lines[:-3]))
    (log / "checkpoint").unlink()
    assert sidecar(log)[0] == 0
    code, out, _ = sidecar(log, "--expect-head", head)
    assert code == 1
    assert "records were cut off" in out


def test_a_cut_tail_is_seen_by_the_copy_of_the_checkpoint_and_by_one_kept_elsewhere_a10_a13(
    log: Path, tmp_path: Path, sidecar: Sidecar
) -> None:
    kept = Path(shutil.copyfile(log / "checkpoint", tmp_path / "kept"))
    code, out, _ = sidecar(log, "--checkpoint", kept)
    assert code == 0
    assert "anchored: 7 records; unanchored tail: 0 records" in out
    lines = segment_path(log, 0).read_bytes().splitlines(keepends=True)
    segment_path(log, 0).write_bytes(b"".join(lines[:-3]))
    assert sidecar(log)[0] == 1
    (log / "checkpoint").unlink()
    assert sidecar(log)[0] == 0
    code, out, _ = sidecar(log, "--checkpoint", kept)
    assert code == 1
    assert "MISSING" in out


def test_what_lies_beside_the_log_is_not_called_an_anchor_a13(log: Path, tmp_path: Path, sidecar: Sidecar) -> None:
    """Whoever can rewrite the log can rewrite its copy of the checkpoint."""
    code, out, _ = sidecar(log)
    assert code == 0
    assert "anchored: 0 records; unanchored tail: 7 records" in out
    assert f"vouches for nothing: {log / 'checkpoint'} (7 records)" in out
    kept = Path(shutil.copyfile(log / "checkpoint", tmp_path / "kept"))
    assert "anchored: 7 records; unanchored tail: 0 records" in sidecar(log, "--checkpoint", kept)[1]


@pytest.mark.parametrize("is_dropped", [False, True])
def test_a_copy_of_the_checkpoint_that_was_spoiled_is_no_mistake_of_who_asks_a9(
    tmp_path: Path, sidecar: Sidecar, is_dropped: bool
) -> None:
    log = write_log(tmp_path / "audit", entries(6), pace=Pace(segment_records=5))
    if is_dropped:
        drop(log, stub_of(log, 0, START), keys_of().signer)
    (log / "checkpoint").write_bytes(b"spoiled")
    code, out, _ = sidecar(log)
    assert code == 1
    assert "integrity: BROKEN (13 records)" in out
    assert "FOREIGN: no key of this log signed it" in out


def test_a_log_can_not_move_the_cursor_of_who_looks(log: Path, sidecar: Sidecar) -> None:
    """A log may call itself what it likes: also what would write another verdict over this one."""
    path = segment_path(log, 0)
    name = b'"log":"\\u001b[2J\\u001b[Hintegrity: intact"'
    path.write_bytes(path.read_bytes().replace(b'"log":"%b"' % ORIGIN.encode(), name, 1))
    code, out, _ = sidecar(log)
    assert code == 1
    assert "\x1b" not in out
    assert "log: ?[2J?[Hintegrity: intact" in out


@pytest.mark.parametrize("options", [(), ("--key", str(keys_of().signer.verifier))])
def test_a_folder_without_a_log_is_not_called_intact_a10(
    tmp_path: Path, sidecar: Sidecar, options: tuple[str, ...]
) -> None:
    (tmp_path / "empty").mkdir()
    code, out, _ = sidecar(tmp_path / "empty", *options)
    assert code == 1
    assert "integrity: BROKEN (0 records)" in out
    assert "the log was deleted, or this is not its folder" in out


def test_a_log_is_held_against_what_was_dropped_by_newer_checkpoints_alone_a13_a32(
    tmp_path: Path, sidecar: Sidecar
) -> None:
    """With the log's key a stub can be made up for any records: it must not stand for those that an anchor saw."""
    path = write_log(tmp_path / "audit", entries(6), pace=Pace(2, least_seconds=0, segment_records=5))
    newest = Path(shutil.copyfile(path / "checkpoint", tmp_path / "newest"))
    lines = segment_path(path, 0).read_bytes().splitlines()
    early = next(b64decode(one.split(b"\t")[1]) for one in lines if one.startswith(b"checkpoint"))
    (tmp_path / "early").write_bytes(early)
    head = sidecar(path, "--checkpoint", tmp_path / "early")[1].rpartition("head: ")[2].strip()
    drop(path, stub_of(path, 0, START), keys_of().signer)
    code, out, _ = sidecar(path, "--checkpoint", tmp_path / "early")
    assert code == 1
    assert "integrity: NOT SHOWN (13 records)" in out
    assert "DROPPED: only stubs are left" in out
    code, out, _ = sidecar(path, "--checkpoint", tmp_path / "early", "--checkpoint", newest)
    assert code == 0
    assert "integrity: intact (13 records)" in out
    assert sidecar(path, "--expect-head", head)[0] == 0
    code, out, _ = sidecar(path, "--expect-head", f"1:{'0' * 64}")
    assert code == 1
    assert "integrity: NOT SHOWN" in out
    assert "whether it was there can't be seen any more" in out


def test_a_key_noted_elsewhere_is_what_counts_a28(log: Path, tmp_path: Path, sidecar: Sidecar) -> None:
    vkey = str(keys_of().signer.verifier)
    assert sidecar(log, "--key", vkey)[0] == 0
    assert sidecar(log, "--key", f"{vkey}@7")[0] == 0
    assert sidecar(log, "--key", f"{vkey}@3")[0] == 1
    forged = write_log(tmp_path / "forged", entries(3), keys_of(ORIGIN, MasterKey(b"t" * 32)))
    assert sidecar(forged)[0] == 0
    code, out, _ = sidecar(forged, "--key", vkey)
    assert code == 1
    assert "unsigned" in out


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("LOG", "--expect-head", "12"),
        ("LOG", "--expect-head", "x:" + "0" * 64),
        ("LOG", "--key", "nonsense"),
        ("LOG", "--checkpoint", "KEY"),
        ("LOG", "--checkpoint", "nowhere"),
        ("LOG", "--key-file", "nowhere"),
        ("LOG", "--key-file", "WRONG"),
        ("nowhere",),
        ("KEY",),
        ("OLD",),
    ],
)
def test_bad_usage_is_exit_2_with_a_word_of_help(
    log: Path, key: Path, tmp_path: Path, sidecar: Sidecar, arguments: tuple[str, ...]
) -> None:
    places = {"LOG": log, "KEY": key, "WRONG": tmp_path / "wrong", "OLD": tmp_path / "old"}
    places["WRONG"].write_text("ff" * 32)
    places["OLD"].write_text('{"entry":{"action":"start"}}\n')
    code, out, err = sidecar(*(places.get(one, one) for one in arguments))
    assert code == 2
    assert out == ""
    assert err.strip()


def test_a_file_of_the_old_format_is_refused_with_what_to_do(tmp_path: Path, sidecar: Sidecar) -> None:
    (tmp_path / "audit.jsonl").write_text('{"entry":{"action":"start"}}\n')
    code, _, err = sidecar(tmp_path / "audit.jsonl")
    assert code == 2
    assert "before version 2" in err
    assert "release that wrote it" in err


# -- silence ---------------------------------------------------------------------------------------------------------


async def test_an_idle_log_says_that_it_is_alive_a14(tmp_path: Path) -> None:
    log = make_log(tmp_path / "audit", heartbeat_seconds=0.05)
    await log.start()
    size = log.size
    while log.size < size + 3:  # noqa: ASYNC110 - nothing tells of a heartbeat but the log
        await asyncio.sleep(0.01)
    await log.stop()
    assert {one["action"] for one in read(tmp_path / "audit")} == {"heartbeat"}
    assert check(tmp_path / "audit").intact


@pytest.mark.parametrize(
    ("seconds", "limit", "silences"),
    [
        ([0, 60, 120, 181], 60.0, 1),
        ([0, 60, 120, 180], 60.0, 0),
        ([0, 59, 61], 1.5, 2),
        ([0, 5, 6, 400, 401], 180.0, 1),
    ],
)
def test_a_stretch_without_records_is_named_a14(seconds: list[int], limit: float, silences: int) -> None:
    hush = Hush(limit)
    for seq, second in enumerate(seconds):
        hush.hear(seq, instant(START + timedelta(seconds=second)))
    assert len(hush.found) == silences


def test_missing_heartbeats_are_reported_as_possible_suppression_a14(
    tmp_path: Path, sidecar: Sidecar, key: Path
) -> None:
    made = [Event(Action.START), Event(Action.HEARTBEAT), Event(Action.STOP), Event(Action.START)]
    log = write_log(tmp_path / "silent", made, pace=Pace(), seconds=[0, 600, 660, 7200])
    code, out, _ = sidecar(log)
    assert code == 0
    assert "silences: 2" in out
    code, out, _ = sidecar(log, "--key-file", key)  # whoever reads the records knows that it was stopped
    assert "silences: 1 (no record and no heartbeat: stopped, or suppressed)" in out
    assert "behind record 0" in out
    assert "silences" not in sidecar(log, "--silence-seconds", "9000")[1]
