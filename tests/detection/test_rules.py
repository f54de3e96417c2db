"""The rules as a whole: hard negatives, any input, linear time, settings (D11, D12, D13, D17)."""

from __future__ import annotations

import pickle
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.detection.catalogue import Catalogue, Product
from sidecar.detection.entity_types import ENTITY_TYPES
from sidecar.detection.id_grammars import IdGrammar
from sidecar.detection.recognizer import AGENT, CUSTOMER, KnownValue, Message, Turn
from sidecar.detection.rules import RuleSettings, rule_recognizers
from sidecar.errors import ConfigError
from tests.detection.spotting import SETTINGS, ask, raw, recognizers, spot

KEPT = [
    "hi",
    "hello, how can i help you today?",
    "may i ask what happened in march",
    "thank you for calling, have a great day!",
    "is there anything else i can help you with?",
    "please hold on for 2 minutes while i check that",
    "it's raining and 15 degrees in the north",
    "i need 3 large pizzas and 2 cokes",
    "between 91 and 94 would work",
    "the amber one, size 10",
    "your balance is $4,108.20",
    "total cost 28, shipping 5",
    "i paid 300 euros last week",
    "we are open monday to friday from 9am to 5pm",
    "galaxy s21 ultra 256gb",
    "it has 8 gb of ram and a 15.6 inch screen",
    "a 2015 honda fit",
    "1/2 cup of milk",
    "ratio of 3:1",
    "step 1: turn it off",
    "chapter 11, page 240",
    "i rate it 8/10",
    "100% sure",
    "3 out of 5 stars",
    "she is 42 years old",
    "i've been waiting for 45 min",
    "my order has not arrived",
    "what is my account balance?",
    "i lost my credit card",
    "reset my password please",
    "can you give me your name",
    "what's your phone number?",
    "",
    "   \n\t ",
    "👍👍👍",
    "?!?!",
]


@pytest.mark.parametrize("text", KEPT)
def test_hard_negatives_stay_d11(text: str) -> None:
    assert spot(ask(text)) == []


@given(st.text(alphabet=st.characters(), max_size=200), st.text(max_size=80), st.booleans())
@settings(max_examples=120)
def test_any_text_gives_spans_in_range_and_always_the_same_d12_d13(text: str, question: str, answered: bool) -> None:
    message = ask(text, question if answered else None, (KnownValue("PERSON", "Ada Quill"),))
    found = raw(message)
    assert found == raw(message)
    for span in found:
        assert 0 <= span.start < span.end <= len(text)
        assert 0 < span.score <= 1
        assert span.label in ENTITY_TYPES


WORDS = [
    "4111", "1111", "my", "account", "number", "is", "order", "at", "dot", "com", "gmail", "five", "double", "st",
    "main", "ny", "10001", "12", "may", "born", "password", "or", "GB82", "WEST", "+1", "(415)",
    "555", "2671", "jon",
    "@", "#", "-", ".", "é", "😀", "A-1", "pin", "x7", "1985", "/", "rue", "de", "il", "apt",
]  # fmt: skip


@given(st.lists(st.sampled_from(WORDS), max_size=25), st.sampled_from(["", " "]))
@settings(max_examples=150)
def test_any_row_of_tricky_words_gives_spans_in_range_d12(words: list[str], separator: str) -> None:
    text = separator.join(words)
    for span in raw(ask(text, "What is your account number, name and address?")):
        assert 0 <= span.start < span.end <= len(text)


LINEAR_SETTINGS = RuleSettings(
    id_grammars=(
        IdGrammar("evil", "ORDER_ID", r"(a+)+b"),
        IdGrammar("number", "ORDER_ID", r"[0-9]{3,20}x", ("order",)),
    ),
    catalogue=Catalogue(tuple(Product("a " * length) for length in range(1, 30))),
)
KNOWN = (KnownValue("PERSON", "John Smithers"), KnownValue("ORDER_ID", "1111111111"), KnownValue("EMAIL", "a.a@a.aa"))
UNITS = [
    "a", "1", "1 ", "@", "a@", "a@a.", ".", "a.", "a-", "+1", "(", "1-", "1.", "1,", "::", "a:", "eyJ-",
    "eyJaaaaaaaa.eyJ-", "-----BEGIN PRIVATE KEY-----", "A1", "AB12 ", "a1 ", "1 a ", "one ",
    "double ", "at ", "a at ",
    "at a dot com ", "order ", "order number ", "is ", "password is ", "main st ", "1 main st ", "apt ", "rue ",
    "12 rue de ", "5th and ", "1 may ", "/", "http://", "www.", "&", "&#6", "&#64;", "\\u0041",
    "\u200b", "é", "а", "😀",
    "1😀", "\ud800", "\n", "key=", "token:a1", "0x", "1/1/", "°", "'", '"@', "4111 ", "gmailcom ", "gmail com ",
    "il 62704 ", "1 e ", "#1", "born ", "or 1 ", "pin 1234 or ", "smithers", "johnsmithers ", "a" * 63 + ".",
    "GB82WEST",
    "&" * 3 + ";", "[at]", "name is ", "address is 12 ",
]  # fmt: skip


def _seconds(text: str, rounds: int) -> float:
    """Return the least processor time of several rounds: what others do on the machine is left out."""
    message = Message(text, CUSTOMER, (Turn(AGENT, "What is your account number, name and address?"),), KNOWN)
    best = float("inf")
    for _ in range(rounds):
        started = process_time()
        for recognizer in recognizers(LINEAR_SETTINGS):
            list(recognizer.find(message))
        best = min(best, process_time() - started)
    return best


@pytest.mark.parametrize("unit", UNITS)
def test_time_grows_with_the_length_and_no_faster_d17(unit: str) -> None:
    """A ratio, not a speed: sixteen times the text may take ten times as long for each character (D17's own bound).

    A quadratic rule would take sixteen times as long for each.
    """
    short, long = 1_000, 16_000
    base = max(_seconds((unit * short)[:short], 4), 0.000_2)
    bound = 10 * base * (long / short)
    assert any(_seconds((unit * long)[:long], 1) < bound for _ in range(3))  # once is enough: noise only ever adds


def test_one_word_of_a_megabyte_is_read() -> None:
    assert spot(ask("a" * 1_000_000)) == []


def test_settings_and_their_version_can_be_sent_to_worker_processes_d13_d16() -> None:
    copied = pickle.loads(pickle.dumps(LINEAR_SETTINGS))
    assert copied == LINEAR_SETTINGS
    assert copied.version == LINEAR_SETTINGS.version
    changed = RuleSettings(catalogue=Catalogue((Product("other"),)))
    assert len({SETTINGS.version, LINEAR_SETTINGS.version, changed.version}) == 3


def test_bad_settings_are_all_reported() -> None:
    bad = RuleSettings(languages=("en", "xx"), phone_regions=("US", "QQ"), id_countries=("PL", "ZZ"))
    with pytest.raises(ConfigError) as caught:
        rule_recognizers(bad)
    assert [problem.path for problem in caught.value.problems] == ["languages", "phone_regions", "id_countries"]


def test_spans_hold_no_text_d12() -> None:
    assert all("example" not in repr(span) for span in raw(ask("jon@example.com")))
