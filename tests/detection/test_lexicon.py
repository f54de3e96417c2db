"""The word lists as one lexical attribute (D1, D13, D15)."""

from __future__ import annotations

from pathlib import Path

import pytest
import spacy
from spacy.attrs import LANG  # type: ignore[import-not-found]
from spacy.language import Language

from sidecar.detection.lexicon import BRAND, FACTORY, PLACE, Entry, Lexicon, fold

CODES = {
    "john": Entry(given=3, surname=900, word=2_500).code(),
    "jose": Entry(given=40).code(),
    "hey": Entry(word=250).code(),
    "paris": Entry(given=1_500, marks=PLACE).code(),
}


@pytest.fixture(scope="module")
def nlp() -> Language:
    nlp = spacy.blank("en")
    nlp.add_pipe(FACTORY, name="lexicon")
    lexicon_of(nlp).replace(CODES)
    return nlp


def lexicon_of(nlp: Language) -> Lexicon:
    pipe = nlp.get_pipe("lexicon")
    assert isinstance(pipe, Lexicon)
    return pipe


def features(nlp: Language, text: str) -> list[int]:
    return [int(value) for value in nlp.make_doc(text).to_array([LANG])]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("john", "JOHN"),  # D1: any letter case
        ("José", "jose"),
        ("hey", "heyyyy"),  # chat shouts
        ("1234", "9876"),  # numbers of one length
        ("ab12", "xy99"),
        ("unknownword", "otherword"),
    ],
)
def test_words_alike_have_one_feature(nlp: Language, one: str, other: str) -> None:
    assert lexicon_of(nlp).feature(one) == lexicon_of(nlp).feature(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("john", "jose"),
        ("john", "johm"),
        ("paris", "jose"),
        ("1234", "123"),
        ("ab12", "1234"),
        ("a@b.com1", "ab1"),
        ("hey", "!"),
        ("a" * 41, "a" * 40),
    ],
)
def test_words_that_differ_have_different_features(nlp: Language, one: str, other: str) -> None:
    assert lexicon_of(nlp).feature(one) != lexicon_of(nlp).feature(other)


def test_entries_pack_without_collision() -> None:
    ranks = (None, 0, 5_000, 50_000)
    entries = {
        Entry(given, surname, word, marks)
        for given in ranks
        for surname in ranks
        for word in (None, 0, 1_000, 5_000, 20_000, 90_000)
        for marks in (0, PLACE, BRAND, PLACE | BRAND, 31)
    }
    packed: dict[int, tuple[int, ...]] = {}
    for entry in entries:
        classes = (entry.code() // 32 // 24, entry.code() // 32 // 6 % 4, entry.code() // 32 % 6, entry.code() % 32)
        assert packed.setdefault(entry.code(), classes) == classes
        assert classes[3] == entry.marks


def test_words_that_came_before_the_list_get_their_feature() -> None:
    nlp = spacy.blank("en")
    nlp.make_doc("john")  # its lexeme exists before the lexicon does
    nlp.add_pipe(FACTORY, name="lexicon")
    lexicon_of(nlp).replace(CODES)
    assert features(nlp, "john") == [lexicon_of(nlp).feature("john")]


def test_the_list_survives_disk_and_bytes(nlp: Language, tmp_path: Path) -> None:
    nlp.to_disk(tmp_path / "model")
    again = spacy.load(tmp_path / "model")
    assert lexicon_of(again).codes == CODES
    assert features(again, "hey john, paris 12") == features(nlp, "hey john, paris 12")
    copy = Lexicon(spacy.blank("en").vocab).from_bytes(lexicon_of(nlp).to_bytes())
    assert copy.codes == CODES


def test_the_same_list_is_written_as_the_same_bytes(nlp: Language) -> None:
    backwards = Lexicon(spacy.blank("en").vocab, dict(reversed(list(CODES.items()))))
    assert backwards.to_bytes() == lexicon_of(nlp).to_bytes()


def test_words_of_a_memory_zone_are_given_back(nlp: Language) -> None:
    """D15: neither lexemes nor strings of the traffic stay."""
    nlp.make_doc("john was here")
    before = sum(1 for _ in nlp.vocab), len(nlp.vocab.strings)
    with nlp.memory_zone():
        for number in range(200):
            nlp.make_doc(f"zorblat{number} quuxley{number}x")
    assert (sum(1 for _ in nlp.vocab), len(nlp.vocab.strings)) == before


@pytest.mark.parametrize(
    ("word", "folded"), [("O'Brien", "obrien"), ("ÉLODIE", "elodie"), ("Łukasz", "łukasz"), ("", "")]
)
def test_fold(word: str, folded: str) -> None:
    assert fold(word) == folded
