"""Measures the whole detector on labelled files, and says it as a table or as JSON."""

from __future__ import annotations

import resource
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from sidecar.detection.assembly import DetectorSettings, build_detector
from sidecar.detection.detector import Detector
from sidecar.detection.entity_types import DEFAULT_TYPES
from sidecar.detection.ner import NerRecognizer, load_pipeline
from sidecar.detection.rules import RuleSettings, rule_recognizers
from sidecar.training.corpus import Labelled, read_files
from sidecar.training.measures import ANY_LABEL, Judged, Matches, Tally, slices, tally

_BATCH: Final = 256


class Parts(StrEnum):
    """Which recognizers take part."""

    ALL = "all"
    ONLY_MODEL = "only-model"
    ONLY_RULES = "only-rules"


@dataclass(frozen=True, slots=True)
class SourceReport:
    """One source: a tally for each slice."""

    source: str
    slices: dict[str, Tally]


@dataclass(frozen=True, slots=True)
class Report:
    """All sources, and how fast and how large the detector was. ``seconds`` are processor time, sizes are MiB."""

    sources: tuple[SourceReport, ...]
    messages: int
    seconds: float
    resident_mib: float

    @property
    def messages_a_second(self) -> float:
        return self.messages / self.seconds if self.seconds else 0.0


def make_detector(model: Path | None, parts: Parts) -> Detector:
    """The detector as the sidecar runs it by default, whole or in part."""
    if parts is Parts.ALL:
        return build_detector(DetectorSettings(model))
    rules = () if parts is Parts.ONLY_MODEL else rule_recognizers(RuleSettings())
    ner = None if parts is Parts.ONLY_RULES else NerRecognizer(load_pipeline(model))
    return Detector(rules, ner)


def evaluate(detector: Detector, files: Sequence[Path], redacted: frozenset[str] = DEFAULT_TYPES) -> Report:
    """Detect in every message of the files and count. Raises ``CorpusError`` for a file that can't be used."""
    labelled = list(read_files(files))
    judged, seconds = _judge(detector, labelled)
    sources = tuple(_report(source, judged, redacted) for source in dict.fromkeys(one.source for one in labelled))
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Report(sources, len(labelled), seconds, resident)


def _judge(detector: Detector, labelled: Sequence[Labelled]) -> tuple[list[Judged], float]:
    judged: list[Judged] = []
    started = time.process_time()
    for place in range(0, len(labelled), _BATCH):
        batch = labelled[place : place + _BATCH]
        found = detector.detect([one.message for one in batch])
        judged.extend(Judged(one, spans) for one, spans in zip(batch, found, strict=True))
    return judged, time.process_time() - started


def _report(source: str, judged: Iterable[Judged], redacted: frozenset[str]) -> SourceReport:
    own = [one for one in judged if one.labelled.source == source]
    labels = frozenset(span.label for one in own for span in one.labelled.spans)
    return SourceReport(source, {name: tally(part, redacted, labels) for name, part in slices(own).items()})


def as_table(report: Report) -> str:
    """The report for people."""
    speed = f"{report.messages_a_second:.0f} messages/s on one core, {report.resident_mib:.0f} MiB resident at most"
    return "\n".join([*_slice_rows(report), "", *_label_rows(report), "", speed])


def _slice_rows(report: Report) -> Iterator[str]:
    yield _row("source", "slice", "messages", "leak", "dialogue leak", "over-redaction", "clean touched", "F1", "F2")
    for source in report.sources:
        for name, counted in source.slices.items():
            whole = counted.by_label.get(ANY_LABEL, Matches())
            shares = (counted.leak_rate, counted.dialogue_leak, counted.over_redaction, counted.touched)
            yield _row(source.source, name, counted.messages, *map(_percent, (*shares, whole.f(1), whole.f(2))))


def _label_rows(report: Report) -> Iterator[str]:
    yield _row("source", "label", "gold", "leak", "recall", "precision", "F1", "F2")
    for source in report.sources:
        by_label = source.slices["all"].by_label
        for label, matches in sorted(by_label.items(), key=lambda item: -item[1].characters):
            leak = "" if label == ANY_LABEL else _percent(matches.leak_rate)
            shares = (matches.recall, matches.precision, matches.f(1), matches.f(2))
            yield _row(source.source, label, matches.right + matches.missed, leak, *map(_percent, shares))


def _percent(value: float) -> str:
    return f"{100 * value:.2f} %"


def _row(*cells: object) -> str:
    widths = (14, 15, 9, 9, 14, 15, 14, 9, 9)
    return "".join(f"{cell!s:<{width}}" for cell, width in zip(cells, widths, strict=False)).rstrip()


def as_json(report: Report) -> dict[str, Any]:
    """The report for programs. Shares are between 0 and 1."""
    return {
        "messages_a_second": report.messages_a_second,
        "resident_mib": report.resident_mib,
        "sources": {
            source.source: {name: _tally_as_json(counted) for name, counted in source.slices.items()}
            for source in report.sources
        },
    }


def _tally_as_json(counted: Tally) -> dict[str, Any]:
    return {
        "messages": counted.messages,
        "leak_rate": counted.leak_rate,
        "dialogue_leak": counted.dialogue_leak,
        "over_redaction": counted.over_redaction,
        "clean_touched": counted.touched,
        "labels": {label: _matches_as_json(matches) for label, matches in sorted(counted.by_label.items())},
    }


def _matches_as_json(matches: Matches) -> dict[str, float]:
    return {
        "gold": matches.right + matches.missed,
        "recall": matches.recall,
        "precision": matches.precision,
        "f1": matches.f(1),
        "f2": matches.f(2),
        "leak_rate": matches.leak_rate,
    }
