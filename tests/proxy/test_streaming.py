"""Streams over real sockets: events leave before the end, nothing leaves in parts, and failures can be told."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import ssl
import zlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from sidecar.audit.record import Decision, Outcome
from sidecar.detection.recognizer import Message
from sidecar.detection.span import Span
from sidecar.errors import ConfigError, DetectionFailed, DetectionFault
from sidecar.payloads.field_map import FieldMap
from sidecar.payloads.field_map_reader import parse_field_map
from sidecar.payloads.presets import load_preset
from sidecar.payloads.sse import _Events
from sidecar.payloads.stream import Frame
from sidecar.proxy import streaming
from sidecar.proxy.listener import ListenerSettings
from sidecar.proxy.rewriter import Rewriter
from sidecar.proxy.routes import BodyMode, Limits, RouteTable
from sidecar.redaction.redactor import Redactor
from tests.proxy.rewriting import Parts, PlainDetection
from tests.proxy.rig import Client, Handler, MemoryAudit, Received, Rig, answer, read_body, request, route, running

Contexts = tuple[ssl.SSLContext, ssl.SSLContext]
EMAIL = "marta.kowalczyk@example.net"
LONG = "and that is all that there is to be said about it, as far as anybody here can tell at the moment. " * 3
OPENAI = load_preset("openai-chat")
SSE = "Content-Type: text/event-stream; charset=utf-8"
CHATS = route(body=BodyMode.SSE, fields=OPENAI)


def event(text: str | None = None, **more: Any) -> bytes:
    delta = {} if text is None else {"content": text}
    chunk = {"id": "chatcmpl-1", "choices": [{"index": 0, "delta": delta, "finish_reason": None} | more]}
    return f"data: {json.dumps(chunk)}\n\n".encode()


def events(text: str, size: int = 3) -> list[bytes]:
    pieces = [event(text[at : at + size]) for at in range(0, len(text), size)]
    return [*pieces, event(finish_reason="stop"), b"data: [DONE]\n\n"]


def said(body: bytes) -> str:
    chunks = [json.loads(one[6:]) for one in body.decode().split("\n\n") if one.startswith("data: {")]
    return "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)


class Stream:
    """An upstream that sends a head, and then what it is given to send, chunk by chunk; None ends it well."""

    def __init__(self, *lines: str, begin: Sequence[bytes | None] = ()) -> None:
        self.lines = lines or (SSE,)
        self.pieces: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.sent = 0
        for piece in begin:
            self.pieces.put_nowait(piece)

    async def __call__(self, received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_body(received, reader)
        head = "\r\n".join(("HTTP/1.1 200 OK", *self.lines, "Transfer-Encoding: chunked", "", ""))
        writer.write(head.encode())
        while (piece := await self.pieces.get()) is not None:
            writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            await writer.drain()
            self.sent += len(piece)
        writer.write(b"0\r\n\r\n")


class Reading:
    """A client that reads a streamed answer as it comes."""

    def __init__(self, client: Client) -> None:
        self._reader = client.reader
        self._socket = client.writer.get_extra_info("socket")
        self.head = b""
        self.body = b""

    def take_little(self) -> None:
        """Let the kernel keep little of what is not read, so that whoever sends notices soon."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)

    async def begin(self) -> int:
        async with asyncio.timeout(10):
            self.head = await self._reader.readuntil(b"\r\n\r\n")
        return int(self.head.split(b" ", 2)[1])

    async def until(self, text: bytes) -> None:
        """Read on until the text has come."""
        async with asyncio.timeout(10):
            while text not in self.body:
                assert await self.next_chunk(), "the stream ended before"

    async def is_complete(self) -> bool:
        """Read to the end, and say whether it is one."""
        try:
            async with asyncio.timeout(10):
                while await self.next_chunk():
                    pass
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            return False
        return True

    async def next_chunk(self) -> bool:
        """Read one chunk; return whether it was not the last."""
        size = int(await self._reader.readuntil(b"\r\n"), 16)
        self.body += (await self._reader.readexactly(size + 2))[:-2]
        return size > 0


class Rigged:
    """A rig with the real rewriter, and its own audit log."""

    def __init__(self, rig: Rig, audit: MemoryAudit) -> None:
        self.rig = rig
        self.audit = audit

    @asynccontextmanager
    async def reading(self, target: str = "/api/chat") -> AsyncIterator[Reading]:
        client = await self.rig.connect()
        try:
            client.writer.write(request("GET", target))
            yield Reading(client)
        finally:
            await client.close()

    async def outcome(self) -> Outcome:
        async with asyncio.timeout(10):
            while not self.audit.outcomes:
                self.audit.changed.clear()
                await self.audit.changed.wait()
        await self.rig.exchange.settle()
        [one] = self.audit.outcomes
        return one

    def metric(self, name: str) -> float | None:
        return self.rig.metrics.registry.get_sample_value(name)


