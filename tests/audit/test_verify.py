"""Each attack is found, by its first bad record and its kind (A9–A13, A15, A35)."""

from __future__ import annotations

import shutil
from base64 import b64decode
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sidecar.audit.anchors.anchor import Held
from sidecar.audit.anchors.verdict import Answer, Reach, Standing
from sidecar.audit.appender import LogKeys, Pace
from sidecar.audit.leaf import Flaw, Place, make_line, parse_record
from sidecar.audit.note import Note, parse_note
from sidecar.audit.record import Action, Decision, Entry, Event
from sidecar.audit.retention import stub_of
from sidecar.audit.segment import checkpoint_line
from sidecar.audit.store import key_path, numbers, pieces, segment_path, stub_path
from sidecar.audit.verify import Report, verify
from sidecar.audit.walk import LogKey, Walk
from sidecar.keys import MasterKey
from tests.audit.samples import ORIGIN, START, check, entries, intent, keys_of, outcome, write_log

PACE = Pace(segment_records=5, checkpoint_records=2, least_seconds=0)
THIEF = MasterKey(b"t" * 32)
MADE = entries(6)  # 13 records: 0–4, 5–9, 10–12


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_log(tmp_path_factory.mktemp("original") / "audit", MADE, pace=PACE)


@pytest.fixture
def log(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "audit"))


def without_keys(folder: Path, known: tuple[Note, ...] = (), pinned: LogKeys | None = None) -> Report:
    answers = [Answer("elsewhere", Reach.ANSWERED, Held("elsewhere", one)) for one in known]
    return verify(lambda: pieces(folder), Walk([LogKey((pinned or keys_of()).signer.verifier)]), answers)


def test_the_log_of_these_tests_is_as_they_assume(original: Path) -> None:
    assert numbers(original) == [0, 1, 2]
    assert [len(_records(original, number)) for number in range(3)] == [5, 5, 3]
    for report in (check(original), without_keys(original)):
        assert report.intact
        assert report.records == 13


# -- attacks on lines ------------------------------------------------------------------------------------------------

Lines = list[bytes]


def _lines(folder: Path, number: int) -> Lines:
    return segment_path(folder, number).read_bytes().splitlines(keepends=True)


def _records(folder: Path, number: int) -> Lines:
    return [one for one in _lines(folder, number) if one.startswith(b"record")]


def _on_records(number: int, change: Callable[[Lines], Lines]) -> Callable[[Path], None]:
    """Change the records of a segment, and leave its other lines where they stand."""

    def attack(folder: Path) -> None:
        lines = _lines(folder, number)
        records = [at for at, one in enumerate(lines) if one.startswith(b"record")]
        changed = change([lines[at] for at in records])
        if len(changed) == len(records) and all(one.endswith(b"\n") for one in changed):
            for at, one in zip(records, changed, strict=True):
                lines[at] = one
        else:  # checkpoints go too: who deletes or inserts would not leave them
            lines = [lines[0], *changed]
        segment_path(folder, number).write_bytes(b"".join(lines))

    return attack


def _rehashed(line: bytes, old: bytes, new: bytes) -> bytes:
    columns = line[:-1].split(b"\t")
    assert old in columns[2]
    columns[2] = columns[2].replace(old, new, 1)
    columns[1] = sha256(b"\x00" + columns[2]).hexdigest().encode()
    return b"\t".join(columns) + b"\n"


def _swapped(records: Lines) -> Lines:
    return [records[0], records[2], records[1], *records[3:]]


def _sealed_swapped(records: Lines) -> Lines:
    """Exchange what two records say, and leave their places."""
    one, other = (records[at][:-1].split(b"\t") for at in (1, 2))
    one[3], other[3] = other[3], one[3]
    return [records[0], b"\t".join(one) + b"\n", b"\t".join(other) + b"\n", *records[3:]]


