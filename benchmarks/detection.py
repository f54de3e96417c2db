"""``python -m benchmarks.detection``: messages a second on one core, beside Presidio's analyzer in the same run.

Each round takes messages that nobody has read before and gives the same ones to all, in turns. What counts is the
processor time of this process, so that other work on the machine disturbs little. Needs the extra ``bench``.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import platform
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.messages import demo_chats, made_up, read_messages
from sidecar.detection.assembly import DetectorSettings, build_detector
from sidecar.detection.cache import CachedDetection
from sidecar.detection.detector import Detector
from sidecar.detection.ner import load_pipeline
from sidecar.detection.recognizer import Message
from sidecar.detection.span import Span
from sidecar.keys import MASTER_BYTES, MasterKey, Purpose
from sidecar.metrics import Metrics

if TYPE_CHECKING:
    from spacy.language import Language

_BATCH: Final = 32  # as the sidecar's workers get them
_READ_AGAIN: Final = 20  # times, so that there is something to measure
NEW_AIM: Final = 3.0
READ_BEFORE_AIM: Final = 100.0

OURS, CACHED = "sidecar, new messages", "sidecar, messages read before"
PRESIDIO, PRESIDIO_BATCH = "Presidio AnalyzerEngine, our pipeline", "Presidio BatchAnalyzerEngine, our pipeline"
PRESIDIO_BLANK = "Presidio AnalyzerEngine, blank pipeline (finds no names)"

Reads = Callable[[Sequence[Message]], int]
"""Reads the messages and returns how often it did."""


class Direct:
    """The detector without processes, as the cache wants it."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self.version = detector.version

    async def detect(self, messages: Sequence[Message]) -> list[tuple[Span, ...]]:
        return self._detector.detect(messages)


@dataclass(frozen=True)
class Row:
    """One way of reading: messages a second of processor time, the median of the rounds."""

    name: str
    per_second: float


def sidecar_new(detector: Detector) -> Reads:
    """Read as a worker does."""

    def read(messages: Sequence[Message]) -> int:
        for batch in _batches(messages):
            detector.detect(batch)
        return 1

    return read


def sidecar_cached(detector: Detector) -> tuple[Reads, Reads]:
    """Return what fills the cache, and what reads the same messages again and again."""
    keys = MasterKey(bytes(MASTER_BYTES)).pseudonymizer(Purpose.DETECTION_CACHE)
    cache = CachedDetection(Direct(detector), keys, Metrics())

    async def all_of(messages: Sequence[Message], times: int) -> None:
        for _ in range(times):
            for batch in _batches(messages):
                await cache.detect(batch)

    def fill(messages: Sequence[Message]) -> int:
        asyncio.run(all_of(messages, 1))
        return 1

    def again(messages: Sequence[Message]) -> int:
        asyncio.run(all_of(messages, _READ_AGAIN))
        return _READ_AGAIN

    return fill, again


def presidio(nlp: Language) -> tuple[Reads, Reads]:
    """Return Presidio with its default recognizers over a spaCy pipeline: one text at a time, and in batches."""
    try:
        from presidio_analyzer import AnalyzerEngine, BatchAnalyzerEngine
        from presidio_analyzer.nlp_engine import SpacyNlpEngine
    except ImportError:
        raise SystemExit("Presidio is not installed: pip install -e '.[bench]'") from None
    nlp_engine: Any = SpacyNlpEngine(models=[{"lang_code": "en", "model_name": "ours"}])
    nlp_engine.nlp = {"en": nlp}
    analyzer = AnalyzerEngine(nlp_engine=nlp_engine, supported_languages=["en"])
    batch_analyzer = BatchAnalyzerEngine(analyzer_engine=analyzer)

    def one_by_one(messages: Sequence[Message]) -> int:
        for message in messages:
            analyzer.analyze(message.text, language="en")
        return 1

    def batches(messages: Sequence[Message]) -> int:
        list(batch_analyzer.analyze_iterator([message.text for message in messages], language="en", batch_size=_BATCH))
        return 1

    return one_by_one, batches


def blank() -> Language:
    """Return a pipeline that only takes texts apart."""
    import spacy  # not before the detection, which sets NumPy's threads

    return spacy.blank("en")


def measure(ways: Mapping[str, Reads], rounds: Sequence[Sequence[Message]], prepare: Reads) -> list[Row]:
    """Let every way read every round, in turns. The first round warms up and is not counted."""
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for number, messages in enumerate(rounds):
        prepare(messages)
        for name, read in ways.items():
            started = time.process_time()
            times = read(messages)
            seconds = time.process_time() - started
            if number:
                rates[name].append(times * len(messages) / seconds)
    return [Row(name, statistics.median(found)) for name, found in rates.items()]


def table(rows: Sequence[Row]) -> str:
    """Return the rows for people, each beside Presidio with the same model."""
    reference = next(row.per_second for row in rows if row.name == PRESIDIO)
    lines = ["| one core | messages/s | × Presidio |", "|---|--:|--:|"]
    lines += [f"| {row.name} | {row.per_second:,.0f} | {row.per_second / reference:.1f} |" for row in rows]
    return "\n".join(lines)


def met(rows: Sequence[Row]) -> bool:
    """Whether the aims are met in this run."""
    rate = {row.name: row.per_second for row in rows}
    return rate[OURS] >= NEW_AIM * rate[PRESIDIO] and rate[CACHED] >= READ_BEFORE_AIM * rate[PRESIDIO]


def cut_into_rounds(messages: Iterator[Message], rounds: int, count: int) -> list[list[Message]]:
    """Return a warm-up and so many rounds of messages, or end the run where there are too few."""
    cut = [list(islice(messages, count)) for _ in range(rounds + 1)]
    if len(cut[-1]) < count:
        raise SystemExit(f"{rounds + 1} × {count} messages are needed: give more, or fewer --rounds or --messages")
    return cut


def _batches(messages: Sequence[Message]) -> Iterator[Sequence[Message]]:
    for start in range(0, len(messages), _BATCH):
        yield messages[start : start + _BATCH]


def main() -> int:
    """Measure and print. Exit 1 where an aim is missed."""
    options = _options()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # threads of libraries must not count as one core
    warnings.simplefilter("ignore")  # the pipeline tells Presidio that it has no lemmas
    logging.disable(logging.CRITICAL)  # Presidio looks for a list of domains on the network, and does without
    source = iter(read_messages(options.file, sys.maxsize)) if options.file else chain(demo_chats(), made_up())
    rounds = cut_into_rounds(source, options.rounds, options.messages)
    detector = build_detector(DetectorSettings())
    fill, again = sidecar_cached(detector)
    one_by_one, batches = presidio(load_pipeline())
    ways: dict[str, Any] = {OURS: sidecar_new(detector), CACHED: again, PRESIDIO: one_by_one, PRESIDIO_BATCH: batches}
    ways[PRESIDIO_BLANK] = presidio(blank())[0]
    rows = measure(ways, rounds, fill)
    print(f"Python {platform.python_version()}, {options.rounds} rounds of {options.messages} messages, "
          f"{statistics.mean(len(m.text) for m in chain(*rounds)):.0f} characters each\n")  # fmt: skip
    print(table(rows))
    return 0 if met(rows) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detection", description=__doc__)
    parser.add_argument("--file", type=Path, nargs="+", help='JSON lines with "text", "speaker", "context"')
    parser.add_argument("--messages", type=int, default=500, help="in each round (default 500)")
    parser.add_argument("--rounds", type=int, default=5, help="that count, after one to warm up (default 5)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
