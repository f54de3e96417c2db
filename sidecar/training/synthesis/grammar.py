"""Turns templates into labelled pieces of text, by rules that are data.

In a template, ``[a|b|]`` is a choice, ``{slot}`` a drawn value, ``\\n`` a line break. ``{kw}`` draws what an id is
called; the ``{id}`` after it is of that kind.

A slot is a *value*, a list of weighted templates in ``data/values/SLOT.txt``, or an *atom*, a function that draws a
word or a number. In the templates of values ``#`` is a digit, ``?`` a capital, ``~`` a small letter; a backslash
before one of them keeps it. A value with a label is one piece, whatever slots it is made of.
"""

from __future__ import annotations

import random
import re
import string
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from sidecar.training.synthesis.lists import lines

_CHOICE: Final = re.compile(r"\[([^\[\]]*)\]")
_SLOT: Final = re.compile(r"\{(\w+)\}")
_SHAPE: Final = re.compile(r"\\?[#?~]")
_SHAPES: Final = {"#": string.digits, "?": string.ascii_uppercase, "~": string.ascii_lowercase}

Draw = Callable[[random.Random], str]


class Piece(NamedTuple):
    """Some text and, when it is personal data or the like, its entity type."""

    text: str
    label: str | None


@dataclass(frozen=True, slots=True)
class Value:
    """Weighted templates of one kind of value, and its entity type."""

    templates: tuple[str, ...]
    weights: tuple[float, ...]
    label: str | None


@dataclass(frozen=True, slots=True)
class IdKind:
    """What an id is called, its entity type, and the value that it has."""

    phrase: str
    label: str
    value: str


def read_value(path: Path) -> Value:
    """Read ``data/values/SLOT.txt``: an optional first line ``label TYPE``, then lines of ``WEIGHT * TEMPLATE``."""
    rows = lines(path)
    label = rows[0].removeprefix("label ") if rows[0].startswith("label ") else None
    parted = [row.partition(" * ") for row in rows if not row.startswith("label ")]
    return Value(tuple(row[2] for row in parted), tuple(float(row[0]) for row in parted), label)


class Grammar:
    """Fills templates from values, atoms and kinds of ids."""

    def __init__(self, values: Mapping[str, Value], atoms: Mapping[str, Draw], id_kinds: tuple[IdKind, ...]) -> None:
        self._values = values
        self._atoms = atoms
        self._id_kinds = id_kinds

    def fill(self, template: str, rng: random.Random) -> list[Piece]:
        """The pieces of one template, choices made and slots drawn."""
        text = re.sub(r" {2,}", " ", _choose(template.replace("\\n", "\n"), rng))
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
                pieces.append(Piece(self.draw(kind.value, rng), kind.label))
            else:
                pieces.extend(self._slot(match[1], rng))
        pieces.append(Piece(text[position:], None))
        return [piece for piece in pieces if piece.text]

    def draw(self, name: str, rng: random.Random) -> str:
        """One value as plain text."""
        if name not in self._values:
            return self._atoms[name](rng)
        value = self._values[name]
        text = _choose(rng.choices(value.templates, value.weights)[0].replace("\\n", "\n"), rng)
        made: list[str] = []
        position = 0
        for match in _SLOT.finditer(text):
            made += [_shaped(text[position : match.start()], rng), self.draw(match[1], rng)]
            position = match.end()
        return "".join([*made, _shaped(text[position:], rng)])

    def _slot(self, name: str, rng: random.Random) -> Iterable[Piece]:
        label = self._values[name].label if name in self._values else None
        drawn = self.draw(name, rng)
        return self.fill(drawn, rng) if label is None and "{" in drawn else [Piece(drawn, label)]


def _choose(template: str, rng: random.Random) -> str:
    """Make the choices, innermost first."""
    while match := _CHOICE.search(template):
        template = template[: match.start()] + rng.choice(match[1].split("|")) + template[match.end() :]
    return template


def _shaped(text: str, rng: random.Random) -> str:
    """``ORD-##`` → ``ORD-47``."""
    if not text:
        return text
    return _SHAPE.sub(lambda match: match[0][1:] if match[0][0] == "\\" else rng.choice(_SHAPES[match[0]]), text)
