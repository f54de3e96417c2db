"""The question types the answer (D2)."""

from __future__ import annotations

import pytest

from sidecar.detection.recognizer import AGENT, CUSTOMER, Message, Turn
from tests.detection.spotting import ask, covered, spot

ANSWERS = [
    ("What's your account number?", "2201", [("ACCOUNT_ID", "2201")]),
    ("May I have your name and account number please?", "sam 5854", [("PERSON", "sam"), ("ACCOUNT_ID", "5854")]),
    ("How many boxes?", "5", []),
    ("How many guests will come?", "1200", []),
    ("What year is the car?", "2017", []),
    ("For what time should I book?", "1830", []),
    ("What is your flight number?", "1402", []),
    ("Could I get your full name, please?", "crystal minh", [("PERSON", "crystal minh")]),
    ("Could I get your full name, please?", "sure, it's crystal minh", [("PERSON", "crystal minh")]),
    ("Could I get your full name, please?", "why do you need it", []),
    ("Could I get your full name, please?", "no thanks", []),
    ("And your last name?", "Okonkwo-Adeyemi", [("PERSON", "Okonkwo-Adeyemi")]),
    ("what's the zip?", "62704", [("ADDRESS", "62704")]),
    ("your postcode please", "sw1a 1aa", [("ADDRESS", "sw1a 1aa")]),
    ("Can I have your order number?", "77", [("ORDER_ID", "77")]),
    ("Can I have your phone number?", "5550134", [("PHONE", "5550134")]),
    ("Please provide your PIN.", "0314", [("PASSWORD", "0314")]),
    ("What is your password?", "bluefish", [("PASSWORD", "bluefish")]),
    ("What was the name of the pet you had as a child?", "nemo", [("PASSWORD", "nemo")]),
    ("What is your username?", "jsmith_77", [("USERNAME", "jsmith_77")]),
    ("Could you provide your date of birth?", "12/05/1985", [("DATE_OF_BIRTH", "12/05/1985")]),
    ("Could you provide your date of birth?", "3rd of june 1985", [("DATE_OF_BIRTH", "3rd of june 1985")]),
    ("What is your card number?", "8821", [("CREDIT_CARD", "8821")]),
    ("Wie lautet Ihre Kundennummer?", "8841", [("ACCOUNT_ID", "8841")]),
    ("Quel est votre numéro de commande ?", "7712", [("ORDER_ID", "7712")]),
    ("¿Cuál es su código postal?", "28013", [("ADDRESS", "28013")]),
    ("Wie viele Kisten?", "1200", []),
    ("Is there anything else?", "no that's all", []),
    ("I have shipped your order.", "great", []),
]


@pytest.mark.parametrize(("question", "answer", "expected"), ANSWERS)
def test_the_slot_of_the_question_types_the_answer_d2(
    question: str, answer: str, expected: list[tuple[str, str]]
) -> None:
    assert spot(ask(answer, question)) == expected


def test_an_answer_over_two_turns_is_typed_by_the_same_question_d2() -> None:
    context = (Turn(AGENT, "May I have your name and account number?"), Turn(CUSTOMER, "sam"))
    assert spot(Message("5854", CUSTOMER, context)) == [("ACCOUNT_ID", "5854")]


def test_the_longer_numbers_of_a_long_answer_are_typed() -> None:
    text = "well let me see i think i wrote it down somewhere here oh yes it should be 88120 but i am not sure"
    assert ("ACCOUNT_ID", "88120") in spot(ask(text, "What is your account number?"))


def test_a_question_of_the_same_speaker_asks_nothing() -> None:
    context = (Turn(CUSTOMER, "what is my account number?"),)
    assert spot(Message("crystal", CUSTOMER, context)) == []


def test_turns_without_speakers_are_read_d12() -> None:
    assert spot(Message("2201", None, (Turn(None, "what's your account number?"),))) == [("ACCOUNT_ID", "2201")]


def test_only_the_end_of_a_long_turn_is_read_d17() -> None:
    question = "what is your name? " + "thank you for waiting. " * 60
    assert covered(ask("zorblat", question)) == "zorblat"


def test_what_an_apostrophe_cuts_off_is_no_part_of_a_name() -> None:
    assert spot(ask("I'm Ben", "Could I have your name?")) == [("PERSON", "Ben")]


def test_a_choice_of_two_codes_begins_with_the_first() -> None:
    found = spot(ask("it is 3941 or 9503", "and your pin?"))
    assert {value for _, value in found} <= {"3941", "9503", "3941 or 9503"}


@pytest.mark.parametrize(
    ("answer", "value"), [("will", "will"), ("Will.", "Will"), ("its small", "small"), ("yes, it's Mark", "Mark")]
)
def test_a_word_that_is_a_name_too_answers_for_a_name_where_it_stands_alone_d2(answer: str, value: str) -> None:
    assert spot(ask(answer, "May I have your name please?")) == [("PERSON", value)]


@pytest.mark.parametrize("answer", ["sure", "good", "brb", "will do", "nope"])
def test_a_nod_is_no_name_d11(answer: str) -> None:
    assert spot(ask(answer, "May I have your name please?")) == []
