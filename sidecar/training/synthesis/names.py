"""Draws names of persons in the shapes in which people give them."""

from __future__ import annotations

import random
import string
from typing import Final

from sidecar.training.synthesis import people
from sidecar.training.synthesis.lists import common_words, entries

_PARTICLES: Final = (
    "de ",
    "van ",
    "von ",
    "de la ",
    "del ",
    "bin ",
    "al ",
    "al-",
    "van der ",
    "di ",
    "da ",
    "dos ",
    "O'",
    "Mc",
    "Mac",
    "St. ",
    "el ",
    "la ",
    "le ",
    "ter ",
)
_ENDINGS: Final = ("Jr", "Jr.", "Sr", "Sr.", "II", "III", "IV")
_TITLES: Final = (
    "Mr",
    "Mr.",
    "Mrs",
    "Mrs.",
    "Ms",
    "Ms.",
    "Miss",
    "Dr",
    "Dr.",
    "Prof",
    "Prof.",
    "Professor",
    "Sir",
    "Madam",
    "mr",
    "mrs",
    "dr",
    "ms",
    "miss",
    "Doctor",
    "Rev.",
    "Captain",
)


def frequent(names: tuple[str, ...], rng: random.Random) -> str:
    """One entry of a list in order of frequency, roughly as often as its rank deserves."""
    return names[int(len(names) ** rng.random()) - 1]


def given(rng: random.Random) -> str:
    """A given name."""
    lot = rng.random()
    if lot < 0.36:
        return frequent(rng.choice(people.census_given()), rng)
    if lot < 0.44:
        return rng.choice(people.by_locale()["en_IN"].given + entries("given_indian") * 3)
    if lot < 0.58:
        return rare(rng)
    if lot < 0.66:
        return rng.choice(entries("nicknames"))
    if lot < 0.71:
        return rng.choice(entries("given_east_asian"))
    if lot < 0.76:
        return rng.choice(entries("given_arabic"))
    return rng.choice(_origin(rng).given)


def family(rng: random.Random) -> str:
    """A family name."""
    lot = rng.random()
    if lot < 0.30:
        return frequent(people.census_family(), rng)
    if lot < 0.40:
        return rng.choice(people.census_family())
    if lot < 0.47:
        return rng.choice(people.by_locale()["en_IN"].family)
    if lot < 0.60:
        return rng.choice(rng.choice(people.babblers())).name(rng)
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


def full(rng: random.Random) -> str:
    """A given and a family name, in one of the orders and with one of the additions that people use."""
    first, last = _pair(rng)
    lot = rng.random()
    if lot < 0.76:
        return f"{first} {last}"
    if lot < 0.83:
        return f"{first} {rng.choice(string.ascii_uppercase)}{rng.choice(('.', ''))} {last}"
    if lot < 0.87:
        return f"{first} {given(rng)} {last}"
    if lot < 0.90:
        return f"{first} {last}-{family(rng)}"
    if lot < 0.93:
        return f"{first} {rng.choice(_PARTICLES)}{last}"
    if lot < 0.95:
        return f"{first} {last} {rng.choice(_ENDINGS)}"
    if lot < 0.97:
        return f"{last} {first}"
    if lot < 0.985:
        return f"{first[0]}{rng.choice(('. ', ' ', '.'))}{last}"
    return f"{first} {last[0]}{rng.choice(('.', ''))}"


def _pair(rng: random.Random) -> tuple[str, str]:
    lot = rng.random()
    if lot < 0.06:
        return rng.choice(entries("given_east_asian")), rng.choice(entries("surnames_east_asian"))
    if lot < 0.10:
        return rng.choice(entries("given_arabic")), rng.choice(entries("surnames_arabic"))
    if lot < 0.40:
        origin = _origin(rng)
        return rng.choice(origin.given), rng.choice(origin.family)
    return given(rng), family(rng)


def any_form(rng: random.Random) -> str:
    """A full name or a given name."""
    return full(rng) if rng.random() < 0.55 else given(rng)


def titled(rng: random.Random) -> str:
    """A title with a name; the title belongs to the name."""
    lot = rng.random()
    name = family(rng) if lot < 0.65 else given(rng) if lot < 0.85 else full(rng)
    return f"{rng.choice(_TITLES)} {name}"


def _origin(rng: random.Random) -> people.Names:
    known = people.by_locale()
    return known[rng.choices(list(known), [people.LOCALES[locale] for locale in known])[0]]
