"""Payment cards: Luhn (ISO/IEC 7812-1) and the issuers' ranges, over any separators (D7)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from sidecar.detection.dialogue import Question
from sidecar.detection.digit_runs import DigitRun
from sidecar.detection.normalise import fold
from sidecar.detection.scores import CONTEXT, DIALOGUE
from sidecar.detection.span import Span
from sidecar.detection.view import View

_LENGTHS: Final = range(12, 20)
_EVEN: Final = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
_ISSUERS: Final = (
    # low, high, digits compared, lengths: the ranges that schemes publish
    (4, 4, 1, (13, 16, 19)),  # Visa
    (51, 55, 2, (16,)),  # Mastercard
    (2221, 2720, 4, (16,)),  # Mastercard
    (34, 34, 2, (15,)),  # American Express
    (37, 37, 2, (15,)),
    (6011, 6011, 4, (16, 17, 18, 19)),  # Discover
    (644, 659, 3, (16, 17, 18, 19)),
    (300, 305, 3, (14, 16, 17, 18, 19)),  # Diners Club
    (36, 36, 2, (14, 15, 16, 17, 18, 19)),
    (38, 39, 2, (16, 17, 18, 19)),
    (3528, 3589, 4, (16, 17, 18, 19)),  # JCB
    (62, 62, 2, (16, 17, 18, 19)),  # UnionPay
    (60, 60, 2, (16,)),  # RuPay
    (81, 82, 2, (16,)),
    (50, 50, 2, tuple(range(12, 20))),  # Maestro
    (56, 69, 2, tuple(range(12, 20))),
    (2200, 2204, 4, (16, 17, 18, 19)),  # Mir
)

_MONTH_YEAR: Final = r"(?:0[1-9]|1[0-2]|[1-9])\s?[/-]\s?(?:20)?[2-4][0-9]"
_EXPIRY: Final = re.compile(
    r"(?<![a-z])(?:exp(?:iry|iration|ires|iring)?|valid (?:thru|through|until|till)|good thru)\.?(?: date)?"
    rf"(?: is| on| in)?[\s:=-]{{0,3}}({_MONTH_YEAR})(?![0-9]|[/.-][0-9])"
)
_LONE_EXPIRY: Final = re.compile(rf"[^a-z0-9]{{0,3}}({_MONTH_YEAR})[^a-z0-9]{{0,3}}")
_ASKS_EXPIRY: Final = re.compile(r"expir|exp date|valid thru|good thru")
_READ_BACK: Final = 200
_THING: Final = re.compile(
    r"\b(?:(cards?\b|visa\b|mastercard\b|amex\b|cvv|cvc|csc\b|[0-9]{4})"
    r"|(?:offer|coupon|sale|voucher|promo|promotion|deal|discount)s?\b)"
)


def find_expiries(view: View, question: Question) -> Iterator[Span]:
    """A card's month and year: "expires 12/26" where a card is spoken of, "12/26" where the expiry was asked for."""
    if not view.has_digit:
        return
    if "card" in view.words or "CREDIT_CARD" in (*question.slots, *(mention.slot for mention in view.mentions)):
        for match in _EXPIRY.finditer(view.lower):
            if not _is_of_other(view.lower[max(0, match.start() - _READ_BACK) : match.start()]):
                yield Span(*match.span(1), "CREDIT_CARD", CONTEXT, "card")
    lone = _LONE_EXPIRY.fullmatch(view.lower)
    if lone and view.message.context:
        asked = fold(view.message.context[-1].text[-_READ_BACK:])
        if _ASKS_EXPIRY.search(asked) and ("card" in asked or not _is_of_other(asked)):
            yield Span(*lone.span(1), "CREDIT_CARD", DIALOGUE, "card")


def _is_of_other(before: str) -> bool:
    """Say whether the thing that was named last is no card: an offer is valid until a month, too."""
    things = list(_THING.finditer(before))
    return bool(things) and things[-1].group(1) is None


def passes_luhn(digits: str) -> bool:
    """Verify the check digit of ISO/IEC 7812-1, annex B."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = ord(digit) - 48
        total += _EVEN[value] if place % 2 else value
    return total % 10 == 0


def has_issuer(digits: str) -> bool:
    """Say whether a scheme issues cards that start so at this length."""
    return any(
        low <= int(digits[:compared]) <= high and len(digits) in lengths for low, high, compared, lengths in _ISSUERS
    )


def is_card(digits: str) -> bool:
    return len(digits) in _LENGTHS and len(set(digits)) > 1 and passes_luhn(digits) and has_issuer(digits)


def is_grouped_like_card(run: DigitRun) -> bool:
    """Four groups of four, or 4-6-5: how cards are embossed, whether or not the check digit was typed right."""
    return [len(group.digits) for group in run.groups] in ([4, 4, 4, 4], [4, 6, 5])
