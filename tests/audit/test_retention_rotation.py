"""A log goes on when the first of its keys was rotated and the segments from before that are dropped (A28, A32)."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from sidecar.audit.appender import LogKeys
from sidecar.audit.note import Signer
from sidecar.audit.retention import drop, stub_of
from sidecar.audit.segment import CHECKPOINT, checkpoint_line, parse_checkpoint_line, parse_stub
from sidecar.audit.store import pieces, segment_path, stub_path
from sidecar.audit.verify import Finding, verify
from sidecar.audit.walk import LogKey, Walk
from sidecar.errors import ConfigError
from sidecar.keys import MasterKey
from tests.audit.samples import MASTER, ORIGIN, intent, keys_of, make_log, outcome
from tests.audit.written import verified_alone

SECOND, THIEF = MasterKey(b"2" * 32, 2), MasterKey(b"9" * 32, 3)
FIRST_ALONE, BOTH, SECOND_ALONE = keys_of(), keys_of(ORIGIN, SECOND, MASTER), keys_of(ORIGIN, SECOND)
FIRST, LATER = FIRST_ALONE.signer, SECOND_ALONE.signer


async def _run(path: Path, keys: LogKeys) -> None:
    log = make_log(path, keys=keys)
    await log.start()
    await log.intend(intent("x"))
    await log.conclude(outcome("x"))
    await log.stop()


async def _written(path: Path) -> None:
    """Segment 0 under the first key, 1 with the introduction of the second, 2 and 3 under that."""
    for keys in (FIRST_ALONE, BOTH, BOTH, BOTH):
        await _run(path, keys)


def _drop(path: Path, number: int, signer: Signer = LATER) -> None:
    drop(path, stub_of(path, number, datetime.now(UTC)), signer)


def _broken(path: Path, *pinned: Signer) -> Finding | None:
    return verify(lambda: pieces(path), Walk([LogKey(one.verifier) for one in pinned])).finding


@pytest.mark.parametrize("keys", [BOTH, SECOND_ALONE], ids=["both keys", "the second alone"])
@pytest.mark.parametrize("numbers", [(), (0,), (0, 1), (0, 1, 2), (1,)])
async def test_a_log_whose_introduction_was_dropped_starts_and_verifies_a28_a32(
    tmp_path: Path, keys: LogKeys, numbers: tuple[int, ...]
) -> None:
    await _written(tmp_path / "audit")
    for number in numbers:
        _drop(tmp_path / "audit", number)
    await _run(tmp_path / "audit", keys)
    assert _broken(tmp_path / "audit") is None
    assert _broken(tmp_path / "audit", FIRST) is None
    assert verified_alone(tmp_path / "audit", str(FIRST.verifier))[0] == 0
    if 0 in numbers:  # nothing that the first key alone signed is left
        assert _broken(tmp_path / "audit", LATER) is None
        assert verified_alone(tmp_path / "audit", str(LATER.verifier))[0] == 0


async def test_a_stub_of_the_first_key_is_signed_by_the_second_while_both_are_there_a28_a32(tmp_path: Path) -> None:
    path = tmp_path / "audit"
    await _run(path, FIRST_ALONE)
    await _run(path, FIRST_ALONE)
    _drop(path, 0, FIRST)
    for _ in range(3):
        await _run(path, BOTH)
    _, note = parse_stub(stub_path(path, 0).read_bytes())
    assert len(note.verified([FIRST.verifier, LATER.verifier])) == 2
    for number in (1, 2, 3):
        _drop(path, number)
    await _run(path, SECOND_ALONE)
    for pinned in ((), (FIRST,), (LATER,)):
        assert _broken(path, *pinned) is None


async def test_a_stub_that_a_stranger_signed_stays_what_it_is_a13_a32(tmp_path: Path) -> None:
    path = tmp_path / "audit"
    await _written(path)
    _drop(path, 0, keys_of(ORIGIN, THIEF).signer)
    before = stub_path(path, 0).read_bytes()
    with pytest.raises(ConfigError, match="no key of the log signed"):
        await _run(path, BOTH)
    assert stub_path(path, 0).read_bytes() == before


async def test_who_begins_at_a_later_key_takes_one_signature_that_it_does_not_know_and_no_second_a9_a28(
    tmp_path: Path,
) -> None:
    """That of who introduced the key can't be told from a stranger's, and stands for nothing."""
    path, thief = tmp_path / "audit", keys_of(ORIGIN, THIEF).signer
    await _written(path)
    _drop(path, 0)
    await _run(path, BOTH)
    segment = segment_path(path, 1)
    lines = segment.read_bytes().splitlines(keepends=True)
    there = next(at for at, one in enumerate(lines) if one.startswith(CHECKPOINT))
    note = parse_checkpoint_line(lines[there])
    assert len(note.signatures) == 2
    segment.write_bytes(
        b"".join([*lines[:there], checkpoint_line(note.signed(thief.sign(note.text))), *lines[there + 1 :]])
    )
    for pinned in ((), (FIRST,), (LATER,)):
        finding = _broken(path, *pinned)
        assert finding is not None
        assert "signature that is none of the log's" in finding.detail
    for signer in (FIRST, LATER):
        assert verified_alone(path, str(signer.verifier))[0] == 1
