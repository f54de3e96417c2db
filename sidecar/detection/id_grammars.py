"""An operator's own grammars for order, account and customer numbers (D6).

Patterns run on RE2, which has no backtracking: whatever an operator writes, matching is linear (D17).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import re2

from sidecar.detection.normalise import fold
from sidecar.detection.scores import CONFIGURED, GUESS, STRONG_GRAMMAR
from sidecar.detection.span import Span
from sidecar.detection.view import View, split
from sidecar.errors import ConfigError, Problem

_WORDS_BEFORE: Final = 8
_WORDS_AFTER: Final = 4
_READ_BACK: Final = 600
"""Characters of the turn before that are read, from its end."""

_MOST_MEMORY_BYTES: Final = 8 << 20


@dataclass(frozen=True, slots=True)
class IdGrammar:
    """The shape of one kind of id. ``pattern``: RE2 syntax, matched in any letter case, on whole words.

    Without ``context`` a match counts as it stands. With it, a match near one of these words (before it, shortly after
    it, or in the question that it answers) is as sure as can be, and one elsewhere is a guess.
    """

    name: str
    label: str
    pattern: str
    context: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Compiled:
    grammar: IdGrammar
    pattern: Any = field(repr=False)
    context: tuple[tuple[str, ...], ...]


class IdGrammarRule:
    """Finds ids by configured grammars."""

    def __init__(self, grammars: Sequence[IdGrammar]) -> None:
        """Raises ``ConfigError`` naming every pattern that can't be used."""
        problems: list[Problem] = []
        compiled: list[_Compiled] = []
        for grammar in grammars:
            made = _compile(grammar)
            if isinstance(made, Problem):
                problems.append(made)
            else:
                compiled.append(made)
        if problems:
            raise ConfigError(tuple(problems))
        self._compiled = tuple(compiled)

    def __call__(self, view: View) -> Iterable[Span]:
        if not self._compiled:
            return
        asked = split(fold(view.message.context[-1].text[-_READ_BACK:]))[0] if view.message.context else ()
        for compiled in self._compiled:
            for match in compiled.pattern.finditer(view.text):
                start, end = match.span()
                if end > start and _on_word_borders(view.text, start, end):
                    score = _score(view, compiled, start, end, asked)
                    yield Span(start, end, compiled.grammar.label, score, f"id-grammar:{compiled.grammar.name}")


def _compile(grammar: IdGrammar) -> _Compiled | Problem:
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    options.max_mem = _MOST_MEMORY_BYTES
    path = f"id_grammars[{grammar.name}].pattern"
    try:
        pattern = re2.compile(grammar.pattern, options)
    except re2.error:
        return Problem(
            path,
            "is not a regular expression that RE2 accepts",
            "Write it without look-around and back-references, and check its brackets.",
        )
    if pattern.search("") is not None:
        return Problem(path, "matches the empty text", "Make it match at least one character.")
    context = tuple(split(fold(phrase))[0] for phrase in grammar.context)
    return _Compiled(grammar, pattern, tuple(words for words in context if words))


def _on_word_borders(text: str, start: int, end: int) -> bool:
    inside_before = start > 0 and text[start - 1].isalnum() and text[start].isalnum()
    inside_after = end < len(text) and text[end].isalnum() and text[end - 1].isalnum()
    return not inside_before and not inside_after


def _score(view: View, compiled: _Compiled, start: int, end: int, asked: tuple[str, ...]) -> float:
    if not compiled.context:
        return STRONG_GRAMMAR
    near = (*_around(view, start, end), asked)
    if any(_holds(words, phrase) for phrase in compiled.context for words in near):
        return CONFIGURED
    return GUESS


def _around(view: View, start: int, end: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the words before the match and after it. Found by halving: matches may be as many as words (D17)."""
    first, last = bisect_left(view.starts, start), bisect_left(view.starts, end)
    return view.words[max(0, first - _WORDS_BEFORE) : first], view.words[last : last + _WORDS_AFTER]


def _holds(words: tuple[str, ...], phrase: tuple[str, ...]) -> bool:
    return any(words[place : place + len(phrase)] == phrase for place in range(len(words) - len(phrase) + 1))
