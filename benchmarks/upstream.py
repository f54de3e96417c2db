"""The server behind every proxy: conversations from memory, over plain HTTP on loopback.

Usage: python -m benchmarks.upstream PORT

A protocol, because it shares the cores with what is measured. It answers requests without a body, one after the other.
"""

from __future__ import annotations

import asyncio
import sys
from email.utils import formatdate
from typing import cast

from benchmarks.conversations import conversation
from benchmarks.processes import quick_loop, serve_forever

_MIB = 1024 * 1024
_KEPT = 1000  # chats that are made once: making one is not what is measured
_HEAD_END = b"\r\n\r\n"


class _Connection(asyncio.Protocol):
    """``/chats/N`` is conversation N as JSON, ``/blobs/N`` the same as something opaque, ``/blobs/stream/N`` N MiB."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._held = b""
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._stream: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)
        self._upstream.connections.add(self)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._upstream.connections.discard(self)
        if self._stream is not None:
            self._stream.cancel()

    def pause_writing(self) -> None:
        self._may_write.clear()

    def resume_writing(self) -> None:
        self._may_write.set()

    def data_received(self, data: bytes) -> None:
        self._held += data
        while _HEAD_END in self._held:
            head, _, self._held = self._held.partition(_HEAD_END)
            self._answer(head.split(b" ", 2)[1].decode())

    def close(self) -> None:
        self._transport.abort()

    def _answer(self, path: str) -> None:
        kind, _, number = path.strip("/").partition("/")
        if number.startswith("stream/"):
            self._stream = asyncio.create_task(self._write_stream(int(number.removeprefix("stream/"))))
            return
        self._transport.write(self._upstream.answer(kind, number))

    async def _write_stream(self, mebibytes: int) -> None:
        """Write as fast as it is taken; without a length, as something endless would come."""
        fields = "Content-Type: application/octet-stream\r\nTransfer-Encoding: chunked"
        self._transport.write(f"HTTP/1.1 200 OK\r\n{fields}\r\n\r\n".encode())
        some = b"%x\r\n%b\r\n" % (_MIB, bytes(_MIB))
        for _ in range(mebibytes):
            await self._may_write.wait()
            self._transport.write(some)
        self._transport.write(b"0\r\n\r\n")


class Upstream:
    """Listens, and keeps what it answered."""

    def __init__(self) -> None:
        self.connections: set[_Connection] = set()
        self._answers: dict[tuple[str, str], bytes] = {}
        self._server: asyncio.Server | None = None
        self._date = formatdate(usegmt=True)

    async def start(self, port: int) -> Upstream:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", port)
        return self

    async def cleanup(self) -> None:
        if self._server is not None:
            self._server.close()
        for connection in tuple(self.connections):
            connection.close()

    def answer(self, kind: str, number: str) -> bytes:
        """Return a whole answer; 404 to what is no number."""
        if (kept := self._answers.get((kind, number))) is not None:
            return kept
        if not number.isdecimal():
            return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
        content_type = "application/json" if kind == "chats" else "application/octet-stream"
        body = conversation(int(number))
        head = (
            f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
            f"Date: {self._date}\r\nServer: benchmark\r\n\r\n"
        )
        made = head.encode() + body
        if int(number) < _KEPT:
            self._answers[kind, number] = made
        return made


def main() -> None:
    serve_forever(Upstream().start(int(sys.argv[1])), quick_loop)


if __name__ == "__main__":
    main()
