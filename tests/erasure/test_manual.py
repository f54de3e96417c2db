"""Tasks for people: evidence, four eyes, due dates (E30)."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from sidecar.access import Role
from sidecar.erasure.manual_api import ManualParts, manual_routes
from sidecar.erasure.manual_reminder import ManualReminder
from sidecar.stores.erasure_attestations import Attestation, AttestationRefused, Attestations, Found
from sidecar.stores.erasure_replays import replay_target
from sidecar.targets.manual import ManualSettings, ManualTarget
from tests.erasure.test_api import Answer, Caller, listening
from tests.erasure.world import CANARY, ID, OTHER_ID, Clock, World, body, http_target, receipt_body, world
from tests.targets.upstream import running_upstream, target_mapping

SHA = "ab" * 32
OTHER_SHA = "cd" * 32


def settings(**changes: Any) -> ManualSettings:
    mapping = {"name": "paper", "type": "manual", "instructions": "Shred the file.", "due_days": 7}
    return ManualSettings.model_validate(mapping | changes)


@dataclass
class Desk:
    """One request with one task for people."""

    w: World
    store: Attestations
    reminder: ManualReminder
    caller: Caller
    task: int

    async def post(self, role: Role = Role.PRIVACY_OFFICER, found: str = "erased", sha: str = SHA) -> Answer:
        data = f'{{"evidence_sha256": "{sha}", "found": "{found}"}}'.encode()
        return await self.caller.call(role, "POST", f"/v1/erasures/{ID}/tasks/{self.task}/evidence", data)

    async def says(self, who: str, found: Found = Found.ERASED, sha: str = SHA) -> Any:
        return await self.store.attest(ID, self.task, Attestation(who, found, sha), self.w.clock())

    async def ends(self) -> dict[str, str]:
        await self.w.settle()
        return await self.w.outcomes()


@asynccontextmanager
async def desk(folder: Path, **changes: Any) -> AsyncIterator[Desk]:
    made = settings(**changes)
    clock = Clock()
    async with world(folder / "state.db", [ManualTarget(made)], clock) as w:
        store = Attestations(w.database, {"paper": made.eyes})
        parts = ManualParts(store, {"paper": made}, w.worker.wake, clock)
        async with listening(w, manual_routes(parts)) as caller:
            await w.submit()
            await w.settle()
            task = (await w.view()).tasks[0].id
            yield Desk(w, store, ManualReminder(store, {"paper": made}, w.metrics, clock), caller, task)


async def test_E30_four_eyes_make_a_task_verified(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        assert await d.w.state() == "needs_attention"
        first = await d.post()
        assert (first.status, first.json["outcome"]) == (200, "manual_required")
        assert await d.ends() == {"paper": "manual_required"}
        await d.says("officer-two", sha=OTHER_SHA)
        assert await d.ends() == {"paper": "verified_erased"}
        assert await d.w.state() == "completed"
        data = await d.w.stores.requests.receipt(ID)
        assert data is not None
        assert receipt_body(data)["targets"][0]["verified_time"] == "2025-03-01T12:00:00Z"


async def test_E39_a_word_from_before_the_system_was_put_back_is_no_second_pair_of_eyes(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        assert (await d.post()).status == 200
        await d.w.database.run(lambda connection: replay_target(connection, "paper", None, d.w.clock()))
        await d.says("officer-two", sha=OTHER_SHA)
        assert await d.ends() == {"paper": "manual_required"}
        assert (await d.post()).json["outcome"] == "verified_erased"


async def test_E30_two_eyes_are_a_claim_that_nobody_looked_at_again(tmp_path: Path) -> None:
    async with desk(tmp_path, eyes=2) as d:
        assert (await d.post()).json["outcome"] == "unverified"
        assert await d.ends() == {"paper": "unverified"}
        assert await d.w.state() == "ended_with_exceptions"


async def test_E30_the_same_person_twice_is_two_eyes(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        assert (await d.post()).status == 200
        assert (await d.post()).status == 200  # said again: nothing changes
        assert (await d.post(sha=OTHER_SHA)).json["attestations"][0][
            "evidence_sha256"
        ] == OTHER_SHA  # still one person's
        assert await d.ends() == {"paper": "manual_required"}


async def test_E30_who_was_mistaken_can_say_so_until_somebody_has_confirmed_it(tmp_path: Path) -> None:
    """Else two who disagree could settle it only by the second confirming what is not true."""
    async with desk(tmp_path) as d:
        await d.says("one", Found.ERASED)
        with pytest.raises(AttestationRefused, match="found something else"):
            await d.says("two", Found.NO_DATA)
        corrected = await d.says("one", Found.NO_DATA)
        assert corrected.attestations == (Attestation("one", Found.NO_DATA, SHA),)
        assert await d.ends() == {"paper": "manual_required"}
        await d.says("two", Found.NO_DATA)
        assert await d.ends() == {"paper": "verified_no_data"}
        with pytest.raises(AttestationRefused, match="does not wait"):
            await d.says("one", Found.ERASED)
        data = await d.w.stores.requests.receipt(ID)
        assert data is not None  # what was said first is not hidden
        said = [one["said"] for one in receipt_body(data)["targets"][0]["evidence"]]
        assert said == ["erased", "no_data", "no_data"]


async def test_E30_people_who_disagree_confirm_nothing(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await d.says("one", Found.NO_DATA)
        with pytest.raises(AttestationRefused, match="found something else"):
            await d.says("two", Found.ERASED)
        await d.says("two", Found.NO_DATA)
        assert await d.ends() == {"paper": "verified_no_data"}
        with pytest.raises(AttestationRefused, match="does not wait"):
            await d.says("three")


async def test_E30_the_task_says_what_to_do_and_until_when_and_not_for_whom(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await d.post()
        shown = await d.caller.call(Role.AUDITOR, "GET", f"/v1/erasures/{ID}/tasks/{d.task}/evidence")
        assert shown.json == {
            "task": d.task,
            "target": "paper",
            "outcome": "manual_required",
            "instructions": "Shred the file.",
            "eyes": 4,
            "due_time": "2025-03-08T12:00:00Z",
            "attestations": [{"who": "privacy_officer", "found": "erased", "evidence_sha256": SHA}],
        }
        assert CANARY.encode() not in shown.data


@pytest.mark.parametrize("role", [Role.TRAINER, Role.AUDITOR, Role.INTAKE, Role.METRICS])
async def test_E6_only_officers_may_attest(tmp_path: Path, role: Role) -> None:
    async with desk(tmp_path) as d:
        assert (await d.post(role)).status == 403
        assert await d.ends() == {"paper": "manual_required"}


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b'{"found": "erased"}', "evidence_sha256"),
        (b'{"evidence_sha256": "anna.canary", "found": "erased"}', "evidence_sha256"),
        (b'{"evidence_sha256": "%s", "found": "maybe"}' % SHA.encode(), "found"),
        (b'{"evidence_sha256": "%s", "found": "erased", "name": "anna.canary"}' % SHA.encode(), "body"),
    ],
)
async def test_E5_what_can_not_be_read_is_told_by_its_place(tmp_path: Path, data: bytes, place: str) -> None:
    async with desk(tmp_path) as d:
        path = f"/v1/erasures/{ID}/tasks/{d.task}/evidence"
        answer = await d.caller.call(Role.PRIVACY_OFFICER, "POST", path, data)
        assert answer.status == 400
        assert [one["reason"] for one in answer.json["error"]["errors"]] == [place]
        assert b"canary" not in answer.data


@pytest.mark.parametrize("task", ["999", "x", "-1", "99999999999"])
async def test_a_task_that_is_not_there(tmp_path: Path, task: str) -> None:
    async with desk(tmp_path) as d:
        path = f"/v1/erasures/{ID}/tasks/{task}/evidence"
        answer = await d.caller.call(Role.AUDITOR, "GET", path)
        assert (answer.status, "no such task" in answer.json["error"]["message"]) == (404, True)


async def test_E30_reminds_by_metric_and_log_once_a_day(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "sidecar.erasure")

    def gauge(name: str) -> float | None:
        return d.w.metrics.registry.get_sample_value(name, {"target": "paper"})

    async with desk(tmp_path) as d:
        await d.reminder.look()
        assert gauge("sidecar_erasure_manual_open_tasks") == 1
        assert caplog.records == []
        d.w.clock.advance(days=5, minutes=1)
        await d.reminder.look()
        await d.reminder.look()
        assert [one.getMessage() for one in caplog.records] == [
            f"erasure {ID} waits for a person at paper, due 2025-03-08"
        ]
        assert gauge("sidecar_erasure_manual_late_tasks") == 0
        d.w.clock.advance(days=2)
        await d.reminder.look()
        assert (gauge("sidecar_erasure_manual_late_tasks"), len(caplog.records)) == (1, 2)
        await d.says("one")
        await d.says("two")
        await d.reminder.look()
        assert gauge("sidecar_erasure_manual_open_tasks") == 0


async def test_E39_a_replay_asks_people_anew(tmp_path: Path) -> None:
    async with desk(tmp_path, eyes=2) as d:
        await d.post()
        assert await d.ends() == {"paper": "unverified"}
        assert await d.w.stores.tasks.replay(d.w.clock()) == 1
        assert await d.ends() == {"paper": "manual_required"}
        assert (await d.post()).json["outcome"] == "unverified"


async def test_E39_a_replay_asks_people_anew_also_before_the_request_has_ended(tmp_path: Path) -> None:
    clock = Clock()
    paper = ManualTarget(settings())
    async with running_upstream() as upstream:
        crm = http_target("crm", target_mapping(upstream.url), clock)
        async with world(tmp_path / "state.db", [crm, paper], clock) as w:
            upstream.customers[CANARY] = 2
            await w.submit()
            store = Attestations(w.database, {"paper": 4})
            await w.settle()
            task = next(one.id for one in (await w.view()).tasks if one.target == "paper")
            await store.attest(ID, task, Attestation("one", Found.ERASED, SHA), clock())
            assert await w.state() == "needs_attention"
            upstream.customers[CANARY] = 1  # restored
            assert await w.stores.tasks.replay(clock()) == 1
            await w.settle()
            assert CANARY not in upstream.customers
            assert await w.outcomes() == {"crm": "verified_erased", "paper": "manual_required"}
            assert (await w.view()).tasks[
                0
            ].deleted == 3  # two before the replay, which no receipt has told of, and one
            found = await store.find(ID, task)
            assert found is not None
            assert found.attestations == ()  # what was said before the replay is no word about it


async def test_E39_a_replay_leaves_alone_where_nothing_was_begun(tmp_path: Path) -> None:
    async with desk(tmp_path) as d:
        await d.w.submit(body(OTHER_ID, verified_by=None))
        before = await d.w.view(OTHER_ID)
        await d.w.stores.tasks.replay(d.w.clock())
        assert await d.w.view(OTHER_ID) == before


def test_a_reminder_after_the_due_date_is_refused() -> None:
    with pytest.raises(ValidationError, match="less than due_days"):
        settings(due_days=1, remind_days_before=1)


async def test_a_request_of_a_person_not_identified_waits_for_nobody(tmp_path: Path) -> None:
    made = settings()
    async with world(tmp_path / "state.db", [ManualTarget(made)]) as w:
        await w.submit(body(verified_by=None))
        await w.settle()
        assert await Attestations(w.database, {"paper": 4}).waiting() == []


async def test_E12_a_task_for_people_at_a_system_that_was_taken_away_is_unresolved(tmp_path: Path) -> None:
    """Else it waits for people whom no endpoint asks, for ever."""
    clock, other = Clock(), ManualTarget(settings(name="vault"))
    async with world(tmp_path / "state.db", [ManualTarget(settings()), other], clock) as w:
        await w.submit()
        await w.settle()
        assert await w.outcomes() == {"paper": "manual_required", "vault": "manual_required"}
    async with world(tmp_path / "state.db", [other], clock) as w:
        await w.worker.recover()
        assert await w.outcomes() == {"paper": "capability_unresolved", "vault": "manual_required"}
    async with world(tmp_path / "state.db", [ManualTarget(settings()), other], clock) as w:
        await w.worker.recover()
        await w.settle()
        assert await w.outcomes() == {"paper": "manual_required", "vault": "manual_required"}
