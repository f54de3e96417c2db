"""The writer of dialogues: its grammar, its noise, and what comes out."""

from __future__ import annotations

import random
import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.detection.entity_types import ENTITY_TYPES
from sidecar.detection.recognizer import Message
from sidecar.training.corpus import GoldSpan, Labelled
from sidecar.training.synthesis.atoms import grammar
from sidecar.training.synthesis.dialogues import Writer, domains, exchanges
from sidecar.training.synthesis.grammar import Grammar, IdKind, Piece, Value
from sidecar.training.synthesis.lists import DATA, lines
from sidecar.training.synthesis.noise import bare, typed
from sidecar.training.synthesis.people import Babbler
from sidecar.training.synthesis.redacted import redacted
from sidecar.training.synthesis.speech import spoken

SLOT = re.compile(r"\{(\w+)\}")
FILES = sorted(path for path in DATA.rglob("*.txt") if path.parent != DATA)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_slot_of_the_data_is_known(path: object) -> None:
    table = grammar()
    rng = random.Random(1)
    for slot in set(SLOT.findall(path.read_text(encoding="utf-8"))) - {"kw", "id"}:  # type: ignore[attr-defined]
        assert table.draw(slot, rng)


def small_grammar() -> Grammar:
    values = {
        "name": Value(("{given} ?.",), (1,), "PERSON"),
        "code": Value((r"ORD-##\#",), (1,), "ORDER_ID"),
        "phrase": Value(("from {name}",), (1,), None),
    }
    return Grammar(
        values, {"given": lambda rng: "Ann", "tail": lambda rng: "ask {name}"}, (IdKind("no", "ORDER_ID", "code"),)
    )


def test_a_labelled_value_is_one_piece_whatever_it_is_made_of() -> None:
    pieces = small_grammar().fill("[hi|hi] {name}, bye", random.Random(1))
    assert [piece.label for piece in pieces] == [None, "PERSON", None]
    assert re.fullmatch(r"Ann [A-Z]\.", pieces[1].text)


def test_a_template_in_a_value_is_filled_and_keeps_its_labels() -> None:
    pieces = small_grammar().fill("{tail}", random.Random(1))
    assert [piece.label for piece in pieces] == [None, "PERSON"]


def test_shapes_and_ids_of_a_kind() -> None:
    pieces = small_grammar().fill("{kw} {id}", random.Random(1))
    assert [piece.label for piece in pieces] == [None, None, "ORDER_ID"]
    assert re.fullmatch(r"ORD-[0-9]{2}#", pieces[2].text)


def test_the_same_seed_writes_the_same_messages() -> None:
    """D13"""
    assert list(Writer(5).messages(300)) == list(Writer(5).messages(300))
    assert list(Writer(5).messages(50)) != list(Writer(6).messages(50))


def test_messages_are_sound_and_of_every_kind() -> None:
    messages = list(Writer(3).messages(6_000))
    counted: Counter[str] = Counter()
    for labelled in messages:
        text, end = labelled.message.text, 0
        assert "{" not in text.replace("{", "", 0) or SLOT.search(text) is None
        for span in labelled.spans:
            assert end <= span.start < span.end <= len(text)
            assert text[span.start : span.end] == text[span.start : span.end].strip()
            assert span.label in ENTITY_TYPES
            end = span.end
        counted.update({span.label for span in labelled.spans} or {"clean"})
    expected = {"PERSON", "ADDRESS", "LOCATION", "ORG", "PRODUCT", "USERNAME", "EMAIL", "PHONE", "PASSWORD", "ORDER_ID"}
    expected |= {"ACCOUNT_ID", "CREDIT_CARD", "NATIONAL_ID", "DATE_OF_BIRTH", "OTHER_ID", "DATE", "clean"}
    assert expected <= set(counted)
    assert all(counted[label] >= 20 for label in expected)
    assert any(labelled.message.context for labelled in messages)
    assert any(not labelled.message.context for labelled in messages)


