"""Messages in which some values were redacted before: the model must read a placeholder as nothing (D20)."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Final

from sidecar.detection.entity_types import DIRECT_TYPES
from sidecar.training.corpus import GoldSpan, Labelled

_MOST_NUMBERS: Final = 40


def redacted(labelled: Labelled, share: float, rng: random.Random) -> Labelled:
    """The message with ``share`` of its direct identifiers as placeholders, which have no label."""
    text, made = labelled.message.text, ""
    place = 0
    spans: list[GoldSpan] = []
    for span in labelled.spans:
        made += text[place : span.start]
        place = span.end
        if span.label in DIRECT_TYPES and rng.random() < share:
            made += f"[{span.label}_{rng.randint(1, _MOST_NUMBERS)}]"
            continue
        spans.append(GoldSpan(len(made), len(made) + span.end - span.start, span.label))
        made += text[span.start : span.end]
    message = replace(labelled.message, text=made + text[place:])
    return replace(labelled, message=message, spans=tuple(spans))
