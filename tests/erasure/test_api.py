"""The endpoints behind the real admin listener and guard."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from prometheus_client import generate_latest

from sidecar.access import Identity, KnownCaller, Role
from sidecar.admin.guard import Guard
from sidecar.admin.listener import AdminListener, AdminSettings
from sidecar.admin.route import AdminRoute
from sidecar.audit.record import Action, Outcome
from sidecar.erasure.api import ErasureParts, erasure_routes
from sidecar.erasure.receipt import is_about, verify_receipt
from sidecar.erasure.request import parse_request
from sidecar.keys import Purpose
from tests.erasure.world import (
    CANARY,
    ID,
    MASTER,
    OTHER_ID,
    Clock,
    World,
    body,
    bytes_on_disk,
    http_target,
    world,
)
from tests.targets.upstream import Mode, Upstream, running_upstream, target_mapping

PATH = "/v1/erasures"


@dataclass
class Caller:
    """One who calls with a token of a role."""

    session: aiohttp.ClientSession
    url: str

    async def call(self, role: Role | None, method: str, path: str, data: bytes | None = None) -> Answer:
        headers = {"Content-Type": "application/json"} if data is not None else {}
        if role is not None:
            headers["Authorization"] = f"Bearer token-{role.value}"
        async with self.session.request(method, self.url + path, data=data, headers=headers) as response:
            return Answer(response.status, await response.read(), dict(response.headers))

    async def submit(self, data: bytes | None = None) -> Answer:
        return await self.call(Role.INTAKE, "POST", PATH, data or body())

    async def status(self, request_id: str = ID, role: Role = Role.INTAKE) -> Answer:
        return await self.call(role, "GET", f"{PATH}/{request_id}")


@dataclass
class Answer:
    status: int
    data: bytes
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.data)


@asynccontextmanager
async def api(folder: Path) -> AsyncIterator[tuple[Caller, World, Upstream]]:
    clock = Clock()
    async with running_upstream() as upstream:
        upstream.customers[CANARY] = 2
        targets = [http_target("crm", target_mapping(upstream.url), clock)]
        async with world(folder / "state.db", targets, clock) as w, listening(w) as caller:
            yield caller, w, upstream


def parts_of(w: World) -> ErasureParts:
    return ErasureParts(
        intake=w.intake,
        requests=w.stores.requests,
        tasks=w.stores.tasks,
        receipt_keys=w.stores.receipt_keys,
        metrics=w.metrics,
        wake=w.worker.wake,
        clock=w.clock,
    )


@asynccontextmanager
async def listening(w: World, more: tuple[AdminRoute, ...] = ()) -> AsyncIterator[Caller]:
    callers = [
        KnownCaller(
            Identity(role.value, frozenset({role})), token_sha256=sha256(f"token-{role.value}".encode()).digest()
        )
        for role in Role
    ]
    pseudonyms = MASTER.pseudonymizer(Purpose.AUDIT_PSEUDONYM)
    guard = Guard(callers, w.ledger, pseudonyms, w.metrics, 1024 * 1024)
    listener = AdminListener(AdminSettings("127.0.0.1", 0, None), (*erasure_routes(parts_of(w)), *more), guard)
    await listener.start()
    try:
        async with aiohttp.ClientSession() as session:
            yield Caller(session, f"http://127.0.0.1:{listener.port}")
    finally:
        await listener.stop()


async def test_E1_accepted_is_durable_and_located(tmp_path: Path) -> None:
    async with api(tmp_path) as (caller, w, _):
        answer = await caller.submit()
        assert (answer.status, answer.headers["Location"]) == (202, f"{PATH}/{ID}")
        assert answer.json | {"receipt_salt": ""} == {
            "id": ID,
            "state": "pending",
            "regulation": "gdpr",
            "received_time": "2025-03-01T12:00:00Z",
            "legal_deadline": "2025-04-01T23:59:59Z",
            "internal_deadline": "2025-03-25T23:59:59Z",
            "clock": "run",
            "unused_identity_types": [],
            "receipt_salt": "",
        }
        assert CANARY.encode() not in answer.data
        assert (await w.view()).tasks
        assert w.metrics.registry.get_sample_value("sidecar_erasure_requests_total") == 1


async def test_E2_the_same_again_is_the_same_answer_and_another_body_changes_nothing(tmp_path: Path) -> None:
    async with api(tmp_path) as (caller, w, upstream):
        first = await caller.submit()
        await w.settle()
        w.clock.advance(days=40)
        again = await caller.submit(json.dumps(json.loads(body()), indent=2).encode())
        assert (again.status, again.data) == (202, first.data)
        other = await caller.submit(body(email="bert@example.org"))
        assert (other.status, other.json["error"]["reason"]) == (409, "id_taken")
        assert len((await w.view()).tasks) == 1
        assert upstream.count("DELETE") == 1
        assert w.metrics.registry.get_sample_value("sidecar_erasure_requests_total") == 1


async def test_E3_many_at_once_are_one_request(tmp_path: Path) -> None:
    async with api(tmp_path) as (caller, w, _):
        answers = await asyncio.gather(*(caller.submit() for _ in range(100)))
        assert {(answer.status, answer.data) for answer in answers} == {(202, answers[0].data)}
        assert len((await w.view()).tasks) == 1
        assert w.metrics.registry.get_sample_value("sidecar_erasure_requests_total") == 1


async def test_E4_without_a_store_nothing_is_accepted(tmp_path: Path) -> None:
    async with api(tmp_path) as (caller, w, _):
        await w.database.stop()
        for answer in (await caller.submit(), await caller.status()):
            assert answer.status == 503
            assert int(answer.headers["Retry-After"]) > 0
            assert CANARY.encode() not in answer.data


async def test_nothing_is_accepted_that_can_not_be_audited(tmp_path: Path) -> None:
    async with api(tmp_path) as (caller, w, _):
        w.ledger.available = False
        assert (await caller.submit()).status == 503
        w.ledger.available = True
        assert (await caller.status()).status == 404


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (body(regulation=f"law of {CANARY}"), "regulation"),
        (body(subject={"identities": [{"type": f"mail {CANARY}", "value": CANARY}]}), "subject.identities[0].type"),
        (body(subject={"identities": [{"type": "phone", "value": CANARY}]}), "subject.identities[0].value"),
        (json.dumps(json.loads(body()) | {CANARY: CANARY}).encode(), "body"),
        (body()[:-2], "body"),
        (b'"' + b"x" * 70_000 + b'"', "body"),
    ],
)
async def test_E5_errors_have_opendsr_shape_and_no_value_reaches_anything(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, data: bytes, reason: str
) -> None:
    caplog.set_level(logging.DEBUG)
    async with api(tmp_path) as (caller, w, _):
        answer = await caller.submit(data)
        error = answer.json["error"]
        assert (answer.status, error["code"]) == (400, 400)
        assert [(one["domain"], one["reason"]) for one in error["errors"]] == [("Validation", reason)]
        everything = answer.data + repr((w.ledger.entries, answer.headers)).encode() + caplog.text.encode()
        assert CANARY.encode() not in everything + generate_latest(w.metrics.registry) + bytes_on_disk(tmp_path)


async def test_E5_a_body_that_is_no_json_by_its_type_is_refused(tmp_path: Path) -> None:
    async with api(tmp_path) as (caller, _, _upstream):
        headers = {"Authorization": "Bearer token-intake", "Content-Type": "text/plain"}
        async with caller.session.post(caller.url + PATH, data=body(), headers=headers) as response:
            assert response.status == 400


ENDPOINTS = [
    ("POST", PATH, {Role.INTAKE}),
    ("GET", f"{PATH}/{ID}", {Role.INTAKE, Role.PRIVACY_OFFICER, Role.AUDITOR}),
    ("GET", f"{PATH}/{ID}/receipt", {Role.INTAKE, Role.PRIVACY_OFFICER, Role.AUDITOR}),
    ("POST", f"{PATH}/{ID}/verification", {Role.INTAKE, Role.PRIVACY_OFFICER}),
    ("POST", "/v1/erasure-replays", {Role.PRIVACY_OFFICER}),
    ("GET", "/v1/erasure-receipt-keys", {Role.INTAKE, Role.PRIVACY_OFFICER, Role.AUDITOR}),
]


@pytest.mark.parametrize(("method", "path", "admitted"), ENDPOINTS)
async def test_E6_who_may_do_what(tmp_path: Path, method: str, path: str, admitted: set[Role]) -> None:
    async with api(tmp_path) as (caller, _, upstream):
        data = body() if method == "POST" else None
        assert (await caller.call(None, method, path, data)).status == 401
        for role in Role:
            answer = await caller.call(role, method, path, data)
            assert (answer.status == 403) == (role not in admitted), role
        assert upstream.calls == []


async def test_E6_no_answer_tells_whether_a_person_is_known(tmp_path: Path) -> None:
    async with api(tmp_path) as (caller, _w, _):
        known = await caller.submit()
        unknown = await caller.submit(body(OTHER_ID, email="nobody@example.org"))
        strip = {"id", "receipt_salt"}
        assert {k: v for k, v in known.json.items() if k not in strip} == {
            k: v for k, v in unknown.json.items() if k not in strip
        }
        assert (await caller.status("not-a-uuid")).data == (
            await caller.status(str(parse_request(body()).id)[::-1])
        ).data


async def test_E50_status_shows_aggregates_and_is_audited_with_the_pseudonym(tmp_path: Path) -> None:
    async with api(tmp_path) as (caller, w, upstream):
        upstream.mode = Mode.FAIL
        await caller.submit()
        await w.settle()
        answer = await caller.status(role=Role.AUDITOR)
        assert answer.json["state"] == "in_progress"
        assert answer.json["targets"] == [
            {
                "task": 1,
                "target": "crm",
                "outcome": "retryable_failure",
                "attempts": 1,
                "fault": "unexpected_status",
                "detail": None,
                "found_count": None,
                "claimed_deleted_count": None,
                "claimed_counts": None,
                "remaining_count": None,
                "verified_time": None,
                "until_time": None,
                "ground": None,
            }
        ]
        assert CANARY.encode() not in answer.data
        reads = [e for e in w.ledger.entries if isinstance(e, Outcome) and e.action is Action.ERASURE_READ]
        assert [one.subject for one in reads] == [(await w.view()).subject]
        submits = [e for e in w.ledger.entries if isinstance(e, Outcome) and e.action is Action.ERASURE_SUBMIT]
        assert [one.subject for one in submits] == [(await w.view()).subject]


async def test_E7_a_request_waits_until_the_person_is_identified(tmp_path: Path) -> None:
    async with api(tmp_path) as (caller, w, upstream):
        assert (await caller.submit(body(verified_by=None))).json["state"] == "awaiting_verification"
        await w.settle()
        assert upstream.calls == []
        path = f"{PATH}/{ID}/verification"
        assert (await caller.call(Role.PRIVACY_OFFICER, "POST", path, b'{"verified_by": "Anna C"}')).status == 400
        confirmed = await caller.call(Role.PRIVACY_OFFICER, "POST", path, b'{"verified_by": "id_check"}')
        assert (confirmed.status, confirmed.json["state"], confirmed.json["verified_by"]) == (
            200,
            "pending",
            "id_check",
        )
        again = await caller.call(Role.PRIVACY_OFFICER, "POST", path, b'{"verified_by": "something_else"}')
        assert again.json["verified_by"] == "id_check"
        await w.settle()
        assert (await caller.status()).json["state"] == "completed"
        missing = f"{PATH}/{OTHER_ID}/verification"
        assert (await caller.call(Role.INTAKE, "POST", missing, b'{"verified_by": "id_check"}')).status == 404


async def test_E7_E10_who_was_taken_back_is_not_said_to_be_identified(tmp_path: Path) -> None:
    """An answer of success would let somebody believe that the person will be erased."""
    async with api(tmp_path) as (caller, w, upstream):
        await caller.submit(body(verified_by=None))
        assert (await caller.call(Role.INTAKE, "DELETE", f"{PATH}/{ID}")).json["state"] == "cancelled"
        for _ in range(2):  # before its identities are destroyed, and after
            answer = await caller.call(Role.INTAKE, "POST", f"{PATH}/{ID}/verification", b'{"verified_by": "id_check"}')
            assert (answer.status, answer.json["error"]["reason"]) == (409, "not_pending")
            await w.settle()
        assert upstream.calls == []


async def test_E44_E45_the_receipt_verifies_with_what_the_api_gave(tmp_path: Path) -> None:
    async with api(tmp_path) as (caller, w, _):
        salt = (await caller.submit()).json["receipt_salt"]
        path = f"{PATH}/{ID}/receipt"
        early = await caller.call(Role.INTAKE, "GET", path)
        assert (early.status, early.json["error"]["reason"]) == (409, "not_ended")
        assert (await caller.call(Role.INTAKE, "GET", f"{PATH}/{OTHER_ID}/receipt")).status == 404
        await w.settle()
        receipt = (await caller.call(Role.AUDITOR, "GET", path)).data
        listed = (await caller.call(Role.AUDITOR, "GET", "/v1/erasure-receipt-keys")).json["keys"]
        keys: dict[str, Ed25519PublicKey] = {}
        for one in listed:
            key = load_pem_public_key(one["public_key"].encode())
            assert isinstance(key, Ed25519PublicKey)
            keys[one["key_id"]] = key
        said = verify_receipt(receipt, keys)
        assert said["state"] == "completed"
        assert is_about(said, salt, parse_request(body()).identities)
        assert salt.encode() not in receipt + (await caller.status()).data


async def test_E39_replay_by_the_privacy_officer(tmp_path: Path) -> None:
    async with api(tmp_path) as (caller, w, upstream):
        await caller.submit()
        await w.settle()
        upstream.customers[CANARY] = 1
        answer = await caller.call(Role.PRIVACY_OFFICER, "POST", "/v1/erasure-replays", b"")
        assert (answer.status, answer.json) == (202, {"requests": 1})
        await w.settle()
        assert upstream.customers == {}
        assert (await caller.status()).json["round"] == 2


async def test_too_many_combinations_are_a_client_error(tmp_path: Path) -> None:
    async with api(tmp_path) as (_caller, w, _):
        clock = w.clock
        mapping: Any = target_mapping("https://crm.example")
        mapping["delete"]["url"] += "&n={name}"
        async with (
            world(tmp_path / "b.db", [http_target("crm", mapping, clock)], clock) as big,
            listening(big) as other,
        ):
            people = [{"type": "email", "value": f"a{n}@b"} for n in range(25)]
            people += [{"type": "name", "value": f"n{n}"} for n in range(25)]
            answer = await other.submit(body(subject={"identities": people}))
            assert (answer.status, answer.json["error"]["errors"][0]["reason"]) == (400, "subject.identities")


async def test_types_that_no_upstream_is_asked_about_are_named_from_the_first_answer_on(tmp_path: Path) -> None:
    both = [{"type": "customer_id", "value": "C-1007"}, {"type": "email", "value": CANARY}]
    async with api(tmp_path) as (caller, w, _):
        accepted = await caller.submit(body(subject={"identities": both}))
        assert accepted.json["unused_identity_types"] == ["customer_id"]
        await w.settle()
        status = (await caller.status()).json
        assert (status["state"], status["unused_identity_types"]) == ("ended_with_exceptions", ["customer_id"])
