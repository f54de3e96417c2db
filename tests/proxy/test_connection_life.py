"""P40, P44 to P48, P58: what happens when one end goes away, lies, stalls or speaks out of turn."""

from __future__ import annotations

import asyncio
import ssl
import struct
from collections.abc import Awaitable, Callable

import pytest

from sidecar.proxy.routes import Limits, RequestPolicy
from sidecar.proxy.upstream_calls import LONGEST_BODY
from tests.proxy.rig import (
    AUDITOR_TOKEN,
    CANARY,
    JSON,
    OPAQUE,
    QUICK,
    Received,
    Rig,
    answer,
    answering,
    raw,
    read_body,
    request,
    resident_bytes,
    route,
    running,
)

Contexts = tuple[ssl.SSLContext, ssl.SSLContext]
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
BIG = b"x" * 100_000

CUT_SHORT = {
    "short of its length": b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + BIG,
    "no last chunk": CHUNKED + b"186a0\r\n" + BIG + b"\r\n",
    "in a chunk": CHUNKED + b"30d40\r\n" + BIG,
}


@pytest.mark.parametrize("data", CUT_SHORT.values(), ids=CUT_SHORT.keys())
async def test_P46_upstream_that_closes_early_is_told_from_one_that_ends(data: bytes, contexts: Contexts) -> None:
    async with running(raw(data, then_close=True), contexts) as rig:
        streamed = await rig.get("/files/1")
        assert streamed.status == 200
        assert not streamed.complete
        assert (await rig.get("/api/1")).status == 502
        await rig.settled(2)
        assert [outcome.decision for outcome in rig.audit.outcomes] == ["aborted", "failed"]
        assert rig.audit.outcomes[0].bytes_sent <= len(BIG)


async def test_P46_malformed_chunk_of_an_upstream_that_stays_connected(contexts: Contexts) -> None:
    async def malformed(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED + b"186a0\r\n" + BIG + b"\r\n")
        await writer.drain()
        await asyncio.sleep(0.1)
        writer.write(b"-1\r\nabc\r\n")
        await reader.read()

    async with running(malformed, contexts, upstream_changes={"read_seconds": 1.0}) as rig:
        assert not (await rig.get("/files/1")).complete
        assert (await rig.get("/api/1")).status in (502, 504)


async def test_P46_small_opaque_answer_that_is_cut_short_is_refused(contexts: Contexts) -> None:
    data = b"HTTP/1.1 200 OK\r\nContent-Length: 300\r\n\r\nabc"
    async with running(raw(data, then_close=True), contexts) as rig:
        assert (await rig.get("/files/1")).status == 502


async def test_P40_HTTP_1_0_client_can_tell_an_abort(contexts: Contexts) -> None:
    """Without chunks only the connection tells: a reset, and no close_notify before it."""
    async with running(raw(CUT_SHORT["no last chunk"], then_close=True), contexts) as rig:
        client = await rig.connect()
        client.writer.write(request("GET", "/files/1").replace(b"HTTP/1.1", b"HTTP/1.0"))
        with pytest.raises((ConnectionError, ssl.SSLError)):
            await client.reader.read()
        await client.close()


async def test_lying_length_more_than_said_never_reaches_anybody(contexts: Contexts) -> None:
    more = [CANARY.encode(), answer(CANARY.encode(), length=len(CANARY))]
    for rest in more:
        async with running(raw(answer(b"{}", length=2) + rest), contexts) as rig:
            for _ in range(3):
                answered = await rig.get("/files/1")
                assert (answered.status, answered.body) == (200, b"{}") or answered.status == 502
                assert b"canary" not in answered.whole
            assert rig.upstream.connections == 3, "a connection that said more than it should is not used again"


