"""Finds in an event the pieces of texts that grow over the events of a stream. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sidecar.errors import PayloadFault, PayloadRefused
from sidecar.payloads.delta_rules import Condition, DeltaRule, Onto
from sidecar.payloads.document import Leaf, LeafKind, Path
from sidecar.payloads.field_map import FieldMap
from sidecar.payloads.found_leaves import FoundLeaves, shared_by
from sidecar.payloads.matcher import PathMatcher
from sidecar.payloads.paths import PathPattern
from sidecar.payloads.placement import Placer, Treatment

_VALUES = frozenset({LeafKind.STRING, LeafKind.NUMBER, LeafKind.OTHER})
_NAMES = frozenset({LeafKind.STRING, LeafKind.NUMBER})
_NULL = (LeafKind.OTHER, "null")
_MOST_STEPS = 200
_SCANNED = frozenset({Treatment.MESSAGE, Treatment.SCAN})


@dataclass(frozen=True, slots=True)
class Channel:
    """One growing text of a stream: by its rule's name or its place, and the values that tell it from others."""

    name: str
    ids: tuple[str | None, ...] = field(repr=False)
    place: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Fragment:
    """A leaf that is a piece of a channel's text. ``conversation``: its id, where the event names it.

    ``place``: where it is, but for elements that the channel's ids or the format name. ``kind``: the pattern that found
    it: places of one kind can be compared. ``is_located``: the place is where in the whole the text is.
    ``named``: which of the channel's ids the event names.
    """

    leaf: int
    path: Path = field(repr=False)
    text: str = field(repr=False)
    channel: Channel
    rule: DeltaRule
    kind: str
    place: tuple[str, ...] = field(repr=False)
    is_located: bool
    named: tuple[bool, ...]
    conversation: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Ended:
    """Which channels an event ends: those of the name with these ids. None stands for any."""

    name: str
    ids: tuple[str | None, ...] = field(repr=False)

    def includes(self, channel: Channel) -> bool:
        pairs = zip(self.ids, channel.ids, strict=False)
        return channel.name == self.name and all(mine is None or mine == theirs for mine, theirs in pairs)


@dataclass(frozen=True, slots=True)
class Deltas:
    """What one event adds to growing texts, and which of them it ends thereafter."""

    fragments: tuple[Fragment, ...]
    ended: tuple[Ended, ...]

    def ended_of(self, channels: Iterable[Channel]) -> list[Channel]:
        """Return those that the event ends. Both may be many: an end is looked up by the ids that it names."""
        forms: dict[tuple[str, tuple[bool, ...]], dict[tuple[str | None, ...], Ended]] = {}
        for one in self.ended:
            forms.setdefault((one.name, tuple(id_ is not None for id_ in one.ids)), {})[one.ids] = one
        return [one for one in channels if any(_ends(named, ends, one) for (_, named), ends in forms.items())]


class DeltaFinder:
    """Finds by the rules of a field map. What the map drops, hashes, keeps or knows is no piece of a text."""

    def __init__(self, fields: FieldMap) -> None:
        self._rules = fields.deltas or ()
        self._names_conversations = any(rule.ids for rule in fields.conversations)
        self._located = {_name(rule) for rule in self._rules if rule.onto is not None}
        self._placer = Placer(fields)
        patterns = [pattern for rule in self._rules for pattern in _patterns(rule)]
        self._matcher = PathMatcher(patterns)
        self._first = {pattern: index for index, pattern in reversed(list(enumerate(patterns)))}

    def find(self, leaves: Sequence[Leaf]) -> Deltas:
        """``leaves``: of an event in which JSON in strings was not opened.

        Raises ``PayloadRefused`` (not parseable) for an event with two pieces in one place: clients take the last.
        """
        at = self._matches(leaves)
        base = _base(leaves)
        fragments: dict[Path, Fragment] = {}
        ended: list[Ended] = []
        for rule in self._rules:
            if all(_met(condition, at) for condition in rule.when):
                for pattern, leaf in _pieces(rule, at):
                    if leaf.kind is LeafKind.STRING and self._placer.place(leaf).treatment in _SCANNED:
                        fragment = self._fragment(rule, pattern, leaf, at, base)
                        if fragments.setdefault(leaf.path, fragment).leaf != leaf.index:
                            raise PayloadRefused(PayloadFault.NOT_PARSEABLE, "two pieces of text in one place")
            for condition in rule.ends:
                for leaf in at.of(condition.path):
                    if condition.is_met_by(leaf.text):
                        ids = tuple(None if one is None else one.text for one in _ids(rule, leaf, at))
                        ended.append(Ended(_name(rule), ids))
        in_order = self._with_conversations(sorted(fragments.values(), key=lambda one: one.leaf), leaves)
        return Deltas(tuple(in_order), tuple(dict.fromkeys(ended)))

    def _with_conversations(self, fragments: list[Fragment], leaves: Sequence[Leaf]) -> list[Fragment]:
        """Say of each piece which conversation it is of, by the same rules as of other texts."""
        if not fragments or not self._names_conversations:
            return fragments
        best: dict[Path, tuple[int, str]] = {}
        for leaf in leaves:
            if leaf.kind in _NAMES and leaf.text:
                for depth, rank in self._placer.place(leaf).names:
                    root = leaf.path[:depth]
                    best[root] = min(best.get(root, (rank, leaf.text)), (rank, leaf.text), key=lambda one: one[0])
        named = []
        for fragment in fragments:
            depth = self._placer.place(leaves[fragment.leaf]).root_depth
            _, id_ = best.get(fragment.path[: max(depth, 0)], (0, None))
            named.append(replace(fragment, conversation=id_))
        return named

    def _matches(self, leaves: Sequence[Leaf]) -> FoundLeaves:
        at = FoundLeaves(self._first)
        for leaf in leaves:
            if leaf.kind in _VALUES:
                state = self._matcher.start
                for part in leaf.path:
                    state = self._matcher.step(state, self._matcher.symbol(part))
                for index in state.accepted:
                    at.add(index, leaf)
        return at

    def _fragment(self, rule: DeltaRule, pattern: PathPattern, leaf: Leaf, at: FoundLeaves, base: int) -> Fragment:
        ids = _ids(rule, leaf, at)
        names = () if rule.name else tuple(part for part in leaf.path if isinstance(part, str))
        values = tuple(_position(leaf.path[base:]) if one is None else one.text for one in ids)
        channel, is_located = Channel(_name(rule), values, names), _name(rule) in self._located
        if not is_located:
            place, kind = _apart_from(ids, leaf.path, base), pattern.source
        else:
            place, kind = leaf.path[base:] if rule.onto is None else _onto(rule.onto, leaf.path, at)[base:], ""
        return Fragment(
            leaf.index, leaf.path, leaf.text, channel, rule, kind, tuple(str(part) for part in place), is_located,
            tuple(one is not None for one in ids),
        )  # fmt: skip