@asynccontextmanager
async def rigged(
    handler: Handler,
    contexts: Contexts,
    detection: PlainDetection | None = None,
    settings: ListenerSettings | None = None,
    **changes: Any,
) -> AsyncIterator[Rigged]:
    audit = MemoryAudit()
    parts = Parts()
    keys = parts.pseudonyms
    rewriter = Rewriter(Redactor(detection, parts.store, keys, keys), keys) if detection else parts.rewriter
    given: dict[str, Any] = {"body": BodyMode.SSE, "fields": OPENAI}
    chats = route(**(given | changes))
    async with running(handler, contexts, (chats,), settings=settings, real=lambda _: (audit, rewriter)) as rig:
        yield Rigged(rig, audit)


class Failing(PlainDetection):
    """Finds nothing wrong until a text says so."""

    def __init__(self, seconds: float | None = None) -> None:
        super().__init__()
        self._seconds = seconds

    async def detect(self, messages: Sequence[Message]) -> list[tuple[Span, ...]]:
        if any("fail now" in message.text for message in messages):
            if self._seconds is None:
                raise DetectionFailed(DetectionFault.RAISED)
            await asyncio.sleep(self._seconds)
        return await super().detect(messages)


@pytest.mark.parametrize("size", [1, 3, 400])
async def test_P34_a_canary_over_many_deltas_does_not_come_out(contexts: Contexts, size: int) -> None:
    text = f"You are {EMAIL}, I think. {LONG}"
    stream = Stream(begin=[*events(text, size), None])
    async with rigged(stream, contexts) as one, one.reading() as reading:
        assert await reading.begin() == 200
        assert await reading.is_complete()
        assert said(reading.body) == text.replace(EMAIL, "[EMAIL_1]")
        assert reading.body.endswith(b"data: [DONE]\n\n")
        assert b"kowalczyk" not in reading.head + reading.body
        outcome = await one.outcome()
        assert (outcome.decision, outcome.entities) == (Decision.COMPLETED, {"EMAIL": 1})
        assert outcome.bytes_sent == len(reading.body)
        assert one.metric("sidecar_holdback_bytes") == 0


async def test_P36_P42_a_stream_without_personal_data_keeps_its_bytes(contexts: Contexts) -> None:
    whole = b": hello\r\n\r\n" + b"".join(events(f"[EMAIL_1] says: {LONG} \u017c\u00f3\u0142\u0107 \U0001f600", 5))
    pieces = [whole[at : at + 7] for at in range(0, len(whole), 7)]
    async with rigged(Stream(begin=[*pieces, None]), contexts) as one, one.reading() as reading:
        await reading.begin()
        assert await reading.is_complete()
        assert reading.body == whole


async def test_P37_events_come_before_the_upstream_ends(contexts: Contexts) -> None:
    stream = Stream(begin=[event("")])
    async with rigged(stream, contexts) as one, one.reading() as reading:
        assert await reading.begin() == 200
        await reading.until(event(""))
        stream.pieces.put_nowait(event(f"first words. {LONG}"))
        stream.pieces.put_nowait(b": ping\n\n")
        await reading.until(b": ping")
        assert said(reading.body) == ""
        assert (one.metric("sidecar_holdback_bytes") or 0) > 0
        stream.pieces.put_nowait(event(LONG))
        await reading.until(b"first words.")
        stream.pieces.put_nowait(None)
        assert await reading.is_complete()
        assert said(reading.body) == f"first words. {LONG}{LONG}"


@pytest.mark.parametrize(
    ("piece", "reason"),
    [
        (event("fail now " + LONG), "detection_raised"),
        (b'data: {"choices": [\n\n', "not_parseable"),
        (b"data: caf\xe9\n\n", "charset"),
        (event("x" * 9_000), "too_large"),
    ],
)
async def test_P40_what_fails_after_the_first_byte_cuts_the_stream(
    contexts: Contexts, piece: bytes, reason: str
) -> None:
    stream = Stream(begin=[event(""), event(f"mail to {EMAIL[:9]}")])
    async with rigged(stream, contexts, Failing()) as one, one.reading() as reading:
        assert await reading.begin() == 200
        await reading.until(event(""))
        stream.pieces.put_nowait(piece)
        assert not await reading.is_complete()
        assert reading.body == event("")
        outcome = await one.outcome()
        assert (outcome.decision, outcome.reason) == (Decision.ABORTED, reason)
        assert one.metric("sidecar_holdback_bytes") == 0


async def test_P40_a_detection_that_hangs_cuts_the_stream(contexts: Contexts) -> None:
    stream = Stream(begin=[event(""), event("fail now " + LONG)])
    limits = Limits(rewrite_seconds=0.2)
    async with rigged(stream, contexts, Failing(60), limits=limits) as one, one.reading() as reading:
        await reading.begin()
        assert not await reading.is_complete()
        assert (await one.outcome()).reason == "detection_timed_out"


