"""Time of the rules on messages like those of a service chat: microseconds for each, one core.

``python -m benchmarks.rules [JSONL…]``; without files it takes messages of its own. The best of five rounds is printed,
so that what else runs on the machine matters little.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from time import process_time

from sidecar.detection.recognizer import Message, Recognizer, Turn
from sidecar.detection.rules import RuleSettings, rule_recognizers

ROUNDS = 5
OWN = (
    "hi im having trouble with my order",
    "sure, my account number is 4821 and my name is zorin",
    "1184 maple ave apt 3b springfield il 62704",
    "Could I get your full name and date of birth, please?",
    "my card is 4111 1111 1111 1111 and the phone is 415 555 2671",
    "ok thank you so much for the help today, it was great",
    "i need 2 large pizzas with extra cheese and a 10 gb plan",
    "jon dot smith at gmail dot com",
)


def main(files: list[str]) -> int:
    messages = [message for file in files for message in _read(Path(file))] or [Message(text) for text in OWN * 200]
    recognizers = rule_recognizers(RuleSettings())
    _round(recognizers, messages[:100])
    best = min(_round(recognizers, messages) for _ in range(ROUNDS))
    words = sum(len(message.text.split()) for message in messages) / len(messages)
    print(f"{len(messages)} messages of {words:.1f} words: {1e6 * best / len(messages):.0f} us a message")
    return 0


def _round(recognizers: tuple[Recognizer, ...], messages: list[Message]) -> float:
    started = process_time()
    for message in messages:
        for recognizer in recognizers:
            list(recognizer.find(message))
    return process_time() - started


def _read(file: Path) -> list[Message]:
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    return [
        Message(row["text"], row["speaker"], tuple(Turn(turn["speaker"], turn["text"]) for turn in row["context"]))
        for row in rows
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
