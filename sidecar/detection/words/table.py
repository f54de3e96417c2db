"""What a language contributes to the rules (D9): words, no code. All are lower case and folded (no diacritics)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Phrases = tuple[str, ...]
EMPTY: Mapping[str, Phrases] = {}


@dataclass(frozen=True, slots=True)
class LanguageWords:
    """The words of one language.

    ``nouns``: entity type → what numbers of that type are called, weak alone ("order"): followed by one of
    ``number_words`` they name an identifier ("order number").
    ``names``: entity type → phrases that name it without help ("ssn").
    ``fillers``: words around an answer that say nothing. ``common``: words of chats that no name, street or code is
    made of. ``ordinary``: further frequent words, which streets may be called after.
    ``links``: words that may stand between such a phrase and its value ("is", "ending", "in").
    ``enumerated``: words whose number is no identifier ("room 450", "model 3000", "question 4").
    ``counted``: phrases of questions whose numeric answers are no identifiers ("how many").
    """

    nouns: Mapping[str, Phrases] = field(default_factory=dict)
    number_words: Phrases = ()
    names: Mapping[str, Phrases] = field(default_factory=dict)
    counted: Phrases = ()
    requests: Phrases = ()
    fillers: Phrases = ()
    common: Phrases = ()
    ordinary: Phrases = ()
    links: Phrases = ()
    enumerated: Phrases = ()
    units: Phrases = ()
    digits: Mapping[str, str] = field(default_factory=dict)
    months: Phrases = ()
    birth: Phrases = ()
    streets: Phrases = ()
    street_heads: Phrases = ()
    street_endings: Phrases = ()
    street_units: Phrases = ()
    regions: Phrases = ()
    at_words: Phrases = ()
    dot_words: Phrases = ()
    introductions: Phrases = ()


def words_in(text: str) -> Phrases:
    """Return the words of a text, for tables that would be unreadable with a quote around each."""
    return tuple(text.split())


def phrases_in(text: str) -> Phrases:
    """Return the phrases of a text, which commas separate."""
    return tuple(phrase.strip() for phrase in text.split(",") if phrase.strip())
