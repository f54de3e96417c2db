"""Finds what structured fields of the conversation hold, wherever it turns up in its texts (D3). Pure.

Texts and values are compared run together: folded, lower case, letters and digits only, so that "AB-12 34" is "ab1234"
and "jon.smith@example.com" is "jonsmithexamplecom". A match must begin and end on word borders, and may leave out
separators but not put words together that the value does not: "an na" is not Anna.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import ahocorasick

from sidecar.detection.known_forms import UNSPACED, Form, FormKind, forms_of
from sidecar.detection.normalise import Normalised, normalise
from sidecar.detection.recognizer import KnownValue, Message
from sidecar.detection.scores import GRAMMAR, STRONG_GRAMMAR
from sidecar.detection.span import Span
from sidecar.detection.view import split, to_original

_WORD_OR_CHARACTER: Final = re.compile(rf"{UNSPACED.pattern}|(?:(?!{UNSPACED.pattern})[^\W_])+")
_TYPO_LETTERS: Final = 6
_LONGEST_TYPO_WORD: Final = 40
_CACHED_SETS: Final = 256


@dataclass(frozen=True, slots=True)
class _Index:
    """The forms of one set of known values, ready to search.

    ``misspelt``: a word, or a word less one letter, to the forms that it may have been meant for.
    """

    automaton: Any = field(repr=False)
    misspelt: dict[str, tuple[Form, ...]] = field(repr=False)


@dataclass(frozen=True, slots=True)
class _RunTogether:
    """A text without its separators; for each word border, the word there by its place in the text."""

    joined: str = field(repr=False)
    begins: dict[int, int]
    finishes: dict[int, int]


@dataclass(frozen=True, slots=True)
class _Words:
    """The words of a text, with their places in its normalised copy."""

    normalised: Normalised = field(repr=False)
    words: tuple[str, ...] = field(repr=False)
    starts: tuple[int, ...]
    ends: tuple[int, ...]

    def span(self, first: int, final: int, label: str, score: float) -> Span:
        return Span(self.starts[first], self.ends[final], label, score, "known-values")


class KnownValueRecognizer:
    """Masks known values in any case and spelling that keeps their letters, and with one typo from six letters on."""

    name = "known-values"

    def find(self, message: Message) -> Iterable[Span]:
        if not message.known or not message.text:
            return []
        index = _index(message.known)
        normalised = normalise(message.text)
        words, starts, ends = _split(normalised.lower)
        if not words:
            return []
        text = _Words(normalised, words, starts, ends)
        found = {*_exact(index, text), *_typos(index, text)}
        return sorted(set(to_original(found, normalised)))


@lru_cache(maxsize=_CACHED_SETS)
def _index(known: tuple[KnownValue, ...]) -> _Index:
    """Build the index of a set of values. The cache is bounded: every message of a conversation brings the same set."""
    by_text: dict[str, list[Form]] = {}
    misspelt: dict[str, list[Form]] = {}
    for value in known:
        for form in forms_of(value):
            by_text.setdefault(form.joined, []).append(form)
            if form.kind is FormKind.WORD and len(form.joined) >= _TYPO_LETTERS and form.joined.isalpha():
                for shorter in {form.joined, *_shorter(form.joined)}:
                    misspelt.setdefault(shorter, []).append(form)
    automaton = ahocorasick.Automaton()
    for text, forms in by_text.items():
        automaton.add_word(text, tuple(forms))
    if by_text:
        automaton.make_automaton()
    return _Index(automaton if by_text else None, {key: tuple(forms) for key, forms in misspelt.items()})


def _split(lower: str) -> tuple[tuple[str, ...], tuple[int, ...], tuple[int, ...]]:
    """Cut text into words; in scripts that leave no space between words, into characters."""
    if UNSPACED.search(lower) is None:
        return split(lower)
    found = list(_WORD_OR_CHARACTER.finditer(lower))
    return (
        tuple(match.group() for match in found),
        tuple(match.start() for match in found),
        tuple(match.end() for match in found),
    )


def _run_together(words: tuple[str, ...]) -> _RunTogether:
    begins: dict[int, int] = {}
    finishes: dict[int, int] = {}
    length = 0
    for place, word in enumerate(words):
        begins[length] = place
        length += len(word)
        finishes[length] = place
    return _RunTogether("".join(words), begins, finishes)


def _exact(index: _Index, text: _Words) -> Iterator[Span]:
    """Of forms of one type that end in one place, the widest and surest stand for all: the same is covered.

    Threat: values made to end in each other, so that as many forms as there are end at each word.
    """
    if index.automaton is None:
        return
    together = _run_together(text.words)
    ending, best = 0, dict[str, tuple[int, float]]()  # of those that end there, by type: first word and score
    for last, forms in index.automaton.iter(together.joined):
        final = together.finishes.get(last + 1)
        if final is None:
            continue
        if final != ending:
            yield from (text.span(first, ending, label, score) for label, (first, score) in best.items())
            ending, best = final, {}
        for form in forms:
            first = together.begins.get(last + 1 - len(form.joined))
            if first is not None and _may_match(form, text, first, final):
                reached, surest = best.get(form.label, (first, form.score))
                best[form.label] = (min(reached, first), max(surest, form.score))
    yield from (text.span(first, ending, label, score) for label, (first, score) in best.items())


def _may_match(form: Form, text: _Words, first: int, final: int) -> bool:
    """Reject words put together by chance, and everyday words that only happen to be a name ("may I")."""
    if final - first + 1 > max(form.word_count, 1) and not form.may_be_split:
        return False
    if not form.everyday or len(text.words) == 1:
        return True
    written = text.normalised.text[text.starts[first] : text.ends[final]]
    return written[:1].isupper() and written[1:].islower() and first > 0


def _typos(index: _Index, text: _Words) -> Iterator[Span]:
    """One letter wrong, missing, added, or two swapped: both words less one letter meet (deletion neighbourhood)."""
    if not index.misspelt:
        return
    for place, word in enumerate(text.words):
        if not _TYPO_LETTERS - 1 <= len(word) <= _LONGEST_TYPO_WORD or not word.isalpha():
            continue
        for candidate in {word, *_shorter(word)}:
            for form in index.misspelt.get(candidate, ()):
                if form.joined != word and is_one_typo_apart(form.joined, word):
                    score = STRONG_GRAMMAR if word[0] == form.joined[0] else GRAMMAR
                    yield text.span(place, place, form.label, score)


def _shorter(word: str) -> Iterator[str]:
    """Yield the word less each of its letters."""
    for place in range(len(word)):
        yield word[:place] + word[place + 1 :]


def is_one_typo_apart(one: str, other: str) -> bool:
    """Say whether one insertion, deletion, substitution or swap of neighbours makes one word of the other."""
    if abs(len(one) - len(other)) > 1 or one == other:
        return False
    head = 0
    while head < min(len(one), len(other)) and one[head] == other[head]:
        head += 1
    if len(one) != len(other):
        longer, shorter = (one, other) if len(one) > len(other) else (other, one)
        return longer[head + 1 :] == shorter[head:]
    swapped = one[head : head + 2] == other[head : head + 2][::-1] and one[head + 2 :] == other[head + 2 :]
    return one[head + 1 :] == other[head + 1 :] or swapped
