"""What the rules make of a text, for tables of positives and negatives."""

from __future__ import annotations

from functools import lru_cache

from sidecar.detection.recognizer import AGENT, CUSTOMER, KnownValue, Message, Recognizer, Turn
from sidecar.detection.resolve import resolve
from sidecar.detection.rules import RuleSettings, rule_recognizers
from sidecar.detection.span import Span

SETTINGS = RuleSettings()
NOT_REDACTED = frozenset({"DATE", "ORG", "LOCATION"})


@lru_cache(maxsize=16)
def recognizers(settings: RuleSettings = SETTINGS) -> tuple[Recognizer, ...]:
    return rule_recognizers(settings)


def ask(text: str, question: str | None = None, known: tuple[KnownValue, ...] = ()) -> Message:
    """Return a customer's message, in answer to an agent's question if there is one."""
    context = () if question is None else (Turn(AGENT, question),)
    return Message(text, CUSTOMER, context, known)


def raw(message: Message, settings: RuleSettings = SETTINGS) -> list[Span]:
    return [span for recognizer in recognizers(settings) for span in recognizer.find(message)]


def spot(message: Message, settings: RuleSettings = SETTINGS) -> list[tuple[str, str]]:
    """Return type and text of what is found, disjoint, without the types that are kept by default."""
    spans = resolve(message.text, raw(message, settings))
    return [(s.label, message.text[s.start : s.end]) for s in spans if s.label not in NOT_REDACTED]


def covered(message: Message, settings: RuleSettings = SETTINGS) -> str:
    """Return the text with every covered character as "_"."""
    letters = list(message.text)
    for span in raw(message, settings):
        if span.label not in NOT_REDACTED:
            letters[span.start : span.end] = "_" * (span.end - span.start)
    return "".join(letters)
