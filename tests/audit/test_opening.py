"""A start takes nothing for granted (A10–A13, A26, A28)."""

from __future__ import annotations

import shutil
from base64 import b64decode
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sidecar.audit.anchors.anchor import Held
from sidecar.audit.anchors.verdict import Answer, Reach
from sidecar.audit.appender import LogKeys, Pace
from sidecar.audit.leaf import Flaw
from sidecar.audit.note import Note, parse_note
from sidecar.audit.reader import read_leaf_hashes
from sidecar.audit.record import Action, Decision, Event
from sidecar.audit.retention import drop, stub_of
from sidecar.audit.segment import checkpoint_line
from sidecar.audit.store import key_path, pieces, segment_path
from sidecar.audit.verify import verify
from sidecar.audit.walk import LogKey, Walk
from sidecar.errors import ConfigError, KeyMaterialError
from sidecar.keys import MasterKey
from tests.audit.samples import MASTER, ORIGIN, START, check, entries, keys_of, make_log, outcome, read, write_log
from tests.audit.written import verified_alone

SECOND, THIRD = MasterKey(b"2" * 32, 2), MasterKey(b"3" * 32, 3)
THIEF = MasterKey(b"t" * 32)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit"


async def _run(path: Path, keys: LogKeys | None = None, known: tuple[Answer, ...] = ()) -> None:
    log = make_log(path, keys=keys)
    await log.start(known)
    await log.note(Event(Action.START))
    await log.stop()


def _anchored(path: Path) -> Answer:
    """The newest checkpoint, as an anchor would hold it."""
    return Answer("vault", Reach.ANSWERED, Held("vault", parse_note((path / "checkpoint").read_bytes())))


# -- roll-back, cuts, deletion ---------------------------------------------------------------------------------------


def _cut_newest(path: Path, _: Path) -> None:
    segment_path(path, 2).unlink()


def _cut_lines(path: Path, _: Path) -> None:
    lines = segment_path(path, 2).read_bytes().splitlines(keepends=True)
    segment_path(path, 2).write_bytes(b"".join(lines[:2]))


def _delete_segments(path: Path, _: Path) -> None:
    for one in (*path.glob("*.segment"), *path.glob("*.key")):
        one.unlink()


def _delete_all(path: Path, _: Path) -> None:
    shutil.rmtree(path)


def _roll_back(path: Path, yesterday: Path) -> None:
    shutil.rmtree(path)
    shutil.copytree(yesterday, path)


def _rewrite(path: Path, _: Path) -> None:
    shutil.rmtree(path)
    write_log(path, [*entries(6)[:-1], outcome("x5", Decision.DENIED)])


def _rewrite_behind_a_stub(path: Path, _: Path) -> None:
    """A stub says what its signer likes of the records that it stands for."""
    shutil.rmtree(path)
    write_log(path, [*entries(20), outcome("x20", Decision.DENIED)], pace=Pace(segment_records=30))
    drop(path, stub_of(path, 0, START), keys_of().signer)


def _take_copy_away(path: Path, _: Path) -> None:
    (path / "checkpoint").unlink()


ATTACKS: list[tuple[str, Callable[[Path, Path], None], bool, str]] = [
    ("cut the newest segment", _cut_newest, False, "the end was cut off"),
    ("cut lines behind the last checkpoint's place", _cut_lines, False, "the end was cut off"),
    ("delete all segments", _delete_segments, False, "the log was deleted"),
    ("delete the copy of the checkpoint", _take_copy_away, False, "checkpoint file is gone"),
    ("delete the whole folder", _delete_all, True, "the log was deleted"),
    ("roll back to yesterday's copy", _roll_back, True, "an old copy was put back"),
    ("rewrite with all keys", _rewrite, True, "the log was rewritten"),
    ("rewrite with all keys behind a stub", _rewrite_behind_a_stub, True, "can't be shown"),
]


