"""P28 to P32, P40, P41, the issue's bad input: bodies that can't be understood are refused, in both directions."""

from __future__ import annotations

import asyncio
import gzip
import json
import ssl
import zlib

import brotli
import pytest

from sidecar.errors import DetectionFailed, DetectionFault, StoreUnavailable
from sidecar.proxy.routes import Limits, RequestPolicy
from tests.proxy.rig import (
    AUDITOR_TOKEN,
    AUTH,
    CANARY,
    JSON,
    OPAQUE,
    QUICK,
    Received,
    answering,
    raw,
    read_body,
    request,
    route,
    running,
)
from tests.proxy.zstandard import zstd

Contexts = tuple[ssl.SSLContext, ssl.SSLContext]
PLAIN = json.dumps({"message": f"write to {CANARY}", "id": 12345678901234567890}).encode()
CLEAN = PLAIN.replace(CANARY.encode(), b"[EMAIL_1]")
SMALL = Limits(request_body_bytes=1000, response_body_bytes=1000)


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", gzip.compress(PLAIN)),
        ("x-gzip", gzip.compress(PLAIN)),
        ("GZip", gzip.compress(PLAIN)),
        ("deflate", zlib.compress(PLAIN)),
        ("br", brotli.compress(PLAIN)),
        ("zstd", zstd.compress(PLAIN)),
        ("zstd", zstd.compress(PLAIN[:20]) + zstd.compress(PLAIN[20:])),
        ("identity", PLAIN),
        ("gzip", gzip.compress(PLAIN[:20]) + gzip.compress(PLAIN[20:])),
    ],
    ids=["gzip", "x-gzip", "mixed case", "deflate", "br", "zstd", "P29 two frames", "identity", "P29 two members"],
)
async def test_P29_coded_bodies_are_decoded_and_scanned(coding: str, body: bytes, contexts: Contexts) -> None:
    async with running(answering(body, (JSON, f"Content-Encoding: {coding}")), contexts) as rig:
        answered = await rig.get()
        assert (answered.status, answered.body) == (200, CLEAN)
        assert answered.values("Content-Encoding") == []


CODED_BADLY = {
    "P28 unknown": ("aes", PLAIN),
    "P28 stacked": ("gzip, gzip", gzip.compress(gzip.compress(PLAIN))),
    "P28 stacked unlike": ("gzip, br", brotli.compress(gzip.compress(PLAIN))),
    "P31 plain as brotli": ("br", PLAIN),
    "P31 plain as zstd": ("zstd", PLAIN),
    "P31 another": ("br", gzip.compress(PLAIN)),
    "P29 truncated brotli": ("br", brotli.compress(PLAIN)[:-1]),
    "P29 truncated zstd": ("zstd", zstd.compress(PLAIN)[:-1]),
    "P29 bytes after brotli": ("br", brotli.compress(PLAIN) + CANARY.encode()),
    "P29 bytes after zstd": ("zstd", zstd.compress(PLAIN) + CANARY.encode()),
    "P30 brotli bomb": ("br", brotli.compress(bytes(50_000_000), quality=5)),
    "P30 zstd bomb": ("zstd", zstd.compress(bytes(50_000_000))),
    "P29 truncated": ("gzip", gzip.compress(PLAIN)[:-9]),
    "P29 checksum": ("gzip", gzip.compress(PLAIN)[:-6] + b"\0\0" + gzip.compress(PLAIN)[-4:]),
    "P29 trailing garbage": ("gzip", gzip.compress(PLAIN) + CANARY.encode()),
    "P29 bytes after deflate": ("deflate", zlib.compress(PLAIN) + b"x"),
    "P30 bomb": ("gzip", gzip.compress(bytes(50_000_000))),
    "P30 bomb in members": ("gzip", gzip.compress(b" " * 900) * 2000),
    "P31 plain": ("gzip", PLAIN),
}


