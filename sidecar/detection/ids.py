"""Order, account, policy and other numbers by the words beside them, by an operator's grammar, and alone (D6). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from sidecar.detection.codes import Code, is_measure, is_round, is_year, read_code
from sidecar.detection.dialogue import Question
from sidecar.detection.scores import CONTEXT, GRAMMAR, GUESS
from sidecar.detection.span import Span
from sidecar.detection.view import View
from sidecar.detection.vocabulary import COUNTED, Mention, Strength

RULE: Final = "ids"
_MOST_FILLERS: Final = 7
_WORDED: Final = frozenset({"PASSWORD", "USERNAME"})
_NOT_CODES: Final = frozenset({"PERSON", "EMAIL", COUNTED})
_LEAST_DIGITS: Final = {"PHONE": 5, "CREDIT_CARD": 3, "IBAN": 8, "ADDRESS": 4, "DATE_OF_BIRTH": 4}
_LONG_NUMBER: Final = 7
_LINKS: Final = frozenset({"is", "as", "my", "the", "was", "ist", "es", "est"})


def find_named(view: View) -> Iterable[Span]:
    """ "my account number is 4821", "order #A-991", "pin 3100", "4821 is my account number"."""
    for mention in view.mentions:
        if mention.slot in _NOT_CODES:
            continue
        ahead = _ahead(view, mention)
        if ahead is not None:
            yield ahead
        elif view.has_digit:
            yield from _behind(view, mention)


def _ahead(view: View, mention: Mention) -> Span | None:
    """Read the value after the words that name it, past at most seven filler words."""
    place, linked = mention.last, False
    limit = min(len(view.words), mention.last + _MOST_FILLERS)
    while place < limit:
        if place > mention.last and _ends_clause(view.gap(place)):
            return None
        if _is_last_four(view, place):
            place += 1
            continue
        code = read_code(view, place)
        if code is not None:
            return _named(view, code, mention)
        word = view.words[place]
        linked = linked or word in _LINKS or ":" in view.gap(place) or "=" in view.gap(place)
        if word not in view.vocabulary.fillers:
            return _worded(view, place, mention, linked)
        place += 1
    return None


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


def _named(view: View, code: Code, mention: Mention) -> Span | None:
    if is_measure(view, code) or code.digit_count < _LEAST_DIGITS.get(mention.slot, 1):
        return None
    if mention.strength is Strength.WEAK and not _is_code_like(code):
        return None
    if mention.strength is Strength.STRONG and len(code.compact) < 2:
        return None
    return view.span(code.first, code.last, mention.slot, CONTEXT, RULE)


def _is_code_like(code: Code) -> bool:
    """Say whether a code stands out by itself: four digits that are no year or amount, or letters and digits."""
    if code.is_number:
        return not is_round(code.compact) and not is_year(code.compact)
    return len(code.compact) >= 4 and code.digit_count >= 2


def _worded(view: View, place: int, mention: Mention, linked: bool) -> Span | None:
    """A password or user name made of letters, where "is" or ":" links it to its name."""
    word = view.words[place]
    if mention.slot not in _WORDED or not linked or view.vocabulary.is_plain(word) or len(word) < 3:
        return None
    end = view.ends[place]
    while end < len(view.lower) and not view.lower[end].isspace() and view.lower[end] not in ",;.\"')":
        end += 1
    return Span(view.starts[place], end, mention.slot, CONTEXT, RULE)


def _behind(view: View, mention: Mention) -> Iterator[Span]:
    """ "4821 is my account number": a code, then linking words, then what it is."""
    place = mention.first - 1
    while (
        place >= 0
        and mention.first - place <= 4
        and view.words[place] in _LINKS
        and not _ends_clause(view.gap(place + 1))
    ):
        place -= 1
    if place < 0 or place == mention.first - 1 or not any(c.isdigit() for c in view.words[place]):
        return
    code = read_code(view, place)
    if code is not None and code.last == place + 1:
        named = _named(view, code, mention)
        if named is not None:
            yield named


def find_lone(view: View, question: Question) -> Iterable[Span]:
    """Numbers and codes that nothing names: long numbers anywhere, and short messages that are little else (D6).

    What people send on its own in a service chat is an identifier, unless it is a year, an amount or a measure, or a
    question about counts was asked.
    """
    if not view.has_digit or question.counts:
        return
    place = 0
    while place < len(view.words):
        code = read_code(view, place)
        if code is None:
            place += 1
            continue
        score = 0.0 if is_measure(view, code) else _lone_score(view, code, question)
        if score:
            yield view.span(code.first, code.last, "OTHER_ID", score, RULE)
        place = code.last


def _lone_score(view: View, code: Code, question: Question) -> float:
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
    """Say whether the message holds little but the code: fillers, and at most three other words."""
    others = [
        word
        for place, word in enumerate(view.words)
        if not code.first <= place < code.last and word not in view.vocabulary.fillers
    ]
    return len(others) <= 3 and not any(
        word in view.vocabulary.common or word in view.vocabulary.units for word in others
    )
