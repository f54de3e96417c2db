"""The words of the configured languages, made ready for look-up. Pure, built once per set of languages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache
from typing import Final

from sidecar.detection.words import LANGUAGES, LanguageWords

COUNTED: Final = "COUNTED"
"""The slot of a question whose numeric answer is no identifier ("how many boxes?"). Never a label of a span."""


class Strength(IntEnum):
    """How firmly a phrase announces a value: "order" alone may go with "order 2 pizzas"; "order number" may not."""

    WEAK = 1
    STRONG = 2


@dataclass(frozen=True, slots=True)
class Mention:
    """A phrase found in the words of a text: words ``[first, last)`` name the slot."""

    first: int
    last: int
    slot: str
    strength: Strength


_Entry = tuple[tuple[str, ...], str, Strength]


@dataclass(frozen=True, slots=True)
class PhraseTable:
    """Finds phrases in a sequence of words: leftmost, longest, at most a few look-ups per word."""

    by_first: dict[str, tuple[_Entry, ...]] = field(repr=False)

    @classmethod
    def of(cls, entries: Iterable[tuple[str, str, Strength]]) -> PhraseTable:
        best: dict[tuple[str, ...], tuple[str, Strength]] = {}
        for phrase, slot, strength in entries:
            words = tuple(phrase.split())
            if words not in best or strength > best[words][1]:
                best[words] = (slot, strength)
        grouped: dict[str, list[_Entry]] = {}
        for words, (slot, strength) in best.items():
            grouped.setdefault(words[0], []).append((words[1:], slot, strength))
        return cls({first: tuple(sorted(rows, key=lambda row: -len(row[0]))) for first, rows in grouped.items()})

    def find(self, words: Sequence[str]) -> Iterator[Mention]:
        place = 0
        while place < len(words):
            mention = self.at(words, place)
            if mention is None:
                place += 1
            else:
                yield mention
                place = mention.last

    def at(self, words: Sequence[str], place: int) -> Mention | None:
        """Return the longest phrase that begins at word ``place``."""
        for rest, slot, strength in self.by_first.get(words[place], ()):
            last = place + 1 + len(rest)
            if tuple(words[place + 1 : last]) == rest:
                return Mention(place, last, slot, strength)
        return None


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Everything that the rules know of words. Sets and tables over all configured languages."""

    slots: PhraseTable = field(repr=False)
    requests: PhraseTable = field(repr=False)
    introductions: PhraseTable = field(repr=False)
    regions: PhraseTable = field(repr=False)
    street_heads: PhraseTable = field(repr=False)
    fillers: frozenset[str] = field(repr=False)
    common: frozenset[str] = field(repr=False)
    ordinary: frozenset[str] = field(repr=False)
    links: frozenset[str] = field(repr=False)
    enumerated: frozenset[str] = field(repr=False)
    units: frozenset[str] = field(repr=False)
    digits: dict[str, str] = field(repr=False)
    months: frozenset[str] = field(repr=False)
    birth: PhraseTable = field(repr=False)
    streets: frozenset[str] = field(repr=False)
    street_endings: tuple[str, ...] = field(repr=False)
    street_units: frozenset[str] = field(repr=False)
    at_words: frozenset[str] = field(repr=False)
    dot_words: frozenset[str] = field(repr=False)

    def names_slot(self, word: str) -> bool:
        """Say whether a word names a value all by itself ("ph", "otp")."""
        return any(not rest and strength is Strength.STRONG for rest, _, strength in self.slots.by_first.get(word, ()))

    def is_chat(self, word: str) -> bool:
        """Say whether a word is one of a chat's own, which not even a street is called after."""
        return word in self.common or word in self.fillers

    def is_plain(self, word: str) -> bool:
        """Say whether a word is an everyday one, which no code, name or password is made of."""
        return word in self.ordinary or self.is_chat(word)


@lru_cache(maxsize=8)
def vocabulary(languages: tuple[str, ...]) -> Vocabulary:
    """Return the words of these languages (ISO 639-1), each of which must be in ``LANGUAGES``."""
    tables = [LANGUAGES[language] for language in languages]

    def union(attribute: str) -> frozenset[str]:
        return frozenset(word for table in tables for word in getattr(table, attribute))

    def phrases(attribute: str) -> PhraseTable:
        return PhraseTable.of((phrase, attribute, Strength.STRONG) for phrase in sorted(union(attribute)))

    return Vocabulary(
        slots=PhraseTable.of(entry for table in tables for entry in _slot_entries(table)),
        requests=phrases("requests"),
        introductions=phrases("introductions"),
        regions=phrases("regions"),
        street_heads=phrases("street_heads"),
        fillers=union("fillers"),
        common=union("common"),
        ordinary=union("ordinary"),
        links=union("links"),
        enumerated=union("enumerated"),
        units=union("units"),
        digits={word: value for table in reversed(tables) for word, value in table.digits.items()},
        months=union("months"),
        birth=phrases("birth"),
        streets=union("streets"),
        street_endings=tuple(sorted(union("street_endings"))),
        street_units=union("street_units"),
        at_words=union("at_words"),
        dot_words=union("dot_words"),
    )


def _slot_entries(table: LanguageWords) -> Iterator[tuple[str, str, Strength]]:
    for label, nouns in table.nouns.items():
        for noun in nouns:
            yield noun, label, Strength.WEAK
            for number in table.number_words:
                yield f"{noun} {number}", label, Strength.STRONG
    for label, names in table.names.items():
        for name in names:
            yield name, label, Strength.STRONG
    for phrase in table.counted:
        yield phrase, COUNTED, Strength.STRONG
