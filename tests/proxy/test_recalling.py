"""Payloads that were rewritten before (D16): the same answer from memory, and never one that holds no longer."""

from __future__ import annotations

import asyncio
import json
import pickle
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from sidecar.detection.recognizer import Message
from sidecar.detection.span import Span
from sidecar.errors import DetectionFailed, DetectionFault, Direction
from sidecar.keys import Purpose
from sidecar.metrics import Metrics
from sidecar.payloads.field_map import FieldMap
from sidecar.payloads.json_body import JsonBody
from sidecar.payloads.presets import parse_field_map
from sidecar.proxy.absolute_urls import OwnUrls
from sidecar.proxy.passage import PLAIN, Passage
from sidecar.proxy.recalling import RecallingRewriter
from sidecar.proxy.rewrite_memory import MemoryLimits, RewriteMemory
from sidecar.proxy.rewriter import Rewriter, Rewritten
from sidecar.redaction.linking import ask_for
from sidecar.redaction.policy import Operator, Policy, TypePolicy
from sidecar.redaction.redactor import Redactor
from sidecar.stores.database import Database, DatabaseSettings
from sidecar.stores.placeholders import StoredPlaceholders
from tests.proxy.rewriting import MASTER, PlainDetection

FIELDS = parse_field_map({"conversations": [{"root": "$", "id": "id"}], "keep": ["$.id"]}, "test")
OTHER_FIELDS = parse_field_map(
    {"namespace": "other", "conversations": [{"root": "$", "id": "id"}], "keep": ["$.id"]}, "test"
)
FORMAT = JsonBody()
CANARY = "canary.person@example.org"
BODY = json.dumps({"id": "c1", "text": f"write to {CANARY} about the parcel [PERSON_7]", "more": [1, 2.50, None]})
PLACEHOLDERS = MASTER.pseudonymizer(Purpose.PLACEHOLDER)


class Watched(PlainDetection):
    """Detection with a version that changes, and a moment in the middle of it."""

    def __init__(self) -> None:
        super().__init__()
        self.version = "1"
        self.meanwhile: Callable[[], Awaitable[object]] | None = None
        self.fails = False

    async def detect(self, messages: Sequence[Message]) -> list[tuple[Span, ...]]:
        found = await super().detect(messages)
        if self.fails:
            raise DetectionFailed(DetectionFault.CRASHED)
        if self.meanwhile is not None:
            await self.meanwhile()
        return found


class World:
    """A rewriter with a memory on a real database, and the same without."""

    def __init__(self, database: Database, limits: MemoryLimits | None = None) -> None:
        self.detection = Watched()
        self.store = StoredPlaceholders(database)
        self.metrics = Metrics()
        self.memory = RewriteMemory(
            MASTER.pseudonymizer(Purpose.REWRITE_CACHE),
            lambda: (self.detection.version, self.store.forgettings),
            self.metrics,
            limits,
        )
        redactor = Redactor(self.detection, self.store, PLACEHOLDERS, MASTER.pseudonymizer(Purpose.OPERATOR))
        pseudonyms = MASTER.pseudonymizer(Purpose.AUDIT_PSEUDONYM)
        self.recalling = RecallingRewriter(redactor, pseudonyms, self.memory)
        self.plain = Rewriter(redactor, pseudonyms)
        self.policy = Policy()

    async def rewrite(
        self,
        text: str = BODY,
        fields: FieldMap = FIELDS,
        policy: Policy | None = None,
        scope: str = "here",
        passage: Passage = PLAIN,
    ) -> Rewritten:
        return await self.recalling.rewrite(text, FORMAT, fields, policy or self.policy, scope, passage)

    async def asks(self, work: Awaitable[object]) -> bool:
        """Whether detection is asked meanwhile: if not, memory has answered."""
        before = len(self.detection.seen)
        await work
        return len(self.detection.seen) > before


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(DatabaseSettings(f"sqlite:///{tmp_path / 'state.db'}"))
    await database.start()
    yield database
    await database.stop()


@pytest.fixture
def world(database: Database) -> World:
    return World(database)


async def test_what_was_read_before_is_answered_alike_and_without_detection_d16(world: World) -> None:
    first = await world.rewrite()
    assert not await world.asks(world.rewrite())
    again = await world.rewrite()
    assert first == again == await world.plain.rewrite(BODY, FORMAT, FIELDS, world.policy, "here")
    assert CANARY not in again.body.decode()
    assert again.entities == {"EMAIL": 1}
    assert again.conversations


async def test_a_long_payload_is_remembered_too(world: World) -> None:
    body = json.dumps({"id": "c1", "text": CANARY, "more": ["word " * 10] * 6000})
    first = await world.rewrite(body)
    assert not await world.asks(world.rewrite(body))
    assert await world.rewrite(body) == first


ELSE = {
    "a byte of the payload": {"text": BODY.replace("parcel", "parcels")},
    "the map": {"fields": OTHER_FIELDS},
    "the policy": {"policy": Policy("other", {"EMAIL": TypePolicy(Operator.DROP)})},
    "the fallback scope": {"scope": "elsewhere"},
    "the direction": {"passage": Passage(Direction.REQUEST)},
    "whose URLs are ours": {"passage": Passage(urls=OwnUrls(frozenset({"bot:80"}), "sidecar"))},
}


@pytest.mark.parametrize("changed", ELSE.values(), ids=ELSE)
async def test_whatever_decides_the_answer_is_part_of_the_question(world: World, changed: dict[str, object]) -> None:
    await world.rewrite()
    assert await world.asks(world.rewrite(**changed))  # type: ignore[arg-type]
    assert not await world.asks(world.rewrite(**changed))  # type: ignore[arg-type]
    assert not await world.asks(world.rewrite())


