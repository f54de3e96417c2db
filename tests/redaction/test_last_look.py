"""D21: what still stands in a finished text."""

from __future__ import annotations

import pytest

from sidecar.detection.recognizer import KnownValue, Message
from sidecar.detection.span import Span
from sidecar.redaction.last_look import residuals, values_of


def hits(text: str, *values: tuple[str, str]) -> list[tuple[str, str]]:
    messages = [Message("", known=tuple(KnownValue(label, value) for label, value in values))]
    return [(span.label, text[span.start : span.end]) for span in residuals(text, values_of(messages, [()]))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("write to jon@x.example, please", [("EMAIL", "jon@x.example")]),
        ("no @ here, a@b neither, [EMAIL_1]", []),
        ("4111 1111 1111 1111", [("CREDIT_CARD", "4111 1111 1111 1111")]),
        ("4111-1111-1111-1112", []),
        ("order 1000000000000008", []),  # passes the checksum, but no issuer's
        ("4444 4444 4444 4448 or 12.4111111111111111", [("CREDIT_CARD", "4444 4444 4444 4448")]),
        ("https://jon:pass@host.example/x", [("EMAIL", "pass@host.example"), ("SECRET", "jon:pass")]),
        ("", []),
    ],
)
def test_shapes_that_prove_themselves(text: str, expected: list[tuple[str, str]]) -> None:
    assert sorted(hits(text)) == sorted(expected)


@pytest.mark.parametrize(
    ("text", "value", "found"),
    [
        ("your pin is ZX-4471.", ("OTHER_ID", "zx-4471"), ["ZX-4471"]),
        ("prefixzx-4471", ("OTHER_ID", "zx-4471"), []),
        ("zx-44712", ("OTHER_ID", "zx-4471"), []),
        ("4471", ("ACCOUNT_ID", "4471"), ["4471"]),
        ("447", ("ACCOUNT_ID", "447"), []),  # too short to be told from a price
        ("CRYSTAL MINH said", ("PERSON", "Crystal Minh"), ["CRYSTAL MINH"]),
        ("crystal clear", ("PERSON", "Crystal"), []),  # single names are followed by propagate
        ("garden hose", ("PRODUCT", "garden hose"), []),  # what many messages name is nobody's
        ("a.+b?", ("PASSWORD", "a.+b?"), ["a.+b?"]),
    ],
)
def test_known_values(text: str, value: tuple[str, str], found: list[str]) -> None:
    assert [place for _, place in hits(text, value)] == found


def test_values_found_in_one_message_are_looked_for_in_all() -> None:
    messages = [Message("my login is qwerty77"), Message("qwerty77 again")]
    values = values_of(messages, [(Span(12, 20, "USERNAME", 0.8, "r"),), ()])
    assert [(s.start, s.end, s.label) for s in residuals("qwerty77 again", values)] == [(0, 8, "USERNAME")]
    assert "qwerty" not in repr(values)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("unit", ["a", "1", "1 ", "a.", "a@", "@", "://a:", "4111 ", "a-", ".@", "1."])
def test_long_texts_end(unit: str) -> None:
    """D17: 200 kB of the worst would take minutes if time grew with the square."""
    text = unit * (200_000 // len(unit))
    assert residuals(text, values_of([Message(text[:400])], [(Span(0, 400, "OTHER_ID", 0.9, "r"),)])) is not None


@pytest.mark.timeout(60)
def test_of_values_that_end_in_each_other_the_longest_stands_for_all() -> None:
    """One hit for each value at each place would be millions, and minutes to make them disjoint."""
    known = [("USERNAME", "a " * count + "a") for count in range(2, 249)]
    found = hits("a " * 10_000, *known)
    assert len(found) == 9_998
    assert [value for _, value in found[:3]] == ["a a a", "a a a a", "a a a a a"]
    assert found[-1] == known[-1]