def _edited(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    return lambda line: line.replace(old, new, 1)


def _edited_with_hash(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    return lambda line: _rehashed(line, old, new)


def _at(number: int, index: int, change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    return _on_records(number, lambda r: [*r[:index], change(r[index]), *r[index + 1 :]])


def _inserted(number: int, index: int, line: Callable[[Lines], bytes]) -> Callable[[Path], None]:
    return _on_records(number, lambda r: [*r[:index], line(r), *r[index:]])


SOONER, LATER = _edited_with_hash(b"T09:", b"T08:"), _edited_with_hash(b"T09:", b"T10:")
ATTACKS: list[tuple[str, Callable[[Path], object], int, Flaw]] = [
    ("flip a bit of a leaf", _at(1, 1, _edited(b"T09", b"T08")), 6, Flaw.EDITED),
    ("flip a bit of what is sealed", _at(1, 0, lambda line: line[:-2] + bytes([line[-2] ^ 1]) + b"\n"), 5, Flaw.EDITED),
    ("edit the first", _at(0, 0, SOONER), 0, Flaw.REWRITTEN),
    ("edit the last", _at(2, 2, _edited(b'"seq":12', b'"seq":13')), 12, Flaw.EDITED),
    ("edit the last with a new hash", _at(2, 2, LATER), 12, Flaw.REWRITTEN),
    ("edit with a new hash", _at(1, 2, LATER), 8, Flaw.EDITED),
    ("insert a changed line", _inserted(1, 2, lambda r: r[3].replace(b"T09", b"T08")), 7, Flaw.INSERTED),
    ("insert an old line changed", _inserted(1, 3, lambda r: LATER(r[0])), 8, Flaw.INSERTED),
    ("delete the first of a segment", _on_records(1, lambda r: r[1:]), 5, Flaw.DELETED),
    ("delete one", _on_records(1, lambda r: [*r[:2], *r[3:]]), 7, Flaw.DELETED),
    ("delete several", _on_records(0, lambda r: [r[0], *r[4:]]), 1, Flaw.DELETED),
    ("swap two", _on_records(1, _swapped), 6, Flaw.REORDERED),
    ("move to the end", _on_records(1, lambda r: [*r[1:], r[0]]), 5, Flaw.REORDERED),
    ("repeat at once", _inserted(1, 2, lambda r: r[1]), 7, Flaw.DUPLICATED),
    ("repeat at the end", _inserted(2, 3, lambda r: r[0]), 13, Flaw.DUPLICATED),
    ("tear the last", _on_records(2, lambda r: [*r[:2], r[2][:40]]), 12, Flaw.TORN),
    ("drop the last newline", _on_records(2, lambda r: [*r[:2], r[2][:-1]]), 12, Flaw.TORN),
    ("tear in the middle", _on_records(1, lambda r: [*r[:2], r[2][:40]]), 7, Flaw.TORN),
    ("write prose between", _inserted(1, 2, lambda _: b"all is well\n"), 7, Flaw.MALFORMED),
    ("empty line", _inserted(1, 2, lambda _: b"\n"), 7, Flaw.MALFORMED),
    ("swap what two say", _on_records(1, _sealed_swapped), 6, Flaw.EDITED),
]


@pytest.mark.parametrize(("attack", "index", "flaw"), [a[1:] for a in ATTACKS], ids=[a[0] for a in ATTACKS])
def test_every_attack_on_records_is_named_with_the_first_bad_one_a9(
    log: Path, attack: Callable[[Path], object], index: int, flaw: Flaw
) -> None:
    attack(log)
    for report in (without_keys(log), check(log)):  # no key is needed to see it
        assert not report.intact
        assert report.finding is not None
        assert (report.finding.seq, report.finding.flaw) == (index, flaw)


# -- attacks on segments ---------------------------------------------------------------------------------------------


def _replace(folder: Path, number: int, old: bytes, new: bytes) -> None:
    path = segment_path(folder, number)
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, 1))


def _foreign(folder: Path, number: int) -> None:
    other = write_log(folder.with_name("other"), MADE, keys_of("example.org/audit/pod-1"), PACE)
    shutil.copyfile(segment_path(other, number), segment_path(folder, number))


def _without_checkpoint(folder: Path) -> None:
    lines = _lines(folder, 2)
    segment_path(folder, 2).write_bytes(b"".join([*lines[:-1], lines[-1].replace(b"checkpoint", b"checkpaint")]))


def _repeat_checkpoint(folder: Path) -> None:
    lines = _lines(folder, 1)
    at = next(at for at, one in enumerate(lines) if one.startswith(b"checkpoint"))
    segment_path(folder, 1).write_bytes(b"".join([*lines[: at + 1], *lines[at:]]))


def _sign_as_well(folder: Path) -> None:
    """Nobody knows this key, so nobody can say whether its signature is right."""
    lines = _lines(folder, 1)
    at = next(at for at, one in enumerate(lines) if one.startswith(b"checkpoint"))
    note = parse_note(b64decode(lines[at].split(b"\t")[1]))
    lines[at] = checkpoint_line(note.signed(keys_of(ORIGIN, THIEF).signer.sign(note.text)))
    segment_path(folder, 1).write_bytes(b"".join(lines))


def _append_at(time: str) -> Callable[[Path], None]:
    """Behind the last checkpoint anybody can add a record without a key, but for what is sealed in it."""

    def attack(folder: Path) -> None:
        record, place = parse_record(_records(folder, 2)[-1])
        place = Place(place.log, place.segment, place.seq + 1, time, record.hash)
        with segment_path(folder, 2).open("ab") as stream:
            stream.write(make_line(place, ("a" * 64, "b" * 64), b"AAAA", b"AAAA")[0])

    return attack


def _false_stub(folder: Path) -> None:
    stub = stub_of(folder, 0, START)
    segment_path(folder, 0).unlink()
    stub_path(folder, 0).write_bytes(str(Note(stub.text).signed(keys_of().signer.sign(stub.text))).encode())
    _replace_in(stub_path(folder, 0), ORIGIN.encode(), b"\\ud800")


def _replace_in(path: Path, old: bytes, new: bytes) -> None:
    path.write_bytes(path.read_bytes().replace(old, new, 1))


SEGMENT_ATTACKS: list[tuple[str, Callable[[Path], object], int, Flaw]] = [
    ("delete the first", lambda log: segment_path(log, 0).unlink(), 0, Flaw.DELETED),
    ("delete one in the middle", lambda log: segment_path(log, 1).unlink(), 5, Flaw.DELETED),
    ("swap two", lambda log: segment_path(log, 0).rename(log / "x") and segment_path(log, 1).rename(
        segment_path(log, 0)) and (log / "x").rename(segment_path(log, 1)), 0, Flaw.REORDERED),
    ("repeat one", lambda log: shutil.copyfile(segment_path(log, 2), segment_path(log, 3)), 13, Flaw.REORDERED),
    ("empty one", lambda log: segment_path(log, 1).write_bytes(b""), 5, Flaw.TORN),
    ("cut the end of one", lambda log: segment_path(log, 1).write_bytes(b"".join(_lines(log, 1)[:3])), 7, Flaw.DELETED),
    ("change what it continues", lambda log: _replace(log, 1, b'"first":5', b'"first":6'), 5, Flaw.DELETED),
    ("change its time", lambda log: _replace(log, 1, b'"time":"2026', b'"time":"2025'), 5, Flaw.EDITED),
    ("change its key", lambda log: _replace(log, 1, b"+", b"-"), 7, Flaw.EDITED),
    ("change its number", lambda log: _replace(log, 1, b'"segment":1', b'"segment":2'), 5, Flaw.REORDERED),
    ("one of another log", lambda log: _foreign(log, 1), 5, Flaw.WRONG_LOG),
    ("a checkpoint of nobody", lambda log: _replace(log, 2, b"checkpoint\t", b"checkpoint\tAAAA"), 12, Flaw.EDITED),
    ("a line of no kind", _without_checkpoint, 13, Flaw.MALFORMED),
    ("a number that is none", lambda log: _replace(log, 1, b'"segment":1', b'"segment":true'), 5, Flaw.EDITED),
    ("a number too large", lambda log: _replace(log, 1, b'"first":5', b'"first":1152921504606846976'), 5, Flaw.EDITED),
    ("a name of no characters", lambda log: _replace(log, 1, ORIGIN.encode(), b"\\ud800"), 5, Flaw.EDITED),
    ("a stub of no characters", _false_stub, 0, Flaw.EDITED),
    ("repeat a checkpoint", _repeat_checkpoint, 7, Flaw.DUPLICATED),
    ("sign a checkpoint as well", _sign_as_well, 7, Flaw.EDITED),
    ("a month that is none", _append_at("2026-13-01T09:00:00.000000Z"), 13, Flaw.EDITED),
    ("a day that is none", _append_at("2027-02-29T09:00:00.000000Z"), 13, Flaw.EDITED),
    ("an hour that is none", _append_at("2026-03-01T24:00:00.000000Z"), 13, Flaw.EDITED),
]  # fmt: skip


@pytest.mark.parametrize(
    ("attack", "index", "flaw"), [a[1:] for a in SEGMENT_ATTACKS], ids=[a[0] for a in SEGMENT_ATTACKS]
)
def test_every_attack_on_segments_is_named_with_the_first_bad_record_a9_a10(
    log: Path, attack: Callable[[Path], object], index: int, flaw: Flaw
) -> None:
    attack(log)
    report = without_keys(log)
    assert not report.intact
    assert report.finding is not None
    assert (report.finding.seq, report.finding.flaw) == (index, flaw)


def test_a_log_signed_by_somebody_else_is_seen_with_the_key_pinned_a13(tmp_path: Path) -> None:
    log = write_log(tmp_path / "audit", MADE, keys_of(ORIGIN, THIEF), PACE)
    report = without_keys(log)
    assert report.finding is not None
    assert (report.finding.seq, report.finding.flaw) == (1, Flaw.UNSIGNED)
    assert verify(lambda: pieces(log)).intact  # in itself it is: that is the point of pinning


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_one_flipped_bit_anywhere_in_any_file_fails_a9(log: Path, data: st.DataObject) -> None:
    """In segments without any key; in the others with."""
    path = data.draw(st.sampled_from(sorted(one for one in log.iterdir() if one.stat().st_size)))
    whole = path.read_bytes()
    index, bit = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(0, 7))
    path.write_bytes(bytes([*whole[:index], whole[index] ^ (1 << bit), *whole[index + 1 :]]))
    try:
        if path.suffix == ".segment":
            assert not without_keys(log).intact
        else:
            with pytest.raises(Exception, match=r"key|note|signature|base64"):  # noqa: PT012 - either may raise
                check(log)
                parse_note((log / "checkpoint").read_bytes()).verified([keys_of().signer.verifier])
    finally:
        path.write_bytes(whole)


