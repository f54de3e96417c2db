"""From a document and a field map to the texts that detection must see, conversation by conversation.

Nothing is left out but what the map keeps, and what can hold no identifier: empty strings, true, false, null, UUIDs and
time stamps, numbers that are fractions or have fewer than seven digits, and member names that are plain words of a
program (see ``names``). What is a known value of the conversation is never left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import TypeVar

from sidecar.detection.recognizer import AGENT, CUSTOMER, KnownValue, Message, Turn
from sidecar.payloads.document import Leaf, LeafKind, Path
from sidecar.payloads.field_map import FieldMap, Order
from sidecar.payloads.names import ANY_SCORE, is_id, is_stamp, name_score, number_score, number_text, question, words
from sidecar.payloads.placement import NOWHERE, Placement, Placer, Treatment

_DATA = frozenset({LeafKind.STRING, LeafKind.NUMBER})
_NAMED = _DATA | {LeafKind.KEY}
CONTEXT_TURNS = 2
"""How many earlier turns are read with a message: as many as the model was trained with."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One text to redact, and the leaves that hold it.

    ``minimum_score``: a finding counts from this score on, over what the policy asks.
    """

    leaves: tuple[int, ...]
    message: Message
    minimum_score: float = ANY_SCORE
    is_said: bool = False
    """Whether it is a message of somebody, which those that follow answer."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """Texts that share known values and placeholders. ``id`` is None where the payload names none."""

    id: str | None = field(repr=False)
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Selection:
    """What is to be done with a document: texts to redact, leaves to null, leaves to hash."""

    conversations: tuple[Conversation, ...]
    dropped: tuple[int, ...]
    hashed: tuple[int, ...]


_K = TypeVar("_K")
_Speakers = dict[tuple[Path, int], str]
"""By the path of the message object and the rule that makes it one."""
_Owner = tuple[str | None, Path]
"""Whose leaves: of the conversation with an id, or of the one rooted here that has none."""
_PAYLOAD: _Owner = (None, ())


@dataclass(slots=True)
class _Group:
    """The leaves of one conversation while they are gathered."""

    known: list[tuple[Leaf, KnownValue]] = field(default_factory=list)
    texts: list[tuple[Leaf, Placement]] = field(default_factory=list)
    loose: list[Leaf] = field(default_factory=list)
    names: list[tuple[Leaf, Placement]] = field(default_factory=list)
    """Of members, and terms: words of a program."""


def select(leaves: Sequence[Leaf], fields: FieldMap, unredacted: Callable[[str], str]) -> Selection:
    """Sort the leaves. Known values outside every conversation count in each of them.

    Conversations with one id are one. Those without an id are told apart by their roots in what is known in them, so
    that a long list of them does not make every text be compared with everybody's values; their pieces are handed on
    together, since they share a scope.

    ``unredacted`` returns what is left of a value beside placeholders. A field that should hold a known value but holds
    only a placeholder was redacted before: there is nothing in it to look for elsewhere.
    """
    placed = _placed(leaves, fields)
    ids, speakers = _ids(placed), _speakers(placed)
    groups: dict[_Owner, _Group] = {}
    dropped: list[int] = []
    hashed: list[int] = []
    whole = {leaf.path for leaf, where in placed if leaf.kind is LeafKind.CONTAINER and where.drops_all_of(leaf)}
    for leaf, where in placed:
        if len(leaf.path) > where.dropped_depth > NOWHERE and leaf.path[: where.dropped_depth] in whole:
            continue  # goes with the container that is dropped
        if where.dropped_depth > NOWHERE and leaf.kind is not LeafKind.KEY:  # not every format has containers
            dropped.append(leaf.index)
        elif where.treatment is Treatment.HASH and leaf.kind in _DATA:
            hashed += [leaf.index] if leaf.text else []
        else:
            root = leaf.path[: max(where.root_depth, 0)]
            id_ = ids.get(root)
            group = groups.setdefault((None, root) if id_ is None else (id_, ()), _Group())
            _gather(group, leaf, where, fields, unredacted)
    shared = _known_values(groups[_PAYLOAD]) if _PAYLOAD in groups else ()
    pieces: dict[str | None, list[Piece]] = {}
    for (id_, _), group in groups.items():
        pieces.setdefault(id_, []).extend(_pieces(group, shared, speakers, fields))
    made = (Conversation(id_, tuple(some)) for id_, some in pieces.items() if some)
    return Selection(tuple(made), tuple(dropped), tuple(hashed))


def _placed(leaves: Sequence[Leaf], fields: FieldMap) -> list[tuple[Leaf, Placement]]:
    """Place every leaf; leave out containers, true, false and null of which nothing is said."""
    place = Placer(fields).place
    everything = ((leaf, place(leaf)) for leaf in leaves)
    return [
        (leaf, where)
        for leaf, where in everything
        if leaf.kind in _NAMED or where.dropped_depth != NOWHERE or where.speaker_rank is not None
    ]


def _ids(placed: Sequence[tuple[Leaf, Placement]]) -> dict[Path, str]:
    """The id of each conversation, by the path of its root."""
    return _first_ranked(
        (leaf.path[:depth], rank, leaf.text)
        for leaf, where in placed
        if where.names and leaf.kind in _DATA and leaf.text  # an id that is empty is none
        for depth, rank in where.names
    )


def _speakers(placed: Sequence[tuple[Leaf, Placement]]) -> _Speakers:
    """What names the speaker of each message: a string, a number, or true and false."""
    return _first_ranked(
        ((leaf.path[: where.message_depth], where.rule), where.speaker_rank, leaf.text)
        for leaf, where in placed
        if where.speaker_rank is not None and leaf.kind is not LeafKind.KEY
    )


def _first_ranked(candidates: Iterable[tuple[_K, int, str]]) -> dict[_K, str]:
    """For each key the text of the lowest rank that is not empty."""
    best: dict[_K, tuple[int, str]] = {}
    for key, rank, text in candidates:
        if text and (key not in best or rank < best[key][0]):
            best[key] = (rank, text)
    return {key: text for key, (_, text) in best.items()}


def _gather(group: _Group, leaf: Leaf, where: Placement, fields: FieldMap, unredacted: Callable[[str], str]) -> None:
    if leaf.kind is LeafKind.KEY:
        group.names.append((leaf, where))
        return
    if leaf.kind not in _DATA or not leaf.text.strip():
        return
    role = where.speaker_rank is not None and fields.messages[where.rule].is_role(leaf.text)
    if where.treatment is Treatment.KEEP or role:
        return
    if where.label is not None and (value := unredacted(leaf.text)):
        group.known.append((leaf, KnownValue(where.label, value)))
    elif where.treatment is Treatment.MESSAGE:
        group.texts.append((leaf, where))
    elif where.treatment is Treatment.TERM and leaf.kind is LeafKind.STRING:
        group.names.append((leaf, where))
    else:
        group.loose.append(leaf)


def _known_values(group: _Group) -> tuple[KnownValue, ...]:
    return tuple(dict.fromkeys(value for _, value in group.known))


def _pieces(group: _Group, shared: tuple[KnownValue, ...], speakers: _Speakers, fields: FieldMap) -> Iterable[Piece]:
    known = tuple(dict.fromkeys((*_known_values(group), *shared)))
    messages = list(_message_pieces(group, known, speakers, fields))
    repeated, loose = _repeats(messages, group.loose)
    yield from _known_pieces(group, known)
    for piece in messages:
        yield replace(piece, leaves=(*piece.leaves, *repeated.pop(piece.message.text, ())))
    yield from _loose_pieces(loose, known)
    yield from _name_pieces(group.names, known)


def _repeats(messages: Sequence[Piece], loose: Sequence[Leaf]) -> tuple[dict[str, list[int]], list[Leaf]]:
    """Take out of ``loose`` what says a message again: it shares what the message's context told.

    Only texts of several words: "2201" in a field may be another thing than "2201" in the chat.
    """
    said = {piece.message.text for piece in messages if len(piece.message.text.split()) > 1}
    repeated: dict[str, list[int]] = {}
    rest: list[Leaf] = []
    for leaf in loose:
        if leaf.kind is LeafKind.STRING and leaf.text in said:
            repeated.setdefault(leaf.text, []).append(leaf.index)
        else:
            rest.append(leaf)
    return repeated, rest


def _known_pieces(group: _Group, known: tuple[KnownValue, ...]) -> Iterable[Piece]:
    same: dict[KnownValue, list[int]] = {}
    for leaf, value in group.known:
        same.setdefault(KnownValue(value.label, leaf.text), []).append(leaf.index)
    for whole, indices in same.items():
        yield Piece(tuple(indices), Message(whole.value, known=known, label=whole.label))


def _message_pieces(
    group: _Group, known: tuple[KnownValue, ...], speakers: _Speakers, fields: FieldMap
) -> Iterable[Piece]:
    earlier: list[Turn] = []
    for leaf, where in _in_order(group.texts, fields):
        speaker = fields.messages[where.rule].who(speakers.get((leaf.path[: where.message_depth], where.rule)))
        yield Piece((leaf.index,), Message(leaf.text, speaker, tuple(earlier), known), is_said=True)
        earlier = [*earlier, Turn(speaker, leaf.text)][-CONTEXT_TURNS:]


def _message_of(text: tuple[Leaf, Placement]) -> Path:
    leaf, where = text
    return leaf.path[: where.message_depth]


def _in_order(texts: list[tuple[Leaf, Placement]], fields: FieldMap) -> Iterable[tuple[Leaf, Placement]]:
    """Oldest first. Texts of one message stay as they stand; only messages change places."""
    for rule, run in groupby(texts, key=lambda text: text[1].rule):
        messages = [list(parts) for _, parts in groupby(run, key=_message_of)]
        if rule != NOWHERE and fields.messages[rule].order is Order.NEWEST_FIRST:
            messages.reverse()
        for parts in messages:
            yield from parts


def _loose_pieces(loose: list[Leaf], known: tuple[KnownValue, ...]) -> Iterable[Piece]:
    """Texts that belong to no message. The member's name is read as the question that the text answers."""
    values = {value.value for value in known}
    same: dict[tuple[str, str, float], list[int]] = {}
    for leaf in loose:
        score = ANY_SCORE
        text = number_text(leaf.text) if leaf.kind is LeafKind.NUMBER else leaf.text
        is_machinery = not is_id(text) if leaf.kind is LeafKind.NUMBER else is_stamp(text)
        if is_machinery and text not in values:
            continue
        asked = question(leaf.path)
        if leaf.kind is LeafKind.NUMBER:
            score = number_score(text, asked)
        same.setdefault((text, asked, score), []).append(leaf.index)
    for (text, asked, score), indices in same.items():
        context = (Turn(AGENT, asked),) if asked else ()
        yield Piece(tuple(indices), Message(text, CUSTOMER if asked else None, context, known), score)


def _name_pieces(names: list[tuple[Leaf, Placement]], known: tuple[KnownValue, ...]) -> Iterable[Piece]:
    values = {value.value for value in known}
    known_words = frozenset(word for value in values for word in words(value))
    same: dict[tuple[str, bool], list[int]] = {}
    for leaf, where in names:
        if not is_stamp(leaf.text) or leaf.text in values:
            same.setdefault((leaf.text, where.names_are_data), []).append(leaf.index)
    for (text, data), indices in same.items():
        score = ANY_SCORE if data else name_score(text, known_words)
        if score is not None and text.strip():
            yield Piece(tuple(indices), Message(text, known=known), score)
