"""A system that the sidecar can't act on is dealt with by a person, and never called verified."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sidecar.access import Role
from sidecar.erasure.plan import backup_name
from sidecar.erasure.resolution_api import ResolutionParts, resolution_routes
from sidecar.metrics import Metrics
from sidecar.stores.erasure_attestations import Attestations
from sidecar.stores.erasure_replays import replay_target
from sidecar.stores.erasure_resolutions import Resolution, ResolutionGround, ResolutionRefused, Resolutions
from sidecar.targets.backup import BackupTarget
from sidecar.targets.snapshot_files import DumpFiles, FileObserver
from sidecar.targets.snapshots import Retention
from sidecar.targets.target import Target
from tests.erasure.test_api import Answer, Caller, listening
from tests.erasure.world import CANARY, ID, OTHER_ID, START, Clock, World, body, http_target, receipt_body, world
from tests.targets.upstream import Upstream, running_upstream, target_mapping

SHA = "ab" * 32
OTHER_SHA = "cd" * 32
SET = backup_name("calls", "nightly")


@dataclass
class Stuck:
    """A request whose person has no telephone number, and a system that knows people by nothing else."""

    w: World
    store: Resolutions
    caller: Caller
    upstream: Upstream
    task: int

    async def post(self, role: Role = Role.PRIVACY_OFFICER, ground: str = "nothing_found", sha: str = SHA) -> Answer:
        data = f'{{"evidence_sha256": "{sha}", "ground": "{ground}"}}'.encode()
        return await self.caller.call(role, "POST", f"/v1/erasures/{ID}/tasks/{self.task}/resolution", data)

    async def get(self) -> Answer:
        return await self.caller.call(Role.AUDITOR, "GET", f"/v1/erasures/{ID}/tasks/{self.task}/resolution")

    async def ends(self) -> dict[str, str]:
        await self.w.settle()
        return await self.w.outcomes()


@asynccontextmanager
async def stuck(folder: Path, *others: Target, verified_by: str | None = "account_login") -> AsyncIterator[Stuck]:
    clock = Clock()
    async with running_upstream() as upstream:
        by_phone: Any = target_mapping(upstream.url)
        for part in ("delete", "verify"):
            by_phone[part]["url"] = by_phone[part]["url"].replace("email", "phone")
        targets: list[Target] = [
            http_target("crm", target_mapping(upstream.url), clock), http_target("calls", by_phone, clock), *others,
        ]  # fmt: skip
        async with world(folder / "state.db", targets, clock) as w:
            store = Resolutions(w.database)
            async with listening(w, resolution_routes(ResolutionParts(store, w.worker.wake, clock))) as caller:
                await w.submit(body(verified_by=verified_by))
                await w.settle()
                task = {one.target: one.id for one in (await w.view()).tasks}["calls"]
                yield Stuck(w, store, caller, upstream, task)


async def test_E29_what_a_person_resolves_ends_the_request_as_unverified_with_its_ground(tmp_path: Path) -> None:
    async with stuck(tmp_path) as s:
        assert await s.w.state() == "needs_attention"
        said = (await s.post()).json
        assert said == {
            "task": s.task, "target": "calls", "outcome": "unverified", "ground": "nothing_found",
            "evidence_sha256": SHA, "who": "privacy_officer",
        }  # fmt: skip
        assert (await s.get()).json == said
        assert await s.ends() == {"crm": "verified_no_data", "calls": "unverified"}
        assert await s.w.state() == "ended_with_exceptions"
        data = await s.w.stores.requests.receipt(ID)
        assert data is not None
        (calls,) = [one for one in receipt_body(data)["targets"] if one["target"] == "calls"]
        assert (calls["outcome"], calls["ground"], calls["verified_time"]) == ("unverified", "nothing_found", None)


@pytest.mark.parametrize("ground", list(ResolutionGround))
async def test_E29_no_ground_makes_it_verified(tmp_path: Path, ground: ResolutionGround) -> None:
    async with stuck(tmp_path) as s:
        assert (await s.post(ground=ground.value)).json["outcome"] == "unverified"
        assert (await s.ends())["calls"] == "unverified"


async def test_what_is_said_again_changes_nothing_and_something_else_is_refused(tmp_path: Path) -> None:
    async with stuck(tmp_path) as s:
        assert (await s.post()).status == 200
        assert (await s.post()).status == 200
        assert (await s.post(sha=OTHER_SHA)).status == 409
        assert (await s.post(ground="system_retired")).status == 409
        with pytest.raises(ResolutionRefused):
            await s.store.resolve(ID, s.task, Resolution("other", ResolutionGround.NOTHING_FOUND, SHA), s.w.clock())
        assert (await s.get()).json["ground"] == "nothing_found"


@pytest.mark.parametrize("role", [Role.TRAINER, Role.AUDITOR, Role.INTAKE, Role.METRICS])
async def test_E6_only_officers_may_resolve(tmp_path: Path, role: Role) -> None:
    async with stuck(tmp_path) as s:
        assert (await s.post(role)).status == 403
        assert await s.w.state() == "needs_attention"


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b'{"ground": "nothing_found"}', "evidence_sha256"),
        (b'{"evidence_sha256": "anna.canary", "ground": "nothing_found"}', "evidence_sha256"),
        (b'{"evidence_sha256": "%s", "ground": "verified_erased"}' % SHA.encode(), "ground"),
        (b'{"evidence_sha256": "%s", "ground": "nothing_found", "anna.canary": 1}' % SHA.encode(), "body"),
    ],
)
async def test_E5_what_can_not_be_read_is_told_by_its_place(tmp_path: Path, data: bytes, place: str) -> None:
    async with stuck(tmp_path) as s:
        path = f"/v1/erasures/{ID}/tasks/{s.task}/resolution"
        answer = await s.caller.call(Role.PRIVACY_OFFICER, "POST", path, data)
        assert answer.status == 400
        assert [one["reason"] for one in answer.json["error"]["errors"]] == [place]
        assert b"canary" not in answer.data


async def test_only_a_task_that_is_unresolved_can_be_resolved(tmp_path: Path) -> None:
    async with stuck(tmp_path) as s:
        done = {one.target: one.id for one in (await s.w.view()).tasks}["crm"]
        said = Resolution("officer", ResolutionGround.NOTHING_FOUND, SHA)
        assert await s.store.resolve(ID, done, said, s.w.clock()) is None
        assert await s.store.resolve(OTHER_ID, s.task, said, s.w.clock()) is None
        assert await s.store.resolve(ID, 999, said, s.w.clock()) is None


async def test_E7_nothing_is_resolved_for_somebody_who_is_not_identified(tmp_path: Path) -> None:
    async with stuck(tmp_path, verified_by=None) as s:
        answer = await s.post()
        assert (answer.status, "no such task" in answer.json["error"]["message"]) == (404, True)
        assert (await s.w.outcomes())["calls"] == "capability_unresolved"


async def test_E39_a_replay_asks_anew_and_calls_no_system_without_identities(tmp_path: Path) -> None:
    async with stuck(tmp_path) as s:
        await s.post()
        await s.ends()
        s.upstream.calls.clear()
        assert await s.w.stores.tasks.replay(s.w.clock()) == 1
        assert await s.ends() == {"crm": "verified_no_data", "calls": "capability_unresolved"}
        assert not [call for call in s.upstream.calls if "phone" in str(call)]
        assert (await s.post(ground="system_retired")).json["ground"] == "system_retired"
        assert (await s.ends())["calls"] == "unverified"
        assert await s.w.state() == "ended_with_exceptions"


async def test_E12_it_stays_resolved_over_a_start(tmp_path: Path) -> None:
    async with stuck(tmp_path) as s:
        s.upstream.customers[CANARY] = 1
        await s.post(ground="erased_by_hand")
        await s.w.worker.recover()
        assert (await s.ends())["calls"] == "unverified"


async def test_E38_backups_of_the_system_are_waited_for_from_then_on(tmp_path: Path) -> None:
    (tmp_path / "dumps").mkdir()
    (tmp_path / "dumps" / START.strftime("%Y%m%d.dump")).touch()
    observer = FileObserver(DumpFiles(tmp_path / "dumps", "*.dump", "%Y%m%d.dump"))
    nightly = BackupTarget(SET, observer, Retention(timedelta(days=14)), Metrics())
    async with stuck(tmp_path, nightly) as s:
        assert (await s.w.outcomes())[SET] == "pending"
        await s.post(ground="erased_by_hand")
        assert (await s.ends())[SET] == "awaiting_expiry"


async def test_E30_a_manual_task_is_no_matter_of_resolutions_nor_the_other_way(tmp_path: Path) -> None:
    async with stuck(tmp_path) as s:
        assert await Attestations(s.w.database, {"paper": 4}).find(ID, s.task) is None


async def test_E39_what_was_resolved_before_its_system_was_put_back_is_asked_anew_of_the_same_person(
    tmp_path: Path,
) -> None:
    """Also while the request is open, so that its round goes on."""
    async with running_upstream() as upstream:
        fax: Any = json.loads(json.dumps(target_mapping(upstream.url)).replace("{email}", "{phone}"))
        async with stuck(tmp_path, http_target("fax", fax, Clock())) as s:
            assert (await s.post()).json["outcome"] == "unverified"
            await s.w.database.run(lambda connection: replay_target(connection, "calls", None, s.w.clock()))
            assert (await s.w.outcomes())["calls"] == "capability_unresolved"
            assert (await s.get()).json["ground"] is None
            assert (await s.post()).json["outcome"] == "unverified"
