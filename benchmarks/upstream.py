"""The server behind every proxy: conversations from memory, over plain HTTP on loopback.

Usage: python -m benchmarks.upstream PORT
"""

from __future__ import annotations

import sys

from aiohttp import web

from benchmarks.conversations import conversation
from benchmarks.processes import quick_loop, serve_forever


async def _answer(request: web.BaseRequest) -> web.StreamResponse:
    """``/chats/N`` is conversation N as JSON, ``/blobs/N`` the same as something opaque, ``/blobs/stream/N`` N MiB."""
    kind, _, number = request.path.strip("/").partition("/")
    if number.startswith("stream/"):
        return await _stream(request, int(number.removeprefix("stream/")))
    content_type = "application/json" if kind == "chats" else "application/octet-stream"
    return web.Response(body=_conversations.get(int(number)) or _make(int(number)), content_type=content_type)


async def _stream(request: web.BaseRequest, mebibytes: int) -> web.StreamResponse:
    """As fast as it is taken; without a length, as something endless would come."""
    response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
    await response.prepare(request)
    some = bytes(1024 * 1024)
    for _ in range(mebibytes):
        await response.write(some)
    await response.write_eof()
    return response


_conversations: dict[int, bytes] = {}


def _make(number: int) -> bytes:
    """Keep what is read again and again, so that making it is not what is measured."""
    body = conversation(number)
    if number < 1000:
        _conversations[number] = body
    return body


async def serve_on(port: int) -> web.ServerRunner:
    runner = web.ServerRunner(web.Server(_answer), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    return runner


def main() -> None:
    serve_forever(serve_on(int(sys.argv[1])), quick_loop)


if __name__ == "__main__":
    main()
