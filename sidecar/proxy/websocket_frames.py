"""What WebSocket frames look like from outside, followed byte by byte before aiohttp reads them (RFC 6455).

aiohttp's reader takes a client's frames without a mask and a server's with one, takes a new message where the last one
was not finished, and holds what has come of a message, and counts its fragments, without a bound but the message's own.
Here all but the last end the connection, as section 5.1 and 5.4 ask; bytes of an unfinished message count among the
bodies that are held; and its frames may cost no more than P7 lets the chunks of a body cost.
"""

from __future__ import annotations

from typing import Protocol

from aiohttp import WSCloseCode
from aiohttp.http import WebSocketError

from sidecar.errors import RequestRefused
from sidecar.proxy.body_budget import BodyShare

FRAMING_BYTES = 64 * 1024
FRAMING_SHARE = 8
"""Heads of frames may take ``FRAMING_BYTES`` of a message, and ``FRAMING_SHARE`` times what it carries."""

_FIN, _OPCODE, _MASK, _LENGTH = 0x80, 0x0F, 0x80, 0x7F
_CONTINUATION, _TEXT, _BINARY = 0x0, 0x1, 0x2
_LONGER = {126: 2, 127: 8}  # bytes of the length that follow
_SHORTEST_HEAD = 2
_MASK_BYTES = 4
_LONGEST_SHORT = 125  # bytes of payload, whose length stands in the second byte


class Breach(Exception):
    """Frames that end the connection. ``at``: how many bytes of what was followed last came before."""

    def __init__(self, code: int, why: str, at: int) -> None:
        super().__init__(why)
        self.error = WebSocketError(code, why)
        self.at = at


class Frames:
    """Follows what one side sends. ``share``: what is held of an unfinished message, of all that may be held.

    ``masked``: as a client's frames must be, and a server's must not.
    """

    def __init__(self, share: BodyShare, *, masked: bool) -> None:
        self._share: BodyShare | None = share
        self._mask, self._mask_bytes = (_MASK, _MASK_BYTES) if masked else (0, 0)
        self._head = bytearray()  # what has come of a head
        self._left = 0  # bytes that are still to come of the frame's payload
        self._is_data = self._is_final = False
        self._under_way = False  # a message that is not finished
        self._carried = self._framing = 0  # bytes of it

    def follow(self, data: bytes) -> None:
        """Take note of bytes as they come. Raises ``Breach`` for those that aiohttp must not read."""
        at = 0
        while at < len(data):
            if not self._left and not self._head:
                at = self._past_short_frames(data, at)
                if at == len(data):
                    break
            if self._left:
                step = min(self._left, len(data) - at)
                self._pass(step)
            else:
                step = min(self._head_bytes() - len(self._head), len(data) - at)
                self._head += data[at : at + step]
                self._read_head(at)
            at += step
        if self._share is None:
            return
        try:
            self._share.vary(self._carried + self._framing)
        except RequestRefused:
            raise Breach(WSCloseCode.TRY_AGAIN_LATER, "too many bytes are held", 0) from None

    def end(self) -> None:
        """Hold nothing any more, whatever comes. Safe to call twice."""
        share, self._share = self._share, None
        if share is not None:
            share.give_back()

    def _past_short_frames(self, data: bytes, at: int) -> int:
        """Follow frames that are short and all here, and return where the first other one begins.

        As the rest of this class would, which takes several times as long: a client may send forty thousand frames at
        once, and the event loop waits. What breaks a rule is left to the rest.
        """
        under_way, carried, framing = self._under_way, self._carried, self._framing
        mask, head = self._mask, _SHORTEST_HEAD + self._mask_bytes
        while len(data) - at >= head:
            first, length = data[at], data[at + 1] - mask
            end = at + head + length
            if not 0 <= length <= _LONGEST_SHORT or end > len(data):
                break
            opcode = first & _OPCODE
            if opcode <= _BINARY:
                too_much = framing + head > FRAMING_BYTES + FRAMING_SHARE * carried
                if (opcode != _CONTINUATION) is under_way or too_much:
                    break
                under_way = not first & _FIN
                carried, framing = (carried + length, framing + head) if under_way else (0, 0)
            at = end
        self._under_way, self._carried, self._framing = under_way, carried, framing
        return at

    def _read_head(self, at: int) -> None:
        head = self._head
        if len(head) >= _SHORTEST_HEAD and head[1] & _MASK != self._mask:
            raise Breach(WSCloseCode.PROTOCOL_ERROR, "a client's frame without a mask, or a server's with one", at)
        if len(head) < self._head_bytes():
            return
        opcode = head[0] & _OPCODE
        self._is_data, self._is_final = opcode in (_CONTINUATION, _TEXT, _BINARY), bool(head[0] & _FIN)
        if self._is_data:
            self._begin_data(is_first=opcode != _CONTINUATION, size=len(head), at=at)
        self._left = _payload_bytes(head)
        head.clear()
        if not self._left:
            self._pass(0)

    def _head_bytes(self) -> int:
        """Return how long the head is that has begun, as far as can be told by now."""
        if len(self._head) < _SHORTEST_HEAD:
            return _SHORTEST_HEAD
        return _SHORTEST_HEAD + _LONGER.get(self._head[1] & _LENGTH, 0) + self._mask_bytes

    def _begin_data(self, *, is_first: bool, size: int, at: int) -> None:
        if is_first is self._under_way:
            raise Breach(WSCloseCode.PROTOCOL_ERROR, "fragments that belong to no message, or to two", at)
        self._under_way = True
        self._framing += size
        if self._framing > FRAMING_BYTES + FRAMING_SHARE * self._carried:
            raise Breach(WSCloseCode.PROTOCOL_ERROR, "a message of hardly anything but frames", at)

    def _pass(self, size: int) -> None:
        """Count payload; at the end of the last frame of a message, the message is aiohttp's."""
        self._left -= size
        if not self._is_data:
            return
        self._carried += size
        if self._is_final and not self._left:
            self._under_way = False
            self._carried = self._framing = 0


