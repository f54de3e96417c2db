"""Reads dialogues marked up by hand: "A: Thanks, [PERSON Oriel]." One turn a line, blank lines part dialogues."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from sidecar.detection.recognizer import AGENT, CUSTOMER, Message, Turn
from sidecar.training.corpus import GoldSpan, Labelled

_SPEAKERS = {"A": AGENT, "C": CUSTOMER}
_MARK = re.compile(r"\[([A-Z_]+) ([^\]]+)\]")
_TURNS_BEFORE = 2


def read_dialogues(path: Path) -> Iterator[Labelled]:
    """Every turn, with up to two before it. A backslash with "n" is a line break."""
    for dialogue in path.read_text(encoding="utf-8").strip().split("\n\n"):
        before: list[Turn] = []
        for line in dialogue.splitlines():
            text, spans = _unmarked(line[3:].replace("\\n", "\n"))
            message = Message(text, _SPEAKERS[line[0]], tuple(before[-_TURNS_BEFORE:]))
            yield Labelled(message, spans, path.stem)
            before.append(Turn(message.speaker, text))


def _unmarked(line: str) -> tuple[str, tuple[GoldSpan, ...]]:
    text, read = "", 0
    spans = []
    for mark in _MARK.finditer(line):
        text += line[read : mark.start()]
        spans.append(GoldSpan(len(text), len(text) + len(mark[2]), mark[1]))
        text, read = text + mark[2], mark.end()
    return text + line[read:], tuple(spans)
