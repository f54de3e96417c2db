"""What a field map says about annotations: which numbers are offsets, and into which text (X6)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sidecar.payloads.offsets import Unit
from sidecar.payloads.paths import PathPattern


class Quotes(StrEnum):
    """What becomes of words that are written back beside their offsets."""

    RESTORE = "restore"  # the original's words for that range
    KEEP = "keep"  # what the author of the annotation saw, as the policy leaves it


@dataclass(frozen=True, slots=True)
class AnnotationRule:
    """Where annotations are, and in each its offsets, and the words it quotes.

    ``texts`` name the annotated texts, from the root of the conversation. Where ``start_in`` and ``end_in`` are given,
    they name indices: of the text, within the array of texts, that the offset is into.
    """

    each: PathPattern
    start: PathPattern
    end: PathPattern
    texts: tuple[PathPattern, ...]
    start_in: PathPattern | None = None
    end_in: PathPattern | None = None
    quote: PathPattern | None = None
    unit: Unit = Unit.CODE_POINTS
    quotes: Quotes = Quotes.RESTORE
