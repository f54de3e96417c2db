"""The measures of detection ("How it is measured"): pure counting over gold and found spans.

Two sets of types decide. *Identifiers* are the direct types: what must not leak. *Redacted* are the types that the
policy redacts, by default the direct ones and PRODUCT: only spans of these protect a character, whatever their label,
and only they are looked at for over-redaction. So an address that is taken for a LOCATION counts as a leak.
Gold spans of every type and ``ignore`` ranges are left out of over-redaction; PRODUCT spans count neither way there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from sidecar.detection.entity_types import DEFAULT_TYPES, DIRECT_TYPES
from sidecar.detection.span import Span
from sidecar.training.corpus import GoldSpan, Labelled

SAME: Final = 0.5
"""Found and gold span are the same entity from this intersection over union on."""

SHORT_TOKENS: Final = 3
ANY_LABEL: Final = "any"


@dataclass(slots=True)
class Matches:
    """Entities of one type: found rightly, found wrongly, missed; and characters of gold, and of those uncovered."""

    right: int = 0
    wrong: int = 0
    missed: int = 0
    characters: int = 0
    leaked: int = 0

    @property
    def recall(self) -> float:
        return share(self.right, self.right + self.missed)

    @property
    def precision(self) -> float:
        return share(self.right, self.right + self.wrong)

    @property
    def leak_rate(self) -> float:
        return share(self.leaked, self.characters)

    def f(self, beta: float) -> float:
        """The F measure; ``beta`` above 1 weighs recall more."""
        weight = beta * beta
        return share((1 + weight) * self.right, (1 + weight) * self.right + weight * self.missed + self.wrong)


@dataclass(slots=True)
class Tally:
    """What was counted over some messages."""

    messages: int = 0
    identifying: int = 0
    identifying_leaked: int = 0
    characters: int = 0
    leaked: int = 0
    outside: int = 0
    outside_covered: int = 0
    clean: int = 0
    clean_touched: int = 0
    by_label: dict[str, Matches] = field(default_factory=dict)

    @property
    def leak_rate(self) -> float:
        """Share of characters of direct identifiers that no redacted span covers."""
        return share(self.leaked, self.characters)

    @property
    def dialogue_leak(self) -> float:
        """Share of messages with a direct identifier in which a part of one survives."""
        return share(self.identifying_leaked, self.identifying)

    @property
    def over_redaction(self) -> float:
        """Share of characters outside gold and ignored ranges that are covered."""
        return share(self.outside_covered, self.outside)

    @property
    def touched(self) -> float:
        """Share of messages without gold spans that are changed."""
        return share(self.clean_touched, self.clean)


def share(part: float, whole: float) -> float:
    """``part / whole``; 0 of nothing is 0."""
    return part / whole if whole else 0.0


@dataclass(frozen=True, slots=True)
class Judged:
    """One message with what was found in it."""

    labelled: Labelled
    found: tuple[Span, ...]


def tally(
    judged: Iterable[Judged], redacted: frozenset[str] = DEFAULT_TYPES, labels: frozenset[str] | None = None
) -> Tally:
    """Count over messages. ``labels``: those that the source has; others are not held against precision."""
    total = Tally()
    for one in judged:
        total.messages += 1
        _count_characters(total, one, redacted)
        _count_entities(total, one, labels)
    return total


def _count_characters(total: Tally, judged: Judged, redacted: frozenset[str]) -> None:
    text, gold = judged.labelled.message.text, judged.labelled.spans
    covered = _places((span.start, span.end) for span in judged.found if span.label in redacted)
    direct = [span for span in gold if span.label in DIRECT_TYPES]
    identifier = _visible(text, _places((span.start, span.end) for span in direct))
    for span in gold:
        matches = total.by_label.setdefault(span.label, Matches())
        places = _visible(text, set(range(span.start, span.end)))
        matches.characters += len(places)
        matches.leaked += len(places - covered)
    total.characters += len(identifier)
    total.leaked += len(identifier - covered)
    total.identifying += bool(identifier)
    total.identifying_leaked += bool(identifier - covered)
    held = _places((span.start, span.end) for span in gold) | _places(judged.labelled.ignore)
    needless = _places((span.start, span.end) for span in judged.found if span.label in redacted & DIRECT_TYPES) - held
    total.outside += len(text) - len(held)
    total.outside_covered += len(needless)
    total.clean += not gold
    total.clean_touched += bool(needless) and not gold


def _visible(text: str, places: set[int]) -> set[int]:
    """Places that hold more than white space: a blank between two covered words gives nothing away."""
    return {place for place in places if not text[place].isspace()}


def _places(ranges: Iterable[tuple[int, int]]) -> set[int]:
    return {place for start, end in ranges for place in range(start, end)}


def _count_entities(total: Tally, judged: Judged, labels: frozenset[str] | None) -> None:
    gold, ignored = judged.labelled.spans, _places(judged.labelled.ignore)
    known = [span for span in judged.found if labels is None or span.label in labels]
    found = [span for span in known if not ignored.issuperset(range(span.start, span.end))]
    for label in {span.label for span in gold} | {span.label for span in found}:
        of_label = [span for span in gold if span.label == label]
        _match(total.by_label.setdefault(label, Matches()), of_label, [span for span in found if span.label == label])
    _match(total.by_label.setdefault(ANY_LABEL, Matches()), gold, found)


def _match(matches: Matches, gold: Sequence[GoldSpan], found: Sequence[Span]) -> None:
    """Pair spans greedily, best overlap first; each counts once."""
    pairs = sorted(((_overlap(g, f), i, j) for i, g in enumerate(gold) for j, f in enumerate(found)), reverse=True)
    used_gold: set[int] = set()
    used_found: set[int] = set()
    for overlap, i, j in pairs:
        if overlap >= SAME and i not in used_gold and j not in used_found:
            used_gold.add(i)
            used_found.add(j)
    matches.right += len(used_gold)
    matches.missed += len(gold) - len(used_gold)
    matches.wrong += len(found) - len(used_found)


def _overlap(gold: GoldSpan, found: Span) -> float:
    both = min(gold.end, found.end) - max(gold.start, found.start)
    return both / (max(gold.end, found.end) - min(gold.start, found.start)) if both > 0 else 0.0


def slices(judged: Sequence[Judged]) -> Mapping[str, list[Judged]]:
    """The messages by how they were written: all, answers of three tokens or fewer, lower case."""
    texts = [(one, one.labelled.message.text) for one in judged]
    return {
        "all": list(judged),
        f"≤ {SHORT_TOKENS} tokens": [one for one, text in texts if len(text.split()) <= SHORT_TOKENS],
        "lower case": [one for one, text in texts if text == text.lower()],
    }
