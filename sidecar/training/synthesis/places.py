"""Draws addresses of many countries, in the shapes in which customers type them, and places that are no addresses."""

from __future__ import annotations

import random
import string
from collections.abc import Callable
from typing import Final

from sidecar.training.synthesis.lists import columns, common_words, entries
from sidecar.training.synthesis.names import family, given

_COMPASS: Final = ("N", "S", "E", "W", "North", "South", "East", "West", "NW", "SE", "NE", "SW", "N.", "W.", "S.")
_UNITS: Final = (
    "apt ",
    "Apt ",
    "Apt. ",
    "apartment ",
    "unit ",
    "Unit ",
    "#",
    "suite ",
    "Ste ",
    "flat ",
    "Flat ",
    "floor ",
    "room ",
    "Apt #",
    "bldg ",
    "lot ",
)
_UK_AREAS: Final = (
    "SW",
    "NW",
    "E",
    "N",
    "SE",
    "W",
    "LS",
    "M",
    "B",
    "G",
    "EH",
    "CF",
    "BS",
    "L",
    "NE",
    "YO",
    "CB",
    "OX",
    "BN",
    "S",
    "DE",
    "PL",
    "EX",
    "KT",
    "RG",
    "SO",
    "PO",
    "AB",
    "BT",
)
_TOWN_ENDINGS: Final = (
    "ville",
    "ton",
    "burg",
    " City",
    " Falls",
    " Springs",
    "field",
    "boro",
    " Heights",
    " Hills",
    "mouth",
    "port",
    " Beach",
    " Park",
    "berg",
    "fort",
    " Creek",
)
_TOWN_STARTS: Final = (
    "North",
    "South",
    "East",
    "West",
    "New",
    "Port",
    "Lake",
    "Mount",
    "San",
    "Santa",
    "Saint",
    "Fort",
    "Old",
    "Upper",
    "Great",
    "Little",
)
_INDIAN_ROADS: Final = (
    "nagar",
    "street",
    "colony",
    "layout",
    "puram",
    "towers",
    "apartments",
    "residency",
    "cross",
    "main road",
    "enclave",
    "vihar",
    "marg",
    "garden",
)
_VENUES: Final = (
    "Hotel",
    "Park",
    "Mall",
    "Museum",
    "Theater",
    "Stadium",
    "Hospital",
    "Cafe",
    "Bar and Grill",
    "Inn",
    "Plaza",
    "Station",
    "Library",
    "Gym",
    "Restaurant",
    "Church",
    "Apartments",
    "Tower",
    "Clinic",
    "University",
)


def digits(count: int, rng: random.Random) -> str:
    """That many random digits."""
    return "".join(rng.choice(string.digits) for _ in range(count))


def city(rng: random.Random) -> str:
    """A city: mostly real, sometimes made up, so that unknown ones are learned."""
    lot = rng.random()
    if lot < 0.80:
        return rng.choice(entries("cities"))
    if lot < 0.91:
        return family(rng) + rng.choice(_TOWN_ENDINGS)
    return f"{rng.choice(_TOWN_STARTS)} {family(rng)}"


def state(rng: random.Random) -> str:
    """A US state, in full or short."""
    name, short = rng.choice(columns("states"))
    return short if rng.random() < 0.7 else name


def country(rng: random.Random) -> str:
    """A country."""
    return rng.choice(entries("countries"))


def place(rng: random.Random) -> str:
    """A city, state or country."""
    lot = rng.random()
    if lot < 0.55:
        return city(rng)
    if lot < 0.72:
        return f"{city(rng)}{rng.choice((', ', ' '))}{state(rng)}"
    if lot < 0.84:
        return rng.choice(columns("states"))[0]
    if lot < 0.97:
        return country(rng)
    return f"{city(rng)}, {country(rng)}"


def street(rng: random.Random) -> str:
    """House number and street."""
    lot = rng.random()
    if lot < 0.05:
        named = f"{_ordinal(rng.randint(1, 199))}"
    elif lot < 0.55:
        named = rng.choice(entries("street_names"))
    elif lot < 0.80:
        named = family(rng)
    elif lot < 0.88:
        named = given(rng)
    else:
        named = rng.choice(common_words()[300:]).capitalize() + rng.choice(
            ("", "", " " + rng.choice(entries("street_names")))
        )
    rows = columns("street_kinds")
    row = rng.choices(rows, [float(row[2]) for row in rows])[0]
    kind = row[0] if rng.random() < 0.5 else row[1]
    kind += "." if rng.random() < 0.05 else ""
    compass = f"{rng.choice(_COMPASS)} " if rng.random() < 0.14 else ""
    after = f" {rng.choice(_COMPASS)}" if rng.random() < 0.04 else ""
    return f"{_house(rng)} {compass}{named} {kind}{after}"


