"""Builds the word list of the lexicon from the lists that the generator draws from.

A share of the rarer names is left out, chosen by a hash of the name: a model that meets every training name in its list
learns to trust the list blindly, and then misses the names that are in none (measured in ``docs/detection.md``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final

from sidecar.detection.lexicon import BRAND, CAPITAL, PLACE, STREET_KIND, TITLE, Entry, fold
from sidecar.training.synthesis import people
from sidecar.training.synthesis.lists import columns, entries, rare_words, words

HELD_OUT_SHARE: Final = 0.4
_ALWAYS_LISTED: Final = 1_000
"""The most frequent names of each list stay in: leaving out "john" would teach nothing."""

_RARE_RANK: Final = 5_000
_TITLES: Final = (
    "mr",
    "mrs",
    "ms",
    "miss",
    "dr",
    "prof",
    "professor",
    "sir",
    "madam",
    "doctor",
    "rev",
    "captain",
    "lord",
    "lady",
)
_UNITS: Final = (
    "apt",
    "apartment",
    "unit",
    "suite",
    "ste",
    "flat",
    "floor",
    "po",
    "box",
    "nagar",
    "colony",
    "layout",
    "rue",
    "calle",
    "via",
    "straße",
    "strasse",
)


def word_codes(held_out: float = HELD_OUT_SHARE) -> dict[str, int]:
    """Packed entries by folded word. ``held_out`` is the share of rarer names to leave out."""
    given, surnames = _given_ranks(held_out), _surname_ranks(held_out)
    frequencies = _ranks((*words(), *rare_words()))
    marks = _marks()
    known = sorted({*given, *surnames, *frequencies, *marks})
    return {
        word: Entry(given.get(word), surnames.get(word), frequencies.get(word), marks.get(word, 0)).code()
        for word in known
    }


def _given_ranks(held_out: float) -> dict[str, int]:
    male, female = people.census_given()
    mixed = [name for pair in zip(male, female, strict=False) for name in pair] + list(female[len(male) :])
    more = [name for origin in people.by_locale().values() for name in origin.given]
    own = [*entries("nicknames"), *entries("given_indian"), *entries("given_arabic"), *entries("given_east_asian")]
    return _names([*mixed[:_ALWAYS_LISTED], *own, *mixed[_ALWAYS_LISTED:]], more, held_out)


def _surname_ranks(held_out: float) -> dict[str, int]:
    more = [name for origin in people.by_locale().values() for name in origin.family]
    own = [*entries("surnames_east_asian"), *entries("surnames_arabic")]
    listed = [*people.census_family()[:_ALWAYS_LISTED], *own, *people.census_family()[_ALWAYS_LISTED:]]
    return _names(listed, more, held_out)


def _names(ranked: Iterable[str], more: Iterable[str], held_out: float) -> dict[str, int]:
    ranks = _ranks(ranked)
    for name in more:
        for part in _parts(name):
            ranks.setdefault(part, _RARE_RANK)
    return {name: rank for name, rank in ranks.items() if rank < _ALWAYS_LISTED or not _is_held_out(name, held_out)}


def _ranks(ranked: Iterable[str]) -> dict[str, int]:
    ranks: dict[str, int] = {}
    for entry in ranked:
        for part in _parts(entry):
            ranks.setdefault(part, len(ranks))
    return ranks


def _parts(entry: str) -> list[str]:
    return [part for part in fold(entry).replace("-", " ").split() if len(part) > 1 and part.isalpha()]


def _is_held_out(name: str, share: float) -> bool:
    return hashlib.sha256(name.encode()).digest()[0] < share * 256


def _marks() -> dict[str, int]:
    marks: dict[str, int] = {}
    kinds = [part for row in columns("street_kinds") for part in row[:2]]
    places = [*entries("cities"), *entries("countries"), *(part for row in columns("states") for part in row)]
    brands = [*entries("brands"), *entries("organisations"), *entries("car_brands")]
    for mark, listed in (
        (PLACE, places),
        (BRAND, brands),
        (STREET_KIND, [*kinds, *_UNITS]),
        (TITLE, _TITLES),
        (CAPITAL, [word for word in words() if not word.islower()]),
    ):
        for entry in listed:
            for part in _parts(entry):
                marks[part] = marks.get(part, 0) | mark
    return marks
