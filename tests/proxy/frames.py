"""WebSocket frames as bytes (RFC 6455 section 5), for both ends of a connection that may break every rule."""

from __future__ import annotations

import asyncio
import base64
import json
import struct
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from hashlib import sha1

from tests.proxy.rig import Client, Handler, Received, Rig, request

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
FIN, RSV1, RSV2 = 0x80, 0x40, 0x20
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
KEY = base64.b64encode(bytes(range(16))).decode()
_MASK = b"\x01\x02\x03\x04"


def frame(opcode: int, payload: bytes = b"", flags: int = FIN, *, masked: bool, announced: int | None = None) -> bytes:
    """One frame. ``announced``: a length that is not the payload's."""
    size = len(payload) if announced is None else announced
    bit = 0x80 if masked else 0
    if size < 126:
        head = struct.pack("!BB", flags | opcode, bit | size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", flags | opcode, bit | 126, size)
    else:
        head = struct.pack("!BBQ", flags | opcode, bit | 127, size)
    if not masked:
        return head + payload
    return head + _MASK + bytes(byte ^ _MASK[index % 4] for index, byte in enumerate(payload))


def closing(code: int, reason: str = "") -> bytes:
    return struct.pack("!H", code) + reason.encode()


def deflated(payload: bytes) -> bytes:
    """As permessage-deflate has it (RFC 7692 section 7.2.1)."""
    made = zlib.compressobj(wbits=-15)
    return (made.compress(payload) + made.flush(zlib.Z_SYNC_FLUSH))[:-4]


@dataclass(frozen=True)
class Frame:
    """A frame as it came. ``code`` and ``reason`` are a close frame's."""

    opcode: int
    payload: bytes
    flags: int = FIN

    @property
    def code(self) -> int:
        return int.from_bytes(self.payload[:2], "big")

    @property
    def reason(self) -> str:
        return self.payload[2:].decode()

    @property
    def text(self) -> str:
        assert self.opcode == TEXT, self
        return self.payload.decode()


async def read_frame(reader: asyncio.StreamReader) -> Frame:
    """Read one frame of either side."""
    first, second = await reader.readexactly(2)
    size = second & 0x7F
    if size == 126:
        size = int.from_bytes(await reader.readexactly(2), "big")
    elif size == 127:
        size = int.from_bytes(await reader.readexactly(8), "big")
    mask = await reader.readexactly(4) if second & 0x80 else bytes(4)
    payload = await reader.readexactly(size)
    return Frame(first & 0x0F, bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload)), first & 0xF0)


@dataclass
class Peer:
    """One end of an open connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    masked: bool

    async def send(self, opcode: int, payload: bytes = b"", flags: int = FIN) -> None:
        self.writer.write(frame(opcode, payload, flags, masked=self.masked))
        await self.writer.drain()

    async def say(self, text: str) -> None:
        await self.send(TEXT, text.encode())

    async def next(self) -> Frame:
        async with asyncio.timeout(10):
            return await read_frame(self.reader)

    async def heard(self) -> str:
        return (await self.next()).text

    async def closed(self) -> Frame:
        """Return the close frame that comes next, and answer it."""
        got = await self.next()
        assert got.opcode == CLOSE, got
        with suppress(OSError):
            await self.send(CLOSE, got.payload)
        return got

    async def lost(self) -> bool:
        """Whether the connection ends without another frame."""
        try:
            await self.next()
        except (asyncio.IncompleteReadError, OSError):
            return True
        return False


Talk = Callable[[Peer], Awaitable[None]]


def accepting(talk: Talk, *lines: str) -> Handler:
    """An upstream that agrees to the handshake, with these further fields, and then talks."""

    async def handler(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (key,) = received.values(b"sec-websocket-key")
        accept = base64.b64encode(sha1(key + _GUID, usedforsecurity=False).digest()).decode()
        head = [
            "HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade",
            f"Sec-WebSocket-Accept: {accept}", *lines, "", "",
        ]  # fmt: skip
        writer.write("\r\n".join(head).encode())
        await talk(Peer(reader, writer, masked=False))
        raise EOFError  # hang up

    return handler


async def echo(peer: Peer) -> None:
    """Send back every message, and answer the close."""
    while True:
        got = await peer.next()
        if got.opcode == CLOSE:
            await peer.send(CLOSE, got.payload)
            return
        await peer.send(got.opcode, got.payload, got.flags)


def handshake(*lines: str, target: str = "/ws/chat", host: str = "sidecar.example") -> bytes:
    """A client's request to upgrade."""
    fields = ("Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {KEY}", "Sec-WebSocket-Version: 13")
    return request("GET", target, *fields, *lines, host=host)


async def opened(client: Client, *lines: str, target: str = "/ws/chat") -> tuple[bytes, Peer]:
    """Upgrade a connection; return the head of the answer, and the client's end."""
    client.writer.write(handshake(*lines, target=target))
    async with asyncio.timeout(10):
        head = await client.reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 "), head
    return head, Peer(client.reader, client.writer, masked=True)


@asynccontextmanager
async def connected(rig: Rig, *lines: str, target: str = "/ws/chat") -> AsyncIterator[Peer]:
    """A client's end of a connection through the sidecar."""
    client = await rig.connect()
    try:
        yield (await opened(client, *lines, target=target))[1]
    finally:
        await client.close()


def fragments(text: str, cuts: Sequence[int]) -> bytes:
    """A masked text message cut into frames at these bytes."""
    data = text.encode()
    ends = [*cuts, len(data)]
    starts = [0, *cuts]
    frames = []
    for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
        flags = FIN if number == len(starts) - 1 else 0
        frames.append(frame(TEXT if number == 0 else CONTINUATION, data[start:end], flags, masked=True))
    return b"".join(frames)


def said(text: str) -> str:
    """A message of a chat as JSON."""
    return json.dumps({"text": text}, ensure_ascii=False)
