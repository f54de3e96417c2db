"""Labelled messages: read from JSON lines, turned into what spaCy trains on.

One object a line: ``id``, ``source``, ``speaker`` (agent, customer or null), ``text``, ``context`` (earlier turns,
oldest first: ``{speaker, text}``), ``spans`` (``{start, end, label}``, half-open character offsets), sometimes
``ignore`` (``[[start, end], …]``: neither right nor wrong). Other keys are allowed and not read.
"""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy.training import Example

from sidecar.detection.cues import cue
from sidecar.detection.entity_types import ENTITY_TYPES
from sidecar.detection.ner import read
from sidecar.detection.normalise import Normalised, normalise
from sidecar.detection.recognizer import Message, Turn
from sidecar.errors import SidecarError


class CorpusError(SidecarError):
    """A labelled file can't be used. Names file and line, never the text."""


@dataclass(frozen=True, slots=True, order=True)
class GoldSpan:
    """What a person says is there: a half-open character range and its entity type."""

    start: int
    end: int
    label: str


@dataclass(frozen=True, slots=True)
class Labelled:
    """One message with its labels. ``ignore`` holds ranges that are neither right nor wrong."""

    message: Message
    spans: tuple[GoldSpan, ...]
    source: str = ""
    ignore: tuple[tuple[int, int], ...] = ()


def read_files(paths: Iterable[Path]) -> Iterator[Labelled]:
    """The messages of files and folders of ``*.jsonl``, in order of names. Raises ``CorpusError``."""
    for path in paths:
        files = sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
        if not files:
            raise CorpusError(f"{path}: holds no *.jsonl file. Give a file of labelled JSON lines or a folder of them")
        for file in files:
            yield from _read_file(file)


def _read_file(path: Path) -> Iterator[Labelled]:
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield _labelled(line, path, number)
    except FileNotFoundError:
        raise CorpusError(f"{path}: is not there. Give a file of labelled JSON lines or a folder of them") from None
    except UnicodeDecodeError:
        raise CorpusError(f"{path}: is not UTF-8. Convert it first") from None


def _labelled(line: str, path: Path, number: int) -> Labelled:
    try:
        record = json.loads(line)
        text, spans = record["text"], tuple(sorted(_gold(item) for item in record.get("spans") or ()))
        context = tuple(Turn(turn["speaker"], turn["text"]) for turn in record.get("context") or ())
        message = Message(text, speaker=record.get("speaker"), context=context)
        ignore = tuple((int(start), int(end)) for start, end in record.get("ignore") or ())
    except (ValueError, KeyError, TypeError, AttributeError):
        raise CorpusError(f"{path}:{number}: is not a labelled message. See 'sidecar evaluate --help'") from None
    if any(not 0 <= span.start < span.end <= len(text) or span.label not in ENTITY_TYPES for span in spans):
        raise CorpusError(f"{path}:{number}: a span lies outside the text or has an unknown label")
    return Labelled(message, spans, str(record.get("source") or path.stem), ignore)


def _gold(item: Mapping[str, Any]) -> GoldSpan:
    return GoldSpan(int(item["start"]), int(item["end"]), str(item["label"]))


def to_example(nlp: Language, labelled: Labelled) -> Example:
    """The pair of documents that spaCy trains on.

    A label that covers part of a token is widened to the token, so that nothing of it is taught to be left out.
    Tokens under ``ignore`` are marked as unknown: whatever the model says there costs nothing.
    """
    name = cue(labelled.message)
    copy = normalise(labelled.message.text)
    predicted = read(nlp, copy.text, name)
    reference = read(nlp, copy.text, name)
    entities: list[Span] = []
    taken = 0
    for gold in labelled.spans:
        start, end = _in_copy(copy, gold.start, gold.end)
        entity = reference.char_span(start, end, label=gold.label, alignment_mode="expand") if start < end else None
        if entity is not None and entity.start >= taken:
            entities.append(entity)
            taken = entity.end
    ignored = [_in_copy(copy, start, end) for start, end in labelled.ignore]
    reference.set_ents(entities, missing=_unknown(reference, ignored, entities), default="outside")
    return Example(predicted, reference)


def _in_copy(copy: Normalised, start: int, end: int) -> tuple[int, int]:
    """Map a range of the original to the range of the normalised copy; empty where nothing is left of it."""
    if copy.starts is None or copy.ends is None:
        return start, end
    first = bisect_right(copy.ends, start)
    return first, max(first, bisect_left(copy.starts, end))


def _unknown(doc: Doc, ranges: Iterable[tuple[int, int]], entities: Iterable[Span]) -> list[Span]:
    """The tokens under ``ranges`` that no entity holds, one span each."""
    held = {index for entity in entities for index in range(entity.start, entity.end)}
    spans = [doc.char_span(start, end, alignment_mode="contract") for start, end in ranges]
    ignored = {index for span in spans if span for index in range(span.start, span.end)}
    return [doc[index : index + 1] for index in sorted(ignored - held)]
