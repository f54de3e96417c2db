"""Matches one path against many patterns at once, in time linear in the path.

The patterns become one non-deterministic automaton over path parts; its deterministic states are made when they are
first needed and kept. Names that no pattern mentions share one symbol, so a payload can't make states by inventing
names.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum

from sidecar.payloads.document import Path, PathPart
from sidecar.payloads.paths import ANY, PathPattern, Wild


class Unmentioned(Enum):
    """Stands for every part that no pattern mentions."""

    NAME = "name"
    INDEX = "index"


Symbol = PathPart | Unmentioned
_Thread = tuple[int, int]  # a pattern, and how many of its segments are behind us


@dataclass(slots=True, eq=False)
class State:
    """Where every pattern stands after some prefix. ``accepted``: the patterns that match that prefix."""

    threads: frozenset[_Thread]
    accepted: frozenset[int]
    following: dict[Symbol, State] = field(default_factory=dict)


class PathMatcher:
    """Which of ``patterns`` (by index) match each prefix of a path."""

    def __init__(self, patterns: Sequence[PathPattern]) -> None:
        self._patterns = tuple(patterns)
        selectors = (segment.selector for pattern in patterns for segment in pattern.segments)
        self._mentioned = frozenset(selector for selector in selectors if not isinstance(selector, Wild))
        self._states: dict[frozenset[_Thread], State] = {}
        self.start = self._state(frozenset((index, 0) for index in range(len(patterns))))

    def walk(self, path: Path) -> Iterator[frozenset[int]]:
        """Yield, from the root to the whole path, the patterns that match that prefix: ``len(path) + 1`` sets."""
        state = self.start
        yield state.accepted
        for part in path:
            state = self.step(state, self.symbol(part))
            yield state.accepted

    def symbol(self, part: PathPart) -> Symbol:
        """Return what the part is to the patterns: two parts with one symbol are matched alike."""
        if part in self._mentioned:
            return part
        return Unmentioned.NAME if isinstance(part, str) else Unmentioned.INDEX

    def step(self, state: State, symbol: Symbol) -> State:
        """Return the state one part further down."""
        following = state.following.get(symbol)
        if following is None:
            following = state.following[symbol] = self._state(frozenset(self._threads(state, symbol)))
        return following

    def _threads(self, state: State, symbol: Symbol) -> Iterator[_Thread]:
        for pattern, done in state.threads:
            segments = self._patterns[pattern].segments
            if done == len(segments):
                continue
            segment = segments[done]
            if _selects(segment.selector, symbol):
                yield pattern, done + 1
            if segment.descends:
                yield pattern, done

    def _state(self, threads: frozenset[_Thread]) -> State:
        if threads not in self._states:
            done = frozenset(p for p, behind in threads if behind == len(self._patterns[p].segments))
            self._states[threads] = State(threads, done)
        return self._states[threads]


def _selects(selector: str | int | Wild, symbol: Symbol) -> bool:
    if isinstance(selector, Wild):
        return selector is ANY or isinstance(symbol, int) or symbol is Unmentioned.INDEX
    return selector == symbol