def _house(rng: random.Random) -> str:
    lot = rng.random()
    number = rng.randint(1, 99) if lot < 0.3 else rng.randint(100, 9999) if lot < 0.95 else rng.randint(10000, 39999)
    lot = rng.random()
    return (
        f"{number}{rng.choice('abcdABC')}"
        if lot < 0.05
        else f"{number}-{rng.randint(1, 99)}"
        if lot < 0.06
        else str(number)
    )


def _ordinal(number: int) -> str:
    ending = "th" if 10 < number % 100 < 14 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def unit(rng: random.Random) -> str:
    """A flat, suite or floor."""
    number = rng.choice(
        (
            digits(1, rng),
            digits(2, rng),
            digits(3, rng),
            digits(1, rng) + rng.choice("abcdABCD"),
            rng.choice("ABCDEFG"),
            digits(2, rng) + rng.choice("ABC"),
        )
    )
    return rng.choice(_UNITS) + number


def us_zip(rng: random.Random) -> str:
    """Five digits, sometimes nine."""
    return digits(5, rng) if rng.random() < 0.88 else f"{digits(5, rng)}-{digits(4, rng)}"


def uk_postcode(rng: random.Random) -> str:
    """A British postcode."""
    inner = rng.choice(string.digits) + "".join(rng.choice("ABDEFGHJLNPQRSTUWXYZ") for _ in range(2))
    outer = f"{rng.choice(_UK_AREAS)}{rng.randint(1, 30)}{rng.choice('  A')}".strip()
    return f"{outer}{rng.choice((' ', ' ', ' ', ''))}{inner}"


def canadian_postcode(rng: random.Random) -> str:
    """A Canadian postcode."""
    letters = "ABCEGHJKLMNPRSTVXY"
    made = [rng.choice(letters) if place % 2 == 0 else rng.choice(string.digits) for place in range(6)]
    return "".join(made[:3]) + rng.choice((" ", "")) + "".join(made[3:])


def postcode(rng: random.Random) -> str:
    """A postcode of some country."""
    lot = rng.random()
    if lot < 0.62:
        return us_zip(rng)
    if lot < 0.76:
        return digits(6, rng)
    if lot < 0.92:
        return uk_postcode(rng)
    return (
        canadian_postcode(rng)
        if lot < 0.96
        else f"{digits(4, rng)} {''.join(rng.choice(string.ascii_uppercase) for _ in range(2))}"
    )


def address(rng: random.Random) -> str:
    """An address of some country, whole or in part."""
    makers, weights = zip(*_ADDRESSES, strict=True)
    chosen: Callable[[random.Random], str] = rng.choices(makers, weights)[0]
    return " ".join(chosen(rng).split(" ")).strip(" ,")


def _street_only(rng: random.Random) -> str:
    return street(rng) + (f"{_comma(rng)}{unit(rng)}" if rng.random() < 0.25 else "")


def _us(rng: random.Random) -> str:
    separator = rng.choice((", ", ", ", " ", ", ", "  ", "\n"))
    text = street(rng)
    text += f"{_comma(rng)}{unit(rng)}" if rng.random() < 0.3 else ""
    text += separator + city(rng) + rng.choice((", ", " ", ", ")) + state(rng)
    text += rng.choice((" ", " ", ", ")) + us_zip(rng) if rng.random() < 0.85 else ""
    text += _comma(rng) + rng.choice(("USA", "US", "United States", "usa", "America")) if rng.random() < 0.08 else ""
    return text


def _street_city(rng: random.Random) -> str:
    return f"{street(rng)}{rng.choice((', ', ' ', ' in '))}{city(rng)}"


def _uk(rng: random.Random) -> str:
    front = f"{rng.choice(('Flat', 'flat', 'Unit'))} {digits(1, rng)}, " if rng.random() < 0.25 else ""
    town = f"{_comma(rng)}{city(rng)}" if rng.random() < 0.85 else ""
    return f"{front}{street(rng)}{town}{_comma(rng)}{uk_postcode(rng)}"


def _box(rng: random.Random) -> str:
    box = rng.choice(("P.O. Box ", "PO Box ", "po box ", "P O Box ", "Box ")) + digits(rng.randint(2, 5), rng)
    return box + rng.choice(("", f"{_comma(rng)}{city(rng)}{_comma(rng)}{state(rng)} {us_zip(rng)}"))


