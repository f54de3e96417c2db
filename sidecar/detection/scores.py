"""The scale of scores that recognizers speak in, and which type wins where scores are equal (D8). Pure.

A rule picks one of these constants; none invents a number. A checksum alone stays below any context: with forty
national checks one in eleven each, a ten-digit order number passes several of them.
"""

from __future__ import annotations

from typing import Final

from sidecar.detection.entity_types import ERASED

GUESS: Final = 0.40
"""A shape that is usually an identifier where it stands, such as a lone "4821". Any better evidence wins."""
CHECKSUM: Final = 0.50
"""Digits that pass a checksum, with nothing said about what they are."""
GRAMMAR: Final = 0.60
"""A shape that little else has: digit groups of a phone, a street address without a town."""
STRONG_GRAMMAR: Final = 0.75
"""A shape with two independent marks: a card number that passes Luhn and has an issuer, a full address."""
DIALOGUE: Final = 0.80
"""The previous turns asked for it, and the shape fits."""
CONTEXT: Final = 0.85
"""A word beside it names it ("my account number is 4821")."""
CERTAIN_SHAPE: Final = 0.90
"""Nothing else looks like it: an e-mail address with "@", a PEM key, a URL."""
CHECKED_CONTEXT: Final = 0.95
"""Checksum and context agree."""
KNOWN: Final = 0.97
"""A value that a structured field of the same conversation holds."""
CONFIGURED: Final = 0.98
"""An operator's own grammar with its context words, or an entry of a catalogue's SKUs."""

SPECIFICITY: Final = (
    "SECRET", "IBAN", "CREDIT_CARD", "CRYPTO_WALLET", "EMAIL", "PASSPORT", "NATIONAL_ID", "DATE_OF_BIRTH", "MAC", "IP",
    "URL", "GEO_POINT", "VEHICLE_PLATE", "TRACKING_NUMBER", "PASSWORD", "ORDER_ID", "ACCOUNT_ID", "PHONE", "USERNAME",
    "ADDRESS", "PERSON", "OTHER_ID", "PRODUCT", "ORG", "LOCATION", "DATE",
)  # fmt: skip
"""Most specific first. ``resolve`` picks by score, then by place in this list, then by length."""

_RANK: Final = {label: len(SPECIFICITY) - place for place, label in enumerate(SPECIFICITY)}


def specificity(label: str) -> int:
    """Return a rank, higher for the more specific type; 0 for one that is not in the list. ``ERASED`` outranks all."""
    return len(SPECIFICITY) + 1 if label == ERASED else _RANK.get(label, 0)
