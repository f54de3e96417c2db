"""Messages to detect in: the demonstration's chats, made-up ones of which no two are the same, or a file's."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

from sidecar.cli.json_lines import BadLine, to_message
from sidecar.detection.recognizer import AGENT, CUSTOMER, Message, Turn

_CONTEXT_TURNS: Final = 2
_DEMO: Final = Path(__file__).parent.parent / "sidecar" / "demo" / "chats.json"
_SYLLABLES: Final = [
    "an",
    "ar",
    "bel",
    "bor",
    "cas",
    "da",
    "del",
    "en",
    "er",
    "fa",
    "fen",
    "gar",
    "ha",
    "il",
    "in",
    "jo",
    "ka",
    "kel",
    "la",
    "len",
    "ma",
    "mar",
    "ne",
    "nor",
    "ol",
    "or",
    "pa",
    "per",
    "ra",
    "rin",
    "sa",
    "sol",
    "ta",
    "tor",
    "ul",
    "va",
    "vin",
    "wes",
    "xa",
    "ya",
    "zo",
]
_TOPICS: Final = [
    "parcel",
    "refund",
    "invoice",
    "router",
    "flight",
    "booking",
    "mattress",
    "headphones",
    "subscription",
    "contract",
    "card",
    "voucher",
    "kettle",
    "jacket",
]
_TURNS: Final = (
    (AGENT, "Thanks for calling {word} support, my name is {first}. How can I help you with your {topic} today?"),
    (CUSTOMER, "hi, im {first} {last} and my {topic} from {word} hasnt shown up yet, order {letters}-{number}"),
    (AGENT, "Could you give me the e-mail address for order {number}, please?"),
    (CUSTOMER, "{first}.{last}{digits}@{word}.example"),
    (AGENT, "And what is your phone number, {first}?"),
    (CUSTOMER, "its {phone} or my wifes {phone2}"),
    (AGENT, "What address should we send the {topic} to?"),
    (CUSTOMER, "{house} {word} street, apt {digits}, {place}, {zip}"),
    (CUSTOMER, "The {topic} says {word} {letters}{digits} on the back and it costs {price} dollars, is that right?"),
    (AGENT, "Your account {number} was opened on {day}/{month}/{year}. Is that what you see as well, {last}?"),
    (CUSTOMER, "no!! {word} said it would be {hours} hours, and now the {topic} is {word2}"),
    (CUSTOMER, "my card is {card}"),
    (AGENT, "Please log in at https://{word}.example/{word2}/{number} and press \"{topic}\"."),
    (CUSTOMER, "ok thanks {first}, bye {letters}{digits}"),
)  # fmt: skip


def made_up(seed: int = 1) -> Iterator[Message]:
    """Yield messages for ever, each with the turns before it. Names, words and numbers are new in nearly each.

    About one word in three was never seen before, far more than in real chats: every cache that keeps words shows.
    """
    rng = random.Random(seed)
    before: list[Turn] = []
    while True:
        before.clear()
        for speaker, template in _TURNS:
            text = template.format(**_values(rng))
            yield Message(text, speaker, tuple(before[-_CONTEXT_TURNS:]))
            before.append(Turn(speaker, text))


def demo_chats() -> list[Message]:
    """Return every message of the demonstration's chats, with the turns before it."""
    messages: list[Message] = []
    for chat in json.loads(_DEMO.read_text(encoding="utf-8")):
        turns = [Turn(one["speaker"], one["text"]) for one in chat["conversation"]["messages"]]
        for place, turn in enumerate(turns):
            before = tuple(turns[max(0, place - _CONTEXT_TURNS) : place])
            messages.append(Message(turn.text, turn.speaker, before))
    return messages


def default_messages(count: int) -> list[Message]:
    """Return the demonstration's messages, filled up with made-up ones."""
    real = demo_chats()[:count]
    return [*real, *islice(made_up(), count - len(real))]


def read_messages(files: Sequence[Path], most: int) -> list[Message]:
    """Return up to ``most`` messages of JSON-lines files. Ends the run at a line that is none."""
    return list(islice(_read(files), most))


def _read(files: Sequence[Path]) -> Iterator[Message]:
    for file in files:
        for number, line in enumerate(file.read_bytes().splitlines(), start=1):
            message = to_message(line)
            if isinstance(message, BadLine):
                raise SystemExit(f"{file}, line {number}: {message}")
            yield message


def _values(rng: random.Random) -> dict[str, Any]:
    """Return a value for each slot. Numbers are drawn whole, so that few come twice."""
    return {
        "first": _word(rng, 2),
        "last": _word(rng, 3).capitalize(),
        "word": _word(rng, 3),
        "word2": _word(rng, 2),
        "place": _word(rng, 3).capitalize(),
        "topic": rng.choice(_TOPICS),
        "letters": "".join(rng.choices("ABCDEFGHKLMNPRSTUVWXYZ", k=2)),
        "digits": rng.randrange(10, 10_000),
        "number": rng.randrange(100_000, 1_000_000_000),
        "phone": f"{rng.randrange(200, 1000)}-{rng.randrange(200, 1000)}-{rng.randrange(10_000):04d}",
        "phone2": f"+44 20 {rng.randrange(10_000):04d} {rng.randrange(10_000):04d}",
        "house": rng.randrange(1, 3000),
        "zip": f"{rng.randrange(100_000):05d}",
        "price": rng.randrange(5, 900),
        "hours": rng.randrange(2, 96),
        "day": rng.randrange(1, 29),
        "month": rng.randrange(1, 13),
        "year": rng.randrange(1940, 2026),
        "card": " ".join(f"{rng.randrange(10_000):04d}" for _ in range(4)),
    }


def _word(rng: random.Random, syllables: int) -> str:
    return "".join(rng.choices(_SYLLABLES, k=syllables))
