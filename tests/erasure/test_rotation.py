"""A request from before a rotation of the master key is known again when it is sent again (E2, E7, E45)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from sidecar.access import Role
from sidecar.app.overhearing import ChatFiling
from sidecar.audit.record import Intent, Outcome
from sidecar.erasure.deadlines import DeadlinePolicy
from sidecar.erasure.intake import Intake
from sidecar.erasure.receipt import is_about
from sidecar.erasure.request import NOBODY, IdentityType, SubjectIdentity
from sidecar.erasure.trigger_api import PATH, trigger_routes
from sidecar.keys import MasterKey, Pseudonymizer, Purpose
from sidecar.proxy.overhearing import Asked, Filed
from tests.erasure.test_api import Caller, listening
from tests.erasure.world import CANARY, ID, MASTER, Clock, World, body, http_target, receipt_body, world
from tests.targets.upstream import running_upstream, target_mapping

NEW = MasterKey(b"n" * 32, version=2)
ANNA = (SubjectIdentity(IdentityType.EMAIL, CANARY),)


@asynccontextmanager
async def rotating(database_url: str) -> AsyncIterator[World]:
    clock = Clock()
    async with running_upstream() as upstream:  # noqa: SIM117
        async with world(database_url, [http_target("crm", target_mapping(upstream.url), clock)], clock) as w:
            yield w


def people(*masters: MasterKey) -> Sequence[Pseudonymizer]:
    return [one.pseudonymizer(Purpose.ERASURE_PSEUDONYM) for one in masters]


def rotate(w: World, *masters: MasterKey) -> None:
    """Take requests under other master keys, the current one first. What is sealed is not looked at here."""
    current, *former = people(*masters)
    w.intake = Intake(w.stores.requests, w.targets, current, DeadlinePolicy(), w.clock, former)


async def sent(caller: Caller, data: bytes | None = None) -> tuple[int, Any]:
    answer = await caller.submit(data)
    return answer.status, answer.json


async def test_E2_sent_again_after_a_rotation_it_gets_the_same_answer(database_url: str) -> None:
    async with rotating(database_url) as w:
        async with listening(w) as caller:
            first = await sent(caller)
        await w.settle()
        rotate(w, NEW, MASTER)
        async with listening(w) as caller:
            assert await sent(caller) == first
            assert (await sent(caller, body(email="bert@example.org")))[0] == 409
        assert (await w.view()).round == 1
        assert w.metrics.registry.get_sample_value("sidecar_erasure_requests_total") == 1
        rotate(w, NEW)  # without the key nobody can tell that it is the same
        async with listening(w) as caller:
            assert (await sent(caller))[0] == 409


async def test_E45_the_salt_that_is_told_after_a_rotation_is_that_of_the_receipt(database_url: str) -> None:
    async with rotating(database_url) as w:
        await w.submit()
        rotate(w, NEW, MASTER)
        salt = (await w.submit()).salt
        await w.settle()
        data = await w.stores.requests.receipt(ID)
        assert data is not None
        assert is_about(receipt_body(data), salt, ANNA)


async def test_E48_records_of_what_is_sent_again_call_the_person_as_all_others_do(database_url: str) -> None:
    async with rotating(database_url) as w:
        await w.submit()
        name = (await w.view()).subject
        rotate(w, NEW, MASTER)
        async with listening(w) as caller:
            await sent(caller)
        assert [one.subject for one in w.ledger.entries if isinstance(one, Outcome)] == [name]
        await w.settle()
        w.clock.advance(days=36)
        await w.settle()
        w.ledger.entries.clear()
        async with listening(w) as caller:  # past the horizon, where nothing would forget it any more
            assert (await sent(caller))[0] == 202
        assert [one.subject for one in w.ledger.entries if isinstance(one, Outcome)] == [NOBODY]


async def test_E7_who_asked_a_chatbot_before_a_rotation_has_asked_once(database_url: str) -> None:
    message = json.dumps({"text": "delete my data", "subject": {"identities": [{"type": "email", "value": CANARY}]}})
    async with rotating(database_url) as w:
        answers = []
        for masters in ((MASTER,), (NEW, MASTER)):
            rotate(w, *masters)
            async with listening(w, trigger_routes(w.intake, people(*masters), (), w.metrics, w.clock)) as caller:
                answers.append((await caller.call(Role.INTAKE, "POST", PATH, message.encode())).json)
        assert answers[0] == answers[1]
        w.clock.advance(days=1)
        async with listening(w, trigger_routes(w.intake, people(NEW, MASTER), (), w.metrics, w.clock)) as caller:
            tomorrow = (await caller.call(Role.INTAKE, "POST", PATH, message.encode())).json
        assert tomorrow["id"] != answers[0]["id"]
        assert (await w.view(tomorrow["id"])).subject.startswith("k2:")


async def test_E7_a_chat_that_was_filed_before_a_rotation_is_not_filed_again(database_url: str) -> None:
    asked = Asked("chats", "", "gdpr", (("email", CANARY), ("conversation_id", "c-77")))
    async with rotating(database_url) as w:
        told = []
        for masters in ((MASTER,), (NEW, MASTER), (NEW, MASTER)):
            rotate(w, *masters)
            told.append(await ChatFiling(w.intake, people(*masters), w.ledger, w.metrics).file(asked))
        assert told == [Filed.FILED, Filed.KNOWN, Filed.KNOWN]
        assert len([one for one in w.ledger.entries if isinstance(one, Intent)]) == 1
        assert (await w.stores.requests.counts(w.clock())).open == 1
