"""Customers who ask to be forgotten in chats that pass: filed once, to be confirmed; never in the way.

Over real sockets and a real database; nothing of a person is in any log or metric (E7, E41).
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest

from sidecar.app.overhearing import ChatFiling, trigger_of
from sidecar.audit.record import Action, Decision, Intent, Outcome
from sidecar.config.traffic import ErasureTriggerConfig
from sidecar.erasure.recognition import says_so
from sidecar.errors import ConfigError
from sidecar.keys import Purpose
from sidecar.metrics import Metrics
from sidecar.payloads.presets import load_preset
from sidecar.proxy.overhearing import Asked, Filed, Filing, Overhearing, OverhearingLimits
from sidecar.proxy.recalling import RecallingRewriter
from sidecar.proxy.rewrite_memory import MemoryLimits, RewriteMemory
from sidecar.proxy.rewriter import Rewriter
from sidecar.proxy.routes import BodyMode, RouteTable
from sidecar.redaction.redactor import Redactor
from sidecar.stores.placeholders import MemoryPlaceholders
from tests.erasure.world import CANARY, MASTER, World, bytes_on_disk, one_target
from tests.proxy.rewriting import PlainDetection
from tests.proxy.rig import MemoryAudit, Rig, answering, route, running

Contexts = tuple[ssl.SSLContext, ssl.SSLContext]
TRIGGER = trigger_of(
    ErasureTriggerConfig.model_validate(
        {
            "phrases": ["en", "de"],
            "intent": {"path": "$.intent.name", "values": ["forget_me"]},
            "identities": {"email": "$.customer.email", "conversation_id": "$.id"},
        }
    ),
    "trigger",
)
FIELDS = load_preset("generic-chat", "preset")
ROUTE = route(fields=FIELDS, erasure_trigger=TRIGGER)


def chat(text: str = "Please delete my data!", role: str = "customer", **more: Any) -> bytes:
    fields = {"id": "c-77", "customer": {"email": CANARY}, "messages": [{"role": role, "text": text}]}
    return json.dumps(fields | more).encode()


def filing_of(w: World) -> ChatFiling:
    return ChatFiling(w.intake, [MASTER.pseudonymizer(Purpose.ERASURE_PSEUDONYM)], w.ledger, w.metrics)


@asynccontextmanager
async def overhearing(
    contexts: Contexts, filing: Filing, body: bytes, metrics: Metrics, limits: OverhearingLimits | None = None
) -> AsyncIterator[tuple[Rig, Overhearing]]:
    heard = Overhearing(filing, says_so, metrics, limits or OverhearingLimits())
    await heard.start()
    async with running(answering(body), contexts, [ROUTE], overhearing=heard) as rig:
        yield rig, heard
        await heard.stop()


def counted(metrics: Metrics) -> dict[str, float]:
    found = {one.value: sample(metrics, one.value) for one in Filed} | {"dropped": sample(metrics, "dropped")}
    return {name: count for name, count in found.items() if count}


def sample(metrics: Metrics, outcome: str) -> float:
    return metrics.registry.get_sample_value("sidecar_erasure_triggers_total", {"outcome": outcome}) or 0.0


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110 - what is waited for is a counter
            await asyncio.sleep(0.01)


async def requests_in(w: World) -> int:
    return (await w.stores.requests.counts(w.clock())).open


async def test_E7_who_asks_is_filed_once_over_many_reads_and_waits_for_confirmation(
    contexts: Contexts, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with one_target(tmp_path) as (w, upstream):
        async with overhearing(contexts, filing_of(w), chat(), w.metrics) as (rig, _):
            for _ in range(3):
                answered = await rig.get()
                assert answered.status == 200
                assert json.loads(answered.body)["customer"]["email"] == "[EMAIL_1]"
            await rig.post(chat(), target="/api/chats/1")  # another body, the other way
            await rig.post(chat("... so delete my data", customer={}))  # less is known; it is the same conversation
            w.clock.advance(days=40)
            await rig.post(chat("delete my data, i said"))
        assert counted(w.metrics) == {"filed": 1, "known": 2}
        assert await requests_in(w) == 1
        await w.settle()
        assert upstream.calls == []
        intents = [one for one in w.ledger.entries if isinstance(one, Intent)]
        outcomes = [one for one in w.ledger.entries if isinstance(one, Outcome)]
        assert [(one.action, one.route) for one in intents] == [(Action.ERASURE_SUBMIT, "chats")]
        assert [(one.exchange_id, one.decision) for one in outcomes] == [(intents[0].exchange_id, Decision.COMPLETED)]
        assert intents[0].subject == outcomes[0].subject
        assert w.metrics.registry.get_sample_value("sidecar_erasure_requests_total") == 1
        assert CANARY not in caplog.text
        assert CANARY not in repr(w.ledger)
        assert CANARY.encode() not in generate_latest(w.metrics.registry)
        assert CANARY.encode() not in bytes_on_disk(tmp_path)


async def test_it_is_filed_as_a_request_of_a_chat_that_is_not_verified(contexts: Contexts, tmp_path: Path) -> None:
    async with one_target(tmp_path) as (w, upstream):
        asked = Asked("chats", "chat", "gdpr", (("conversation_id", "c-77"), ("email", CANARY)))
        assert CANARY not in repr(asked)
        assert await filing_of(w).file(asked) is Filed.FILED
        assert await filing_of(w).file(asked) is Filed.KNOWN
        other_platform = Asked("chats", "other", "gdpr", asked.identities)
        assert await filing_of(w).file(other_platform) is Filed.FILED
        assert await filing_of(w).file(Asked("chats", "chat", "gdpr", (("email", "nobody"),))) is Filed.UNIDENTIFIED
        await w.settle()
        assert upstream.calls == []
        assert await requests_in(w) == 2


@pytest.mark.parametrize(
    ("text", "role"),
    [
        ("delete this item from my cart", "customer"),
        ("I don't want my account deleted", "customer"),
        ("Ich will meine Daten ändern", "customer"),
        ("supprimez mes données", "customer"),  # a language that the route does not name
        ("You may ask us: delete my data", "agent"),
    ],
)
async def test_what_asks_for_something_else_files_nothing(
    contexts: Contexts, tmp_path: Path, text: str, role: str
) -> None:
    async with one_target(tmp_path) as (w, _):
        async with overhearing(contexts, filing_of(w), chat(text, role), w.metrics) as (rig, _):
            assert (await rig.get()).status == 200
        assert counted(w.metrics) == {}
        assert await requests_in(w) == 0
        assert w.ledger.entries == []


async def test_the_chatbots_own_intent_is_enough(contexts: Contexts, tmp_path: Path) -> None:
    async with one_target(tmp_path) as (w, _):
        body = chat("weg damit", intent={"name": "forget_me"})
        async with overhearing(contexts, filing_of(w), body, w.metrics) as (rig, _):
            await rig.get()
        assert counted(w.metrics) == {"filed": 1}


async def test_nothing_is_filed_for_nobody_and_that_is_counted_and_told(
    contexts: Contexts, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with one_target(tmp_path) as (w, _):
        body = chat(f"delete my data, {CANARY}", id=None, customer={"email": "[EMAIL_1]"})
        async with overhearing(contexts, filing_of(w), body, w.metrics) as (rig, _):
            assert (await rig.get()).status == 200
        assert counted(w.metrics) == {"unidentified": 1}
        assert await requests_in(w) == 0
        assert "nothing says who it is" in caplog.text
        assert CANARY not in caplog.text


@pytest.mark.parametrize("down", ["audit", "database"])
async def test_with_erasure_down_the_exchange_is_unharmed_and_the_next_read_files(
    contexts: Contexts, tmp_path: Path, down: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with one_target(tmp_path) as (w, _):
        async with overhearing(contexts, filing_of(w), chat(), w.metrics) as (rig, _):
            w.ledger.available = down != "audit"
            if down == "database":
                await w.database.stop()
            assert (await rig.get()).status == 200
            await until(lambda: counted(w.metrics) == {"failed": 1})
            w.ledger.available = True
            if down == "database":
                await w.database.start()
            assert (await rig.get()).status == 200
        assert counted(w.metrics) == {"failed": 1, "filed": 1}
        assert "could not be filed" in caplog.text
        assert CANARY not in caplog.text


class Told:
    """Remembers who asked; the first time it can't file."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []

    async def file(self, asked: Asked) -> Filed:
        self.asked.append(asked)
        return Filed.FILED if len(self.asked) > 1 else Filed.FAILED