def _european(rng: random.Random) -> str:
    number = digits(rng.choice((1, 2, 3)), rng).lstrip("0") or "7"
    line = rng.choice(
        (
            f"{family(rng)}str. {number}", f"{family(rng)}straße {number}", f"{city(rng)}er Straße {number}", f"{family(rng)}weg {number}{rng.choice('  ab').strip()}", f"{number} rue de {family(rng)}",
            f"rue {family(rng)} {number}", f"{number} avenue {family(rng)}", f"calle {family(rng)} {number}", f"C/ {family(rng)} {number}, {digits(1, rng)}º", f"via {family(rng)} {number}",
            f"ul. {family(rng)} {number}/{digits(1, rng)}", f"{family(rng)}straat {number}", f"{family(rng)}gatan {number}", f"rua {family(rng)}, {number}", f"Avenida {family(rng)} {number}", f"{family(rng)}laan {number}",
        )
    )  # fmt: skip
    if rng.random() < 0.2:
        return line
    code = rng.choice(
        (
            digits(5, rng),
            digits(4, rng),
            f"{digits(4, rng)} {''.join(rng.choice('ABCDEXZ') for _ in range(2))}",
            f"{digits(2, rng)}-{digits(3, rng)}",
        )
    )
    return f"{line}{rng.choice((', ', ' '))}{code} {city(rng)}" + (f", {country(rng)}" if rng.random() < 0.25 else "")


def _indian(rng: random.Random) -> str:
    number = digits(rng.choice((1, 2, 3)), rng)
    joint = rng.choice((" ", " ", ", "))
    lot = rng.random()
    if lot < 0.3:
        return f"House No {number}{joint}{rng.choice(('Sector', 'Block', 'Phase'))} {digits(1, rng)}{joint}{city(rng)} {digits(6, rng)}"
    if lot < 0.55:
        return f"no {number} {rng.choice(('gateway', 'temple', 'gandhi', 'station', 'market', 'church', given(rng)))} {rng.choice(_INDIAN_ROADS)}{joint}{city(rng)}{rng.choice(('', ' ' + digits(6, rng)))}"
    if lot < 0.8:
        return f"{number}{rng.choice(('', '/' + digits(1, rng)))}{joint}{given(rng)} {rng.choice(_INDIAN_ROADS)}{joint}{city(rng)}"
    return f"{rng.choice(_COMPASS[4:8])} {rng.choice(('masi', 'mada', 'car', 'main', 'cross', family(rng)))} street{joint}{city(rng)}"


def _rambling(rng: random.Random) -> str:
    """What lorem-ipsum tools and careless typists make: words of addresses in no set order."""
    kind = rng.choice(
        (
            "streets",
            "coves",
            "extension",
            "village",
            "mills",
            "plains",
            "court",
            "port",
            "ridges",
            "islands",
            "groves",
            "square",
            "street",
            "road",
            "estate",
            "farm",
        )
    )
    where = f"{rng.choice(('lake', 'north', 'south', 'new', 'port', 'east'))} {family(rng)}{rng.choice(('', 'ville', 'fort', 'berg', 'mouth', 'town'))}"
    return f"{digits(rng.choice((2, 3, 4)), rng)} {family(rng)} {kind} {rng.choice(('', unit(rng)))} {where} {rng.choice(columns('states'))[0]} {rng.choice(('', country(rng)))} {digits(rng.choice((5, 9)), rng)}"


def _region(rng: random.Random) -> str:
    joint = rng.choice((" ", ", "))
    return f"{rng.choice(columns('states'))[0]}{joint}{city(rng)}{joint}{rng.choice(('usa', 'us', 'america', digits(5, rng)))}"


def _comma(rng: random.Random) -> str:
    return rng.choice((" ", ", ", ","))


_ADDRESSES: Final = (
    (_street_only, 26), (_us, 38), (_street_city, 7), (_uk, 9), (_box, 3), (_european, 7), (_indian, 6), (_rambling, 3), (_region, 1),
)  # fmt: skip


def crossing(rng: random.Random) -> str:
    """Two streets that meet: where a driver is sent, so an address."""
    names = (*entries("street_names"), family(rng), _ordinal(rng.randint(1, 99)))
    return f"{rng.choice(names)} {rng.choice(('and', 'and', '&', 'at'))} {rng.choice((*names, 'Main', family(rng)))}"


def venue(rng: random.Random) -> str:
    """A place that people go to; not an address."""
    lot = rng.random()
    word = rng.choice(common_words()).capitalize()
    if lot < 0.4:
        return f"{rng.choice((word, family(rng), city(rng)))} {rng.choice(_VENUES)}"
    if lot < 0.6:
        return f"{city(rng)} {rng.choice(('Airport', 'International Airport', 'Union Station', 'Central Station', 'Zoo', 'Convention Center'))}"
    if lot < 0.85:
        return "the " + rng.choice(
            (
                "airport",
                "mall",
                "train station",
                "hospital",
                "university",
                "museum",
                "office",
                "north side",
                "beach",
                "gym",
                "bank",
                "hotel",
            )
        )
    return rng.choice(("Union", "Central", "Penn", "Grand Central", "South", "30th Street", "Victoria")) + " Station"
