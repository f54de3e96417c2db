"""D20: what is a placeholder, and what only looks like one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.detection.entity_types import ENTITY_TYPES
from sidecar.redaction.placeholder import Literal, hashed, literals, numbered


def test_what_we_write_we_read() -> None:
    for label in ENTITY_TYPES:
        for number in (1, 10, 99_999):
            text = numbered(label, number)
            assert literals(f"x{text}y") == [Literal(1, 1 + len(text), label, number)]
        text = hashed(label, b"\x00\xff" * 16)
        assert literals(text) == [Literal(0, len(text), label, None)]


@pytest.mark.parametrize(
    "text",
    [
        "", "[", "[PERSON]", "[PERSON_]", "[PERSON_0]", "[PERSON_01]", "[person_1]", "[NAME_1]", "PERSON_1",
        "[PERSON_1",
        "[PERSON 1]", "[PERSON_1234567890]", "[PERSON_１]", "[PERSON#12]", "[PERSON#00FF00FF00FF]", "[ PERSON_1]",
    ],
)  # fmt: skip
def test_what_only_looks_like_one(text: str) -> None:
    assert literals(text) == []


def test_several_in_order() -> None:
    found = literals("[[PERSON_2]][EMAIL_1] [ORDER_ID#0123456789ab]")
    assert [(one.label, one.number) for one in found] == [("PERSON", 2), ("EMAIL", 1), ("ORDER_ID", None)]


@pytest.mark.parametrize("forged", ["[NATIONAL_ID_123456789]", "[PHONE_212555]", "[CREDIT_CARD#411111111111]"])
def test_an_identifier_in_the_form_of_a_placeholder_is_none_d20(forged: str) -> None:
    assert literals(f"it is {forged} ok") == []


@given(st.binary(min_size=32, max_size=32))
def test_every_hashed_placeholder_is_read_back(digest: bytes) -> None:
    assert [one.label for one in literals(hashed("EMAIL", digest))] == ["EMAIL"]
    assert len(literals(hashed("EMAIL", bytes.fromhex("12" * 32)))) == 1
