"""Conversations to send through proxies: 20 messages each, every message like no other."""

from __future__ import annotations

import json

MESSAGES = 20
_FIRST = ("anna", "Ben", "Carla", "deniz", "Elif", "farid", "Greta", "Hugo", "ines", "Jonas", "Kim", "Lea")
_LAST = ("Albers", "brandt", "Castillo", "Dietz", "Ellis", "Farrow", "gruber", "Holm", "Iversen", "Jansen", "Kolb")
_STREETS = ("Mill Lane", "Station Road", "harbour street", "Oak Avenue", "Church Row", "king street")
_TURNS = (
    ("customer", "hi there, my order {reference} hasnt arrived yet"),
    ("agent", "Sorry to hear that! May I have your full name please? (case {reference})"),
    ("customer", "{first} {last}, ref {reference}"),
    ("agent", "Thank you {first}. And the e-mail address on the account for {reference}?"),
    ("customer", "{first}.{last}{reference}@example.com"),
    ("agent", "Got it, I see order {reference} from last week. Could you confirm the delivery address?"),
    ("customer", "{house} {street}, flat {reference}"),
    ("agent", "Thanks. The courier left a note for {reference}: nobody was home on Tuesday."),
    ("customer", "thats wrong, i was home all day!! {reference}"),
    ("agent", "I understand, {first}. What number can the courier reach you on? ({reference})"),
    ("customer", "+44 20 7946 {phone} but only after 5pm, ticket {reference}"),
    ("agent", "I have booked a second attempt, reference {reference}."),
    ("customer", "which day? i need the blue backpack {reference} before friday"),
    ("agent", "Thursday between 9 and 12, item {reference}."),
    ("customer", "ok. can my neighbour {neighbour} take it if im out? {reference}"),
    ("agent", "Of course, I have noted {neighbour} as an alternative for {reference}."),
    ("customer", "also u charged me twice i think, see invoice {reference}"),
    ("agent", "Let me look at invoice {reference}. One charge was only reserved and will be released."),
    ("customer", "great thanks {reference}"),
    ("agent", "You are welcome, {first}! Anything else, just mention {reference}."),
)


def conversation(number: int) -> bytes:
    """Return conversation ``number`` as JSON, the same bytes for the same number."""
    messages = [
        {"id": f"m{number}-{index}", "sender": sender, "text": text.format(**_words(number, index))}
        for index, (sender, text) in enumerate(_TURNS)
    ]
    return json.dumps({"conversation": {"id": f"c{number}", "messages": messages}}).encode()


def canary(number: int) -> str:
    """Return a value of conversation ``number`` that no redacting proxy may let pass."""
    return f"{number * MESSAGES + 4}@example.com"


def _words(number: int, index: int) -> dict[str, str]:
    return {
        "reference": str(number * MESSAGES + index),
        "first": _FIRST[number % len(_FIRST)],
        "last": _LAST[number % len(_LAST)],
        "neighbour": _LAST[(number * 7 + 3) % len(_LAST)],
        "house": str(number % 200 + 1),
        "street": _STREETS[number % len(_STREETS)],
        "phone": f"{number % 10_000:04d}",
    }
