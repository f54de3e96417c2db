"""What belongs to an erased person is never shown, whatever the policy says, and leaves nothing behind (E27)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import pytest

from sidecar.detection.entity_types import ERASED
from sidecar.detection.recognizer import Message
from sidecar.detection.rules import RuleSettings, rule_recognizers
from sidecar.detection.span import Span
from sidecar.keys import MasterKey, Pseudonymizer, Purpose
from sidecar.redaction.policy import Operator, Policy, TypePolicy
from sidecar.redaction.redactor import Redactor
from sidecar.redaction.suppression import KEY_BYTES, Suppression, suppression_keys
from sidecar.stores.placeholders import MemoryPlaceholders

MASTER = MasterKey(bytes(range(32)))
KEYS = MASTER.pseudonymizer(Purpose.SUPPRESSION)
ANNA = {"email": "Anna.Canary@Example.org", "phone": "+49 (170) 123-4567", "customer_id": "C-100 789"}


def erased(people: Mapping[str, str] = MappingProxyType(ANNA)) -> Suppression:
    suppression = Suppression(KEYS)
    keys = {key: "request-1" for kind, value in people.items() for key in suppression_keys(kind, value, KEYS)}
    suppression.load(keys)
    return suppression


class Fixed:
    """Finds what it is told, as a type."""

    version = "1"

    def __init__(self, *values: tuple[str, str]) -> None:
        self._values = values

    async def detect(self, messages: Sequence[Message]) -> list[tuple[Span, ...]]:
        return [
            tuple(
                Span(start, start + len(value), label, 0.9, "fixed")
                for label, value in self._values
                if (start := message.text.find(value)) >= 0
            )
            for message in messages
        ]


async def redacted(
    text: str, detection: Fixed, suppression: Suppression, policy: Policy | None = None
) -> tuple[str, list[str], MemoryPlaceholders]:
    store = MemoryPlaceholders()
    keys = MASTER.pseudonymizer
    redactor = Redactor(detection, store, keys(Purpose.PLACEHOLDER), keys(Purpose.OPERATOR), suppression=suppression)
    [one] = await redactor.redact("chat", [Message(text)], policy or Policy())
    return one.text, [span.label for span in one.spans], store


@pytest.mark.parametrize(
    ("label", "written"),
    [
        ("EMAIL", "anna.canary@example.org"),
        ("EMAIL", "ANNA.CANARY@EXAMPLE.ORG"),
        ("PHONE", "0170 1234567"),
        ("PHONE", "+491701234567"),
        ("ORDER_ID", "c100789"),
        ("OTHER_ID", "C-100-789"),
        ("PHONE", "C-100789"),
    ],
)
async def test_E27_every_spelling_is_known_again_whatever_it_was_found_as(label: str, written: str) -> None:
    suppression = erased()
    text, labels, _ = await redacted(f"call {written} now", Fixed((label, written)), suppression)
    assert (text, labels) == ("call [ERASED_1] now", [ERASED])
    assert suppression.take_hits() == {"request-1": 1}
    assert suppression.take_hits() == {}


@pytest.mark.parametrize(
    ("label", "written"),
    [("EMAIL", "bert@example.org"), ("PHONE", "0170 1234568"), ("ORDER_ID", "C-100788"), ("PERSON", "C-100789")],
)
async def test_E27_others_are_numbered_as_ever(label: str, written: str) -> None:
    suppression = erased()
    text, _, _ = await redacted(f"call {written} now", Fixed((label, written)), suppression)
    assert text == f"call [{label}_1] now"
    assert not suppression.take_hits()


@pytest.mark.parametrize("operator", list(Operator))
async def test_E27_no_policy_shows_anything_of_it(operator: Operator) -> None:
    policy = Policy("p", {"EMAIL": TypePolicy(operator, threshold=1.0, mask_keep_last=4)})
    text, _, store = await redacted(
        "at anna.canary@example.org", Fixed(("EMAIL", "anna.canary@example.org")), erased(), policy
    )
    assert text == "at [ERASED_1]"
    assert await store.forget_scope(b"") == 0
    assert not store._books  # nothing was numbered


async def test_E27_redacting_twice_is_redacting_once() -> None:
    suppression = erased()
    once, _, _ = await redacted("at anna.canary@example.org", Fixed(("EMAIL", "anna.canary@example.org")), suppression)
    again, labels, _ = await redacted(once, Fixed(("ORDER_ID", "ERASED_1")), suppression)
    assert (again, labels) == (once, [])
    recognizers = rule_recognizers(RuleSettings())
    assert all("[" not in once[span.start : span.end] for one in recognizers for span in one.find(Message(once)))


def test_short_identifiers_and_names_suppress_nobody() -> None:
    assert suppression_keys("customer_id", "17", KEYS) == ()
    assert suppression_keys("name", "Anna Canary", KEYS) == ()
    assert [len(key) for key in suppression_keys("phone", ANNA["phone"], KEYS)] == [KEY_BYTES] * 2


def test_the_generation_tells_every_change_and_nothing_else() -> None:
    suppression = erased()
    first = suppression.generation
    suppression.load({key: "request-1" for kind, value in ANNA.items() for key in suppression_keys(kind, value, KEYS)})
    assert suppression.generation == first
    suppression.load({})
    assert suppression.generation > first


class Counting(Pseudonymizer):
    """Counts how many values it hashed."""

    hashed = 0

    def digest(self, *parts: str) -> bytes:
        type(self).hashed += 1
        return super().digest(*parts)


NEW = MasterKey(bytes(32), version=2).pseudonymizer(Purpose.SUPPRESSION)


@pytest.mark.parametrize("versions", [{1}, {1, 2}, {None}])
async def test_E27_who_was_erased_before_a_rotation_is_known_after_it(versions: set[int | None]) -> None:
    suppression = Suppression(NEW, [KEYS])
    suppression.load(dict.fromkeys(suppression_keys("email", ANNA["email"], KEYS), "request-1"), versions)
    text, _, _ = await redacted("at anna.canary@example.org", Fixed(("EMAIL", "anna.canary@example.org")), suppression)
    assert text == "at [ERASED_1]"
    assert suppression.take_hits() == {"request-1": 1}


@pytest.mark.parametrize(("versions", "hashed"), [({2}, 0), ({1, 2}, 1), ({None}, 1)])
async def test_a_value_is_hashed_only_by_the_keys_that_somebody_is_known_by(
    versions: set[int | None], hashed: int
) -> None:
    old = Counting(KEYS.key, KEYS.version)
    suppression = Suppression(NEW, [old])
    suppression.load(dict.fromkeys(suppression_keys("email", ANNA["email"], NEW), "request-1"), versions)
    Counting.hashed = 0
    await redacted("at bert@example.org", Fixed(("EMAIL", "bert@example.org")), suppression)
    assert Counting.hashed == hashed
