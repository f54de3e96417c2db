"""Passwords and user names in words (D7)."""

from __future__ import annotations

import pytest

from tests.detection.spotting import ask, spot

FOUND = [
    ("my password is bluefish", "PASSWORD", "bluefish"),
    ("password: S3cr3t!pa$$", "PASSWORD", "S3cr3t!pa$$"),
    ("the password is logmein 32", "PASSWORD", "logmein 32"),
    ("name akash password arani", "PASSWORD", "arani"),
    ("my username is turker_4223", "USERNAME", "turker_4223"),
    ("user id: kfj.lane", "USERNAME", "kfj.lane"),
    ("mein passwort lautet sonnenblume7", "PASSWORD", "sonnenblume7"),
]

KEPT = [
    "my password is not working",
    "i forgot my password",
    "password reset please",
    "the password is incorrect",
    "i need a new password",
    "is my username taken",
    "the password expired",
    "can't login today",
]


@pytest.mark.parametrize(("text", "label", "value"), FOUND)
def test_credentials_are_found_d7(text: str, label: str, value: str) -> None:
    assert (label, value) in spot(ask(text))


@pytest.mark.parametrize("text", KEPT)
def test_talk_about_passwords_is_kept_d11(text: str) -> None:
    assert spot(ask(text)) == []