@pytest.mark.parametrize(("attack", "needs_anchor", "says"), [a[1:] for a in ATTACKS], ids=[a[0] for a in ATTACKS])
async def test_a_log_that_is_not_what_was_last_signed_stops_the_start_a10_a11_a12(
    path: Path, tmp_path: Path, attack: Callable[[Path, Path], None], needs_anchor: bool, says: str
) -> None:
    await _run(path)
    yesterday = Path(shutil.copytree(path, tmp_path / "yesterday"))
    await _run(path)
    await _run(path)
    anchored = _anchored(path)
    attack(path, yesterday)
    there = {one: one.read_bytes() for one in path.rglob("*")} if path.exists() else {}
    with pytest.raises(ConfigError, match=says) as caught:
        await _run(path, known=(anchored,) if needs_anchor else ())
    assert "evidence" in str(caught.value)
    assert there.items() <= {one: one.read_bytes() for one in path.rglob("*")}.items()  # nothing was touched


async def test_a_log_that_goes_on_from_its_anchor_starts_a12(path: Path) -> None:
    for _ in range(3):
        await _run(path, known=(_anchored(path),) if path.exists() else ())
    assert check(path).intact


async def test_an_anchor_that_nobody_can_reach_does_not_stop_the_start(path: Path) -> None:
    await _run(path, known=(Answer("vault", Reach.UNREACHABLE),))


# -- names and keys --------------------------------------------------------------------------------------------------


async def test_a_log_of_another_name_or_key_stops_the_start(path: Path) -> None:
    await _run(path)
    with pytest.raises(ConfigError, match="signed by another key"):
        await _run(path, keys_of(ORIGIN, THIEF))
    with pytest.raises(ConfigError, match=r"audit\.origin|another key"):
        await _run(path, keys_of("example.org/audit/pod-1"))


async def test_a_log_rewritten_and_signed_by_a_thief_stops_the_start_a13(path: Path) -> None:
    write_log(path, entries(3), keys_of(ORIGIN, THIEF))
    (path / "checkpoint").unlink()
    with pytest.raises(ConfigError, match="signed by another key"):
        await _run(path)


async def test_a_new_key_is_introduced_by_the_old_one_and_the_first_stays_enough_a28(path: Path) -> None:
    await _run(path)
    await _run(path, keys_of(ORIGIN, SECOND, MASTER))
    await _run(path, keys_of(ORIGIN, SECOND, MASTER))  # once is enough
    await _run(path, keys_of(ORIGIN, THIRD, MASTER, SECOND))
    await _run(path, keys_of(ORIGIN, THIRD, MASTER, SECOND))

    report = verify(lambda: pieces(path), Walk([LogKey(keys_of().signer.verifier)]))
    assert report.intact
    assert [one.verifier for one in report.walk.keys] == [
        keys_of(ORIGIN, one).signer.verifier for one in (MASTER, SECOND, THIRD)
    ]
    everything = read(path, keys_of(ORIGIN, THIRD, MASTER, SECOND))
    assert len([one for one in everything if "signing_key" in one]) == 2


async def test_a_bit_of_the_new_keys_first_signature_counts_like_any_other_a9_a28(path: Path) -> None:
    await _run(path)
    await _run(path, keys_of(ORIGIN, SECOND, MASTER))
    segment, first = segment_path(path, 1), keys_of().signer.verifier
    lines = segment.read_bytes().splitlines(keepends=True)
    there = next(at for at, one in enumerate(lines) if one.startswith(b"checkpoint"))
    note = parse_note(b64decode(lines[there].split(b"\t")[1]))
    assert len(note.signatures) == 2
    for at, one in enumerate(note.signatures):
        for changed in (replace(one, made=bytes(64)), replace(one, key_id=bytes(4)), replace(one, name="somebody")):
            signatures = [changed if at == index else two for index, two in enumerate(note.signatures)]
            line = checkpoint_line(Note(note.text, tuple(signatures)))
            segment.write_bytes(b"".join([*lines[:there], line, *lines[there + 1 :]]))
            assert verify(lambda: pieces(path), Walk([LogKey(first)])).finding is not None
            assert verified_alone(path, str(first))[0] == 1


