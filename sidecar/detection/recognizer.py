"""The one interface of detection (D12): a message with its dialogue in, spans out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Protocol

from sidecar.detection.span import Span

MODEL: Final = "ner"
"""The recognizer that is a model, by name."""

CUSTOMER = "customer"
AGENT = "agent"


@dataclass(frozen=True, slots=True)
class Turn:
    """An earlier turn of the dialogue. The text never shows in a repr."""

    speaker: str | None
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class KnownValue:
    """A value that a structured field of the conversation holds (D3), with the entity type it stands for."""

    label: str
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Message:
    """One text to scan. ``context`` holds earlier turns, oldest first. Nothing of it shows in a repr.

    ``label``: a structured field says that the whole text is one entity of this type; what recognizers find in it
    besides does not matter, and that they find nothing does not save it.
    """

    text: str = field(repr=False)
    speaker: str | None = None
    context: tuple[Turn, ...] = field(default=(), repr=False)
    known: tuple[KnownValue, ...] = field(default=(), repr=False)
    label: str | None = None


class Recognizer(Protocol):
    """Finds entities in one message. Pure and deterministic (D13): no I/O, no clock, no memory of earlier calls.

    Raising fails the whole detection (D14). Spans may overlap; ``resolve`` makes them disjoint.
    """

    @property
    def name(self) -> str: ...

    def find(self, message: Message) -> Iterable[Span]: ...