async def test_bodies_that_come_out_of_the_rewrite_memory_are_looked_at_too(contexts: Contexts) -> None:
    told, metrics = Told(), Metrics()
    heard = Overhearing(told, says_so, metrics)
    await heard.start()

    def real(of_rig: Metrics) -> tuple[MemoryAudit, Rewriter]:
        keys = MASTER.pseudonymizer
        own = keys(Purpose.PLACEHOLDER), keys(Purpose.OPERATOR)
        redactor = Redactor(PlainDetection(), MemoryPlaceholders(), *own)
        memory = RewriteMemory(keys(Purpose.REWRITE_CACHE), lambda: 1, of_rig, MemoryLimits(2**20))
        return MemoryAudit(), RecallingRewriter(redactor, keys(Purpose.AUDIT_PSEUDONYM), memory)

    async with running(answering(chat()), contexts, [ROUTE], real=real, overhearing=heard) as rig:
        first = await rig.get()
        await until(lambda: counted(metrics) == {"failed": 1})
        second = await rig.get()
        await until(lambda: counted(metrics) == {"failed": 1, "filed": 1})
        assert first.body == second.body
        hits = rig.metrics.registry.get_sample_value("sidecar_rewrite_cache_total", {"result": "hit"})
        await heard.stop()
    assert hits
    assert dict(told.asked[1].identities) == {"conversation_id": "c-77", "email": CANARY}


