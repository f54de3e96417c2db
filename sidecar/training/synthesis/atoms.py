"""The words and numbers that values and templates are made of."""

from __future__ import annotations

import random
import re
import string
from collections.abc import Mapping
from functools import cache
from typing import Final

from sidecar.training.synthesis import names
from sidecar.training.synthesis.grammar import Draw, Grammar, IdKind, read_value
from sidecar.training.synthesis.lists import DATA, columns, common_words, entries, rare_words

_LISTED: Final[Mapping[str, str]] = {
    "address_kw": "address_words", "brand_name": "brands", "car_brand": "car_brands", "car_model": "car_models",
    "color": "colours", "country_name": "countries", "cuisine_name": "cuisines", "ending": "company_endings",
    "family_arabic": "surnames_arabic", "family_east_asian": "surnames_east_asian", "figure_name":
    "public_figures", "food": "foods", "g1": "small_talk", "given_arabic": "given_arabic", "given_east_asian":
    "given_east_asian", "greet": "greetings", "holiday": "holidays", "known_city": "cities", "known_org":
    "organisations", "level": "levels", "model_name": "product_models", "month": "months", "obj": "matters", "pay":
    "payments", "prob": "problems", "ptype": "product_kinds", "reason": "reasons", "rel": "relations", "size":
    "sizes", "software": "software", "street_name": "street_names", "tail": "tails", "talk": "small_talk_more",
    "thx": "thanks", "weekday": "weekdays", "yes": "replies",
}  # fmt: skip
"""Slots that are an entry of a word list, and which."""


def word(rng: random.Random) -> str:
    """A word of the dictionary, frequent ones more often."""
    known = common_words()
    lot = rng.random()
    if lot < 0.07:
        return rng.choice(rare_words())
    return known[int(len(known) ** rng.random()) - 1] if lot < 0.5 else rng.choice(known)


def _letters_of(name: str, other: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower()) or other


def _given(rng: random.Random) -> str:
    return _letters_of(names.given(rng), "kim")


def _family(rng: random.Random) -> str:
    return _letters_of(names.family(rng), "lee")


def _spelled(rng: random.Random) -> str:
    """``S-M-I-T-H``, ``s m i t h``."""
    letters = _letters_of(rng.choice((names.given, names.family))(rng), "lee")
    return rng.choice(("-", "-", " ", " ", ".", ", ")).join(letters.upper() if rng.random() < 0.4 else letters)


def _misspelled(text: str, rng: random.Random) -> str:
    """With two letters swapped, or one doubled or lost."""
    place = rng.randrange(len(text) - 1)
    pair = text[place : place + 2]
    return text[:place] + rng.choice((pair[::-1], pair[0] + pair, pair[0])) + text[place + 2 :]


def _mixed(length: int) -> Draw:
    return lambda rng: "".join(rng.choice(string.ascii_uppercase + string.digits) for _ in range(length))


def _junk(rng: random.Random) -> str:
    signs = string.ascii_letters + string.digits + "!@#$%&*"
    return "".join(rng.choice(signs) for _ in range(rng.choice((7, 8, 9, 10, 12))))


def _ordinal(rng: random.Random) -> str:
    number = rng.choice((rng.randint(1, 20), rng.randint(1, 199)))
    ending = "th" if 10 < number % 100 < 14 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _street_kind(rng: random.Random) -> str:
    rows = columns("street_kinds")
    row = rng.choices(rows, [float(row[2]) for row in rows])[0]
    kind = row[0] if rng.random() < 0.5 else row[1]
    return kind + ("." if rng.random() < 0.05 else "")


def _number(first: int, last: int, width: int = 0) -> Draw:
    return lambda rng: str(rng.randint(first, last)).zfill(width)


def _entry_of(name: str) -> Draw:
    return lambda rng: rng.choice(entries(name))


def _atoms() -> dict[str, Draw]:
    return {
        "given": names.given,
        "family": names.family,
        "rare_name": names.rare,
        "origin_name": names.of_one_origin,
        "spelled_name": _spelled,
        "given_low": _given,
        "family_low": _family,
        "given_initial": lambda rng: _given(rng)[0],
        "w": word,
        "nation": lambda rng: rng.choice(entries("nations")).capitalize(),
        "hotel_name": lambda rng: rng.choice(entries("hotels")),
        "w_typo": lambda rng: _misspelled(word(rng), rng),
        "W_typo": lambda rng: _misspelled(word(rng), rng).capitalize(),
        "colour_typo": lambda rng: _misspelled(rng.choice(entries("colours")), rng),
        "food_plain": lambda rng: rng.choice(entries("foods")).replace(" ", ""),
        "W": lambda rng: word(rng).capitalize(),
        "word2": lambda rng: f"{word(rng)} {word(rng)}",
        "ordinal": _ordinal,
        "kind": _street_kind,
        "state_name": lambda rng: rng.choice(columns("states"))[0],
        "state_short": lambda rng: rng.choice(columns("states"))[1],
        "mixed6": _mixed(6),
        "mixed8": _mixed(8),
        "mixed10": _mixed(10),
        "junk": _junk,
        "n": _number(1, 12),
        "m": _number(1, 12),
        "mm": _number(1, 12, width=2),
        "d": _number(1, 31),
        "dd": _number(1, 31, width=2),
        "year": _number(2016, 2027),
        "byear": _number(1930, 2010),
        "amount": lambda rng: str(rng.choice((rng.randint(2, 400), rng.randint(1, 60) * 100))),
        **{slot: _entry_of(name) for slot, name in _LISTED.items()},
    }


_ID_VALUES: Final[Mapping[str, str]] = {
    "ORDER_ID": "order",
    "ACCOUNT_ID": "acct",
    "OTHER_ID": "order",
    "CREDIT_CARD": "card",
    "NATIONAL_ID": "ssn",
    "PASSWORD": "pw",
    "PHONE": "phone",
    "EMAIL": "email",
    "ADDRESS": "zip",
    "DATE_OF_BIRTH": "dob",
    "USERNAME": "user",
}


@cache
def grammar() -> Grammar:
    """The grammar that all templates of this project are written for."""
    values = {path.stem: read_value(path) for path in sorted((DATA / "values").glob("*.txt"))}
    kinds = tuple(IdKind(phrase, label, _ID_VALUES[label]) for phrase, label in columns("id_words"))
    return Grammar(values, _atoms(), kinds)
