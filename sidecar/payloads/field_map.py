"""What a route or a preset says about the strings of its payloads. Frozen; made by ``presets``.

Of several things said about one leaf, the one that gives away less wins:
drop, hash, known value, message text, term, keep, and last the default, which is to scan it. What names a speaker is
kept where it is one of the words of the rule's speaker map.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType

from sidecar.payloads.annotation_rules import AnnotationRule
from sidecar.payloads.annotations import AnnotationFinder
from sidecar.payloads.delta_rules import DeltaRule
from sidecar.payloads.matcher import PathMatcher
from sidecar.payloads.paths import PathPattern, parse_path
from sidecar.payloads.sources import SourceRule


class Order(StrEnum):
    """How the messages of a conversation stand in the payload."""

    OLDEST_FIRST = "oldest_first"
    NEWEST_FIRST = "newest_first"


ANYBODY = "*"
"""In a speaker map: who speaks when the value is none of the others."""


@dataclass(frozen=True, slots=True)
class ConversationRule:
    """Where conversations are rooted, and which members of the root (the first that is there) hold the id."""

    root: PathPattern
    ids: tuple[PathPattern, ...] = ()


@dataclass(frozen=True, slots=True)
class MessageRule:
    """Where message objects are, and what in them is text or names the speaker.

    Of several members that may name the speaker, the first that is there does. ``speakers`` maps its values,
    casefolded, to ``customer`` or ``agent``; ``*`` stands for all others.
    """

    each: PathPattern
    texts: tuple[PathPattern, ...]
    speaker: tuple[PathPattern, ...] = ()
    speakers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    order: Order = Order.OLDEST_FIRST

    def who(self, value: str | None) -> str | None:
        """Return ``customer``, ``agent`` or None for what the payload calls the speaker."""
        return self.speakers.get((value or "").casefold(), self.speakers.get(ANYBODY))

    def is_role(self, value: str) -> bool:
        """Whether the value is one of the map's words, and so no name of a person."""
        return value.casefold() in self.speakers and value != ANYBODY


@dataclass(frozen=True, slots=True)
class KnownRule:
    """A field that holds a value of an entity type, such as the customer's name; with everything below it."""

    path: PathPattern
    label: str


class Role(StrEnum):
    """What a match of a pattern makes of a place."""

    ROOT = "root"
    ID = "id"
    TEXT = "text"
    SPEAKER = "speaker"
    KNOWN = "known"
    DROP = "drop"
    TERM = "term"
    KEEP = "keep"
    HASH = "hash"
    KEYS = "keys"
    HTML = "html"


@dataclass(frozen=True, slots=True)
class Mark:
    """A pattern and its meaning.

    ``rule``: which of the map's rules says so; ``length``: of its relative part, so that the object it is relative to
    is the path without that many parts; ``rank``: among the candidates for an id or a speaker, the lowest is taken.
    """

    pattern: PathPattern
    role: Role
    rule: int
    length: int = 0
    rank: int = 0


@dataclass(frozen=True)
class FieldMap:
    """Where the texts of a payload are and what becomes of its other fields.

    ``namespace`` separates conversations with the same id on different platforms. ``drop``, ``hash`` and ``known``
    reach everything below what they name; ``terms`` and ``keep`` only that scalar itself. ``terms`` are words of a
    program, judged as member names are. ``keys`` names objects whose member names are data, ``html`` strings
    that are HTML. ``annotations`` say which
    numbers are offsets into a text, and ``sources`` where that text is when it is not in the payload (X6). ``deltas``
    say which texts come in pieces over the events of a stream (P34); None: nothing is said, and no stream is read by
    this map. The empty map scans every string as a text of one conversation.
    """

    namespace: str = "default"
    conversations: tuple[ConversationRule, ...] = (ConversationRule(parse_path("$")),)
    messages: tuple[MessageRule, ...] = ()
    known: tuple[KnownRule, ...] = ()
    drop: tuple[PathPattern, ...] = ()
    terms: tuple[PathPattern, ...] = ()
    keep: tuple[PathPattern, ...] = ()
    hash: tuple[PathPattern, ...] = ()
    keys: tuple[PathPattern, ...] = ()
    html: tuple[PathPattern, ...] = ()
    annotations: tuple[AnnotationRule, ...] = ()
    sources: tuple[SourceRule, ...] = ()
    deltas: tuple[DeltaRule, ...] | None = None

    def plus(self, more: FieldMap) -> FieldMap:
        """Return this map with what ``more`` adds, e.g. a route's own fields on top of its preset.

        Conversations and namespace are ``more``'s where it says any; all else adds up.
        """
        ours = FieldMap()
        return FieldMap(
            namespace=self.namespace if more.namespace == ours.namespace else more.namespace,
            conversations=self.conversations if more.conversations == ours.conversations else more.conversations,
            messages=self.messages + more.messages,
            known=self.known + more.known,
            drop=self.drop + more.drop,
            terms=self.terms + more.terms,
            keep=self.keep + more.keep,
            hash=self.hash + more.hash,
            keys=self.keys + more.keys,
            html=self.html + more.html,
            annotations=self.annotations + more.annotations,
            sources=self.sources + more.sources,
            deltas=None if self.deltas is more.deltas is None else (self.deltas or ()) + (more.deltas or ()),
        )

    @cached_property
    def marks(self) -> tuple[Mark, ...]:
        """Every pattern of the map with what a match of it means."""
        marks = [Mark(rule.root, Role.ROOT, index) for index, rule in enumerate(self.conversations)]
        for index, rule in enumerate(self.conversations):
            marks += [Mark(rule.root.plus(p), Role.ID, index, len(p.segments), rank) for rank, p in enumerate(rule.ids)]
        for index, message in enumerate(self.messages):
            marks += [Mark(message.each.plus(p), Role.TEXT, index, len(p.segments)) for p in message.texts]
            marks += [
                Mark(message.each.plus(p), Role.SPEAKER, index, len(p.segments), rank)
                for rank, p in enumerate(message.speaker)
            ]
        marks += [Mark(rule.path, Role.KNOWN, index) for index, rule in enumerate(self.known)]
        for role, paths in (
            (Role.DROP, self.drop),
            (Role.TERM, self.terms),
            (Role.KEEP, self.keep),
            (Role.HASH, self.hash),
            (Role.KEYS, self.keys),
            (Role.HTML, self.html),
        ):
            marks += [Mark(path, role, index) for index, path in enumerate(paths)]
        return tuple(marks)

    @cached_property
    def matcher(self) -> PathMatcher:
        """All marks compiled into one; its states are made as payloads need them."""
        return PathMatcher([mark.pattern for mark in self.marks])

    @cached_property
    def finder(self) -> AnnotationFinder:
        """Finds the annotations that the map names, and the texts they speak of in the same conversation."""
        return AnnotationFinder(self.annotations, [rule.root for rule in self.conversations])
