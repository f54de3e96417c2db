"""Plans on disk, and what becomes of them when targets come and go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.erasure.world import (
    CANARY,
    ID,
    Clock,
    body,
    http_target,
    one_target,
    world,
)
from tests.targets.upstream import Mode, running_upstream, target_mapping


async def test_E11_the_plan_names_every_target_before_the_first_call(tmp_path: Path) -> None:
    clock = Clock()
    async with running_upstream() as upstream:
        by_phone: Any = target_mapping(upstream.url)
        for part in ("delete", "verify"):
            by_phone[part]["url"] = by_phone[part]["url"].replace("email", "phone")
        targets = [http_target("crm", target_mapping(upstream.url), clock), http_target("calls", by_phone, clock)]
        async with world(tmp_path / "state.db", targets, clock) as w:
            await w.submit()
            assert upstream.calls == []
            assert await w.outcomes() == {"crm": "pending", "calls": "capability_unresolved"}
            await w.settle()
            assert await w.outcomes() == {"crm": "verified_no_data", "calls": "capability_unresolved"}
            assert await w.state() == "needs_attention"
            assert await w.stores.requests.receipt(ID) is None


async def test_E12_targets_that_come_and_go_between_starts(tmp_path: Path) -> None:
    clock = Clock()
    async with running_upstream() as upstream:
        upstream.mode = Mode.FAIL
        old, new = (http_target(name, target_mapping(upstream.url), clock) for name in ("old", "new"))
        async with world(tmp_path / "state.db", [old], clock) as w:
            await w.submit()
        async with world(tmp_path / "state.db", [new], clock) as w:
            await w.worker.recover()
            assert await w.outcomes() == {"old": "capability_unresolved", "new": "pending"}
            upstream.mode = Mode.GOOD
            await w.settle()
            assert await w.state() == "needs_attention"
        async with world(tmp_path / "state.db", [old, new], clock) as w:
            await w.worker.recover()
            await w.settle()
            assert await w.outcomes() == {"old": "verified_no_data", "new": "verified_no_data"}
            assert await w.state() == "completed"


async def test_E12_E39_a_replay_asks_people_about_a_system_that_is_configured_no_more(tmp_path: Path) -> None:
    """Nobody runs a task of a system that is not there: pending, it would wait for ever, and so would the request."""
    clock = Clock()
    async with running_upstream() as upstream:
        old, new = (http_target(name, target_mapping(upstream.url), clock) for name in ("old", "new"))
        async with world(tmp_path / "state.db", [old, new], clock) as w:
            await w.submit()
            await w.settle()
            assert await w.state() == "completed"
        async with world(tmp_path / "state.db", [new], clock) as w:
            await w.worker.recover()
            assert await w.stores.tasks.replay(clock()) == 1
            await w.settle()
            assert await w.outcomes() == {"old": "capability_unresolved", "new": "verified_no_data"}
            assert await w.state() == "needs_attention"
        async with world(tmp_path / "state.db", [old, new], clock) as w:
            await w.worker.recover()
            await w.settle()
            assert await w.state() == "completed"


async def test_every_identity_of_a_kind_gets_its_own_call(tmp_path: Path) -> None:
    async with one_target(tmp_path) as (w, upstream):
        upstream.customers |= {"second@example.org": 1}
        both = [{"type": "email", "value": value} for value in (CANARY, "second@example.org")]
        await w.submit(body(subject={"identities": [*both, {"type": "name", "value": "Anna Canary"}]}))
        await w.settle()
        assert upstream.customers == {}
        assert len((await w.view()).tasks) == 2


async def test_E12_a_target_that_came_to_need_too_much_is_unresolved_not_in_the_way(tmp_path: Path) -> None:
    clock = Clock()
    by_name: Any = target_mapping("https://crm.example")
    by_name["delete"]["url"] += "&name={name}"
    people = [{"type": "email", "value": f"a{n}@b"} for n in range(25)]
    people += [{"type": "name", "value": f"n{n}"} for n in range(25)]
    async with running_upstream() as upstream:
        plain = http_target("crm", target_mapping(upstream.url), clock)
        async with world(tmp_path / "state.db", [plain], clock) as w:
            await w.submit(body(subject={"identities": people}))
        async with world(tmp_path / "state.db", [http_target("crm", by_name, clock)], clock) as w:
            await w.worker.recover()
            assert set((await w.outcomes()).values()) == {"capability_unresolved"}
            assert await w.state() == "needs_attention"
