"""Officers see which systems are closed off and may open them; nobody else may (E39)."""

from __future__ import annotations

from pathlib import Path

from sidecar.access import Role
from sidecar.erasure.quarantine_api import PATH, quarantine_routes
from tests.erasure.test_api import listening
from tests.restores.test_restores import restoring


async def test_E39_quarantines_are_shown_and_opened_by_an_officer(tmp_path: Path) -> None:
    async with restoring(tmp_path) as r:
        r.database.dump()
        await r.erase()
        r.world.clock.advance(days=40)
        await r.world.settle()
        r.database.restore()
        await r.watch()
        routes = quarantine_routes(r.world.epoch_store, r.world.watch)
        async with listening(r.world, routes) as caller:
            shown = await caller.call(Role.AUDITOR, "GET", PATH)
            assert shown.json == {
                "quarantines": [
                    {
                        "target": "crm",
                        "since_time": "2025-04-10T12:00:00Z",
                        "reason": "older",
                        "waiting_count": 0,
                        "beyond_horizon_count": 1,
                    }
                ]
            }
            assert (await caller.call(Role.INTAKE, "POST", f"{PATH}/crm/release")).status == 403
            assert (await caller.call(Role.TRAINER, "GET", PATH)).status == 403
            assert (await caller.call(Role.PRIVACY_OFFICER, "POST", f"{PATH}/erp/release")).status == 404
            assert r.world.watch.quarantined == ("crm",)
            released = await caller.call(Role.PRIVACY_OFFICER, "POST", f"{PATH}/crm/release")
            assert (released.status, released.json) == (200, {"quarantines": []})
            assert not r.world.watch.quarantined


async def test_without_an_audit_log_nothing_is_opened(tmp_path: Path) -> None:
    async with restoring(tmp_path) as r:
        r.database.dump()
        await r.erase()
        r.database.restore()
        await r.watch()
        r.world.ledger.available = False
        assert not await r.world.watch.release("crm", "officer")
        assert r.world.watch.quarantined == ("crm",)