@pytest.mark.parametrize(("coding", "body"), CODED_BADLY.values(), ids=CODED_BADLY.keys())
async def test_P28_to_P31_what_can_not_be_decoded_is_refused(coding: str, body: bytes, contexts: Contexts) -> None:
    limits = Limits(request_body_bytes=100_000, response_body_bytes=100_000)
    async with running(answering(body, (JSON, f"Content-Encoding: {coding}")), contexts, [route(limits=limits)]) as rig:
        answered = await rig.get()
        assert answered.status == 502
        assert b"canary" not in answered.whole
        posted = await rig.post(body, f"Content-Encoding: {coding}")
        assert posted.status in (400, 413, 415)
        assert len(rig.upstream.requests) == 1
        await rig.settled(2)
        assert {outcome.decision for outcome in rig.audit.outcomes} == {"refused"}


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/plain", PLAIN),
        ("application/octet-stream", PLAIN),
        ("application/.json", PLAIN),
        (None, PLAIN),
        ("application/json; charset=utf-16", PLAIN.decode().encode("utf-16")),
        ("text/html; charset=utf-16le", PLAIN.decode().encode("utf-16-le")),
        ('application/json; charset="ISO-8859-1"', PLAIN),
        ("application/json; charset=utf-8", b"\xef\xbb\xbf" + PLAIN),
        ("application/json;", PLAIN),
    ],
)
async def test_P32_json_is_scanned_whatever_it_says_it_is(kind: str | None, body: bytes, contexts: Contexts) -> None:
    fields = (f"Content-Type: {kind}",) if kind else ("X-None: 1",)
    async with running(answering(body, fields), contexts) as rig:
        answered = await rig.get()
        assert (answered.status, answered.body) == (200, CLEAN)
        assert "utf-16" not in repr(answered.values("Content-Type"))
        assert "8859" not in repr(answered.values("Content-Type"))


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json; charset=utf-7", PLAIN.replace(b"@", b"+AEA-")),
        ("application/json; charset=nonsense", PLAIN),
        ("application/json; charset=utf-8; charset=utf-16", PLAIN),
        ("application/json; charset=utf-8", b'{"a":"\xff"}'),
        ("application/json", PLAIN.decode().encode("utf-16")),
        ("application/json; charset=utf-16", PLAIN.decode().encode("utf-16-le")),
        ("application/json; charset=us-ascii", '{"a":"é"}'.encode()),
        ("nonsense", PLAIN),
    ],
)
async def test_P32_unknown_charsets_and_bytes_that_are_not_in_theirs(
    kind: str, body: bytes, contexts: Contexts
) -> None:
    async with running(answering(body, (f"Content-Type: {kind}",)), contexts) as rig:
        answered = await rig.get()
        assert answered.status == 502
        assert b"canary" not in answered.whole
        assert (await rig.post(body, f"Content-Type: {kind}")).status == 415
        assert len(rig.upstream.requests) == 1


NOT_JSON = {
    "html": b"<html>" + CANARY.encode(),
    "truncated": PLAIN[:-1],
    "two documents": PLAIN + PLAIN,
    "10,000 deep": b"[" * 10_000 + b"]" * 10_000,
    "NUL": b"\0" + PLAIN,
    "text": CANARY.encode(),
}


@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON.keys())
async def test_bad_input_bodies_that_are_no_json(body: bytes, contexts: Contexts) -> None:
    async with running(answering(body), contexts) as rig:
        answered = await rig.get()
        assert answered.status == 502
        assert b"canary" not in answered.whole
        assert (await rig.post(body)).status == 400
        assert len(rig.upstream.requests) == 1


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
async def test_request_bodies_of_other_types_are_refused(kind: str, contexts: Contexts) -> None:
    async with running(answering(), contexts) as rig:
        assert (await rig.post(b"a=b", f"Content-Type: {kind}")).status == 415
        assert rig.upstream.requests == []


