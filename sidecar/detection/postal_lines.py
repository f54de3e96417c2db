"""Addresses that no street type gives away, known by house number, postcode and town side by side (D4). Pure.

"Unter den Linden 77, 10117 Berlin", "Rynek Główny 12, 31-042 Kraków", and Indian ones, which begin with a flat or a
plot and end with a PIN code. In lower case, only the name of a large town or a question for the address tells the
former from "released 5, 10117 files" (D11). Every step from an anchor is bounded (D17).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from sidecar.detection.dialogue import Question
from sidecar.detection.scores import DIALOGUE, STRONG_GRAMMAR
from sidecar.detection.span import Span
from sidecar.detection.view import View
from sidecar.detection.words.table import words_in
from sidecar.detection.words.towns import TOWNS

RULE: Final = "address"
_HOUSE: Final = re.compile(r"[1-9][0-9]{0,3}[a-z]?")
_ZIP: Final = re.compile(r"[0-9]{4,5}")
_PIN: Final = re.compile(r"(?![0-9]{3}000)[1-9][0-9]{5}")
_YEAR: Final = re.compile(r"19[0-9]{2}|20[0-3][0-9]")
_AFTER_HOUSE: Final = frozenset({", ", ",", ",\n", "\n"})
_INSIDE_NAME: Final = frozenset({" ", "-", ". ", ".", "'"})
_PARTICLES: Final = frozenset(
    words_in("am an im in der die das dem den des zum zur auf unter ob de la le les du del della di da do dos van het")
)
"""What a street's name holds beside its own words; some are everyday words elsewhere."""
_MOST_NAME_WORDS: Final = 4
_PREMISES: Final = frozenset(words_in("flat plot house door shop villa bungalow h"))
_NUMBER_SIGNS: Final = frozenset(words_in("no number num nr"))
_LANDMARKS: Final = frozenset(
    words_in("near opposite opp behind beside off next to of bus hospital university office house airport")
)
"""Words of chats that lead to a place in an Indian address."""
_OTHER_NUMBERS: Final = frozenset(
    words_in(
        "total price priced amount amounts cost costs rent rents rental budget fee fees worth value deposit loan emi "
        "mortgage advance balance bill billed invoice order booking reference ref ticket case account receipt payment "
        "paid transaction tax maintenance salary approx around about upto only rs inr rupees usd eur gbp "
        "mileage odometer reading listing codec area sqft"
    )
)
"""What six digits are that close no address."""
_AMOUNTS: Final = frozenset(
    words_in("rs inr rupees rupee usd dollars dollar eur euros euro gbp pounds bucks points credits people units sqft")
)
_MOST_WORDS: Final = 18
_LONGEST_ANSWER: Final = 8
_PARTS: Final = frozenset({" ", ", ", ",", ",\n", "\n", "-", " - ", " -", "- ", "/", ".", ". ", " , "})


def find_postal_lines(view: View, question: Question) -> Iterator[Span]:
    yield from _answered(view, question)
    reached = 0
    for place, word in enumerate(view.words):
        if place < reached:
            continue
        first, last = (
            _premises(view, place) if word in _PREMISES else _numbered_street(view, place, "ADDRESS" in question.slots)
        )
        if last > first:
            reached = last
            yield view.span(first, last, "ADDRESS", STRONG_GRAMMAR, RULE)


def _answered(view: View, question: Question) -> Iterator[Span]:
    """ "Unter den Linden 77, Berlin" in answer to a question for the address, which needs no postcode."""
    words = view.words
    if "ADDRESS" not in question.slots or "PERSON" in question.slots or len(words) > _LONGEST_ANSWER:
        return
    house = next((place for place, word in enumerate(words) if _HOUSE.fullmatch(word)), 0)
    if house and _first_of_name(view, house) == 0:
        last = house + 1
        while last < len(words) and view.gap(last) in _PARTS and not view.vocabulary.is_chat(words[last]):
            last += 1
        yield view.span(0, last, "ADDRESS", DIALOGUE, RULE)


