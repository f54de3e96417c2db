"""P32 without a network: media types and charsets."""

from __future__ import annotations

import pytest

from sidecar.errors import PayloadFault, PayloadRefused
from sidecar.proxy.encoding import MediaType, media_type_of, to_text


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ("application/json", MediaType("application/json")),
        (" Application/JSON ; Charset=UTF-8", MediaType("application/json", "utf-8")),
        ('text/plain;charset="utf-16"', MediaType("text/plain", "utf-16")),
        ("text/plain; format=flowed; charset=latin-1;", MediaType("text/plain", "latin-1")),
        ("application/.json", MediaType("application/.json")),
        ("multipart/form-data; boundary=----x", MediaType("multipart/form-data")),
    ],
)
def test_media_types(declared: str, expected: MediaType) -> None:
    assert media_type_of(declared) == expected


@pytest.mark.parametrize(
    "declared", ["", "json", "text/", "a/b, c/d", "a/b; charset=utf-8; charset=utf-7", 'a/b; charset="utf-8', "a/b; ="]
)
def test_media_types_that_are_ambiguous(declared: str) -> None:
    with pytest.raises(PayloadRefused):
        media_type_of(declared)


TEXT = "Grüße, 你好 😀 @"


@pytest.mark.parametrize(
    ("data", "charset"),
    [
        (TEXT.encode(), None),
        (TEXT.encode(), "utf-8"),
        (b"\xef\xbb\xbf" + TEXT.encode(), "utf8"),
        (TEXT.encode("utf-16"), "utf-16"),
        (TEXT.encode("utf-16-le"), "utf-16le"),
        (b"\xfe\xff" + TEXT.encode("utf-16-be"), "utf-16be"),
    ],
)
def test_P32_charsets(data: bytes, charset: str | None) -> None:
    assert to_text(data, charset) == TEXT


@pytest.mark.parametrize(
    ("data", "charset"),
    [
        (b"\xff", None),
        (b"\xc0\x80", "utf-8"),
        (b"\xed\xa0\x80", "utf-8"),
        (b"\xff", "us-ascii"),
        (b"a", "utf-16le"),
        (b"a\0", "utf-16"),
        (b"\x00\xd8", "utf-16le"),
        (b"+AEA-", "utf-7"),
        (b"a", "rot13"),
        (b"a", "idna"),
        (b"a", "base64"),
    ],
)
def test_P32_strictly(data: bytes, charset: str | None) -> None:
    with pytest.raises(PayloadRefused) as refused:
        to_text(data, charset)
    assert refused.value.fault is PayloadFault.CHARSET