async def test_requests_are_redacted_passed_or_refused(contexts: Contexts) -> None:
    routes = [
        route("a", "/redact"),
        route("b", "/pass", request_policy=RequestPolicy.PASS),
        route("c", "/refuse", request_policy=RequestPolicy.REFUSE),
    ]
    async with running(answering(), contexts, routes) as rig:
        assert (await rig.post(PLAIN, target="/redact")).status == 200
        assert (await rig.post(PLAIN, "Content-MD5: x", target="/pass")).status == 200
        assert (await rig.post(PLAIN, target="/refuse")).status == 422
        assert (await rig.post(b'{"a":"nothing"}', target="/refuse")).status == 200
        assert [received.body for received in rig.upstream.requests] == [CLEAN, PLAIN, b'{"a":"nothing"}']
        assert rig.upstream.requests[1].values(b"content-length") == [str(len(PLAIN)).encode()]
        assert rig.upstream.requests[1].values(b"content-md5") == [b"x"]


async def test_chunked_requests_arrive_rewritten_with_a_length_and_passed_in_chunks(contexts: Contexts) -> None:
    routes = [route("a", "/redact"), route("b", "/pass", request_policy=RequestPolicy.PASS)]
    async with running(answering(), contexts, routes) as rig:
        for target in ("/redact", "/pass"):
            head = request("POST", target, JSON, "Transfer-Encoding: chunked")
            data = b"".join(f"{len(part):x}\r\n".encode() + part + b"\r\n" for part in (PLAIN[:9], PLAIN[9:], b""))
            assert (await rig.send(head + data)).status == 200
        rewritten, passed = rig.upstream.requests
        assert (rewritten.body, passed.body) == (CLEAN, PLAIN)
        assert rewritten.values(b"content-length") == [str(len(CLEAN)).encode()]
        assert rewritten.values(b"transfer-encoding") == passed.values(b"content-length") == []


@pytest.mark.parametrize("framing", ["length", "chunked", "streamed"])
async def test_P41_body_over_the_cap_is_refused_while_the_client_still_sends(framing: str, contexts: Contexts) -> None:
    policy = RequestPolicy.PASS if framing == "streamed" else RequestPolicy.REDACT
    async with running(answering(), contexts, [route(limits=SMALL, request_policy=policy)]) as rig:
        client = await rig.connect()
        line = "Content-Length: 50000000" if framing == "length" else "Transfer-Encoding: chunked"
        client.writer.write(request("POST", "/api/1", JSON, line))
        if framing != "length":
            client.writer.write(b"800\r\n" + b" " * 2048 + b"\r\n")
        # Nothing more is sent, and nothing is waited for.
        assert (await client.answer()).status == 413
        await client.close()
        assert (await rig.outcome()).reason == "too_large"


async def test_bad_input_50_MB_that_are_really_sent(contexts: Contexts) -> None:
    async with running(answering(), contexts) as rig:
        client = await rig.connect()
        client.writer.write(request("POST", "/api/1", JSON, "Content-Length: 50000000"))

        async def send() -> None:
            for _ in range(500):
                client.writer.write(b" " * 100_000)
                await client.writer.drain()

        sending = asyncio.create_task(send())
        assert (await client.answer()).status == 413
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        await client.close()
        assert rig.upstream.requests == []


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_answers_over_the_cap_are_refused(framing: str, contexts: Contexts) -> None:
    body = b'{"a":"' + b"x" * 5000 + b'"}'
    data = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    if framing == "chunked":
        data = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + f"{len(body):x}\r\n".encode() + body
    async with running(raw(data), contexts, [route(limits=SMALL)]) as rig:
        assert (await rig.get()).status == 502
        assert (await rig.outcome()).reason == "too_large"


