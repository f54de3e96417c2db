"""Receipts: checkable offline, by byte, and about nobody that can be read (E44, E45)."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from sidecar.erasure.outcomes import Outcome, RequestState
from sidecar.erasure.receipt import (
    ReceiptFacts,
    ReceiptInvalid,
    TaskFacts,
    is_about,
    key_id,
    receipt_salt,
    sign_receipt,
    subject_commitment,
    verify_receipt,
)
from sidecar.erasure.request import IdentityType, SubjectIdentity
from sidecar.keys import Pseudonymizer

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
LATER_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
KEYS = {key_id(key.public_key()): key.public_key() for key in (LATER_KEY, KEY)}
WHEN = datetime(2025, 3, 1, 12, tzinfo=UTC)
ANNA = (SubjectIdentity(IdentityType.EMAIL, "anna.canary@example.org"),)
SALT = receipt_salt("id", Pseudonymizer(b"k" * 32))
FACTS = ReceiptFacts(
    request_id="0f8fad5b-d9cb-469f-a165-70867728950e",
    regulation="gdpr",
    received_at=WHEN,
    legal_deadline=WHEN,
    signed_at=WHEN,
    late=False,
    state=RequestState.ENDED_WITH_EXCEPTIONS,
    round=1,
    subject_commitment=subject_commitment(SALT, ANNA),
    tasks=(TaskFacts("crm", Outcome.UNVERIFIED, 2, None, None), TaskFacts("db", Outcome.VERIFIED_ERASED, 1, 0, WHEN)),
)
RECEIPT = sign_receipt(FACTS, KEY)


def test_E44_verifies_with_the_public_key_alone_after_rotation_too() -> None:
    body = verify_receipt(RECEIPT, KEYS)
    assert body["key_id"] == key_id(KEY.public_key())
    assert body["state"] == "ended_with_exceptions"


@given(st.integers(0, len(RECEIPT) - 1), st.integers(1, 255))
def test_E44_any_changed_byte_fails(place: int, change: int) -> None:
    changed = bytearray(RECEIPT)
    changed[place] ^= change
    with pytest.raises(ReceiptInvalid):
        verify_receipt(bytes(changed), KEYS)


@given(st.integers(0, len(RECEIPT)), st.binary(min_size=1, max_size=3))
def test_E44_any_added_byte_fails(place: int, added: bytes) -> None:
    with pytest.raises(ReceiptInvalid):
        verify_receipt(RECEIPT[:place] + added + RECEIPT[place:], KEYS)


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b"[]", b"null", RECEIPT[:-1], RECEIPT + b"\n", b'{"receipt":[],"signature":""}', b"[" * 99_999,
     b'{"receipt":{"key_id":NaN},"signature":""}'],
)  # fmt: skip
def test_E44_what_is_no_receipt_fails(data: bytes) -> None:
    with pytest.raises(ReceiptInvalid):
        verify_receipt(data, KEYS)


def test_E44_an_unknown_signer_fails() -> None:
    later = key_id(LATER_KEY.public_key())
    with pytest.raises(ReceiptInvalid):
        verify_receipt(RECEIPT, {later: LATER_KEY.public_key()})
    forged = json.loads(RECEIPT)
    forged["receipt"]["key_id"] = later
    with pytest.raises(ReceiptInvalid):
        verify_receipt(json.dumps(forged, separators=(",", ":"), sort_keys=True).encode(), KEYS)


def test_E45_no_identifier_inside_and_the_person_can_prove_that_it_is_theirs() -> None:
    assert b"anna" not in RECEIPT
    body = verify_receipt(RECEIPT, KEYS)
    assert is_about(body, SALT, ANNA)
    assert not is_about(body, "00" * 32, ANNA)
    assert not is_about(body, SALT, (SubjectIdentity(IdentityType.EMAIL, "bert@example.org"),))
    assert not is_about(body, SALT, (SubjectIdentity(IdentityType.USERNAME, ANNA[0].value),))


def test_E29_what_was_not_verified_says_so() -> None:
    targets = verify_receipt(RECEIPT, KEYS)["targets"]
    assert isinstance(targets, list)
    assert [(one["outcome"], one["verified_time"]) for one in targets] == [
        ("unverified", None),
        ("verified_erased", "2025-03-01T12:00:00Z"),
    ]
