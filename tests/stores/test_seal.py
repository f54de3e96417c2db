"""Sealed identities open with the right key for the right request, and in no other way (E41)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.erasure.request import IdentityType, SubjectIdentity
from sidecar.errors import KeyMaterialError
from sidecar.stores.seal import Seal, Sealed

SEAL = Seal(b"w" * 32)
ANNA = (SubjectIdentity(IdentityType.EMAIL, "anna.canary@example.org"), SubjectIdentity(IdentityType.NAME, "Ånna"))
SEALED = SEAL.close("id-1", ANNA)


def test_E41_opens_to_what_was_sealed_and_shows_nothing() -> None:
    assert SEAL.open("id-1", SEALED) == ANNA
    assert b"canary" not in SEALED.identities + SEALED.wrapped_key
    assert "canary" not in repr(SEALED) + repr(ANNA)
    assert repr(SEAL) == "Seal()"


def test_every_sealing_has_its_own_key() -> None:
    again = SEAL.close("id-1", ANNA)
    with pytest.raises(KeyMaterialError):
        SEAL.open("id-1", Sealed(again.wrapped_key, SEALED.identities))


def test_sealed_bytes_can_not_be_moved_to_another_request() -> None:
    with pytest.raises(KeyMaterialError):
        SEAL.open("id-2", SEALED)


def test_another_master_key_opens_nothing() -> None:
    with pytest.raises(KeyMaterialError) as refusal:
        Seal(b"x" * 32).open("id-1", SEALED)
    assert "canary" not in str(refusal.value)


@given(st.integers(0, len(SEALED.identities) - 1), st.integers(1, 255))
def test_any_changed_byte_is_noticed(place: int, change: int) -> None:
    changed = bytearray(SEALED.identities)
    changed[place] ^= change
    with pytest.raises(KeyMaterialError):
        SEAL.open("id-1", Sealed(SEALED.wrapped_key, bytes(changed)))


@pytest.mark.parametrize("data", [b"", b"short", b"\0" * 12])
def test_what_is_too_short_is_noticed(data: bytes) -> None:
    with pytest.raises(KeyMaterialError):
        SEAL.open("id-1", Sealed(data, SEALED.identities))


def test_E44_after_a_rotation_what_was_sealed_before_opens_and_nothing_is_sealed_under_the_former_key() -> None:
    rotated = Seal(b"n" * 32, (b"o" * 32, b"w" * 32))
    assert rotated.open("id-1", SEALED) == ANNA
    (text,) = rotated.close_texts("id-1", SEALED, ["a text"])
    assert SEAL.open_text("id-1", SEALED.wrapped_key, text) == "a text"
    later = rotated.close("id-1", ANNA)
    assert Seal(b"n" * 32).open("id-1", later) == ANNA
    with pytest.raises(KeyMaterialError):
        SEAL.open("id-1", later)
    with pytest.raises(KeyMaterialError):
        Seal(b"n" * 32, (b"o" * 32,)).open("id-1", SEALED)
