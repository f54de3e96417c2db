"""Overlapping spans become disjoint ones (D8), and nothing that was covered is uncovered."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.detection.entity_types import ENTITY_TYPES
from sidecar.detection.resolve import not_held, resolve, subtract
from sidecar.detection.span import Span
from sidecar.errors import DetectionFailed, DetectionFault

Short = tuple[int, int, str, float]


def span(start: int, end: int, label: str = "PERSON", score: float = 0.7, recognizer: str = "r") -> Span:
    return Span(start, end, label, score, recognizer)


def short(spans: tuple[Span, ...]) -> list[Short]:
    return [(s.start, s.end, s.label, s.score) for s in spans]


TEXT = "call jon.smith@x.example or 4111 1111 1111 1111 22, ok"
EMAIL, NAME, CARD = (5, 24), (5, 14), (28, 47)


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([], []),
        ([span(0, 4), span(28, 32)], [(0, 4, "PERSON", 0.7), (28, 32, "PERSON", 0.7)]),
        # the surer wins, and what the loser covered besides stays covered
        ([span(28, 47, "CREDIT_CARD", 0.9), span(38, 50, "PHONE", 0.6)],
         [(28, 47, "CREDIT_CARD", 0.9), (48, 50, "PHONE", 0.6)]),
        ([span(28, 42, "PHONE", 0.6), span(33, 47, "ORDER_ID", 0.9)],
         [(28, 32, "PHONE", 0.6), (33, 47, "ORDER_ID", 0.9)]),
        # a rest of signs alone says nothing
        ([span(28, 50, "CREDIT_CARD", 0.9), span(48, 52, "PHONE", 0.6)], [(28, 50, "CREDIT_CARD", 0.9)]),
        # same place, same score: the more specific type
        ([span(28, 47, "PHONE", 0.7), span(28, 47, "CREDIT_CARD", 0.7)], [(28, 47, "CREDIT_CARD", 0.7)]),
        # same place: the surer, however unspecific
        ([span(28, 47, "ACCOUNT_ID", 0.85), span(28, 47, "CREDIT_CARD", 0.5)], [(28, 47, "ACCOUNT_ID", 0.85)]),
        # same type: one entity, both ranges
        ([span(5, 20, "ADDRESS", 0.6), span(15, 30, "ADDRESS", 0.8)], [(5, 30, "ADDRESS", 0.8)]),
        # what holds its rivals whole and is nearly as sure is one entity
        ([span(*EMAIL, "EMAIL", 0.9), span(*NAME, "PERSON", 0.97)], [(*EMAIL, "EMAIL", 0.97)]),
        ([span(*EMAIL, "EMAIL", 0.4), span(*NAME, "PERSON", 0.97)],
         [(*NAME, "PERSON", 0.97), (14, 24, "EMAIL", 0.4)]),
        # a type that is kept by default needs to be clearly surer than a direct identifier
        ([span(0, 4, "LOCATION", 0.9), span(0, 4, "PERSON", 0.7)], [(0, 4, "PERSON", 0.7)]),
        ([span(0, 4, "LOCATION", 0.97), span(0, 4, "PERSON", 0.7)], [(0, 4, "LOCATION", 0.97)]),
        ([span(5, 24, "ORG", 0.9), span(5, 14, "PERSON", 0.7)], [(5, 14, "PERSON", 0.7), (14, 24, "ORG", 0.9)]),
        # a weak guess neither grows nor displaces what is known better
        ([span(0, 24, "PERSON", 0.2), span(5, 14, "PERSON", 0.9)],
         [(0, 4, "PERSON", 0.2), (5, 14, "PERSON", 0.9), (14, 24, "PERSON", 0.2)]),
    ],
)  # fmt: skip
def test_resolve(spans: list[Span], expected: list[Short]) -> None:
    assert short(resolve(TEXT, spans)) == expected
    assert short(resolve(TEXT, reversed(spans))) == expected


def test_a_password_of_signs_stays_covered() -> None:
    text = "pin1 $$!!"
    found = [span(0, 4, "ACCOUNT_ID", 0.9), span(0, 9, "PASSWORD", 0.4)]
    assert short(resolve(text, found)) == [(0, 4, "ACCOUNT_ID", 0.9), (5, 9, "PASSWORD", 0.4)]


@pytest.mark.parametrize(
    "bad",
    [
        span(-1, 3), span(3, 3), span(4, 3), span(0, len(TEXT) + 1), span(0, 3, "NAME"), span(0, 3, score=math.nan),
        span(0, 3, score=math.inf), span(0, 3, score=1.01), span(0, 3, score=-0.01), span(0.5, 3),  # type: ignore[arg-type]
    ],
)  # fmt: skip
def test_an_impossible_span_fails_the_detection(bad: Span) -> None:
    with pytest.raises(DetectionFailed) as caught:
        resolve(TEXT, [span(0, 4), bad])
    assert caught.value.fault is DetectionFault.INVALID


TEXTS = st.text(alphabet="ab1 -.", min_size=1, max_size=40)


@st.composite
def texts_with_spans(draw: st.DrawFn) -> tuple[str, list[Span]]:
    text = draw(TEXTS)
    starts = st.integers(0, len(text) - 1)
    spans = []
    for _ in range(draw(st.integers(0, 8))):
        start = draw(starts)
        end = draw(st.integers(start + 1, len(text)))
        label, score = draw(st.sampled_from(ENTITY_TYPES)), draw(st.sampled_from([0.0, 0.2, 0.35, 0.5, 0.7, 0.9, 1.0]))
        spans.append(Span(start, end, label, score, draw(st.sampled_from("xyz"))))
    return text, spans


def telling(text: str, spans: list[Span] | tuple[Span, ...]) -> set[int]:
    return {i for s in spans for i in range(s.start, s.end) if text[i].isalnum()}


@given(texts_with_spans())
def test_spans_are_sorted_disjoint_and_cover_what_was_covered(case: tuple[str, list[Span]]) -> None:
    text, spans = case
    resolved = resolve(text, spans)
    assert list(resolved) == sorted(resolved)
    assert all(left.end <= right.start for left, right in pairwise(resolved))
    assert all(s.start < s.end for s in resolved)
    assert telling(text, spans) == telling(text, resolved)


@given(texts_with_spans())
def test_no_score_sinks(case: tuple[str, list[Span]]) -> None:
    """A character stays as sure as its surest covering span that is not overruled: no threshold lets it slip."""
    text, spans = case
    surest = list(resolve(text, spans))
    for index in telling(text, [s for s in spans if s.score >= 0.35]):
        assert next(s for s in surest if s.start <= index < s.end).score >= 0.35


@given(texts_with_spans(), st.randoms(use_true_random=False))
def test_order_does_not_matter_and_twice_is_once(case: tuple[str, list[Span]], random: object) -> None:
    text, spans = case
    resolved = resolve(text, spans)
    shuffled = list(spans)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert resolve(text, shuffled) == resolved
    assert resolve(text, resolved) == resolved


@given(texts_with_spans(), st.data())
def test_subtract_leaves_the_ranges_alone(case: tuple[str, list[Span]], data: st.DataObject) -> None:
    text, spans = case
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=6)))
    ranges = list(zip(cuts[::2], cuts[1::2], strict=False))
    kept = subtract(text, resolve(text, spans), ranges)
    inside = {i for start, end in ranges for i in range(start, end)}
    assert telling(text, kept) == telling(text, spans) - inside
    assert not {i for s in kept for i in range(s.start, s.end)} & inside


@given(texts_with_spans(), texts_with_spans())
def test_what_lies_whole_in_one_of_the_found_is_left_out(
    case: tuple[str, list[Span]], other: tuple[str, list[Span]]
) -> None:
    found = resolve(*case)
    plain = [s for s in other[1] if not any(one.start <= s.start and s.end <= one.end for one in found)]
    assert not_held(other[1], found) == plain


@pytest.mark.timeout(60)
def test_many_spans_are_looked_up_in_many() -> None:
    """Hours if each were compared with each."""
    found = [span(n, n + 2) for n in range(0, 1_200_000, 3)]
    assert not_held(found, found) == []


def test_many_spans_take_linear_time_in_practice() -> None:
    """50,000 spans on one text: seconds would mean a square."""
    text = "a1 " * 50_000
    spans = [span(n, n + 4, label) for n in range(0, 149_000, 3) for label in ("PERSON", "PHONE")]
    assert telling(text, resolve(text, spans)) == telling(text, spans)
