"""The journal beside the database: nothing is forgotten when an old database is put back (E1, E40, E41, E49)."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sidecar.erasure.deadlines import ExtensionGround
from sidecar.erasure.hold import Hold, HoldGround
from sidecar.errors import ConfigError, KeyMaterialError, StoreUnavailable
from sidecar.keys import Purpose
from sidecar.stores.journal_file import JournalFile
from tests.erasure.world import CANARY, ID, MASTER, OTHER_ID, Clock, World, body, bytes_on_disk, http_target, world
from tests.targets.upstream import Upstream, running_upstream, target_mapping

KEY = MASTER.derive(Purpose.ERASURE_JOURNAL)


@asynccontextmanager
async def journalled(folder: Path, upstream: Upstream, clock: Clock) -> AsyncIterator[World]:
    targets = [http_target("crm", target_mapping(upstream.url), clock)]
    async with world(folder / "state" / "state.db", targets, clock, journal=folder / "erasure.journal") as w:
        await w.worker.recover()
        yield w


def put_back(folder: Path, copy: Path) -> None:
    shutil.rmtree(folder / "state")
    shutil.copytree(copy, folder / "state")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "state").mkdir()
    return tmp_path


async def test_E40_a_request_that_an_old_database_lacks_is_brought_back_and_done(folder: Path) -> None:
    clock = Clock()
    async with running_upstream() as upstream:
        async with journalled(folder, upstream, clock):
            pass
        shutil.copytree(folder / "state", folder / "old")
        async with journalled(folder, upstream, clock) as w:
            await w.submit()
        put_back(folder, folder / "old")
        upstream.customers[CANARY] = 1
        async with journalled(folder, upstream, clock) as w:
            assert await w.state() == "pending"
            assert w.metrics.registry.get_sample_value("sidecar_erasure_recovered_requests_total") == 1
            await w.settle()
            assert await w.state() == "completed"
            assert (await w.submit()).new is False
        assert upstream.customers == {}


async def test_E40_a_request_that_had_ended_is_done_once_more_in_a_new_round(folder: Path) -> None:
    clock = Clock()
    async with running_upstream() as upstream:
        async with journalled(folder, upstream, clock) as w:
            await w.submit()
            shutil.copytree(folder / "state", folder / "old")
            await w.settle()
        put_back(folder, folder / "old")
        upstream.customers[CANARY] = 1  # the same backup brought the person back elsewhere, too
        async with journalled(folder, upstream, clock) as w:
            await w.settle()
            assert ((await w.view()).round, await w.state()) == (2, "completed")
        assert upstream.customers == {}


async def test_E31_a_hold_that_an_old_database_lacks_is_in_force_again_and_one_that_was_lifted_is_not(
    folder: Path,
) -> None:
    clock = Clock()
    async with running_upstream() as upstream:
        upstream.customers[CANARY] = 1
        async with journalled(folder, upstream, clock) as w:
            await w.submit()
            shutil.copytree(folder / "state", folder / "old")
            placed = await w.stores.holds.place(ID, Hold(HoldGround.LEGAL_CLAIMS), clock())
            assert placed is not None
            shutil.copytree(folder / "state", folder / "held")
        put_back(folder, folder / "old")
        async with journalled(folder, upstream, clock) as w:
            assert w.metrics.registry.get_sample_value("sidecar_erasure_recovered_requests_total") == 1
            await w.settle()
            assert (await w.outcomes(), upstream.customers) == ({"crm": "retained"}, {CANARY: 1})
            await w.stores.holds.release(ID, placed.id, clock())
        put_back(folder, folder / "held")
        async with journalled(folder, upstream, clock) as w:
            await w.settle()
            assert await w.state() == "completed"
        assert upstream.customers == {}


async def test_E40_a_deadline_stays_prolonged(folder: Path) -> None:
    clock = Clock()
    async with running_upstream() as upstream:
        async with journalled(folder, upstream, clock) as w:
            await w.submit()
            shutil.copytree(folder / "state", folder / "old")
            await w.intake.extend(ID, ExtensionGround.COMPLEXITY)
            prolonged = (await w.view()).legal_at
        put_back(folder, folder / "old")
        async with journalled(folder, upstream, clock) as w:
            assert (await w.view()).legal_at == prolonged


async def test_E40_what_was_taken_back_stays_so(folder: Path) -> None:
    clock = Clock()
    async with running_upstream() as upstream:
        upstream.customers[CANARY] = 1
        async with journalled(folder, upstream, clock) as w:
            await w.submit()
            shutil.copytree(folder / "state", folder / "old")
            await w.stores.requests.cancel(ID, clock())
        put_back(folder, folder / "old")
        async with journalled(folder, upstream, clock) as w:
            await w.settle()
            assert await w.state() == "cancelled"
        assert upstream.customers == {CANARY: 1}


async def test_E41_what_was_destroyed_is_destroyed_again_and_is_not_in_the_journal(folder: Path) -> None:
    clock = Clock()
    async with running_upstream() as upstream:
        async with journalled(folder, upstream, clock) as w:
            await w.submit()
            await w.settle()
            shutil.copytree(folder / "state", folder / "old")
            await w.submit(body(OTHER_ID, email="bert@example.org"))
            before = (folder / "erasure.journal").read_bytes()
            clock.advance(days=36)
            await w.settle()
            assert not (await w.view()).sealed
        after = (folder / "erasure.journal").read_bytes()
        assert len(after) < len(before)
        put_back(folder, folder / "old")
        async with journalled(folder, upstream, clock) as w:
            assert not (await w.view()).sealed
            assert await w.stores.tasks.replay(clock()) == 0
            assert await w.stores.requests.find(OTHER_ID) is not None
    for one in (folder / "erasure.journal", folder / "state"):
        assert CANARY.encode() not in (one.read_bytes() if one.is_file() else bytes_on_disk(one))


async def test_E40_who_was_forgotten_and_is_open_again_in_an_old_database_is_in_nobodys_way(folder: Path) -> None:
    """What can't be opened is not due: it must not break the loop that everybody else's erasures depend on."""
    clock = Clock()
    async with running_upstream() as upstream:
        upstream.customers["bert@example.org"] = 1
        async with journalled(folder, upstream, clock) as w:
            await w.submit()
            shutil.copytree(folder / "state", folder / "old")  # nothing was done yet
            await w.settle()
            clock.advance(days=36)
            await w.settle()
            assert not (await w.view()).sealed
        put_back(folder, folder / "old")
        async with journalled(folder, upstream, clock) as w:
            assert not (await w.view()).sealed
            await w.submit(body(OTHER_ID, email="bert@example.org"))
            await w.settle()
            assert await w.state(OTHER_ID) == "completed"
        assert upstream.customers == {}


async def test_E1_a_database_that_knows_more_than_the_journal_fills_it(folder: Path) -> None:
    clock = Clock()
    async with running_upstream() as upstream:
        async with journalled(folder, upstream, clock) as w:
            await w.submit()
        (folder / "erasure.journal").unlink()  # or killed between the two
        async with journalled(folder, upstream, clock):
            pass
        shutil.rmtree(folder / "state")
        (folder / "state").mkdir()
        async with journalled(folder, upstream, clock) as w:
            assert await w.state() == "pending"


async def test_E1_a_request_that_is_accepted_while_the_journal_is_compared_at_the_start_is_not_taken_for_forgotten(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The admin listener takes requests by then, and the longer the comparison is the more of them come in."""
    clock, other = Clock(), body(OTHER_ID, email="bert@example.org")
    async with running_upstream() as upstream:
        upstream.customers[CANARY] = 1
        async with journalled(folder, upstream, clock) as w:
            await w.submit(other)
        targets = [http_target("crm", target_mapping(upstream.url), clock)]
        async with world(folder / "state" / "state.db", targets, clock, journal=folder / "erasure.journal") as w:
            journal = w.stores.journal
            assert journal is not None
            keep = journal.keep

            async def keep_late(*request_ids: str) -> None:
                if request_ids == (OTHER_ID,):
                    monkeypatch.setattr(journal, "keep", keep)
                    assert (await w.submit()).new
                await keep(*request_ids)

            monkeypatch.setattr(journal, "keep", keep_late)
            await w.worker.recover()
        async with journalled(folder, upstream, clock) as w:
            assert (await w.view()).sealed
            await w.settle()
            assert await w.state() == "completed"
        assert upstream.customers == {}


