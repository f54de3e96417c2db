"""What of numbers, member names and stamps is asked about, and how surely."""

from __future__ import annotations

import json

import pytest

from sidecar.payloads.document import Path
from sidecar.payloads.field_map import FieldMap
from sidecar.payloads.json_body import JsonBody
from sidecar.payloads.names import (
    ANY_SCORE,
    CERTAIN,
    SURE,
    is_id,
    is_stamp,
    name_score,
    number_score,
    number_text,
    question,
    words,
)
from sidecar.payloads.selection import select

KNOWN = words("Marta von Kowalczyk") | words("A-88213")


@pytest.mark.parametrize(
    ("number", "text"),
    [("4111111111111111", "4111111111111111"), ("4.111111111111111e15", "4111111111111111"), ("12.0", "12"),
     ("-7", "-7"), ("1.5", "1.5"), ("1e-3", "1e-3"), ("1E2", "100"), ("-48601555014.0", "-48601555014"),
     ("1e999999999999999999999", "1e999999999999999999999"), ("9" * 5000, "9" * 5000), ("0.1e1", "1"),
     ("1e99", "1" + "0" * 99), ("1e100", "1e100"), ("0", "0"), ("0.0", "0"), ("-0.0e5", "-0"), ("0e-999999999", "0"),
     ("447911123456e000", "447911123456"), ("447911123456E+0", "447911123456"), ("447911123456e-0", "447911123456"),
     ("447911123456." + "0" * 31, "447911123456"), ("447911123456." + "0" * 200_000, "447911123456"),
     ("4.47911123456e" + "0" * 50 + "11", "447911123456"), ("447911123456" + "0" * 90 + "e-90", "447911123456"),
     ("0." + "0" * 50 + "447911123456e62", "447911123456"), ("-4479111234560e-0001", "-447911123456"),
     ("447911123456." + "0" * 31 + "1", "447911123456." + "0" * 31 + "1"), ("1234567e-9", "1234567e-9"),
     ("1e-" + "9" * 50, "1e-" + "9" * 50)],
)  # fmt: skip
def test_whole_numbers_are_read_without_exponent(number: str, text: str) -> None:
    assert number_text(number) == text


@pytest.mark.parametrize(
    ("number", "expected"),
    [("1234567", True), ("-1234567", True), ("123456", False), ("1234567.5", False), ("1e-7", False),
     ("0.1234567", False)],
)  # fmt: skip
def test_ids_are_whole_and_have_seven_digits(number: str, expected: bool) -> None:
    assert is_id(number) is expected


@pytest.mark.parametrize(
    "number", ["1795485561", "1000000000", "1795485561123", "1795485561123456", "1795485561123456789"]
)
def test_clocks_must_be_certain(number: str) -> None:
    assert number_score(number) == CERTAIN


@pytest.mark.parametrize("number", ["4111111111111111", "2125550147", "48601555014", "999999999", "17954855611"])
def test_other_numbers_must_be_sure(number: str) -> None:
    assert number_score(number) == SURE


@pytest.mark.parametrize("name", ["phone", "mobile", "customerPhone", "contact_tel", "phone_2", "phoneNumber", "fax"])
def test_a_number_of_a_phone_is_no_clock(name: str) -> None:
    """A mobile number without its leading zero may have ten digits and begin with 1."""
    assert question((name,)) == "phone number?"
    assert number_score("1712345678", question((name,))) == SURE
    assert number_score("1712345678", question(("created",))) == CERTAIN
    assert number_score("1712345678123", question((name,))) == CERTAIN


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-24T01:49:20.207455+00:00", True),
        ("2026-11-24 01:49:21", True),
        ("2026-11-24T01:53:53.549Z", True),
        ("2026-11-24T01:30:01Z", True),
        ("e84ba0ee-c9d3-4e4d-a013-cbe1b7dc4cc3", True),
        ("E84BA0EE-C9D3-4E4D-A013-CBE1B7DC4CC3", True),
        ("1987-03-14", False),
        ("1987-03-14T00:00:00Z", False),
        ("1987-03-13T23:00:00.000Z", False),
        ("1987-03-13T18:30:00+05:30", False),
        ("1987-03-13T25:31:07Z", False),
        ("2026-11-24T01:49:20 marta", False),
        ("2026-11-24T01:49", False),
        ("e84ba0ee-c9d3-4e4d-a013-cbe1b7dc4cc", False),
        ("e84ba0eec9d34e4da013cbe1b7dc4cc3", False),
        ("٢026-11-24T01:49:21", False),
    ],
)
def test_stamps(text: str, expected: bool) -> None:
    assert is_stamp(text) is expected


@pytest.mark.parametrize(
    "name",
    ["status", "created_at", "@type", "$ref", "llm.input_messages.0.message.content", "x-request-id", "0", "12", "a[0]",
     "marta_status", "http://schema.org/name", "von_id", "main.9be72da65a79.css", "login.f115716e9a7c.css"],
)  # fmt: skip
def test_names_of_programs_are_not_asked_about(name: str) -> None:
    assert name_score(name, KNOWN) is None


@pytest.mark.parametrize(
    ("name", "score"),
    [("marta@b.cc", ANY_SCORE), ("Marta Kowalczyk", ANY_SCORE), ("+48 601", ANY_SCORE), ("Zoë", ANY_SCORE),
     ("10.0.0.1", ANY_SCORE), ("order status", ANY_SCORE), ("+48601555014", ANY_SCORE),
     ("4111111111111111", SURE), ("user_48601555014", SURE), ("1795485561", CERTAIN),
     ("de89370400440532013000", SURE), ("ab123456789c.9be72da65a79", SURE),
     ("marta", CERTAIN), ("KOWALCZYK", CERTAIN), ("marta_von_kowalczyk", CERTAIN), ("88213", CERTAIN)],
)  # fmt: skip
def test_names_that_may_be_data_are_asked_about(name: str, score: float) -> None:
    assert name_score(name, KNOWN) == score


@pytest.mark.parametrize(
    ("path", "asked"),
    [(("customer", "accountNumber"), "account number?"), (("phone_numbers", 0), "phone number?"), ((0, 1), ""),
     ((), ""), (("a", "Marta K"), ""), (("user.id",), "user id?"), (("DOB",), "dob?"), (("n" * 200,), "n" * 80 + "?"),
     (("aB" * 100,), ("a " + "ba " * 100)[:80] + "?"), (("_" * 100 + "mobileNumber",), "phone number?")],
)  # fmt: skip
def test_a_members_name_asks_for_its_value(path: Path, asked: str) -> None:
    assert question(path) == asked


def test_a_long_name_is_not_read_in_whole_for_every_value_below_it() -> None:
    leaves = JsonBody().parse(json.dumps({"aB" * 100_000: ["x"] * 50_000})).leaves
    (conversation,) = select(leaves, FieldMap(), str.strip).conversations
    (asked,) = {piece.message.context for piece in conversation.pieces if piece.message.text == "x"}
    assert [len(turn.text) for turn in asked] == [81]
