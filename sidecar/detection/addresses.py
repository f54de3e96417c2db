"""Street addresses by grammar: US, UK and EU shapes, in any case, with or without punctuation (D4). Pure.

An address is grown from an anchor (a street type, a postcode, a PO box) word by word, with every step bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from sidecar.detection.dialogue import Question
from sidecar.detection.postal_lines import find_postal_lines
from sidecar.detection.postcodes import find_postcodes
from sidecar.detection.scores import DIALOGUE, GRAMMAR, STRONG_GRAMMAR
from sidecar.detection.span import Span
from sidecar.detection.view import View
from sidecar.detection.words.table import words_in

RULE: Final = "address"
_HOUSE: Final = re.compile(r"[0-9]{1,6}[a-z]?")
_ZIP: Final = re.compile(r"[0-9]{4,6}")
_ORDINAL: Final = re.compile(r"[0-9]{1,3}(?:st|nd|rd|th)")
_DIRECTIONS: Final = frozenset(
    words_in("n s e w ne nw se sw north south east west northeast northwest southeast southwest")
)
_WEAK_STREETS: Final = frozenset(
    words_in(
        "way place court drive close square circle row walk rise loop crossing grove gardens ridge "
        "route rte cove hollow "
        "glen terrace trail alley highway pike plaza crossings"
    )
)
"""Street types that are everyday words: they need a house number close before them."""
_PARTS_OF_TOWN: Final = frozenset(
    words_in(
        "norra sodra ostra vastra stora lilla gamla nya nordre sondre ostre vestre store lille nedre ovre gamle nye"
    )
)
"""What a Scandinavian street's name may begin with, as a word of its own."""
_NOT_STREETS: Final = frozenset(words_in("brigade renegade brigades"))
_MOST_STREET_WORDS: Final = 5
_MOST_TOWN_WORDS: Final = 5
_MOST_WORDS: Final = 14
_LONGEST_ANSWER: Final = 16
_SEPARATORS: Final = frozenset(
    {" ", ", ", ",", "  ", ". ", "\n", ",\n", "-", " - ", " #", ", #", " ,", ".", "'", "' ", "/"}
)


def find_addresses(view: View, question: Question) -> Iterable[Span]:
    if not view.has_digit:
        return
    yield from _streets(view)
    yield from _announced(view, question)
    yield from _corners(view)
    yield from find_postal_lines(view, question)
    yield from find_postcodes(view, question)


def _streets(view: View) -> Iterator[Span]:
    reached = 0
    for place, word in enumerate(view.words):
        if place < reached:
            continue
        first, last = _street_at(view, place, word)
        if last <= first:
            continue
        end, full = _tail(view, last)
        reached = end
        yield view.span(first, end, "ADDRESS", STRONG_GRAMMAR if full else GRAMMAR, RULE)


def _street_at(view: View, place: int, word: str) -> tuple[int, int]:
    """Return the words of the street whose type stands at ``place``; an empty range where there is none."""
    vocabulary = view.vocabulary
    if word in vocabulary.streets:
        house = _house_before(view, place)
        return (house, _after_type(view, place)) if house is not None else (place, place)
    ending = _street_ending(view, word)
    if ending and place + 1 < len(view.words) and _HOUSE.fullmatch(view.words[place + 1]):
        if len(word) > len(ending) + 2 or (word == ending and place and ending in {"strasse", "str", "straat"}):
            first = place - 1 if word == ending or (place and view.words[place - 1] in _PARTS_OF_TOWN) else place
            return first, place + 2
        return place, place
    mention = vocabulary.street_heads.at(view.words, place)
    if mention is not None:
        return _headed(view, place, mention.last)
    return place, place


def _street_ending(view: View, word: str) -> str:
    if word in _NOT_STREETS:
        return ""
    endings = view.vocabulary.street_endings
    return next(ending for ending in endings if word.endswith(ending)) if word.endswith(endings) else ""


def _house_before(view: View, street_type: int) -> int | None:
    """Step back from a street type to its house number over at most five words of the street's name."""
    place = street_type - 1
    named = 0
    while place >= 0 and named <= _MOST_STREET_WORDS:
        word = view.words[place]
        if view.gap(place + 1) not in _SEPARATORS:
            return None
        if _HOUSE.fullmatch(word) and not (
            place + 1 < street_type and view.words[place + 1] in {"st", "nd", "rd", "th"}
        ):
            if named == 0 and (view.words[street_type] in _WEAK_STREETS or view.words[street_type] == "rd"):
                return None
            return place if named or word[0] != "0" else None
        if _stops_street(view, word, named, street_type):
            return None
        named += 1
        place -= 1
    return None


def _stops_street(view: View, word: str, named: int, street_type: int) -> bool:
    if _ORDINAL.fullmatch(word) or word in _DIRECTIONS or word in {"st", "nd", "rd", "th", "la", "de", "new", "old"}:
        return False
    if word in view.vocabulary.units:
        return True
    weak = view.words[street_type] in _WEAK_STREETS
    return (word in view.vocabulary.fillers and named < 4) or (weak and view.vocabulary.is_chat(word))


def _after_type(view: View, place: int) -> int:
    """Take in further types and a direction after the street type: "park avenue street", "main st ne"."""
    last = place + 1
    while last < len(view.words) and last - place < 3 and view.gap(last) in _SEPARATORS:
        if view.words[last] not in view.vocabulary.streets and view.words[last] not in _DIRECTIONS:
            break
        last += 1
    return last