async def test_P48_bytes_on_an_idle_connection_are_not_the_next_answer(contexts: Contexts) -> None:
    poison = answer(b'{"stolen":1}', length=12)

    async def handler(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer(b'{"mine":1}', length=10))
        await writer.drain()
        await asyncio.sleep(0.1)
        writer.write(poison)

    async with running(handler, contexts) as rig:
        client = await rig.connect()
        for _ in range(3):
            client.writer.write(request("GET", "/api/1"))
            assert (await client.answer()).body == b'{"mine":1}'
            await asyncio.sleep(0.2)
        await client.close()
        assert rig.upstream.connections == 3


async def test_P48_500_callers_at_once_get_their_own_answers(contexts: Contexts) -> None:
    async def handler(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.001)
        mine = received.target.rpartition(b"/")[2]
        body = b'{"for":"' + mine + b'","mail":"' + mine + b'@canary.example"}'
        writer.write(answer(body, length=len(body)))

    all_here = asyncio.Barrier(500)
    shaking_hands = asyncio.Semaphore(20)
    async with running(handler, contexts) as rig:

        async def caller(number: int) -> None:
            async with shaking_hands:
                client = await rig.connect()
            await all_here.wait()
            for turn in range(2):
                client.writer.write(request("GET", f"/api/c{number}-{turn}"))
                answered = await client.answer()
                assert answered.body == f'{{"for":"c{number}-{turn}","mail":"[EMAIL_1]"}}'.encode()
            await client.close()

        await asyncio.gather(*(caller(number) for number in range(500)))
        await rig.settled(1000)


def _handlers() -> list[str]:
    """The tasks of connections and of their requests, which aiohttp runs for us."""
    names = (getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks())
    return [name for name in names if name.startswith("RequestHandler.")]


async def _nothing_running(rig: Rig) -> bool:
    """Whether a second after its client left an exchange is gone, here and upstream."""
    async with asyncio.timeout(1):
        await rig.upstream.requests[0].ended.wait()
        while _handlers():  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)
    await rig.settled(1)
    return True


async def _reset(writer: asyncio.StreamWriter) -> None:
    writer.transport.get_extra_info("socket").setsockopt(1, 13, struct.pack("ii", 1, 0))  # SO_LINGER: close is a reset
    writer.transport.abort()


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()


