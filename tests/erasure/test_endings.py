"""A receipt says how tasks stand when it is kept, whatever happened while it was signed (E29, E39)."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from sidecar.errors import StoreUnavailable
from sidecar.stores.erasure_unrecorded import Unrecorded, UnrecordedReceipts, unrecorded
from tests.erasure.world import CANARY, ID, Clock, World, http_target, receipt_body, world
from tests.targets.upstream import Upstream, running_upstream, target_mapping


class Interference:
    """Orders everything to be looked at again at one place, once, as a restore would by another connection."""

    def __init__(self, database: Path, place: str) -> None:
        self._database = database
        self._place = place
        self.done = False

    def __call__(self, place: str) -> None:
        if place == self._place and not self.done:
            self.done = True
            with sqlite3.connect(self._database) as connection:
                connection.execute("UPDATE erasure_tasks SET outcome = 'verifying'")
            connection.close()


@asynccontextmanager
async def interfered(folder: Path, place: str, look: timedelta) -> AsyncIterator[tuple[World, Upstream, Interference]]:
    clock, interference = Clock(), Interference(folder / "state.db", place)
    async with running_upstream() as upstream:
        target = http_target("crm", target_mapping(upstream.url), clock)
        async with world(folder / "state.db", [target], clock, checkpoint=interference, second_look=look) as w:
            upstream.customers[CANARY] = 1
            yield w, upstream, interference


async def test_E29_a_task_begun_again_while_the_receipt_is_signed_puts_the_end_off(tmp_path: Path) -> None:
    async with interfered(tmp_path, "ending", timedelta()) as (w, upstream, interference):
        await w.submit()
        for _ in range(3):  # delete, verify, sign
            await w.worker.pass_once()
            if interference.done:
                break
        assert interference.done
        assert (await w.view()).ended_at is None
        assert await w.stores.requests.receipt(ID) is None
        upstream.customers[CANARY] = 1  # what is looked for once more is there
        for _ in range(2):
            w.clock.advance(hours=1)
            await w.settle()
        assert (upstream.customers, await w.state()) == ({}, "completed")
        data = await w.stores.requests.receipt(ID)
        assert data is not None
        assert receipt_body(data)["targets"][0]["claimed_deleted_count"] == 2


async def test_E46_no_interim_receipt_of_a_task_begun_again(tmp_path: Path) -> None:
    async with interfered(tmp_path, "pausing", timedelta(days=1)) as (w, _, interference):
        await w.submit()
        while not interference.done:
            await w.worker.pass_once()
        assert await w.stores.requests.receipt(ID) is None
        assert (await w.view()).second_look_at is None
        await w.settle()
        assert await w.state() == "confirming"


async def test_E46_a_receipt_that_was_kept_though_the_answer_was_lost_is_recorded_without_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost: list[str] = []

    def lose_answer(place: str) -> None:
        if place == "ended" and not lost:
            lost.append(place)
            raise StoreUnavailable

    clock = Clock()
    async with running_upstream() as upstream:
        target = http_target("crm", target_mapping(upstream.url), clock)
        async with world(tmp_path / "state.db", [target], clock, checkpoint=lose_answer, second_look=timedelta()) as w:
            upstream.customers[CANARY] = 1
            await w.submit()
            while not lost:
                with suppress(StoreUnavailable):
                    await w.worker.pass_once()
            assert await w.stores.requests.receipt(ID) is not None
            with monkeypatch.context() as patch, suppress(StoreUnavailable):
                patch.setattr(UnrecordedReceipts, "of", gone)
                await w.worker.pass_once()
            assert await owing(w) == 1
            await w.worker.pass_once()
            assert await owing(w) == 0


async def gone(_store: UnrecordedReceipts, _signer: str) -> list[Unrecorded]:
    raise StoreUnavailable


async def owing(w: World) -> int:
    """How many receipts the audit log does not tell of yet."""
    count = select(func.count()).select_from(unrecorded)
    return await w.database.read(lambda connection: connection.execute(count).scalar_one())
