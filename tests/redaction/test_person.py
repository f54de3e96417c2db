"""D19: what names say of people."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.redaction.person import person_name


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("John Smith", "john smith"),
        ("  JOHN   smith ", "john smith"),
        ("Smith, John", "john smith"),
        ("Mr. John Smith", "john smith"),
        ("john smith's", "john smith"),
        ("Mr Smith", "mr smith"),
        ("mister smith", "mr smith"),
        ("Frau Müller", "ms müller"),
        ("Dr. Smith", "smith"),
        ("Prof. Dr. Mrs Smith", "ms smith"),
        ("Mr", "mr"),
        ("Dr.", "dr"),
        ("John Smith Jr.", "john smith jr"),
        ("Smith, Jr.", "smith jr"),
        ("Seán O'Neil-Smith", "seán o'neil-smith"),
        ("J. R. R. Tolkien", "j r r tolkien"),
        ("李小龍", "李小龍"),
        ("", ""),
        ("42", ""),
    ],
)
def test_key(written: str, key: str) -> None:
    assert person_name(written).key == key


@pytest.mark.parametrize(
    ("written", "may_return_as", "never_as"),
    [
        ("John Smith", ["john", "smith", "mr smith", "ms smith", "j smith", "john s"], ["john smith", "j", "s"]),
        ("Mr John Smith", ["john", "smith", "mr smith"], ["ms smith"]),
        ("Mrs Smith", ["smith"], ["mr smith", "ms smith"]),
        ("John A. Smith", ["john smith", "john", "smith"], ["a", "john a smith"]),
        ("Ludwig van der Rohe", ["ludwig", "rohe", "ludwig rohe"], ["van", "der"]),
        ("John Smith Jr", ["john smith", "john"], ["john smith jr", "jr"]),
        ("john", [], ["john"]),
        ("Al Bo", ["bo", "mr bo"], ["al"]),
    ],
)
def test_shorter_forms(written: str, may_return_as: list[str], never_as: list[str]) -> None:
    forms = person_name(written).shorter_forms
    assert set(may_return_as) <= set(forms)
    assert not set(never_as) & set(forms)


def test_contradictions() -> None:
    assert person_name("Mr Smith").contradicting_forms == ("ms smith",)
    assert person_name("Ms Jane Smith").contradicting_forms == ("mr smith",)
    assert person_name("Jane Smith").contradicting_forms == ()


def test_no_name_shows_in_a_repr() -> None:
    assert "smith" not in repr(person_name("Mr John Smith Jr")).lower()


@given(st.text(max_size=60))
def test_any_text_can_be_read(text: str) -> None:
    name = person_name(text)
    assert name.key not in name.shorter_forms
    assert len(name.shorter_forms) < 40


@given(st.lists(st.sampled_from(["ana", "bo", "de", "mr", "lee", "x"]), min_size=1, max_size=6))
def test_reading_its_own_key_changes_nothing(words: list[str]) -> None:
    key = person_name(" ".join(words)).key
    assert person_name(key).key == key


@pytest.mark.timeout(60)
def test_many_titles_end() -> None:
    """Many minutes if the words were copied for each."""
    name = person_name("Mr " * 1_000_000 + "Smith")
    assert name.key == "mr smith"
