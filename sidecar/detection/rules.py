"""The rules as recognizers: everything but the model. Pure and deterministic (D13)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from sidecar.detection.addresses import find_addresses
from sidecar.detection.cards import find_expiries
from sidecar.detection.catalogue import Catalogue, CatalogueRecognizer
from sidecar.detection.continuations import find_continued
from sidecar.detection.credentials import find_answered, find_credentials, find_handles
from sidecar.detection.dates import find_dates, outside
from sidecar.detection.dialogue import Question, find_answers, question_of
from sidecar.detection.emails import find_emails
from sidecar.detection.id_grammars import IdGrammar, IdGrammarRule
from sidecar.detection.ids import find_locators, find_lone, find_named, find_plates
from sidecar.detection.introductions import find_introduced
from sidecar.detection.known_values import KnownValueRecognizer
from sidecar.detection.national_ids import COUNTRIES, NationalIdChecks
from sidecar.detection.numbers import NumberRules
from sidecar.detection.phones import is_region
from sidecar.detection.recognizer import Message, Recognizer
from sidecar.detection.scores import GRAMMAR
from sidecar.detection.secret_shapes import find_secrets
from sidecar.detection.span import Span
from sidecar.detection.spelled import find_spelled
from sidecar.detection.view import Rule, View, look, to_original
from sidecar.detection.vocabulary import vocabulary
from sidecar.detection.web import find_network, find_places, find_urls, find_wallets
from sidecar.detection.words import LANGUAGES
from sidecar.errors import ConfigError, Problem


@dataclass(frozen=True, slots=True)
class RuleSettings:
    """What a deployment tells the rules. Countries and regions are ISO 3166-1 codes; no ``id_countries`` means all.

    ``phone_regions``: whose local numbers are known, the likeliest first. ``languages``: ISO 639-1.
    """

    languages: tuple[str, ...] = ("en", "de", "fr", "es", "it", "nl", "pl", "pt", "da", "nb", "sv")
    phone_regions: tuple[str, ...] = ("US", "GB", "IN", "DE", "FR", "ES")
    id_countries: tuple[str, ...] = ()
    id_grammars: tuple[IdGrammar, ...] = ()
    catalogue: Catalogue | None = None

    @property
    def version(self) -> str:
        """16 hex digits of everything in it, the catalogue's content included (D16)."""
        grammars = [(g.name, g.label, g.pattern, g.context) for g in self.id_grammars]
        catalogue = self.catalogue.version if self.catalogue else ""
        written = json.dumps([self.languages, self.phone_regions, sorted(self.id_countries), grammars, catalogue])
        return sha256(written.encode()).hexdigest()[:16]


_ANSWERS: Final[tuple[Callable[[View, Question], Iterable[Span]], ...]] = (
    find_addresses,
    find_spelled,
    find_answered,
    find_expiries,
    find_plates,
    find_locators,
)
"""Rules that go by the question too."""


class PatternRecognizer:
    """All rules over one view of the message."""

    name = "rules"

    def __init__(self, settings: RuleSettings) -> None:
        """Raises ``ConfigError`` for languages, regions, countries and patterns that don't exist."""
        _check(settings)
        self._vocabulary = vocabulary(settings.languages)
        numbers = NumberRules(settings.phone_regions, NationalIdChecks(frozenset(settings.id_countries)))
        self._rules: tuple[Rule, ...] = (
            find_emails,
            find_urls,
            find_network,
            find_places,
            find_wallets,
            find_secrets,
            find_credentials,
            find_handles,
            find_introduced,
            find_named,
            find_continued,
            numbers,
            IdGrammarRule(settings.id_grammars),
        )

    def find(self, message: Message) -> list[Span]:
        if not message.text or message.text.isspace():
            return []
        view = look(message, self._vocabulary)
        question = question_of(message, self._vocabulary)
        found: list[Span] = [span for rule in self._rules for span in rule(view)]
        found.extend(span for rule in _ANSWERS for span in rule(view, question))
        dates = list(find_dates(view, question))
        found = [*outside((span for span in found if span.score < GRAMMAR), dates), *_firm(found), *dates]
        found.extend(outside([*find_answers(view, question), *find_lone(view, question)], dates))
        return sorted(set(to_original(found, view.normalised)))


def rule_recognizers(settings: RuleSettings) -> tuple[Recognizer, ...]:
    """Return the recognizers of these settings. Raises ``ConfigError``."""
    rules: tuple[Recognizer, ...] = (PatternRecognizer(settings), KnownValueRecognizer())
    return (*rules, CatalogueRecognizer(settings.catalogue)) if settings.catalogue is not None else rules


def _firm(spans: list[Span]) -> list[Span]:
    return [span for span in spans if span.score >= GRAMMAR]


def _check(settings: RuleSettings) -> None:
    known = ", ".join(sorted(LANGUAGES))
    problems = [
        *(
            Problem("languages", f"{code!r} is not known", f"Use: {known}.")
            for code in settings.languages
            if code not in LANGUAGES
        ),
        *(
            Problem("phone_regions", f"{code!r} has no numbering plan", "Use ISO 3166-1 codes such as US or DE.")
            for code in settings.phone_regions
            if not is_region(code)
        ),
        *(
            Problem("id_countries", f"no id of {code!r} is known", f"Use: {', '.join(sorted(COUNTRIES))}.")
            for code in settings.id_countries
            if code not in COUNTRIES
        ),
    ]
    if problems:
        raise ConfigError(tuple(problems))