def _headed(view: View, place: int, name: int) -> tuple[int, int]:
    """ "rue de la paix 12", "12 rue de la paix", "calle mayor 5", "via roma 3": the type comes first."""
    words = view.words
    house = place - 1 if place and _HOUSE.fullmatch(words[place - 1]) else None
    for last in range(name + 1, min(name + 6, len(words)) if house is None else 0):
        if _HOUSE.fullmatch(words[last]) and len(words[last]) < 5 and view.gap(last) in {" ", ", ", ",", " nº "}:
            return place, last + 1
    if house is None or name >= len(words):
        return place, place
    last = name
    while last < len(words) and last - name < 4 and view.gap(last) in {" ", "'", "-"}:
        last += 1
        if words[last - 1] not in {
            "de",
            "la",
            "du",
            "des",
            "le",
            "les",
            "l",
            "d",
            "del",
            "della",
            "dei",
            "das",
            "dos",
            "do",
            "da",
        }:
            break
    return house, last


def _announced(view: View, question: Question) -> Iterator[Span]:
    """A house number after "my address is", or at the start of an answer to a question for the address."""
    starts = [mention.last for mention in view.mentions if mention.slot == "ADDRESS"]
    if "ADDRESS" in question.slots and len(view.words) <= _LONGEST_ANSWER:
        starts.append(0)
    for start in starts:
        place = start
        while place < len(view.words) and place - start < 6 and view.words[place] in view.vocabulary.links:
            place += 1
        end = _end_of_announced(view, place)
        if end - place >= 2:
            yield view.span(place, end, "ADDRESS", DIALOGUE, RULE)


def _end_of_announced(view: View, place: int) -> int:
    """Return where the address that begins at ``place`` ends; ``place`` if no house number begins it."""
    if place >= len(view.words) or not _HOUSE.fullmatch(view.words[place]):
        return place
    last = place + 1
    while last < len(view.words) and last - place < _MOST_WORDS and view.gap(last) in _SEPARATORS:
        word = view.words[last]
        counted = last == place + 1 and (word in view.vocabulary.units or word in view.vocabulary.ordinary)
        if (
            counted
            or view.vocabulary.is_chat(word)
            or (word.isdigit() and len(word) > 6)
            or view.vocabulary.slots.at(view.words, last)
        ):
            break
        last += 1
    return last


def _tail(view: View, last: int) -> tuple[int, bool]:
    """Grow an address past its street: unit, town, region, postcode. Full if it reached a region or postcode."""
    words = view.words
    place = _units(view, last)
    end = place
    full = False
    look = place
    while look < len(words) and look - place <= _MOST_TOWN_WORDS and view.gap(look) in _SEPARATORS:
        region = _region_at(view, look)
        if region:
            look += region
            end, full = look, True
            continue
        if _ZIP.fullmatch(words[look]) and (look - place > 0 or len(words[look]) == 5 or _is_short_zip(view, look)):
            look += 1
            end, full = (look if look - place > 1 else _town_after(view, look)), True
            look = end
            continue
        if view.vocabulary.is_chat(words[look]) and words[look] not in {
            "new",
            "north",
            "south",
            "east",
            "west",
            "city",
        }:
            break
        look += 1
    if not full and look == len(words) and look - place <= 3:
        end = look
    return end, full


def _is_short_zip(view: View, place: int) -> bool:
    """ "Storgata 9, 0155 Oslo": four digits between a house number with a comma and a town."""
    words = view.words
    before = _HOUSE.fullmatch(words[place - 1]) and "," in view.gap(place)
    return bool(before) and len(words[place]) == 4 and _town_after(view, place + 1) > place + 1


def _town_after(view: View, place: int) -> int:
    """Take in the town that follows a postcode in Europe: at most two words that are none of a chat's own."""
    last = place
    while last < len(view.words) and last - place < 2 and view.gap(last) in {" ", ", "}:
        if not view.words[last].isalpha() or view.vocabulary.is_chat(view.words[last]):
            break
        last += 1
    return last


def _region_at(view: View, place: int) -> int:
    mention = view.vocabulary.regions.at(view.words, place)
    return mention.last - place if mention is not None else 0


def _units(view: View, place: int) -> int:
    """ "apt 3b", "suite 200", "# 5", "2nd floor"."""
    words = view.words
    while place < len(words):
        if "#" in view.gap(place) and _HOUSE.fullmatch(words[place]):
            place += 1
        elif (
            words[place] in view.vocabulary.street_units and place + 1 < len(words) and len(words[place + 1]) <= 5
        ) or (_ORDINAL.fullmatch(words[place]) and words[place + 1 : place + 2] in (("floor",), ("fl",))):
            place += 2
        else:
            break
    return place


def _corners(view: View) -> Iterator[Span]:
    """ "5th and main", "corner of oak and 3rd": two streets that cross, at least one of them numbered."""
    words = view.words
    for place in range(1, len(words) - 1):
        if words[place] not in {"and", "n"} or view.gap(place) != " " or view.gap(place + 1) not in {" ", " & "}:
            continue
        if (_ORDINAL.fullmatch(words[place - 1]) and not _is_dated(view, place + 1)) or (
            _ORDINAL.fullmatch(words[place + 1]) and not view.vocabulary.is_chat(words[place - 1])
        ):
            yield view.span(place - 1, place + 2, "ADDRESS", GRAMMAR, RULE)


def _is_dated(view: View, place: int) -> bool:
    word = view.words[place]
    chat = view.vocabulary.is_chat(word) or word in view.vocabulary.months
    return bool(_ORDINAL.fullmatch(word)) or chat or (len(word) > 5 and word.endswith("ing"))