async def test_P46_an_upstream_that_breaks_off_is_no_end(contexts: Contexts) -> None:
    async def breaking(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_body(received, reader)
        piece = event("") + event(f"mail to {EMAIL}")
        writer.write(f"HTTP/1.1 200 OK\r\n{SSE}\r\nTransfer-Encoding: chunked\r\n\r\n{len(piece):x}\r\n".encode())
        writer.write(piece + b"\r\n")
        await writer.drain()
        writer.close()
        raise EOFError

    async with rigged(breaking, contexts) as one, one.reading() as reading:
        await reading.begin()
        assert not await reading.is_complete()
        assert reading.body == event("")
        outcome = await one.outcome()
        assert (outcome.decision, outcome.reason) == (Decision.ABORTED, "upstream_closed_early")


async def test_P44_a_client_that_leaves_stops_the_upstream(contexts: Contexts) -> None:
    stream = Stream(begin=[event(""), event(f"mail to {EMAIL}")])
    async with rigged(stream, contexts) as one:
        async with one.reading() as reading:
            await reading.begin()
            await reading.until(event(""))
        for _ in range(50):
            if one.rig.upstream.requests[0].ended.is_set():
                break
            stream.pieces.put_nowait(event(LONG))
            await asyncio.sleep(0.02)
        assert one.rig.upstream.requests[0].ended.is_set()
        outcome = await one.outcome()
        assert (outcome.decision, outcome.reason) == (Decision.ABORTED, "client_gone")
        assert one.metric("sidecar_holdback_bytes") == 0


async def test_P45_a_client_that_does_not_read_stops_the_upstream_from_sending(contexts: Contexts) -> None:
    filler = b": " + b"ab " * 20_000 + b"\n\n"
    stream = Stream(begin=[filler] * 400)
    async with rigged(stream, contexts) as one, one.reading() as reading:
        reading.take_little()
        await reading.begin()
        still = 0
        while still < 6:  # a busy machine may stand still once
            before = stream.sent
            await asyncio.sleep(0.25)
            assert one.rig.unsent_bytes() < 1_000_000
            still = still + 1 if stream.sent == before else 0
        assert stream.sent < 20_000_000  # of 24,000,000: what sockets and pipes between take
        for _ in range(200):
            await reading.next_chunk()
        assert stream.sent > before


async def test_P49_a_stream_under_way_ends_well_within_the_grace(contexts: Contexts) -> None:
    stream = Stream(begin=events(f"You are {EMAIL}. {LONG}")[:-2])
    grace = ListenerSettings("127.0.0.1", 0, drain_delay_seconds=0, drain_seconds=20)
    async with rigged(stream, contexts, settings=grace) as one, one.reading() as reading:
        await reading.begin()
        await reading.until(b"[EMAIL_1")
        stopping = asyncio.create_task(one.rig.listener.stop())
        await asyncio.sleep(0.1)
        for piece in (event(f"Again {EMAIL}."), event(finish_reason="stop"), b"data: [DONE]\n\n", None):
            stream.pieces.put_nowait(piece)
        assert await reading.is_complete()
        assert said(reading.body).endswith("Again [EMAIL_1].")
        await asyncio.wait_for(stopping, 10)
        assert (await one.outcome()).decision is Decision.COMPLETED


KINDS: list[tuple[dict[str, Any], str, bytes, bytes | int]] = [
    ({}, "application/json", b'{"error": "no ' + EMAIL.encode() + b'"}', b'{"error": "no [EMAIL_1]"}'),
    ({"body": BodyMode.JSON}, "text/event-stream", event("hi"), 502),
    ({"body": BodyMode.AUTO}, "text/event-stream", event("hi"), event("hi")),
    ({"body": BodyMode.AUTO, "fields": FieldMap()}, "text/event-stream", event("hi"), 502),
    ({}, "text/event-stream", b"data: " + EMAIL.encode() + b" wrote\n\n", b"data: [EMAIL_1] wrote\n\n"),
    ({}, "text/event-stream; charset=iso-8859-1", event("hi"), 502),
    ({}, "text/html", b"<p>hi", 502),
    ({"body": BodyMode.NDJSON}, "text/event-stream", b'{"a": "' + EMAIL.encode() + b'"}\n', b'{"a": "[EMAIL_1]"}\n'),
    ({"body": BodyMode.NDJSON}, "application/x-ndjson", b'{"a": 1}\n\n{"b": 2}', b'{"a": 1}\n\n{"b": 2}'),
    ({"body": BodyMode.NDJSON}, "application/json", b'{\n"error": 1}\n', b'{\n"error": 1}\n'),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "kind", "body", "expected"), KINDS)
