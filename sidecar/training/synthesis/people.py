"""Names of people: Faker's lists by locale, the US census by frequency, and names made up letter by letter."""

from __future__ import annotations

import importlib
import random
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import Final

from sidecar.errors import SidecarError
from sidecar.training.synthesis.lists import DATA, entries, lines

LOCALES: Final = {
    "en_US": 10, "en_GB": 3, "en_IN": 4, "en_IE": 1, "en_NZ": 1, "en_NG": 2, "en_KE": 1, "en_PK": 2, "es_MX": 2,
    "es_ES": 2, "es_CO": 1, "es_AR": 1, "fr_FR": 2, "de_DE": 2, "de_CH": 1, "it_IT": 1, "pt_BR": 2, "pt_PT": 1,
    "nl_NL": 1, "pl_PL": 1, "sv_SE": 1, "tr_TR": 1, "id_ID": 1, "fil_PH": 1, "vi_VN": 1, "da_DK": 1, "no_NO": 1,
    "ro_RO": 1, "yo_NG": 1, "tw_GH": 1, "hr_HR": 1, "cs_CZ": 1, "fi_FI": 1, "zu_ZA": 1, "hu_HU": 1, "lt_LT": 1,
    "sk_SK": 1, "sl_SI": 1, "et_EE": 1, "az_AZ": 1,
}  # fmt: skip
"""Faker locales that write names in Latin letters, with how often each is drawn."""

_GIVEN: Final = ("first_names_male", "first_names_female", "first_names", "first_names_unisex", "first_names_nonbinary")
_FAMILY: Final = ("last_names", "last_names_male", "last_names_female", "last_names_unisex", "last_names_nonbinary")


@dataclass(frozen=True, slots=True)
class Names:
    """Given and family names of one origin."""

    given: tuple[str, ...]
    family: tuple[str, ...]


class NamesMissing(SidecarError):
    """The package that names come from is not installed."""


@cache
def by_locale() -> dict[str, Names]:
    """Faker's names of each locale that has both kinds. Raises ``NamesMissing`` without Faker."""
    if find_spec("faker") is None:
        raise NamesMissing("Faker is not installed. Training needs it: pip install 'privacy-sidecar[training]'")
    found = {locale: Names(_provided(locale, _GIVEN), _provided(locale, _FAMILY)) for locale in LOCALES}
    return {locale: names for locale, names in found.items() if names.given and names.family}


def _provided(locale: str, attributes: tuple[str, ...]) -> tuple[str, ...]:
    try:
        provider = importlib.import_module(f"faker.providers.person.{locale}").Provider
    except ModuleNotFoundError:
        return ()
    listed = (getattr(provider, attribute, ()) for attribute in attributes)
    names = {name for group in listed if isinstance(group, (tuple, list, dict)) for name in group}
    return tuple(sorted(name for name in names if _is_latin(name)))


def _is_latin(name: str) -> bool:
    return name.isprintable() and 1 < len(name) < 25 and all(ord(char) < 0x250 for char in name)


@cache
def census_given() -> tuple[tuple[str, ...], ...]:
    """US given names, male and female, most frequent first."""
    return tuple(lines(DATA / "names" / f"us_given_{kind}.txt") for kind in ("male", "female"))


@cache
def census_family() -> tuple[str, ...]:
    """US family names, most frequent first."""
    return lines(DATA / "names" / "us_surnames.txt")


class Babbler:
    """Makes up names that sound like those of a list: a Markov chain over letters."""

    _ORDER: Final = 3

    def __init__(self, names: tuple[str, ...]) -> None:
        self._next: dict[str, list[str]] = defaultdict(list)
        for name in names:
            padded = "^" * self._ORDER + name.lower() + "$"
            for place in range(self._ORDER, len(padded)):
                self._next[padded[place - self._ORDER : place]].append(padded[place])

    def name(self, rng: random.Random) -> str:
        """One name of 3 to 12 letters."""
        while True:
            made = self._walk(rng)
            if 3 <= len(made) <= 12:
                return made.capitalize()

    def _walk(self, rng: random.Random) -> str:
        made = "^" * self._ORDER
        while len(made) < self._ORDER + 14:
            letter = rng.choice(self._next[made[-self._ORDER :]])
            if letter == "$":
                break
            made += letter
        return made[self._ORDER :]


@cache
def babblers() -> tuple[tuple[Babbler, Babbler], ...]:
    """A maker of given and of family names for each origin that has enough of them to learn from."""
    large = (names for names in by_locale().values() if len(names.given) > 120 and len(names.family) > 60)
    return tuple((Babbler(names.given), Babbler(names.family)) for names in large)


@cache
def indian_babblers() -> tuple[Babbler, Babbler]:
    """Makers of Indian names, which chats of outsourced support are full of."""
    names = by_locale()["en_IN"]
    return Babbler(names.given + entries("given_indian")), Babbler(names.family)
