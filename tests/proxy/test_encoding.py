"""P32 without a network: charsets."""

from __future__ import annotations

import pytest

from sidecar.errors import PayloadFault, PayloadRefused
from sidecar.proxy.encoding import to_text

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
