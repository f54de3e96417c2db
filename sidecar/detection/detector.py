"""Runs every recognizer over messages and makes one answer of theirs (D12). Pure but for what the recognizers do.

Deterministic whatever the batch (D13): each message is judged by itself, and nothing is kept between calls.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Final, Protocol

from sidecar import __version__
from sidecar.detection.recognizer import KnownValue, Message, Recognizer, Turn
from sidecar.detection.resolve import resolve
from sidecar.detection.span import Span
from sidecar.errors import DetectionFailed, DetectionFault

FIELD: Final = "field"
_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class BatchRecognizer(Protocol):
    """A recognizer that is faster on many messages at once. Its answer for one message is the same in any batch."""

    @property
    def name(self) -> str: ...

    def find_all(self, messages: Sequence[Message]) -> list[list[Span]]: ...


class Detector:
    """All recognizers of one configuration. ``fingerprint`` names whatever else decides answers: model, settings."""

    def __init__(
        self, recognizers: Sequence[Recognizer], ner: BatchRecognizer | None = None, fingerprint: str = ""
    ) -> None:
        self._recognizers = tuple(recognizers)
        self._ner = ner
        names = [recognizer.name for recognizer in self._recognizers] + ([ner.name] if ner else [])
        self.version = sha256("\n".join([__version__, fingerprint, *names]).encode()).hexdigest()[:16]

    def detect(self, messages: Sequence[Message]) -> list[tuple[Span, ...]]:
        """Return sorted disjoint spans for each message, in order.

        Raises ``DetectionFailed`` if any recognizer raises (D14): half an answer would be a leak.
        """
        scanned = [sound(message) for message in messages]
        free = [message for message in scanned if message.label is None and message.text]
        found = (
            resolve(message.text, [*self._by_rules(message), *theirs])
            for message, theirs in zip(free, self._by_model(free), strict=True)
        )
        return [next(found) if message.label is None and message.text else _whole(message) for message in scanned]

    def _by_rules(self, message: Message) -> list[Span]:
        found: list[Span] = []
        for recognizer in self._recognizers:
            found.extend(_guarded(recognizer, message))
        return found

    def _by_model(self, messages: Sequence[Message]) -> Iterable[list[Span]]:
        if self._ner is None or not messages:
            return [[] for _ in messages]
        try:
            answers = self._ner.find_all(messages)
        except Exception as error:  # noqa: BLE001 - the border of foreign code, re-raised as ours
            raise _failed(self._ner.name, error) from None
        if len(answers) != len(messages):
            raise DetectionFailed(DetectionFault.INVALID, f"recognizer {self._ner.name!r} left messages out")
        return answers


def _whole(message: Message) -> tuple[Span, ...]:
    """Answer for a text that a structured field types as a whole, and for an empty one."""
    if message.label is None or not message.text.strip():
        return ()
    return resolve(message.text, [Span(0, len(message.text), message.label, 1.0, FIELD)])


def _guarded(recognizer: Recognizer, message: Message) -> list[Span]:
    # Recognizers may come from other packages and may raise anything: this is their border.
    try:
        return list(recognizer.find(message))
    except Exception as error:  # noqa: BLE001 - the border of foreign code, re-raised as ours
        raise _failed(recognizer.name, error) from None


def _failed(name: str, error: Exception) -> DetectionFailed:
    """Name the recognizer and the kind of error. Never its text, which may quote the message."""
    if isinstance(error, DetectionFailed):
        return error
    return DetectionFailed(DetectionFault.RAISED, f"recognizer {name!r}: {type(error).__name__}")


def sound(message: Message) -> Message:
    """Return the message with lone surrogates replaced one for one, so that offsets hold and encoders don't raise."""
    values = [message.text, *(turn.text for turn in message.context), *(known.value for known in message.known)]
    if all(value.isascii() or not _LONE_SURROGATE.search(value) for value in values):
        return message
    return replace(
        message,
        text=_mend(message.text),
        context=tuple(Turn(turn.speaker, _mend(turn.text)) for turn in message.context),
        known=tuple(KnownValue(known.label, _mend(known.value)) for known in message.known),
    )


def _mend(value: str) -> str:
    return _LONE_SURROGATE.sub("�", value)
