"""The word list of the lexicon."""

from __future__ import annotations

from sidecar.detection.lexicon import CAPITAL, PLACE, STREET_KIND
from sidecar.training.gazetteer import word_codes
from sidecar.training.synthesis.people import by_locale


def given_class(code: int) -> int:
    return code // 32 // 24


def test_what_is_known_of_words() -> None:
    codes = word_codes()
    assert given_class(codes["john"]) == 1  # among the most frequent
    assert given_class(codes["table"]) == 0
    assert codes["chicago"] & PLACE
    assert codes["street"] & STREET_KIND
    assert codes["germany"] & CAPITAL
    assert not codes["table"] & CAPITAL


def test_a_share_of_rarer_names_is_left_out() -> None:
    """A model that finds all training names in its list trusts the list blindly."""
    names = {name.lower() for name in by_locale()["en_IN"].given if name.isascii() and name.isalpha()}
    everything, shipped = word_codes(held_out=0.0), word_codes()
    left_out = [name for name in names if given_class(everything[name]) and not given_class(shipped.get(name, 0))]
    assert 0.2 < len(left_out) / len(names) < 0.5


def test_the_list_is_the_same_each_time() -> None:
    assert word_codes() == word_codes()
