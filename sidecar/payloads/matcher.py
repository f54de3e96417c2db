"""Matches one path against many patterns at once, in time linear in the path.

The patterns become one non-deterministic automaton over path parts; its deterministic states are made when they are
first needed and kept. Names that no pattern mentions share one symbol, so a payload can't make states by inventing
names.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from sidecar.payloads.document import Path, PathPart
from sidecar.payloads.paths import ANY, EACH, PathPattern, Wild

_OTHER_NAME: Final = "name"
_OTHER_INDEX: Final = "index"
_Symbol = tuple[str, PathPart | None]
_Thread = tuple[int, int]  # a pattern, and how many of its segments are behind us


@dataclass(slots=True, eq=False)
class _State:
    threads: frozenset[_Thread]
    accepted: frozenset[int]
    next: dict[_Symbol, _State] = field(default_factory=dict)


class PathMatcher:
    """Which of ``patterns`` (by index) match each prefix of a path."""

    def __init__(self, patterns: Sequence[PathPattern]) -> None:
        self._patterns = tuple(patterns)
        self._mentioned = frozenset(
            (type(s.selector).__name__, s.selector)
            for p in patterns
            for s in p.segments
            if not isinstance(s.selector, Wild)
        )
        self._states: dict[frozenset[_Thread], _State] = {}
        self._start = self._state(frozenset((index, 0) for index in range(len(patterns))))

    def walk(self, path: Path) -> Iterator[frozenset[int]]:
        """Yield, from the root to the whole path, the patterns that match that prefix: ``len(path) + 1`` sets."""
        state = self._start
        yield state.accepted
        for part in path:
            symbol = self._symbol(part)
            following = state.next.get(symbol)
            if following is None:
                following = state.next[symbol] = self._step(state, symbol)
            state = following
            yield state.accepted

    def _symbol(self, part: PathPart) -> _Symbol:
        symbol: _Symbol = (type(part).__name__, part)
        if symbol in self._mentioned:
            return symbol
        return (_OTHER_INDEX if isinstance(part, int) else _OTHER_NAME, None)

    def _step(self, state: _State, symbol: _Symbol) -> _State:
        threads: set[_Thread] = set()
        for pattern, done in state.threads:
            segments = self._patterns[pattern].segments
            if done == len(segments):
                continue
            segment = segments[done]
            if _selects(segment.selector, symbol):
                threads.add((pattern, done + 1))
            if segment.descends:
                threads.add((pattern, done))
        return self._state(frozenset(threads))

    def _state(self, threads: frozenset[_Thread]) -> _State:
        if threads not in self._states:
            done = frozenset(p for p, behind in threads if behind == len(self._patterns[p].segments))
            self._states[threads] = _State(threads, done)
        return self._states[threads]


def _selects(selector: str | int | Wild, symbol: _Symbol) -> bool:
    if selector is ANY:
        return True
    if selector is EACH:
        return symbol[0] != str.__name__ and symbol[0] != _OTHER_NAME
    return (type(selector).__name__, selector) == symbol
