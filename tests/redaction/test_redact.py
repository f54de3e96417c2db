"""Replacing on a copy."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.detection.span import Span
from sidecar.redaction.redact import Edit, apply_edits, moved_back


@pytest.mark.parametrize(
    ("text", "edits", "expected", "places"),
    [
        ("", [], "", []),
        ("abc", [], "abc", []),
        ("abc", [Edit(0, 3, "X")], "X", [(0, 1)]),
        ("abcdef", [Edit(0, 1, "long"), Edit(1, 2, ""), Edit(4, 6, "Z")], "longcdZ", [(0, 4), (4, 4), (6, 7)]),
        ("héllo 😀!", [Edit(6, 7, ":)")], "héllo :)!", [(6, 8)]),
    ],
)
def test_apply_edits(text: str, edits: list[Edit], expected: str, places: list[tuple[int, int]]) -> None:
    redacted, found = apply_edits(text, edits)
    assert redacted == expected
    assert list(found) == places


@pytest.mark.parametrize(
    "edits", [[Edit(2, 3, ""), Edit(0, 1, "")], [Edit(0, 2, ""), Edit(1, 3, "")], [Edit(0, 9, "")]]
)
def test_edits_that_can_not_be_are_refused(edits: list[Edit]) -> None:
    with pytest.raises(ValueError, match="sorted, disjoint"):
        apply_edits("abc", edits)


@given(
    st.text(max_size=30), st.sets(st.integers(0, 30), max_size=8), st.lists(st.text(max_size=4), min_size=4, max_size=4)
)
def test_what_is_not_edited_stays_and_places_are_right(text: str, cuts: set[int], words: list[str]) -> None:
    bounds = sorted(cut for cut in cuts if cut <= len(text))
    edits = [Edit(s, e, w) for s, e, w in zip(bounds[::2], bounds[1::2], words, strict=False)]
    redacted, places = apply_edits(text, edits)
    assert [redacted[start:end] for start, end in places] == [edit.replacement for edit in edits]
    kept = redacted
    for start, end in reversed(places):
        kept = kept[:start] + kept[end:]
    left = text
    for edit in reversed(edits):
        left = left[: edit.start] + left[edit.end :]
    assert kept == left


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 3), st.integers(0, 3)), max_size=8))
def test_what_stands_between_replacements_is_found_in_the_input(parts: list[tuple[int, int, int]]) -> None:
    text, edits, letters = "", [], iter("abcdefghijklmnopqrstuvwxyz")
    for between, length, new in parts:
        text += "".join(next(letters) for _ in range(between)) + "#" * length
        edits.append(Edit(len(text) - length, len(text), "*" * new))
    redacted, places = apply_edits(text, edits)
    spans = [Span(edit.start, edit.end, "PERSON", 1.0, "x") for edit in edits]
    hits = [Span(n, n + 1, "EMAIL", 1.0, "y") for n, char in enumerate(redacted) if char != "*"]
    found = moved_back(hits, spans, places)
    assert [text[one.start : one.end] for one in found] == [redacted[hit.start : hit.end] for hit in hits]


@pytest.mark.timeout(60)
def test_many_are_found_in_the_input_between_many() -> None:
    """Hours if the replacements before each were counted anew."""
    spans = [Span(n, n + 1, "PERSON", 1.0, "x") for n in range(0, 800_000, 2)]
    hits = [Span(one.start + 1, one.end + 1, "EMAIL", 1.0, "y") for one in spans]
    assert moved_back(hits, spans, [(one.start, one.end) for one in spans]) == hits
