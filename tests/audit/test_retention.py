"""Old segments go as a whole, a signed stub stays, and the rest still verifies (A32)."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sidecar.audit.appender import Pace
from sidecar.audit.forgetting import Findings
from sidecar.audit.keyring import KeyProvider
from sidecar.audit.leaf import BrokenLine, Flaw
from sidecar.audit.link_searches import Aim, Search
from sidecar.audit.log import AuditLog
from sidecar.audit.merkle import Frontier
from sidecar.audit.reader import read_leaf_hashes, read_records
from sidecar.audit.record import Action
from sidecar.audit.retention import Hold, Retention, drop, expired, stub_of
from sidecar.audit.segment import parse_stub
from sidecar.audit.settings import AuditSettings
from sidecar.audit.store import key_path, numbers, pieces, segment_path, stub_path
from sidecar.audit.verify import Report, verify
from sidecar.audit.walk import LogKey, Piece, Walk
from sidecar.errors import KeyMaterialError
from sidecar.keys import MasterKey
from sidecar.metrics import Metrics
from tests.audit.samples import MASTER, ORIGIN, PSEUDONYM, START, check, entries, keys_of, make_log, read, write_log

PACE = Pace(segment_records=5, checkpoint_records=2, least_seconds=0)
DAY = timedelta(days=1)
LATER = START + 10 * DAY


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """13 records, a second apart: 0–4, 5–9, 10–12."""
    return write_log(tmp_path / "audit", entries(6), pace=PACE)


def _drop(path: Path, *numbers: int) -> None:
    for number in numbers:
        drop(path, stub_of(path, number, LATER), keys_of().signer)


def _at(second: int) -> datetime:
    return START + timedelta(seconds=second)


@pytest.mark.parametrize(
    ("keep", "holds", "numbers"),
    [
        (None, (), []),
        (5 * DAY, (), [0, 1]),  # never the newest
        (10 * DAY - timedelta(seconds=6), (), [0]),
        (11 * DAY, (), []),
        (5 * DAY, (Hold("case", START - DAY),), []),
        (5 * DAY, (Hold("case", START - DAY, START),), [1]),  # of the first it is only known when it ended
        (5 * DAY, (Hold("case", _at(2), _at(3)),), [1]),
        (5 * DAY, (Hold("case", _at(7), _at(8)),), [0]),
        (5 * DAY, (Hold("case", _at(4), _at(6)),), []),
        (5 * DAY, (Hold("case", _at(60)),), [0, 1]),
    ],
)
def test_segments_older_than_need_be_are_dropped_unless_held_a32(
    path: Path, keep: timedelta | None, holds: tuple[Hold, ...], numbers: list[int]
) -> None:
    assert expired(path, Retention(keep, holds), LATER) == numbers


@pytest.mark.parametrize("numbers", [(0,), (0, 1), (1,)])
def test_what_is_left_verifies_with_the_same_roots_a32(path: Path, numbers: tuple[int, ...]) -> None:
    hashes = list(read_leaf_hashes(path))
    before = check(path)
    _drop(path, *numbers)
    report = check(path)
    assert report.intact
    assert report.dropped == len(numbers)
    assert report.walk.size == 13
    assert report.walk.tree == before.walk.tree == Frontier().extended(hashes)
    left = [one.index for one in read_records(path, keys_of().provider)]
    assert left == [index for index in range(13) if min(index // 5, 2) not in numbers]
    assert not any(key_path(path, one).exists() or segment_path(path, one).exists() for one in numbers)


async def test_a_stub_signed_by_a_key_of_later_is_believed_by_whoever_holds_the_first_a28_a32(path: Path) -> None:
    second = MasterKey(b"2" * 32, 2)
    log = make_log(path, keys=keys_of(ORIGIN, second, MASTER))
    await log.start()
    await log.stop()
    drop(path, stub_of(path, 0, LATER), keys_of(ORIGIN, second).signer)
    assert _verified(path).intact
    log = make_log(path, keys=keys_of(ORIGIN, second, MASTER))
    await log.start()
    await log.stop()


def test_the_stub_tells_count_range_and_reason_a32(path: Path) -> None:
    _drop(path, 1)
    stub, note = parse_stub(stub_path(path, 1).read_bytes())
    note.verified([keys_of().signer.verifier])
    assert (stub.first, stub.count, stub.reason) == (5, 5, "retention")
    assert (stub.since[17:19], stub.until[17:19]) == ("05", "09")


async def test_the_log_drops_what_is_expired_and_records_it_before_a32(path: Path) -> None:
    log = make_log(path, retention=Retention(DAY))
    await log.start()
    await log.drop_expired()  # if the task of the log was not faster
    await log.stop()
    dropped = [one for one in read(path) if one["action"] == Action.SEGMENT_DROPPED]
    assert [(one["segment"], one["count"], one["reason"]) for one in dropped] == [
        (0, 5, "retention"), (1, 5, "retention"), (2, 3, "retention"),
    ]  # fmt: skip
    assert check(path).intact
    log = make_log(path)  # and the next start takes it as it is
    await log.start()
    await log.stop()
    assert check(path).intact


async def test_a_clock_that_jumps_ahead_drops_nothing_a17_a32(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What is dropped can't be had back when the clock is."""
    ahead = timedelta()
    settings = AuditSettings(path, pace=PACE, retention=Retention(DAY))
    log = AuditLog(settings, keys_of(), Metrics(), lambda: START + timedelta(hours=1) + ahead)
    await log.start()
    ahead = timedelta(days=3650)
    assert await log.drop_expired() == 0
    assert "the host's clock is ahead by 315360000 s" in caplog.text
    ahead = timedelta(seconds=-10)
    assert await log.drop_expired() == 0
    await log.stop()
    assert numbers(path) == [0, 1, 2, 3]
    assert not any(stub_path(path, one).exists() for one in range(4))


