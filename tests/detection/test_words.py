"""Languages are data (D9)."""

from __future__ import annotations

from dataclasses import fields

import pytest

from sidecar.detection.entity_types import ENTITY_TYPES
from sidecar.detection.normalise import fold
from sidecar.detection.vocabulary import COUNTED, Strength, vocabulary
from sidecar.detection.words import LANGUAGES, LanguageWords


def _all_words(words: LanguageWords) -> list[str]:
    found: list[str] = []
    for field in fields(words):
        value = getattr(words, field.name)
        if isinstance(value, tuple):
            found.extend(value)
        else:
            found.extend(value)
            found.extend(word for row in value.values() for word in (row if isinstance(row, tuple) else ()))
    return [word for word in found if word not in ENTITY_TYPES]


def test_the_wanted_languages_are_there_d9() -> None:
    assert {"en", "de", "fr", "es", "it", "nl", "pl", "pt", "da", "nb", "sv"} <= LANGUAGES.keys()


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_words_are_written_as_texts_are_matched_d9(language: str) -> None:
    """A word with a capital or an accent would never match a folded text."""
    assert [word for word in _all_words(LANGUAGES[language]) if fold(word) != word] == []


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_slots_are_entity_types(language: str) -> None:
    words = LANGUAGES[language]
    assert {*words.nouns, *words.names} <= set(ENTITY_TYPES)


@pytest.mark.parametrize(
    ("text", "slot", "strength"),
    [
        ("order number", "ORDER_ID", Strength.STRONG),
        ("order", "ORDER_ID", Strength.WEAK),
        ("how many", COUNTED, Strength.STRONG),
        ("numero de commande", "ORDER_ID", Strength.STRONG),
        ("date of birth", "DATE_OF_BIRTH", Strength.STRONG),
    ],
)
def test_the_longest_phrase_names_the_slot(text: str, slot: str, strength: Strength) -> None:
    mentions = list(vocabulary(("en", "fr")).slots.find(text.split()))
    assert [(m.slot, m.strength) for m in mentions] == [(slot, strength)]