async def test_a_format_that_is_made_anew_is_another_one(world: World) -> None:
    await world.rewrite()
    assert await world.asks(world.recalling.rewrite(BODY, JsonBody(), FIELDS, world.policy, "here"))


async def test_a_new_detector_is_asked(world: World) -> None:
    await world.rewrite()
    world.detection.version = "2"
    assert await world.asks(world.rewrite())
    world.detection.version = "1"
    assert await world.asks(world.rewrite())


async def test_a_detector_that_changes_meanwhile_leaves_nothing_behind(world: World) -> None:
    async def change() -> None:
        world.detection.version = "2"

    world.detection.meanwhile = change
    await world.rewrite()
    world.detection.meanwhile = None
    world.detection.version = "1"
    assert await world.asks(world.rewrite())


async def test_after_an_erasure_no_forgotten_number_is_answered_from_memory_e48(world: World) -> None:
    assert b"[EMAIL_1]" in (await world.rewrite()).body
    assert await world.store.forget([ask_for("EMAIL", CANARY, PLACEHOLDERS).key]) > 0
    again = await world.rewrite()
    assert b"[EMAIL_2]" in again.body
    assert b"[EMAIL_1]" not in again.body
    assert again == await world.plain.rewrite(BODY, FORMAT, FIELDS, world.policy, "here")


async def test_after_a_conversation_is_forgotten_its_numbers_begin_anew(world: World) -> None:
    await world.rewrite()
    other = json.dumps({"id": "c1", "text": "other@example.org"})
    assert b"[EMAIL_2]" in (await world.rewrite(other)).body
    (scope,) = await _scopes(world)
    await world.store.forget_scope(scope)
    assert b"[EMAIL_1]" in (await world.rewrite(other)).body


async def _scopes(world: World) -> set[bytes]:
    seen: set[bytes] = set()
    assign = world.store.assign

    async def spy(scope: bytes, *rest: object) -> list[int]:
        seen.add(scope)
        return await assign(scope, *rest)  # type: ignore[arg-type]

    watched = World.__new__(World)
    watched.__dict__ |= world.__dict__
    keys = MASTER.pseudonymizer(Purpose.OPERATOR)
    store = type("Spy", (), {"assign": staticmethod(spy)})()
    redactor = Redactor(world.detection, store, PLACEHOLDERS, keys)
    await Rewriter(redactor, keys).rewrite(BODY, FORMAT, FIELDS, world.policy, "here")
    return seen


async def test_an_erasure_while_a_payload_is_rewritten_leaves_nothing_behind(world: World) -> None:
    key = ask_for("EMAIL", CANARY, PLACEHOLDERS).key
    await world.rewrite()
    world.detection.meanwhile = lambda: world.store.forget([key])
    other = BODY.replace("parcel", "letter")
    await world.rewrite(other)
    world.detection.meanwhile = None
    assert await world.asks(world.rewrite(other))


async def test_an_erasure_that_fails_still_ends_what_was_known(world: World) -> None:
    await world.rewrite()
    with pytest.raises(TypeError):
        await world.store.forget(None)  # type: ignore[arg-type]
    assert await world.asks(world.rewrite())


async def test_a_failure_is_not_remembered(world: World) -> None:
    world.detection.fails = True
    for _ in range(2):
        with pytest.raises(DetectionFailed):
            await world.rewrite()
    world.detection.fails = False
    assert CANARY.encode() not in (await world.rewrite()).body


async def test_memory_holds_no_text_and_opens_only_for_who_brings_the_payload(world: World) -> None:
    await world.rewrite()
    held = pickle.dumps([world.memory._entries, repr(world.memory.place(BODY, FORMAT))])
    for text in (CANARY, "parcel", "write to", "[EMAIL_1]", "EMAIL", ":c1"):
        assert text.encode() not in held
    place = world.memory.place(BODY, FORMAT, FIELDS, world.policy, "here", "response", "")
    assert world.memory.recall(place) is not None
    with pytest.raises(Exception, match=r"^$") as caught:
        world.memory.recall(place._replace(secret=bytes(32)))
    assert type(caught.value).__name__ == "InvalidTag"


async def test_it_is_bounded_in_bytes_and_the_oldest_go_first(database: Database) -> None:
    world = World(database, MemoryLimits(total_bytes=10_000, longest=2_000))
    bodies = [json.dumps({"id": f"c{number}", "text": "x " * 500}) for number in range(20)]
    for body in bodies:
        await world.rewrite(body)
        assert world.memory._bytes <= 10_000
    assert not await world.asks(world.rewrite(bodies[-1]))
    assert await world.asks(world.rewrite(bodies[0]))
    long = json.dumps({"id": "c", "text": "x " * 1500})
    await world.rewrite(long)
    assert await world.asks(world.rewrite(long))
    assert not await world.asks(world.rewrite(bodies[0]))


async def test_a_memory_of_no_size_remembers_nothing(database: Database) -> None:
    world = World(database, MemoryLimits(total_bytes=0))
    await world.rewrite()
    assert await world.asks(world.rewrite())


async def test_the_same_payload_twice_at_once(world: World) -> None:
    one, other = await asyncio.gather(world.rewrite(), world.rewrite())
    assert one == other


async def test_look_ups_are_counted(world: World) -> None:
    await world.rewrite()
    await world.rewrite()
    value = world.metrics.registry.get_sample_value
    assert value("sidecar_rewrite_cache_total", {"result": "hit"}) == 1
    assert value("sidecar_rewrite_cache_total", {"result": "miss"}) == 1