def test_a_key_file_of_another_segment_or_log_does_not_open_a25(log: Path) -> None:
    shutil.copyfile(key_path(log, 1), key_path(log, 2))
    with pytest.raises(Exception, match="belongs to another segment"):
        check(log)


# -- what only others know -------------------------------------------------------------------------------------------


def _notes(folder: Path) -> list[Note]:
    lines = (one for number in numbers(folder) for one in _lines(folder, number) if one.startswith(b"checkpoint"))
    return [parse_note(b64decode(one.split(b"\t")[1])) for one in lines]


def _cut(folder: Path) -> None:
    """Take the newest segment away, and the copy of the checkpoint back to what was before."""
    segment_path(folder, 2).unlink()
    (folder / "checkpoint").write_text(str(_notes(folder)[-1]))


def _rewrite(folder: Path) -> None:
    """Write the end anew, of the same length, with everything that the host has: all keys."""
    shutil.rmtree(folder)
    write_log(folder, [*MADE[:-1], outcome("x5", Decision.DENIED)], pace=PACE)


def _delete(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


@pytest.mark.parametrize(
    ("attack", "standing"),
    [
        (lambda folder: None, Standing.HELD),
        (_cut, Standing.MISSING),
        (_delete, Standing.MISSING),
        (_rewrite, Standing.REWRITTEN),
    ],
    ids=["nothing", "cut or rolled back", "deleted", "rewritten with all keys"],
)
def test_a_checkpoint_kept_elsewhere_tells_what_the_log_itself_can_not_a10_a11_a13(
    log: Path, attack: Callable[[Path], object], standing: Standing
) -> None:
    newest = _notes(log)[-1]
    attack(log)
    report = without_keys(log, (newest,))
    assert report.finding is None  # intact in itself: that is the point
    assert [one.standing for one in report.verdict.judgements] == [standing]
    assert report.intact is (standing is Standing.HELD)


def test_anchored_and_unanchored_are_told_apart_a13(log: Path) -> None:
    report = without_keys(log, (_notes(log)[2],))
    assert (report.verdict.anchored, report.verdict.unanchored) == (5, 8)


def test_a_checkpoint_that_no_key_of_the_log_signed_is_foreign(log: Path, tmp_path: Path) -> None:
    other = _notes(write_log(tmp_path / "other", MADE, keys_of(ORIGIN, THIEF)))[-1]
    assert [one.standing for one in without_keys(log, (other,)).verdict.judgements] == [Standing.FOREIGN]


# -- completeness ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        ([intent("a"), outcome("a"), Event(Action.STOP)], (0, 0, 0)),
        ([intent("a"), intent("b"), outcome("b")], (1, 0, 0)),
        ([outcome("a")], (0, 1, 0)),
        ([intent("a"), outcome("a"), outcome("a")], (0, 1, 0)),
        ([intent("a"), intent("a"), outcome("a")], (0, 0, 1)),
    ],
)
def test_completeness_is_a_verdict_of_its_own_a15(
    tmp_path: Path, made: list[Entry], expected: tuple[int, int, int]
) -> None:
    report = check(write_log(tmp_path / "audit", made))
    assert report.intact
    found = report.completeness
    assert found is not None
    assert (found.without_outcome, found.without_intent, found.repeated) == expected
    assert found.complete is (expected == (0, 0, 0))


def test_unfinished_exchanges_are_named_a15(tmp_path: Path) -> None:
    found = check(write_log(tmp_path / "audit", [intent("a"), intent("b"), outcome("a")])).completeness
    assert found is not None
    assert found.examples == ("b",)


def test_without_keys_nothing_is_said_of_completeness(log: Path) -> None:
    assert without_keys(log).completeness is None
