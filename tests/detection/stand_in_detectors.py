"""Detectors for worker processes in tests: importable there by name, and as bad as the messages ask for."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from sidecar.detection.recognizer import Message
from sidecar.detection.span import Span
from sidecar.errors import ConfigError, DetectionFailed, DetectionFault, Problem

_NAME = re.compile(r"\bjohn\b")


class StandIn:
    """Finds "john"; obeys commands in messages."""

    def __init__(self, version: str = "1") -> None:
        self.version = version

    def detect(self, messages: Sequence[Message]) -> list[tuple[Span, ...]]:
        return [self._one(message.text) for message in messages]

    def _one(self, text: str) -> tuple[Span, ...]:
        match text.partition(":"):
            case "hang", _, _:
                re.match(r"(a+)+$", "a" * 64 + "b")  # holds the interpreter's lock, as a real one would
            case "sleep", _, seconds:
                time.sleep(float(seconds))
            case "raise", _, secret:
                raise ValueError(secret)
            case "refuse", _, _:
                raise DetectionFailed(DetectionFault.INVALID, "recognizer 'x'")
            case "exit", _, _:
                os._exit(3)
            case "die", _, _:
                os.kill(os.getpid(), signal.SIGKILL)
            case "interrupt", _, secret:
                raise KeyboardInterrupt(secret)
            case "pid", _, path:
                Path(path).write_text(str(os.getpid()))
        return tuple(Span(m.start(), m.end(), "PERSON", 0.9, "test") for m in _NAME.finditer(text))


def build() -> StandIn:
    return StandIn()


def build_refused() -> StandIn:
    raise ConfigError((Problem("detection.model", "the folder is missing", "Train one"),))


def build_raising() -> StandIn:
    raise RuntimeError("no such luck")


def build_slow() -> StandIn:
    time.sleep(60)
    return StandIn()


def build_from(path: str) -> StandIn:
    """Its version is what the file says; "broken" can't be built."""
    version = Path(path).read_text()
    if version == "broken":
        raise ConfigError((Problem("detection.model", "is damaged", "Restore it"),))
    return StandIn(version)


class Few:
    """Answers too little, or too strangely."""

    version = "few"

    def detect(self, messages: Sequence[Message]) -> list[tuple[Span, ...]]:
        return []


def build_few() -> Few:
    return Few()