def _ends(named: tuple[bool, ...], ends: Mapping[tuple[str | None, ...], Ended], channel: Channel) -> bool:
    """``ends``: all that name these ids of theirs, by the ids."""
    if len(named) != len(channel.ids):
        return any(one.includes(channel) for one in ends.values())
    one = ends.get(tuple(id_ if is_named else None for is_named, id_ in zip(named, channel.ids, strict=True)))
    return one is not None and one.includes(channel)


def _met(condition: Condition, at: FoundLeaves) -> bool:
    return any(condition.is_met_by(leaf.text) for leaf in at.of(condition.path))


def _pieces(rule: DeltaRule, at: FoundLeaves) -> Iterable[tuple[PathPattern, Leaf]]:
    for pattern in rule.texts:
        for leaf in at.of(pattern):
            yield pattern, leaf


def _onto(onto: Onto, path: Path, at: FoundLeaves) -> Path:
    below = len(onto.value.segments)
    steps = at.within(onto.steps, path[: below - 1])
    if len(steps) > _MOST_STEPS:  # all pieces that are added there repeat them
        raise PayloadRefused(PayloadFault.TOO_DEEP, f"more than {_MOST_STEPS} steps to a text")
    return (*path[: len(onto.within.segments)], *steps, *path[below:])


def _ids(rule: DeltaRule, leaf: Leaf, at: FoundLeaves) -> tuple[Leaf | None, ...]:
    """Return the values of the rule's channel that are nearest to the leaf; None where there is none, or a null."""
    nearest = (at.nearest(pattern, leaf.path) for pattern in rule.channel)
    return tuple(None if one is None or (one.kind, one.text) == _NULL else one for one in nearest)


def _patterns(rule: DeltaRule) -> tuple[PathPattern, ...]:
    return (*rule.texts, *rule.channel, *(one.path for one in (*rule.when, *rule.ends)), *_steps(rule))


def _steps(rule: DeltaRule) -> tuple[PathPattern, ...]:
    return () if rule.onto is None else (rule.onto.steps,)


def _base(leaves: Sequence[Leaf]) -> int:
    """How many parts of all paths only number the event among others: that of lines of JSON, and of packets."""
    first = leaves[0].path[:1] if leaves else ()
    return 1 if first and isinstance(first[0], int) else 0


def _apart_from(ids: Iterable[Leaf | None], path: Path, base: int) -> Path:
    """Return the path without the elements that have an id of their own: the client goes by it, wherever they are."""
    named = set()
    for one in ids:
        shared = 0 if one is None else shared_by(one.path, path)
        named.add(max((at for at in range(shared) if isinstance(path[at], int)), default=None))
    return tuple("" if at in named else part for at, part in enumerate(path) if at >= base)


def _name(rule: DeltaRule) -> str:
    return rule.name or rule.texts[0].source


def _position(path: Path) -> str:
    """What tells pieces apart that have no id: the elements that they are in."""
    return "at " + " ".join(str(part) for part in path if isinstance(part, int))
