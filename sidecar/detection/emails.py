"""E-mail addresses: written, obfuscated, spelled out, or stripped of "@" and "." as careless typing and speech do (D7).

Linear: a written address grows from its "@" by bounded steps; nothing scans ahead for one (D17).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from sidecar.detection.mail_names import COM_WORDS, PROVIDERS, SURE_PROVIDERS, TLDS
from sidecar.detection.scores import CERTAIN_SHAPE, GRAMMAR, STRONG_GRAMMAR
from sidecar.detection.span import Span
from sidecar.detection.view import View
from sidecar.detection.words.table import words_in

RULE: Final = "email"
_AT: Final = re.compile(r"\s{0,2}(?:@|%40|[\[({<]\s?at\s?[\])}>])\s{0,2}")
_LOCAL: Final = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}")
_DOT: Final = r"(?:\.|%2e|\s?[\[({<]\s?(?:dot|\.)\s?[\])}>]\s?|\s(?:dot|punkt|punto|point)\s)"
_DOMAIN: Final = re.compile(rf"[a-z0-9](?:[\w-]{{0,61}}\w)?(?:{_DOT}[a-z0-9](?:[\w-]{{0,61}}\w)?){{0,5}}")
_LITERAL: Final = re.compile(r"\[[0-9a-f:.]{3,45}\]")
_AMOUNT: Final = re.compile(r"[0-9]{1,4}\.[0-9]{1,2}([a-z]{1,10})")
_SPACED_DOMAIN: Final = re.compile(r"([a-z0-9-]{2,63})\s?\.\s?([a-z]{2,10})\b")
_SPLIT_TLDS: Final = frozenset(TLDS) - {"in", "at", "me", "be", "no", "us", "it", "name", "email", "app"}
_ENDINGS: Final = words_in("com cm con cim cvom comm net org couk coin cojp de fr es it nl edu")
_RUN_TOGETHER: Final = re.compile(
    rf"(?P<local>[a-z0-9]{{0,64}}?)(?P<provider>{'|'.join(sorted(PROVIDERS, key=len, reverse=True))})"
    rf"(?:{'|'.join(_ENDINGS)})\Z"
)
_ENDS_COM: Final = re.compile(r"[a-z0-9]{4,64}(?:com|couk|net)\Z")
_JOINERS: Final = {
    "dot": ".",
    "period": ".",
    "point": ".",
    "underscore": "_",
    "dash": "-",
    "hyphen": "-",
    "minus": "-",
    "plus": "+",
}
_MOST_LOCAL_WORDS: Final = 8


def find_emails(view: View) -> Iterable[Span]:
    lower = view.lower
    if "@" in lower or "%40" in lower or "at" in lower:
        yield from _written(view)
    yield from _spelled(view)
    yield from _stripped(view)


def _written(view: View) -> Iterator[Span]:
    """ "jon@example.com", "jon (at) example [dot] com", "jon @ example . com"."""
    lower = view.lower
    for at in _AT.finditer(lower):
        start = _local_start(lower, at.start())
        end = _domain_end(lower, at.end())
        if start is None or end is None:
            continue
        amount = _AMOUNT.fullmatch(lower, at.end(), end)
        if amount and amount.group(1) in view.vocabulary.units:
            continue  # "meet me @7.30pm"
        if at.end() - at.start() == 1 or any(dot in lower[at.end() : end] for dot in (".", "%2e", "dot")):
            dotted = "." in lower[at.end() : end] or "%2e" in lower[at.end() : end]
            yield Span(start, end, "EMAIL", CERTAIN_SHAPE if dotted else GRAMMAR, RULE)


def _local_start(lower: str, at: int) -> int | None:
    """Return where the part before "@" begins: at most 64 characters, or a quoted string (RFC 5321, 4.5.3.1.1)."""
    window = lower[max(0, at - 66) : at]
    if window.endswith('"'):
        opening = window.rfind('"', 0, len(window) - 1)
        return None if opening < 0 else at - (len(window) - opening)
    match = _LOCAL.match(window[::-1])
    if match is None:
        return None
    local = match.group()[::-1]
    lead = len(local) - len(local.lstrip("'.`({=/&?!*#"))
    return at - len(local) + lead if lead < len(local) else None


def _domain_end(lower: str, place: int) -> int | None:
    window = lower[place : place + 300]
    spaced = _SPACED_DOMAIN.match(window)
    match = _DOMAIN.match(window) or _LITERAL.match(window)
    ends = [m.end() for m in (match, spaced if spaced and spaced.group(2) in TLDS else None) if m]
    return place + max(ends) if ends else None


def _spelled(view: View) -> Iterator[Span]:
    """ "jon dot smith at gmail dot com", "j o n at gmail com": an "at" with a domain after it."""
    for place, word in enumerate(view.words):
        if word in view.vocabulary.at_words and place:
            last = _spelled_domain(view, place + 1)
            if last is not None:
                yield view.span(_spelled_local(view, place), last, "EMAIL", STRONG_GRAMMAR, RULE)


def _spelled_domain(view: View, place: int) -> int | None:
    """Return where a spoken domain ends: names joined by "dot", or a known provider, and a top level."""
    words = view.words
    dots = view.vocabulary.dot_words
    for last in range(place + 1, min(place + 9, len(words))):
        if words[last] not in TLDS or words[place] in TLDS or words[place] in dots:
            continue
        if words[last] not in _SPLIT_TLDS and words[last - 1] not in dots and view.gap(last) != ".":
            continue
        between = words[place:last]
        provider = between[0] in PROVIDERS
        spoken = any(word in dots for word in between)
        written = view.gap(last) == "." or (provider and "." in view.gap(last))
        if (provider and len(between) <= 2) or ((spoken or written) and len(between) <= 6 and _dotted(between, dots)):
            further = last + 1
            while further + 1 < len(words) and words[further] in dots and words[further + 1] in TLDS:
                further += 2
            return further
    return None


def _dotted(words: tuple[str, ...], dots: frozenset[str]) -> bool:
    """Say whether the words before the top level look like labels joined by dots: no two plain names side by side."""
    names = [word for word in words if word not in dots and word not in _JOINERS]
    return len(names) <= 1 + sum(word in dots or word in _JOINERS for word in words)


def _spelled_local(view: View, at: int) -> int:
    """Return the first word of the part before "at": names with spoken joiners, digits, or spelled letters."""
    first = at - 1
    while first > 0 and at - first < _MOST_LOCAL_WORDS and _joins(view, first):
        first -= 1
    return first


def _joins(view: View, place: int) -> bool:
    """Say whether word ``place`` and the one before it belong to one spoken local part."""
    word, before = view.words[place], view.words[place - 1]
    if len(view.gap(place)) > 2:
        return False
    joiners = view.vocabulary.dot_words.union(_JOINERS)
    if word in joiners or before in joiners:
        return before in joiners or not view.vocabulary.is_plain(before)
    digits = view.vocabulary.digits
    numeric = word.isdigit() or word in digits
    if view.gap(place).strip() and view.gap(place).strip() in "._-+":
        return True
    if len(word) == 1 and (len(before) == 1 or before in digits):
        return True
    return numeric and (before.isdigit() or before in digits or not view.vocabulary.is_plain(before))


def _stripped(view: View) -> Iterator[Span]:
    """ "jonsmithgmailcom", "jon 23 gmailcom", "jonsmith gmail com", and lone words ending in "com"."""
    words = view.words
    for place, word in enumerate(words):
        if word in SURE_PROVIDERS:
            split = place + 1 < len(words) and words[place + 1] in _SPLIT_TLDS and place > 0
            if split and view.gap(place + 1) in {" ", ".", ". "} and not view.vocabulary.is_plain(words[place - 1]):
                yield view.span(_names_before(view, place), place + 2, "EMAIL", STRONG_GRAMMAR, RULE)
            continue
        score = _run_together(view, word)
        if score:
            yield view.span(_start_of_stripped(view, place), place + 1, "EMAIL", score, RULE)


def _run_together(view: View, word: str) -> float:
    if not 7 <= len(word) <= 80 or not word.endswith(_ENDINGS):
        return 0.0
    match = _RUN_TOGETHER.match(word)
    if match and (match.group("provider") in SURE_PROVIDERS or len(match.group("local")) > 3):
        return STRONG_GRAMMAR
    if _ENDS_COM.match(word) and word not in COM_WORDS and not view.vocabulary.is_plain(word):
        return GRAMMAR if word.endswith(("com", "couk")) else 0.0
    return 0.0


def _start_of_stripped(view: View, place: int) -> int:
    """A provider alone takes the name before it; a number before the address belongs to it with its name."""
    match = _RUN_TOGETHER.match(view.words[place])
    if place and match and len(match.group("local")) < 2:
        return _names_before(view, place)
    numbered = place > 1 and view.words[place - 1].isdigit() and len(view.words[place - 1]) <= 6
    if numbered and view.gap(place) == " " and not view.vocabulary.is_plain(view.words[place - 2]):
        return _names_before(view, place)
    return place


def _names_before(view: View, place: int) -> int:
    """Step back over "name 23" or "first last": at most two names and one number, none of them everyday words."""
    first = place
    names = 0
    while first > 0 and place - first < 3 and view.gap(first).strip(" .@_-+") == "":
        word = view.words[first - 1]
        if word.isdigit():
            if len(word) > 9:
                break
        elif (
            names == 2
            or word in view.vocabulary.fillers
            or (view.vocabulary.is_plain(word) and (first == place or not view.words[first].isdigit()))
        ):
            break
        else:
            names += 1
        first -= 1
    return first
