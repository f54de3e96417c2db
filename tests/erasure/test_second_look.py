"""Everything is looked at once more before a receipt is final: late writers are found (E27, E38, E46)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from sidecar.erasure.worker import WorkerSettings
from tests.erasure.world import CANARY, ID, Clock, Ledger, World, http_target, receipt_body, world
from tests.targets.upstream import Upstream, running_upstream, target_mapping

DAY = timedelta(days=1)


@asynccontextmanager
async def looking_twice(path: Path) -> AsyncIterator[tuple[World, Upstream]]:
    clock = Clock()
    async with running_upstream() as upstream:
        target = http_target("crm", target_mapping(upstream.url), clock)
        async with world(path / "state.db", [target], clock, second_look=DAY) as w:
            upstream.customers[CANARY] = 2
            await w.submit()
            await w.settle()
            yield w, upstream


async def latest(w: World) -> bytes:
    data = await w.stores.requests.receipt(ID)
    assert data is not None
    return data


async def test_E46_an_interim_receipt_at_first_and_a_final_one_after_the_second_look(tmp_path: Path) -> None:
    async with looking_twice(tmp_path) as (w, upstream):
        assert await w.state() == "confirming"
        interim = await latest(w)
        assert (receipt_body(interim)["kind"], receipt_body(interim)["state"]) == ("interim", "confirming")
        w.clock.advance(hours=23)
        await w.settle()
        assert upstream.count("GET") == 1
        w.clock.advance(hours=2)
        await w.settle()
        assert upstream.count("GET") == 2
        assert await w.state() == "completed"
        final = receipt_body(await latest(w))
        assert (final["kind"], final["state"]) == ("final", "completed")
        assert final["supersedes"] == sha256(interim).hexdigest()
        assert final["targets"][0]["verified_time"] == "2025-03-02T13:00:00Z"
        assert w.ledger.routes() == ["crm:delete", "crm:verify", "interim_receipt", "crm:verify", "receipt"]


async def test_E46_both_receipts_stand_in_the_audit_log_by_their_digest(tmp_path: Path) -> None:
    async with looking_twice(tmp_path) as (w, _):
        interim = await latest(w)
        w.clock.advance(days=1)
        await w.settle()
        final = await latest(w)
        assert digests(w.ledger) == [sha256(interim).hexdigest(), sha256(final).hexdigest()]
        exchanges = {getattr(one, "exchange_id", None) for one in w.ledger.entries}
        assert {receipt_body(one)["audit_exchange"] for one in (interim, final)} <= exchanges


def digests(ledger: Ledger) -> list[str]:
    return [digest for one in ledger.entries if (digest := getattr(one, "receipt_sha256", None))]


async def test_E46_a_receipt_that_could_not_be_recorded_is_recorded_as_soon_as_it_can_be(tmp_path: Path) -> None:
    async with looking_twice(tmp_path) as (w, _):
        w.ledger.concluding = False
        w.clock.advance(days=1)
        await w.settle()
        assert await w.state() == "completed"
        assert len(digests(w.ledger)) == 1
        w.ledger.concluding = True
        for _ in range(3):
            await w.settle()
        assert digests(w.ledger)[1:] == [sha256(await latest(w)).hexdigest()]


async def test_E46_after_a_restart_it_is_recorded_by_whoever_signed_it_and_by_nobody_else(tmp_path: Path) -> None:
    clock = Clock()
    async with running_upstream() as upstream:
        target = http_target("crm", target_mapping(upstream.url), clock)
        mine, other = WorkerSettings(name="mine"), WorkerSettings(name="other")
        async with world(tmp_path / "state.db", [target], clock, mine, second_look=DAY) as w:
            w.ledger.concluding = False
            await w.submit()
            await w.settle()
            interim = await latest(w)
        for settings, recorded in ((other, []), (mine, [sha256(interim).hexdigest()]), (mine, [])):
            async with world(tmp_path / "state.db", [target], clock, settings, second_look=DAY) as w:
                await w.settle()
                assert digests(w.ledger) == recorded
                exchanges = [getattr(one, "exchange_id", None) for one in w.ledger.entries]
                assert exchanges == [receipt_body(interim)["audit_exchange"]] * len(recorded)


async def test_E27_a_late_writer_is_found_erased_and_looked_for_once_more(tmp_path: Path) -> None:
    async with looking_twice(tmp_path) as (w, upstream):
        upstream.customers[CANARY] = 1  # a job that had the record in memory wrote it back
        w.clock.advance(days=1)
        await w.settle()
        assert await w.outcomes() == {"crm": "retryable_failure"}
        w.clock.advance(hours=1)
        await w.settle()
        assert upstream.customers == {}
        assert await w.state() == "confirming"  # not ended: it may write again
        assert receipt_body(await latest(w))["kind"] == "interim"
        assert w.metrics.registry.get_sample_value("sidecar_erasure_late_writers_total") == 1
        w.clock.advance(days=1)
        await w.settle()
        assert await w.state() == "completed"
        assert w.metrics.registry.get_sample_value("sidecar_erasure_late_writers_total") == 1


async def test_E15_waiting_for_the_second_look_is_not_overdue_but_a_late_writer_is(tmp_path: Path) -> None:
    async with looking_twice(tmp_path) as (w, upstream):
        w.clock.advance(days=40)
        assert await w.state() == "confirming"
        await w.worker.tend()
        assert w.metrics.registry.get_sample_value("sidecar_erasure_overdue_requests") == 0
        upstream.customers[CANARY] = 1
        await w.worker.pass_once()
        assert await w.state() == "overdue"


@pytest.mark.parametrize("restarts", [1, 3])
async def test_E13_a_restart_in_between_changes_nothing(tmp_path: Path, restarts: int) -> None:
    clock = Clock()
    async with running_upstream() as upstream:
        upstream.customers[CANARY] = 1
        for _ in range(restarts + 1):
            target = http_target("crm", target_mapping(upstream.url), clock)
            async with world(tmp_path / "state.db", [target], clock, second_look=DAY) as w:
                await w.worker.recover()
                await w.submit()
                await w.settle()
            clock.advance(hours=25)
        async with world(tmp_path / "state.db", [target], clock, second_look=DAY) as w:
            await w.settle()
            assert await w.state() == "completed"
        assert (upstream.count("DELETE"), upstream.count("GET")) == (1, 2)


async def test_E27_E39_a_replay_before_the_second_look_erases_again_and_has_a_second_look_of_its_own(
    tmp_path: Path,
) -> None:
    async with looking_twice(tmp_path) as (w, upstream):
        first = await latest(w)
        w.clock.advance(hours=23)
        upstream.customers[CANARY] = 1  # restored; without this nobody looks for an hour more, and nobody says why
        assert await w.stores.tasks.replay(w.clock()) == 1
        await w.settle()
        assert (await w.state(), upstream.customers) == ("confirming", {})
        again = receipt_body(await latest(w))
        assert (again["kind"], again["round"], again["supersedes"]) == ("interim", 2, sha256(first).hexdigest())
        w.clock.advance(hours=23)
        await w.settle()
        assert await w.state() == "confirming"  # a day after the replay, not after the first end
        w.clock.advance(hours=2)
        await w.settle()
        assert await w.state() == "completed"
        assert w.metrics.registry.get_sample_value("sidecar_erasure_late_writers_total", {"target": "crm"}) is None


async def test_E12_E27_what_was_taken_out_before_its_second_look_is_for_people_to_resolve(tmp_path: Path) -> None:
    """Nobody can look there any more: a request that waited for it would be confirming for ever, and no alert tell."""
    clock = Clock()
    async with running_upstream() as upstream:
        old, new = (http_target(name, target_mapping(upstream.url), clock) for name in ("old", "new"))
        async with world(tmp_path / "state.db", [old, new], clock, second_look=DAY) as w:
            await w.submit()
            await w.settle()
            assert await w.state() == "confirming"
        async with world(tmp_path / "state.db", [new], clock, second_look=DAY) as w:
            await w.worker.recover()
            await w.settle()
            clock.advance(hours=25)
            await w.settle()
            assert await w.outcomes() == {"old": "capability_unresolved", "new": "verified_no_data"}
            assert await w.state() == "needs_attention"
        async with world(tmp_path / "state.db", [old, new], clock, second_look=DAY) as w:
            await w.worker.recover()  # it came back
            for _ in range(2):
                await w.settle()
                clock.advance(hours=25)
            await w.settle()
            assert await w.state() == "completed"
