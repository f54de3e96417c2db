"""Dates are DATE, kept by default; with a word of birth they are DATE_OF_BIRTH (D7)."""

from __future__ import annotations

import pytest

from tests.detection.spotting import ask, raw, spot

BORN = [
    ("my dob is 12/05/1985", "12/05/1985"),
    ("born on 3 June 1985", "3 June 1985"),
    ("date of birth: 1985-06-03", "1985-06-03"),
    ("i was born june 3rd, 1985", "june 3rd, 1985"),
    ("geboren am 3. Juni 1985", "3. Juni 1985"),
    ("née le 3 août 1985", "3 août 1985"),
]

DATES = ["see you on 12/05/2026", "on june 3rd", "the 4th of april", "2026-06-03 works", "15 june 2026"]


@pytest.mark.parametrize(("text", "value"), BORN)
def test_a_date_of_birth_d7(text: str, value: str) -> None:
    assert ("DATE_OF_BIRTH", value) in spot(ask(text))


@pytest.mark.parametrize("text", DATES)
def test_other_dates_are_dates_and_no_codes_d11(text: str) -> None:
    assert {span.label for span in raw(ask(text))} == {"DATE"}


@pytest.mark.parametrize("text", ["may i go", "march on", "24/7", "1/2 a cup", "may 5 people come"])
def test_what_is_no_date(text: str) -> None:
    assert "DATE_OF_BIRTH" not in {span.label for span in raw(ask(text))}
