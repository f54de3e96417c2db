"""Turns a template into labelled pieces of text.

``[a|b|]`` is a choice, ``{slot}`` a drawn value, ``\\n`` a line break. A slot whose value holds slots itself is filled
again. ``{kw}`` draws what an id is called; the ``{id}`` after it is of that kind.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

_CHOICE: Final = re.compile(r"\[([^\[\]]*)\]")
_SLOT: Final = re.compile(r"\{(\w+)\}")


class Piece(NamedTuple):
    """Some text and, when it is personal data or the like, its entity type."""

    text: str
    label: str | None


@dataclass(frozen=True, slots=True)
class Slot:
    """How to draw a value and what it is. Without label the value may be a template itself."""

    draw: Callable[[random.Random], str]
    label: str | None = None


@dataclass(frozen=True, slots=True)
class IdKind:
    """What an id is called, its entity type, and how to draw one."""

    phrase: str
    label: str
    draw: Callable[[random.Random], str]


class Grammar:
    """Fills templates from a table of slots and kinds of ids."""

    def __init__(self, slots: Mapping[str, Slot], id_kinds: tuple[IdKind, ...]) -> None:
        self._slots = slots
        self._id_kinds = id_kinds

    def fill(self, template: str, rng: random.Random) -> list[Piece]:
        """The pieces of one template, choices made and slots drawn."""
        text = _squeeze(_choose(template.replace("\\n", "\n"), rng))
        kind = rng.choice(self._id_kinds)
        pieces: list[Piece] = []
        position = 0
        for match in _SLOT.finditer(text):
            pieces.append(Piece(text[position : match.start()], None))
            position = match.end()
            if match[1] == "kw":
                kind = rng.choice(self._id_kinds)
                pieces.append(Piece(kind.phrase, None))
            elif match[1] == "id":
                pieces.append(Piece(kind.draw(rng), kind.label))
            else:
                pieces.extend(self._draw(match[1], rng))
        pieces.append(Piece(text[position:], None))
        return [piece for piece in pieces if piece.text]

    def _draw(self, name: str, rng: random.Random) -> Iterable[Piece]:
        slot = self._slots[name]
        value = slot.draw(rng)
        if slot.label is None and "{" in value:
            return self.fill(value, rng)
        return [Piece(value, slot.label)]


def _choose(template: str, rng: random.Random) -> str:
    while match := _CHOICE.search(template):
        template = template[: match.start()] + rng.choice(match[1].split("|")) + template[match.end() :]
    return template


def _squeeze(text: str) -> str:
    return re.sub(r" {2,}", " ", text)
