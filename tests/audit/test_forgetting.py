"""Links of a person are made unreadable, and every proof stays (A24)."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from sidecar.audit.appender import Pace
from sidecar.audit.forgetting import Findings, Linked, forget_links
from sidecar.audit.keyfile import unlock_keys
from sidecar.audit.keyring import WrapContext
from sidecar.audit.keytree import KeyTree
from sidecar.audit.link_searches import Aim, Search
from sidecar.audit.merkle import Frontier
from sidecar.audit.reader import Stored, read_leaf_hashes, read_records
from sidecar.audit.record import Action, Event
from sidecar.audit.store import key_path, segment_path
from sidecar.errors import AuditUnavailable
from tests.audit.samples import ORIGIN, check, intent, keys_of, make_log, outcome

ANNA, BERT, CARL = (f"k1:{letter * 32}" for letter in "abc")
PATH = "k1:" + "d" * 32
PROVIDER = keys_of().provider


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit"


async def _write(path: Path, pace: Pace | None = None) -> None:
    log = make_log(path, pace=pace)
    await log.start()
    for name, talks in (("both", (ANNA, BERT)), ("carl", (CARL,)), ("anna", (ANNA,))):
        await log.intend(intent(name)._replace(target_pseudonym=PATH))
        await log.conclude(outcome(name)._replace(conversations=talks, subject=talks[0]))
    await log.intend(intent("open")._replace(conversation=BERT))
    await log.stop()


async def _forget(path: Path, *pseudonyms: str) -> int:
    log = make_log(path)
    await log.start()
    count = await log.forget_subject(pseudonyms)
    await log.stop()
    return count


def _of(path: Path, name: str) -> list[Stored]:
    return [one for one in read_records(path, PROVIDER) if one.members.get("exchange_id") == name]


def _links(path: Path) -> list[Linked]:
    """Anna's, in the first segment."""
    return Findings([Search(Aim.FORGET, frozenset({ANNA}))], 1).read(path, PROVIDER).links


def _markers(path: Path) -> list[dict[str, Any]]:
    members = [dict(one.members) for one in read_records(path, PROVIDER)]
    return [one for one in members if one["action"] == Action.LINKS_ERASED]


async def test_links_of_a_person_are_unreadable_and_those_of_others_stay_a24(path: Path) -> None:
    await _write(path)
    assert await _forget(path, ANNA) == 4
    for name in ("both", "anna"):
        assert [one.links for one in _of(path, name)] == [None, None]
        assert [one.members["phase"] for one in _of(path, name)] == ["intent", "outcome"]  # the facts stay
    begun, ended = _of(path, "carl")
    assert begun.links is not None
    assert ended.members["conversations"] == [CARL]
    assert ANNA not in json.dumps([dict(one.members) for one in read_records(path, PROVIDER)])


async def test_each_erasure_is_told_of_by_the_number_of_its_record_and_nothing_else_a24(path: Path) -> None:
    await _write(path)
    gone = [one.index for name in ("both", "anna") for one in _of(path, name)]
    await _forget(path, ANNA)
    markers = _markers(path)
    assert sorted(one["record"] for one in markers) == sorted(gone)
    (about_both,) = [one for one in markers if "conversations" in one]
    assert (about_both["record"], about_both["conversations"]) == (gone[1], [BERT])  # Bert is still found
    assert all(set(one) <= {"action", "phase", "record", "segment", "conversations"} for one in markers)


async def test_every_proof_and_checkpoint_stays_valid_and_segments_untouched_a24(path: Path) -> None:
    await _write(path, Pace(segment_records=3, checkpoint_records=2, least_seconds=0))
    segments = {one: one.read_bytes() for one in path.glob("*.segment")}
    size, root = _root(path)
    await _forget(path, ANNA)
    assert {one: one.read_bytes() for one in segments} == segments
    report = check(path)
    assert report.intact
    found = report.completeness
    assert found is not None
    assert (found.erased, found.unmarked) == (4, ())
    assert _root(path, size) == (size, root)


def _root(path: Path, size: int | None = None) -> tuple[int, bytes]:
    hashes = list(read_leaf_hashes(path))[:size]
    return len(hashes), Frontier().extended(hashes).root()


async def test_the_key_of_an_erased_record_can_not_be_made_from_what_is_left_a24(path: Path) -> None:
    await _write(path)
    context = WrapContext(ORIGIN, 0)
    before = unlock_keys(key_path(path, 0).read_bytes(), PROVIDER, context)
    erased = [one.index for one in _of(path, "anna")]
    assert all(KeyTree(before.links).leaf(one) for one in erased)
    await _forget(path, ANNA)
    after = KeyTree(unlock_keys(key_path(path, 0).read_bytes(), PROVIDER, context).links)
    assert [after.leaf(one) for one in erased] == [None, None]


async def test_a_copy_of_the_segments_alone_gives_nothing_back_a24(path: Path, tmp_path: Path) -> None:
    """Segments may lie in backups and in storage that nobody can write to: what counts is the small key file."""
    await _write(path)
    backup = Path(shutil.copytree(path, tmp_path / "backup"))
    await _forget(path, ANNA)
    shutil.copyfile(segment_path(backup, 0), segment_path(path, 0))
    assert [one.links for one in _of(path, "anna")] == [None, None]