def test_questions_and_domains_are_well_formed() -> None:
    for exchange in exchanges():
        assert exchange.questions
        assert exchange.answers
        assert exchange.weight > 0
    assert len(domains()) >= 20
    assert all(row[:2] in ("A ", "C ") for rows in domains().values() for row in rows)


PIECES = [Piece("hi, i'm ", None), Piece("Jon O'Neil", "PERSON"), Piece(" order ", None), Piece("A-1204", "ORDER_ID")]


@given(st.integers())
def test_noise_keeps_pieces_apart(seed: int) -> None:
    rng = random.Random(seed)
    for noise in (typed, bare, spoken):
        made = noise(PIECES, rng)
        assert [piece.label for piece in made if piece.label] == ["PERSON", "ORDER_ID"]
        assert all(piece.text for piece in made if piece.label)


def test_bare_text_has_no_capitals_and_no_punctuation() -> None:
    for seed in range(20):
        text = "".join(piece.text for piece in bare(PIECES, random.Random(seed)))
        assert re.fullmatch(r"[a-z0-9 ]+", text)


def test_spoken_text_says_numbers() -> None:
    said = {spoken([Piece("2201", "ACCOUNT_ID")], random.Random(seed))[-1].text for seed in range(200)}
    assert {
        "two two zero one",
        "two two oh one",
        "double two zero one",
        "twenty two oh one",
        "2 2 0 1",
        "22 01",
    } <= said


@pytest.mark.parametrize(
    ("date", "said"),
    [
        ("14 March 1972", "fourteenth march nineteen seventy two"),
        ("3/2/1991", "three two nineteen ninety one"),
        ("May 31, 2004", "may thirty first twenty oh four"),
        ("1st of June 2000", "first of june two thousand"),
    ],
)
def test_spoken_text_says_dates_of_birth(date: str, said: str) -> None:
    piece = [Piece(date, "DATE_OF_BIRTH")]
    assert said in {spoken(piece, random.Random(seed))[-1].text for seed in range(100)}


def test_a_babbler_makes_names_that_are_not_in_its_list() -> None:
    names = tuple(name.capitalize() for name in ("anna", "annabel", "johanna", "hanna", "joan", "joanna", "susanna"))
    rng = random.Random(2)
    made = {Babbler(names).name(rng) for _ in range(200)}
    assert made - set(names)
    assert all(3 <= len(name) <= 12 for name in made)


def test_comments_of_data_files_are_no_entries() -> None:
    assert all(not line.startswith("# ") for path in FILES for line in lines(path))


def test_redacted_values_have_no_label() -> None:
    """D20: the model learns that a placeholder is nothing, and that what stands beside it still is something."""
    text = "ann lee, 12 elm st, 4821"
    spans = (GoldSpan(0, 7, "PERSON"), GoldSpan(9, 18, "LOCATION"), GoldSpan(20, 24, "ACCOUNT_ID"))
    made = redacted(Labelled(Message(text), spans), 1.0, random.Random(1))
    assert re.fullmatch(r"\[PERSON_\d+\], 12 elm st, \[ACCOUNT_ID_\d+\]", made.message.text)
    assert [(made.message.text[span.start : span.end], span.label) for span in made.spans] == [
        ("12 elm st", "LOCATION")
    ]
    assert redacted(Labelled(Message(text), spans), 0.0, random.Random(1)).message.text == text


def test_calls_have_read_back_numbers_and_spelled_names() -> None:
    """D7: digits as words, letters one by one, "at" and "dot"."""
    writer = Writer(5)
    said = [writer.call() for _ in range(400)]
    values = [one.message.text[span.start : span.end].lower() for one in said for span in one.spans]
    assert any(re.search(r"\b(?:double|triple) \w+", value) for value in values)
    assert any(re.fullmatch(r"\w(?: \w){3,}", value) for value in values)
    assert any(" at " in value and " dot " in value for value in values)
    assert {one.message.speaker for one in said} >= {"agent", "customer"}
