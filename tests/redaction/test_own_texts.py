"""D20 with a model that reads placeholders: what the sidecar wrote stays as it is, and nothing else gets past it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.detection.recognizer import MODEL, Message
from sidecar.detection.resolve import resolve
from sidecar.detection.span import Span
from sidecar.keys import MasterKey, Purpose
from sidecar.redaction.own_texts import OwnTexts
from sidecar.redaction.policy import Operator, Policy, TypePolicy
from sidecar.redaction.redactor import Redactor
from sidecar.stores.placeholders import MemoryPlaceholders

MASTER = MasterKey(b"k" * 32)
KEYS = MASTER.pseudonymizer(Purpose.PLACEHOLDER)
OWN = Span(0, 3, "PERSON", 0.7, MODEL)


class FirstWordLeft:
    """As skittish as a model can be: takes the first word that is left for a name. Its rules find "4711"."""

    version = "skittish"

    async def detect(self, messages: Sequence[Message]) -> list[tuple[Span, ...]]:
        return [resolve(message.text, self._spans(message.text)) for message in messages]

    def _spans(self, text: str) -> list[Span]:
        found = []
        start = 0
        for word in text.split(" "):
            if word and not word.startswith("["):
                found.append(Span(start, start + len(word), "PERSON", 0.7, MODEL))
                break
            start += len(word) + 1
        if "4711" in text:
            found.append(Span(text.index("4711"), text.index("4711") + 4, "ORDER_ID", 0.9, "rules"))
        return found


def redactor() -> Redactor:
    return Redactor(FirstWordLeft(), MemoryPlaceholders(), KEYS, MASTER.pseudonymizer(Purpose.OPERATOR))


async def redact(one: Redactor, text: str, scope: str = "c", policy: Policy | None = None) -> str:
    (redacted,) = await one.redact(scope, [Message(text)], policy or Policy())
    return redacted.text


@given(st.lists(st.sampled_from(["ann", "kowalczyk", "köszönöm", "4711", "gracias", "und"]), min_size=1).map(" ".join))
async def test_redacting_twice_is_redacting_once(text: str) -> None:
    """D20, whatever the model makes of the text around a placeholder."""
    one = redactor()
    once = await redact(one, text)
    assert once != text
    assert await redact(one, once) == once


async def test_only_what_was_written_here_is_left_alone() -> None:
    one = redactor()
    once = await redact(one, "ann kowalczyk")
    assert once == "[PERSON_1] kowalczyk"
    assert await redact(one, "[PERSON_1] kowalski") == "[PERSON_1] [PERSON_2]"
    assert await redact(one, once, scope="another") == "[PERSON_1] [PERSON_2]"
    hashing = Policy(types={"PERSON": TypePolicy(Operator.HASH)})
    assert "kowalczyk" not in await redact(one, once, policy=hashing)


async def test_rules_are_heard_all_the_same() -> None:
    one = redactor()
    memory = OwnTexts(KEYS)
    memory.remember("[PERSON_1] 4711", "c")
    by_rules = Span(11, 15, "ORDER_ID", 0.9, "rules")
    by_model = Span(11, 15, "PERSON", 0.7, MODEL)
    assert list(memory.still_to_redact("[PERSON_1] 4711", [by_model, by_rules], "c")) == [by_rules]
    assert await redact(one, "ann 4711") == "[PERSON_1] [ORDER_ID_1]"


def test_texts_without_placeholders_are_not_remembered() -> None:
    memory = OwnTexts(KEYS)
    memory.remember("ann", "c")
    assert list(memory.still_to_redact("ann", [OWN], "c")) == [OWN]


def test_memory_is_bounded() -> None:
    """D15: least recently written texts go first."""
    memory = OwnTexts(KEYS, most=2)
    for text in ("[PERSON_1] ann", "[PERSON_2] ann", "[PERSON_1] ann", "[PERSON_3] ann"):
        memory.remember(text, "c")
    left = [bool(memory.still_to_redact(f"[PERSON_{n}] ann", [OWN], "c")) for n in (1, 2, 3)]
    assert left == [False, True, False]


@pytest.mark.parametrize("other", ["d", "c\x00", ""])
def test_other_circumstances_are_others(other: str) -> None:
    memory = OwnTexts(KEYS)
    memory.remember("[PERSON_1] ann", "c", "policy")
    assert list(memory.still_to_redact("[PERSON_1] ann", [OWN], other, "policy")) == [OWN]
