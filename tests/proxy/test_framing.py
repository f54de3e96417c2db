"""P1 to P13: what is malformed on the wire is answered and recorded, and the upstream sees nothing of it."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress

import pytest

from tests.proxy.rig import AUTH, JSON, answering, request, resident_bytes, running

Contexts = tuple[ssl.SSLContext, ssl.SSLContext]
HOST = b"Host: sidecar.example\r\n" + AUTH


def post(fields: bytes, body: bytes) -> bytes:
    return b"POST /api/chats/1 HTTP/1.1\r\n" + HOST + JSON.encode() + b"\r\n" + fields + b"\r\n" + body


CHUNKED = b"Transfer-Encoding: chunked\r\n"
MALFORMED = {
    "P1 length and chunked": post(b"Content-Length: 2\r\n" + CHUNKED, b"2\r\n{}\r\n0\r\n\r\n"),
    "P1 chunked and length": post(CHUNKED + b"Content-Length: 2\r\n", b"2\r\n{}\r\n0\r\n\r\n"),
    "P2 two lengths": post(b"Content-Length: 2\r\nContent-Length: 3\r\n", b"{} "),
    "P2 the same length twice": post(b"Content-Length: 2\r\nContent-Length: 2\r\n", b"{}"),
    "P2 a list of lengths": post(b"Content-Length: 2, 2\r\n", b"{}"),
    "P3 plus": post(b"Content-Length: +2\r\n", b"{}"),
    "P3 minus": post(b"Content-Length: -2\r\n", b"{}"),
    "P3 underscore": post(b"Content-Length: 0_2\r\n", b"{}"),
    "P3 hexadecimal": post(b"Content-Length: 0x2\r\n", b"{}"),
    "P3 digits of another script": post("Content-Length: ٢\r\n".encode(), b"{}"),
    "P3 empty": post(b"Content-Length: \r\n", b"{}"),
    "P4 xchunked": post(b"Transfer-Encoding: xchunked\r\n", b"2\r\n{}\r\n0\r\n\r\n"),
    "P4 chunked, identity": post(b"Transfer-Encoding: chunked, identity\r\n", b"2\r\n{}\r\n0\r\n\r\n"),
    "P4 chunked twice": post(CHUNKED + CHUNKED, b"2\r\n{}\r\n0\r\n\r\n"),
    "P4 gzip, chunked": post(b"Transfer-Encoding: gzip, chunked\r\n", b"2\r\n{}\r\n0\r\n\r\n"),
    "P4 vertical tab": post(b"Transfer-Encoding: \x0bchunked\r\n", b"2\r\n{}\r\n0\r\n\r\n"),
    "P4 not ASCII": post("Transfer-Encoding: chunkedé\r\n".encode(), b"2\r\n{}\r\n0\r\n\r\n"),
    "P5 bare line feeds": b"GET /api/chats/1 HTTP/1.1\nHost: sidecar.example\n\n",
    "P5 folded field": b"GET /api/chats/1 HTTP/1.1\r\n" + HOST + b"X-A: 1\r\n 2\r\n\r\n",
    "P5 space before colon": b"GET /api/chats/1 HTTP/1.1\r\n" + HOST + b"X-A : 1\r\n\r\n",
    "P5 NUL in a value": b"GET /api/chats/1 HTTP/1.1\r\n" + HOST + b"X-A: a\x00b\r\n\r\n",
    "P5 control character in a value": b"GET /api/chats/1 HTTP/1.1\r\n" + HOST + b"X-A: a\x01b\r\n\r\n",
    "P5 bytes that are no text": b"GET /api/chats/1 HTTP/1.1\r\n" + HOST + b"X-A: \xff\xfe\r\n\r\n",
    "P6 negative chunk": post(CHUNKED, b"-1\r\n{}\r\n0\r\n\r\n"),
    "P6 chunk with plus": post(CHUNKED, b"+2\r\n{}\r\n0\r\n\r\n"),
    "P6 chunk in 0x": post(CHUNKED, b"0x2\r\n{}\r\n0\r\n\r\n"),
    "P6 17 hexadecimal digits": post(CHUNKED, b"00000000000000002\r\n{}\r\n0\r\n\r\n".replace(b"00", b"f0", 1)),
    "P6 bare line feed after a chunk": post(CHUNKED, b"2\n{}\n0\n\n"),
    "P8 two hosts": b"GET /api/chats/1 HTTP/1.1\r\n" + HOST + b"Host: other.example\r\n\r\n",
    "P8 no host": b"GET /api/chats/1 HTTP/1.1\r\n" + AUTH + b"\r\n",
    "P8 bad host": b"GET /api/chats/1 HTTP/1.1\r\nHost: a b/c\r\n" + AUTH + b"\r\n",
    "P8 empty host": b"GET /api/chats/1 HTTP/1.1\r\nHost: \r\n" + AUTH + b"\r\n",
    "P8 another host in the target": b"GET http://other.example/api/chats/1 HTTP/1.1\r\n" + HOST + b"\r\n",
    "P16 Connection names the framing": post(b"Connection: Content-Length\r\nContent-Length: 2\r\n", b"{}"),
    "P16 Connection names the identity": b"GET /api/1 HTTP/1.1\r\n" + HOST + b"Connection: authorization\r\n\r\n",
    "P21 fragment in the target": b"GET /api/chats/1#x HTTP/1.1\r\n" + HOST + b"\r\n",
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED.keys())
async def test_P1_to_P8_malformed_requests_are_refused_recorded_and_not_forwarded(
    data: bytes, contexts: Contexts
) -> None:
    async with running(answering(), contexts) as rig:
        client = await rig.connect()
        # P10: what is pipelined behind a rejected request is never executed.
        client.writer.write(data + request("GET", "/api/second"))
        answered = await client.answer()
        assert answered.status == 400
        assert await client.is_closed()
        await client.close()
        outcome = await rig.outcome()
        assert (outcome.decision, outcome.status) == ("refused", 400)
        assert rig.upstream.requests == []


WELL_FORMED = {
    "length": post(b"Content-Length: 2\r\n", b"{}"),
    "chunked": post(CHUNKED, b"2\r\n{}\r\n0\r\n\r\n"),
    "chunked, in capitals": post(b"Transfer-Encoding: Chunked\r\n", b"2\r\n{}\r\n0\r\n\r\n"),
    "a chunk extension": post(CHUNKED, b"2;a=b\r\n{}\r\n0\r\n\r\n"),
    "leading zeros": post(CHUNKED, b"0002\r\n{}\r\n0\r\n\r\n"),
    "fields": b"GET /api/chats/1 HTTP/1.1\r\n" + HOST + b"X-A: 1\r\nX-B:  tab\there \r\nX-C: \xc3\xa9\r\n\r\n",
    "absolute form": b"GET https://sidecar.example/api/chats/1 HTTP/1.1\r\n" + HOST + b"\r\n",
    "Connection": b"GET /api/1 HTTP/1.1\r\n" + HOST + b"Connection: X-Foo, keep-alive\r\nX-Foo: 1\r\n\r\n",
}


@pytest.mark.parametrize("data", WELL_FORMED.values(), ids=WELL_FORMED.keys())
async def test_what_is_only_unlike_the_malformed_by_its_fault_passes(data: bytes, contexts: Contexts) -> None:
    """Or else the malformed could be refused for another reason than the one that they stand for."""
    async with running(answering(), contexts) as rig:
        assert (await rig.send(data)).status == 200


@pytest.mark.parametrize("version", [b"HTTP/2.0", b"HTTP/0.9"])
async def test_P9_other_versions_in_the_form_of_1_x_are_refused(version: bytes, contexts: Contexts) -> None:
    """The parser reads them, and what an upstream would be asked for is a request of another version."""
    async with running(answering(), contexts) as rig:
        client = await rig.connect()
        client.writer.write(b"GET /api/chats/1 " + version + b"\r\n" + HOST + b"\r\n")
        assert (await client.reader.readline()).endswith(b" 400 Bad Request\r\n")
        await client.close()
        assert (await rig.outcome()).reason == "framing"
        assert rig.upstream.requests == []


@pytest.mark.parametrize("split", [1, 7, 60])
async def test_P6_malformed_chunk_that_arrives_late_is_refused(split: int, contexts: Contexts) -> None:
    async with running(answering(), contexts) as rig:
        client = await rig.connect()
        data = post(CHUNKED, b"")
        client.writer.write(data)
        await asyncio.sleep(0.05)
        bad = b"2\r\n{}\r\n-1\r\n" + b"x" * 100
        client.writer.write(bad[:split])
        await asyncio.sleep(0.05)
        client.writer.write(bad[split:])
        assert (await client.answer()).status == 400
        await client.close()
        await rig.settled(len(rig.audit.intents))
        assert {outcome.decision for outcome in rig.audit.outcomes} == {"refused"}
        assert rig.upstream.requests == []


@pytest.mark.parametrize(
    ("begin", "more"),
    [(b"2;a=", b"bbbb"), (b"2;a=b", b";a=b"), (b"", b"1;aaaaaaaaaaaaaaaa=b\r\n \r\n")],
    ids=["one value", "many names", "in every chunk"],
)
async def test_P7_flood_of_chunk_extensions_is_refused(begin: bytes, more: bytes, contexts: Contexts) -> None:
    async with running(answering(), contexts) as rig:
        client = await rig.connect()
        before = resident_bytes()
        client.writer.write(post(CHUNKED, begin))

        async def flood() -> None:
            with suppress(ConnectionError, ssl.SSLError):
                while True:
                    client.writer.write(more * 4_096)
                    await client.writer.drain()

        flooding = asyncio.create_task(flood())
        assert (await client.answer()).status == 400, "while it still comes"
        flooding.cancel()
        await client.close()
        assert resident_bytes() - before < 64 * 1024 * 1024
        assert (await rig.outcome()).reason == "framing"
        assert rig.upstream.requests == []


async def test_P7_many_small_chunks_are_no_flood(contexts: Contexts) -> None:
    body = b'{"text":"' + b"a " * 20_000 + b'"}'
    async with running(answering(), contexts) as rig:
        client = await rig.connect()
        client.writer.write(post(CHUNKED, b""))
        for start in range(0, len(body), 1_000):
            client.writer.write(b"".join(b"1\r\n%c\r\n" % one for one in body[start : start + 1_000]))
            await client.writer.drain()
        client.writer.write(b"0\r\n\r\n")
        assert (await client.answer()).status == 200
        await client.close()
        assert rig.upstream.requests[0].body == body


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"CONNECT upstream.example:443 HTTP/1.1\r\n" + HOST + b"\r\n", 405),
        (b"CONNECT 127.0.0.1:1 HTTP/1.1\r\n" + HOST + b"\r\n", 405),
        (b"TRACE /api/chats/1 HTTP/1.1\r\n" + HOST + b"\r\n", 405),
        (b"PROPFIND /api/chats/1 HTTP/1.1\r\n" + HOST + b"\r\n", 405),
        (b"BREW /api/chats/1 HTTP/1.1\r\n" + HOST + b"\r\n", 405),
        (b"\x16\x03\x01 hello\r\n\r\n", 405),
        (b"PATCH /api/chats/1 HTTP/1.1\r\n" + HOST + b"\r\n", 405),
    ],
)
async def test_P9_methods_that_are_not_proxied(data: bytes, status: int, contexts: Contexts) -> None:
    async with running(answering(), contexts) as rig:
        assert (await rig.send(data + b"GET /api/second HTTP/1.1\r\n" + HOST + b"\r\n")).status == status
        assert (await rig.outcome()).reason == "method"
        assert rig.upstream.requests == []


async def test_P9_says_which_methods_a_route_admits(contexts: Contexts) -> None:
    async with running(answering(), contexts) as rig:
        answered = await rig.get(method="PATCH")
        assert answered.values("Allow") == ["DELETE, GET, HEAD, OPTIONS, POST, PUT"]


REJECTED = {
    "nobody": (request("GET", "/api/1").replace(AUTH, b""), 401),
    "no route": (request("GET", "/nowhere"), 404),
    "method": (request("PATCH", "/api/1"), 405),
    "type": (request("POST", "/api/1", "Content-Type: image/png", "Content-Length: 2") + b"{}", 415),
    "upgrade": (request("GET", "/api/1", "Upgrade: h2c", "Connection: Upgrade"), 501),
}


@pytest.mark.parametrize(("data", "status"), REJECTED.values(), ids=REJECTED.keys())
async def test_P10_what_is_pipelined_behind_a_rejected_request_is_never_executed(
    data: bytes, status: int, contexts: Contexts
) -> None:
    async with running(answering(), contexts) as rig:
        client = await rig.connect()
        client.writer.write(data + request("GET", "/api/second"))
        assert (await client.answer()).status == status
        assert await client.is_closed()
        await client.close()
        await rig.settled(1)
        assert rig.upstream.requests == []


async def test_P10_pipelined_requests_are_answered_in_order(contexts: Contexts) -> None:
    async with running(answering(), contexts) as rig:
        client = await rig.connect()
        client.writer.write(request("GET", "/api/1") + request("GET", "/api/2") + request("GET", "/nowhere"))
        assert [(await client.answer()).status for _ in range(3)] == [200, 200, 404]
        await client.close()
        assert [received.target for received in rig.upstream.requests] == [b"/api/1", b"/api/2"]
        await rig.settled(3)


@pytest.mark.parametrize(
    "lines",
    [[f"X-{number}: 1" for number in range(129)], ["X-Long: " + "a" * 8191]],
    ids=["129 fields", "a line of 8191 bytes"],
)
async def test_P11_heads_over_the_limit_sent_byte_by_byte(lines: list[str], contexts: Contexts) -> None:
    async with running(answering(), contexts) as rig:
        client = await rig.connect()
        data = request("GET", "/api/chats/1", *lines)
        before = resident_bytes()
        for byte in data:
            client.writer.write(bytes([byte]))
            await asyncio.sleep(0)
        assert resident_bytes() - before < 64 * 1024 * 1024
        assert (await client.answer()).status == 400
        await client.close()
        assert (await rig.outcome()).reason == "framing"
        assert rig.upstream.requests == []


async def test_P13_HTTP_1_0_gets_no_chunks(contexts: Contexts) -> None:
    async with running(answering(b'{"a":1}'), contexts) as rig:
        answered = await rig.send(b"GET /api/chats/1 HTTP/1.0\r\n" + AUTH + b"\r\n")
        assert (answered.status, answered.body) == (200, b'{"a":1}')
        assert answered.values("Content-Length") == ["7"]
        assert answered.values("Transfer-Encoding") == []


async def test_P13_HTTP_1_0_stream_ends_with_the_connection(contexts: Contexts) -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"

    async def handler(received: object, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(chunked)

    async with running(handler, contexts) as rig:
        answered = await rig.send(b"GET /files/1 HTTP/1.0\r\n" + AUTH + b"\r\n")
        assert answered.body == b"abc"
        assert answered.values("Transfer-Encoding") == []