async def test_a_key_that_nobody_introduced_is_not_believed_a28(path: Path) -> None:
    await _run(path, keys_of(ORIGIN, SECOND))
    finding = verify(lambda: pieces(path), Walk([LogKey(keys_of().signer.verifier)])).finding
    assert finding is not None
    assert finding.flaw is Flaw.UNSIGNED


async def test_a_key_can_be_believed_up_to_a_size_only_a28(path: Path) -> None:
    """A stolen key signs what the thief likes: what it signed beyond the theft counts for nothing."""
    await _run(path)
    await _run(path)
    stolen = keys_of().signer.verifier
    assert verify(lambda: pieces(path), Walk([LogKey(stolen, until=4)])).intact
    finding = verify(lambda: pieces(path), Walk([LogKey(stolen, until=3)])).finding
    assert finding is not None
    assert (finding.flaw, finding.seq) == (Flaw.UNSIGNED, 4)


async def test_a_stolen_key_introduces_no_other_a28(path: Path) -> None:
    """The thief goes back to a size from before the theft, names a key of his own, and signs the rest with that."""
    await _run(path)
    await _run(path, keys_of(ORIGIN, SECOND, MASTER))
    stolen, second = keys_of().signer.verifier, keys_of(ORIGIN, SECOND).signer.verifier
    finding = verify(lambda: pieces(path), Walk([LogKey(stolen, until=10)])).finding
    assert finding is not None
    assert "the key that the segment names is none of the log's" in finding.detail
    assert verify(lambda: pieces(path), Walk([LogKey(stolen, until=10), LogKey(second)])).intact
    code, said = verified_alone(path, f"{stolen}@10")
    assert code == 1
    assert "a key that is not the log's" in said
    assert verified_alone(path, f"{stolen}@10", str(second))[0] == 0


async def test_a_rotated_wrapping_key_changes_key_files_only_a26(path: Path) -> None:
    await _run(path)
    await _run(path)
    segments = {one: segment_path(path, one).read_bytes() for one in range(2)}
    hashes = list(read_leaf_hashes(path))
    before = [key_path(path, one).read_bytes() for one in range(2)]
    await _run(path, keys_of(ORIGIN, SECOND, MASTER))
    assert {one: segment_path(path, one).read_bytes() for one in range(2)} == segments
    assert list(read_leaf_hashes(path))[: len(hashes)] == hashes
    assert all(key_path(path, one).read_bytes() != before[one] for one in range(2))

    only_new = keys_of(ORIGIN, SECOND)
    assert verify(lambda: pieces(path), Walk([LogKey(keys_of().signer.verifier)])).intact
    rotated = [one for one in read(path, only_new) if "wrapping_key" in one]  # the old key is not needed any more
    assert [(one["wrapping_key"], one["count"]) for one in rotated] == [("local:2", 2)]
    with pytest.raises(KeyMaterialError, match="local:2, which was not given"):
        read(path)  # and alone it opens nothing


async def test_segments_open_after_many_rotations_a26(path: Path) -> None:
    masters = [MasterKey(bytes([version]) * 32, version) for version in range(1, 6)]
    for at, master in enumerate(masters):
        await _run(path, keys_of(ORIGIN, master, *masters[:at]))
    assert [one["action"] for one in read(path, keys_of(ORIGIN, masters[-1]))].count("start") == 5


async def test_a_revoked_key_leaves_records_unreadable_and_the_log_verifiable_a26(path: Path) -> None:
    await _run(path)
    with pytest.raises(KeyMaterialError):
        read(path, keys_of(ORIGIN, SECOND))
    assert verify(lambda: pieces(path), Walk([LogKey(keys_of().signer.verifier)])).intact
