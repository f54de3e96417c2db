"""Finds entities with the spaCy pipeline. Runs in worker processes (``detection.executor``)."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import spacy
from spacy.about import __version__ as spacy_version
from spacy.attrs import IDS, TAG  # type: ignore[import-not-found]  # compiled, without stubs
from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import is_compatible_version
from thinc.api import Model, NumpyOps

from sidecar.detection.cues import asked_slots, asks_for_town, cue
from sidecar.detection.lexicon import Lexicon  # registers the pipe that a saved pipeline names, too
from sidecar.detection.normalise import Normalised, normalise
from sidecar.detection.recognizer import MODEL, Message
from sidecar.detection.span import Span
from sidecar.errors import ConfigError, Problem

SHIPPED: Final = Path(__file__).parent.parent / "models" / "chat_en"
SCORE: Final = 0.7
"""The parser gives no probabilities. Below what a checksum or a prompt proves, above what a bare shape says (D8)."""

_LONGEST_PIECE: Final = 5_000
"""Characters. Longer texts are read in pieces, so that memory is bounded by the piece and not by the sender."""

_LONGEST_RUN: Final = 200
"""Characters without white space. The tokenizer takes signs off a run one by one and looks at all of the rest again
each time, which is quadratic: 100 kB of brackets would take a minute."""

_ATTRIBUTES: Final = ("LANG", "LOWER", "NORM", "PREFIX", "SHAPE", "SUFFIX")
"""Of a word; those that a tokenizer or the word lists need."""

_SHORT_ANSWER: Final = 12
"""Tokens up to which a message only answers what was asked."""

_JAPANESE: Final = frozenset({"CJK", "HIRAGANA", "KATAKANA", "HALFWIDTH"})
"""Scripts that one name is written in together, as Unicode names their letters."""

_BATCH: Final = 64
_MOST_CELLS: Final = 1 << 15
"""Of the hash table of strings, 16 bytes each, in a pipeline that has few of its own; that of words is no larger."""

_TOO_LONG_RUN: Final = re.compile(rf"\S{{{_LONGEST_RUN}}}(?=\S)")
_EDGE_SIGNS: Final = " \t\r\n\u00a0.,;:!?\"'`()[]{}<>|*-_/\\"


def load_pipeline(folder: Path | None = None) -> Language:
    """The pipeline in ``folder``, by default the shipped one.

    Raises ``ConfigError`` when it is missing, damaged, or was made by another version of spaCy.
    """
    place = folder or SHIPPED
    wanted = _spacy_version(place)
    if not is_compatible_version(spacy_version, wanted):
        remedy = f"Install spacy{wanted}, or train it again with 'sidecar train'"
        raise _refused(place, f"was made for spaCy {wanted}, not for {spacy_version}", remedy)
    try:
        return spacy.load(place)
    except (OSError, ValueError, KeyError) as error:
        raise _damaged(place, error) from None


def _spacy_version(place: Path) -> str:
    """The version that the pipeline was made by, as a specifier (PEP 440)."""
    try:
        meta = json.loads((place / "meta.json").read_bytes())
        return str(meta["spacy_version"])
    except FileNotFoundError:
        remedy = "Give the folder that 'sidecar train --out' wrote"
        raise _refused(place, "holds no spaCy pipeline", remedy) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(place, error) from None


def _damaged(place: Path, error: Exception) -> ConfigError:
    remedy = "Train it again with 'sidecar train', or install the package again"
    return _refused(place, f"can't be loaded ({type(error).__name__})", remedy)


def _refused(place: Path, message: str, remedy: str) -> ConfigError:
    return ConfigError((Problem(str(place), f"the model folder {message}", remedy),))


def read(nlp: Language, text: str, cue_name: str) -> Doc:
    """Tokenise a normalised text and put the cue on each token. Training and detection both read through here."""
    doc = nlp.make_doc(text)
    tag = nlp.vocab.strings.add(cue_name)
    doc.from_array([TAG], np.full((len(doc), 1), tag, dtype=np.uint64))  # type: ignore[arg-type]  # uint64 it is
    return doc


# "Arjun may sign" in a text with capitals: what follows the verb is no name, and would be taken for one elsewhere.
_NAME_AND_VERB = re.compile(
    r"(?P<name>[A-Z]\w*(?:[ .'’-]+[A-Z]\w*)*) (?:may|might|can|could|will|would|shall|should|must|has|had|is|was)(?!\w)"
)


def trim(text: str, start: int, end: int) -> tuple[int, int]:
    """The range without white space and signs at its edges; empty when nothing is left."""
    while start < end and text[start] in _EDGE_SIGNS:
        start += 1
    while end > start and text[end - 1] in _EDGE_SIGNS:
        end -= 1
    return start, end


def compact(nlp: Language) -> None:
    """Give back what words long gone have left in the vocabulary. Answers do not change. Only outside memory zones.

    A memory zone frees words, but marks their cells in spaCy's hash tables as deleted, which count as filled: with new
    words the tables double for ever (D15). Reading a vocabulary from bytes makes the tables anew, without those cells.
    """
    vocab = nlp.vocab
    getters = vocab.lex_attr_getters  # type: ignore[attr-defined]  # would be wrapped once more each time
    left_out = ("vectors", "lookups")
    vocab.from_bytes(vocab.to_bytes(exclude=left_out), exclude=left_out)
    vocab.lex_attr_getters = getters  # type: ignore[attr-defined]


def _cells(nlp: Language) -> int:
    return int(nlp.vocab.strings._map.capacity)  # type: ignore[attr-defined]  # public, without stub


def quicken(nlp: Language) -> None:
    """Make the pipeline faster; its answers stay the same.

    In a memory zone nothing is added to the tokenizer's cache, so each word would be taken apart each time: frequent
    ones are put there before. For new words, only the attributes that the model reads are worked out, and not whether
    they look like a URL.
    """
    read_by_model = {IDS[name] for name in (*_ATTRIBUTES, *_attributes_in(nlp.config)) if name in IDS}
    getters = nlp.vocab.lex_attr_getters  # type: ignore[attr-defined]
    nlp.vocab.lex_attr_getters = {key: getters[key] for key in getters if key in read_by_model}  # type: ignore[attr-defined]
    for _, pipe in nlp.pipeline:
        if isinstance(pipe, Lexicon):
            forms = [form for word in pipe.frequent() for form in _forms(word)]
            for start in range(0, len(forms), _BATCH):
                nlp.make_doc(" ".join(forms[start : start + _BATCH]))
    multiply_with_numpy(nlp)


def multiply_with_numpy(nlp: Language) -> None:
    """Let the models use NumPy's matrix product, which takes half of the time of the one that thinc prefers."""
    ops = NumpyOps(use_blis=False)
    for _, pipe in nlp.pipeline:
        model = getattr(pipe, "model", None)
        if isinstance(model, Model):
            for node in model.walk():
                node.ops = ops


