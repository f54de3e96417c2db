"""D18: what stands in the place of a value."""

from __future__ import annotations

import ipaddress
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.detection.entity_types import ENTITY_TYPES
from sidecar.detection.span import Span
from sidecar.keys import MasterKey, Purpose
from sidecar.redaction.operators import acted_on, masked, replacement
from sidecar.redaction.policy import Operator, Policy, TypePolicy
from sidecar.redaction.surrogates import surrogate

KEYS = MasterKey(b"k" * 32).pseudonymizer(Purpose.OPERATOR)
OTHER_KEYS = MasterKey(b"o" * 32).pseudonymizer(Purpose.OPERATOR)


def replaced(label: str, value: str, operator: Operator, number: int | None = None, keep_last: int = 0) -> str:
    return replacement(label, value, TypePolicy(operator, mask_keep_last=keep_last), number, KEYS)


def test_each_operator() -> None:
    assert replaced("PERSON", "John", Operator.REPLACE, 3) == "[PERSON_3]"
    assert replaced("CREDIT_CARD", "4111 1111 1111 1111", Operator.MASK, keep_last=4) == "***************1111"
    assert re.fullmatch(r"\[EMAIL#[0-9a-f]{12}\]", replaced("EMAIL", "a@b.example", Operator.HASH))
    assert replaced("EMAIL", "a@b.example", Operator.DROP) == ""
    assert replaced("EMAIL", "a@b.example", Operator.KEEP) == "a@b.example"


def test_a_numbered_placeholder_needs_its_number() -> None:
    with pytest.raises(ValueError, match="number"):
        replaced("PERSON", "John", Operator.REPLACE)


def test_hashes_are_keyed_and_of_the_canonical_value() -> None:
    left, right = replaced("EMAIL", "A@B.example", Operator.HASH), replaced("EMAIL", "a@b.example", Operator.HASH)
    assert left == right
    assert left != replaced("EMAIL", "c@b.example", Operator.HASH)
    assert left != replacement("EMAIL", "a@b.example", TypePolicy(Operator.HASH), None, OTHER_KEYS)


@pytest.mark.parametrize(
    ("value", "keep_last", "mask"),
    [
        ("12345678", 4, "****5678"), ("1234", 4, "**34"), ("12", 4, "*2"), ("1", 4, "*"), ("", 4, ""),
        ("1234", 0, "****"),
        ("12345", 8, "***45"),
    ],
)  # fmt: skip
def test_a_mask_keeps_the_length_and_shows_at_most_half(value: str, keep_last: int, mask: str) -> None:
    assert masked(value, keep_last) == mask


@pytest.mark.parametrize(
    ("label", "score", "acted"),
    [
        ("PERSON", 0.35, True),
        ("PERSON", 0.34, False),
        ("ORG", 1.0, False),
        ("PRODUCT", 0.9, True),
        ("NEWLY_MADE", 0.9, True),
    ],
)
def test_the_policy_decides_what_is_acted_on(label: str, score: float, acted: bool) -> None:
    assert acted_on(Policy(), Span(0, 1, label, score, "r")) is acted


VALUES = st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


@given(st.sampled_from(ENTITY_TYPES), VALUES)
def test_a_surrogate_is_the_same_for_the_same_value_and_never_the_value(label: str, value: str) -> None:
    made = surrogate(label, value, KEYS)
    assert made == surrogate(label, value, KEYS)
    assert made
    assert made.casefold() != value.casefold()


@pytest.mark.parametrize(
    ("label", "value", "shape"),
    [
        ("PERSON", "John Smith", r"[A-Z][a-z]+ [A-Z][a-z]+"),
        ("PERSON", "john", r"[a-z]+"),
        ("PERSON", "Mr Smith", r"Mr [A-Z][a-z]+"),
        ("EMAIL", "jon@gmail.com", r"[a-z.]+\d*@example\.com"),
        ("PHONE", "+1 (212) 555-0123", r"\+\d \(\d{3}\) 555-01\d\d"),
        ("PHONE", "02079460958", r"\d{4}55501\d\d"),
        ("CREDIT_CARD", "4111 1111 1111 1111", r"9999 \d{4} \d{4} \d{4}"),
        ("ORDER_ID", "AB-1234", r"[A-Z]{2}-\d{4}"),
        ("ACCOUNT_ID", "5854", r"0\d{3}"),
        ("NATIONAL_ID", "123-45-6789", r"0\d\d-\d\d-\d{4}"),
        ("DATE_OF_BIRTH", "31/12/1980", r"\d\d/\d\d/\d{4}"),
        ("DATE_OF_BIRTH", "1980-12-31", r"\d{4}-\d\d-\d\d"),
        ("ADDRESS", "12 Elm St", r"\d+ [A-Z][a-z]+ Street"),
        ("MAC", "aa:bb:cc:dd:ee:ff", r"00:00:5E:00:53:[0-9A-F]{2}"),
        ("URL", "https://x.example/u/john", r"https://www\.example\.com/[0-9a-f]{6}"),
        ("USERNAME", "jsmith80", r"[a-z]+\d+"),
        ("GEO_POINT", "48.85, 2.35", r"-?\d+\.\d{4}, -\d+\.\d{4}"),
        ("PRODUCT", "winter jacket", r"[a-z ]+"),
    ],
)
def test_surrogates_look_like_what_they_replace(label: str, value: str, shape: str) -> None:
    assert re.fullmatch(shape, surrogate(label, value, KEYS))


@given(st.integers(0, 10**16 - 1))
def test_surrogate_cards_pass_the_checksum_of_no_issuer(number: int) -> None:
    digits = [int(digit) for digit in surrogate("CREDIT_CARD", f"{number:016}", KEYS)]
    total = sum(sum(divmod(2 * digit, 10)) if place % 2 == 0 else digit for place, digit in enumerate(digits))
    assert total % 10 == 0
    assert digits[:4] == [9, 9, 9, 9]


@pytest.mark.parametrize("value", ["203.0.113.9", "8.8.8.8", "2606:4700::1111"])
def test_surrogate_addresses_are_set_aside_for_examples(value: str) -> None:
    examples = ["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32"]
    made = ipaddress.ip_address(surrogate("IP", value, KEYS))
    assert any(made in ipaddress.ip_network(network) for network in examples)


def test_the_surrogate_of_a_first_name_fits_that_of_the_whole_name() -> None:
    assert surrogate("PERSON", "John Smith", KEYS).split()[0] == surrogate("PERSON", "John", KEYS)
    assert surrogate("PERSON", "Mr Smith", KEYS).split()[1] == surrogate("PERSON", "John Smith", KEYS).split()[1]


def test_surrogates_are_keyed() -> None:
    values = [f"user{n}@b.example" for n in range(20)]
    assert [surrogate("EMAIL", value, KEYS) for value in values] != [surrogate("EMAIL", v, OTHER_KEYS) for v in values]