async def test_the_watch_over_closed_segments_does_not_take_a_drop_for_tampering_a8_a32(path: Path) -> None:
    log = make_log(path, retention=Retention(DAY))
    await log.start()
    await log.drop_expired()
    assert log.healthy
    await log.stop()


def test_a_crash_between_the_stub_and_the_end_of_the_segment_loses_nothing_a32(path: Path) -> None:
    copy = Path(shutil.copytree(path, path.with_name("copy")))
    _drop(path, 0)
    shutil.copyfile(stub_path(path, 0), stub_path(copy, 0))
    report = check(copy)
    assert report.intact
    assert report.dropped == 0  # the segment is there, so it counts
    _drop(copy, 0)
    assert check(copy).intact


def test_a_drop_that_a_crash_cut_off_hinders_nobody_who_has_keys_a24_a32(path: Path) -> None:
    """The stub is there, and the keys are gone for good: a longer retention may keep the rest there for ever."""
    copy = Path(shutil.copytree(path, path.with_name("copy")))
    _drop(path, 0)
    shutil.copyfile(stub_path(path, 0), stub_path(copy, 0))
    key_path(copy, 0).unlink()
    provider = keys_of().provider
    assert [one.index for one in read_records(copy, provider)] == list(range(5, 13))
    forgotten = Search(Aim.FORGET, frozenset({PSEUDONYM}))
    found, found_in_copy = (Findings([forgotten], 99).read(one, provider).links for one in (path, copy))
    assert found_in_copy == found != []
    stub_path(copy, 0).unlink()
    with pytest.raises(KeyMaterialError, match="the key file of segment 0 is gone"):
        list(read_records(copy, provider))


@pytest.mark.parametrize("keys", [None, keys_of().provider], ids=["sealed", "opened"])
@pytest.mark.parametrize("number", [0, 1])
def test_a_segment_may_be_dropped_while_others_read_a32(path: Path, keys: KeyProvider | None, number: int) -> None:
    records = read_records(path, keys)
    assert next(records).index == 0
    _drop(path, number)
    left = [one.index for one in records]
    assert left == [1, 2, 3, 4, *([] if number else [5, 6, 7, 8, 9]), 10, 11, 12]


@pytest.mark.parametrize(("number", "dropped"), [(0, 0), (1, 1)])
def test_a_segment_may_be_dropped_while_others_verify_a32(path: Path, number: int, dropped: int) -> None:
    def read() -> Iterator[Piece]:
        for piece in pieces(path):
            if piece.number == 0:
                _drop(path, number)
            yield piece

    report = verify(read, Walk([LogKey(keys_of().signer.verifier)]))
    assert report.intact
    assert (report.walk.size, report.dropped) == (13, dropped)


def _verified(path: Path) -> Report:
    return verify(lambda: pieces(path), Walk([LogKey(keys_of().signer.verifier)]))


def _edit(path: Path, old: bytes, new: bytes) -> None:
    stub = stub_path(path, 0)
    assert old in stub.read_bytes()
    stub.write_bytes(stub.read_bytes().replace(old, new))


def _forge(path: Path) -> None:
    drop(path, stub_of(path, 1, LATER), keys_of(ORIGIN, MasterKey(b"t" * 32)).signer)


def _misplace(path: Path) -> None:
    shutil.copyfile(stub_path(path, 0), stub_path(path, 1))
    segment_path(path, 1).unlink()


ATTACKS: list[tuple[str, Callable[[Path], object], Flaw]] = [
    ("delete the stub", lambda path: stub_path(path, 0).unlink(), Flaw.DELETED),
    ("edit its count", lambda path: _edit(path, b'"count":5', b'"count":4'), Flaw.EDITED),
    ("edit its reason", lambda path: _edit(path, b'"retention"', b'"misprints"'), Flaw.UNSIGNED),
    ("edit its nodes", lambda path: _edit(path, b'"nodes":[[2,"', b'"nodes":[[1,"'), Flaw.EDITED),
    ("a stub by somebody else", _forge, Flaw.UNSIGNED),
    ("a stub of another segment", _misplace, Flaw.INSERTED),
    ("no note at all", lambda path: stub_path(path, 0).write_bytes(b"dropped\n"), Flaw.EDITED),
]


@pytest.mark.parametrize(("attack", "flaw"), [a[1:] for a in ATTACKS], ids=[a[0] for a in ATTACKS])
def test_a_segment_can_not_be_made_to_vanish_by_a_false_stub_a10_a32(
    path: Path, attack: Callable[[Path], object], flaw: Flaw
) -> None:
    _drop(path, 0)
    attack(path)
    finding = _verified(path).finding
    assert finding is not None
    assert finding.flaw is flaw


def test_a_broken_segment_is_not_dropped(path: Path) -> None:
    segment = segment_path(path, 0)
    segment.write_bytes(segment.read_bytes().replace(b'"seq":2', b'"seq":3'))
    with pytest.raises(BrokenLine):
        stub_of(path, 0, datetime.now(UTC))
