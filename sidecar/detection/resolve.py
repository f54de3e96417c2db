"""Makes overlapping spans disjoint (D8) without uncovering anything. Pure.

The order is score, then specificity of the type, then length. What loses is trimmed to what the winners leave of it,
never dropped: a character that some recognizer took for an identifier stays covered by one span or another.

Three refinements, each because the plain order was wrong on real chats:

- Spans of one type that overlap are one entity: their union.
- A span that holds its rivals whole, and is nearly as sure (``NEARLY``), takes their place: an e-mail address holding
  a name is one e-mail address, not a name and a rest.
- Types that are kept by default (``ORG``, ``LOCATION``, ``DATE``) must be surer by ``NEARLY`` to win against a direct
  identifier: if they win wrongly, it leaks; if they lose wrongly, a town is masked.

Spans below ``WEAK`` only ever get what the others leave: a guess neither grows nor displaces what is known better.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Final

from sidecar.detection.disjoint import Disjoint
from sidecar.detection.entity_types import DEFAULT_TYPES, DIRECT_TYPES, ENTITY_TYPES, ERASED
from sidecar.detection.scores import specificity
from sidecar.detection.span import Span
from sidecar.errors import DetectionFailed, DetectionFault

NEARLY: Final = 0.25
WEAK: Final = 0.35

_KNOWN_LABELS: Final = frozenset((*ENTITY_TYPES, ERASED))
_DIRECT: Final = DIRECT_TYPES | {ERASED}
_SIGNS_MATTER: Final = frozenset({"PASSWORD", "SECRET"})
_start = attrgetter("start")


def resolve(text: str, spans: Iterable[Span]) -> tuple[Span, ...]:
    """Return sorted disjoint spans that cover at least what ``spans`` cover, but for stray signs and spaces.

    Raises ``DetectionFailed`` (invalid) for a span out of range, of an unknown type, or with a score outside [0, 1].
    """
    checked = sorted(set(spans))
    for span in checked:
        _check(span, len(text))
    strong = _unite(span for span in checked if span.score >= WEAK)
    weak = _unite(span for span in checked if span.score < WEAK)
    chosen = Disjoint()
    for span in sorted(strong, key=_rank):
        rivals = chosen.overlapping(span)
        chosen.exchange(span, _absorbed(rivals, span) or _filled(rivals, span, text))
    for span in sorted(weak, key=_rank):
        chosen.exchange(span, _filled(chosen.overlapping(span), span, text))
    return tuple(chosen)


def subtract(text: str, spans: Iterable[Span], ranges: Sequence[tuple[int, int]]) -> list[Span]:
    """Return the spans without the characters of ``ranges`` (sorted, disjoint), split where one lies inside."""
    if not ranges:
        return list(spans)
    starts = [start for start, _ in ranges]
    kept: list[Span] = []
    for span in spans:
        first = max(0, bisect_right(starts, span.start) - 1)
        held = [r for r in ranges[first : bisect_right(starts, span.end)] if r[0] < span.end and span.start < r[1]]
        kept.extend(_pieces(span, held, text) if held else [span])
    return kept


def not_held(spans: Iterable[Span], found: Sequence[Span]) -> list[Span]:
    """Return the spans that lie whole in none of ``found`` (sorted, disjoint)."""
    kept: list[Span] = []
    for span in spans:
        before = bisect_right(found, span.start, key=_start)  # of those that begin no later, the last reaches farthest
        if before == 0 or found[before - 1].end < span.end:
            kept.append(span)
    return kept


def _check(span: Span, length: int) -> None:
    sound = (
        isinstance(span.start, int)
        and isinstance(span.end, int)
        and 0 <= span.start < span.end <= length
        and span.label in _KNOWN_LABELS
        and math.isfinite(span.score)
        and 0.0 <= span.score <= 1.0
    )
    if not sound:
        raise DetectionFailed(DetectionFault.INVALID, f"recognizer {span.recognizer!r} gave an impossible span")


def _rank(span: Span) -> tuple[float, int, int, int, str, str]:
    kept_by_default = span.label not in DEFAULT_TYPES
    score = span.score - NEARLY if kept_by_default else span.score
    return (-score, -specificity(span.label), span.start - span.end, span.start, span.label, span.recognizer)


def _unite(spans: Iterable[Span]) -> list[Span]:
    """Merge overlapping spans of one type; the surest gives score and recognizer. Needs sorted spans."""
    open_by_label: dict[str, Span] = {}
    united: list[Span] = []
    for span in spans:
        held = open_by_label.get(span.label)
        if held is not None and span.start < held.end:
            surest = min(held, span, key=_rank)
            open_by_label[span.label] = replace(surest, start=held.start, end=max(held.end, span.end))
            continue
        if held is not None:
            united.append(held)
        open_by_label[span.label] = span
    return united + list(open_by_label.values())


def _absorbed(rivals: Sequence[Span], span: Span) -> list[Span] | None:
    """Return what takes the place of the rivals if ``span`` holds them whole, and may; else None."""
    if not rivals or rivals[0].start < span.start or rivals[-1].end > span.end:
        return None
    if rivals[0].start == span.start and rivals[0].end == span.end:
        return None  # the same place: the order of ranks decides
    surest = max(rival.score for rival in rivals)
    safe = span.label in _DIRECT or all(rival.label not in _DIRECT for rival in rivals)
    if not safe or span.score < surest - NEARLY:
        return None
    # It inherits the surest score: it must not fall under a threshold that what it replaced was above.
    return [replace(span, score=max(surest, span.score))]


def _filled(rivals: Sequence[Span], span: Span, text: str) -> list[Span]:
    """Return the rivals and what they leave of ``span``."""
    if not rivals:
        return [span]
    return sorted([*rivals, *_pieces(span, [(rival.start, rival.end) for rival in rivals], text)])


def _pieces(span: Span, held: Sequence[tuple[int, int]], text: str) -> list[Span]:
    """Return what ``held`` (sorted, disjoint) leaves of the span, without edges of space, if it says anything."""
    pieces: list[Span] = []
    start = span.start
    for stop, resume in (*held, (span.end, span.end)):
        piece = _trimmed(replace(span, start=start, end=stop), text) if start < stop else None
        if piece is not None:
            pieces.append(piece)
        start = max(start, resume)
    return pieces


def _trimmed(span: Span, text: str) -> Span | None:
    inside = text[span.start : span.end]
    says_something = any(char.isalnum() for char in inside)
    if not says_something and not (span.label in _SIGNS_MATTER and inside.strip()):
        return None
    left = len(inside) - len(inside.lstrip())
    return replace(span, start=span.start + left, end=span.start + len(inside.rstrip()))