class Reader(Protocol):
    """What aiohttp reads frames with."""

    def feed_data(self, data: bytes) -> tuple[bool, bytes]: ...

    def feed_eof(self) -> None: ...


class Messages(Protocol):
    """Where aiohttp's reader puts messages, and they are taken from."""

    def exception(self) -> BaseException | None: ...

    def set_exception(self, exc: BaseException) -> None: ...


class FrameGuard:
    """Stands before aiohttp's reader. After a breach nothing more is read; messages from before it still are."""

    def __init__(self, reader: Reader, frames: Frames) -> None:
        self._reader = reader
        self._frames = frames
        self._breach: Breach | None = None
        self._messages: Messages | None = None

    def report_to(self, messages: Messages) -> None:
        """Say where a breach is to be told; frames may have come behind the handshake already."""
        self._messages = messages
        self._tell()

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """As aiohttp's: say whether nothing more is to be read, and what was left over."""
        if self._breach is not None:
            return True, b""
        try:
            self._frames.follow(data)
        except Breach as breach:
            self._breach = breach
            self._reader.feed_data(data[: breach.at])
            self._frames.end()
            self._tell()
            return True, b""
        return self._reader.feed_data(data)

    def feed_eof(self) -> None:
        """The connection has ended."""
        self._frames.end()
        self._reader.feed_eof()

    def _tell(self) -> None:
        if self._breach is not None and self._messages is not None and self._messages.exception() is None:
            self._messages.set_exception(self._breach.error)


def _payload_bytes(head: bytearray) -> int:
    length = head[1] & _LENGTH
    more = _LONGER.get(length)
    return length if more is None else int.from_bytes(head[_SHORTEST_HEAD : _SHORTEST_HEAD + more], "big")
