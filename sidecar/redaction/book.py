"""The numbers of one conversation scope: which mentions are one entity, decided on keyed hashes alone (D19). Pure.

A mention joins an entity when it is a shorter form of it ("john" of "John Smith"), or when all that is known of the
entity are shorter forms of the mention. In both cases only if exactly one entity fits: "john" beside John Smith and
John Doe is nobody's, and gets its own number. A key that has a number keeps it for ever.

What can't be known from names: "John" the agent and "John Smith" the customer are linked; nicknames ("Jon", "Mike") and
typos are not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from sidecar.redaction.scope import Ask

Named = tuple[str, bytes, int]
"""Entity type, keyed hash, number."""


class Use(StrEnum):
    """What a number is taken for: a value, or a literal placeholder that the input held (D20)."""

    ISSUED = "issued"
    RESERVED = "reserved"


@dataclass(frozen=True, slots=True)
class Entries:
    """Rows of a book: numbers taken, and the keys and aliases that stand for them."""

    numbers: tuple[tuple[str, int, Use], ...] = ()
    keys: tuple[Named, ...] = ()
    aliases: tuple[Named, ...] = ()

    def __len__(self) -> int:
        return len(self.numbers) + len(self.keys) + len(self.aliases)


@dataclass(slots=True)
class _Chapter:
    """The entities of one type. Numbers below 1 are provisional, within one ``Book.enter``.

    Always the smallest free number is issued, so all numbers up to ``issued`` are taken.
    """

    issued: int = 0
    reserved: set[int] = field(default_factory=set)
    number_of: dict[bytes, int] = field(default_factory=dict)
    keys_of: defaultdict[int, set[bytes]] = field(default_factory=lambda: defaultdict(set))
    aliases_of: defaultdict[int, set[bytes]] = field(default_factory=lambda: defaultdict(set))
    called: defaultdict[bytes, set[int]] = field(default_factory=lambda: defaultdict(set))

    def is_taken(self, number: int) -> bool:
        return number <= self.issued or number in self.reserved

    def issue(self) -> int:
        self.issued += 1
        while self.issued in self.reserved:
            self.issued += 1
        return self.issued

    def put_key(self, key: bytes, number: int) -> None:
        self.number_of[key] = number
        self.keys_of[number].add(key)

    def put_alias(self, alias: bytes, number: int) -> None:
        self.aliases_of[number].add(alias)
        self.called[alias].add(number)

    def entity_of(self, ask: Ask, asks_called: dict[bytes, list[Ask]]) -> int | None:
        """Return the one entity that the ask is a form of, or None."""
        if ask.key in self.number_of:
            return self.number_of[ask.key]
        longer = [n for n in self.called.get(ask.key, ()) if self.keys_of[n].isdisjoint(ask.contradicts)]
        if len(longer) == 1:
            return longer[0]
        forms = frozenset(ask.aliases)
        for alias in ask.aliases:
            number = self.number_of.get(alias)
            if number is not None and self.keys_of[number] <= forms and not _rivals(ask, asks_called[alias]):
                return number
        return None

    def settle(self, provisional: int, number: int) -> None:
        """Give an entity that was entered provisionally its number."""
        for key in self.keys_of.pop(provisional, set()):
            self.put_key(key, number)
        for alias in self.aliases_of.pop(provisional, set()):
            self.called[alias].discard(provisional)
            self.put_alias(alias, number)

    def remove(self, number: int) -> int:
        keys, aliases = self.keys_of.pop(number, set()), self.aliases_of.pop(number, set())
        for key in keys:
            del self.number_of[key]
        for alias in aliases:
            self.called[alias].discard(number)
            if not self.called[alias]:
                del self.called[alias]
        return len(keys) + len(aliases)


class Book:
    """Grows only: a copy that lacks rows, because it is out of date or was loaded in part, is never wrong.

    To ``enter`` asks it needs, of all rows: those of the asks' keys and aliases, every key of the entities that these
    name, the largest number issued, and the reserved numbers above it.
    """

    def __init__(self) -> None:
        self._chapters: defaultdict[str, _Chapter] = defaultdict(_Chapter)

    @property
    def rows(self) -> int:
        """About how much there is in it."""
        parts = ((chapter.number_of, chapter.called, chapter.reserved) for chapter in self._chapters.values())
        return sum(len(one) for part in parts for one in part)

    def load(self, entries: Entries) -> None:
        """Take over stored rows."""
        for label, number, use in entries.numbers:
            chapter = self._chapters[label]
            if use is Use.RESERVED:
                chapter.reserved.add(number)
            else:
                chapter.issued = max(chapter.issued, number)
        for label, key, number in entries.keys:
            self._chapters[label].put_key(key, number)
        for label, alias, number in entries.aliases:
            self._chapters[label].put_alias(alias, number)

    def known(self, asks: Sequence[Ask], reserved: Sequence[tuple[str, int]]) -> list[int] | None:
        """Return the numbers if every ask has one and every reserved number is taken; None if anything is new."""
        if not all(self._chapters[label].is_taken(number) for label, number in reserved):
            return None
        numbers: list[int] = []
        for ask in asks:
            number = self._chapters[ask.label].number_of.get(ask.key)
            if number is None:
                return None
            numbers.append(number)
        return numbers

    def enter(self, asks: Sequence[Ask], reserved: Sequence[tuple[str, int]]) -> Entries:
        """Give every ask a number and return the rows that are new. ``known`` answers for the same arguments then.

        Long names are linked before short ones, so that the answer does not hang on their order in the text; numbers
        are given in the order of the text.
        """
        new_asks = self._new(asks)
        entities, aliases = self._link(new_asks)
        numbers = [(*entry, Use.RESERVED) for entry in dict.fromkeys(reserved) if self._reserve(*entry)]
        settled: dict[tuple[str, int], int] = {}
        for ask, entity in zip(new_asks, entities, strict=True):
            if entity < 1 and (ask.label, entity) not in settled:
                number = self._chapters[ask.label].issue()
                self._chapters[ask.label].settle(entity, number)
                settled[ask.label, entity] = number
                numbers.append((ask.label, number, Use.ISSUED))
        return Entries(
            tuple(numbers),
            tuple((a.label, a.key, settled.get((a.label, e), e)) for a, e in zip(new_asks, entities, strict=True)),
            tuple((label, alias, settled.get((label, entity), entity)) for label, alias, entity in aliases),
        )

    def forget(self, keys: Sequence[bytes]) -> int:
        """Remove the entities that any of the keys stands for; their numbers stay taken. Return the rows removed."""
        removed = 0
        for chapter in self._chapters.values():
            for number in {chapter.number_of[key] for key in keys if key in chapter.number_of}:
                removed += chapter.remove(number)
        return removed

    def count(self, keys: Sequence[bytes]) -> int:
        """Return how many entries any of the keys has."""
        return sum(key in chapter.number_of for chapter in self._chapters.values() for key in set(keys))

    def _new(self, asks: Sequence[Ask]) -> list[Ask]:
        unknown: dict[tuple[str, bytes], Ask] = {}
        for ask in asks:
            if ask.key not in self._chapters[ask.label].number_of:
                unknown.setdefault((ask.label, ask.key), ask)
        return list(unknown.values())

    def _link(self, asks: Sequence[Ask]) -> tuple[list[int], list[Named]]:
        """Return for each ask the number of its entity, or a provisional one below 1; and the aliases that are new."""
        asks_called: defaultdict[bytes, list[Ask]] = defaultdict(list)
        for ask in asks:
            for alias in ask.aliases:
                asks_called[alias].append(ask)
        entities: dict[int, int] = {}
        aliases: list[Named] = []
        for index in sorted(range(len(asks)), key=lambda i: -len(asks[i].aliases)):
            ask = asks[index]
            chapter = self._chapters[ask.label]
            found = chapter.entity_of(ask, asks_called)
            entity = entities[index] = -index if found is None else found
            chapter.put_key(ask.key, entity)
            for alias in ask.aliases:
                if alias not in chapter.aliases_of[entity]:
                    chapter.put_alias(alias, entity)
                    aliases.append((ask.label, alias, entity))
        return [entities[index] for index in range(len(asks))], aliases

    def _reserve(self, label: str, number: int) -> bool:
        chapter = self._chapters[label]
        if chapter.is_taken(number):
            return False
        chapter.reserved.add(number)
        return True


def _rivals(ask: Ask, others: Iterable[Ask]) -> bool:
    """Whether somebody else in the same batch may be called the same."""
    return any(
        other.key != ask.key and other.key not in ask.aliases and ask.key not in other.aliases for other in others
    )
