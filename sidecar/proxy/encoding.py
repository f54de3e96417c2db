"""From the bytes of a body to its text, strictly. Pure.

What can't be decoded in whole is refused (P32): a scanner and a client that read the same bytes in two ways are a leak.
"""

from __future__ import annotations

from sidecar.errors import PayloadFault, PayloadRefused

_CHARSETS = {
    "utf-8": "utf-8", "utf8": "utf-8", "us-ascii": "ascii", "ascii": "ascii", "iso-8859-1": "latin-1",
    "latin-1": "latin-1", "latin1": "latin-1", "utf-16": "utf-16", "utf-16le": "utf-16-le", "utf-16be": "utf-16-be",
    "windows-1252": "cp1252", "cp1252": "cp1252", "iso-8859-15": "iso8859-15",
}  # fmt: skip
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def to_text(data: bytes, charset: str | None) -> str:
    """Decode strictly; without a declared charset it is UTF-8 (RFC 8259 section 8.1). A byte order mark is taken off.

    Raises ``PayloadRefused`` for an unknown charset and for bytes that are not in it (P32).
    """
    codec = _CHARSETS.get(charset or "utf-8")
    if codec is None:
        raise PayloadRefused(PayloadFault.CHARSET, "unknown")
    if codec == "utf-16" and not data.startswith(_UTF16_MARKS):
        raise PayloadRefused(PayloadFault.CHARSET, "utf-16 without byte order mark")
    try:
        text = data.decode(codec)
    except UnicodeDecodeError:
        raise PayloadRefused(PayloadFault.CHARSET, "bytes that are not in it") from None
    return text.removeprefix("\ufeff")
