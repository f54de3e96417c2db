"""What a body is by its Content-Type, and from its bytes to its text, strictly. Pure.

What can't be decoded in whole is refused (P32): a scanner and a client that read the same bytes in two ways are a leak.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sidecar.errors import PayloadFault, PayloadRefused

_TYPE = re.compile(r"[!#$&^_.+\w-]+/[!#$&^_.+\w-]+", re.ASCII)
_PARAMETER = re.compile(r';\s*(?:([!#$%&\'*+.^_`|~\w-]+)=(?:"([^"\\]*)"|([^\s;"]*)))?\s*', re.ASCII)
_CHARSETS = {
    "utf-8": "utf-8", "utf8": "utf-8", "us-ascii": "ascii", "ascii": "ascii", "iso-8859-1": "latin-1",
    "latin-1": "latin-1", "latin1": "latin-1", "utf-16": "utf-16", "utf-16le": "utf-16-le", "utf-16be": "utf-16-be",
}  # fmt: skip
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class MediaType:
    """A media type in lower case and its charset, if it names one."""

    name: str
    charset: str | None = None


def media_type_of(declared: str) -> MediaType:
    """Parse a Content-Type (RFC 9110 section 8.3), or raise ``PayloadRefused`` for one that is ambiguous."""
    kind = _TYPE.match(declared.strip())
    if kind is None:
        raise PayloadRefused(PayloadFault.MEDIA_TYPE, "no media type")
    rest = declared.strip()[kind.end() :].lstrip()
    charsets: list[str] = []
    while rest:
        parameter = _PARAMETER.match(rest)
        if parameter is None:
            raise PayloadRefused(PayloadFault.MEDIA_TYPE, "parameters that can't be parsed")
        if (parameter[1] or "").lower() == "charset":
            charsets.append((parameter[2] or parameter[3] or "").lower())
        rest = rest[parameter.end() :]
    if len(charsets) > 1:
        raise PayloadRefused(PayloadFault.CHARSET, "declared twice")
    return MediaType(kind[0].lower(), charsets[0] if charsets else None)


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
