"""Past the horizon the audit log forgets by whom the records of an erasure are, and stays provable (A24, E48)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sidecar.audit.log import AuditLog
from sidecar.erasure.link_forgetting import LinkForgetting
from sidecar.erasure.request import NOBODY
from sidecar.stores.erasure_links import ErasureLinks
from tests.audit.samples import check, intent, make_log, outcome
from tests.erasure.world import ID, OTHER_ID, World, body, one_target


@dataclass
class Forgetting:
    """A request that went through, in front of a real audit log."""

    w: World
    log: AuditLog
    folder: Path

    def links(self, origin: str = "sidecar-audit/one", every: timedelta = timedelta(hours=6)) -> LinkForgetting:
        return LinkForgetting(ErasureLinks(self.w.database, origin), self.log, self.w.clock, every)

    async def record(self, number: int, subject: str) -> None:
        """What a step of an erasure leaves."""
        await self.log.intend(intent(f"x{number}")._replace(subject=subject))
        await self.log.conclude(outcome(f"x{number}")._replace(subject=subject))

    async def pass_horizon(self) -> None:
        forget_at = (await self.w.view()).forget_at
        assert forget_at is not None
        self.w.clock.now = forget_at
        await self.w.settle()


@asynccontextmanager
async def forgetting(path: Path) -> AsyncIterator[Forgetting]:
    log = make_log(path / "audit")
    await log.start()
    async with one_target(path) as (w, _):
        await w.submit()
        await w.settle()
        yield Forgetting(w, log, path / "audit")
    await log.stop()


async def test_A24_E48_past_the_horizon_no_record_of_the_erasure_names_the_person(tmp_path: Path) -> None:
    async with forgetting(tmp_path) as f:
        person, another = (await f.w.view()).subject, "k1:" + "ab" * 16
        await f.record(1, person)
        await f.record(2, another)
        assert await f.links().forget() == 0  # they may be erased once more: the records are still to be found
        assert await f.log.count_links({person}) == 2
        await f.pass_horizon()
        assert await f.links().forget() == 2
        assert await f.log.count_links({person}) == 0
        assert await f.log.count_links({another}) == 2
        size = f.log.size
        assert await f.links().forget() == 0
        assert f.log.size == size  # once is enough
    assert check(f.folder).intact


async def test_E48_who_reads_the_request_afterwards_links_it_to_nobody(tmp_path: Path) -> None:
    async with forgetting(tmp_path) as f:
        assert (await f.w.view()).subject != NOBODY
        await f.pass_horizon()
        assert (await f.w.view()).subject == NOBODY
        await f.record(1, NOBODY)  # a record may say so


async def test_E48_another_request_of_the_person_keeps_the_links_until_its_own_horizon(tmp_path: Path) -> None:
    async with forgetting(tmp_path) as f:
        person = (await f.w.view()).subject
        await f.record(1, person)
        f.w.clock.advance(days=3)
        await f.w.submit(body(OTHER_ID))
        await f.w.settle()
        await f.pass_horizon()
        assert await f.links().forget() == 0
        later = (await f.w.view(OTHER_ID)).forget_at
        assert later is not None
        f.w.clock.now = later
        await f.w.settle()
        assert await f.links().forget() == 2


async def test_E48_every_replicas_log_forgets_for_itself(tmp_path: Path) -> None:
    async with forgetting(tmp_path) as f:
        person = (await f.w.view()).subject
        await f.pass_horizon()
        assert await f.links("sidecar-audit/one").forget() == 0
        await f.record(1, person)  # in the log of another, which has not forgotten yet
        assert await f.links("sidecar-audit/two").forget() == 2


async def test_E48_a_crash_before_it_is_noted_has_it_done_once_more(tmp_path: Path) -> None:
    async with forgetting(tmp_path) as f:
        person = (await f.w.view()).subject
        await f.record(1, person)
        await f.pass_horizon()
        due = await ErasureLinks(f.w.database, "sidecar-audit/one").due()
        assert [(one.request_id, one.subject) for one in due] == [(ID, person)]
        assert person not in repr(due)
        assert await f.log.forget_subject({person}) == 2  # and killed
        assert await f.links().forget() == 0
        assert await ErasureLinks(f.w.database, "sidecar-audit/one").due() == []


async def test_E48_a_record_whose_exchange_ended_while_the_log_was_read_is_forgotten_too(tmp_path: Path) -> None:
    async with forgetting(tmp_path) as f:
        person = (await f.w.view()).subject
        await f.log.intend(intent("x1")._replace(subject=person))
        await f.pass_horizon()
        forget_subject = f.log.forget_subject

        async def ends_meanwhile(pseudonyms: Collection[str]) -> int:
            found = await forget_subject(pseudonyms)
            f.log.forget_subject = forget_subject  # type: ignore[method-assign]
            await f.log.conclude(outcome("x1")._replace(subject=person))
            return found

        f.log.forget_subject = ends_meanwhile  # type: ignore[method-assign]
        assert await f.links().forget() == 2
        assert await f.log.count_links({person}) == 0
        assert await ErasureLinks(f.w.database, "sidecar-audit/one").due() == []


async def test_E48_it_runs_by_itself_and_outlives_a_log_that_is_not_there(tmp_path: Path) -> None:
    async with forgetting(tmp_path) as f:
        person = (await f.w.view()).subject
        await f.record(1, person)
        await f.pass_horizon()
        await f.log.stop()
        running = f.links(every=timedelta(milliseconds=5))
        await running.start()
        await asyncio.sleep(0.05)
        assert running.healthy
        await f.log.start()
        async with asyncio.timeout(20):
            while await ErasureLinks(f.w.database, "sidecar-audit/one").due():  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.01)
        assert await f.log.count_links({person}) == 0
        await running.stop()
        assert not running.healthy
