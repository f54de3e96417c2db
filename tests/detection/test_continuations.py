"""A card number given over several short turns (D2, D7)."""

from __future__ import annotations

import pytest

from sidecar.detection.recognizer import AGENT, CUSTOMER, Message, Turn
from tests.detection.spotting import spot


@pytest.mark.parametrize(
    ("before", "text", "labels"),
    [
        (("4111 1111 1111",), "1111", ["CREDIT_CARD"]),
        (("4111", "1111", "1111"), "1111", ["CREDIT_CARD"]),
        (("4111 1111 1111",), "1112", ["OTHER_ID"]),
        (("my card is 4111 1111 1111",), "1111", ["OTHER_ID"]),
        ((), "1111", ["OTHER_ID"]),
    ],
)
def test_groups_over_turns_are_one_number_d7(before: tuple[str, ...], text: str, labels: list[str]) -> None:
    context = tuple(turn for said in before for turn in (Turn(CUSTOMER, said), Turn(AGENT, "go on")))
    assert [label for label, _ in spot(Message(text, CUSTOMER, context))] == labels
