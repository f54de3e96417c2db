"""An answer that is read, redacted and passed on event by event, before it has ended (P37).

No more is read from the upstream than has been handed on, and one thing is detected at a time, so a client that reads
slowly slows its upstream down, and nothing piles up here (P45). Whatever fails leaves the answer without an end (P40).
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Protocol

from sidecar.detection.within import within
from sidecar.errors import Direction, PayloadFault, PayloadRefused
from sidecar.payloads import json_body
from sidecar.payloads.media_type import MediaType, media_type_of
from sidecar.payloads.ndjson_stream import NdjsonStream
from sidecar.payloads.sse import SseStream
from sidecar.payloads.stream import Frame, FrameKind, Framing, StreamFormat
from sidecar.proxy.body_budget import BodyShare
from sidecar.proxy.codings import Uncompressing
from sidecar.proxy.event_stream import EventStream, StreamLimits
from sidecar.proxy.meter import Meter
from sidecar.proxy.routes import BodyMode, Limits, Route
from sidecar.proxy.upstream import Answer
from sidecar.redaction.holdback import HoldBack

_SSE, _NDJSON = SseStream(), NdjsonStream()
_UTF8 = (None, "utf-8", "utf8")
_AT_ONCE_BYTES = 16 * 1024
_FRAMED_AT_ONCE_BYTES = 8 * 1024  # of line ends that is some 10 ms
_AT_ONCE_SECONDS = 0.05  # after which what is ready goes out, though more could be made of what was read
_FRAMES_IN_A_ROW = 8  # then others have their turn on the loop


class BodySource(Protocol):
    """A body that is read once, as it comes."""

    async def read_some(self) -> bytes:
        """Return the bytes at hand, b"" at the end. Raises ``SidecarError`` where it breaks off."""

    def close(self) -> None:
        """Let go of it, in every case. May be called again."""


def kind_of(answer: Answer) -> MediaType:
    """Return the media type that an answer says it has."""
    declared = answer.fields.get("Content-Type")
    return media_type_of(declared) if declared is not None else MediaType("")


def stream_format_for(kind: MediaType, route: Route) -> StreamFormat | None:
    """Return what reads an answer as it comes, by its route and its type; None where it is read in whole.

    On a route for event streams other types are JSON, such as an error or the answer to who asked for no stream. On one
    for lines of JSON all other types are such lines, even where they claim to be event streams (X3). On a route that
    chooses by type, event streams are read if the field map says something of pieces.
    """
    if route.body is BodyMode.NDJSON:
        is_json = kind.name in json_body.MEDIA_TYPES or kind.name.endswith("+json")
        return None if is_json else _NDJSON
    if route.body is BodyMode.AUTO and route.fields.deltas is None:
        return None
    return _SSE if route.body in (BodyMode.SSE, BodyMode.AUTO) and kind.name in _SSE.media_types else None


def stream_limits(limits: Limits) -> StreamLimits:
    """Return the bounds of a stream: as much of it is held at a time as of a body that is read in whole."""
    return StreamLimits(HoldBack(tail=limits.hold_back_characters), held_bytes=limits.response_body_bytes)


class AnswerStream:
    """The body of an answer, rewritten as it comes (``BodySource``).

    Raises ``PayloadRefused`` at once for a coding or a charset that streams don't have. ``share``: of the bytes that
    may be held; where they are used up the stream breaks off.
    """

    def __init__(
        self, answer: Answer, framing: Framing, events: EventStream, route: Route, meter: Meter, share: BodyShare
    ) -> None:
        if kind_of(answer).charset not in _UTF8:
            raise PayloadRefused(PayloadFault.CHARSET, "a stream that is not in UTF-8")
        self._answer = answer
        self._decoding = Uncompressing(answer.fields.get("Content-Encoding"), route.limits.response_body_bytes)
        self._framing = framing
        self._events = events
        self._route = route
        self._meter = meter
        self._share = share
        self._content = b""  # what came last, with its coding undone
        self._framed = 0  # bytes of it
        self._frames: deque[Frame] = deque()
        self._is_last = False  # the upstream has ended, and its frames are all there
        self._is_over = False
        self._metered = 0
        self._own_seconds = 0.0

    async def read_some(self) -> bytes:
        """Return rewritten events, b"" at the end. After a failure nothing can be read any more."""
        out = b""
        while not out and not self._is_over:
            if not self._frames and not self._is_last:
                await self._take_more()
            began = time.perf_counter()
            try:
                async with within(self._route.limits.rewrite_seconds):
                    out = await self._rewritten(began)
            finally:
                self._own_seconds += time.perf_counter() - began
                self._measure(self._events.held_bytes)
            self._share.vary(self._events.held_bytes + len(self._content) - self._framed)
        return out

    def close(self) -> None:
        if self._own_seconds:
            self._meter.rewriting(self._route.name, Direction.RESPONSE, self._own_seconds)
            self._own_seconds = 0.0
        self._measure(0)
        self._is_over = True
        self._content, self._framed = b"", 0
        self._answer.close()

    async def _take_more(self) -> None:
        """Frame some of what has come: a few bytes may unpack to millions of lines."""
        if self._framed == len(self._content):
            data = await self._answer.read_some()
            if not data:
                self._decoding.finish()
                self._frames.extend(self._framing.finish())
                self._is_last = True
                return
            self._content, self._framed = self._decoding.feed(data), 0
        else:
            await asyncio.sleep(0)
        some = self._content[self._framed : self._framed + _FRAMED_AT_ONCE_BYTES]
        self._framed += len(some)
        self._frames.extend(_without_runs(self._framing.feed(some)))

    async def _rewritten(self, began: float) -> bytes:
        out = bytearray()
        in_a_row = 0
        while self._frames and len(out) < _AT_ONCE_BYTES:
            for some in await self._events.push(self._frames.popleft()):
                out += some
            in_a_row += 1
            if out and time.perf_counter() - began > _AT_ONCE_SECONDS:
                break
            if in_a_row % _FRAMES_IN_A_ROW == 0:
                await asyncio.sleep(0)
        if self._is_last and not self._frames:
            for some in await self._events.finish():
                out += some
            self._is_over = True
        return bytes(out)

    def _measure(self, held_bytes: int) -> None:
        self._meter.holding(held_bytes - self._metered)
        self._metered = held_bytes


def _without_runs(frames: Iterable[Frame]) -> Iterator[Frame]:
    """Yield the frames, with line ends that follow each other as one: each would be passed on, and held, by itself."""
    for is_blank, some in groupby(frames, lambda frame: frame.kind is FrameKind.BLANK):
        if is_blank:
            yield Frame("".join(frame.text for frame in some), FrameKind.BLANK)
        else:
            yield from some
