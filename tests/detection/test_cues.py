"""What the turn before asks for (D2)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.detection.cues import cue, slots
from sidecar.detection.recognizer import AGENT, CUSTOMER, Message, Turn


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What's your account number?", ("acct",)),
        ("Can I have your full name or account ID?", ("name", "acct", "order")),
        ("what is your last name", ("name",)),
        ("And the ZIP?", ("zip",)),
        ("may I have your user name", ("user",)),
        ("What is your phone number?", ("phone",)),
        ("when were you born?", ("born", "when")),
        ("how many boxes?", ("count",)),
        ("Is that correct?", ("yes",)),
        ("Thank you.", ()),
        ("", ()),
    ],
)
def test_slots_of_a_question(question: str, expected: tuple[str, ...]) -> None:
    assert slots(question) == expected


def test_the_other_side_is_listened_to_first() -> None:
    context = (Turn(AGENT, "your account number?"), Turn(CUSTOMER, "one moment, what city?"))
    assert cue(Message("2201", CUSTOMER, context)) == "c:acct"
    assert cue(Message("2201", CUSTOMER, context[1:])) == "c=place"
    assert cue(Message("2201", CUSTOMER)) == "c:none"
    assert cue(Message("2201")) == "-:none"


def test_a_nod_goes_on_about_what_was_asked_before() -> None:
    """D2: a number that is given in parts."""
    asked, said, nod = Turn(AGENT, "and the phone number?"), Turn(CUSTOMER, "oh seven seven"), Turn(AGENT, "uh huh")
    assert cue(Message("double four", CUSTOMER, (asked, said, nod))) == "c~phone"
    assert cue(Message("double four", CUSTOMER, (said, nod))) == "c~other"
    assert cue(Message("double four", CUSTOMER, (Turn(CUSTOMER, "my pin is"), nod))) == "c~pass"


@given(st.text(max_size=1_000), st.sampled_from([AGENT, CUSTOMER, None]))
def test_cues_are_few_whatever_the_text(text: str, speaker: str | None) -> None:
    """D15: a cue is made of names of slots, never of the text."""
    made = cue(Message("x", CUSTOMER, (Turn(speaker, text),)))
    known = {"name", "user", "mail", "phone", "born", "pass", "ssn", "card", "acct", "order", "zip", "addr", "place"}
    known |= {"item", "when", "count", "why", "yes", "other", "plate", "flight", "org"}
    assert made[:2] in ("c:", "c=", "c~")
    assert set(made[2:].split("+")) <= known