@pytest.mark.parametrize("leave", [_reset, _close])
@pytest.mark.parametrize("path", ["/api/1", "/files/1"])
async def test_P44_client_that_leaves_before_the_first_byte_cancels_the_upstream(
    path: str, leave: Callable[[asyncio.StreamWriter], Awaitable[None]], contexts: Contexts
) -> None:
    async def silent(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.read() == b""
        raise EOFError

    async with running(silent, contexts) as rig:
        client = await rig.connect()
        client.writer.write(request("GET", path))
        await rig.upstream.arrived()
        assert _handlers(), "this is how they are known"
        await leave(client.writer)
        assert await _nothing_running(rig)
        assert (rig.audit.outcomes[0].decision, rig.audit.outcomes[0].reason) == ("aborted", "client_gone")


async def test_P44_client_that_leaves_in_the_middle_of_a_stream_cancels_the_upstream(contexts: Contexts) -> None:
    async def endless(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED)
        while not writer.is_closing():
            writer.write(b"5\r\nhello\r\n")
            await writer.drain()
            await asyncio.sleep(0.01)
        raise EOFError

    async with running(endless, contexts) as rig:
        client = await rig.connect()
        client.writer.write(request("GET", "/files/1"))
        await client.reader.readuntil(b"hello")
        await client.close()
        assert await _nothing_running(rig)
        assert rig.audit.outcomes[0].decision == "aborted"


async def test_P44_client_that_leaves_while_it_sends(contexts: Contexts) -> None:
    async with running(answering(), contexts, [route(request_policy=RequestPolicy.PASS)]) as rig:
        client = await rig.connect()
        client.writer.write(request("POST", "/api/1", "Content-Length: 1000") + b"abc")
        await rig.upstream.arrived()
        await client.close()
        assert await _nothing_running(rig)
        assert rig.upstream.requests[0].body == b"", "no whole request ever arrived"


async def test_P58_client_that_leaves_while_the_intent_is_written(contexts: Contexts) -> None:
    async with running(answering(), contexts) as rig:
        rig.audit.gate.clear()
        client = await rig.connect()
        client.writer.write(request("GET", "/api/1"))
        await asyncio.sleep(0.1)
        await client.close()
        await asyncio.sleep(0.1)
        rig.audit.gate.set()
        outcome = await rig.outcome()
        assert (outcome.decision, rig.upstream.requests) == ("aborted", [])


async def test_P45_slow_reader_slows_the_upstream_and_memory_stays_flat(contexts: Contexts) -> None:
    sent = 0

    async def torrent(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
        piece = bytes(65536)
        for _ in range(16384):
            writer.write(piece)
            await writer.drain()
            sent += len(piece)

    async with running(torrent, contexts) as rig:
        client = await rig.connect()
        before = resident_bytes()
        client.writer.write(request("GET", "/files/1"))
        for _ in range(10):
            await client.reader.read(1)
            await asyncio.sleep(0.05)
            assert resident_bytes() - before < 64 * 1024 * 1024
            assert rig.unsent_bytes() < 1024 * 1024
        assert sent < 32 * 1024 * 1024, "the upstream waits for the client"
        await client.close()


async def test_client_that_does_not_read_at_all_is_cut_off(contexts: Contexts) -> None:
    async def torrent(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED)
        while True:
            writer.write(b"10000\r\n" + bytes(65536) + b"\r\n")
            await writer.drain()

    async with running(torrent, contexts, [route("files", "/files", body=OPAQUE.body, limits=QUICK)]) as rig:
        client = await rig.connect()
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        client.writer.write(request("GET", "/files/1"))
        outcome = await rig.outcome()
        assert (outcome.decision, outcome.reason) == ("aborted", "client_gone")
        await client.close()


def _closing_kept_connections(answers: list[bytes]) -> Callable[..., Awaitable[None]]:
    """Answers one request on each connection and closes it as the next arrives, like a server whose patience ended."""
    seen: set[int] = set()

    async def handler(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_body(received, reader)
        if received.connection in seen:
            writer.close()
            raise EOFError
        seen.add(received.connection)
        writer.write(answers[0])

    return handler


async def test_P46_a_kept_connection_that_was_closed_is_tried_again_only_without_body(contexts: Contexts) -> None:
    handler = _closing_kept_connections([answer(b"{}", length=2)])
    async with running(handler, contexts) as rig:
        assert (await rig.get("/api/1")).status == 200
        assert (await rig.get("/api/2")).status == 200
        assert [received.target for received in rig.upstream.requests] == [b"/api/1", b"/api/2", b"/api/2"]


@pytest.mark.parametrize("body", [b"{}", b"[" + b"1," * LONGEST_BODY + b"1]"], ids=["short", "long"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize("policy", [RequestPolicy.REDACT, RequestPolicy.PASS])
async def test_P47_a_request_with_a_body_is_sent_once(
    method: str, policy: RequestPolicy, body: bytes, contexts: Contexts
) -> None:
    handler = _closing_kept_connections([answer(b"{}", length=2)])
    async with running(handler, contexts, [route(request_policy=policy)]) as rig:
        assert (await rig.get("/api/1")).status == 200
        answered = await rig.send(request(method, "/api/2", JSON, f"Content-Length: {len(body)}") + body)
        assert answered.status == 502
        assert [received.target for received in rig.upstream.requests] == [b"/api/1", b"/api/2"]


async def test_P47_POST_without_body_is_sent_once_too(contexts: Contexts) -> None:
    handler = _closing_kept_connections([answer(b"{}", length=2)])
    async with running(handler, contexts) as rig:
        await rig.get("/api/1")
        assert (await rig.send(request("POST", "/api/2", "Content-Length: 0"))).status == 502
        assert len(rig.upstream.requests) == 2


async def test_upstream_that_is_down(contexts: Contexts) -> None:
    async with running(answering(), contexts, upstream_changes={"url": "http://127.0.0.1:1"}) as rig:
        answered = await rig.get()
        assert answered.status == 503
        assert answered.values("Retry-After") == ["1"]
        assert (await rig.outcome()).reason == "upstream_unreachable"


@pytest.mark.parametrize("path", ["/api/1", "/files/1"])
async def test_upstream_that_never_answers(path: str, contexts: Contexts) -> None:
    async def silent(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    routes = [route(limits=QUICK), route("files", "/files", body=OPAQUE.body, limits=QUICK)]
    async with running(silent, contexts, routes) as rig:
        assert (await rig.get(path)).status == 504
        assert (await rig.outcome()).reason == "upstream_timed_out"


async def test_upstream_that_drips_its_body(contexts: Contexts) -> None:
    async def drip(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.1)

    async with running(drip, contexts, [route(limits=QUICK)]) as rig:
        assert (await rig.get()).status == 504


async def test_stream_that_falls_silent_is_cut(contexts: Contexts) -> None:
    async def stall(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED + b"5\r\nhello\r\n")
        await reader.read()

    async with running(stall, contexts, upstream_changes={"read_seconds": 0.3}) as rig:
        client = await rig.connect()
        client.writer.write(request("GET", "/files/1"))
        await client.reader.readuntil(b"5\r\nhello\r\n")
        with pytest.raises((ConnectionError, ssl.SSLError)):
            await client.reader.read()
        await client.close()
        outcome = await rig.outcome()
        assert (outcome.decision, outcome.reason) == ("aborted", "upstream_timed_out")


async def test_first_bytes_of_a_stream_arrive_before_its_end(contexts: Contexts) -> None:
    go_on = asyncio.Event()

    async def slow(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED + b"5\r\nhello\r\n")
        await writer.drain()
        await go_on.wait()
        writer.write(b"5\r\nworld\r\n0\r\n\r\n")

    async with running(slow, contexts) as rig:
        client = await rig.connect()
        client.writer.write(request("GET", "/files/1"))
        await client.reader.readuntil(b"hello")
        go_on.set()
        await client.reader.readuntil(b"world")
        await client.close()


async def test_upstream_that_answers_before_it_has_read_the_request(contexts: Contexts) -> None:
    async def hasty(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        await writer.drain()
        await asyncio.sleep(0.2)
        writer.close()
        raise EOFError

    async with running(hasty, contexts, [route(request_policy=RequestPolicy.PASS)]) as rig:
        client = await rig.connect()
        client.writer.write(request("POST", "/api/1", "Content-Length: 100000") + b"abc")
        assert (await client.answer()).status == 403
        await client.close()


async def test_P58_audit_that_is_full_refuses_and_nothing_is_forwarded(contexts: Contexts) -> None:
    async with running(answering(), contexts) as rig:
        rig.audit.full = True
        answered = [await rig.get(), await rig.get("/files/1"), await rig.get("/nowhere")]
        assert {one.status for one in answered} == {503}
        assert rig.upstream.requests == []
        rig.audit.full = False
        assert (await rig.get()).status == 200
        await rig.settled(1)


async def test_P58_nothing_is_forwarded_before_the_intent_is_durable(contexts: Contexts) -> None:
    async with running(answering(), contexts) as rig:
        rig.audit.gate.clear()
        getting = asyncio.create_task(rig.get())
        await asyncio.sleep(0.2)
        assert rig.upstream.requests == []
        rig.audit.gate.set()
        assert (await getting).status == 200


async def test_outcome_that_can_not_be_written_is_told_to_the_operator(
    contexts: Contexts, caplog: pytest.LogCaptureFixture
) -> None:
    async def fill(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        rig.audit.full = True
        writer.write(answer(b"{}", length=2))

    async with running(fill, contexts) as rig:
        assert (await rig.get()).status == 200
        await rig.exchange.settle()
        assert "its outcome could not be recorded" in caplog.text


@pytest.mark.parametrize(
    ("data", "status", "decision", "actor"),
    [
        (b"GET /api/1 HTTP/1.1\r\nHost: a\r\n\r\n", 401, "denied", "anonymous"),
        (b"GET /api/1 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer wrong\r\n\r\n", 401, "denied", "anonymous"),
        (
            f"GET /api/1 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {AUDITOR_TOKEN}\r\n\r\n".encode(),
            403, "denied", "auditor",
        ),
        (request("GET", "/nowhere"), 404, "refused", "trainer-tool"),
        (request("PATCH", "/api/1"), 405, "refused", "trainer-tool"),
        (request("GET", "/api/1"), 200, "completed", "trainer-tool"),
    ],
)  # fmt: skip
async def test_P58_one_pair_of_records_whoever_asks_and_however_it_ends(
    data: bytes, status: int, decision: str, actor: str, contexts: Contexts
) -> None:
    async with running(answering(), contexts) as rig:
        assert (await rig.send(data)).status == status
        outcome = await rig.outcome()
        assert (outcome.decision, outcome.status, rig.audit.intents[0].actor) == (decision, status, actor)
        assert len(rig.upstream.requests) == (status == 200)


async def test_P58_records_count_and_name_but_hold_no_values(contexts: Contexts) -> None:
    body = f'{{"a":"{CANARY}","b":"{CANARY}"}}'.encode()
    async with running(answering(body), contexts) as rig:
        answered = await rig.get()
        outcome = await rig.outcome()
        assert outcome.entities == {"EMAIL": 2}
        assert outcome.bytes_sent == len(answered.body)
        assert outcome.policy is not None
        assert outcome.policy.startswith("default:")
        assert "canary" not in repr(outcome)
        intent = rig.audit.intents[0]
        assert (intent.route, intent.method, intent.proof) == ("chats", "GET", "token")
        assert intent.tls is not None
        assert intent.tls.startswith("TLSv1.3")
        assert intent.target_pseudonym is not None
        assert "chats" not in intent.target_pseudonym


async def test_metrics_count_by_route_and_class(contexts: Contexts) -> None:
    body = f'{{"a":"{CANARY}"}}'.encode()
    async with running(answering(body), contexts) as rig:
        await rig.get()
        await rig.get("/nowhere")
        await rig.settled(2)
        value = rig.metrics.registry.get_sample_value
        labels = {"route": "chats", "method": "GET", "code_class": "2xx", "decision": "completed"}
        assert value("sidecar_requests_total", labels) == 1
        assert value("sidecar_refusals_total", {"reason": "no_route"}) == 1
        assert value("sidecar_entities_total", {"type": "EMAIL"}) == 1
        assert value("sidecar_inflight_requests") == 0
        assert value("sidecar_body_bytes_total", {"direction": "response"}) > 0  # type: ignore[operator]


async def test_too_many_at_once_are_refused_and_recorded(contexts: Contexts) -> None:
    held = asyncio.Event()

    async def hold(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await held.wait()
        writer.write(answer(b"{}", length=2))

    async with running(hold, contexts, max_inflight=2) as rig:
        waiting = [asyncio.create_task(rig.get()) for _ in range(2)]
        await rig.upstream.arrived(2)
        refused = await rig.get()
        assert (refused.status, refused.values("Retry-After")) == (503, ["1"])
        held.set()
        assert {answered.status for answered in await asyncio.gather(*waiting)} == {200}
        await rig.settled(3)


def test_limits_have_defaults_that_bound_everything() -> None:
    limits = Limits()
    assert min(limits.request_body_bytes, limits.response_body_bytes) > 0
    assert min(limits.request_body_seconds, limits.exchange_seconds, limits.client_stall_seconds) > 0
