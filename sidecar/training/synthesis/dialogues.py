"""Writes labelled messages, with the turns before them, from the templates and questions under ``training/data``."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from sidecar.detection.recognizer import AGENT, CUSTOMER, Message, Turn
from sidecar.training.corpus import GoldSpan, Labelled
from sidecar.training.synthesis.atoms import grammar
from sidecar.training.synthesis.grammar import Grammar, Piece
from sidecar.training.synthesis.lists import DATA, lines
from sidecar.training.synthesis.noise import bare, typed, written
from sidecar.training.synthesis.redacted import redacted
from sidecar.training.synthesis.speech import spoken

SOURCE: Final = "synthetic"
_JOINTS: Final = (". ", ". ", ", ", " ", " and ", "\n", "... ", " - ", "! ", "; ", " / ", "? ", " but ", " ")
_SPLITS: Final = (
    ("What is your full name?", ("{full}", "{full}")),
    ("Can I have your address?", ("{addr}",)),
    ("Your phone number please?", ("{phone}",)),
    ("What is the card number?", ("{card}",)),
    ("Can you give me your account number?", ("{acct}",)),
    ("And the order number?", ("{order}",)),
)
"""What is asked, and the one value that is answered in parts."""

_NODS: Final = ("okay", "ok", "uh huh", "mm hm", "go ahead", "yes", "got it", "okay and", "sure", "right", "alright")
"""What agents say while a value is given to them in parts."""

_REDACTED_SHARE: Final = 0.05
"""Of messages that went through the sidecar before."""

_UNADDRESSED: Final = ("comments", "comments", "social", "news", "stories")
"""Domains that are no dialogue."""

_AGENT_TEMPLATES: Final = ("agent", "agent_more", "ask_name", "confirmations")


@dataclass(frozen=True, slots=True)
class Exchange:
    """One slot that agents ask for: how they ask, what customers answer, how often it comes up."""

    questions: tuple[str, ...]
    answers: tuple[str, ...]
    weight: float


def parse_exchange(path: Path) -> Exchange:
    """Read ``data/questions/NAME.txt``: ``weight N``, ``? question`` and ``> answer`` lines."""
    rows = lines(path)
    return Exchange(
        questions=tuple(row[2:] for row in rows if row.startswith("? ")),
        answers=tuple(row[2:] for row in rows if row.startswith("> ")),
        weight=float(next(row for row in rows if row.startswith("weight ")).split()[1]),
    )


@cache
def exchanges() -> tuple[Exchange, ...]:
    """Every question that we know, by name of file."""
    return tuple(parse_exchange(path) for path in sorted((DATA / "questions").glob("*.txt")))


@cache
def templates(name: str) -> tuple[str, ...]:
    """The templates of ``data/templates/NAME.txt``."""
    return lines(DATA / "templates" / f"{name}.txt")


@cache
def domains() -> dict[str, tuple[str, ...]]:
    """Turns by field of business: lines that begin with ``A `` (agent) or ``C `` (customer)."""
    return {path.stem: lines(path) for path in sorted((DATA / "domains").glob("*.txt"))}


def _turn_of(row: str) -> tuple[str, str]:
    return (AGENT if row[0] == "A" else CUSTOMER), row[2:]


class Writer:
    """Writes one message after the other. The same seed gives the same messages."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)  # noqa: S311  not for secrets
        self._grammar: Grammar = grammar()

    def messages(self, count: int) -> Iterator[Labelled]:
        """So many labelled messages."""
        written_so_far = 0
        while written_so_far < count:
            labelled = self._message()
            if labelled.message.text.strip():
                written_so_far += 1
                yield labelled

    def _message(self) -> Labelled:
        kinds = tuple(_FAMILIES)
        labelled = self._rng.choices(kinds, [_FAMILIES[kind] for kind in kinds])[0](self)
        if self._rng.random() < _REDACTED_SHARE:
            return redacted(labelled, self._rng.choice((0.5, 1.0)), self._rng)
        return labelled

    def answer(self) -> Labelled:
        """An answer to a question, with the question before it most of the time."""
        rng = self._rng
        known = exchanges()
        exchange = rng.choices(known, [exchange.weight for exchange in known])[0]
        question = self._line(rng.choice(exchange.questions), written)
        pieces = self._fill(rng.choice(exchange.answers))
        if rng.random() < 0.10:
            pieces = [*self._fill("{yes}"), Piece(rng.choice((" ", ", ", ". ")), None), *pieces]
        if rng.random() < 0.08:
            pieces += [Piece(rng.choice(_JOINTS), None), *self._pick("requests")]
        lot = rng.random()
        if lot < 0.06:
            question = self._line(rng.choice(templates("agent")), written)
        return self._customer(pieces, None if lot > 0.80 else question)

    def lone(self) -> Labelled:
        """Names, ids and places with hardly a word around them."""
        rng = self._rng
        pieces = self._pick(rng.choice(("lone", "run_on")))
        if rng.random() < 0.12:
            pieces += [Piece(rng.choice(_JOINTS), None), *self._pick(rng.choice(("requests", "negatives")))]
        return self._customer(pieces, self._question() if rng.random() < 0.5 else None)

    def short_negative(self) -> Labelled:
        """The other half of ``lone``: short messages that give nothing away."""
        rng = self._rng
        pieces = self._pick(rng.choice(("short_negatives", "short_negatives", "chatter", "short_talk")))
        if rng.random() < 0.25:
            pieces += [Piece(rng.choice(_JOINTS), None), *self._pick("requests")]
        return self._customer(pieces, self._question() if rng.random() < 0.6 else None)

    def agent(self) -> Labelled:
        """A turn of an agent."""
        rng = self._rng
        pieces = self._pick(rng.choice(("agent", "agent", "agent_more", "places", "confirmations")))
        if rng.random() < 0.3:
            pieces += [Piece(rng.choice((". ", "! ", " ", ", ", "\n")), None), *self._pick("agent")]
        before = (
            self._line(rng.choice(templates("requests") + templates("negatives")), typed)
            if rng.random() < 0.5
            else None
        )
        return _labelled(written(pieces, rng), AGENT, (Turn(CUSTOMER, before),) if before else ())

    def free(self) -> Labelled:
        """A message of one to four sentences of any kind."""
        rng = self._rng
        pieces: list[Piece] = []
        for place in range(rng.choices((1, 2, 3, 4), (55, 28, 12, 5))[0]):
            kind = rng.choices(
                ("requests", "negatives", "chatter", "prose", "errands", "places"), (46, 24, 8, 10, 8, 8)
            )[0]
            pieces += [Piece(rng.choice(_JOINTS), None)] if place else []
            pieces += self._pick(kind)
        if rng.random() < 0.12:
            pieces += [Piece(rng.choice(_JOINTS), None), *self._fill(" ".join(["{w}"] * rng.randint(2, 8)))]
        return self._customer(
            pieces, self._line(rng.choice(templates("agent")), written) if rng.random() < 0.5 else None
        )

    def domain(self) -> Labelled:
        """A turn about one field of business, with the turn before it from the same field."""
        rng = self._rng
        rows = rng.choice([rows for name, rows in domains().items() if name not in _UNADDRESSED])
        speaker, template = _turn_of(rng.choice(rows))
        before_speaker, before = _turn_of(rng.choice(rows))
        pieces = self._fill(template)
        if rng.random() < 0.2:
            other_speaker, other = _turn_of(rng.choice(rows))
            pieces += [Piece(rng.choice(_JOINTS), None), *self._fill(other)] if other_speaker == speaker else []
        if speaker == CUSTOMER:
            return self._customer(pieces, self._line(before, written) if before_speaker == AGENT else None)
        turn = Turn(before_speaker, self._line(before, typed if before_speaker == CUSTOMER else written))
        return _labelled(written(pieces, rng), AGENT, (turn,) if rng.random() < 0.7 else ())

    def unaddressed(self) -> Labelled:
        """What is said to nobody in particular: comments and posts. No speaker, nothing before."""
        rng = self._rng
        pieces = self._fill(_turn_of(rng.choice(domains()[rng.choice(_UNADDRESSED)]))[1])
        for _ in range(rng.choices((0, 1, 2), (6, 3, 1))[0]):
            pieces += [Piece(rng.choice(_JOINTS), None)]
            pieces += self._fill(_turn_of(rng.choice(domains()[rng.choice(_UNADDRESSED)]))[1])
        return _labelled(typed(pieces, rng), None, ())

    def split(self) -> Labelled:
        """One value over several short turns: what came before is context, one part is the message."""
        rng = self._rng
        question, values = rng.choice(_SPLITS)
        piece = self._fill(rng.choice(values))[0]
        parts = piece.text.split()
        place = rng.randrange(len(parts))
        width = rng.choice((1, 1, 2)) if len(parts) > 2 else 1
        start = max(0, place - width + 1)
        earlier = " ".join(parts[max(0, start - 2) : start])
        noise = rng.choice((typed, typed, bare, spoken))
        context = (Turn(AGENT, question), Turn(CUSTOMER, earlier)) if earlier else (Turn(AGENT, question),)
        if earlier and rng.random() < 0.3:
            context = (*context, Turn(AGENT, rng.choice(_NODS)))
        message = Piece(" ".join(parts[start : place + 1]).strip(",") or piece.text, piece.label)
        return _labelled(noise([message], rng), CUSTOMER, context if rng.random() < 0.8 else context[1:])

    def call(self) -> Labelled:
        """A turn of a telephone call, as a speech recogniser writes it."""
        rng = self._rng
        if rng.random() < 0.28:
            before = self._line(rng.choice(templates("call_customer")), spoken)
            pieces = spoken(self._pick("call_agent"), rng)
            return _labelled(pieces, AGENT, (Turn(CUSTOMER, before),) if rng.random() < 0.8 else ())
        pieces = self._pick("call_customer")
        if rng.random() < 0.2:
            pieces += [Piece(rng.choice((" ", " ", " and ", ". ", ", ")), None), *self._pick("call_customer")]
        question = self._line(rng.choice(templates("call_agent")), spoken)
        context: tuple[Turn, ...] = (Turn(AGENT, question),)
        if rng.random() < 0.25:
            said = self._line(rng.choice(templates("call_customer")), spoken)
            context = (Turn(CUSTOMER, said), Turn(AGENT, rng.choice(_NODS)))
        return _labelled(spoken(pieces, rng), CUSTOMER, context if rng.random() < 0.85 else ())

    def _customer(self, pieces: list[Piece], question: str | None) -> Labelled:
        rng = self._rng
        lot = rng.random()
        noisy = spoken(pieces, rng) if lot < 0.09 else typed(pieces, rng)
        context: tuple[Turn, ...] = (Turn(AGENT, question),) if question else ()
        if question is None and rng.random() < 0.3:
            context = (Turn(CUSTOMER, _text(bare(self._pick(rng.choice(("short_negatives", "lone"))), rng))),)
        return _labelled(noisy, CUSTOMER if rng.random() < 0.9 else None, context)

    def _question(self) -> str:
        rng = self._rng
        if rng.random() < 0.3:
            return self._line(rng.choice(templates(rng.choice(_AGENT_TEMPLATES))), written)
        known = exchanges()
        return self._line(rng.choice(rng.choice(known).questions), written)

    def _pick(self, name: str) -> list[Piece]:
        return self._fill(self._rng.choice(templates(name)))

    def _fill(self, template: str) -> list[Piece]:
        return self._grammar.fill(template, self._rng)

    def _line(self, template: str, noise: Callable[[list[Piece], random.Random], list[Piece]]) -> str:
        return _text(noise(self._fill(template), self._rng))


_FAMILIES: Final[dict[Callable[[Writer], Labelled], float]] = {
    Writer.answer: 34,
    Writer.lone: 19,
    Writer.short_negative: 14,
    Writer.agent: 9,
    Writer.free: 22,
    Writer.domain: 26,
    Writer.split: 6,
    Writer.call: 14,
    Writer.unaddressed: 9,
}


def _text(pieces: list[Piece]) -> str:
    return "".join(piece.text for piece in pieces).strip()


def _labelled(pieces: list[Piece], speaker: str | None, context: tuple[Turn, ...]) -> Labelled:
    """Join the pieces; white space at the edges of a value is outside of its span."""
    text = ""
    spans: list[GoldSpan] = []
    for piece in pieces:
        inner = piece.text.strip()
        if piece.label and inner:
            start = len(text) + piece.text.index(inner)
            spans.append(GoldSpan(start, start + len(inner), piece.label))
        text += piece.text
    shift = len(text) - len(text.lstrip())
    moved = tuple(GoldSpan(span.start - shift, span.end - shift, span.label) for span in spans)
    return Labelled(Message(text.strip(), speaker=speaker, context=context), moved, SOURCE)
