"""Addresses that no street type gives away (D4)."""

from __future__ import annotations

import pytest

from tests.detection.spotting import ask, spot

FOUND = [
    ("Unter den Linden 77, 10117 Berlin", "Unter den Linden 77, 10117 Berlin"),
    ("ich wohne Am Stadtpark 12, 90409 Nürnberg", "Am Stadtpark 12, 90409 Nürnberg"),
    ("to lange reihe 45, 20099 hamburg please", "lange reihe 45, 20099 hamburg"),
    ("send it to Rynek Główny 12, 31-042 Kraków", "Rynek Główny 12, 31-042 Kraków"),
    ("Flat No 302, Sai Krupa Apartments, MG Road, Bengaluru 560001",) * 2,
    ("H.No 4-5-67, Ameerpet, Hyderabad - 500016",) * 2,
    ("Toronto ON M5J 0A6", "ON M5J 0A6"),
]

KEPT = [
    "we sold 12, 10117 were left",
    "in may 12, 2024 was the year",
    "the flat 3 is for rent, about 450000 in total",
    "the plot 2 is thin",
    "model 77, 10117 units",
    "at 12, 1000 people came",
]


@pytest.mark.parametrize(("text", "value"), FOUND)
def test_an_address_is_one_span_d4(text: str, value: str) -> None:
    assert ("ADDRESS", value) in spot(ask(text))


@pytest.mark.parametrize("text", KEPT)
def test_numbers_beside_each_other_are_no_address_d11(text: str) -> None:
    assert not [value for label, value in spot(ask(text)) if label == "ADDRESS"]


def test_a_street_without_a_type_answers_for_an_address_d4() -> None:
    asked = "What is your shipping address?"
    assert spot(ask("Unter den Linden 77, Berlin", asked)) == [("ADDRESS", "Unter den Linden 77, Berlin")]
    assert spot(ask("the one from may 3", asked)) == []
