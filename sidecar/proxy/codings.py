"""Content codings undone, strictly and within bounds: gzip, deflate, br and zstd. Pure.

A scanner and a client that read the same bytes in two ways are a leak, so whatever is not wholly of its coding is
refused: truncated, followed by other bytes, stacked, unknown (P28, P29, P31). Nothing is ever decoded beyond the cap,
and decoders work in windows of bounded size: memory does not grow with what was announced (P30).
"""

from __future__ import annotations

import re
import sys
import zlib
from collections.abc import Callable
from typing import Protocol

import brotli

from sidecar.errors import PayloadFault, PayloadRefused

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_STEP = 16 * 1024
"""Bytes that a decoder is fed with. What it leaves over is copied: longer steps make many small members costly."""
_MOST_MEMBERS = 10_000
_ZSTD_WINDOW_BITS = 23
"""8 MiB, which is as much as content coded with zstd may ask for (RFC 9659)."""


class _Member(Protocol):
    """One member or frame on its way. Raises one of ``_BROKEN`` for bytes that are not of the coding."""

    def feed(self, data: bytes, limit: int) -> bytes:
        """Return what ``data`` adds: about ``limit`` bytes at most, or less only if there is no more."""

    @property
    def ended(self) -> bool: ...

    @property
    def rest(self) -> bytes:
        """What was fed behind the end."""


_BROKEN = (zlib.error, brotli.error, zstd.ZstdError)


class _Zlib:
    """gzip (RFC 1952) and deflate (RFC 1950; the raw form is refused)."""

    def __init__(self, window_bits: int) -> None:
        self._inner = zlib.decompressobj(window_bits)

    def feed(self, data: bytes, limit: int) -> bytes:
        return self._inner.decompress(data, limit)

    @property
    def ended(self) -> bool:
        return self._inner.eof

    @property
    def rest(self) -> bytes:
        return self._inner.unused_data


class _Brotli:
    """br (RFC 7932). Windows are of 16 MiB at most; it has no members, and its decoder raises at bytes behind it."""

    rest = b""

    def __init__(self) -> None:
        self._inner = brotli.Decompressor()

    def feed(self, data: bytes, limit: int) -> bytes:
        out = bytearray(self._inner.process(data, output_buffer_limit=limit))
        while len(out) < limit and not self._inner.can_accept_more_data():
            out += self._inner.process(b"", output_buffer_limit=limit - len(out))
        return bytes(out)

    @property
    def ended(self) -> bool:
        return bool(self._inner.is_finished())


class _Zstd:
    """zstd (RFC 8878), one frame; skippable ones are passed over."""

    def __init__(self) -> None:
        self._inner = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW_BITS})

    def feed(self, data: bytes, limit: int) -> bytes:
        return self._inner.decompress(data, limit)

    @property
    def ended(self) -> bool:
        return self._inner.eof

    @property
    def rest(self) -> bytes:
        return self._inner.unused_data


_CODINGS: dict[str, Callable[[], _Member]] = {
    "gzip": lambda: _Zlib(16 + zlib.MAX_WBITS),
    "x-gzip": lambda: _Zlib(16 + zlib.MAX_WBITS),
    "deflate": lambda: _Zlib(zlib.MAX_WBITS),
    "br": _Brotli,
    "zstd": _Zstd,
}
_IDENTITY = "identity"
_OF_ONE_MEMBER = frozenset({"deflate", "br"})
_ACCEPTED = re.compile(r"\s*([A-Za-z-]+)\s*(?:;\s*[qQ]=\s*([01](?:\.[0-9]{0,3})?)\s*)?")


def uncompress(data: bytes, coding: str | None, cap: int) -> bytes:
    """Undo one content coding, or raise ``PayloadRefused`` for an unknown or stacked one (P28).

    The result has at most ``cap`` bytes; work stops there (P30).
    """
    name = _known(coding)
    if name == _IDENTITY:
        return data
    out = bytearray()
    position = members = 0
    while position < len(data):
        members += 1
        if members > (1 if name in _OF_ONE_MEMBER else _MOST_MEMBERS):
            raise PayloadRefused(PayloadFault.CODING, "trailing bytes, or too many members")
        position = _add_member(out, _CODINGS[name](), data, position, cap)
    return bytes(out)


class Uncompressing:
    """One content coding undone as the bytes come. Raises as ``uncompress``, at once for a coding that is not known.

    ``cap``: for what may come of the bytes that are fed at once (P30).
    """

    def __init__(self, coding: str | None, cap: int) -> None:
        self._name = _known(coding)
        self._cap = cap
        self._member: _Member | None = None
        self._members = 0

    def feed(self, data: bytes) -> bytes:
        """Return what there is of the content now."""
        if self._name == _IDENTITY:
            return data
        out = bytearray()
        position = 0
        while position < len(data):
            if self._member is None or self._member.ended:
                self._member = self._next_member()
            position = _add_step(out, self._member, data, position, self._cap)
        return bytes(out)

    def finish(self) -> None:
        """Raise ``PayloadRefused`` if the content is not complete."""
        if self._name != _IDENTITY and not (self._member is None or self._member.ended):
            raise PayloadRefused(PayloadFault.CODING, "truncated")

    def _next_member(self) -> _Member:
        self._members += 1
        if self._members > (1 if self._name in _OF_ONE_MEMBER else _MOST_MEMBERS):
            raise PayloadRefused(PayloadFault.CODING, "trailing bytes, or too many members")
        return _CODINGS[self._name]()


def _known(coding: str | None) -> str:
    name = (coding or _IDENTITY).strip().lower()
    if name != _IDENTITY and name not in _CODINGS:
        raise PayloadRefused(PayloadFault.CODING, "not one that is decoded here")
    return name


def _add_member(out: bytearray, member: _Member, data: bytes, position: int, cap: int) -> int:
    """Decode the member that begins at ``position``; return where it ends."""
    while not member.ended:
        if position >= len(data):
            raise PayloadRefused(PayloadFault.CODING, "truncated")
        position = _add_step(out, member, data, position, cap)
    return position


def _add_step(out: bytearray, member: _Member, data: bytes, position: int, cap: int) -> int:
    """Decode some bytes of the member from ``position`` on; return where they, or the member, end."""
    step = data[position : position + _STEP]
    try:
        out += member.feed(step, cap - len(out) + 1)
    except _BROKEN:
        # Also plain bytes that claim to be compressed, and anything but a further member at the end (P29, P31).
        raise PayloadRefused(PayloadFault.CODING, "not what it claims to be") from None
    if len(out) > cap:
        raise PayloadRefused(PayloadFault.TOO_LARGE, "when decoded")
    return position + len(step) - len(member.rest)


def narrowed(accept_encoding: str) -> str:
    """Return of an Accept-Encoding what can be decoded here, or ``identity`` where that is nothing (P28).

    ``*`` is no coding by name, and does not pass. Neither does what can't be read.
    """
    kept = [
        f"{found[1].lower()};q={found[2]}" if found[2] else found[1].lower()
        for found in map(_ACCEPTED.fullmatch, accept_encoding.split(","))
        if found and (found[1].lower() in _CODINGS or found[1].lower() == "identity")
    ]
    return ", ".join(kept) or "identity"
