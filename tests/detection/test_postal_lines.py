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
    ("Flat 302, Sai Krupa, near Bus Stand, Pune - 411001",) * 2,
    ("flat 302 sai krupa mg road bengaluru 560001",) * 2,
    ("Torgata 12, 2000 Lillestrøm", "Torgata 12, 2000 Lillestrøm"),
    ("Lindenhof 7, 1789 Lugnorre", "Lindenhof 7, 1789 Lugnorre"),
    ("Calle Mayor 12, 28013 Madrid", "Calle Mayor 12, 28013 Madrid"),
    ("rynek glowny 12, 31-042 krakow", "rynek glowny 12, 31-042 krakow"),
    ("Toronto ON M5J 0A6", "ON M5J 0A6"),
]

KEPT = [
    "we sold 12, 10117 were left",
    "in may 12, 2024 was the year",
    "the flat 3 is for rent, about 450000 in total",
    "the plot 2 is thin",
    "model 77, 10117 units",
    "at 12, 1000 people came",
    "house 3, total 250000",
    "flat 3 emi 450111",
    "shop 24, invoice 450111",
    "plot 12 mumbai 450111 rupees",
    "plot 12 emi scheme 500000",
    "h 1 1 100000",
    "door 5, 411001",
    "version 2.3 released 5, 10117 files",
    "chapter 12, 31337 hits",
    "we shipped 5, 10117 refunds",
    "RELEASED 5, 10117 FILES",
    "galaxy 21, 5000 mah",
    "house 2 floors, area 123456 sqft",
    "h 264 codec 123456",
    "flat 4 tyres, mileage 123456",
    "Fallout 4, 2015 Edition",
    "July 4, 1776 Philadelphia",
    "Apollo 11, 1969 Houston",
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


def test_a_line_in_lower_case_without_a_known_town_answers_for_an_address_d4() -> None:
    asked = "What is your shipping address?"
    assert ("ADDRESS", "lindenhof 7, 97225 zellingen") in spot(ask("lindenhof 7, 97225 zellingen", asked))
