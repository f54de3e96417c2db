"""Marks are ours, of one system, and say what they can say and no more (E39, E40)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sidecar.erasure.epoch import EpochMark, KnownEpoch, MarkInvalid, Reading, judge, read_mark, sign_mark

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
MARK = EpochMark("crm", 7, datetime(2025, 3, 1, 12, 30, 1, 250, tzinfo=UTC))


def test_E39_a_mark_is_read_as_it_was_signed() -> None:
    assert read_mark(sign_mark(MARK, KEY), "crm", [KEY.public_key()]) == MARK


def test_E39_every_flipped_byte_shows() -> None:
    data = sign_mark(MARK, KEY)
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1
        try:
            read = read_mark(bytes(changed), "crm", [KEY.public_key()])
        except MarkInvalid:
            continue
        assert read == MARK  # hex digits in the other case, and the like


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"null", b'{"mark":{},"signature":"zz"}', b"x" * 5000, b"\xff"])
def test_E39_what_is_no_mark_is_invalid(data: bytes) -> None:
    with pytest.raises(MarkInvalid):
        read_mark(data, "crm", [KEY.public_key()])


def test_E39_a_mark_of_another_system_or_by_another_key_is_invalid() -> None:
    data = sign_mark(MARK, KEY)
    with pytest.raises(MarkInvalid):
        read_mark(data, "erp", [KEY.public_key()])
    with pytest.raises(MarkInvalid):
        read_mark(data, "crm", [Ed25519PrivateKey.from_private_bytes(bytes(31) + b"1").public_key()])


@pytest.mark.parametrize(
    ("found", "known", "reading"),
    [
        (None, None, Reading.FIRST),
        (None, KnownEpoch(0, 1), Reading.FIRST),
        (None, KnownEpoch(1), Reading.MISSING),
        (1, KnownEpoch(0, 1), Reading.CURRENT),
        (3, KnownEpoch(3), Reading.CURRENT),
        (3, KnownEpoch(3, 4), Reading.CURRENT),
        (4, KnownEpoch(3, 4), Reading.CURRENT),
        (2, KnownEpoch(3, 4), Reading.OLDER),
        (5, KnownEpoch(3, 4), Reading.NEWER),
        (1, None, Reading.NEWER),
    ],
)
def test_E39_what_a_mark_says(found: int | None, known: KnownEpoch | None, reading: Reading) -> None:
    mark = None if found is None else EpochMark("crm", found, MARK.written_at)
    assert judge(mark, known) is reading


def test_E44_a_mark_that_a_former_key_signed_is_one_of_ours() -> None:
    later = Ed25519PrivateKey.from_private_bytes(bytes(31) + b"2")
    assert read_mark(sign_mark(MARK, KEY), "crm", [later.public_key(), KEY.public_key()]) == MARK
    with pytest.raises(MarkInvalid):
        read_mark(sign_mark(MARK, KEY), "crm", [])
