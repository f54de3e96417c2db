"""E-mail addresses: written, obfuscated, spelled, stripped (D7)."""

from __future__ import annotations

import pytest

from tests.detection.spotting import ask, spot

FOUND = [
    ("write to jon.smith@example.com please", "jon.smith@example.com"),
    ("JON+SHOP@Example.CO.UK!", "JON+SHOP@Example.CO.UK"),
    ("<mary@mail.example.org>", "mary@mail.example.org"),
    ("o'brien@example.ie is mine", "o'brien@example.ie"),
    ('"odd name"@example.com', '"odd name"@example.com'),
    ("root@[192.0.2.7]", "root@[192.0.2.7]"),
    ("jon%40example.com", "jon%40example.com"),
    ("jon%40example%2Ecom", "jon%40example%2Ecom"),
    ("jon (at) example (dot) com", "jon (at) example (dot) com"),
    ("jon [at] example.com", "jon [at] example.com"),
    ("jon @ example . com", "jon @ example . com"),
    ("its jon dot smith at gmail dot com", "jon dot smith at gmail dot com"),
    ("my email is mary underscore 99 at yahoo dot co dot uk", "mary underscore 99 at yahoo dot co dot uk"),
    ("it is p r i y a at outlook dot com", "p r i y a at outlook dot com"),
    ("my email is jonsmith gmail com", "jonsmith gmail com"),
    ("jonsmithgmailcom", "jonsmithgmailcom"),
    ("kim 83 gmailcom", "kim 83 gmailcom"),
    ("send it to brown 19 gmailcom", "brown 19 gmailcom"),
    ("yes its lenawebercom", "lenawebercom"),
    ("anna punkt weber klammeraffe gmx punkt de", "anna punkt weber klammeraffe gmx punkt de"),
]

KEPT = [
    "meet me at home",
    "i am at gmail now",
    "we met @ 3 pm",
    "see you at the store dot",
    "the telecom company on the internet",
    "come at noon, not at one",
    "@support where is it",
    "look at point 3 in section 4",
    "the income is fine",
    "meet me @7.30pm",
    "the fee is 5 @7.30usd",
]


@pytest.mark.parametrize(("text", "value"), FOUND)
def test_addresses_are_found_d7(text: str, value: str) -> None:
    assert ("EMAIL", value) in spot(ask(text))


@pytest.mark.parametrize("text", KEPT)
def test_other_text_is_kept_d11(text: str) -> None:
    assert spot(ask(text)) == []
