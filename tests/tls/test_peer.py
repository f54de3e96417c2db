"""Names from a certificate and tokens from a header: what counts, and what does not (P52)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.tls.peer import credentials

ID = "spiffe://dev/trainer"


def names(*sans: tuple[str, str], **rest: Any) -> tuple[str, ...]:
    return credentials({"subjectAltName": sans, **rest}, None).certificate_names


@pytest.mark.parametrize(
    ("sans", "expected"),
    [
        ((("DNS", "trainer.example"),), ("DNS:trainer.example",)),
        ((("DNS", "Trainer.Example"),), ("DNS:trainer.example",)),
        ((("DNS", "a"), ("DNS", "b")), ("DNS:a", "DNS:b")),
        ((("URI", ID),), (f"URI:{ID}",)),
        ((("URI", ID), ("DNS", "a")), ("DNS:a", f"URI:{ID}")),
        ((("URI", "https://a/b"), ("URI", "urn:x:y")), ("URI:https://a/b", "URI:urn:x:y")),
        # Two SPIFFE ids, or one beside another URI: ambiguous, so nobody.
        ((("URI", ID), ("URI", "spiffe://dev/auditor")), ()),
        ((("URI", ID), ("URI", ID)), ()),
        ((("URI", ID), ("URI", "https://a/b")), ("URI:https://a/b",)),
        ((("URI", ID), ("URI", "SPIFFE://dev/auditor")), ()),
        # No well-formed SPIFFE id.
        ((("URI", "SPIFFE://dev/trainer"),), ()),
        ((("URI", "spiffe://DEV/trainer"),), ()),
        ((("URI", "spiffe://dev/../trainer"),), ()),
        ((("URI", "spiffe://dev/./trainer"),), ()),
        ((("URI", "spiffe://dev//trainer"),), ()),
        ((("URI", "spiffe://dev/trainer/"),), ()),
        ((("URI", "spiffe://dev/trainer?x"),), ()),
        ((("URI", "spiffe://dev:80/trainer"),), ()),
        ((("URI", "spiffe://dev/tr%61iner"),), ()),
        ((("URI", "spiffe:///trainer"),), ()),
        ((("URI", "spiffe:dev"),), ()),
        ((("URI", "spiffe://dev/..."),), ("URI:spiffe://dev/...",)),
        # Names that stand for many, and other kinds of name.
        ((("DNS", "*.example"),), ()),
        ((("DNS", ""),), ()),
        ((("DNS", "a..b"),), ()),
        ((("DNS", "a" * 64),), ()),
        ((("DNS", ".".join(["abcdefg"] * 32)),), ()),
        ((("IP Address", "127.0.0.1"), ("email", "a@example.com")), ()),
        # Characters that could make one name look like another in a record or a list.
        ((("DNS", "a\0.evil"),), ()),
        ((("DNS", "a\n"),), ()),
        ((("DNS", "a, URI:spiffe://dev/auditor"),), ()),
        ((("DNS", "trainеr.example"),), ()),
        ((("URI", "https://a/b\n"),), ()),
        ((("URI", "no-scheme"),), ()),
    ],
)
def test_p52_names(sans: tuple[tuple[str, str], ...], expected: tuple[str, ...]) -> None:
    assert names(*sans) == expected


@pytest.mark.parametrize("sans", [(), (("DNS", "a"),)])
def test_p52_the_common_name_never_counts(sans: tuple[tuple[str, str], ...]) -> None:
    subject = ((("commonName", "trainer.example"),),)
    assert "DNS:trainer.example" not in names(*sans, subject=subject)


@pytest.mark.parametrize("nothing", [None, {}, {"subject": ()}])
def test_no_certificate_no_name(nothing: dict[str, Any] | None) -> None:
    assert credentials(nothing, None).certificate_names == ()


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("Bearer abc", "abc"),
        ("bearer abc", "abc"),
        ("BEARER a.b-c_d~e+f/g==", "a.b-c_d~e+f/g=="),
        ("Bearer " + "a" * 4096, "a" * 4096),
        (None, None),
        ("", None),
        ("Bearer", None),
        ("Bearer ", None),
        ("Bearer  abc", None),
        (" Bearer abc", None),
        ("Bearer abc ", None),
        ("Bearer abc\n", None),
        ("Bearer a b", None),
        ("Bearer a,b", None),
        ("Bearer =", None),
        ("Bearer a=b", None),
        ("Bearer a===", None),
        ("Bearer é", None),
        ("Bearer " + "a" * 4097, None),
        ("Basic YTpi", None),
        ("Bearerabc", None),
        ("Token abc", None),
    ],
)
def test_bearer_tokens(header: str | None, token: str | None) -> None:
    assert credentials(None, header).bearer_token == token


@given(st.text())
def test_any_header_gives_a_token_that_can_be_sent_or_none(header: str) -> None:
    token = credentials(None, header).bearer_token
    assert token is None or (header.lower().startswith("bearer ") and token.isascii() and " " not in token)


@given(st.lists(st.tuples(st.sampled_from(["DNS", "URI"]), st.text())))
def test_no_name_holds_what_could_break_a_line(sans: list[tuple[str, str]]) -> None:
    for name in names(*sans):
        assert name.isascii()
        assert name.isprintable()
        assert " " not in name


def test_a_token_shows_in_no_repr() -> None:
    assert "s3cret" not in repr(credentials(None, "Bearer s3cret"))
