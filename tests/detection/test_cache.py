"""D16: what was read before is answered from memory, and only that."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import combinations

import pytest

from sidecar.detection.cache import CachedDetection, CacheLimits
from sidecar.detection.recognizer import KnownValue, Message, Turn
from sidecar.detection.span import Span
from sidecar.errors import DetectionFailed, DetectionFault
from sidecar.keys import MasterKey, Purpose
from sidecar.metrics import Metrics

KEYS = MasterKey(b"k" * 32).pseudonymizer(Purpose.DETECTION_CACHE)


class Counting:
    """Answers each message with one span as long as its text, and remembers what it was asked."""

    def __init__(self) -> None:
        self.version = "1"
        self.asked: list[Message] = []

    async def detect(self, messages: Sequence[Message]) -> list[tuple[Span, ...]]:
        self.asked += messages
        await asyncio.sleep(0)
        if any(message.text == "fail" for message in messages):
            raise DetectionFailed(DetectionFault.RAISED)
        return [(Span(0, len(message.text), "PERSON", 0.5, self.version),) for message in messages]


def cached(limits: CacheLimits | None = None) -> tuple[CachedDetection, Counting, Metrics]:
    inner, metrics = Counting(), Metrics()
    return CachedDetection(inner, KEYS, metrics, limits), inner, metrics


async def test_a_message_is_detected_once() -> None:
    cache, inner, metrics = cached()
    messages = [Message("ann"), Message("bob"), Message("ann")]
    first = await cache.detect(messages)
    assert await cache.detect(messages) == first
    assert [message.text for message in inner.asked] == ["ann", "bob"]
    assert [len(spans) for spans in first] == [1, 1, 1]
    results = {
        s.labels["result"]: s.value for m in metrics.detection_cache.collect() for s in m.samples if "total" in s.name
    }
    assert results == {"hit": 4.0, "miss": 2.0}


async def test_answers_keep_their_order_when_some_are_known() -> None:
    cache, _, _ = cached()
    await cache.detect([Message("bb")])
    lengths = [spans[0].end for spans in await cache.detect([Message("a"), Message("bb"), Message("ccc")])]
    assert lengths == [1, 2, 3]
    assert await cache.detect([]) == []


def test_all_that_decides_the_answer_is_in_the_key() -> None:
    turn, known = Turn("agent", "name?"), KnownValue("PERSON", "ann")
    messages = [
        Message("ann"),
        Message("ann "),
        Message("ann", "agent"),
        Message("ann", ""),
        Message("ann", label="PERSON"),
        Message("ann", context=(turn,)),
        Message("ann", context=(turn, turn)),
        Message("ann", context=(Turn(None, "name?"),)),
        Message("ann", context=(Turn("agent", "name"),)),
        Message("ann", known=(known,)),
        Message("ann", known=(KnownValue("ORG", "ann"),)),
        Message("ann", known=(known, known)),
        Message("ann", context=(Turn("PERSON", "ann"),)),
    ]
    cache, _, _ = cached()
    keys = [cache._key(message, "1", {}) for message in messages] + [cache._key(messages[0], "2", {})]
    for left, right in combinations(range(len(keys)), 2):
        assert keys[left] != keys[right], (left, right)


async def test_a_new_version_empties_it() -> None:
    cache, inner, _ = cached()
    await cache.detect([Message("ann")])
    inner.version = "2"
    assert (await cache.detect([Message("ann")]))[0][0].recognizer == "2"
    assert len(inner.asked) == 2
    assert len(cache._entries) == 1


async def test_an_answer_of_a_version_that_changed_meanwhile_is_not_kept() -> None:
    cache, inner, _ = cached()
    asked = asyncio.create_task(cache.detect([Message("ann")]))
    await asyncio.sleep(0)
    inner.version = "2"
    await asked
    assert not cache._entries


async def test_a_failure_leaves_nothing() -> None:
    cache, inner, _ = cached()
    for _ in range(2):
        with pytest.raises(DetectionFailed):
            await cache.detect([Message("ann"), Message("fail")])
    assert len(inner.asked) == 4
    assert not cache._entries


@pytest.mark.parametrize(
    ("limits", "kept"), [(CacheLimits(3, 100), 3), (CacheLimits(100, 2), 2), (CacheLimits(0, 0), 0)]
)
async def test_it_is_bounded_and_the_oldest_use_goes_first(limits: CacheLimits, kept: int) -> None:
    """D15."""
    cache, inner, _ = cached(limits)
    for n in range(50):
        await cache.detect([Message(f"message {n}")])
        await cache.detect([Message("message 0")])
    assert len(cache._entries) == kept
    assert cache._spans == kept
    again = len(inner.asked)
    await cache.detect([Message("message 0")])
    assert len(inner.asked) == again + (0 if kept else 1)


async def test_entries_hold_no_text() -> None:
    cache, _, _ = cached()
    await cache.detect([Message("canary one", known=(KnownValue("PERSON", "canary two"),))])
    assert "canary" not in repr(cache.__dict__) + repr(cache._entries)


async def test_clear() -> None:
    cache, inner, _ = cached()
    await cache.detect([Message("ann")])
    cache.clear()
    await cache.detect([Message("ann")])
    assert len(inner.asked) == 2
    assert cache._spans == 1
