"""Each attack is found, by its first bad line and its kind (A9, A11, A15)."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.audit.chain import Flaw
from sidecar.audit.record import Action, Decision, Event
from sidecar.audit.verify import Anchor, Anchoring, Report, Tail, verify
from tests.audit.samples import entries, intent, lines_of, outcome

LINES = lines_of(entries(6))  # 13 records
FOREIGN = lines_of(entries(6), log_id="b" * 32)


def _check(lines: list[bytes], anchor: Anchor | None = None) -> Report:
    return verify(lambda: iter(lines), anchor=anchor)


def _tail_after(count: int) -> Tail:
    return _check(LINES[:count]).tail


def _with(index: int, *new: bytes, drop: int = 1) -> list[bytes]:
    return [*LINES[:index], *new, *LINES[index + drop :]]


def _rewritten(index: int) -> bytes:
    """Return a record with the place of the one at ``index``, other content, and a hash that is right for it."""
    return lines_of([intent("forged", actor="somebody-else")], _tail_after(index))[0]


ATTACKS: list[tuple[str, Callable[[], list[bytes]], int, Flaw]] = [
    ("flip a bit", lambda: _with(4, LINES[4].replace(b"chat", b"chau").replace(b"proxy", b"prox{")), 5, Flaw.EDITED),
    ("edit the first", lambda: _with(0, LINES[0].replace(b"start", b"stop")), 1, Flaw.EDITED),
    ("edit the last", lambda: _with(12, LINES[12].replace(b"2048", b"2049")), 13, Flaw.EDITED),
    ("edit with a new hash", lambda: _with(4, _rewritten(4)), 6, Flaw.EDITED),
    ("insert a forged line", lambda: _with(4, _rewritten(4), drop=0), 6, Flaw.INSERTED),
    ("insert a line with a bad hash", lambda: _with(4, LINES[8].replace(b"200", b"500"), drop=0), 5, Flaw.INSERTED),
    ("insert an old line changed", lambda: _with(9, _rewritten(4), drop=0), 10, Flaw.INSERTED),
    ("delete the first", lambda: LINES[1:], 1, Flaw.DELETED),
    ("delete one", lambda: _with(5), 6, Flaw.DELETED),
    ("delete several", lambda: _with(5, drop=4), 6, Flaw.DELETED),
    ("swap two", lambda: _with(5, LINES[6], LINES[5], drop=2), 6, Flaw.REORDERED),
    ("move to the end", lambda: [*_with(3), LINES[3]], 4, Flaw.REORDERED),
    ("repeat at once", lambda: _with(5, LINES[5], LINES[5]), 7, Flaw.DUPLICATED),
    ("repeat at the end", lambda: [*LINES, LINES[2]], 14, Flaw.DUPLICATED),
    ("tear the last", lambda: [*LINES[:-1], LINES[-1][:40]], 13, Flaw.TORN),
    ("drop the last newline", lambda: [*LINES[:-1], LINES[-1][:-1]], 13, Flaw.TORN),
    ("write prose between", lambda: _with(5, b"all is well\n", drop=0), 6, Flaw.NOT_JSON),
    ("empty line", lambda: _with(5, b"\n", drop=0), 6, Flaw.NOT_JSON),
    ("a line of another log", lambda: _with(5, FOREIGN[5]), 6, Flaw.WRONG_LOG),
    ("append another log", lambda: [*LINES, *FOREIGN], 14, Flaw.WRONG_LOG),
]


@pytest.mark.parametrize(("attack", "line", "flaw"), [a[1:] for a in ATTACKS], ids=[a[0] for a in ATTACKS])
def test_every_attack_is_named_with_its_first_bad_line_a9(
    attack: Callable[[], list[bytes]], line: int, flaw: Flaw
) -> None:
    report = _check(attack())
    assert not report.intact
    assert report.finding is not None
    assert (report.finding.line, report.finding.flaw) == (line, flaw)


@pytest.mark.parametrize("count", [0, 1, 2, 13])
def test_a_healthy_log_raises_no_alarm(count: int) -> None:
    report = _check(LINES[:count])
    assert report.intact
    assert (report.records, report.tail.next_seq) == (count, count)
    assert report.tail.size == sum(len(one) for one in LINES[:count])


@settings(max_examples=300)
@given(st.data())
def test_one_flipped_byte_anywhere_fails_a9(data: st.DataObject) -> None:
    whole = bytearray(b"".join(LINES))
    index = data.draw(st.integers(0, len(whole) - 1))
    whole[index] ^= data.draw(st.integers(1, 255))
    assert not _check(bytes(whole).splitlines(keepends=True)).intact


def test_every_single_bit_of_a_line_matters_a9() -> None:
    """Exhaustive for one record, where the property above samples."""
    line = LINES[2]
    for index in range(len(line)):
        for bit in range(8):
            flipped = bytes([*line[:index], line[index] ^ (1 << bit), *line[index + 1 :]])
            assert not _check([*LINES[:2], *flipped.splitlines(keepends=True), *LINES[3:4]]).intact, (index, bit)


def _head(index: int) -> Anchor:
    return Anchor(index, json.loads(LINES[index])["hash"])


@pytest.mark.parametrize(
    ("lines", "anchor", "anchoring"),
    [
        (LINES, _head(12), Anchoring.HELD),
        (LINES, _head(3), Anchoring.HELD),
        (LINES, None, Anchoring.NONE),
        (LINES[:10], _head(12), Anchoring.MISSING),
        ([], _head(0), Anchoring.MISSING),
        (FOREIGN, _head(12), Anchoring.REWRITTEN),
        (lines_of([*entries(6)[:-1], outcome("x5", Decision.DENIED)]), _head(12), Anchoring.REWRITTEN),
    ],
    ids=["head", "older head", "none", "cut tail", "emptied", "whole log replaced", "same-length rewrite"],
)
def test_a_head_noted_elsewhere_tells_what_the_log_itself_can_not_a10_a11(
    lines: list[bytes], anchor: Anchor | None, anchoring: Anchoring
) -> None:
    report = _check(lines, anchor)
    assert report.finding is None  # intact in itself: that is the point
    assert report.anchoring is anchoring
    assert report.intact is (anchoring in (Anchoring.HELD, Anchoring.NONE))


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
def test_completeness_is_a_verdict_of_its_own_a15(made: list[object], expected: tuple[int, int, int]) -> None:
    report = _check(lines_of(made))  # type: ignore[arg-type]
    assert report.intact
    assert (report.without_outcome, report.without_intent, report.repeated) == expected
    assert report.complete is (expected == (0, 0, 0))


def test_unfinished_exchanges_are_named_a15() -> None:
    assert _check(lines_of([intent("a"), intent("b"), outcome("a")])).examples == ("b",)