def _numbered_street(view: View, house: int, asked: bool) -> tuple[int, int]:
    """Return the words of the address whose house number stands at ``house``; an empty range where there is none."""
    words = view.words
    if not _HOUSE.fullmatch(words[house]) or house + 2 >= len(words) or view.gap(house + 1) not in _AFTER_HOUSE:
        return house, house
    town = _after_postcode(view, house + 1)
    if town is None or not _is_town(view, town):
        return house, house
    first = _first_of_name(view, house)
    last = town + 1
    if last < len(words) and view.gap(last) in {" ", "-"} and _is_town(view, last):
        last += 1
    sure = asked or _is_written_as_name(view, first, house, town)
    return (first, last) if first < house and sure else (house, house)


def _is_written_as_name(view: View, first: int, house: int, town: int) -> bool:
    """Say whether the town is known, or street and town are capitalised in a text that is not all capitals.

    "July 4, 2026 Denver" is a date, and "Fallout 4, 2015 Edition" has a year.
    """
    if first + 1 == house and view.words[first] in view.vocabulary.months:
        return False
    if view.words[town] in TOWNS:
        return True
    if _YEAR.fullmatch(view.words[town - 1]):
        return False
    capitals = _is_capital(view, town) and any(_is_capital(view, place) for place in range(first, house))
    return capitals and not view.text.isupper()


def _after_postcode(view: View, place: int) -> int | None:
    """Return the place after "10117" or "31-042"."""
    words = view.words
    if _ZIP.fullmatch(words[place]):
        return place + 1
    polish = len(words[place]) == 2 and view.lower[view.ends[place] : view.ends[place] + 1] == "-"
    if polish and words[place].isdigit() and words[place + 1].isdigit() and len(words[place + 1]) == 3:
        return place + 2
    return None


def _is_town(view: View, place: int) -> bool:
    if place >= len(view.words) or view.gap(place) not in {" ", "-"}:
        return False
    word = view.words[place]
    return len(word) > 2 and word.isalpha() and not view.vocabulary.is_plain(word) and word not in view.vocabulary.units


def _first_of_name(view: View, house: int) -> int:
    """Step back over the street's name: words that are written alike, and particles between them."""
    capital = _is_capital(view, house - 1) if house else False
    first = house
    for place in range(house - 1, max(-1, house - 1 - _MOST_NAME_WORDS), -1):
        word = view.words[place]
        if view.gap(place + 1) not in _INSIDE_NAME or not word.isalpha() or word in view.vocabulary.enumerated:
            break
        if word in _PARTICLES and first < house:
            first = place
            continue
        if view.vocabulary.is_plain(word) or (capital and not _is_capital(view, place)):
            break
        first = place
    while first < house and view.words[first] in {"in", "an"} and not _is_capital(view, first):
        first += 1
    return first


def _is_capital(view: View, place: int) -> bool:
    return view.text[view.starts[place]].isupper()


def _premises(view: View, place: int) -> tuple[int, int]:
    """ "Flat No 302, Sai Krupa Apartments, MG Road, Bengaluru 560001": from the flat to the PIN code."""
    words = view.words
    number = place + 1
    while number < len(words) and words[number] in _NUMBER_SIGNS:
        number += 1
    if number < len(words) and words[place] == "h" and number == place + 1 and view.gap(number) == " ":
        return place, place
    if number >= len(words) or not any(char.isdigit() for char in words[number]):
        return place, place
    named = False
    for last in range(number + 1, min(place + _MOST_WORDS, len(words))):
        word = words[last]
        counted = last == number + 1 and word in view.vocabulary.units
        if view.gap(last) not in _PARTS or word in _OTHER_NUMBERS or counted:
            break
        if view.vocabulary.is_chat(word) and word not in _LANDMARKS:
            break
        if _PIN.fullmatch(word):
            amount = last + 1 < len(words) and words[last + 1] in _AMOUNTS
            return (place, last + 1) if named and not amount else (place, place)
        named = named or (len(word) > 2 and word.isalpha() and not view.vocabulary.is_plain(word))
    return place, place
