"""The whole part: D3, D18 to D21, on a detection that finds what it is told to."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.detection.entity_types import ENTITY_TYPES
from sidecar.detection.recognizer import KnownValue, Message
from sidecar.detection.resolve import resolve
from sidecar.detection.span import Span
from sidecar.errors import DetectionFailed, DetectionFault
from sidecar.keys import MasterKey, Purpose
from sidecar.redaction.policy import Operator, Policy, TypePolicy
from sidecar.redaction.redactor import Redactor
from sidecar.stores.placeholders import MemoryPlaceholders

MASTER = MasterKey(b"k" * 32)
PLACEHOLDER_KEYS, OPERATOR_KEYS = MASTER.pseudonymizer(Purpose.PLACEHOLDER), MASTER.pseudonymizer(Purpose.OPERATOR)


class Finding:
    """Finds values of a list wherever they stand in any case, also in its own placeholders if they are told so."""

    version = "finding"

    def __init__(self, **values: str) -> None:
        self._patterns = {label: re.compile(values[label], re.IGNORECASE) for label in values}

    async def detect(self, messages: Sequence[Message]) -> list[tuple[Span, ...]]:
        return [resolve(message.text, self._spans(message.text)) for message in messages]

    def _spans(self, text: str) -> list[Span]:
        return [
            Span(match.start(), match.end(), label, 0.8, "finding")
            for label, pattern in self._patterns.items()
            for match in pattern.finditer(text)
        ]


def redactor(**values: str) -> Redactor:
    return Redactor(Finding(**values), MemoryPlaceholders(), PLACEHOLDER_KEYS, OPERATOR_KEYS)


async def texts(one: Redactor, *given: str, scope: str = "c", policy: Policy | None = None) -> list[str]:
    redacted = await one.redact(scope, [Message(text) for text in given], policy or Policy())
    return [message.text for message in redacted]


async def test_a_conversation() -> None:
    one = redactor(PERSON="john smith|mr smith|ann", EMAIL=r"\S+@\S+", ORDER_ID=r"\d{6}")
    assert await texts(one, "hi, John Smith here", "john: order 123456", "Ann? Mr Smith: a@b.example") == [
        "hi, [PERSON_1] here",
        "[PERSON_1]: order [ORDER_ID_1]",
        "[PERSON_2]? [PERSON_1]: [EMAIL_1]",
    ]
    assert await texts(one, "smith asks for 123456 and 654321") == ["smith asks for [ORDER_ID_1] and [ORDER_ID_2]"]
    assert await texts(one, "ann", scope="other") == ["[PERSON_1]"]


async def test_the_answer_says_what_stands_where() -> None:
    message = Message("hi Ann, mail a@b.example")
    (redacted,) = await redactor(PERSON="ann", EMAIL=r"\S+@\S+").redact("c", [message], Policy())
    assert [(message.text[s.start : s.end], s.label) for s in redacted.spans] == [
        ("Ann", "PERSON"),
        ("a@b.example", "EMAIL"),
    ]
    assert [redacted.text[start:end] for start, end in redacted.places] == ["[PERSON_1]", "[EMAIL_1]"]
    assert redacted.residuals == 0
    assert "Ann" not in repr(redacted)


async def test_types_that_the_policy_keeps_stay() -> None:
    one = redactor(ORG="acme", PERSON="ann")
    assert await texts(one, "ann of acme") == ["[PERSON_1] of acme"]
    everything_kept = Policy(types={"PERSON": TypePolicy(Operator.KEEP)})
    assert await texts(one, "ann of acme", policy=everything_kept) == ["ann of [ORG_1]"]
    surer = Policy(types={"PERSON": TypePolicy(threshold=0.9)})
    assert await texts(one, "ann", policy=surer) == ["ann"]


async def test_a_whole_known_name_links_its_short_forms() -> None:
    known = (KnownValue("PERSON", "Crystal Minh"), KnownValue("PERSON", "Ann Lee"))
    messages = [Message(text, known=known) for text in ("crystal", "ann", "ms minh")]
    redacted = await redactor(PERSON="crystal|ann|ms minh").redact("c", messages, Policy())
    assert [message.text for message in redacted] == ["[PERSON_1]", "[PERSON_2]", "[PERSON_1]"]


async def test_literal_placeholders_are_kept_apart() -> None:
    """D20: nobody can forge one."""
    one = redactor(PERSON="ann|bob|person")
    assert await texts(one, "[PERSON_1] says ann", "bob") == ["[PERSON_1] says [PERSON_2]", "[PERSON_3]"]
    assert await texts(one, "[PERSON_4]", "ann [PERSON#0123456789ab] [PERSON_9") == [
        "[PERSON_4]",
        "[PERSON_2] [PERSON#0123456789ab] [[PERSON_5]_9",
    ]


async def test_a_span_around_a_literal_is_cut_around_it() -> None:
    assert await texts(redactor(ADDRESS=r"12 elm .* ohio"), "12 elm [PERSON_3] ohio") == [
        "[ADDRESS_1] [PERSON_3] [ADDRESS_2]"
    ]


@pytest.mark.parametrize("operator", [o for o in Operator if o is not Operator.SURROGATE])
async def test_redacting_twice_is_redacting_once(operator: Operator) -> None:
    """D20."""
    one = redactor(PERSON="ann lee|bob", EMAIL=r"[a-z.]+@[a-z.]+", ORDER_ID=r"\d{4,}")
    policy = Policy(types=dict.fromkeys(ENTITY_TYPES, TypePolicy(operator, mask_keep_last=3)))
    once = await texts(one, "Ann Lee, a.b@c.example, order 123456", "bob [PERSON_1] ann", policy=policy)
    assert await texts(one, *once, policy=policy) == once


async def test_surrogates_are_consistent_and_not_taken_for_residuals() -> None:
    policy = Policy(types=dict.fromkeys(ENTITY_TYPES, TypePolicy(Operator.SURROGATE)))
    messages = [Message("a@b.example or 4111 1111 1111 1111"), Message("A@B.example")]
    redacted = await redactor(EMAIL=r"\S+@\S+", CREDIT_CARD="4111 1111 1111 1111").redact("c", messages, policy)
    assert redacted[0].text.split()[0] == redacted[1].text
    assert "example.com" in redacted[1].text
    assert [message.residuals for message in redacted] == [0, 0]


async def test_the_last_look_redacts_and_counts() -> None:
    """D21: what detection missed in one message but knew from another, or from a field, or that proves itself."""
    one = redactor(ACCOUNT_ID="id 4471x")
    messages = [
        Message("my id 4471x"),
        Message("ID  4471X, id 4471x-"),
        Message("card 4111 1111 1111 1111 and jon@x.example", known=(KnownValue("PHONE", "555 0123"),)),
        Message("555 0123, not 555 01234"),
    ]
    redacted = await one.redact("c", messages, Policy())
    assert [message.text for message in redacted] == [
        "my [ACCOUNT_ID_1]",
        "ID  4471X, [ACCOUNT_ID_1]-",
        "card [CREDIT_CARD_1] and [EMAIL_1]",
        "[PHONE_1], not 555 01234",
    ]
    assert [message.residuals for message in redacted] == [0, 0, 2, 1]
    assert [len(message.spans) for message in redacted] == [1, 1, 2, 1]


async def test_the_last_look_minds_the_policy() -> None:
    keep = Policy(types={"EMAIL": TypePolicy(Operator.KEEP)})
    assert await texts(redactor(), "jon@x.example", policy=keep) == ["jon@x.example"]


async def test_a_detection_that_leaves_messages_out_fails() -> None:
    class Short(Finding):
        async def detect(self, messages: Sequence[Message]) -> list[tuple[Span, ...]]:
            return []

    one = Redactor(Short(), MemoryPlaceholders(), PLACEHOLDER_KEYS, OPERATOR_KEYS)
    with pytest.raises(DetectionFailed) as caught:
        await texts(one, "x")
    assert caught.value.fault is DetectionFault.INVALID


async def test_a_span_out_of_range_fails() -> None:
    class Wrong(Finding):
        async def detect(self, messages: Sequence[Message]) -> list[tuple[Span, ...]]:
            return [(Span(0, 99, "PERSON", 0.9, "r"),)]

    one = Redactor(Wrong(), MemoryPlaceholders(), PLACEHOLDER_KEYS, OPERATOR_KEYS)
    with pytest.raises(DetectionFailed):
        await texts(one, "short")


async def test_nothing_to_redact() -> None:
    assert await texts(redactor()) == []
    assert await texts(redactor(), "", "plain \ud800 text") == ["", "plain \ud800 text"]


VALUES = ["ann lee", "zed@q.example", "acct-99812", "4111 1111 1111 1111", "mira"]
PIECES = st.lists(
    st.one_of(
        st.sampled_from(VALUES), st.sampled_from(["[PERSON_1]", "[EMAIL_2]", "hello", "[", "]", "_1", "#", "é😀"])
    ),
    max_size=8,
).map(" ".join)


@settings(max_examples=60)
@given(st.lists(PIECES, min_size=1, max_size=4))
async def test_no_value_survives_and_twice_is_once(given_texts: list[str]) -> None:
    """Whatever stands around them; literal placeholders stay as they are."""
    one = redactor(
        PERSON="ann lee|mira", EMAIL=r"zed@q\.example", ACCOUNT_ID="acct-99812", CREDIT_CARD="4111 1111 1111 1111"
    )
    once = await texts(one, *given_texts)
    for before, after in zip(given_texts, once, strict=True):
        assert not any(value in after for value in VALUES)
        for literal in ("[PERSON_1]", "[EMAIL_2]"):
            if not any(literal in text for text in given_texts):
                continue  # then the number is free to be given
            assert after.count(literal) == before.count(literal)
    assert await texts(one, *once) == once
