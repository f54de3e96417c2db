"""The table of slots that templates name."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Final

from sidecar.training.synthesis import names, numbers, places
from sidecar.training.synthesis.grammar import Grammar, IdKind, Slot
from sidecar.training.synthesis.lists import columns, entries

Draw = Callable[[random.Random], str]


def _from(name: str) -> Slot:
    return Slot(lambda rng: rng.choice(entries(name)))


def _product(rng: random.Random) -> str:
    lot = rng.random()
    brand, kind, model = (
        rng.choice(entries("brands")),
        rng.choice(entries("product_kinds")),
        rng.choice(entries("product_models")),
    )
    if lot < 0.5:
        return f"{brand} {kind}"
    if lot < 0.7:
        return model
    if lot < 0.8:
        return f"{brand} {model.split(' ', 1)[-1]}"
    if lot < 0.88:
        return f"{numbers.word(rng).capitalize()} {kind}"
    if lot < 0.92:
        return f"{names.family(rng)} {kind}"
    return f"{names.rare(rng)} {rng.choice((places.digits(3, rng), 'Pro', 'Max', 'X', 'Mini', places.digits(2, rng) + '0', numbers.letters(1, rng) + places.digits(2, rng)))}"


def _organisation(rng: random.Random) -> str:
    lot = rng.random()
    if lot < 0.45:
        return rng.choice(entries("organisations"))
    if lot < 0.8:
        front = rng.choice(
            (
                names.family(rng),
                names.rare(rng),
                numbers.word(rng).capitalize(),
                f"{names.family(rng)} {names.family(rng)}",
            )
        )
        return f"{front} {rng.choice(entries('company_endings'))}"
    if lot < 0.9:
        return f"{names.family(rng)}{rng.choice((' and ', ' & ', ', '))}{names.family(rng)}"
    return numbers.word(rng).capitalize() + numbers.word(rng)


def _car(rng: random.Random) -> str:
    brand, model = rng.choice(entries("car_brands")), rng.choice(entries("car_models"))
    return rng.choice((f"{brand} {model}", f"{brand} {model}", model, brand))


_SLOTS: Final[Mapping[str, Slot]] = {
    "first": Slot(names.given, "PERSON"),
    "last": Slot(names.family, "PERSON"),
    "full": Slot(names.full, "PERSON"),
    "name": Slot(names.any_form, "PERSON"),
    "rare": Slot(names.rare, "PERSON"),
    "titled": Slot(names.titled, "PERSON"),
    "user": Slot(numbers.user_name, "USERNAME"),
    "email": Slot(numbers.mail, "EMAIL"),
    "phone": Slot(numbers.phone, "PHONE"),
    "order": Slot(numbers.code, "ORDER_ID"),
    "track": Slot(numbers.code, "ORDER_ID"),
    "acct": Slot(numbers.account, "ACCOUNT_ID"),
    "card": Slot(numbers.card, "CREDIT_CARD"),
    "ssn": Slot(numbers.national_id, "NATIONAL_ID"),
    "pw": Slot(numbers.password, "PASSWORD"),
    "pin": Slot(lambda rng: places.digits(rng.choice((4, 4, 4, 5, 6)), rng), "PASSWORD"),
    "secret": Slot(lambda rng: rng.choice((names.given(rng), names.family(rng), places.city(rng))), "PASSWORD"),
    "dob": Slot(numbers.birth_date, "DATE_OF_BIRTH"),
    "nn": Slot(lambda rng: places.digits(rng.choice((3, 4, 4, 4, 6)), rng), "OTHER_ID"),
    "addr": Slot(places.address, "ADDRESS"),
    "addr2": Slot(places.address, "ADDRESS"),
    "street": Slot(places.street, "ADDRESS"),
    "street2": Slot(places.street, "ADDRESS"),
    "cross": Slot(places.crossing, "ADDRESS"),
    "unit": Slot(places.unit, "ADDRESS"),
    "zip": Slot(places.postcode, "ADDRESS"),
    "loc": Slot(places.place, "LOCATION"),
    "city": Slot(places.city, "LOCATION"),
    "state": Slot(places.state, "LOCATION"),
    "country": Slot(places.country, "LOCATION"),
    "poi": Slot(places.venue, "LOCATION"),
    "product": Slot(_product, "PRODUCT"),
    "brand": Slot(lambda rng: rng.choice(entries("brands")), "PRODUCT"),
    "brand2": Slot(lambda rng: rng.choice(entries("brands")), "PRODUCT"),
    "model": Slot(lambda rng: rng.choice(entries("product_models")), "PRODUCT"),
    "car": Slot(_car, "PRODUCT"),
    "carb": Slot(lambda rng: rng.choice(entries("car_brands")), "PRODUCT"),
    "org": Slot(_organisation, "ORG"),
    "date": Slot(numbers.date, "DATE"),
    "mon": Slot(lambda rng: rng.choice(entries("months")), "DATE"),
    "day": Slot(lambda rng: rng.choice(entries("weekdays")), "DATE"),
    "money": Slot(numbers.money),
    "time": Slot(numbers.clock),
    "qty": Slot(numbers.quantity),
    "n": Slot(lambda rng: str(rng.randint(1, 12))),
    "num": Slot(
        lambda rng: str(
            rng.choice((rng.randint(10, 99), rng.randint(100, 999), rng.randint(1, 40) * 50, rng.randint(1990, 2027)))
        )
    ),
    "w": Slot(numbers.word),
    "W": Slot(lambda rng: numbers.word(rng).capitalize()),
    "word2": Slot(lambda rng: f"{numbers.word(rng)} {numbers.word(rng)}"),
    "level": _from("levels"),
    "pay": _from("payments"),
    "color": _from("colours"),
    "size": _from("sizes"),
    "reason": _from("reasons"),
    "greet": _from("greetings"),
    "thx": _from("thanks"),
    "yes": _from("replies"),
    "rel": _from("relations"),
    "obj": _from("matters"),
    "prob": _from("problems"),
    "ptype": _from("product_kinds"),
    "food": _from("foods"),
    "software": _from("software"),
    "g1": _from("small_talk"),
    "tail": _from("tails"),
    "address_kw": _from("address_words"),
}

_DRAWS: Final[Mapping[str, Draw]] = {
    "ORDER_ID": numbers.code,
    "ACCOUNT_ID": numbers.account,
    "OTHER_ID": numbers.code,
    "CREDIT_CARD": numbers.card,
    "NATIONAL_ID": numbers.national_id,
    "PASSWORD": numbers.password,
    "PHONE": numbers.phone,
    "EMAIL": numbers.mail,
    "ADDRESS": places.postcode,
    "DATE_OF_BIRTH": numbers.birth_date,
    "USERNAME": numbers.user_name,
}


def grammar() -> Grammar:
    """The grammar that all templates of this project are written for."""
    kinds = tuple(IdKind(phrase, label, _DRAWS[label]) for phrase, label in columns("id_words"))
    return Grammar(_SLOTS, kinds)
