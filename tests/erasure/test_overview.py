"""Operators see how requests stand together and none of them; whoever reads one is recorded (E50)."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Connection, insert

from sidecar.access import Role
from sidecar.audit.reading import AuditReading
from sidecar.audit.record import Action, Intent
from sidecar.audit.record import Outcome as AuditOutcome
from sidecar.erasure.api import PATH, erasure_routes
from sidecar.erasure.hold_api import hold_routes
from sidecar.erasure.manual_api import ManualParts, manual_routes
from sidecar.erasure.outcomes import Outcome, RequestState
from sidecar.erasure.overview_api import overview_routes
from sidecar.erasure.proof_api import proof_routes
from sidecar.stores.erasure_attestations import Attestations
from sidecar.stores.erasure_overview import Overview
from sidecar.stores.erasure_tables import requests, tasks, unused_types
from tests.erasure.test_api import listening, parts_of
from tests.erasure.world import CANARY, ID, OTHER_ID, START, Clock, World, body, http_target, one_target, world
from tests.targets.upstream import target_mapping

MANY = 300


def name_of(number: int) -> str:
    return str(UUID(int=number, version=4))


def put(connection: Connection, chance: Random) -> None:
    """Many requests in every condition that there may be, likely or not."""
    kinds = [list(Outcome), [Outcome.PENDING], [Outcome.VERIFIED_ERASED, Outcome.VERIFIED_NO_DATA],
             [Outcome.VERIFYING, Outcome.RETAINED, Outcome.AWAITING_EXPIRY]]  # fmt: skip
    for number in range(MANY):
        name, kind = name_of(number), chance.choice(kinds)
        maybe: list[datetime | None] = [None, START]
        ended = chance.choice([None, None, START - timedelta(days=1)])
        row = {
            "id": name, "body_digest": bytes(32), "regulation": chance.choice(["gdpr", "ccpa"]), "subject": "k1:00",
            "commitment": "00", "received_at": START - timedelta(days=chance.randrange(60)), "internal_at": START,
            "legal_at": START + timedelta(days=1), "overdue_at": START + timedelta(days=chance.choice([-1, 1])),
            "verified_at": chance.choice(maybe), "accepted_state": "pending", "round": 1, "ended_at": ended,
            "clock": chance.choice(["run", "pause"]), "cancelled_at": chance.choice(maybe) if ended else None,
            "second_look_at": chance.choice(maybe),
        }  # fmt: skip
        connection.execute(insert(requests).values(row))
        planned = {"request_id": name, "identities": "0", "claimed": False, "failures": 0, "attempts": 0, "fence": 0}
        for target in range(chance.randrange(4)):
            outcome = chance.choice(kind).value
            connection.execute(
                insert(tasks).values(planned | {"target": f"t{target}", "outcome": outcome, "due_at": START})
            )
        if chance.random() < 0.3:
            connection.execute(insert(unused_types).values(request_id=name, type="name"))


async def counted(w: World) -> Overview:
    return await w.stores.overview.at(w.clock())


async def test_E50_requests_are_counted_by_the_states_that_each_is_said_to_be_in(database_url: str) -> None:
    clock = Clock()
    async with world(database_url, [http_target("crm", target_mapping("https://crm.example"), clock)], clock) as w:
        await w.database.run(lambda connection: put(connection, Random(50)))
        views = [await w.view(name_of(number)) for number in range(MANY)]
        states = Counter((view.regulation, view.state_at(clock()).value) for view in views)
        found = await counted(w)
        assert {(law, state): n for law, row in found.states.items() for state, n in row.items()} == states
        assert {state for _, state in states} == {one.value for one in RequestState}  # nothing is left untried
        still_open = [view for view in views if view.ended_at is None]
        assert found.open == len(still_open)
        assert found.oldest_received == min(view.received_at for view in still_open)
        at = Counter((task.target, task.outcome.value) for view in still_open for task in view.tasks)
        assert {(target, outcome): n for target, row in found.targets.items() for outcome, n in row.items()} == at
        assert found.overdue == sum(view.state_at(clock()) is RequestState.OVERDUE for view in still_open)


async def test_E50_what_ended_long_ago_is_not_counted(tmp_path: Path) -> None:
    async with one_target(tmp_path) as (w, _):
        await w.submit()
        await w.settle()
        assert (await counted(w)).states == {"gdpr": {"completed": 1}}
        w.clock.advance(days=31)
        assert (await counted(w)).states == {}
        assert await counted(w) == replace(await counted(w), open=0, overdue=0, targets={}, oldest_received=None)


async def test_E50_an_operator_sees_counts_and_no_request_and_is_recorded(tmp_path: Path) -> None:
    async with one_target(tmp_path) as (w, _):
        more = overview_routes(w.stores.overview, w.clock)
        async with listening(w, more) as caller:
            await w.submit(body(verified_by=None))
            await w.submit(body(OTHER_ID, email="b@example.org"))
            w.clock.advance(days=40)
            answer = await caller.call(Role.OPERATOR, "GET", PATH)
            assert answer.json == {
                "time": "2025-04-10T12:00:00Z",
                "open": 2,
                "overdue": 2,
                "oldest_open_days": 40,
                "next_deadline_days": -9,
                "ended_within_days": 30,
                "states": {"gdpr": {"overdue": 2}},
                "targets": {"crm": {"pending": 2}},
            }
            view = await w.view()
            for word in (CANARY, ID, view.subject, "2025-03-01"):
                assert word.encode() not in answer.data
            (intent, outcome) = w.ledger.entries
            assert isinstance(intent, Intent)
            assert isinstance(outcome, AuditOutcome)
            assert (intent.actor, intent.action, outcome.status) == ("operator", Action.ERASURE_READ, 200)
            await w.database.stop()
            w.clock.advance(minutes=1)
            assert (await caller.call(Role.OPERATOR, "GET", PATH)).status == 503


async def test_E50_who_asks_again_within_seconds_is_told_the_same_with_its_time(tmp_path: Path) -> None:
    async with one_target(tmp_path) as (w, _), listening(w, overview_routes(w.stores.overview, w.clock)) as caller:
        first = await caller.call(Role.OPERATOR, "GET", PATH)
        await w.submit()
        w.clock.advance(seconds=9)
        assert (await caller.call(Role.OPERATOR, "GET", PATH)).data == first.data
        w.clock.advance(seconds=1)
        later = (await caller.call(Role.OPERATOR, "GET", PATH)).json
        assert (first.json["open"], later["open"], later["time"]) == (0, 1, "2025-03-01T12:00:10Z")
        w.clock.advance(days=-1)  # a clock that was set back holds nothing up
        assert (await caller.call(Role.OPERATOR, "GET", PATH)).json["time"] == "2025-02-28T12:00:10Z"


async def test_E50_the_overview_is_for_three_roles_and_the_operator_gets_nothing_else(tmp_path: Path) -> None:
    async with one_target(tmp_path) as (w, _), listening(w, overview_routes(w.stores.overview, w.clock)) as caller:
        await w.submit()
        allowed = {Role.OPERATOR, Role.PRIVACY_OFFICER, Role.AUDITOR}
        for role in Role:
            assert ((await caller.call(role, "GET", PATH)).status == 200) == (role in allowed), role
        for route in erasure_routes(parts_of(w)):
            path = route.path.replace("{id}", ID)
            assert (await caller.call(Role.OPERATOR, route.method, path, b"{}")).status == 403, route.path


async def test_E50_every_read_of_a_request_is_recorded_with_its_person(tmp_path: Path) -> None:
    async with one_target(tmp_path) as (w, _):
        manual = ManualParts(Attestations(w.database, {"crm": 2}), cast(Any, {"crm": None}), w.worker.wake, w.clock)
        everything = (
            *erasure_routes(parts_of(w)),
            *overview_routes(w.stores.overview, w.clock),
            *proof_routes(w.stores.requests, cast(AuditReading, None)),
            *hold_routes(w.stores.holds, w.worker.wake, w.clock),
            *manual_routes(manual),
        )
        reads = [route for route in everything if route.method == "GET"]
        unrecorded = [route.path for route in reads if route.action is not Action.ERASURE_READ]
        assert unrecorded == ["/v1/erasure-receipt-keys"]
        async with listening(w) as caller:
            await w.submit()
            await w.settle()
            w.ledger.entries.clear()
            for path in (f"{PATH}/{ID}", f"{PATH}/{ID}/receipt"):
                assert (await caller.call(Role.AUDITOR, "GET", path)).status == 200
            concluded = [entry for entry in w.ledger.entries if isinstance(entry, AuditOutcome)]
            assert [one.subject for one in concluded] == [(await w.view()).subject] * 2
            assert ID not in json.dumps([repr(entry) for entry in w.ledger.entries])
