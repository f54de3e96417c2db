"""From the analyzer's answer to spans. Pure. Whatever is not exactly as agreed is refused whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sidecar.detection.span import Span
from sidecar_http_analyzer.errors import AnalyzerFailed

UNKNOWN = "OTHER_ID"
"""What becomes of a type that nobody mapped: something was found, so it is not let through."""


def spans_of(body: bytes, length: int, types: Mapping[str, str | None], recognizer: str) -> list[Span]:
    """Return the spans in a text of so many characters. Raises ``AnalyzerFailed``."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise AnalyzerFailed("the answer is not JSON") from None
    if not isinstance(found, list):
        raise AnalyzerFailed("the answer is not a list")
    spans = (_span(one, length, types, recognizer) for one in found)
    return [span for span in spans if span is not None]


def _span(one: Any, length: int, types: Mapping[str, str | None], recognizer: str) -> Span | None:
    if not isinstance(one, dict):
        raise AnalyzerFailed("an entry is not an object")
    start, end, score, theirs = (one.get(key) for key in ("start", "end", "score", "entity_type"))
    if type(start) is not int or type(end) is not int or not 0 <= start < end <= length:
        raise AnalyzerFailed("an entry is out of the text")
    if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 1:
        raise AnalyzerFailed("an entry has no score between 0 and 1")
    if not isinstance(theirs, str):
        raise AnalyzerFailed("an entry has no type")
    ours = types.get(theirs, UNKNOWN)
    return None if ours is None else Span(start, end, ours, float(score), recognizer)
