"""P32: Content-Type, read strictly."""

from __future__ import annotations

import pytest

from sidecar.errors import PayloadRefused
from sidecar.payloads.media_type import MediaType, media_type_of


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ("application/json", MediaType("application/json")),
        (" Application/JSON ; Charset=UTF-8", MediaType("application/json", "utf-8")),
        ('text/plain;charset="utf-16"', MediaType("text/plain", "utf-16")),
        ("text/plain; format=flowed; charset=latin-1;", MediaType("text/plain", "latin-1")),
        ('multipart/mixed; BOUNDARY="a b:c"; charset=x', MediaType("multipart/mixed", "x", "a b:c")),
        ("application/.json", MediaType("application/.json")),
        ("multipart/form-data; boundary=----x", MediaType("multipart/form-data", None, "----x")),
    ],
)
def test_media_types(declared: str, expected: MediaType) -> None:
    assert media_type_of(declared) == expected


@pytest.mark.parametrize(
    "declared",
    [
        "",
        "json",
        "text/",
        "a/b, c/d",
        "a/b; charset=utf-8; charset=utf-7",
        'a/b; charset="utf-8',
        "a/b; =",
        "multipart/form-data; boundary=a; boundary=b",
    ],
)
def test_media_types_that_are_ambiguous(declared: str) -> None:
    with pytest.raises(PayloadRefused):
        media_type_of(declared)