async def test_E49_nothing_is_acknowledged_that_the_journal_could_not_take(folder: Path) -> None:
    clock = Clock()
    async with running_upstream() as upstream, journalled(folder, upstream, clock) as w:
        await w.submit()
        os.close(w.stores.journal._file._descriptor)  # type: ignore[union-attr, arg-type]
        with pytest.raises(StoreUnavailable):
            await w.submit(body(OTHER_ID))
        w.stores.journal._file._descriptor = None  # type: ignore[union-attr]


def opened(file: JournalFile) -> list[bytes]:
    file.open()
    return [entry for _, entry in file.read()]


def entries(path: Path) -> list[bytes]:
    file = JournalFile(path, KEY)
    try:
        return opened(file)
    finally:
        file.close()


def written(path: Path, *lines: bytes) -> JournalFile:
    file = JournalFile(path, KEY)
    file.open()
    for line in lines:
        file.append(line)
    return file


def test_what_was_appended_is_read_again_and_is_nobody_elses_to_read(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    written(path, b"the first", b"the second").close()
    assert entries(path) == [b"the first", b"the second"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert b"first" not in path.read_bytes()
    with pytest.raises(KeyMaterialError):
        opened(JournalFile(path, b"k" * 32))


@pytest.mark.parametrize("cut", [1, 5, 30])
def test_a_torn_last_line_was_never_acknowledged(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "journal"
    written(path, b"one", b"two").close()
    path.write_bytes(path.read_bytes()[:-cut])
    assert entries(path) == [b"one"]
    written(path, b"three").close()
    assert entries(path) == [b"one", b"three"]


def test_a_line_changed_swapped_or_taken_out_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    written(path, b"one", b"two", b"three").close()
    one, two, three = path.read_bytes().splitlines(keepends=True)
    flipped = one[:20] + (b"A" if one[20:21] != b"A" else b"B") + one[21:]
    for changed in (
        two + one + three,
        one + three,
        one + one + three,
        flipped + two + three,
    ):
        path.write_bytes(changed)
        with pytest.raises(KeyMaterialError, match="Put back the key"):
            entries(path)


def test_a_rewritten_file_holds_the_new_lines_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    file = written(path, b"one", b"two", b"three")
    file.rewrite([b"two"])
    file.append(b"four")
    file.close()
    assert entries(path) == [b"two", b"four"]


def test_a_file_has_one_writer(tmp_path: Path) -> None:
    file = written(tmp_path / "journal", b"one")
    with pytest.raises(ConfigError, match="another process"):
        JournalFile(tmp_path / "journal", KEY).open()
    file.rewrite([b"two"])
    with pytest.raises(ConfigError, match="another process"):
        JournalFile(tmp_path / "journal", KEY).open()
    file.close()
    assert entries(tmp_path / "journal") == [b"two"]


def test_a_place_that_can_not_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^erasure\.journal"):
        JournalFile(tmp_path, KEY).open()


FULL = """
import resource, sys
from pathlib import Path
from sidecar.errors import StoreUnavailable
from sidecar.stores.journal_file import JournalFile
path = Path(sys.argv[1])
file = JournalFile(path, b"k" * 32)
file.open()
file.append(b"one")
resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 40, resource.RLIM_INFINITY))
try:
    file.append(b"two" * 100)
except StoreUnavailable:
    print("refused", file.path.read_bytes().count(b"\\n"), file.path.read_bytes().endswith(b"\\n"))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
file.append(b"three")
file.close()
again = JournalFile(path, b"k" * 32)
again.open()
print([entry for _, entry in again.read()])
"""


def test_E49_a_disk_that_fills_up_half_way_leaves_whole_lines(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n" + FULL, tmp_path / "j"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines() == ["refused 1 True", "[b'one', b'three']"]


def test_E49_nothing_is_acknowledged_while_a_power_cut_would_bring_back_the_file_from_before_a_rewriting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal"
    file = written(path, b"one")
    opening = os.open

    def no_folder(name: str, flags: int, *mode: int) -> int:
        if flags & os.O_DIRECTORY:
            raise OSError(24, "Too many open files")
        return opening(name, flags, *mode)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", no_folder)
        file.rewrite([b"two"])
        with pytest.raises(StoreUnavailable):
            file.append(b"three")
        with pytest.raises(StoreUnavailable):
            file.blank([0], b"two is forgotten")
    assert file.append(b"four") == 1
    file.close()
    assert entries(path) == [b"two", b"four"]


def test_a_blank_of_a_line_that_is_not_there_is_damage(tmp_path: Path) -> None:
    file = written(tmp_path / "journal", b"one")
    file.append(b"\0blanks [0, 7]")
    file.close()
    with pytest.raises(KeyMaterialError, match="line 8 "):
        entries(tmp_path / "journal")


def test_E44_after_a_rotation_of_the_master_key_the_journal_opens_and_goes_on_under_the_new_one(tmp_path: Path) -> None:
    path, new = tmp_path / "journal", b"n" * 32
    before = JournalFile(path, KEY)
    before.open()
    before.append(b"before")
    before.close()
    rotated = JournalFile(path, new, (KEY,))
    assert opened(rotated) == [b"before"]
    assert rotated.former
    rotated.append(b"after")
    rotated.close()
    assert opened(rotated) == [b"before", b"after"]
    rotated.rewrite([b"after"])
    rotated.close()
    alone = JournalFile(path, new)
    assert opened(alone) == [b"after"]  # the former key may go once everything from before is forgotten
    alone.close()
    with pytest.raises(KeyMaterialError):
        opened(JournalFile(path, KEY, (b"o" * 32,)))