def _attributes_in(config: Mapping[str, Any]) -> Iterator[str]:
    """The attributes that the embedding layers of a pipeline name, wherever they stand in its configuration."""
    for key, value in config.items():
        if key == "attrs" and isinstance(value, list):
            yield from value
        elif isinstance(value, Mapping):
            yield from _attributes_in(value)


def _forms(word: str) -> tuple[str, ...]:
    return (word, word.capitalize(), f"{word},", f"{word}.", f"{word}?")


class NerRecognizer:
    """The model as a recognizer. Keeps nothing between calls (D13, D15)."""

    name = MODEL

    def __init__(self, nlp: Language) -> None:
        quicken(nlp)
        self._nlp = nlp
        self._most_cells = max(_MOST_CELLS, 2 * _cells(nlp))

    def find(self, message: Message) -> list[Span]:
        """The entities of one message."""
        return self.find_all([message])[0]

    def find_all(self, messages: Sequence[Message]) -> list[list[Span]]:
        """The entities of each message, in order. Batches only make it faster."""
        answers: list[list[Span]] = [[] for _ in messages]
        copies = [normalise(message.text) for message in messages]
        with self._nlp.memory_zone():
            pieces = [
                (index, offset, piece, cue(message))
                for index, message in enumerate(messages)
                for offset, piece in _pieces(copies[index].text)
            ]
            docs = self._nlp.pipe((read(self._nlp, piece, name) for _, _, piece, name in pieces), batch_size=_BATCH)
            for (index, offset, _, name), doc in zip(pieces, docs, strict=True):
                asked = asked_slots(name) | ({"addr"} if asks_for_town(messages[index]) else set())
                answers[index].extend(self._spans(doc, copies[index], offset, asked))
        if _cells(self._nlp) > self._most_cells:
            compact(self._nlp)
        return answers

    def _spans(self, doc: Doc, copy: Normalised, offset: int, asked: frozenset[str]) -> Iterable[Span]:
        for entity in doc.ents:
            start, end = trim(copy.text, offset + entity.start_char, offset + entity.end_char)
            if entity.label_ == "PERSON" and (told := _NAME_AND_VERB.match(copy.text, start, end)):
                end = told.end("name")
            if start < end and not _is_drawn(copy.text[start:end]):
                label = _in_answer(entity.label_, asked) if len(doc) <= _SHORT_ANSWER else entity.label_
                yield Span(*copy.original(start, end), label, SCORE, self.name)


def _is_drawn(text: str) -> bool:
    """Say whether signs and letters only draw something: "°□°", or "ლ(ಠ益ಠლ)" in letters of scripts that never mix."""
    letters = [char for char in text if char.isalnum()]
    if not letters or text.isascii():
        return not letters
    scripts = {unicodedata.name(char, "?").partition(" ")[0] for char in letters}
    return len(letters) == 1 or ("LATIN" not in scripts and len(scripts - _JAPANESE) > 0 and len(scripts) > 1)


def _in_answer(label: str, asked: frozenset[str]) -> str:
    """What a short answer makes of a place or a date: the question for an address or a birthday decides (D2, D4)."""
    if label == "LOCATION" and not asked.isdisjoint(("addr", "zip")):
        return "ADDRESS"
    return "DATE_OF_BIRTH" if label == "DATE" and "born" in asked else label


def _pieces(text: str) -> Iterator[tuple[int, str]]:
    """Cut a long text at white space where there is some, and long runs anywhere. Joined, the pieces are the text."""
    start = 0
    for run in _TOO_LONG_RUN.finditer(text):
        yield from _cut(text, start, run.end())
        start = run.end()
    yield from _cut(text, start, len(text))


def _cut(text: str, start: int, stop: int) -> Iterator[tuple[int, str]]:
    while start < stop:
        end = min(start + _LONGEST_PIECE, stop)
        if end < stop:
            cut = text.rfind(" ", start + _LONGEST_PIECE // 2, end)
            end = cut if cut > start else end
        yield start, text[start:end]
        start = end
