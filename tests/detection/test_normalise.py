"""Text that hides things is matched on a copy and cut out of the original (D10)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.detection.confusables import CONFUSABLES
from sidecar.detection.normalise import fold, normalise
from tests.detection.spotting import ask, covered

READ_AS = [
    ("plain text 42", "plain text 42"),
    ("Jo\u200bhn", "John"),
    ("J\u00ado\u2060h\ufeffn", "John"),
    ("４１１１", "4111"),
    ("٤١١١", "4111"),
    ("𝟒𝟏𝟏𝟏", "4111"),
    ("①②③", "123"),
    ("раураl", "paypal"),
    ("Јоhn", "John"),
    ("José Müller", "Jose Muller"),
    ("e\u0301", "e"),
    ("Straße Łódź", "Strasse Lodz"),
    ("jon&#64;example&period;com", "jon@example.com"),
    ("jon&#x40;example.com", "jon@example.com"),
    ("jon\\u0040example.com", "jon@example.com"),
    ("jon\\x40example.com", "jon@example.com"),
    ("jon\\u{40}example.com", "jon@example.com"),
    ("4😀1😀😀1😀1", "4111"),
    ("4️⃣1️⃣1️⃣1️⃣", "4111"),
    ("4\x001\x7f1", "411"),
    ("a&nosuchentity;b", "a&nosuchentity;b"),
    ("x\U000e004a\U000e006f\U000e0040\U000e007f", "xJo@"),
    ("20 – 30", "20 - 30"),
    ("25°", "25°"),
]

HIDDEN = [
    "4111 1111\u200b 1111 1111",
    "４１１１ １１１１ １１１１ １１１１",
    "4111😀1111😀1111😀1111",
    "jоn@ехаmple.com",
    "jon&#64;example.com",
    "jon\\u0040example.com",
    "".join(chr(0xE0000 + ord(sign)) for sign in "jon@example.com"),
    "4\u20601\u20601\u20601\u20601\u20601\u20601\u20601\u20601\u20601\u20601\u20601\u20601\u20601\u20601\u20601",
]


@pytest.mark.parametrize(("text", "copy"), READ_AS)
def test_what_a_text_is_read_as_d10(text: str, copy: str) -> None:
    assert normalise(text).text == copy


@pytest.mark.parametrize("text", HIDDEN)
def test_hidden_values_are_covered_whole_in_the_original_d10(text: str) -> None:
    assert set(covered(ask(f"it is {text} ok"))[6:-3]) == {"_"}


def test_a_lone_surrogate_survives_and_hides_nothing_d10() -> None:
    assert covered(ask("\ud800 jon@example.com \udc00")) == "\ud800 _______________ \udc00"


def test_ascii_is_its_own_copy() -> None:
    normalised = normalise("Plain Text")
    assert (normalised.text, normalised.lower, normalised.starts) == ("Plain Text", "plain text", None)
    assert normalised.original(2, 5) == (2, 5)


@given(st.text(alphabet=st.characters(), max_size=60))
def test_every_range_of_the_copy_maps_into_the_original_d10(text: str) -> None:
    normalised = normalise(text)
    assert len(normalised.lower) == len(normalised.text)
    previous = 0
    for place in range(len(normalised.text)):
        start, end = normalised.original(place, place + 1)
        assert 0 <= start < end <= len(text)
        assert start >= previous or normalised.starts is None
        previous = start


@given(st.text(max_size=40))
def test_folding_twice_is_folding_once(text: str) -> None:
    once = fold(text)
    if "&" not in once and "\\" not in once:
        assert fold(once) == once


def test_look_alikes_are_read_as_ascii_letters() -> None:
    assert all(latin.isascii() and latin.isalpha() for latin in CONFUSABLES.values())
    assert not any(character.isascii() for character in CONFUSABLES)
