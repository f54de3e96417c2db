"""Which strings are read as URLs, by their parts."""

from __future__ import annotations

import pytest

from sidecar.payloads.urls import looks_like_url


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://host.example/c/1", True),
        ("//host.example", True),
        (" app://x ", True),
        ("mailto:jane.roe@example.com", True),
        ("tel:+44 7911 123456", True),
        ("/c/1", True),
        ("/customers/jane%20roe", True),
        ("/x?q=1", True),
        ("/?a/b", True),
        ("/%41/", True),
        ("/a//", True),
        ("/a", False),
        ("/?a", False),
        ("/ab c/d", False),
        ("/a/b c", False),
        ("a/b", False),
        ("10/12", False),
        ("", False),
    ],
)
def test_what_looks_like_a_url(text: str, expected: bool) -> None:
    assert looks_like_url(text) is expected


@pytest.mark.parametrize(
    "text",
    [
        "/a" + "/" * 200_000 + " x",
        "/a" + "?%" * 100_000 + " x",
        "/" + "a" * 200_000 + " x",
        "//" + "a" * 200_000 + " x",
        " " * 200_000 + "x",
        "//a" + " " * 200_000 + "x",
    ],
    ids=lambda text: f"{text[:4]}…",
)
def test_no_text_takes_time_that_grows_with_its_square(text: str) -> None:
    assert not looks_like_url(text)