async def test_X3_the_route_and_the_type_decide_how_an_answer_is_read(
    contexts: Contexts, changes: dict[str, Any], kind: str, body: bytes, expected: bytes | int
) -> None:
    stream = Stream(f"Content-Type: {kind}", begin=[body, None])
    async with rigged(stream, contexts, **changes) as one:
        answered = await one.rig.get("/api/chat")
        assert answered.complete
        assert (answered.status if isinstance(expected, int) else answered.body) == expected


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_P28_a_coded_stream_is_decoded_as_it_comes(contexts: Contexts, coding: str) -> None:
    coder = zlib.compressobj(wbits=31 if coding == "gzip" else 15)
    flushed = [coder.compress(one) + coder.flush(zlib.Z_SYNC_FLUSH) for one in (event(""), *events(f"to {EMAIL}"))]
    stream = Stream(SSE, f"Content-Encoding: {coding}", begin=[flushed[0]])
    async with rigged(stream, contexts) as one, one.reading() as reading:
        await reading.begin()
        await reading.until(event(""))
        for piece in (*flushed[1:], coder.flush(), None):
            stream.pieces.put_nowait(piece)
        assert await reading.is_complete()
        assert said(reading.body) == "to [EMAIL_1]"
        assert b"content-encoding" not in reading.head.lower()


async def test_P30_a_few_bytes_that_unpack_to_line_ends_are_framed_a_little_at_a_time(
    contexts: Contexts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two kilobytes are two million lines: each was a frame of its own, made in one go, and held."""
    fed, most = [], []
    feed, without_runs = _Events.feed, streaming._without_runs

    def counted(self: _Events, data: bytes) -> list[Frame]:
        fed.append(len(data))
        return feed(self, data)

    def joined(frames: list[Frame]) -> list[Frame]:
        some = list(without_runs(frames))
        most.append(len(some))
        return some

    monkeypatch.setattr(_Events, "feed", counted)
    monkeypatch.setattr(streaming, "_without_runs", joined)
    plain = event("") + b"\n" * 200_000 + event("")
    stream = Stream(SSE, "Content-Encoding: gzip", begin=[gzip.compress(plain), None])
    async with rigged(stream, contexts) as one, one.reading() as reading:
        await reading.begin()
        assert await reading.is_complete()
        assert reading.body == plain
    assert max(fed) <= 8 * 1024
    assert max(most) <= 3


@pytest.mark.parametrize("coding", ["aes", "gzip, br"])
async def test_P28_a_coding_that_is_not_known_is_refused_by_the_head(contexts: Contexts, coding: str) -> None:
    async with rigged(Stream(SSE, f"Content-Encoding: {coding}"), contexts) as one:
        answered = await one.rig.get("/api/chat")
        assert answered.status == 502
        assert (await one.outcome()).reason == "coding"


async def test_P29_a_coded_stream_that_is_cut_short_is_no_end(contexts: Contexts) -> None:
    stream = Stream(SSE, "Content-Encoding: gzip", begin=[gzip.compress(event("") * 50)[:-9], None])
    async with rigged(stream, contexts) as one, one.reading() as reading:
        await reading.begin()
        assert not await reading.is_complete()
        assert (await one.outcome()).reason == "coding"


async def test_a_stream_is_asked_for_by_a_request_that_is_scanned(contexts: Contexts) -> None:
    asked = json.dumps({"stream": True, "messages": [{"role": "user", "content": f"i am {EMAIL}"}]}).encode()
    stream = Stream(begin=[*events(f"hello {EMAIL}"), None])
    async with rigged(stream, contexts) as one:
        answered = await one.rig.post(asked, target="/api/chat")
        assert said(answered.body) == "hello [EMAIL_1]"  # the same placeholder as in what was asked
        assert json.loads(one.rig.upstream.requests[0].body)["messages"][0]["content"] == "i am [EMAIL_1]"


async def test_P27_HEAD_of_a_stream_has_no_body(contexts: Contexts) -> None:
    async def head(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_body(received, reader)
        writer.write(answer(b"", [SSE], length=0))

    async with rigged(head, contexts) as one:
        answered = await one.rig.get("/api/chat", method="HEAD")
        assert (answered.status, answered.body) == (200, b"")


@pytest.mark.parametrize("body", [BodyMode.SSE, BodyMode.NDJSON])
def test_a_route_for_streams_must_say_what_comes_in_pieces(body: BodyMode) -> None:
    with pytest.raises(ConfigError) as error:
        RouteTable([route(body=body)])
    assert [problem.path for problem in error.value.problems] == ["routes[0].body"]
    RouteTable([route(body=body, fields=parse_field_map({"deltas": []}, "fields"))])
    RouteTable([CHATS, route("other", "/other", body=BodyMode.AUTO)])
