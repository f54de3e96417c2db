"""Forgetting in the journal costs what is forgotten, and is whole wherever it is killed (E13, E40, E41)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete

from sidecar.erasure.hold import Hold, HoldGround
from sidecar.errors import KeyMaterialError, StoreUnavailable
from sidecar.keys import Purpose
from sidecar.stores import erasure_journal
from sidecar.stores.database import Database, DatabaseSettings
from sidecar.stores.erasure_journal import ErasureJournal
from sidecar.stores.erasure_tables import requests, tasks
from sidecar.stores.journal_file import JournalFile
from sidecar.stores.journal_states import destroy
from tests.erasure.test_journal import KEY, entries, journalled, opened, written
from tests.erasure.world import ID, MASTER, OTHER_ID, Clock, World, body, http_target, world
from tests.targets.upstream import running_upstream, target_mapping


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines()


def test_E41_what_is_blanked_is_gone_from_the_file_and_all_else_stays_where_it_is(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    file = written(path, b"anna", b"bert", b"anna again")
    before = lines_of(path)
    assert file.blank([0, 2], b"anna is forgotten") == 3
    after = lines_of(path)
    assert [set(after[0]), after[1], set(after[2])] == [{ord("-")}, before[1], {ord("-")}]
    assert (file.entry(1), file.entry(3)) == (b"bert", b"anna is forgotten")
    file.append(b"carl")
    file.close()
    assert entries(path) == [b"bert", b"anna is forgotten", b"carl"]


def test_E40_a_blank_that_nothing_says_is_damage(tmp_path: Path) -> None:
    """Else whoever can write to the file could have somebody forgotten."""
    path = tmp_path / "journal"
    file = written(path, b"anna", b"bert", b"carl")
    file.blank([0])
    file.close()
    data = path.read_bytes()
    bert = data.splitlines()[1]
    path.write_bytes(data.replace(bert, b"-" * len(bert)))
    with pytest.raises(KeyMaterialError, match="line 2 "):
        entries(path)


def test_E41_what_a_killed_rewriting_left_does_not_outlive_the_next_start(tmp_path: Path) -> None:
    left = tmp_path / "journal.new"
    left.write_bytes(b"sealed lines of somebody who is forgotten by now\n")
    written(tmp_path / "journal", b"bert").close()
    assert not left.exists()


KILLED = """
import os, sys
from pathlib import Path
from sidecar.stores import journal_file
from sidecar.stores import erasure_journal
from sidecar.stores.database import Database, DatabaseSettings
from sidecar.stores.erasure_journal import ErasureJournal
from sidecar.stores.erasure_tables import requests, tasks
from sidecar.stores.journal_file import JournalFile
path, what, at = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
file = JournalFile(path, bytes.fromhex(sys.argv[4]))
file.open()
list(file.read())
left = [at]
def effect(real, half=None):
    def act(*arguments):
        left[0] -= 1
        if left[0] == 0 and half is not None:
            half(*arguments)
        if left[0] <= 0:
            os.kill(os.getpid(), 9)
        return real(*arguments)
    return act
