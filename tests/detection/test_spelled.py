"""D7: names and codes said letter by letter."""

from __future__ import annotations

import pytest

from sidecar.detection.recognizer import AGENT, CUSTOMER, Message, Turn
from sidecar.detection.rules import PatternRecognizer, RuleSettings

RULES = PatternRecognizer(RuleSettings())


def spelled(text: str, question: str | None = None) -> list[tuple[str, str]]:
    context = (Turn(AGENT, question),) if question else ()
    found = RULES.find(Message(text, CUSTOMER, context))
    return [(span.label, text[span.start : span.end]) for span in found if span.recognizer == "spelled"]


@pytest.mark.parametrize(
    ("text", "label", "value"),
    [
        ("sure d e l a c r u z", "PERSON", "d e l a c r u z"),
        ("G. W. E. N. D. Ashby", "PERSON", "G. W. E. N. D"),
        ("it's m as in mary c as in charlie", "PERSON", "m as in mary c as in charlie"),
        ("k lima seven four four tango papa please", "OTHER_ID", "k lima seven four four tango papa"),
        ("b as in bravo seven seven x as in xray two", "OTHER_ID", "b as in bravo seven seven x as in xray two"),
        ("tango 4 papa uniform", "OTHER_ID", "tango 4 papa uniform"),
    ],
)
def test_rows_of_letters_are_found(text: str, label: str, value: str) -> None:
    assert spelled(text) == [(label, value)]


def test_the_question_types_them() -> None:
    """D2."""
    assert spelled("x d two two k", "what's your license plate?") == [("VEHICLE_PLATE", "x d two two k")]
    assert spelled("r i v e r", "and the username?") == [("USERNAME", "r i v e r")]


@pytest.mark.parametrize(
    "text",
    [
        "i live in the u s a",
        "i'm a b student",
        "is it plan a or plan b",
        "mike and charlie like golf",
        "the hotel is in india",
        "two three four",
        "seat c 3",
        "i paid by a t m",
    ],
)
def test_initials_and_everyday_words_stay(text: str) -> None:
    """D11."""
    assert spelled(text) == []
