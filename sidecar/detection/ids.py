"""Order, account, policy and other numbers by the words beside them, by an operator's grammar, and alone (D6). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from sidecar.detection.codes import Code, is_measure, is_round, is_year, read_code
from sidecar.detection.dialogue import Question
from sidecar.detection.scores import CONTEXT, DIALOGUE, GRAMMAR, GUESS
from sidecar.detection.span import Span
from sidecar.detection.view import View
from sidecar.detection.vocabulary import COUNTED, Mention, Strength

RULE: Final = "ids"
_MOST_LINKS: Final = 7
_NOT_CODES: Final = frozenset({"PERSON", "EMAIL", "ORG", COUNTED})
_NUMBERED: Final = frozenset({"ORDER_ID", "OTHER_ID", "TRACKING_NUMBER"})
_HIDDEN: Final = frozenset({"PASSWORD", "ACCOUNT_ID", "NATIONAL_ID", "ORDER_ID", "CREDIT_CARD"})
_ALTERNATIVES: Final = frozenset({"or", "and", "oder", "ou", "o"})
_LEAST_DIGITS: Final = {"PHONE": 5, "CREDIT_CARD": 3, "IBAN": 8, "ADDRESS": 4, "DATE_OF_BIRTH": 4}
_VERSION: Final = re.compile(r"[0-9]{1,5}(?:\.[0-9]{1,5}){2,8}")
_LONG_NUMBER: Final = 7
_LONGEST_LONE: Final = 24
"""Words of a message in which a code can still be all that matters. Keeps the look at the others linear (D17)."""
_PLATE: Final = re.compile(r"(?<![a-z0-9])[a-hj-pr-y][a-hj-y][0-9]{2}\s?[a-hj-pr-z]{3}(?![a-z0-9])")
_LOCATOR_LETTERS: Final = range(5, 9)
_STATES: Final = frozenset({"expired", "unknown", "invalid", "blank", "incorrect", "canceled", "rejected", "required"})
"""What is said of a locator in capitals, as it is shown on a screen."""
_BEHIND_MODELS: Final = frozenset({"ltd", "abc", "pro", "max", "plus"})
_COPULAS: Final = frozenset({"is", "as", "my", "the", "was", "ist", "es", "est"})


def find_named(view: View) -> Iterable[Span]:
    """ "my account number is 4821", "order #A-991", "pin 3100", "4821 is my account number"."""
    for mention in view.mentions:
        if mention.slot in _NOT_CODES or not view.has_digit or _is_public(view, mention):
            continue
        code = _ahead(view, mention)
        if code is None:
            yield from _behind(view, mention)
            continue
        yield view.span(code.first, code.last, mention.slot, CONTEXT, RULE)
        yield from _alternatives(view, code, mention)


def _is_public(view: View, mention: Mention) -> bool:
    """Say whether the number is a thing's, not a person's: "the flight with id 445"."""
    return any(word in view.vocabulary.enumerated for word in view.words[max(0, mention.first - 2) : mention.first])


def _ahead(view: View, mention: Mention) -> Code | None:
    """Read the value after the words that name it, past at most seven linking words."""
    place = mention.last
    limit = min(len(view.words), mention.last + _MOST_LINKS)
    while place < limit:
        if place > mention.last and _ends_clause(view.gap(place)):
            return None
        if _is_last_four(view, place):
            place += 1
            continue
        code = read_code(view, place)
        if code is not None:
            return code if _is_value(view, code, mention) else None
        if view.words[place] not in view.vocabulary.links:
            return None
        place += 1
    return None


def _alternatives(view: View, code: Code, mention: Mention) -> Iterator[Span]:
    """ "my pin is 3100 or 7402": what follows "or" and has the same length is of the same kind."""
    place = code.last
    while place + 1 < len(view.words) and view.words[place] in _ALTERNATIVES:
        follower = read_code(view, place + 1)
        if follower is None or len(follower.compact) != len(code.compact) or is_measure(view, follower):
            return
        yield view.span(follower.first, follower.last, mention.slot, CONTEXT, RULE)
        place = follower.last


def _ends_clause(gap: str) -> bool:
    return any(mark in gap for mark in "!?;\n") or ". " in gap


def _is_last_four(view: View, place: int) -> bool:
    """ "last 4 digits": this 4 is no value."""
    words = view.words
    return (
        words[place] in {"4", "four", "6", "16", "10"}
        and place + 1 < len(words)
        and (
            words[place + 1] in {"digits", "digit", "of"}
            or (words[place - 1] == "last" and words[place + 1][0].isdigit())
        )
    )


def _is_value(view: View, code: Code, mention: Mention) -> bool:
    """Say whether a code can be what the words before or after it name."""
    if is_measure(view, code) or code.digit_count < _LEAST_DIGITS.get(mention.slot, 1):
        return False
    if mention.strength is Strength.STRONG:
        return len(code.compact) >= 2
    return _is_code_like(code) or _is_short_number(view, code, mention)


def _is_short_number(view: View, code: Code, mention: Mention) -> bool:
    """ "ride 788 please", "order #52": two or three digits right after the noun, with nothing counted after them."""
    if not code.is_number or len(code.compact) < 2 or mention.slot not in _NUMBERED:
        return False
    if "#" in view.gap(code.first):
        return True
    ends = (
        code.last == len(view.words) or view.gap(code.last).strip() or view.words[code.last] in view.vocabulary.common
    )
    return code.first == mention.last and len(code.compact) == 3 and bool(ends) and not code.compact.endswith("00")


def _is_code_like(code: Code) -> bool:
    """Say whether a code stands out by itself: four digits that are no year or amount, or letters and digits."""
    if code.is_number:
        return not is_round(code.compact) and not is_year(code.compact)
    return len(code.compact) >= 4 and code.digit_count >= 2


def _behind(view: View, mention: Mention) -> Iterator[Span]:
    """ "4821 is my account number": a code, then linking words, then what it is."""
    place = mention.first - 1
    while (
        place >= 0
        and mention.first - place <= 4
        and view.words[place] in _COPULAS
        and not _ends_clause(view.gap(place + 1))
    ):
        place -= 1
    if place < 0 or place == mention.first - 1 or not any(c.isdigit() for c in view.words[place]):
        return
    code = read_code(view, place)
    if code is not None and code.last == place + 1 and _is_value(view, code, mention):
        yield view.span(code.first, code.last, mention.slot, CONTEXT, RULE)


def find_plates(view: View, question: Question) -> Iterator[Span]:
    """British plates of since 2001: in capitals anywhere, in any case where a plate is spoken of.

    A word after a model looks like one: "MX50 PRO", "the gt40 car".
    """
    if not view.has_digit:
        return
    named = "VEHICLE_PLATE" in (*question.slots, *(mention.slot for mention in view.mentions))
    for match in _PLATE.finditer(view.lower):
        upper, letters = view.text[match.start() : match.end()].isupper(), view.lower[match.end() - 3 : match.end()]
        if named and not upper and view.lower[match.end() - 4].isspace() and view.vocabulary.is_chat(letters):
            continue
        if named or (upper and letters not in _BEHIND_MODELS and not view.vocabulary.is_plain(letters)):
            yield Span(*match.span(), "VEHICLE_PLATE", CONTEXT if named else GRAMMAR, RULE)


def find_locators(view: View, question: Question) -> Iterator[Span]:
    """ "booking reference KLMNOP": record locators may be capitals alone."""
    for mention in view.mentions:
        place = mention.last
        while place < min(len(view.words), mention.last + _MOST_LINKS) and view.words[place] in view.vocabulary.links:
            place += 1
        if mention.slot == "ORDER_ID" and mention.strength is Strength.STRONG and _is_locator(view, place):
            yield view.span(place, place + 1, "ORDER_ID", CONTEXT, RULE)
    if "ORDER_ID" in question.slots and len(view.words) == 1 and _is_locator(view, 0):
        yield view.span(0, 1, "ORDER_ID", DIALOGUE, RULE)


def _is_locator(view: View, place: int) -> bool:
    if place >= len(view.words) or not view.words[place].isalpha() or len(view.words[place]) not in _LOCATOR_LETTERS:
        return False
    written = view.text[view.starts[place] : view.ends[place]]
    word = view.words[place]
    return written.isupper() and word not in _STATES and not view.vocabulary.is_plain(word)


def find_lone(view: View, question: Question) -> Iterable[Span]:
    """Numbers and codes that nothing names: long numbers anywhere, and short messages that are little else (D6).

    What people send on its own in a service chat is an identifier, unless it is a year, an amount or a measure, or a
    question about counts was asked.
    """
    if not view.has_digit or question.counts:
        return
    named = _named_anywhere(view)
    place = 0
    while place < len(view.words):
        code = read_code(view, place)
        if code is None:
            place += 1
            continue
        score = 0.0 if is_measure(view, code) else _lone_score(view, code, question)
        if score:
            yield view.span(code.first, code.last, "OTHER_ID", score, RULE)
        elif named and _is_code_like(code) and code.is_number and not is_measure(view, code):
            yield view.span(code.first, code.last, named, GUESS, RULE)
        place = code.last


def _named_anywhere(view: View) -> str | None:
    """Return the first slot that a short message names for sure: "i forgot my pin ... it was either 3100 or 7402"."""
    if len(view.words) > _LONGEST_LONE + _LONGEST_LONE:
        return None
    strong = (m.slot for m in view.mentions if m.strength is Strength.STRONG and m.slot in _HIDDEN)
    return next(strong, None)


def _lone_score(view: View, code: Code, question: Question) -> float:
    if _VERSION.fullmatch(view.lower, view.starts[code.first], view.ends[code.last - 1]):
        return 0.0
    if code.digit_count >= _LONG_NUMBER:
        return GRAMMAR
    alone = _is_alone(view, code)
    if code.is_number:
        short = len(code.compact) < 5 and (is_round(code.compact) or is_year(code.compact))
        wanted = not question.asked or len(code.compact) >= 5
        return GUESS if alone and wanted and not short and not is_round(code.compact) else 0.0
    if len(code.compact) >= 6 and code.digit_count >= 3:
        return GUESS
    return GUESS if alone and len(code.compact) >= 4 and code.digit_count >= 2 else 0.0


def _is_alone(view: View, code: Code) -> bool:
    """Say whether the message holds little but the code: fillers, and at most three words that are no everyday ones."""
    if len(view.words) > _LONGEST_LONE:
        return False
    others = [
        word
        for place, word in enumerate(view.words)
        if not code.first <= place < code.last and word not in view.vocabulary.fillers
    ]
    return len(others) <= 3 and not any(
        word in view.vocabulary.common or word in view.vocabulary.units for word in others
    )
