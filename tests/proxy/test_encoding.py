"""P28 to P32 without a network: codings, bombs, media types and charsets."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.errors import PayloadFault, PayloadRefused
from sidecar.proxy.encoding import MediaType, media_type_of, to_text, uncompress

CAP = 100_000


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=4))
def test_P29_members_are_joined(parts: list[bytes]) -> None:
    assert uncompress(b"".join(map(gzip.compress, parts)), "gzip", CAP) == b"".join(parts)


@given(st.binary(min_size=1, max_size=300), st.data())
def test_P29_no_truncation_goes_unnoticed(plain: bytes, data: st.DataObject) -> None:
    whole = gzip.compress(plain)
    cut = data.draw(st.integers(min_value=1, max_value=len(whole) - 1))
    with pytest.raises(PayloadRefused):
        uncompress(whole[:cut], "gzip", CAP)


@given(st.binary(max_size=100), st.binary(min_size=1, max_size=20))
def test_P29_trailing_bytes_are_refused(plain: bytes, rest: bytes) -> None:
    if rest.startswith(b"\x1f\x8b"):
        return
    with pytest.raises(PayloadRefused):
        uncompress(gzip.compress(plain) + rest, "gzip", CAP)
    with pytest.raises(PayloadRefused):
        uncompress(zlib.compress(plain) + rest, "deflate", CAP)


@pytest.mark.parametrize("size", [CAP - 1, CAP])
def test_P30_up_to_the_cap(size: int) -> None:
    assert len(uncompress(gzip.compress(bytes(size)), "gzip", CAP)) == size


@pytest.mark.parametrize(
    "bomb",
    [gzip.compress(bytes(CAP + 1)), gzip.compress(bytes(200_000_000)), gzip.compress(bytes(CAP)) * 100],
    ids=["one byte over", "200 MB", "many members"],
)
def test_P30_bombs_stop_at_the_cap(bomb: bytes) -> None:
    tracemalloc.start()
    with pytest.raises(PayloadRefused) as refused:
        uncompress(bomb, "gzip", CAP)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert refused.value.fault is PayloadFault.TOO_LARGE
    assert peak < 10 * CAP + len(bomb)


@pytest.mark.parametrize("coding", ["br", "zstd", "aes", "gzip, br", "gzip,gzip", "gzip gzip", "", "chunked"])
def test_P28_unknown_and_stacked(coding: str) -> None:
    if coding == "":
        assert uncompress(b"x", coding, CAP) == b"x", "an empty field says nothing"
        return
    with pytest.raises(PayloadRefused) as refused:
        uncompress(gzip.compress(b"x"), coding, CAP)
    assert refused.value.fault is PayloadFault.CODING


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