async def test_a_route_without_the_key_is_not_looked_at(contexts: Contexts) -> None:
    told = Told()
    heard = Overhearing(told, says_so, Metrics())
    await heard.start()
    async with running(answering(chat()), contexts, [route(fields=FIELDS)], overhearing=heard) as rig:
        await rig.get()
        await rig.post(chat())
        await heard.stop()
    assert told.asked == []


class Stuck:
    """Files nothing before it may; then it fails in a way that nobody expects, and says too much."""

    def __init__(self) -> None:
        self.may = asyncio.Event()
        self.asked = 0

    async def file(self, asked: Asked) -> Filed:
        self.asked += 1
        await self.may.wait()
        raise RuntimeError(f"a bug with {asked.identities}")


async def test_what_hangs_or_fails_there_costs_exchanges_nothing_and_what_finds_no_room_is_counted(
    contexts: Contexts, caplog: pytest.LogCaptureFixture
) -> None:
    stuck, metrics = Stuck(), Metrics()
    async with overhearing(contexts, stuck, chat(), metrics, OverhearingLimits(waiting=2)) as (rig, _):
        for _ in range(5):
            assert (await rig.get()).status == 200
        assert counted(metrics) == {"dropped": 3}
        await until(lambda: stuck.asked == 1)  # one at a time
        stuck.may.set()
        await until(lambda: counted(metrics) == {"dropped": 3, "failed": 2})
        assert (await rig.get()).status == 200  # there is room again
        await until(lambda: stuck.asked == 3)
    assert "RuntimeError" in caplog.text
    assert CANARY not in caplog.text


async def test_bodies_that_wait_are_bounded_by_their_characters_too(contexts: Contexts) -> None:
    metrics = Metrics()
    async with overhearing(contexts, Stuck(), chat(), metrics, OverhearingLimits(characters=10)) as (rig, _):
        assert (await rig.get()).status == 200
    assert counted(metrics) == {"dropped": 1}


@pytest.mark.parametrize("source", ["customer.email", "$.a[?(@.b)]", "$"])
def test_a_path_that_can_be_none_is_named_with_its_place(source: str) -> None:
    config = ErasureTriggerConfig.model_validate(
        {"identities": {"email": [source, source], "phone": "$.ok"}, "intent": {"path": source, "values": ["x"]}}
    )
    with pytest.raises(ConfigError) as caught:
        trigger_of(config, "routes[0].erasure_trigger")
    where = "routes[0].erasure_trigger"
    places = [problem.path for problem in caught.value.problems]
    assert places == [f"{where}.identities.email[0]", f"{where}.identities.email[1]", f"{where}.intent.path"]


def test_a_route_whose_bodies_are_not_read_can_look_for_nothing() -> None:
    with pytest.raises(ConfigError) as caught:
        RouteTable([route(erasure_trigger=TRIGGER, body=BodyMode.OPAQUE)])
    assert [problem.path for problem in caught.value.problems] == ["routes[0].erasure_trigger"]
