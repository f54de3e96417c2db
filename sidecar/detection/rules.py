"""The rules as recognizers: everything but the model. Pure and deterministic (D13)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sidecar.detection.dialogue import find_answers, question_of
from sidecar.detection.emails import find_emails
from sidecar.detection.ids import find_lone, find_named
from sidecar.detection.national_ids import NationalIdChecks
from sidecar.detection.numbers import NumberRules
from sidecar.detection.recognizer import Message, Recognizer
from sidecar.detection.secret_shapes import find_secrets
from sidecar.detection.span import Span
from sidecar.detection.view import Rule, look, to_original
from sidecar.detection.vocabulary import vocabulary
from sidecar.detection.web import find_network, find_places, find_urls, find_wallets


@dataclass(frozen=True, slots=True)
class RuleSettings:
    """What a deployment tells the rules. Countries and regions are ISO 3166-1 codes; no ``id_countries`` means all."""

    languages: tuple[str, ...] = ("en", "de", "fr", "es", "it", "nl", "pl", "pt")
    phone_regions: tuple[str, ...] = ("US", "GB", "IN", "DE", "FR", "ES", "IT", "NL", "PL", "PT", "AU")
    id_countries: frozenset[str] = frozenset()


class PatternRecognizer:
    """All rules over one view of the message."""

    name = "rules"

    def __init__(self, settings: RuleSettings) -> None:
        self._vocabulary = vocabulary(settings.languages)
        numbers = NumberRules(settings.phone_regions, NationalIdChecks(settings.id_countries))
        self._rules: tuple[Rule, ...] = (
            find_emails, find_urls, find_network, find_places, find_wallets, find_secrets, numbers, find_named,
        )  # fmt: skip

    def find(self, message: Message) -> list[Span]:
        view = look(message, self._vocabulary)
        if not view.lower or view.lower.isspace():
            return []
        question = question_of(message, self._vocabulary)
        found: list[Span] = [span for rule in self._rules for span in rule(view)]
        found.extend(find_answers(view, question))
        found.extend(find_lone(view, question))
        return sorted(set(to_original(found, view.normalised)))


def rule_recognizers(settings: RuleSettings) -> tuple[Recognizer, ...]:
    """Return the recognizers of these settings."""
    return (PatternRecognizer(settings),)


def find_all(recognizers: Iterable[Recognizer], message: Message) -> list[Span]:
    """Return what all of them find, unresolved."""
    return sorted(span for recognizer in recognizers for span in recognizer.find(message))
