"""Makes text look typed, or spoken: casing, typos, dropped punctuation, split and spelled-out digits."""

from __future__ import annotations

import random
import re
from typing import Final

from sidecar.training.synthesis.grammar import Piece
from sidecar.training.synthesis.lists import columns

_CASED: Final = frozenset({None, "PERSON", "ADDRESS", "LOCATION", "PRODUCT", "ORG", "DATE", "DATE_OF_BIRTH"})
_WORDY: Final = frozenset({"PERSON", "ADDRESS", "LOCATION", "PRODUCT", "ORG"})
_NEIGHBOURS: Final = str.maketrans("qwertyuiopasdfghjklzxcvbnm", "wertyuiopasdfghjklqxcvbnmz")
_SIGNS: Final = re.compile(r"[^\w\s]|_")
_EDGE: Final = re.compile(r"(?<=[A-Za-z])(?=\d)|(?<=\d)(?=[A-Za-z])")
_ENDINGS: Final = (".", "!", "..", "...", "!!", " :)", " !", " .", " ?", ",", "?", " 😊", " lol", "\n")
_STYLES: Final = {"lower": 36, "as_is": 30, "bare": 13, "entities_lower": 6, "rest_lower": 6, "upper": 3, "title": 3}


def typed(pieces: list[Piece], rng: random.Random) -> list[Piece]:
    """As a customer types it."""
    style = rng.choices(list(_STYLES), list(_STYLES.values()))[0]
    rate = 0.0 if rng.random() < 0.65 else rng.choice((0.01, 0.02, 0.05))
    if rng.random() < 0.35:
        pieces = [Piece(_shortened(piece.text, rng), None) if piece.label is None else piece for piece in pieces]
    if rate:
        pieces = [_mistyped(piece, rate, rng) for piece in pieces]
    pieces = [Piece(_cased(piece, style), piece.label) for piece in pieces]
    if style == "bare":
        return bare(pieces, rng)
    if style == "as_is" and rng.random() < 0.85:
        pieces = sentence_case(pieces)
    return _punctuated(pieces, rng)


def written(pieces: list[Piece], rng: random.Random) -> list[Piece]:
    """As an agent or a bot writes it."""
    if rng.random() < 0.2:
        return [Piece(_cased(piece, "lower"), piece.label) for piece in pieces]
    return sentence_case(pieces)


def bare(pieces: list[Piece], rng: random.Random) -> list[Piece]:
    """Lower case, no punctuation, letters and digits apart: what some recorders make of chat."""
    split = rng.random() < 0.7
    made = []
    for piece in pieces:
        text = _SIGNS.sub("", piece.text.lower())
        made.append(Piece(_EDGE.sub(" ", text) if split else text, piece.label))
    return made


def sentence_case(pieces: list[Piece]) -> list[Piece]:
    """A capital at the start of sentences and for "I", outside of values."""
    made = [Piece(_capitals(piece.text), None) if piece.label is None else piece for piece in pieces]
    if made and made[0].label is None:
        made[0] = Piece(made[0].text[:1].upper() + made[0].text[1:], None)
    return made


def _capitals(text: str) -> str:
    text = re.sub(r"([.!?]\s+)([a-z])", lambda match: match[1] + match[2].upper(), text)
    return re.sub(r"\bi\b(?=[ '])", "I", text)


def _cased(piece: Piece, style: str) -> str:
    text, label = piece
    if label not in _CASED:
        return text.lower() if style == "bare" else text
    if style in ("lower", "bare") or (style == "entities_lower" and label) or (style == "rest_lower" and not label):
        return text.lower()
    if style == "upper":
        return text.upper()
    return re.sub(r"(^|\s)([a-z])", lambda match: match[1] + match[2].upper(), text) if style == "title" else text


def _shortened(text: str, rng: random.Random) -> str:
    for long, short in columns("shortenings"):
        if rng.random() < 0.5:
            text = re.sub(rf"\b{re.escape(long)}\b", short, text, flags=re.IGNORECASE)
    return text


def _mistyped(piece: Piece, rate: float, rng: random.Random) -> Piece:
    if piece.label is None or (piece.label in _WORDY and rng.random() < 0.3):
        return Piece(_typos(piece.text, rate, rng), piece.label)
    return piece


def _typos(text: str, rate: float, rng: random.Random) -> str:
    made: list[str] = []
    place = 0
    while place < len(text):
        letter = text[place]
        if not letter.isalpha() or rng.random() >= rate:
            made.append(letter)
        else:
            lot = rng.random()
            swaps = lot < 0.6 and place + 1 < len(text) and text[place + 1].isalpha()
            if lot >= 0.8:
                made.append(letter.translate(_NEIGHBOURS))
            elif lot >= 0.6:
                made.append(letter * 2)
            elif lot >= 0.3 and swaps:
                made.append(text[place + 1] + letter)
                place += 1
        place += 1
    return "".join(made) or text


def _punctuated(pieces: list[Piece], rng: random.Random) -> list[Piece]:
    if rng.random() < 0.25:
        pieces = [
            Piece(re.sub(r"[,;:](?=\s)", "", piece.text), None) if piece.label is None else piece for piece in pieces
        ]
    last = pieces[-1]
    if rng.random() < 0.4 and last.label is None:
        return [*pieces[:-1], Piece(re.sub(r"[.!]+$", "", last.text), None)]
    return [*pieces, Piece(rng.choice(_ENDINGS), None)] if rng.random() < 0.12 else pieces
