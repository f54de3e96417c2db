"""Keys, tokens and private keys (D7). The values are put together here, so that scanners leave this file alone."""

from __future__ import annotations

import pytest

from tests.detection.spotting import ask, covered, spot

PEM = "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIEow\nabc=\n-----END RSA " + "PRIVATE KEY-----"
FOUND = [
    "AKIA" + "IOSFODNN7EXAMPLE",
    "ghp_" + "a1B2" * 9,
    "xoxb-" + "1234567890-abcdefghij",
    "sk_" + "live_4eC39HqLyjWDarjtT1zdp7dc",
    "AIza" + "SyA-1234567890abcdefghijklmnopqrstu",
    "eyJ" + "hbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N",
    PEM,
]

KEPT = ["the token is invalid", "what is the secret of it", "my api key is not working", "bearer of bad news"]


@pytest.mark.parametrize("value", FOUND)
def test_secrets_are_found_whole_d7(value: str) -> None:
    assert spot(ask(f"use {value} ok")) == [("SECRET", value)]


def test_a_named_value_is_a_secret() -> None:
    assert spot(ask("api key: 9f8e7d6c5b4a39281706")) == [("SECRET", "9f8e7d6c5b4a39281706")]


def test_a_private_key_that_is_cut_off_is_covered_to_the_end() -> None:
    text = PEM[:60]
    assert set(covered(ask(text))) == {"_"}


@pytest.mark.parametrize("text", KEPT)
def test_talk_about_secrets_is_kept_d11(text: str) -> None:
    assert spot(ask(text)) == []
