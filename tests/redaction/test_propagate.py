"""D3: a name found once with high confidence is masked in the rest of the conversation."""

from __future__ import annotations

import pytest

from sidecar.detection.span import Span
from sidecar.redaction.propagate import propagate


def followed(texts: list[str], *found: tuple[int, str, float]) -> list[list[str]]:
    """Texts with names found at the given text and score; returns what is followed, as text."""
    spans: list[list[Span]] = [[] for _ in texts]
    for index, name, score in found:
        start = texts[index].index(name)
        spans[index].append(Span(start, start + len(name), "PERSON", score, "ner"))
    more = propagate(texts, spans)
    return [[text[span.start : span.end] for span in row] for text, row in zip(texts, more, strict=True)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("thanks priya", ["priya"]),
        ("PRIYA NAIR!", ["PRIYA NAIR"]),
        ("nair, priya", ["nair", "priya"]),
        ("it is Priya's order", ["Priya"]),
        ("priyanka called", []),
        ("repriya", []),
        ("mail priya@x.example", ["priya"]),
        ("", []),
        ("İ priya İ nair", ["priya", "nair"]),
    ],
)
def test_a_name_is_followed_by_its_parts(text: str, expected: list[str]) -> None:
    assert followed(["i am Priya Nair", text], (0, "Priya Nair", 0.7)) == [[], expected]


def test_a_guess_is_not_followed() -> None:
    assert followed(["i am Priya", "priya"], (0, "Priya", 0.6)) == [[], []]


def test_initials_particles_and_titles_are_not_followed() -> None:
    texts = ["Mr J. van der Berg", "j van der mr berg"]
    assert followed(texts, (0, "Mr J. van der Berg", 0.9)) == [[], ["berg"]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("i will pay", []),
        ("Will you pay?", []),
        ("ok. Will you?", []),
        ("ask Will about it", ["Will"]),
        ("WILL IT WORK", []),
        ("is it WILL", ["WILL"]),
        ("hi Will Ferris", ["Will Ferris"]),
        ("ferris will", ["ferris"]),
    ],
)
def test_ordinary_words_are_followed_only_where_they_are_names(text: str, expected: list[str]) -> None:
    """D11."""
    assert followed(["i am Will Ferris", text], (0, "Will Ferris", 0.9)) == [[], expected]


def test_what_is_found_already_is_left_alone() -> None:
    texts = ["i am Priya Nair", "priya or Priya Nair or nair"]
    more = propagate(texts, [[Span(5, 15, "PERSON", 0.9, "ner")], [Span(9, 19, "PERSON", 0.7, "ner")]])
    assert [(span.start, span.end) for span in more[1]] == [(0, 5), (23, 27)]


def test_other_types_are_not_followed() -> None:
    texts = ["acme", "acme"]
    assert propagate(texts, [[Span(0, 4, "ORG", 1.0, "ner")], []]) == [[], []]
