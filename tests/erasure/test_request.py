"""Submissions: strict, all problems at once, and never a value in a message (E5)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.erasure.reading import RequestInvalid
from sidecar.erasure.request import (
    IdentityType,
    SubjectIdentity,
    body_digest,
    parse_request,
    parse_verification,
    subject_pseudonym,
)
from sidecar.keys import Pseudonymizer
from tests.erasure.world import CANARY, ID, body

KEYS = Pseudonymizer(b"k" * 32)


def places(data: bytes) -> list[str]:
    with pytest.raises(RequestInvalid) as refusal:
        parse_request(data)
    assert CANARY not in str(refusal.value)
    assert all(problem.remedy for problem in refusal.value.problems)
    return [problem.path for problem in refusal.value.problems]


def with_identity(**identity: Any) -> bytes:
    return body(subject={"identities": [identity]})


def test_a_full_request() -> None:
    request = parse_request(body(submitted_time="2025-02-28T23:59:60+01:00"))
    assert request.id == ID
    assert request.identities == (SubjectIdentity(IdentityType.EMAIL, CANARY),)
    assert request.submitted == datetime(2025, 2, 28, 22, 59, 59, tzinfo=UTC)
    assert request.verified_by == "account_login"
    assert CANARY not in repr(request)


@pytest.mark.parametrize(
    ("data", "where"),
    [
        (b"", ["body"]),
        (b"[]", ["body", "id", "regulation", "subject", "subject.identities"]),
        (b'{"id": "a", "id": "b"}', ["body"]),
        (b"[" * 50_000, ["body"]),
        (b"\xff\xfe", ["body"]),
        (body(request_id=ID.upper()), ["id"]),
        (body(request_id="{" + ID + "}"), ["id"]),
        (body(request_id=CANARY), ["id"]),
        (body(regulation=CANARY), ["regulation"]),
        (json.dumps(json.loads(body()) | {CANARY: 1}).encode(), ["body"]),
        (body(subject=CANARY), ["subject", "subject.identities"]),
        (body(subject={"identities": []}), ["subject.identities"]),
        (body(subject={"identities": [{"type": "email", "value": CANARY}] * 51}), ["subject.identities"]),
        (body(subject={"identities": [CANARY]}), ["subject.identities[0]", "subject.identities[0].type"]),
        (with_identity(type=CANARY, value="x"), ["subject.identities[0].type"]),
        (with_identity(type="passport", value=CANARY), ["subject.identities[0].type"]),
        (with_identity(type="email", value="anna.canary"), ["subject.identities[0].value"]),
        (with_identity(type="email", value="@example.org"), ["subject.identities[0].value"]),
        (with_identity(type="email", value=f" {CANARY}"), ["subject.identities[0].value"]),
        (with_identity(type="email", value=f"{CANARY}\u0000"), ["subject.identities[0].value"]),
        (with_identity(type="name", value="\ud800"), ["subject.identities[0].value"]),
        (with_identity(type="name", value=""), ["subject.identities[0].value"]),
        (with_identity(type="name", value="x" * 513), ["subject.identities[0].value"]),
        (with_identity(type="customer_id", value=12345), ["subject.identities[0].value"]),
        (with_identity(type="phone", value="12-34"), ["subject.identities[0].value"]),
        (with_identity(type="email", value=CANARY, **{CANARY: 1}), ["subject.identities[0]"]),
        (body(submitted_time="2025-02-28T12:00:00"), ["submitted_time"]),
        (body(submitted_time=CANARY), ["submitted_time"]),
        (body(submitted_time="2025-03-01T12:60:00Z"), ["submitted_time"]),
        (body(submitted_time="0001-01-01T00:00:00+14:00"), ["submitted_time"]),
        (body(verified_by=CANARY), ["verified_by"]),
        (body(verified_by=""), ["verified_by"]),
    ],
)
def test_E5_what_is_refused_names_the_place_and_not_the_value(data: bytes, where: list[str]) -> None:
    assert places(data) == where


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("email", "a@b"),
        ("email", '"odd name@x"@example.org'.replace(" ", "")),
        ("phone", "+49 30 12345"),
        ("customer_id", "C-1/2"),
        ("account_id", "0"),
        ("name", "Åsa Öberg"),
        ("username", "anna_99"),
    ],
)
def test_what_is_accepted(kind: str, value: str) -> None:
    assert parse_request(with_identity(type=kind, value=value)).identities[0].value == value


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_E5_whatever_comes_is_parsed_or_refused_with_a_place(data: bytes) -> None:
    with pytest.raises(RequestInvalid):
        parse_request(data)


@settings(max_examples=40)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["id", "regulation", "subject", "identities", "type", "value"]) | st.text(), inner
            )
        ),
    )
)
def test_E5_any_json_is_parsed_or_refused(value: Any) -> None:
    with pytest.raises(RequestInvalid):
        parse_request(json.dumps(value).encode())


def test_E2_spelling_does_not_change_the_digest_and_content_does() -> None:
    request = parse_request(body())
    spaced = parse_request(json.dumps(json.loads(body()), indent=4, sort_keys=True).encode())
    assert body_digest(request, KEYS) == body_digest(spaced, KEYS)
    for other in (
        body(email="b@example.org"),
        body(regulation="ccpa"),
        body(verified_by=None),
        body(submitted_time="2025-03-01T12:00:00Z"),
    ):
        assert body_digest(parse_request(other), KEYS) != body_digest(request, KEYS)
    assert body_digest(request, Pseudonymizer(b"l" * 32)) != body_digest(request, KEYS)


def test_the_pseudonym_does_not_depend_on_order() -> None:
    one, two = SubjectIdentity(IdentityType.EMAIL, "a@b"), SubjectIdentity(IdentityType.NAME, "Anna")
    assert subject_pseudonym([one, two], KEYS) == subject_pseudonym([two, one], KEYS)
    assert subject_pseudonym([one], KEYS) != subject_pseudonym([two], KEYS)


def test_the_same_identity_twice_counts_once() -> None:
    twice = [{"type": "email", "value": CANARY}] * 2
    assert len(parse_request(body(subject={"identities": twice})).identities) == 1


def test_a_verification() -> None:
    assert parse_verification(b'{"verified_by": "id_check"}') == "id_check"
    for bad in (b"{}", b'{"verified_by": null}', b'{"verified_by": "Anna Canary"}', b'{"verified_by": "x", "y": 1}'):
        with pytest.raises(RequestInvalid):
            parse_verification(bad)
