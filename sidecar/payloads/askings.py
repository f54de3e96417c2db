"""What customers say in a payload, conversation by conversation, and by which identifiers each of them is known. Pure.

For those who look for requests in chats. An identifier belongs to the innermost conversation that it stands in; what
stands outside every conversation belongs to all of them that have none of that type. Where two different values of a
type stand in one conversation, nobody can tell whose they are, so neither is taken.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from sidecar.detection.recognizer import AGENT
from sidecar.payloads.document import Leaf, LeafKind, Path
from sidecar.payloads.field_map import FieldMap
from sidecar.payloads.matcher import PathMatcher
from sidecar.payloads.paths import PathPattern
from sidecar.payloads.placement import Placer
from sidecar.payloads.selection import Piece, select

_DATA: Final = frozenset({LeafKind.STRING, LeafKind.NUMBER})
_HASHED: Final = re.compile(r"k[0-9]+:[0-9a-f]{32}")


@dataclass(frozen=True)
class AskingRule:
    """Where a payload says who somebody is, by type of identifier, and what the chatbot made of what they wrote."""

    identities: tuple[tuple[str, PathPattern], ...]
    intent: PathPattern | None = None
    intents: frozenset[str] = frozenset()

    @cached_property
    def matcher(self) -> PathMatcher:
        """The patterns of the identities in their order; behind them that of the intent, if there is one."""
        intent = () if self.intent is None else (self.intent,)
        return PathMatcher([*(pattern for _, pattern in self.identities), *intent])


@dataclass(frozen=True, slots=True)
class Said:
    """One conversation. ``intended``: the chatbot itself says so; ``identities``: types and values."""

    texts: tuple[str, ...] = field(repr=False)
    intended: bool
    identities: tuple[tuple[str, str], ...] = field(repr=False)


@dataclass(slots=True)
class _Gathered:
    texts: list[str] = field(default_factory=list)
    intended: bool = False
    values: dict[str, set[str]] = field(default_factory=dict)


def said_in(
    leaves: Sequence[Leaf], fields: FieldMap, rule: AskingRule, unredacted: Callable[[str], str]
) -> tuple[Said, ...]:
    """Return every conversation in which somebody said something. ``unredacted``: as of ``selection.select``.

    Where the map says which are messages, those count that it gives to no agent; else every text does.
    """
    place = Placer(fields).place
    found: dict[Path, _Gathered] = {}

    def conversation_of(leaf: Leaf) -> _Gathered:
        return found.setdefault(leaf.path[: max(place(leaf).root_depth, 0)], _Gathered())

    for leaf in leaves:
        if leaf.kind in _DATA:
            for index in _matched(rule, leaf):
                _note(conversation_of(leaf), rule, index, leaf.text, unredacted)
    for conversation in select(leaves, fields, unredacted).conversations:
        for leaf in _texts(conversation.pieces, leaves, fields):
            conversation_of(leaf).texts.append(leaf.text)
    around = _single(found.get((), _Gathered()))
    return tuple(
        Said(tuple(one.texts), one.intended, tuple(sorted((around | _single(one)).items())))
        for one in found.values()
        if one.texts or one.intended
    )


def _matched(rule: AskingRule, leaf: Leaf) -> frozenset[int]:
    *_, accepted = rule.matcher.walk(leaf.path)
    return accepted


def _note(into: _Gathered, rule: AskingRule, index: int, value: str, unredacted: Callable[[str], str]) -> None:
    if index == len(rule.identities):
        into.intended = into.intended or value in rule.intents
    elif value.strip() and unredacted(value) == value.strip() and not _HASHED.fullmatch(value):
        into.values.setdefault(rule.identities[index][0], set()).add(value.strip())


def _texts(pieces: Sequence[Piece], leaves: Sequence[Leaf], fields: FieldMap) -> Iterator[Leaf]:
    for piece in pieces:
        leaf = leaves[piece.leaves[0]]
        theirs = piece.is_said and piece.message.speaker != AGENT if fields.messages else piece.message.label is None
        if theirs and leaf.kind is LeafKind.STRING:
            yield leaf


def _single(one: _Gathered) -> dict[str, str]:
    return {kind: next(iter(values)) for kind, values in one.values.items() if len(values) == 1}
