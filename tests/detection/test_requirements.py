"""The examples of the requirements, and their like, on the shipped detector: one table for D1 to D4, D6, D7, D10, D11.

Each row: the text, what must be covered of it, the turns before it ("A: …", "C: …"). Nothing to cover: nothing found.
"""

from __future__ import annotations

import pytest

from sidecar.detection.assembly import DetectorSettings, build_detector
from sidecar.detection.detector import Detector
from sidecar.detection.entity_types import DEFAULT_TYPES
from sidecar.detection.recognizer import AGENT, CUSTOMER, KnownValue, Message, Turn

Row = tuple[str, list[str], tuple[str, ...]]

KNOWN = (
    KnownValue("PERSON", "Crystal Minh"),
    KnownValue("EMAIL", "c.minh@mail.example"),
    KnownValue("PHONE", "(415) 555-0123"),
    KnownValue("ORDER_ID", "8837-20194"),
    KnownValue("ADDRESS", "12 Rose Ave, Tulsa"),
)
NAMES_D1: list[Row] = [
    ("crystal minh", ["crystal minh"], ()),
    ("CRYSTAL MINH", ["CRYSTAL MINH"], ()),
    ("hi im jon", ["jon"], ()),
    ("thx, Priya", ["Priya"], ()),
    ("this is Dr. Ludwig van der Berg", ["Ludwig van der Berg"], ()),
    ("J. R. O'Neill-Smith", ["J. R. O'Neill-Smith"], ()),
    ("my name is Nguyễn Thị Hương", ["Nguyễn Thị Hương"], ()),
    ("ask for Björn Åkesson please", ["Björn Åkesson"], ()),
    ("marta", ["marta"], ("A: can I have your full name?",)),
    ("kowalczyk", ["kowalczyk"], ("A: and your last name?", "C: marta")),
]
DIALOGUE_D2: list[Row] = [
    ("2201", ["2201"], ("A: what's your account number?",)),
    ("sam 5854", ["sam", "5854"], ("A: can I get your name and account number?",)),
    ("5", [], ("A: how many boxes?",)),
    ("mailbox", [], ("A: what would you like to order?",)),
]
KNOWN_VALUES_D3: list[Row] = [
    ("tell crystal that MINH called", ["crystal", "MINH"], ()),
    ("it's 415.555.0123 again, order 883720194", ["415.555.0123", "883720194"], ()),
    ("order 8837 20194, mail C.MINH@mail.example", ["8837 20194", "C.MINH@mail.example"], ()),
    ("crystl minh", ["crystl minh"], ()),
    ("the parcel for cystal", ["cystal"], ()),
    ("i live on 12 rose ave", ["12 rose ave"], ()),
]
ADDRESSES_D4: list[Row] = [
    ("350 5th ave apt 12b, new york, ny 10118", ["350 5th ave apt 12b, new york, ny 10118"], ()),
    ("flat 3, 22 acacia avenue, leeds ls1 4dy", ["flat 3, 22 acacia avenue, leeds ls1 4dy"], ()),
    ("hauptstraße 12, 50667 köln", ["hauptstraße 12, 50667 köln"], ()),
    ("22 acacia avenue", ["22 acacia avenue"], ("A: what's your address?",)),
    ("leeds", ["leeds"], ("C: 22 acacia avenue", "A: and the city of that address?")),
    ("ls1 4dy", ["ls1 4dy"], ("A: and the postcode?",)),
    ("10118", ["10118"], ("A: zip code?",)),
]
NUMBERS_D6: list[Row] = [
    ("my tracking number is 1Z999AA10123456784", ["1Z999AA10123456784"], ()),
    ("ticket INC0012345 is open", ["INC0012345"], ()),
    ("customer no 48213", ["48213"], ()),
]
SHAPES_D7: list[Row] = [
    ("jon dot smith at gmail dot com", ["jon dot smith at gmail dot com"], ()),
    ("+44 20 7946 0958", ["+44 20 7946 0958"], ()),
    ("4 1 5 5 5 5 0 1 2 3", ["4 1 5 5 5 5 0 1 2 3"], ()),
    ("double five one nine eight oh three", ["double five one nine eight oh three"], ("A: phone number?",)),
    ("https://bob:hunter2@shop.example/u/4821", ["https://bob:hunter2@shop.example/u/4821"], ()),
    ("from 203.0.113.7", ["203.0.113.7"], ()),
    ("4111-1111.1111 1111", ["4111-1111.1111 1111"], ()),
    ("5100 0000", ["5100 0000"], ("A: your card number?", "C: 4242 4242")),
    ("0010", ["0010"], ("C: 4111", "C: 1111")),
    ("DE89 3704 0044 0532 0130 00", ["DE89 3704 0044 0532 0130 00"], ()),
    ("my key is AKIAIOSFODNN7EXAMPLE", ["AKIAIOSFODNN7EXAMPLE"], ()),
    ("hunter2", ["hunter2"], ("A: and your password?",)),
]
HIDDEN_D10: list[Row] = [
    ("j\u200bo\u200bn@mail\u200b.example", ["j\u200bo\u200bn@mail\u200b.example"], ()),
    ("４１１１ １１１１ １１１１ １１１１", ["４１１１ １１１１ １１１１ １１１１"], ()),
    ("jon&#64;mail.example", ["jon&#64;mail.example"], ()),
    ("jon\\u0040mail.example", ["jon\\u0040mail.example"], ()),
    ("4111😀1111😀1111😀1111", ["4111😀1111😀1111😀1111"], ()),
    ("my name is Јоhn Ѕmith", ["Јоhn Ѕmith"], ()),  # Cyrillic J, o and S
]
NEGATIVES_D11: list[Row] = [
    ("see you in May", [], ()),
    ("the Amber one please", [], ()),
    ("hello there", [], ()),
    ("the total is $45.99", [], ()),
    ("size 10 in black", [], ()),
    ("at 5 pm", [], ()),
    ("it will be 15 degrees and sunny", [], ()),
    ("thank you for contacting us, how may i help?", [], ()),
    ("2 large pizzas", [], ()),
    ("i may order it in august", [], ()),
    ("i'm sorry. i don't know", [], ("A: what was your mother's maiden name?",)),
    ("i just got promoted to captain", [], ("A: please enter the code.",)),
    ("i love the bourbon selection at Southside.  It's extensive", [], ()),
    ("feta 90 cal, goat cheese 150 cal", [], ()),
    ("leaving on may 15th and returning on the 27th", [], ()),
    ("7th-21st the following month", [], ("A: would you like to change the dates?",)),
]
TABLE = {
    "D1": NAMES_D1,
    "D2": DIALOGUE_D2,
    "D3": KNOWN_VALUES_D3,
    "D4": ADDRESSES_D4,
    "D6": NUMBERS_D6,
    "D7": SHAPES_D7,
    "D10": HIDDEN_D10,
    "D11": NEGATIVES_D11,
}


@pytest.fixture(scope="module")
def detector() -> Detector:
    return build_detector(DetectorSettings())


@pytest.mark.parametrize(
    ("number", "text", "values", "before"), [(number, *row) for number, rows in TABLE.items() for row in rows]
)
def test_the_requirements(
    detector: Detector, number: str, text: str, values: list[str], before: tuple[str, ...]
) -> None:
    context = tuple(Turn(AGENT if turn.startswith("A") else CUSTOMER, turn[3:]) for turn in before)
    (spans,) = detector.detect([Message(text, CUSTOMER, context, KNOWN if number == "D3" else ())])
    redacted = [span for span in spans if span.label in DEFAULT_TYPES and (values or span.label != "PRODUCT")]
    covered = {place for span in redacted for place in range(span.start, span.end)}
    wanted = {text.index(value) + place for value in values for place, char in enumerate(value) if char.isalnum()}
    assert not wanted - covered, [(span.label, text[span.start : span.end]) for span in spans]
    assert values or not redacted, [(span.label, text[span.start : span.end]) for span in redacted]
