"""What word lists know of a token, packed into one lexical attribute that the model embeds.

The attribute is a function of the word alone, so spaCy computes it once for a word and keeps it with the lexeme; inside
``nlp.memory_zone`` that memory is given back. It uses the slot of ``LANG``, which no pipe of ours reads. ``PREFIX``
and ``SUFFIX`` are lower-cased and three letters long, because chat has no dependable capitals.

Attribute getters are code and are not saved by spaCy, so the word list is a pipe of its own: loading it installs them.
"""

from __future__ import annotations

import gzip
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from spacy.attrs import LANG, PREFIX, SUFFIX  # type: ignore[import-not-found]  # compiled, without stubs
from spacy.language import Language
from spacy.tokens import Doc
from spacy.vocab import Vocab

FACTORY: Final = "sidecar_lexicon"
FILE: Final = "words.tsv.gz"

GIVEN_RANKS: Final = (300, 2_000)
SURNAME_RANKS: Final = (1_000, 8_000)
WORD_RANKS: Final = (300, 2_000, 8_000, 30_000)
"""Bounds of the frequency classes; what lies beyond the last but is listed is one more class, what is not listed 0."""

LONGEST_WORD: Final = 40
LONGEST_NUMBER: Final = 20

PLACE: Final = 1
STREET_KIND: Final = 2
BRAND: Final = 4
TITLE: Final = 8
CAPITAL: Final = 16
"""Marks: part of a place, kind of street or unit, brand or organisation, title, mostly written with a capital."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of one word. Ranks count from 0, most frequent first; None: not in that list."""

    given: int | None = None
    surname: int | None = None
    word: int | None = None
    marks: int = 0

    def code(self) -> int:
        """The entry as one number: three frequency classes and the marks."""
        classes = (_class(self.given, GIVEN_RANKS), _class(self.surname, SURNAME_RANKS), _class(self.word, WORD_RANKS))
        return ((classes[0] * 4 + classes[1]) * 6 + classes[2]) * 32 + self.marks


def _class(rank: int | None, bounds: tuple[int, ...]) -> int:
    if rank is None:
        return 0
    return 1 + sum(rank >= bound for bound in bounds)


def fold(word: str) -> str:
    """Lower case, without accents and apostrophes: the form in which words are listed."""
    if word.isascii():
        return word.lower().replace("'", "")
    decomposed = unicodedata.normalize("NFKD", word.lower())
    return "".join(char for char in decomposed if not unicodedata.combining(char) and char not in "'’")


class Lexicon:
    """The pipe: changes no document, installs the attribute getters in the vocabulary that it is given."""

    def __init__(self, vocab: Vocab, codes: Mapping[str, int] | None = None) -> None:
        self._vocab = vocab
        self._codes: dict[str, int] = dict(codes or {})
        self._install()

    def __call__(self, doc: Doc) -> Doc:
        return doc

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 0) -> Iterable[Doc]:
        """Pass the stream on unchanged (spaCy's protocol for pipes)."""
        del batch_size
        return stream

    def replace(self, codes: Mapping[str, int]) -> None:
        """Use another word list from now on."""
        self._codes = dict(codes)
        self._install()

    @property
    def codes(self) -> Mapping[str, int]:
        return self._codes

    def frequent(self) -> list[str]:
        """The most frequent English words of the list, sorted: those of its first two classes."""
        return sorted(word for word, code in self._codes.items() if code // 32 % 6 in (1, 2))

    def feature(self, token: str) -> int:
        """The packed attribute of one token: never 0, which the vocabulary reads as "not set"."""
        if token.isdigit():
            return 10_000 + min(len(token), LONGEST_NUMBER)
        if len(token) > LONGEST_WORD:
            return 20_000
        if any(char.isdigit() for char in token):
            return 20_001 + _mixture(token)
        word = fold(token)
        if not word.replace("-", "").isalpha():
            return 30_000 + ("@" in token)
        code = self._codes.get(word)
        if code is None:
            code = self._codes.get(_squeeze(word), 0)
        return 40_000 + code

    def _install(self) -> None:
        getters: dict[int, Callable[[str], Any]] = dict(self._vocab.lex_attr_getters)  # type: ignore[attr-defined]
        getters[LANG] = self.feature
        getters[PREFIX] = lambda text: text[:3].lower()
        getters[SUFFIX] = lambda text: text[-3:].lower()
        self._vocab.lex_attr_getters = getters  # type: ignore[attr-defined]
        for lexeme in self._vocab:  # those that came before the getters
            lexeme.lang = self.feature(lexeme.orth_)
            lexeme.prefix_ = lexeme.orth_[:3].lower()
            lexeme.suffix_ = lexeme.orth_[-3:].lower()

    def to_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> None:
        """Write the list. The same list gives the same bytes."""
        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FILE).write_bytes(self.to_bytes(exclude=exclude))

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> Lexicon:
        """Read the list and install the getters."""
        return self.from_bytes((Path(path) / FILE).read_bytes(), exclude=exclude)

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """The list, sorted, as one byte string."""
        del exclude
        lines = "".join(f"{word}\t{code}\n" for word, code in sorted(self._codes.items()))
        return gzip.compress(lines.encode(), mtime=0)

    def from_bytes(self, data: bytes, *, exclude: Iterable[str] = ()) -> Lexicon:
        """The inverse of ``to_bytes``. Raises ``ValueError`` or ``OSError`` when the bytes are no such list."""
        del exclude
        rows = (line.split("\t") for line in gzip.decompress(data).decode().splitlines())
        self.replace({word: int(code) for word, code in rows})
        return self


def _mixture(token: str) -> int:
    """How letters, digits and other signs are mixed in a token that holds a digit."""
    leads_with_letter = token[0].isalpha()
    has_letters = any(char.isalpha() for char in token)
    has_signs = not token.isalnum()
    return leads_with_letter + 2 * has_letters + 4 * has_signs + 8 * ("@" in token)


def _squeeze(word: str) -> str:
    """``heyyy`` → ``hey``: runs of one letter at the end are how chat shouts."""
    end = len(word)
    while end > 1 and word[end - 1] == word[end - 2]:
        end -= 1
    return word[:end]


@Language.factory(FACTORY)
def make_lexicon(nlp: Language, name: str) -> Lexicon:
    """Made empty; filled by training or from disk."""
    del name
    return Lexicon(nlp.vocab)
