"""Draws the parts of names of persons. How they are put together is data: ``data/values/full.txt`` and its like."""

from __future__ import annotations

import random

from sidecar.training.synthesis import people
from sidecar.training.synthesis.lists import common_words, entries


def frequent(names: tuple[str, ...], rng: random.Random) -> str:
    """One entry of a list in order of frequency, roughly as often as its rank deserves."""
    return names[int(len(names) ** rng.random()) - 1]


def given(rng: random.Random) -> str:
    """A given name. Some are words or places as well."""
    lot = rng.random()
    if lot < 0.32:
        return frequent(rng.choice(people.census_given()), rng)
    if lot < 0.39:
        return rng.choice(people.by_locale()["en_IN"].given + entries("given_indian") * 3)
    if lot < 0.58:
        return rare(rng)
    if lot < 0.63:
        return rng.choice(entries("nicknames"))
    if lot < 0.66:
        return rng.choice(entries("word_names"))
    if lot < 0.71:
        return rng.choice(entries("given_east_asian"))
    if lot < 0.76:
        return rng.choice(entries("given_arabic"))
    return rng.choice(_origin(rng).given)


def family(rng: random.Random) -> str:
    """A family name. Any word can be one."""
    lot = rng.random()
    if lot < 0.30:
        return frequent(people.census_family(), rng)
    if lot < 0.40:
        return rng.choice(people.census_family())
    if lot < 0.47:
        return rng.choice(people.by_locale()["en_IN"].family)
    if lot < 0.60:
        return rng.choice(people.babblers())[1].name(rng)
    if lot < 0.67:
        return rng.choice(entries("surnames_english"))
    if lot < 0.73:
        return rng.choice(entries("surnames_east_asian"))
    if lot < 0.77:
        return rng.choice(entries("surnames_arabic"))
    if lot < 0.80:
        return rng.choice(common_words()[500:]).capitalize()
    return rng.choice(_origin(rng).family)


def rare(rng: random.Random) -> str:
    """A name that is in no list."""
    pair = people.indian_babblers() if rng.random() < 0.25 else rng.choice(people.babblers())
    return rng.choice(pair).name(rng)


def of_one_origin(rng: random.Random) -> str:
    """A given and a family name that go together."""
    origin = _origin(rng)
    return f"{rng.choice(origin.given)} {rng.choice(origin.family)}"


def _origin(rng: random.Random) -> people.Names:
    known = people.by_locale()
    return known[rng.choices(list(known), [people.LOCALES[locale] for locale in known])[0]]
