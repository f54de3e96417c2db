"""Street addresses as a whole: US, UK and EU shapes, any case (D4)."""

from __future__ import annotations

import pytest

from tests.detection.spotting import ask, spot

FOUND = [
    ("1184 maple ave apt 3b springfield il 62704", "1184 maple ave apt 3b springfield il 62704"),
    (
        "ship it to 1184 Maple Ave, Apt 3B, Springfield, IL 62704 please",
        "1184 Maple Ave, Apt 3B, Springfield, IL 62704",
    ),
    ("i live at 12 Oak Street", "12 Oak Street"),
    ("123 5th ave new york ny", "123 5th ave new york ny"),
    ("221b baker street london nw1 6xe", "221b baker street london nw1 6xe"),
    ("flat 2, 10 station road, leeds ls1 4dy", "10 station road, leeds ls1 4dy"),
    ("Hauptstraße 12, 10115 Berlin", "Hauptstraße 12, 10115 Berlin"),
    ("12 rue de la paix 75002 paris", "12 rue de la paix 75002 paris"),
    ("calle mayor 5 28013 madrid", "calle mayor 5 28013 madrid"),
    ("keizersgracht 174 amsterdam", "keizersgracht 174 amsterdam"),
    ("ul. Marszałkowska 10", "ul. Marszałkowska 10"),
    ("Storgata 9", "Storgata 9"),
    ("jeg bor i storgata 9, 0155 oslo", "storgata 9, 0155 oslo"),
    ("Drammensveien 40", "Drammensveien 40"),
    ("Kungsgatan 12, 111 43 Stockholm", "Kungsgatan 12, 111 43 Stockholm"),
    ("Norra Hamngatan 5", "Norra Hamngatan 5"),
    ("Vesterbrogade 3B", "Vesterbrogade 3B"),
    ("Store Kongensgade 12, 1264 København", "Store Kongensgade 12, 1264 København"),
    ("Strandvejen 100", "Strandvejen 100"),
    ("Hauptstraße 12, 1010 Wien", "Hauptstraße 12, 1010 Wien"),
    ("po box 4410", "po box 4410"),
    ("pick me up at 5th and main", "5th and main"),
    ("my address is 452 ram melur", "452 ram melur"),
]

KEPT = [
    "it is a 5 minute drive",
    "2 people walk in",
    "on the 3rd floor",
    "i waited 30 minutes in court",
    "the 5th and last time",
    "way to go",
    "give me 2 more chances to drive",
    "3 days in a row",
    "main street is closed",
    "it took a brigade 5 hours",
    "we navigate 2 pages and a tailgate 5 wide",
    "the volkswagen 3 times",
    "rue the day",
    "the 3 rd game",
]


@pytest.mark.parametrize(("text", "value"), FOUND)
def test_an_address_is_one_span_d4(text: str, value: str) -> None:
    assert ("ADDRESS", value) in spot(ask(text))


@pytest.mark.parametrize("text", KEPT)
def test_street_words_elsewhere_are_kept_d11(text: str) -> None:
    assert spot(ask(text)) == []


def test_an_answer_to_a_question_for_the_address_needs_no_street_type_d4() -> None:
    assert spot(ask("215 anna nagar", "What is your delivery address?")) == [("ADDRESS", "215 anna nagar")]
