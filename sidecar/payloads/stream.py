"""The one interface of formats in stream form: bytes in as they come, complete frames out. Pure.

A framing cuts a stream into frames, whose texts joined are the whole stream. A frame is parsed like a payload of its
own, and rendered as it stood (P36). Where bytes were cut on their way changes nothing: not within a character, nor
within a line end (P33).
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from sidecar.errors import PayloadFault, PayloadRefused
from sidecar.payloads.document import Document
from sidecar.payloads.spliced import DEFAULT_LIMITS, Limits


class FrameKind(StrEnum):
    """What a frame is to those who read the stream."""

    EVENT = "event"  # has a place among the others
    COMMENT = "comment"  # says nothing, as a heartbeat: is scanned, but waits for nobody
    BLANK = "blank"  # line ends between frames


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame with everything that stands around its payload. ``index``: of events, from 0."""

    text: str = field(repr=False)
    kind: FrameKind
    index: int = 0


class Framing(Protocol):
    """Cuts one stream. Holds no more than one frame, of a bounded length."""

    def feed(self, data: bytes) -> list[Frame]:
        """Return the frames that are complete now. Raises ``PayloadRefused``: charset, too large."""

    def finish(self) -> list[Frame]:
        """Return what is left at the end. Raises ``PayloadRefused`` for bytes that break off within a character."""


class FrameFormat(Protocol):
    """Reads frames that somebody has cut: a framing, or a transport that has messages."""

    @property
    def media_types(self) -> frozenset[str]: ...

    def parse(self, frame: Frame, limits: Limits = DEFAULT_LIMITS) -> Document:
        """Parse an event or a comment. Raises ``PayloadRefused`` for what can't be understood in whole."""


class StreamFormat(FrameFormat, Protocol):
    """A format of bytes that may have no end."""

    def framing(self, longest: int) -> Framing:
        """Return the framing of a new stream; ``longest``: characters that one frame may have."""


class Utf8Text:
    """Bytes of a stream decoded as they come, strictly. Event streams and lines of JSON know no other charset."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("strict")

    def feed(self, data: bytes) -> str:
        """Return the characters that are complete now."""
        return self._decoded(data, final=False)

    def finish(self) -> None:
        """Raise ``PayloadRefused`` if a character is not complete."""
        self._decoded(b"", final=True)

    def _decoded(self, data: bytes, *, final: bool) -> str:
        try:
            return self._decoder.decode(data, final)
        except UnicodeDecodeError:
            raise PayloadRefused(PayloadFault.CHARSET, "bytes that are not in it") from None


class Gathered:
    """Characters that are no frame yet. Linear however small the pieces are that they come in."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._pieces: list[str] = []
        self._length = 0

    def add(self, text: str) -> None:
        """Raises ``PayloadRefused`` (too large)."""
        self._pieces.append(text)
        self._length += len(text)
        if self._length > self._longest:
            raise PayloadRefused(PayloadFault.TOO_LARGE, f"a frame of more than {self._longest} characters")

    def take(self) -> str:
        """Return all of it, and be empty."""
        text = "".join(self._pieces)
        self._pieces, self._length = [], 0
        return text
