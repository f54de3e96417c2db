"""Questions to a log, with an index that is never believed (A37): same answers as from reading all of it."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.audit_log import LogFolder
from sidecar.audit.index import INDEX_NAME, TILE, AuditIndex
from sidecar.audit.leaf import BrokenLine
from sidecar.audit.lookup import AuditLookup
from sidecar.audit.merkle import consistency_proof, nodes_over, verify_consistency
from sidecar.audit.note import parse_checkpoint
from sidecar.audit.query import Question, rows
from sidecar.audit.reader import read_leaf_hashes, read_records
from sidecar.audit.record import Action, Event
from sidecar.audit.retention import drop, stub_of
from sidecar.audit.store import segment_path
from tests.audit.samples import intent, outcome
from tests.audit.written import lookup_of, pseudonym, visits, written

COUNT = 150  # exchanges: some tiles, several segments
MADE = visits(COUNT)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> LogFolder:
    return written(tmp_path_factory.mktemp("audit"), [Event(Action.START), *MADE], segment_records=64)


def time_of(seq: int) -> str:
    return f"2026-03-01T09:{seq // 60:02d}:{seq % 60:02d}.000000Z"


def naive(log: LogFolder, question: Question) -> set[tuple[int, ...]]:
    """Read all of it, and look at each row."""
    return {
        tuple(one.index for one in row.records)
        for row in rows(read_records(log.folder, log.keys))
        if question.admits(row)
    }


QUESTIONS = st.builds(
    Question,
    since=st.none() | st.integers(0, 310).map(time_of),
    until=st.none() | st.integers(0, 310).map(time_of),
    actor=st.none() | st.sampled_from(["trainer-0", "trainer-1", "nobody"]),
    decision=st.none() | st.sampled_from(["completed", "denied"]),
    action=st.none() | st.sampled_from(["proxy", "start", "stop"]),
    exchange_id=st.none() | st.sampled_from(["x0", "x7", "x149", "x999"]),
    pseudonyms=st.none() | st.frozensets(st.integers(0, 6).map(pseudonym), max_size=2),
)


@given(QUESTIONS)
@settings(deadline=None, max_examples=60)
def test_the_index_gives_what_reading_all_of_it_gives_a37(log: LogFolder, question: Question) -> None:
    found = [tuple(one.index for one in row.records) for row in lookup_of(log).find(question)]
    assert len(found) == len(set(found))
    assert set(found) == naive(log, question)


def test_every_record_is_proven_to_the_checkpoint_a29(log: LogFolder) -> None:
    lookup = lookup_of(log)
    checkpoint = parse_checkpoint(str(lookup.checkpoint()).partition("\n\n")[0] + "\n")
    for stored in read_records(log.folder, log.keys):
        proven = lookup.prove(stored, checkpoint)
        assert len(proven.proof) <= (checkpoint.size - 1).bit_length()


def test_consistency_proofs_are_those_of_the_whole_tree_a29(log: LogFolder) -> None:
    lookup, leaves = lookup_of(log), list(read_leaf_hashes(log.folder))
    node = nodes_over(leaves)
    for old in range(1, len(leaves), 37):
        proof = lookup.consistency(old, len(leaves))
        assert proof == consistency_proof(old, len(leaves), node)


def test_an_index_grows_with_the_log_to_what_a_fresh_one_is(tmp_path: Path) -> None:
    log = LogFolder(tmp_path, segment_records=50)
    lookup = AuditLookup(tmp_path, log.keys, AuditIndex(tmp_path / INDEX_NAME))
    for start, end in ((0, 3), (3, 3), (3, 300), (300, 301), (301, 900)):
        log.write(visits(450)[start:end])
        lookup.catch_up()
        assert lookup.size == end
    again = AuditIndex(tmp_path / "again.db")
    AuditLookup(tmp_path, log.keys, again).catch_up()
    again.close()
    for table in ("terms", "tiles", "nodes", "under_way"):
        pair = [sqlite3.connect(tmp_path / name).execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()
                for name in (INDEX_NAME, "again.db")]  # fmt: skip
        assert sorted(map(repr, pair[0])) == sorted(map(repr, pair[1])), table


def test_an_index_may_grow_little_by_little(tmp_path: Path) -> None:
    log = written(tmp_path, visits(50), segment_records=30)
    lookup = AuditLookup(tmp_path, log.keys, AuditIndex(tmp_path / INDEX_NAME))
    for size in (40, 80, 100, 100):
        lookup.catch_up(40)
        assert lookup.size == size
    assert len(list(lookup.find(Question(pseudonyms=frozenset({pseudonym(1)}))))) == 10


def test_an_index_that_leads_astray_is_made_anew(tmp_path: Path) -> None:
    log = written(tmp_path, visits(300), segment_records=200)
    lookup_of(log)
    with sqlite3.connect(tmp_path / INDEX_NAME) as database:
        database.execute("UPDATE tiles SET hashes=zeroblob(8192)")
        database.execute("UPDATE nodes SET hash=zeroblob(32)")
    lookup = AuditLookup(tmp_path, log.keys, AuditIndex(tmp_path / INDEX_NAME))
    note = lookup.checkpoint()
    assert note is not None
    stored = lookup.at(17)
    assert lookup.prove(stored, parse_checkpoint(note.text)).stored.index == 17


def test_an_index_of_another_log_is_made_anew(tmp_path: Path) -> None:
    for name in ("one", "two"):
        written(tmp_path / name, visits(30 if name == "one" else 60))
    one, two = (LogFolder(tmp_path / name) for name in ("one", "two"))
    lookup_of(one)
    (tmp_path / "two" / INDEX_NAME).write_bytes((tmp_path / "one" / INDEX_NAME).read_bytes())
    assert {row.first.index for row in lookup_of(two).find(Question(exchange_id="x59"))} == {117}


SPANNING = [
    intent("long")._replace(actor="trainer-1"),
    *visits(60),
    outcome("long")._replace(conversations=(pseudonym(1),)),
    Event(Action.LINKS_ERASED, record=3, conversations=(pseudonym(9),)),
    *visits(30),
]
"""Of segments of 64: exchanges that begin in one and end in the next, and a word on a record of the first."""
ABOUT = [
    Question(), Question(pseudonyms=frozenset({pseudonym(1)})), Question(pseudonyms=frozenset({pseudonym(9)})),
    Question(actor="trainer-1"), Question(exchange_id="x32"), Question(exchange_id="long"), Question(action="proxy"),
    Question(action="links_erased"), Question(since=time_of(30)), Question(until=time_of(150)),
    Question(since=time_of(150)),
]  # fmt: skip


@pytest.mark.parametrize("is_index_fresh", [False, True])
@pytest.mark.parametrize("dropped", [(0,), (1,), (0, 1)], ids=str)
def test_what_retention_has_left_is_found_a32_a37(
    tmp_path: Path, dropped: tuple[int, ...], is_index_fresh: bool
) -> None:
    """Of an exchange over two segments the half that is still there, by an index from before and one from after."""
    log = written(tmp_path / "audit", SPANNING, segment_records=64)
    lookup = lookup_of(log)
    for number in dropped:
        drop(log.folder, stub_of(log.folder, number, datetime(2027, 1, 1, tzinfo=UTC)), log.signer)
    if is_index_fresh:
        (log.folder / INDEX_NAME).unlink()
        lookup = lookup_of(log)
    for question in ABOUT:
        found = {tuple(one.index for one in row.records) for row in lookup.find(question)}
        assert found == naive(log, question), question
    assert lookup.introductions(lookup.size) == ()


def test_a_record_that_is_not_in_the_signed_tree_is_told(tmp_path: Path) -> None:
    log, other = written(tmp_path / "one", visits(30)), written(tmp_path / "two", visits(30))
    lookup = lookup_of(log)
    note = lookup_of(other).checkpoint()
    assert note is not None
    with pytest.raises(BrokenLine, match="rewritten"):
        lookup.prove(lookup.at(3), parse_checkpoint(note.text))


def test_what_is_read_is_checked_even_where_the_index_points(tmp_path: Path) -> None:
    log = written(tmp_path, visits(30), segment_records=500)
    lookup = lookup_of(log)
    path = segment_path(tmp_path, 0)
    data = path.read_bytes()
    place = data.index(b"record\t") + 400  # the first record is of trainer-0
    path.write_bytes(data[:place] + bytes((data[place] ^ 1,)) + data[place + 1 :])
    with pytest.raises(BrokenLine):
        list(lookup.find(Question(actor="trainer-0")))


def test_an_exchange_under_way_is_found_and_ends_later(tmp_path: Path) -> None:
    log = written(tmp_path, [intent("x1", actor="trainer-7")])
    (row,) = lookup_of(log).find(Question(actor="trainer-7"))
    assert row.members["decision"] == "pending"
    log.write([outcome("x1")])
    (row,) = lookup_of(log).find(Question(actor="trainer-7"))
    assert (row.members["decision"], row.members["end_seq"]) == ("completed", 1)


def test_an_empty_log_has_no_rows(tmp_path: Path) -> None:
    log = LogFolder(tmp_path)
    assert list(lookup_of(log).find(Question())) == []
    assert list(lookup_of(log).find(Question(pseudonyms=frozenset({pseudonym(1)})))) == []


def test_the_index_holds_no_word_of_any_record(log: LogFolder) -> None:
    lookup_of(log)
    names = [INDEX_NAME, f"{INDEX_NAME}-wal"]
    data = b"".join((log.folder / name).read_bytes() for name in names if (log.folder / name).exists())
    for word in (b"trainer-", b"completed", b"k1:", bytes.fromhex(pseudonym(3)[3:]), b"certificate", b"chat"):
        assert word not in data
    assert (log.folder / INDEX_NAME).stat().st_mode & 0o077 == 0


def test_tiles_are_of_the_size_of_tlog_tiles() -> None:
    assert TILE == 256


def test_a_proof_between_two_states_of_a_log_verifies(tmp_path: Path) -> None:
    log = written(tmp_path, visits(100))
    old = log.tree
    log.write(visits(200))
    proof = lookup_of(log).consistency(old.size, log.tree.size)
    verify_consistency(old.size, old.root(), log.tree.size, log.tree.root(), proof)
