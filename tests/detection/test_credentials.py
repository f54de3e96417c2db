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
    ("my pw is Tr0ub4dor&3", "PASSWORD", "Tr0ub4dor&3"),
    ("pw: Sun$hine!", "PASSWORD", "Sun$hine!"),
    ("my gamertag is xX_Sniper_Xx", "USERNAME", "xX_Sniper_Xx"),
    ("telegram @jane_r", "USERNAME", "@jane_r"),
    ("cash tag is $deshawn23", "USERNAME", "$deshawn23"),
    ("follow me: @deshawn-23", "USERNAME", "@deshawn-23"),
    ("follow me @5starjane", "USERNAME", "@5starjane"),
    ("insta @24kgold", "USERNAME", "@24kgold"),
    ("venmo $jane2", "USERNAME", "$jane2"),
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
    "i follow @AcmeHelp",
    "paypal charged me $45",
    "paypal me $25USD please",
    "user owes $100usd",
    "pay me $40k by friday",
    "venmo me $usd 20",
    "follow me @5pm",
    "tag me @ 3pm",
    "message me @5-6pm",
    "dm me @10am",
    "the user logged in @11:45pm",
    "paypal fee @3percent",
    "tag me @3rd floor",
    "find me @home",
    "message me @work",
    "snap a pic @noon",
    "handle with care @home",
]


@pytest.mark.parametrize(("text", "label", "value"), FOUND)
def test_credentials_are_found_d7(text: str, label: str, value: str) -> None:
    assert (label, value) in spot(ask(text))


@pytest.mark.parametrize("text", KEPT)
def test_talk_about_passwords_is_kept_d11(text: str) -> None:
    assert spot(ask(text)) == []


@pytest.mark.parametrize("answer", ["Sun$hine!", "it's blue_sky thx"])
def test_everyday_words_with_signs_among_them_answer_for_a_password_d7(answer: str) -> None:
    ((label, value),) = spot(ask(answer, "And the password?"))
    assert label == "PASSWORD"
    assert value == max(answer.split(), key=len)


@pytest.mark.parametrize("answer", ["no!", "i don't know", "why? it's $45"])
def test_other_answers_for_a_password_are_kept_d11(answer: str) -> None:
    assert spot(ask(answer, "And the password?")) == []
