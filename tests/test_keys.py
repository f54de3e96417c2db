"""Pseudonyms: stable, separated by purpose, and useless without the key (A21)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.errors import KeyMaterialError
from sidecar.keys import MasterKey, Purpose

KEY = MasterKey(bytes(range(32)))


def test_a_key_of_another_size_is_refused_without_showing_it() -> None:
    with pytest.raises(KeyMaterialError) as caught:
        MasterKey(b"hunter2hunter2")
    assert "hunter2" not in str(caught.value)


def test_every_purpose_has_a_key_of_its_own() -> None:
    assert len({KEY.derive(purpose) for purpose in Purpose}) == len(Purpose)


def test_neither_key_nor_pseudonymizer_shows_its_secret() -> None:
    shown = repr(KEY) + repr(KEY.pseudonymizer(Purpose.PLACEHOLDER))
    assert KEY.secret.hex() not in shown
    assert repr(KEY.secret) not in shown


@given(st.lists(st.text(), min_size=1, max_size=3), st.lists(st.text(), min_size=1, max_size=3))
def test_digests_are_equal_only_for_equal_parts(left: list[str], right: list[str]) -> None:
    hashes = KEY.pseudonymizer(Purpose.PLACEHOLDER)
    assert (hashes.digest(*left) == hashes.digest(*right)) == (left == right)


def test_labels_name_the_key_version() -> None:
    assert MasterKey(KEY.secret, version=7).pseudonymizer(Purpose.AUDIT_PSEUDONYM).label("x").startswith("k7:")