async def test_links_that_vanish_without_a_record_of_it_are_reported_a24(path: Path) -> None:
    await _write(path)
    found = _links(path)
    forget_links(path, PROVIDER, found)
    completeness = check(path).completeness
    assert completeness is not None
    assert not completeness.complete
    assert list(completeness.unmarked) == sorted(one.seq for one in found)


async def test_forgetting_twice_or_somebody_unknown_erases_nothing_more(path: Path) -> None:
    await _write(path)
    assert [await _forget(path, ANNA), await _forget(path, ANNA), await _forget(path, "k1:" + "9" * 32)] == [4, 0, 0]
    assert len(_markers(path)) == 4


async def test_what_markers_repeat_is_forgotten_too_when_its_turn_comes_a24(path: Path) -> None:
    await _write(path)
    await _forget(path, ANNA)
    assert await _forget(path, BERT) == 2  # the marker, and the intent under way
    assert BERT not in json.dumps([dict(one.members) for one in read_records(path, PROVIDER)])
    assert check(path).intact


async def test_a_crash_between_the_records_and_the_keys_is_made_good_by_calling_again_a24(path: Path) -> None:
    await _write(path)
    log = make_log(path)
    await log.start()
    for one in _links(path):  # as far as the records: then the process dies
        await log.note(one.marker)
    await log.stop()
    assert _of(path, "anna")[0].links is not None
    assert await _forget(path, ANNA) >= 4
    assert [one.links for one in _of(path, "anna")] == [None, None]
    assert check(path).intact


async def test_records_of_the_segment_that_is_written_are_forgotten_as_well_while_traffic_goes_on_a24(
    path: Path,
) -> None:
    log = make_log(path)
    await log.start()
    await log.intend(intent("x1")._replace(conversation=ANNA))
    assert await log.forget_subject([ANNA]) == 1
    await log.intend(intent("x2")._replace(conversation=ANNA))  # she writes again: that is another matter
    await log.stop()
    assert [one.links is None for one in (*_of(path, "x1"), *_of(path, "x2"))] == [True, False]
    assert check(path).intact


async def test_several_are_forgotten_and_counted_by_one_reading_each_by_what_it_asked_a24(path: Path) -> None:
    """A record that is forgotten for Anna names Bert in its marker: who counts Bert's finds it all the same."""
    await _write(path)
    wanted = {
        Search(Aim.FORGET, frozenset({ANNA})): 4,
        Search(Aim.FORGET, frozenset({ANNA, CARL})): 6,
        Search(Aim.FORGET, frozenset({"k1:" + "9" * 32})): 0,
        Search(Aim.COUNT, frozenset({BERT})): 3,  # two with Anna, and the one under way
        Search(Aim.COUNT, frozenset({CARL})): 0,
    }
    found = Findings(wanted, 1).read(path, PROVIDER)
    assert found.counts == wanted
    assert sorted(one.seq for one in found.links) == sorted(
        one.index for name in ("both", "carl", "anna") for one in _of(path, name)
    )
    assert [one.conversations for one in found.links if one.conversations] == [(BERT,)]


async def test_what_others_have_forgotten_together_is_repeated_by_no_marker_a24(path: Path) -> None:
    await _write(path)
    log = make_log(path)
    await log.start()
    reading = asyncio.create_task(log.count_links([CARL]))
    await asyncio.sleep(0)  # who asks from now on waits for it, and then shares a reading
    assert await asyncio.gather(*(log.forget_subject([one]) for one in (ANNA, BERT))) == [4, 3]
    assert await reading == 2
    assert await asyncio.gather(*(log.count_links([one]) for one in (ANNA, BERT))) == [0, 0]
    await log.stop()
    assert [one for one in _markers(path) if "conversations" in one] == []
    assert check(path).intact


async def test_an_intent_that_a_crash_left_alone_is_forgotten_though_later_segments_have_records_a24(
    path: Path,
) -> None:
    log = make_log(path, pace=Pace(segment_records=3))
    await log.start()
    await log.intend(intent("left")._replace(conversation=ANNA))
    for name in "abcd":
        await log.conclude(outcome(name)._replace(conversations=(CARL,)))
    await log.stop()
    (left,) = _of(path, "left")
    assert left.segment == 0
    assert [one.seq for one in _links(path)] == [left.index]


async def test_the_index_beside_the_log_goes(path: Path) -> None:
    await _write(path)
    for name in ("index.db", "index.db-wal"):
        (path / name).write_bytes(b"x")
    await _forget(path, ANNA)
    assert list(path.glob("index.db*")) == []


async def test_forgetting_fails_loudly_where_the_log_can_not_be_read_or_is_closed(path: Path) -> None:
    await _write(path)
    log = make_log(path)
    with pytest.raises(AuditUnavailable):
        await log.forget_subject([ANNA])
    await log.start()
    key_path(path, 0).unlink()
    with pytest.raises(AuditUnavailable, match="gone"):
        await log.forget_subject([ANNA])
    await log.note(Event(Action.STOP))  # the log itself goes on
    await log.stop()