write, pwrite, fsync = os.write, os.pwrite, os.fsync
os.write = effect(write, lambda descriptor, data: write(descriptor, data[: len(data) // 2]))
os.pwrite = effect(pwrite, lambda descriptor, data, at: pwrite(descriptor, data[: len(data) // 2], at))
os.fsync = effect(fsync)
Path.rename = effect(Path.rename)
if what == "blank":
    file.blank([0, 2], b"anna is forgotten")
else:
    file.rewrite([b"bert", b"anna is forgotten"])
"""


def killed_at(path: Path, what: str, effect: int) -> bool:
    """Do it in a process that is killed before its effect of that number, half done if it writes; False: it was not."""
    command = [sys.executable, "-c", KILLED, str(path), what, str(effect), KEY.hex()]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode in (0, -9), done.stderr
    return done.returncode != 0


@pytest.mark.parametrize(("what", "least"), [("blank", 5), ("rewrite", 4)])
def test_E13_E41_killed_anywhere_all_of_it_was_forgotten_or_nothing(tmp_path: Path, what: str, least: int) -> None:
    effect = 1
    outcomes = []
    while True:
        path = tmp_path / f"{what}{effect}"
        written(path, b"anna", b"bert", b"anna again").close()
        before = lines_of(path)
        killed = killed_at(path, what, effect)
        found = entries(path)  # never damaged
        assert not path.with_name(path.name + ".new").exists()
        if b"anna is forgotten" in found:
            assert b"bert" in found
            assert not {before[0], before[2]} & set(lines_of(path))  # blanked by the reading, if not before
            assert entries(path) == [b"bert", b"anna is forgotten"]
            outcomes.append("forgotten")
        else:
            assert found == [b"anna", b"bert", b"anna again"]
            outcomes.append("kept")
        if not killed:
            break
        effect += 1
    assert effect > least
    assert outcomes == sorted(outcomes, reverse=True)
    assert set(outcomes) == {"kept", "forgotten"}


def test_E49_blanks_that_failed_are_made_by_the_next_try(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "journal"
    file = written(path, b"anna", b"bert")
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", _no_space)
        with pytest.raises(StoreUnavailable):
            file.blank([0], b"anna is forgotten")
    file.blank([0], b"anna is forgotten")
    file.close()
    assert set(lines_of(path)[0]) == {ord("-")}
    assert entries(path) == [b"bert", b"anna is forgotten", b"anna is forgotten"]


@pytest.mark.parametrize("taken", ["removed", "replaced"])
def test_E40_nothing_is_kept_in_a_file_that_no_start_will_read(
    tmp_path: Path, taken: str, caplog: pytest.LogCaptureFixture
) -> None:
    path, copy = tmp_path / "journal", tmp_path / "copy"
    file = written(path, b"anna", b"bert")
    copy.write_bytes(path.read_bytes())
    if taken == "removed":
        path.unlink()
    else:
        copy.replace(path)  # as by somebody who restores under a sidecar that runs
    with pytest.raises(StoreUnavailable):
        file.append(b"carl")
    assert "restart" in caplog.text
    with pytest.raises(StoreUnavailable):
        file.blank([0], b"anna is forgotten")
    assert taken == "removed" or entries(path) == [b"anna", b"bert"]


def _no_space(*_arguments: object) -> int:
    raise OSError(28, "No space left on device")


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, int]]:
    """How many bytes are written to the journal, appended and in place, and how often it is written anew."""
    seen = {"bytes": 0, "rewritten": 0}
    write, pwrite, rewrite = os.write, os.pwrite, JournalFile.rewrite

    def counting_write(descriptor: int, data: bytes) -> int:
        seen["bytes"] += len(data)
        return write(descriptor, data)

    def counting_pwrite(descriptor: int, data: bytes, at: int) -> int:
        seen["bytes"] += len(data)
        return pwrite(descriptor, data, at)

    def counting_rewrite(self: JournalFile, lines: Any) -> None:
        seen["rewritten"] += 1
        rewrite(self, lines)

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", counting_write)
        patch.setattr(os, "pwrite", counting_pwrite)
        patch.setattr(JournalFile, "rewrite", counting_rewrite)
        yield seen


async def test_E41_forgetting_costs_what_is_forgotten_and_not_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "state").mkdir()
    clock, path = Clock(), tmp_path / "erasure.journal"
    async with running_upstream() as upstream, journalled(tmp_path, upstream, clock) as w:
        ids = [f"00000000-0000-4000-8000-{number:012}" for number in range(60)]
        for one in ids:
            await w.submit(body(one, f"{one}@example.org"))
        journal, size = w.stores.journal, path.stat().st_size
        assert journal is not None
        with counted(monkeypatch) as seen:
            for one in ids:
                await journal.forget([one])
        assert seen["bytes"] < 4 * size  # writing it anew each time would be thirty times as much
        assert 1 <= seen["rewritten"] <= 8
        assert path.stat().st_size < size / 3
        await forgotten_are(w, path, ids)


async def forgotten_are(w: World, path: Path, ids: list[str]) -> None:
    journal = w.stores.journal
    assert journal is not None
    await journal.stop()
    file = JournalFile(path, MASTER.derive(Purpose.ERASURE_JOURNAL))
    assert [entry.count(b"forgotten") for entry in opened(file)] == [1] * len(ids)
    file.close()


async def test_E41_nothing_of_earlier_states_of_somebody_who_is_forgotten_is_left(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    clock, path = Clock(), tmp_path / "erasure.journal"
    async with running_upstream() as upstream, journalled(tmp_path, upstream, clock) as w:
        ids = [f"00000000-0000-4000-8000-{number:012}" for number in range(9)]
        for one in ids:
            await w.submit(body(one, f"{one}@example.org", verified_by=None))
        await w.intake.confirm(ids[0], "account_login")
        await w.settle()
        journal = w.stores.journal
        assert journal is not None
        mine = [lines_of(path)[number] for number in journal._kept[ids[0]].lines]
        assert len(mine) == 3  # accepted, confirmed, ended
        clock.advance(days=36)
        await w.settle()
        assert not set(mine) & set(lines_of(path))
        assert len(lines_of(path)) > 9  # not written anew for that
    async with running_upstream() as upstream, journalled(tmp_path, upstream, clock) as w:
        assert not (await w.view(ids[0])).sealed
        assert (await w.view(ids[1])).sealed


async def test_E40_a_request_is_not_held_in_memory(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    async with running_upstream() as upstream, journalled(tmp_path, upstream, Clock()) as w:
        people = [{"type": "email", "value": f"person{number}@example.org"} for number in range(50)]
        await w.submit(body(subject={"identities": people}))
        journal = w.stores.journal
        assert journal is not None
        (kept,) = journal._kept.values()
        assert (len(kept.digest), len(kept.lines)) == (16, 1)
        assert path_size(tmp_path) > 2000


def path_size(folder: Path) -> int:
    return (folder / "erasure.journal").stat().st_size


async def test_E44_after_a_rotation_the_journal_is_written_anew_at_the_first_start(tmp_path: Path) -> None:
    """Then nothing in it needs the former master key, however long somebody's request stays open."""
    path, new = tmp_path / "erasure.journal", b"n" * 32
    said = [json.dumps({"kind": "state", "id": one, "of": number}).encode() for number, one in enumerate("aba")]
    forgotten = json.dumps({"kind": "forgotten", "id": "c"}).encode()
    written(path, *said, forgotten).close()
    database = Database(DatabaseSettings(f"sqlite:///{tmp_path / 'state.db'}"))
    journal = ErasureJournal(database, JournalFile(path, new, (KEY,)))
    await journal.start()
    await journal.stop()
    alone = JournalFile(path, new)
    assert opened(alone) == [said[2], said[1], forgotten]
    alone.close()


async def test_E41_a_rewriting_that_could_not_sync_its_folder_forgets_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "state").mkdir()
    clock, path = Clock(), tmp_path / "erasure.journal"
    ids = [f"00000000-0000-4000-8000-{number:012}" for number in range(6)]
    async with running_upstream() as upstream, journalled(tmp_path, upstream, clock) as w:
        journal, opening = w.stores.journal, os.open
        assert journal is not None
        for one in ids:
            await w.submit(body(one, f"{one}@example.org"))
        for one in ids * 3:  # each change is another line
            await w.stores.holds.place(one, Hold(HoldGround.LEGAL_CLAIMS), clock())

        def no_folder(name: str, flags: int, *mode: int) -> int:
            if flags & os.O_DIRECTORY:
                raise OSError(24, "Too many open files")
            return opening(name, flags, *mode)

        with monkeypatch.context() as patch:
            patch.setattr(os, "open", no_folder)
            await journal.forget(ids[1:2])
        assert len(lines_of(path)) == 6  # it was written anew
        await journal.forget(ids[2:3])
        await journal.stop()
        file = JournalFile(path, MASTER.derive(Purpose.ERASURE_JOURNAL))
        said = [json.loads(entry) for entry in opened(file)]
        file.close()
        assert sorted(one["id"] for one in said if one["kind"] == "state") == [ids[0], *ids[3:]]


async def test_E41_a_scrubbing_that_fails_leaves_nobody_in_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "state").mkdir()
    clock = Clock()
    async with running_upstream() as upstream, journalled(tmp_path, upstream, clock) as w:
        await w.submit()
        await w.settle()
        clock.advance(days=36)
        with monkeypatch.context() as patch:
            patch.setattr(Database, "scrub", _unavailable)
            with pytest.raises(StoreUnavailable):
                await w.stores.tasks.forget(clock())
        assert not (await w.view()).sealed
        assert w.stores.journal is not None
        patched = w.stores.journal.forget_destroyed
        monkeypatch.setattr(w.stores.journal, "forget_destroyed", _nothing)  # which would find it, too
        await w.stores.tasks.forget(clock())
        monkeypatch.setattr(w.stores.journal, "forget_destroyed", patched)
        await forgotten_are(w, tmp_path / "erasure.journal", [ID])


async def _unavailable(_database: Database) -> bool:
    raise StoreUnavailable("OperationalError SQLITE_FULL")


async def _nothing() -> None:
    return


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasure_journal, "_COMPARED_EVERY_SECONDS", 0.0)


@pytest.mark.usefixtures("at_once")
async def test_E41_what_another_replica_destroyed_is_forgotten_in_ones_own_journal(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    clock = Clock()
    async with running_upstream() as upstream, journalled(tmp_path, upstream, clock) as one:
        await one.submit()
        await one.submit(body(OTHER_ID, email="bert@example.org", verified_by=None))
        targets = [http_target("crm", target_mapping(upstream.url), clock)]
        async with world(tmp_path / "state" / "state.db", targets, clock, journal=tmp_path / "other.journal") as other:
            await other.worker.recover()
            await one.settle()
            clock.advance(days=36)
            assert await other.stores.tasks.forget(clock()) == 1
        assert one.stores.journal is not None
        assert set(one.stores.journal._kept) == {ID, OTHER_ID}
        await one.stores.tasks.forget(clock())
        assert set(one.stores.journal._kept) == {OTHER_ID}


@pytest.mark.usefixtures("at_once")
async def test_E40_whom_an_old_database_does_not_know_is_not_forgotten_meanwhile(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    async with running_upstream() as upstream, journalled(tmp_path, upstream, Clock()) as w:
        await w.submit()
        journal = w.stores.journal
        assert journal is not None
        await w.database.run(lambda connection: connection.execute(delete(tasks)))
        await w.database.run(lambda connection: connection.execute(delete(requests)))
        await journal.forget_destroyed()
        assert set(journal._kept) == {ID}


@pytest.mark.usefixtures("at_once")
async def test_all_of_a_journal_is_compared_in_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "state").mkdir()
    monkeypatch.setattr(erasure_journal, "_COMPARED_AT_ONCE", 2)
    ids = [f"00000000-0000-4000-8000-{number:012}" for number in range(5)]
    async with running_upstream() as upstream, journalled(tmp_path, upstream, Clock()) as w:
        journal = w.stores.journal
        assert journal is not None
        for one in ids:
            await w.submit(body(one, f"{one}@example.org"))
        for one in ids:
            await w.database.run(partial(destroy, request_id=one, now=w.clock()))
        left = []
        for _ in range(4):
            await journal.forget_destroyed()
            left.append(len(journal._kept))
        assert left == [3, 1, 0, 0]


async def test_a_journal_is_compared_now_and_then_however_often_a_pass_is_made(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    async with running_upstream() as upstream, journalled(tmp_path, upstream, Clock()) as w:
        await w.submit()
        journal = w.stores.journal
        assert journal is not None
        await journal.forget_destroyed()
        await w.database.run(partial(destroy, request_id=ID, now=w.clock()))
        await journal.forget_destroyed()
        assert set(journal._kept) == {ID}
