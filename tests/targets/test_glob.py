"""Name patterns: identities are data in them, and the two ways of matching agree."""

from __future__ import annotations

import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.erasure.request import IdentityType
from sidecar.targets.glob import _parsed as parse

EMAIL = IdentityType.EMAIL


@pytest.mark.parametrize(
    ("pattern", "value", "matching", "other"),
    [
        ("s:{email}:*", "a*", "s:a*:1", "s:ab:1"),
        ("s:{email}:?", "[x]", "s:[x]:1", "s:x:1"),
        ("s:{email}:[ab]", "a\\b", "s:a\\b:b", "s:a\\b:c"),
        ("s:\\*{email}", "x", "s:*x", "s:yx"),
        ("s:{email}", "C-1", "s:C-1", "s:C-10"),
        ("s.{email}:*", "a", "s.a:\n", "sXa:1"),
    ],
)
def test_matches_the_person_and_nobody_else(pattern: str, value: str, matching: str, other: str) -> None:
    expression = parse(pattern).expression({EMAIL: value})
    assert expression.fullmatch(matching.encode())
    assert not expression.fullmatch(other.encode())


@pytest.mark.parametrize("pattern", ["{email}*", "*{email}", "a{email}?", "[ab]{email}", "{email}{name}", "\\{email}"])
def test_a_field_next_to_a_wildcard_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"next to a wildcard|backslash"):
        parse(pattern)


@pytest.mark.parametrize(
    "pattern",
    ["user[{email}]:*", "user[{email}", "a[b:{email}", "{email}:[", "a[]:{email}", "a[^]:{email}", "[z-a]:{email}",
     "[\\d]:{email}"],
)  # fmt: skip
def test_brackets_that_are_no_set_are_refused(pattern: str) -> None:
    """Redis takes user[C-1]:* for user1:… of somebody else."""
    with pytest.raises(ValueError, match=r"has a \[ that|nothing fits|before a letter"):
        parse(pattern)


def test_brackets_as_they_are() -> None:
    glob = parse("user\\[{email}]:[ab]")
    assert glob.escaped({EMAIL: "C-1"}) == "user\\[C-1]:[ab]"
    assert glob.expression({EMAIL: "C-1"}).fullmatch(b"user[C-1]:a")


@given(st.text(min_size=1, max_size=9), st.text(max_size=9))
def test_a_sample_matches_its_own_expression_and_the_value_only(value: str, other: str) -> None:
    glob = parse("p:{email}:*:[xy]?")
    assert glob.expression({EMAIL: value}).fullmatch(glob.sample({EMAIL: value}).encode("utf-8", "surrogatepass"))
    if other != value:
        exact = parse("p:{email}")
        assert not exact.expression({EMAIL: value}).fullmatch(exact.sample({EMAIL: other}).encode())


@given(st.text("ab*?[]\\:", min_size=1, max_size=6), st.text("ab*?[]\\:", max_size=9))
def test_the_escaped_form_says_the_same_as_the_expression(value: str, name: str) -> None:
    glob = parse("{email}:*")
    shell = "".join(f"[{c}]" if c in "*?[" else c for c in value) + ":*"
    matched = glob.expression({EMAIL: value}).fullmatch(name.encode()) is not None
    assert matched == fnmatch.fnmatchcase(name, shell)
