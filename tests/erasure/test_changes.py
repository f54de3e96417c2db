"""What people change about an accepted request: identified, prolonged, taken back (E7, E8, E10, E34)."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from sidecar.erasure.bodies import status_body
from sidecar.erasure.deadlines import ClockPolicy, DeadlinePolicy, ExtensionGround
from sidecar.erasure.intake import Intake
from sidecar.keys import Purpose
from sidecar.stores.erasure_changes import NotExtendable, NotPending
from tests.erasure.test_leases import lease, w
from tests.erasure.world import ID, MASTER, OTHER_ID, World, body, bytes_on_disk, one_target

__all__ = ["w"]
PAUSING = DeadlinePolicy(unverified=ClockPolicy.PAUSE)


def pausing(w: World) -> World:
    pseudonyms = MASTER.pseudonymizer(Purpose.ERASURE_PSEUDONYM)
    w.intake = Intake(w.stores.requests, w.targets, pseudonyms, PAUSING, w.clock)
    return w


async def test_E7_a_paused_clock_begins_when_the_person_is_identified_and_both_dates_are_shown(tmp_path: Path) -> None:
    async with one_target(tmp_path) as (w, upstream):
        pausing(w)
        await w.submit(body(verified_by=None))
        w.clock.advance(days=40)
        said = status_body(await w.view(), w.clock())
        assert (said["state"], said["clock"], said["legal_deadline"]) == ("awaiting_verification", "paused", None)
        assert said["legal_deadline_from_receipt"] == "2025-04-01T23:59:59Z"
        await w.worker.pass_once()
        assert w.metrics.registry.get_sample_value("sidecar_erasure_overdue_requests") == 0
        assert upstream.calls == []
        await w.intake.confirm(ID, "document_check")
        said = status_body(await w.view(), w.clock())
        assert (said["clock"], said["legal_deadline"]) == ("running", "2025-05-10T23:59:59Z")
        assert said["legal_deadline_from_receipt"] == "2025-04-01T23:59:59Z"
        w.clock.advance(days=1)
        await w.intake.confirm(ID, "again")  # noted once: the date does not move again
        assert (await w.view()).verified_by == "document_check"


async def test_E7_the_clock_of_ccpa_runs_from_receipt_whatever_the_policy(tmp_path: Path) -> None:
    async with one_target(tmp_path) as (w, _):
        pausing(w)
        await w.submit(body(verified_by=None, regulation="ccpa"))
        w.clock.advance(days=46)
        assert await w.state() == "overdue"
        await w.intake.confirm(ID, "document_check")
        assert (await w.view()).legal_at == datetime(2025, 4, 15, 23, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    ("regulation", "prolonged"), [("gdpr", "2025-06-01"), ("uk_gdpr", "2025-06-01"), ("ccpa", "2025-05-30")]
)
async def test_E34_a_deadline_is_prolonged_once_with_a_ground(tmp_path: Path, regulation: str, prolonged: str) -> None:
    async with one_target(tmp_path) as (w, _):
        await w.submit(body(regulation=regulation))
        before = await w.view()
        w.clock.advance(days=10)
        after = await w.stores.requests.extend(ID, ExtensionGround.COMPLEXITY, w.clock())
        assert after is not None
        assert (after.legal_at.date().isoformat(), after.overdue_at) == (prolonged, after.legal_at)
        assert (after.unextended_at, after.extension_ground) == (before.legal_at, "complexity")
        assert after.internal_at <= after.legal_at
        with pytest.raises(NotExtendable, match="before"):
            await w.stores.requests.extend(ID, ExtensionGround.NUMBER, w.clock())


async def test_E34_a_deadline_is_prolonged_by_the_days_of_the_zone_that_it_was_counted_in(tmp_path: Path) -> None:
    """Where days end later than in UTC, counting in UTC would give hours more than the law."""
    async with one_target(tmp_path) as (w, _):
        pseudonyms = MASTER.pseudonymizer(Purpose.ERASURE_PSEUDONYM)
        policy = DeadlinePolicy(zone=ZoneInfo("America/Los_Angeles"))
        w.intake = Intake(w.stores.requests, w.targets, pseudonyms, policy, w.clock)
        await w.submit()
        assert (await w.view()).legal_at == datetime(2025, 4, 2, 6, 59, 59, tzinfo=UTC)  # 1 April there
        after = await w.intake.extend(ID, ExtensionGround.COMPLEXITY)
        assert after is not None
        assert after.legal_at == datetime(2025, 6, 2, 6, 59, 59, tzinfo=UTC)  # 1 June there


async def test_E34_not_after_the_first_period_nor_where_the_law_knows_no_extension(tmp_path: Path) -> None:
    async with one_target(tmp_path) as (w, _):
        await w.submit()
        await w.submit(body(OTHER_ID, regulation="lgpd"))
        with pytest.raises(NotExtendable, match="lgpd"):
            await w.stores.requests.extend(OTHER_ID, ExtensionGround.COMPLEXITY, w.clock())
        w.clock.now = (await w.view()).legal_at + timedelta(seconds=1)
        with pytest.raises(NotExtendable, match="over"):
            await w.stores.requests.extend(ID, ExtensionGround.COMPLEXITY, w.clock())
        assert await w.stores.requests.extend("nobody", ExtensionGround.COMPLEXITY, w.clock()) is None


async def test_E10_a_pending_request_is_taken_back_and_forgotten(tmp_path: Path) -> None:
    async with one_target(tmp_path) as (w, upstream):
        await w.submit()
        view = await w.stores.requests.cancel(ID, w.clock())
        assert view is not None
        assert view.state_at(w.clock()) == "cancelled"
        await w.settle()
        assert not (await w.view()).sealed
        assert upstream.calls == []
        assert await w.stores.requests.cancel(ID, w.clock()) is not None  # twice is harmless
        assert await w.stores.tasks.replay(w.clock()) == 0
        assert (await w.submit()).new is False  # and the same id brings nothing back
        assert b"anna.canary" not in bytes_on_disk(tmp_path)


async def test_E10_what_was_begun_or_ended_is_not_taken_back(tmp_path: Path) -> None:
    async with one_target(tmp_path) as (w, _):
        await w.submit()
        await lease(w, "one")
        with pytest.raises(NotPending):
            await w.stores.requests.cancel(ID, w.clock())
        w.clock.advance(hours=1)
        await w.settle()
        with pytest.raises(NotPending):
            await w.stores.requests.cancel(ID, w.clock())
        assert await w.state() == "completed"


async def test_E10_cancel_and_lease_at_once_have_one_winner(w: World) -> None:
    won = {"lease": 0, "cancel": 0}
    for n in range(30):
        request_id = f"00000000-0000-4000-8000-0000000000{n:02}"
        await w.submit(body(request_id, email=f"a{n}@example.org"))

        async def cancelled(request_id: str = request_id) -> bool:
            try:
                return await w.stores.requests.cancel(request_id, w.clock()) is not None
            except NotPending:
                return False

        if n % 2:
            leased, taken_back = await asyncio.gather(lease(w, "one"), cancelled())
        else:
            taken_back, leased = await asyncio.gather(cancelled(), lease(w, "one"))
        assert bool(leased) != taken_back, "exactly one of both"
        won["cancel" if taken_back else "lease"] += 1
    assert sum(won.values()) == 30


async def test_E8_a_later_request_about_the_same_person_changes_nothing_of_the_first(tmp_path: Path) -> None:
    async with one_target(tmp_path) as (w, _):
        await w.submit(body(verified_by=None))
        await w.submit(body(OTHER_ID))  # the same person, said to be identified elsewhere
        await w.settle()
        assert (await w.state(), await w.state(OTHER_ID)) == ("awaiting_verification", "completed")
        await w.submit(body("00000000-0000-4000-8000-000000000001", verified_by=None))
        await w.stores.requests.cancel("00000000-0000-4000-8000-000000000001", w.clock())
        assert await w.state() == "awaiting_verification"
        await w.intake.confirm(ID, "account_login")
        await w.settle()
        assert await w.state() == "completed"
