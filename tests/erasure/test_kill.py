"""kill -9 between every two steps, as a real process on a real file; the next start brings it to the end (E1, E13)."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from sidecar.erasure.attempt import CHECKPOINTS
from sidecar.erasure.receipt import key_id, verify_receipt
from tests.erasure.mortal import SECOND_LOOK, live
from tests.erasure.world import CANARY, ID, SIGNING_KEY, START, Clock, bytes_on_disk, http_target, world
from tests.targets.upstream import Upstream, running_upstream, target_mapping

POINTS = [
    # place, nth time there, delete calls in all, verify calls in all, outcome
    ("accepted", 1, 1, 2, "verified_erased"),
    ("leased", 1, 1, 2, "verified_erased"),
    ("intended", 1, 1, 2, "verified_erased"),
    ("called", 1, 2, 2, "verified_no_data"),  # deleted, not recorded: done again, and nothing is left to delete
    ("recorded", 1, 1, 2, "verified_erased"),
    ("concluded", 1, 1, 2, "verified_erased"),
    ("leased", 2, 1, 2, "verified_erased"),
    ("intended", 2, 1, 2, "verified_erased"),
    ("called", 2, 1, 3, "verified_erased"),
    ("recorded", 2, 1, 2, "verified_erased"),
    ("concluded", 2, 1, 2, "verified_erased"),
    ("pausing", 1, 1, 2, "verified_erased"),  # before the interim receipt, and after it
    ("paused", 1, 1, 2, "verified_erased"),
    ("leased", 3, 1, 2, "verified_erased"),  # the second look
    ("intended", 3, 1, 2, "verified_erased"),
    ("called", 3, 1, 3, "verified_erased"),
    ("recorded", 3, 1, 2, "verified_erased"),
    ("concluded", 3, 1, 2, "verified_erased"),
    ("ending", 1, 1, 2, "verified_erased"),
    ("ended", 1, 1, 2, "verified_erased"),
]


def test_the_table_has_every_place() -> None:
    assert {place for place, *_ in POINTS} == {*CHECKPOINTS, "accepted"}


async def run_mortal(database: Path, upstream: Upstream, place: str, nth: int) -> int:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.erasure.mortal", str(database), upstream.url, place, str(nth)
    )
    return await process.wait()


@pytest.mark.parametrize(("place", "nth", "deletes", "verifies", "outcome"), POINTS)
async def test_E13_killed_between_steps_it_converges(
    tmp_path: Path, place: str, nth: int, deletes: int, verifies: int, outcome: str
) -> None:
    async with running_upstream() as upstream:
        upstream.customers[CANARY] = 1
        database = tmp_path / "state.db"
        assert await run_mortal(database, upstream, place, nth) == -signal.SIGKILL
        assert CANARY.encode() not in bytes_on_disk(tmp_path)

        later = START + 2 * SECOND_LOOK
        await live(database, upstream.url, lambda _place: None, later)  # submits the same again, too (E1)

        clock = Clock()
        async with world(database, [http_target("crm", target_mapping(upstream.url), clock)], clock) as w:
            assert await w.state() == "completed"
            assert await w.outcomes() == {"crm": outcome}
            receipt = await w.stores.requests.receipt(ID)
            assert receipt is not None
            public = SIGNING_KEY.public_key()
            assert verify_receipt(receipt, {key_id(public): public})["round"] == 1
        assert upstream.customers == {}
        assert (upstream.count("DELETE"), upstream.count("GET")) == (deletes, verifies)


async def test_a_process_that_is_not_killed_ends_by_itself(tmp_path: Path) -> None:
    async with running_upstream() as upstream:
        assert await run_mortal(tmp_path / "state.db", upstream, "nowhere", 1) == 0


async def test_E3_several_processes_with_one_submission_make_one_request(tmp_path: Path) -> None:
    async with running_upstream() as upstream:
        upstream.customers[CANARY] = 1
        database = tmp_path / "state.db"
        runs = [run_mortal(database, upstream, "nowhere", 1) for _ in range(4)]
        assert await asyncio.gather(*runs) == [0] * 4
        clock = Clock(START + 2 * SECOND_LOOK)  # what a process left to another's lease is done by now
        targets = [http_target("crm", target_mapping(upstream.url), clock)]
        async with world(database, targets, clock, second_look=SECOND_LOOK) as w:
            await w.worker.recover()
            await w.settle()
            assert await w.state() == "completed"
            assert len((await w.view()).tasks) == 1
        assert upstream.customers == {}