async def test_P43_continue_is_said_only_after_all_that_can_be_refused(contexts: Contexts) -> None:
    async with running(answering(), contexts, [route(limits=SMALL), OPAQUE]) as rig:
        client = await rig.connect()
        client.writer.write(request("POST", "/api/1", JSON, "Expect: 100-continue", "Content-Length: 2"))
        assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.writer.write(b"{}")
        assert (await client.answer()).status == 200
        await client.close()
        assert rig.upstream.requests[0].values(b"expect") == []


@pytest.mark.parametrize(
    ("target", "lines", "status"),
    [
        ("/api/1", ("Expect: 100-continue", "Content-Length: 2000", JSON), 413),
        ("/api/1", ("Expect: 100-continue", "Content-Length: 2", "Content-Type: text/plain"), 415),
        ("/nowhere", ("Expect: 100-continue", "Content-Length: 2", JSON), 404),
        ("/api/1", ("Expect: miracles", "Content-Length: 2", JSON), 417),
    ],
)
async def test_P43_final_answers_instead_of_continue(
    target: str, lines: tuple[str, ...], status: int, contexts: Contexts
) -> None:
    async with running(answering(), contexts, [route(limits=SMALL)]) as rig:
        client = await rig.connect()
        client.writer.write(request("POST", target, *lines))
        assert (await client.reader.readline()).split(b" ")[1] == str(status).encode()
        await client.close()
        assert rig.upstream.requests == []


async def test_P13_P43_a_client_of_HTTP_1_0_knows_no_interim_answers(contexts: Contexts) -> None:
    async with running(answering(), contexts) as rig:
        client = await rig.connect()
        head = request("POST", "/api/1", JSON, "Expect: 100-continue", "Content-Length: 2")
        client.writer.write(head.replace(b"HTTP/1.1", b"HTTP/1.0") + b"{}")
        assert (await client.reader.readline()).split(b" ")[1] == b"200"
        await client.close()


async def test_P43_who_may_not_send_a_body_is_not_asked_for_it(contexts: Contexts) -> None:
    expecting = (JSON, "Expect: 100-continue", "Content-Length: 2")
    nobody = request("POST", "/api/1", *expecting).replace(AUTH, b"")
    wrong = request("POST", "/api/1", *expecting).replace(AUTH, f"Authorization: Bearer {AUDITOR_TOKEN}\r\n".encode())
    async with running(answering(), contexts, max_inflight=0) as rig:
        for head, status in ((nobody, 401), (wrong, 403), (request("POST", "/api/1", *expecting), 503)):
            client = await rig.connect()
            client.writer.write(head)
            assert (await client.reader.readline()).split(b" ")[1] == str(status).encode()
            await client.close()
        rig.audit.full = True
        client = await rig.connect()
        client.writer.write(request("POST", "/api/1", *expecting))
        assert (await client.reader.readline()).split(b" ")[1] == b"503"
        await client.close()
        assert rig.upstream.requests == []


async def test_a_body_that_does_not_come_is_not_waited_for(contexts: Contexts) -> None:
    async with running(answering(), contexts, [route(limits=QUICK)]) as rig:
        client = await rig.connect()
        client.writer.write(request("POST", "/api/1", JSON, "Content-Length: 10") + b"{")
        assert (await client.answer()).status == 408
        await client.close()
        assert rig.upstream.requests == []


async def _hang() -> None:
    await asyncio.sleep(3600)


async def _raise() -> None:
    raise DetectionFailed(DetectionFault.RAISED)


async def _invalid() -> None:
    raise DetectionFailed(DetectionFault.INVALID)


async def _overloaded() -> None:
    raise DetectionFailed(DetectionFault.OVERLOADED)


async def _no_store() -> None:
    raise StoreUnavailable("no disk")


async def _bug() -> None:
    raise RuntimeError(CANARY)


