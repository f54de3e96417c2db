"""Reads JSON lines as they come, and messages out of them. An error says what is wrong and quotes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

from sidecar.detection.entity_types import ENTITY_TYPES
from sidecar.detection.recognizer import KnownValue, Message, Turn

LONGEST_LINE: Final = 16_000_000
"""Bytes. A longer line is answered with an error and skipped, so that memory is bounded."""

READ_BYTES: Final = 262_144
_BATCH_LINES: Final = 256


@dataclass(frozen=True, slots=True)
class BadLine:
    """Why a line can't be used, and what to do. Free of the line's content."""

    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.problem}. {self.remedy}"


TOO_LONG: Final = BadLine(f"is longer than {LONGEST_LINE:,} bytes", "Split the text")


def read_lines(
    source: BinaryIO, longest: int = LONGEST_LINE, read_bytes: int = READ_BYTES
) -> Iterator[list[bytes | BadLine]]:
    """Yield batches of complete lines as soon as any are there; never wait to fill a batch."""
    tail = bytearray()
    skipping = False
    while data := source.read1(read_bytes):  # type: ignore[attr-defined]  # blocks for the first byte only
        *lines, rest = data.split(b"\n")
        ready: list[bytes | BadLine] = []
        for line in lines:
            tail += line
            ready.append(TOO_LONG if skipping or len(tail) > longest else bytes(tail))
            tail.clear()
            skipping = False
        tail += rest
        if len(tail) > longest:
            tail.clear()
            skipping = True
        for start in range(0, len(ready), _BATCH_LINES):
            yield ready[start : start + _BATCH_LINES]
    if tail or skipping:
        yield [TOO_LONG if skipping else bytes(tail)]


def to_message(line: bytes | BadLine) -> Message | BadLine:
    """Read one line. Members that are not asked for are ignored."""
    if isinstance(line, BadLine):
        return line
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):  # bad UTF-8 is a ValueError too
        return BadLine("is not JSON", "Write one JSON object in UTF-8 on each line")
    if not isinstance(found, dict):
        return BadLine("is not a JSON object", 'Write {"text": "…"}')
    try:
        return _message(found)
    except _Unfit as unfit:
        return unfit.bad_line


class _Unfit(Exception):
    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.bad_line = BadLine(problem, remedy)


def _message(found: Mapping[str, Any]) -> Message:
    text = found.get("text")
    if not isinstance(text, str):
        raise _Unfit('"text" is missing or no string', 'Write {"text": "…"}')
    return Message(text, _speaker(found), _context(found.get("context")), _known(found.get("known")))


def _speaker(found: Mapping[str, Any]) -> str | None:
    speaker = found.get("speaker")
    if speaker is not None and not isinstance(speaker, str):
        raise _Unfit('"speaker" is no string', 'Write "customer" or "agent", or leave it out')
    return speaker


def _context(turns: object) -> tuple[Turn, ...]:
    remedy = 'Write "context": [{"speaker": "agent", "text": "…"}], oldest turn first'
    if turns is None:
        return ()
    if not isinstance(turns, list):
        raise _Unfit('"context" is no list', remedy)
    for place, turn in enumerate(turns):
        if not isinstance(turn, dict) or not isinstance(turn.get("text"), str):
            raise _Unfit(f'"context[{place}]" is no object with a "text"', remedy)
    return tuple(Turn(_speaker(turn), turn["text"]) for turn in turns)


def _known(known: object) -> tuple[KnownValue, ...]:
    remedy = 'Write "known": {"PERSON": ["…"], "EMAIL": ["…"]}'
    if known is None:
        return ()
    if not isinstance(known, dict):
        raise _Unfit('"known" is no object', remedy)
    if any(label not in ENTITY_TYPES for label in known):
        raise _Unfit('"known" has a type that does not exist', f"Types are {', '.join(ENTITY_TYPES)}")
    values: list[KnownValue] = []
    for label, listed in known.items():
        if not isinstance(listed, list) or not all(isinstance(value, str) for value in listed):
            raise _Unfit(f'"known.{label}" is no list of strings', remedy)
        values += (KnownValue(label, value) for value in listed)
    return tuple(values)
