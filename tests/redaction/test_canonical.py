"""D19: spellings of one value meet in one form; two values never do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.detection.entity_types import ENTITY_TYPES
from sidecar.redaction.canonical import canonical, fold


@pytest.mark.parametrize(
    ("label", "left", "right"),
    [
        ("EMAIL", "Jon.Smith@X.example", "jon.smith@x.example"),
        ("EMAIL", "jon dot smith at x dot example", "jon.smith@x.example"),
        ("EMAIL", "mailto:jon@x.example", "jon@x.example"),
        ("PHONE", "+1 (212) 555-0123", "212.555.0123"),
        ("PHONE", "+44 20 7946 0958", "020 7946 0958"),
        ("PHONE", "0044 20 7946 0958", "+442079460958"),
        ("CREDIT_CARD", "4111-1111 1111 1111", "4111111111111111"),
        ("IBAN", "de89 3704 0044 0532 0130 00", "DE89370400440532013000"),
        ("ORDER_ID", "#AB-12 34", "ab1234"),
        ("USERNAME", "@Jon_Smith", "jon_smith"),
        ("PERSON", "Smith, John", "john smith"),
        ("ADDRESS", "12 Elm St., Springfield", "12 elm st springfield"),
        ("IP", "2001:DB8:0:0::1", "2001:db8::1"),
        ("URL", "HTTPS://X.example/A/", "https://x.example/A"),
        ("PHONE", "２１２ 555 0123", "212 555 0123"),
        ("PERSON", "Jo\u200bhn", "john"),
        ("PRODUCT", "Garden-Hose  XL", "garden hose xl"),
    ],
)
def test_one_value(label: str, left: str, right: str) -> None:
    assert canonical(label, left) == canonical(label, right)


@pytest.mark.parametrize(
    ("label", "left", "right"),
    [
        ("EMAIL", "jon.smith@x.example", "jonsmith@x.example"),
        ("PHONE", "212 555 0123", "212 555 0124"),
        ("PASSWORD", "Hunter2", "hunter2"),
        ("SECRET", "sk-AbC", "sk-abc"),
        ("USERNAME", "jon_smith", "jonsmith"),
        ("URL", "https://x.example/a", "https://x.example/A"),
        ("PERSON", "John Smith", "John Smyth"),
        ("OTHER_ID", "!!!", "???"),
        ("PHONE", "--", "++"),
        ("IP", "192.0.2.1", "192.0.2.11"),
    ],
)
def test_two_values(label: str, left: str, right: str) -> None:
    assert canonical(label, left) != canonical(label, right)


@given(st.sampled_from(ENTITY_TYPES), st.text(min_size=1, max_size=50))
def test_total_and_never_empty(label: str, value: str) -> None:
    assert canonical(label, value)


@given(st.text(max_size=50))
def test_fold_keeps_offsets(text: str) -> None:
    assert len(fold(text)) == len(text)
    assert fold(fold(text)) == fold(text)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("label", ENTITY_TYPES)
@pytest.mark.parametrize("unit", [" ", "\n at", "mr ", "a's ", ", "])
def test_long_values_end(label: str, unit: str) -> None:
    """Hours if time grew with the square: a field may say that all of a long text is one value."""
    assert canonical(label, f"a{unit * (600_000 // len(unit))}b")
