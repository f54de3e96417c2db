"""Cards, phones, bank accounts and national numbers, in any grouping (D7, D8)."""

from __future__ import annotations

import pytest

from sidecar.detection.cards import has_issuer, is_card, passes_luhn
from sidecar.detection.national_ids import COUNTRIES, NationalIdChecks
from sidecar.detection.scores import CHECKED_CONTEXT, CHECKSUM
from tests.detection.spotting import ask, covered, raw, spot

FOUND = [
    # made-up numbers that pass their checks; none belongs to anyone
    ("my card is 4111 1111 1111 1111", "CREDIT_CARD", "4111 1111 1111 1111"),
    ("4111|1111|1111|1111", "CREDIT_CARD", "4111|1111|1111|1111"),
    ("4111-1111-1111-1111 thanks", "CREDIT_CARD", "4111-1111-1111-1111"),
    ("4111.1111.1111.1111", "CREDIT_CARD", "4111.1111.1111.1111"),
    ("41 11 11 11 11 11 11 11", "CREDIT_CARD", "41 11 11 11 11 11 11 11"),
    ("3782 822463 10005", "CREDIT_CARD", "3782 822463 10005"),
    ("four one one one one one one one one one one one one one one one", "CREDIT_CARD",
     "four one one one one one one one one one one one one one one one"),
    ("call +1 415 555 2671 now", "PHONE", "+1 415 555 2671"),
    ("(415) 555-2671", "PHONE", "(415) 555-2671"),
    ("415 555 2671 is my cell", "PHONE", "415 555 2671"),
    ("020 7946 0958", "PHONE", "020 7946 0958"),
    ("+49 30 901820", "PHONE", "+49 30 901820"),
    ("0049 30 901820", "PHONE", "0049 30 901820"),
    ("reach me at 98400 12345", "PHONE", "98400 12345"),
    ("phone four one five five five five two six seven one", "PHONE", "four one five five five five two six seven one"),
    ("DE89 3704 0044 0532 0130 00", "IBAN", "DE89 3704 0044 0532 0130 00"),
    ("gb82west12345698765432 please", "IBAN", "gb82west12345698765432"),
    ("GB82-WEST-1234-5698-7654-32", "IBAN", "GB82-WEST-1234-5698-7654-32"),
    ("my ssn is 536-90-4399", "NATIONAL_ID", "536-90-4399"),
    ("NINO AB 12 34 56 C", "NATIONAL_ID", "AB 12 34 56 C"),
    ("mi dni es 12345678Z", "NATIONAL_ID", "12345678Z"),
    ("cpf 529.982.247-25", "NATIONAL_ID", "529.982.247-25"),
    ("pesel 44051401359", "NATIONAL_ID", "44051401359"),
    ("codice fiscale RSSMRA85T10A562S", "NATIONAL_ID", "RSSMRA85T10A562S"),
]  # fmt: skip

KEPT = [
    "it costs 1,234,567 dollars",
    "9,192,631,770 times a second",
    "two for one and three for two",
    "i have one or two questions",
    "call me at three",
    "version 10.0.19045",
    "24/7 support",
]


@pytest.mark.parametrize(("text", "label", "value"), FOUND)
def test_numbers_are_found_d7(text: str, label: str, value: str) -> None:
    assert (label, value) in spot(ask(text))


@pytest.mark.parametrize("text", KEPT)
def test_amounts_and_number_words_are_kept_d11(text: str) -> None:
    assert spot(ask(text)) == []


def test_a_checksum_alone_is_never_top_and_context_lifts_it_d8() -> None:
    alone = [s.score for s in raw(ask("order 4405140135 9")) if s.label == "NATIONAL_ID"]
    named = [s.score for s in raw(ask("pesel 44051401359")) if s.label == "NATIONAL_ID"]
    assert max(named) == CHECKED_CONTEXT
    assert all(score <= CHECKSUM for score in alone)


def test_a_ten_digit_order_number_is_an_order_number_d8() -> None:
    checks = NationalIdChecks(frozenset())
    numbers = [str(1_000_000_007 + 7919 * step) for step in range(200)]
    passing = [number for number in numbers if checks.score(number, number, ())]
    assert passing, "the table must hold numbers that pass a check by chance"
    for number in passing[:40]:
        assert spot(ask(f"my order number is {number}")) == [("ORDER_ID", number)]


def test_national_numbers_of_at_least_thirty_countries_d7() -> None:
    assert len(COUNTRIES) >= 30


def test_only_chosen_countries_are_checked() -> None:
    assert NationalIdChecks(frozenset({"PL"})).score("44051401359", "44051401359", ("pesel",)) == CHECKED_CONTEXT
    assert NationalIdChecks(frozenset({"ES"})).score("44051401359", "44051401359", ("pesel",)) == 0.0


@pytest.mark.parametrize("number", ["4111111111111111", "5555555555554444", "378282246310005", "6011111111111117"])
def test_cards_pass_luhn_and_have_an_issuer(number: str) -> None:
    assert passes_luhn(number)
    assert has_issuer(number)
    assert is_card(number)


@pytest.mark.parametrize("number", ["4111111111111112", "0000000000000000", "9111111111111111", "411111111111"])
def test_other_numbers_are_no_cards(number: str) -> None:
    assert not is_card(number)


def test_a_phone_inside_a_longer_run_is_covered() -> None:
    assert covered(ask("2 415 555 2671")).endswith("____________")


def test_everyday_words_are_no_parts_of_a_lettered_number_d11() -> None:
    assert not [found for found in spot(ask("the one at 1420 n")) if found[0] == "NATIONAL_ID"]