@pytest.mark.parametrize(
    ("detector", "status", "reason"),
    [
        (_raise, 502, "detection_raised"),
        (_hang, 502, "detection_timed_out"),
        (_invalid, 502, "detection_invalid"),
        (_overloaded, 503, "detection_overloaded"),
        (_no_store, 503, "store_unavailable"),
        (_bug, 500, "internal"),
    ],
)
async def test_P40_detector_that_fails_in_either_direction(
    detector: object, status: int, reason: str, contexts: Contexts, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(answering(PLAIN), contexts, [route(limits=QUICK)]) as rig:
        rig.rewriter.before = detector  # type: ignore[assignment]
        answered, posted = await rig.get(), await rig.post(PLAIN)
        assert (answered.status, posted.status) == (status, status)
        assert b"canary" not in answered.whole + posted.whole
        assert len(rig.upstream.requests) == 1, "nothing of the request was forwarded"
        await rig.settled(2)
        assert {outcome.reason for outcome in rig.audit.outcomes} == {reason}
        assert "canary" not in caplog.text


async def test_refusals_tell_an_id_and_no_cause(contexts: Contexts) -> None:
    async with running(answering(PLAIN[:-1]), contexts) as rig:
        answered = await rig.get()
        outcome = await rig.outcome()
        assert json.loads(answered.body) == {"title": "Bad Gateway", "status": 502, "exchange": outcome.exchange_id}
        assert answered.values("X-Exchange-Id") == [outcome.exchange_id]
        assert answered.values("Content-Type") == ["application/problem+json"]


async def test_empty_bodies_need_no_parsing(contexts: Contexts) -> None:
    async with running(answering(b"", ("Content-Type: text/html",), "404 Not Found"), contexts) as rig:
        answered = await rig.get()
        assert (answered.status, answered.body) == (404, b"")
        assert (await rig.post(b"")).status == 404
        assert rig.upstream.requests[1].values(b"content-length") == [b"0"]


async def test_error_statuses_pass_with_their_rewritten_body(contexts: Contexts) -> None:
    async def handler(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_body(received, reader)
        writer.write(f"HTTP/1.1 409 Conflict\r\nContent-Length: {len(PLAIN)}\r\n\r\n".encode() + PLAIN)

    async with running(handler, contexts) as rig:
        answered = await rig.get()
        assert (answered.status, answered.body) == (409, CLEAN)


async def test_trailers_are_dropped_both_ways(contexts: Contexts) -> None:
    data = (
        f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n2\r\n{{}}\r\n0\r\nX-T: {CANARY}\r\n\r\n"
    )

    async def handler(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_body(received, reader)
        writer.write(data.encode())

    async with running(handler, contexts) as rig:
        for path in ("/api/1", "/files/1"):
            answered = await rig.get(path)
            assert (answered.status, answered.body) == (200, b"{}")
            assert b"canary" not in answered.whole
        head = request("POST", "/api/1", JSON, "Transfer-Encoding: chunked")
        assert (await rig.send(head + b"2\r\n{}\r\n0\r\nX-Forwarded-For: 10.0.0.1\r\n\r\n")).status == 200
        assert rig.upstream.requests[-1].values(b"x-forwarded-for") == [b"127.0.0.1"]


async def test_opaque_bodies_pass_as_they_are(contexts: Contexts) -> None:
    body = gzip.compress(b"\x89PNG" * 100_000)
    async with running(answering(body, ("Content-Type: image/png", "Content-Encoding: gzip")), contexts) as rig:
        answered = await rig.get("/files/1")
        assert answered.body == body
        assert answered.values("Content-Encoding") == ["gzip"]
        assert answered.values("Content-Type") == ["image/png"]


async def test_streams_without_end_are_refused_by_their_head(contexts: Contexts) -> None:
    async def events(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: " + CANARY.encode() + b"\n\n")
        await reader.read()
        raise EOFError

    async with running(events, contexts) as rig:
        async with asyncio.timeout(2):
            answered = await rig.get()
        assert answered.status == 502
        assert b"canary" not in answered.whole
        assert (await rig.outcome()).reason == "media_type"
        await asyncio.wait_for(rig.upstream.requests[0].ended.wait(), 1)
