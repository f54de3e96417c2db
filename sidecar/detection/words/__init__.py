"""Language-dependent words of the rules (D9). A language is one table; adding one needs no other code."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from sidecar.detection.words.dutch_polish import DUTCH, POLISH
from sidecar.detection.words.english import ENGLISH
from sidecar.detection.words.german import GERMAN
from sidecar.detection.words.romance import FRENCH, ITALIAN, PORTUGUESE, SPANISH
from sidecar.detection.words.scandinavian import DANISH, NORWEGIAN, SWEDISH
from sidecar.detection.words.table import LanguageWords

LANGUAGES: Final[Mapping[str, LanguageWords]] = MappingProxyType(
    {
        "en": ENGLISH,
        "de": GERMAN,
        "fr": FRENCH,
        "es": SPANISH,
        "it": ITALIAN,
        "nl": DUTCH,
        "pl": POLISH,
        "pt": PORTUGUESE,
        "da": DANISH,
        "nb": NORWEGIAN,
        "sv": SWEDISH,
    }
)
"""ISO 639-1 code to words. Norwegian is "nb": in YAML a bare "no" is false."""

__all__ = ["LANGUAGES", "LanguageWords"]
