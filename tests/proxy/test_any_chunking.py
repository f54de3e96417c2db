"""P33, P34, P29: however bytes are cut on their way, the same come out. Every format and coding, both ways.

Over sockets. Cut are the chunks of an answer, the frames of a message, and the writes that carry them, each by itself.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from importlib import import_module
from itertools import pairwise
from pkgutil import iter_modules
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar import payloads
from sidecar.proxy.routes import BodyMode, MessageKind, Route
from tests.proxy import rewriting
from tests.proxy.formats_on_the_wire import BODIES, EMAIL, TALKS, Body, Talk
from tests.proxy.frames import (
    CLOSE,
    CONTINUATION,
    FIN,
    PING,
    TEXT,
    Peer,
    accepting,
    closing,
    connected,
    frame,
)
from tests.proxy.rig import Client, Handler, MemoryAudit, Received, Rig, answer, read_body, request, running
from tests.proxy.test_codings import CODERS

Contexts = tuple[ssl.SSLContext, ssl.SSLContext]
PLAIN = "none"
CODINGS = [PLAIN, "gzip", "deflate", "br", "zstd"]
SENT = {name: body for name, body in BODIES.items() if body.is_sent}
SHORT = [name for name, body in BODIES.items() if len(body.data) < 1_000]
cuts = st.lists(st.integers(0, 10_000), max_size=5)
few = settings(max_examples=8, deadline=None)


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    """Cut at these places, wherever they are; none of the pieces is empty."""
    ends = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(ends) if start < end]


async def write(writer: asyncio.StreamWriter, data: bytes, places: Sequence[int]) -> None:
    for piece in cut(data, places):
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0.001)  # so that they may be read apart


def in_chunks(pieces: Sequence[bytes]) -> bytes:
    return b"".join(f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for piece in pieces) + b"0\r\n\r\n"


def coded(body: Body, coding: str) -> tuple[bytes, list[str]]:
    """Return the bytes that go over the wire, and the fields that say so."""
    fields = [f"Content-Type: {body.kind}"]
    if coding == PLAIN:
        return body.data, fields
    return CODERS[coding](body.data), [*fields, f"Content-Encoding: {coding}"]


class Cutting:
    """An upstream that answers a body as it is told to cut it, and keeps what it is sent."""

    def __init__(self, data: bytes, fields: Sequence[str]) -> None:
        self.head = "\r\n".join(["HTTP/1.1 200 OK", *fields, "Transfer-Encoding: chunked", "", ""]).encode()
        self._data = data
        self.chunks: Sequence[int] = ()
        self.writes: Sequence[int] = ()
        self.sent = b""

    async def __call__(self, received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.sent = await read_body(received, reader)
        if received.head.startswith(b"POST"):
            writer.write(answer(b"", ("X-None: 1",), "204 No Content", length=0))
            return
        await write(writer, self.head + in_chunks(cut(self._data, self.chunks)), self.writes)


@asynccontextmanager
async def through(handler: Handler, one: Route, contexts: Contexts) -> AsyncIterator[Rig]:
    """A sidecar with the real redaction."""
    parts = rewriting.Parts()
    async with running(handler, contexts, [one], real=lambda _: (MemoryAudit(), parts.rewriter)) as rig:
        yield rig


@contextmanager
def served(handler: Handler, body: Body, contexts: Contexts) -> Iterator[tuple[asyncio.Runner, Client]]:
    """A client of a sidecar that stands still between the examples of a property."""
    with asyncio.Runner() as runner:
        rig = through(handler, body.route(), contexts)
        started = runner.run(rig.__aenter__())
        client = runner.run(started.connect())
        try:
            yield runner, client
        finally:
            runner.run(client.close())
            runner.run(rig.__aexit__(None, None, None))


def assert_redacted(out: bytes, finds: int, charset: str = "utf-8") -> None:
    assert b"kowalczyk" not in out
    assert EMAIL not in out.decode(charset)
    assert out.count(b"[EMAIL_1]") + out.count(b"%5BEMAIL_1%5D") == finds


async def read(client: Client) -> bytes:
    client.writer.write(request("GET", "/api/chat", "Accept-Encoding: gzip, deflate, br, zstd"))
    answered = await client.answer()
    assert (answered.status, answered.complete) == (200, True)
    return answered.body


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("name", BODIES)
def test_P33_P29_any_chunking_of_an_answer(name: str, coding: str, contexts: Contexts) -> None:
    body = BODIES[name]
    upstream = Cutting(*coded(body, coding))

    with served(upstream, body, contexts) as (runner, client):
        whole = runner.run(read(client))
        assert_redacted(whole, body.finds)

        @few
        @given(cuts, cuts)
        def check(chunks: list[int], writes: list[int]) -> None:
            upstream.chunks, upstream.writes = chunks, writes
            assert runner.run(read(client)) == whole

        check()


@pytest.mark.parametrize("name", SHORT)
async def test_P33_an_address_split_at_every_byte_over_two_chunks(name: str, contexts: Contexts) -> None:
    body = BODIES[name]
    upstream = Cutting(*coded(body, PLAIN))
    async with through(upstream, body.route(), contexts) as rig:
        client = await rig.connect()
        try:
            whole = await read(client)
            assert_redacted(whole, body.finds)
            for place in range(1, len(body.data)):
                upstream.chunks = (place,)
                upstream.writes = (len(upstream.head) + len(f"{place:x}\r\n") + place,)
                assert await read(client) == whole
        finally:
            await client.close()


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("name", SENT)
def test_P33_P29_any_chunking_of_a_request(name: str, coding: str, contexts: Contexts) -> None:
    body = SENT[name]
    data, fields = coded(body, coding)
    upstream = Cutting(b"", ())

    async def send(client: Client, chunks: Sequence[int], writes: Sequence[int]) -> bytes:
        head = request("POST", "/api/chat", *fields, "Transfer-Encoding: chunked")
        await write(client.writer, head + in_chunks(cut(data, chunks)), writes)
        assert (await client.answer()).status == 204
        return upstream.sent

    with served(upstream, body, contexts) as (runner, client):
        whole = runner.run(send(client, (), ()))
        assert_redacted(whole, body.finds)

        @few
        @given(cuts, cuts)
        def check(chunks: list[int], writes: list[int]) -> None:
            assert runner.run(send(client, chunks, writes)) == whole

        check()


def in_frames(message: bytes, places: Sequence[int], *, masked: bool) -> bytes:
    """A message in as many frames, with a ping between two of them."""
    pieces = cut(message, places) or [b""]
    frames = [
        frame(CONTINUATION if at else TEXT, piece, FIN if at == len(pieces) - 1 else 0, masked=masked)
        for at, piece in enumerate(pieces)
    ]
    return frame(PING, b"?", masked=masked).join(frames)


async def say_all(peer: Peer, talk: Talk, frames: Sequence[int], writes: Sequence[int]) -> None:
    said = b"".join(in_frames(one.encode(), frames, masked=peer.masked) for one in talk.messages)
    await write(peer.writer, said + frame(CLOSE, closing(1000), masked=peer.masked), writes)


async def heard_all(peer: Peer) -> list[str]:
    """Return the messages in their order; those of engine.io itself, which wait for nobody, first."""
    got = []
    while (one := await peer.next()).opcode != CLOSE:
        if one.opcode == TEXT:
            got.append(one.text)
    await peer.send(CLOSE, one.payload)
    return sorted(got, key=lambda text: text != "2")


async def from_upstream(talk: Talk, contexts: Contexts, frames: Sequence[int], writes: Sequence[int]) -> list[str]:
    async def speak(peer: Peer) -> None:
        await say_all(peer, talk, frames, writes)
        while (await peer.next()).opcode != CLOSE:
            pass

    async with through(accepting(speak), talk.route(), contexts) as rig, connected(rig, target="/ws/x") as peer:
        return await heard_all(peer)


async def from_client(talk: Talk, contexts: Contexts, frames: Sequence[int], writes: Sequence[int]) -> list[str]:
    heard: list[str] = []

    async def listen(peer: Peer) -> None:
        heard.extend(await heard_all(peer))

    async with through(accepting(listen), talk.route(), contexts) as rig, connected(rig, target="/ws/x") as peer:
        await say_all(peer, talk, frames, writes)
        while (await peer.next()).opcode != CLOSE:
            pass
    return heard


Passing = Callable[[Talk, Contexts, Sequence[int], Sequence[int]], Coroutine[Any, Any, list[str]]]


@pytest.mark.parametrize("passed", [from_upstream, from_client])
@pytest.mark.parametrize("name", TALKS)
def test_P33_P34_any_fragmentation_of_messages(name: str, passed: Passing, contexts: Contexts) -> None:
    talk = TALKS[name]
    with asyncio.Runner() as runner:
        whole = runner.run(passed(talk, contexts, (), ()))
        assert len(whole) == len(talk.messages)
        assert_redacted("".join(whole).encode(), talk.finds)

        @few
        @given(cuts, cuts)
        def check(frames: list[int], writes: list[int]) -> None:
            assert runner.run(passed(talk, contexts, frames, writes)) == whole

        check()


def test_every_format_there_is_has_its_bodies_here() -> None:
    """A new format, mode or kind of message has to join the tables."""
    types = {body.kind.partition(";")[0] for body in BODIES.values()}
    modules = [import_module(f"sidecar.payloads.{one.name}") for one in iter_modules(payloads.__path__)]
    formats = {module.__name__: module.MEDIA_TYPES for module in modules if hasattr(module, "MEDIA_TYPES")}
    assert len(formats) >= 8
    assert [name for name, media_types in formats.items() if not types & media_types] == []
    assert {body.mode for body in BODIES.values()} == set(BodyMode) - {BodyMode.OPAQUE}
    assert {talk.kind for talk in TALKS.values()} == set(MessageKind)
