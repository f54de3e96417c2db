"""Finds in an event the pieces of texts that grow over the events of a stream. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from sidecar.errors import PayloadFault, PayloadRefused
from sidecar.payloads.delta_rules import Condition, DeltaRule, Onto
from sidecar.payloads.document import Leaf, LeafKind, Path
from sidecar.payloads.field_map import FieldMap
from sidecar.payloads.matcher import PathMatcher
from sidecar.payloads.paths import PathPattern
from sidecar.payloads.placement import Placer, Treatment

_VALUES = frozenset({LeafKind.STRING, LeafKind.NUMBER, LeafKind.OTHER})
_NAMES = frozenset({LeafKind.STRING, LeafKind.NUMBER})
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
    """

    leaf: int
    path: Path = field(repr=False)
    text: str = field(repr=False)
    channel: Channel
    rule: DeltaRule
    kind: str
    place: tuple[str, ...] = field(repr=False)
    is_located: bool
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
            if all(self._met(condition, at) for condition in rule.when):
                for pattern, leaf in self._pieces(rule, at):
                    if leaf.kind is LeafKind.STRING and self._placer.place(leaf).treatment in _SCANNED:
                        fragment = self._fragment(rule, pattern, leaf, at, base)
                        if fragments.setdefault(leaf.path, fragment).leaf != leaf.index:
                            raise PayloadRefused(PayloadFault.NOT_PARSEABLE, "two pieces of text in one place")
            for condition in rule.ends:
                for leaf in self._of((condition.path,), at):
                    if condition.is_met_by(leaf.text):
                        ids = tuple(None if one is None else one.text for one in self._ids(rule, leaf, at))
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

    def _matches(self, leaves: Sequence[Leaf]) -> dict[int, list[Leaf]]:
        at: dict[int, list[Leaf]] = {}
        for leaf in leaves:
            if leaf.kind in _VALUES:
                state = self._matcher.start
                for part in leaf.path:
                    state = self._matcher.step(state, self._matcher.symbol(part))
                for index in state.accepted:
                    at.setdefault(index, []).append(leaf)
        return at

    def _of(self, patterns: Iterable[PathPattern], at: dict[int, list[Leaf]]) -> Iterable[Leaf]:
        for pattern in patterns:
            yield from at.get(self._first[pattern], ())

    def _met(self, condition: Condition, at: dict[int, list[Leaf]]) -> bool:
        return any(condition.is_met_by(leaf.text) for leaf in self._of((condition.path,), at))

    def _pieces(self, rule: DeltaRule, at: dict[int, list[Leaf]]) -> Iterable[tuple[PathPattern, Leaf]]:
        for pattern in rule.texts:
            for leaf in self._of((pattern,), at):
                yield pattern, leaf

    def _fragment(
        self, rule: DeltaRule, pattern: PathPattern, leaf: Leaf, at: dict[int, list[Leaf]], base: int
    ) -> Fragment:
        ids = self._ids(rule, leaf, at)
        names = () if rule.name else tuple(part for part in leaf.path if isinstance(part, str))
        values = tuple(_position(leaf.path[base:]) if one is None else one.text for one in ids)
        channel, is_located = Channel(_name(rule), values, names), _name(rule) in self._located
        if not is_located:
            place, kind = _apart_from(ids, leaf.path, base), pattern.source
        else:
            place, kind = leaf.path[base:] if rule.onto is None else self._onto(rule.onto, leaf.path, at)[base:], ""
        return Fragment(
            leaf.index, leaf.path, leaf.text, channel, rule, kind, tuple(str(part) for part in place), is_located
        )

    def _onto(self, onto: Onto, path: Path, at: dict[int, list[Leaf]]) -> Path:
        below = len(onto.value.segments)
        element = path[: below - 1]
        steps = [leaf.text for leaf in self._of((onto.steps,), at) if leaf.path[: below - 1] == element]
        return (*path[: len(onto.within.segments)], *steps, *path[below:])

    def _ids(self, rule: DeltaRule, leaf: Leaf, at: dict[int, list[Leaf]]) -> tuple[Leaf | None, ...]:
        """Return the values of the rule's channel that are nearest to the leaf; None where there is none."""
        nearest = []
        for pattern in rule.channel:
            candidates = [one for one in self._of((pattern,), at) if _is_of_element(pattern, one.path, leaf.path)]
            nearest.append(max(candidates, key=lambda one: _shared(one.path, leaf.path), default=None))
        return tuple(nearest)


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
        shared = 0 if one is None else _shared(one.path, path)
        named.add(max((at for at in range(shared) if isinstance(path[at], int)), default=None))
    return tuple("" if at in named else part for at, part in enumerate(path) if at >= base)


def _name(rule: DeltaRule) -> str:
    return rule.name or rule.texts[0].source


def _position(path: Path) -> str:
    """What tells pieces apart that have no id: the elements that they are in."""
    return "at " + " ".join(str(part) for part in path if isinstance(part, int))


def _shared(one: Path, other: Path) -> int:
    """How many parts two paths have in common from the root on."""
    shared = 0
    for mine, theirs in zip(one, other, strict=False):
        if mine != theirs:
            break
        shared += 1
    return shared


def _is_of_element(pattern: PathPattern, one: Path, other: Path) -> bool:
    """Whether two places are not in two elements of one array. An element that the pattern counts off is not meant."""
    shared = _shared(one, other)
    mine, theirs = one[shared : shared + 1], other[shared : shared + 1]
    if not (mine and theirs and isinstance(mine[0], int) and isinstance(theirs[0], int)):
        return True
    return pattern.has_fixed_length and isinstance(pattern.segments[shared].selector, int)
