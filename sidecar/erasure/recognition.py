"""Tells whether somebody asks in a chat to be forgotten: by the chatbot's own intent, or by phrases as data. Pure.

Recognised is only ever filed for a person to look at, never acted upon by itself, so it may err on the side of asking
once too often. A phrase counts where it begins and ends with a word, whatever the case and the accents.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping
from functools import cache
from types import MappingProxyType
from typing import Final

MAX_CHARACTERS: Final = 10_000
"""What follows in a message is not looked at: nobody asks that late."""

PHRASES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({
    "en": (
        "delete my data", "delete all my data", "delete my personal data", "erase my data", "erase my personal data",
        "delete my account and data", "remove my personal data", "remove all my data",
        "delete everything you have on me", "delete everything about me", "forget everything about me",
        "right to be forgotten", "right to erasure",
        "delete my information", "erase my personal information", "delete my personal information",
    ),
    "de": (
        "lösche meine daten", "löschen sie meine daten", "löschen sie alle meine daten", "meine daten löschen",
        "meine daten gelöscht", "meine personenbezogenen daten löschen", "löschung meiner daten",
        "löschung meiner personenbezogenen daten", "recht auf löschung", "recht auf vergessenwerden",
    ),
    "fr": (
        "supprimez mes données", "supprimer mes données", "supprime mes données", "effacez mes données",
        "effacer mes données", "effacement de mes données", "suppression de mes données", "droit à l'oubli",
        "droit à l'effacement",
    ),
    "es": (
        "borra mis datos", "borren mis datos", "borrar mis datos", "elimina mis datos", "eliminen mis datos",
        "eliminar mis datos", "supresión de mis datos", "derecho al olvido", "derecho de supresión",
    ),
    "it": (
        "cancella i miei dati", "cancellate i miei dati", "cancellare i miei dati", "eliminare i miei dati",
        "cancellazione dei miei dati", "diritto all'oblio", "diritto alla cancellazione",
    ),
    "pt": (
        "apague meus dados", "apaguem os meus dados", "apagar meus dados", "apagar os meus dados", "exclua meus dados",
        "excluir meus dados", "eliminar os meus dados", "eliminação dos meus dados", "direito ao esquecimento",
    ),
    "nl": (
        "verwijder mijn gegevens", "mijn gegevens verwijderen", "wis mijn gegevens", "mijn gegevens wissen",
        "verwijdering van mijn gegevens", "recht op vergetelheid", "recht op verwijdering",
    ),
    "pl": (
        "usuńcie moje dane", "usuń moje dane", "usunąć moje dane", "usunięcie moich danych", "usunięcia moich danych",
        "prawo do bycia zapomnianym", "prawo do usunięcia danych",
    ),
})  # fmt: skip


_EVERY_LANGUAGE: Final = frozenset(PHRASES)


def plain(text: str) -> str:
    """Return a text without case, accents and punctuation, its words apart by one space."""
    stripped = "".join(one for one in unicodedata.normalize("NFKD", text[:MAX_CHARACTERS]) if not _is_mark(one))
    return " ".join(re.findall(r"\w+", stripped.casefold().replace("ł", "l")))


def _is_mark(character: str) -> bool:
    return unicodedata.category(character) == "Mn"


@cache
def _pattern(languages: frozenset[str]) -> re.Pattern[str]:
    phrases = sorted({plain(one) for some in languages for one in PHRASES[some]}, key=len, reverse=True)
    return re.compile(r"(?:^| )(?:" + "|".join(map(re.escape, phrases)) + r")(?: |$)")


def says_so(text: str, languages: frozenset[str]) -> bool:
    """Tell whether a text holds a phrase of one of these languages, of which there is at least one."""
    return _pattern(languages).search(plain(text)) is not None


def asks_to_be_forgotten(text: str | None, intent: str | None, intents: Collection[str]) -> bool:
    """Tell whether the chatbot says so by one of its configured intents, or a phrase does."""
    if intent is not None and intent in intents:
        return True
    return text is not None and says_so(text, _EVERY_LANGUAGE)
