"""The output is looked at once more, by other means than detection (D21). Pure.

Detection reads each message by itself and can be wrong; this asks two plain questions of the finished text: does any
value that was replaced somewhere in the payload, or that a structured field holds, still stand in it? And does it hold
anything whose shape alone proves it? What is found is redacted and counted: a residual is a defect that did not leak.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import ahocorasick

from sidecar.detection.recognizer import Message
from sidecar.detection.span import Span
from sidecar.redaction.canonical import fold

RECOGNIZER: Final = "last_look"
_SHORTEST: Final = 5
_SHORTEST_WITH_DIGITS: Final = 4
_LONGEST: Final = 500
_FOLLOWED: Final = frozenset({
    "PERSON", "ADDRESS", "EMAIL", "PHONE", "USERNAME", "PASSWORD", "ORDER_ID", "ACCOUNT_ID", "CREDIT_CARD", "IBAN",
    "NATIONAL_ID", "DATE_OF_BIRTH", "OTHER_ID", "SECRET", "PASSPORT", "VEHICLE_PLATE", "MAC", "CRYPTO_WALLET",
    "TRACKING_NUMBER",
})  # fmt: skip
"""Types of which a value is a person's wherever it stands. Not PRODUCT, which many messages name."""

_EMAIL: Final = re.compile(r"(?<![\w.+%-])[\w.+%-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}(?![\w-])")
_CARD: Final = re.compile(r"(?<![\d.])\d(?:[ -]?\d){12,18}(?![\d.]*\d)")
_USERINFO: Final = re.compile(r"(?<=://)[^\s/@:]{1,100}:[^\s/@]{1,200}(?=@)")
_PLAUSIBLE_ISSUERS: Final = "23456"


@dataclass(frozen=True, slots=True)
class Values:
    """What must not stand in any output: folded values with their type. Holds text: never shown in a repr."""

    automaton: ahocorasick.Automaton | None = field(repr=False)


def values_of(messages: Sequence[Message], found: Sequence[Sequence[Span]]) -> Values:
    """Gather the values that were found in the messages or that their structured fields hold."""
    labelled: dict[str, str] = {}
    for known in {id(message.known): message.known for message in messages}.values():  # most messages share one
        for one in known:
            _gather(labelled, one.label, one.value)
    for message, spans in zip(messages, found, strict=True):
        for span in spans:
            _gather(labelled, span.label, message.text[span.start : span.end])
    if not labelled:
        return Values(None)
    automaton = ahocorasick.Automaton()
    for value, label in labelled.items():
        automaton.add_word(value, (len(value), label))
    automaton.make_automaton()
    return Values(automaton)


def residuals(text: str, values: Values) -> list[Span]:
    """Return what still stands in ``text``, sorted. Spans may overlap each other.

    Of values of one type that end in one place the longest stands for all: values may be made to end in each other.
    """
    return sorted([*_standing(text, values), *_proven_by_shape(text)])


def _gather(labelled: dict[str, str], label: str, value: str) -> None:
    stripped = value.strip()
    if len(stripped) > _LONGEST:
        return
    folded = fold(stripped)
    if label == "PERSON" and len(folded.split()) < 2:
        return  # single names are followed by ``propagate``, which knows the ones that are words too
    shortest = _SHORTEST_WITH_DIGITS if any(char.isdigit() for char in folded) else _SHORTEST
    if label in _FOLLOWED and shortest <= len(folded):
        labelled.setdefault(folded, label)


def _standing(text: str, values: Values) -> Iterator[Span]:
    if values.automaton is None:
        return
    folded = fold(text)
    ending, longest = 0, dict[str, int]()  # of those that end there, by type: where the longest begins
    for last, (length, label) in values.automaton.iter(folded):
        start, end = last + 1 - length, last + 1
        if end != ending:
            yield from (Span(begin, ending, of, 1.0, RECOGNIZER) for of, begin in longest.items())
            ending, longest = end, {}
        if start < longest.get(label, end) and not _inside_a_word(folded, start, end):
            longest[label] = start
    yield from (Span(begin, ending, of, 1.0, RECOGNIZER) for of, begin in longest.items())


def _inside_a_word(text: str, start: int, end: int) -> bool:
    before = start > 0 and text[start - 1].isalnum() and text[start].isalnum()
    after = end < len(text) and text[end].isalnum() and text[end - 1].isalnum()
    return before or after


def _proven_by_shape(text: str) -> Iterable[Span]:
    if "@" in text:
        yield from (Span(m.start(), m.end(), "EMAIL", 1.0, RECOGNIZER) for m in _EMAIL.finditer(text))
        yield from (Span(m.start(), m.end(), "SECRET", 1.0, RECOGNIZER) for m in _USERINFO.finditer(text))
    for match in _CARD.finditer(text):
        digits = [int(char) for char in match[0] if char.isdigit()]
        if match[0][0] in _PLAUSIBLE_ISSUERS and _passes_luhn(digits):
            yield Span(match.start(), match.end(), "CREDIT_CARD", 1.0, RECOGNIZER)


def _passes_luhn(digits: Sequence[int]) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = digit * 2 if place % 2 else digit
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0 and len(set(digits)) > 1
