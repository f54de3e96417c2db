"""P38 and what else holds for WebSockets (P21, P30, P34, P44 to P46, P48, P49, P58): real sockets, raw frames."""

from __future__ import annotations

import asyncio
import json
import ssl
from dataclasses import replace
from typing import Any

import pytest

from sidecar.errors import ConfigError, DetectionFailed, DetectionFault
from sidecar.metrics import Metrics
from sidecar.payloads.field_map import FieldMap
from sidecar.payloads.socketio import Binary
from sidecar.proxy.body_budget import BodyBudget
from sidecar.proxy.listener import ListenerSettings
from sidecar.proxy.routes import (
    BodyMode,
    HostPolicy,
    Limits,
    MessageKind,
    RequestPolicy,
    Route,
    RouteTable,
    TargetPolicy,
    WebsocketRules,
)
from tests.proxy.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    FIN,
    PING,
    PONG,
    RSV1,
    RSV2,
    TEXT,
    Frame,
    Peer,
    accepting,
    closing,
    connected,
    deflated,
    echo,
    fragments,
    frame,
    handshake,
    opened,
    said,
)
from tests.proxy.rig import AUDITOR_TOKEN, CANARY, TOKEN, answering, raw, request, route, running

Contexts = tuple[ssl.SSLContext, ssl.SSLContext]
JSON_RULES = WebsocketRules(max_message_bytes=4096)


def socket_route(rules: WebsocketRules = JSON_RULES, **changes: Any) -> Route:
    return route("sockets", "/ws", websocket=rules, fields=FieldMap(deltas=()), **changes)


# --- messages ---------------------------------------------------------------------------------------------------------


async def test_P38_messages_are_redacted_both_ways(contexts: Contexts) -> None:
    heard: list[str] = []

    async def talk(peer: Peer) -> None:
        heard.append(await peer.heard())
        await peer.say(said(f"yours was {CANARY}"))
        await echo(peer)

    async with running(accepting(talk), contexts, [socket_route()]) as rig, connected(rig) as peer:
        await peer.say(said(f"I am {CANARY}"))
        assert await peer.heard() == said("yours was [EMAIL_1]")
        await peer.send(CLOSE, closing(1000))
        assert (await peer.next()).code == 1000
        outcome = await rig.outcome()
    assert heard == [said("I am [EMAIL_1]")]
    assert (outcome.decision, outcome.reason, outcome.status) == ("completed", None, 101)
    assert (outcome.messages, dict(outcome.entities)) == (2, {"EMAIL": 2})
    assert outcome.bytes_received == len(said(f"I am {CANARY}"))
    assert outcome.bytes_sent == len(said("yours was [EMAIL_1]"))


@pytest.mark.parametrize("policy", list(RequestPolicy))
async def test_P38_request_policy_holds_for_what_the_client_says(policy: RequestPolicy, contexts: Contexts) -> None:
    """Answers are redacted whatever the policy for requests is."""
    async with running(accepting(echo), contexts, [socket_route(request_policy=policy)]) as rig, connected(rig) as peer:
        await peer.say(said("nobody"))
        assert await peer.heard() == said("nobody")
        await peer.say(said(CANARY))
        got = await peer.next()
        if policy is RequestPolicy.REFUSE:
            assert (got.opcode, got.code) == (CLOSE, 1008)
            await peer.send(CLOSE, got.payload)
            outcome = await rig.outcome()
            assert (outcome.decision, outcome.reason) == ("aborted", "personal_data")
        else:
            assert got.text == said("[EMAIL_1]")
            seen = [json.loads(text)["text"] for text in rig.rewriter.texts]
            assert (CANARY in seen) is True
    passed = policy is RequestPolicy.PASS
    assert rig.rewriter.texts.count(said(CANARY)) == 1
    assert rig.rewriter.texts.count(said("[EMAIL_1]")) == (0 if passed or policy is RequestPolicy.REFUSE else 1)


async def test_P34_P38_fragments_are_one_message_and_control_frames_may_stand_between(contexts: Contexts) -> None:
    text = said(f"müller is {CANARY}")
    async with running(accepting(echo), contexts, [socket_route()]) as rig, connected(rig) as peer:
        for cut in range(len(text.encode())):
            peer.writer.write(fragments(text, [cut]))
        peer.writer.write(frame(TEXT, b'{"text":"ja', 0, masked=True))
        peer.writer.write(frame(PING, b"between", masked=True))
        peer.writer.write(frame(CONTINUATION, b'ne"}', masked=True))
        got = [await peer.next() for _ in range(len(text.encode()) + 2)]
        assert [one for one in got if one.opcode != TEXT] == [Frame(PONG, b"between")]
        texts = [one.text for one in got if one.opcode == TEXT]
        assert texts == [said("müller is [EMAIL_1]")] * len(text.encode()) + ['{"text":"jane"}']


async def test_P34_upstreams_fragments_too(contexts: Contexts) -> None:
    async def talk(peer: Peer) -> None:
        data = said(CANARY).encode()
        for number, byte in enumerate(data):
            last = FIN if number == len(data) - 1 else 0
            await peer.send(CONTINUATION if number else TEXT, bytes([byte]), last)
        await echo(peer)

    async with running(accepting(talk), contexts, [socket_route()]) as rig, connected(rig) as peer:
        assert await peer.heard() == said("[EMAIL_1]")


@pytest.mark.parametrize("text", ["", "hello", '{"text":', f'{{"text": "{CANARY}"}} x', "NaN"])
async def test_P38_what_can_not_be_parsed_ends_the_connection(text: str, contexts: Contexts) -> None:
    heard: list[Frame] = []

    async def talk(peer: Peer) -> None:
        heard.append(await peer.closed())

    async with running(accepting(talk), contexts, [socket_route()]) as rig, connected(rig) as peer:
        await peer.say(text)
        got = await peer.closed()
        assert (got.code, got.reason) == (1007, "")
        outcome = await rig.outcome()
        assert (outcome.decision, outcome.reason, outcome.messages) == ("aborted", "not_parseable", 1)
    assert [(one.opcode, one.code) for one in heard] == [(CLOSE, 1001)]


async def test_P38_what_can_not_be_parsed_of_the_upstream_never_passes(contexts: Contexts) -> None:
    heard: list[Frame] = []

    async def talk(peer: Peer) -> None:
        await peer.say(f"my mail is {CANARY}")
        heard.append(await peer.closed())

    async with running(accepting(talk), contexts, [socket_route()]) as rig, connected(rig) as peer:
        got = await peer.closed()
        assert (got.code, got.reason) == (1011, "")
        await rig.upstream.requests[0].ended.wait()
    assert [(one.opcode, one.code) for one in heard] == [(CLOSE, 1007)]


@pytest.mark.parametrize("fault", list(DetectionFault))
async def test_P40_detection_that_fails_ends_the_connection(fault: DetectionFault, contexts: Contexts) -> None:
    async with running(accepting(echo), contexts, [socket_route()]) as rig, connected(rig) as peer:

        async def fail() -> None:
            raise DetectionFailed(fault)

        rig.rewriter.before = fail
        await peer.say(said(CANARY))
        assert (await peer.closed()).code == (1013 if fault is DetectionFault.OVERLOADED else 1011)
        assert (await rig.outcome()).reason == f"detection_{fault.value}"


async def test_P40_a_bug_cuts_the_connection(contexts: Contexts) -> None:
    async with running(accepting(echo), contexts, [socket_route()]) as rig, connected(rig) as peer:

        async def fail() -> None:
            raise LookupError(CANARY)

        rig.rewriter.before = fail
        await peer.say(said("x"))
        assert await peer.lost()
        outcome = await rig.outcome()
        assert (outcome.decision, outcome.reason) == ("aborted", "internal")


@pytest.mark.parametrize("kind", list(MessageKind))
async def test_messages_are_read_as_the_route_says(kind: MessageKind, contexts: Contexts) -> None:
    texts = {
        MessageKind.JSON: (said(CANARY), said("[EMAIL_1]")),
        MessageKind.TEXT: (f"I am {CANARY}", "I am [EMAIL_1]"),
        MessageKind.SOCKETIO: (f'42["say",{{"n":1.0,"t":"{CANARY}"}}]', '42["say",{"n":1.0,"t":"[EMAIL_1]"}]'),
    }
    rules = WebsocketRules(kind)
    async with running(accepting(echo), contexts, [socket_route(rules)]) as rig, connected(rig) as peer:
        await peer.say(texts[kind][0])
        assert await peer.heard() == texts[kind][1]


@pytest.mark.parametrize("binary", list(Binary))
async def test_P38_binary_messages_pass_by_policy_only(binary: Binary, contexts: Contexts) -> None:
    rules = replace(JSON_RULES, binary=binary)
    async with running(accepting(echo), contexts, [socket_route(rules)]) as rig, connected(rig) as peer:
        await peer.send(BINARY, b"\x00\xff")
        if binary is Binary.PASS:
            assert await peer.next() == Frame(BINARY, b"\x00\xff")
            return
        assert (await peer.closed()).code == 1003
        assert (await rig.outcome()).reason == "media_type"


async def test_P38_binary_messages_of_the_upstream(contexts: Contexts) -> None:
    async def talk(peer: Peer) -> None:
        await peer.send(BINARY, CANARY.encode())
        await peer.next()

    async with running(accepting(talk), contexts, [socket_route()]) as rig, connected(rig) as peer:
        assert (await peer.closed()).code == 1011


# --- the protocol -----------------------------------------------------------------------------------------------------


def _breaches(*, masked: bool) -> dict[str, tuple[bytes, int]]:
    """What the sidecar must not take from a client (masked) or an upstream, and the code by which it says so."""
    return {
        "RSV1 without negotiation": (frame(TEXT, deflated(b"{}"), FIN | RSV1, masked=masked), 1002),
        "RSV2": (frame(TEXT, b"{}", FIN | RSV2, masked=masked), 1002),
        "unknown opcode": (frame(3, b"{}", masked=masked), 1002),
        "fragmented ping": (frame(PING, b"x", 0, masked=masked), 1002),
        "long ping": (frame(PING, b"x" * 126, masked=masked), 1002),
        "continuation of nothing": (frame(CONTINUATION, b"{}", masked=masked), 1002),
        "reserved close code": (frame(CLOSE, closing(1005), masked=masked), 1002),
        "no code of a close frame": (frame(CLOSE, closing(1006), masked=masked), 1002),
        "a code beyond the last": (frame(CLOSE, closing(5000), masked=masked), 1002),
        "a close code of zero": (frame(CLOSE, closing(0), masked=masked), 1002),
        "half a close code": (frame(CLOSE, b"\x03", masked=masked), 1002),
        "no UTF-8": (frame(TEXT, b'{"t":"\xff"}', masked=masked), 1007),
        "surrogates": (frame(TEXT, b'{"t":"\xed\xa0\x80"}', masked=masked), 1007),
        "announced oversize": (frame(TEXT, b"", announced=4097, masked=masked), 1009),
        "announced enormous": (frame(TEXT, b"", announced=1 << 62, masked=masked), 1009),
        "oversize in fragments": (
            frame(TEXT, b"x" * 4000, 0, masked=masked) + frame(CONTINUATION, b"x" * 97, masked=masked),
            1009,
        ),
        "the wrong mask": (frame(TEXT, b"{}", masked=not masked), 1002),
        "a ping with the wrong mask": (frame(PING, b"x", masked=not masked), 1002),
        "a message within another": (frame(TEXT, b"", 0, masked=masked) + frame(TEXT, b"{}", masked=masked), 1002),
        "nothing but fragments": (
            frame(TEXT, b"", 0, masked=masked) + frame(CONTINUATION, b"", 0, masked=masked) * 40_000,
            1002,
        ),
    }


CLIENTS_BREACHES, UPSTREAMS_BREACHES = _breaches(masked=True), _breaches(masked=False)


@pytest.mark.parametrize("breach", CLIENTS_BREACHES)
async def test_P38_breaches_of_the_protocol_by_a_client(breach: str, contexts: Contexts) -> None:
    data, code = CLIENTS_BREACHES[breach]
    async with running(accepting(echo), contexts, [socket_route()]) as rig, connected(rig) as peer:
        peer.writer.write(data)
        got = await peer.closed()
        assert (got.code, got.reason) == (code, "")
        assert await peer.lost()
        reason = {1002: "framing", 1007: "charset", 1009: "too_large"}[code]
        outcome = await rig.outcome()
        assert (outcome.decision, outcome.reason) == ("aborted", reason)
        async with asyncio.timeout(2):
            await rig.upstream.requests[0].ended.wait()


@pytest.mark.parametrize("breach", UPSTREAMS_BREACHES)
async def test_P38_breaches_of_the_protocol_by_an_upstream(breach: str, contexts: Contexts) -> None:
    data, code = UPSTREAMS_BREACHES[breach]

    async def talk(peer: Peer) -> None:
        peer.writer.write(data)
        await peer.closed()

    async with running(accepting(talk), contexts, [socket_route()]) as rig, connected(rig) as peer:
        if code == 1002:
            assert await peer.lost()
        else:
            assert (await peer.closed()).code == (1009 if code == 1009 else 1011)
        assert (await rig.outcome()).decision == "aborted"


async def test_P38_frames_behind_the_handshake_are_followed_too(contexts: Contexts) -> None:
    async with running(accepting(echo), contexts, [socket_route()]) as rig:
        client = await rig.connect()
        text = said("of before")
        broken = frame(TEXT, text.encode(), masked=True) + frame(TEXT, b"{}", masked=False)
        client.writer.write(handshake() + broken)
        await client.reader.readuntil(b"\r\n\r\n")
        peer = Peer(client.reader, client.writer, masked=True)
        got = await peer.next()
        while got.opcode != CLOSE:  # what came before the breach may be answered
            assert got.text == text
            got = await peer.next()
        assert got.code == 1002
        await client.close()
        assert (await rig.outcome()).reason == "framing"


@pytest.mark.parametrize("ends_well", [True, False])
async def test_P41_unfinished_messages_of_all_connections_share_the_budget(ends_well: bool, contexts: Contexts) -> None:
    budget = BodyBudget(10_000, Metrics())
    begun = frame(TEXT, b'{"text":"' + b"x" * 3500, 0, masked=True)
    async with (
        running(accepting(echo), contexts, [socket_route()], budget=budget) as rig,
        connected(rig) as one,
        connected(rig) as two,
        connected(rig) as three,
    ):
        for peer in (one, two):
            peer.writer.write(begun)
            await peer.send(PING, b"there")
            assert (await peer.next()).opcode == PONG  # so what came before is held
        three.writer.write(begun)
        assert (await three.closed()).code == 1013
        await rig.audit.changed.wait()
        assert rig.audit.outcomes[0].reason == "overloaded"
        for peer in (one, two):
            if ends_well:
                await peer.send(CONTINUATION, b'"}')
                assert (await peer.next()).text == '{"text":"' + "x" * 3500 + '"}'
            else:
                peer.writer.transport.abort()
        if not ends_well:
            await rig.settled(3)
        budget.move(10_000)  # all of it was given back


_HELD = 3500
_UNFINISHED = frame(TEXT, b'{"text":"' + b"x" * _HELD, 0, masked=False)
_THEN: dict[str, bytes | None] = {  # None: hangs up
    "goes on": frame(CONTINUATION, b'"}', masked=False),
    "hangs up": None,
    "breaks the protocol": frame(TEXT, b'"}', masked=False),
    "says too much": frame(CONTINUATION, b"x" * 1000, 0, masked=False),
    "is given up": b"",
}


@pytest.mark.parametrize("how", _THEN)
async def test_P41_what_upstreams_leave_unfinished_shares_the_budget_too(how: str, contexts: Contexts) -> None:
    budget, held, go_on = BodyBudget(10_000, Metrics()), asyncio.Semaphore(0), asyncio.Event()

    async def talk(upstream: Peer) -> None:
        upstream.writer.write(_UNFINISHED)
        await upstream.send(PING, b"there")
        if (await upstream.next()).opcode != PONG:
            return  # there was no room
        held.release()
        await go_on.wait()
        if (then := _THEN[how]) is not None:
            upstream.writer.write(then)
            await upstream.next()

    async with (
        running(accepting(talk), contexts, [socket_route()], budget=budget) as rig,
        connected(rig) as one,
        connected(rig) as two,
    ):
        async with asyncio.timeout(10):
            await held.acquire()
            await held.acquire()
        async with connected(rig) as three:
            assert (await three.closed()).code == 1013
        await rig.audit.changed.wait()
        assert rig.audit.outcomes[0].reason == "overloaded"
        if how == "is given up":
            one.writer.transport.abort()
            two.writer.transport.abort()
        go_on.set()
        if how == "goes on":
            for peer in (one, two):
                assert (await peer.next()).text == '{"text":"' + "x" * _HELD + '"}'
                await peer.send(CLOSE, closing(1000))
        await rig.settled(3)
        budget.move(10_000)  # all of it was given back


async def test_P38_a_message_of_exactly_the_limit_passes(contexts: Contexts) -> None:
    text = '"' + "x " * 2047 + '"'
    async with running(accepting(echo), contexts, [socket_route()]) as rig, connected(rig) as peer:
        await peer.say(text)
        assert await peer.heard() == text


async def test_P30_no_compression_is_agreed_to_with_either_side(contexts: Contexts) -> None:
    """So a bomb is a breach of the protocol, and is not unpacked by a single byte."""
    bomb = deflated(b'"' + bytes(10 << 20) + b'"')
    async with running(accepting(echo), contexts, [socket_route(WebsocketRules())]) as rig:
        client = await rig.connect()
        head, peer = await opened(client, "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits")
        assert b"extensions" not in head.lower()
        assert not rig.upstream.requests[0].values(b"sec-websocket-extensions")
        peer.writer.write(frame(TEXT, bomb, FIN | RSV1, masked=True))
        assert (await peer.next()).code == 1002
        await client.close()


async def test_P38_pings_are_answered_on_their_own_side(contexts: Contexts) -> None:
    heard: list[Frame] = []

    async def talk(peer: Peer) -> None:
        await peer.send(PING, CANARY.encode())
        heard.append(await peer.next())
        await echo(peer)

    async with running(accepting(talk), contexts, [socket_route()]) as rig, connected(rig) as peer:
        await peer.send(PING, b"there?")
        assert await peer.next() == Frame(PONG, b"there?")
        await peer.send(PONG, b"unasked")
        await peer.say(said("x"))
        assert await peer.heard() == said("x")
    assert heard == [Frame(PONG, CANARY.encode())]


# --- the handshake ----------------------------------------------------------------------------------------------------


async def test_P38_subprotocol_is_the_one_the_upstream_chose(contexts: Contexts) -> None:
    handler = accepting(echo, "Sec-WebSocket-Protocol: chat.v2")
    async with running(handler, contexts, [socket_route()]) as rig:
        client = await rig.connect()
        head, _ = await opened(client, "Sec-WebSocket-Protocol: chat.v1, chat.v2")
        assert b"\r\nsec-websocket-protocol: chat.v2\r\n" in head.lower()
        offered = b", ".join(rig.upstream.requests[0].values(b"sec-websocket-protocol"))
        assert [one.strip() for one in offered.split(b",")] == [b"chat.v1", b"chat.v2"]
        await client.close()


async def test_P38_no_subprotocol_where_the_upstream_chose_none(contexts: Contexts) -> None:
    async with running(accepting(echo), contexts, [socket_route()]) as rig:
        client = await rig.connect()
        head, _ = await opened(client, "Sec-WebSocket-Protocol: chat.v1")
        assert b"sec-websocket-protocol" not in head.lower()
        await client.close()


NOT_OFFERED = ("Sec-WebSocket-Protocol: chat.v3", "Sec-WebSocket-Extensions: permessage-deflate")


@pytest.mark.parametrize("line", NOT_OFFERED)
async def test_P38_an_upstream_that_chooses_what_was_not_offered_is_refused(line: str, contexts: Contexts) -> None:
    async with running(accepting(echo, line), contexts, [socket_route()]) as rig:
        assert (await rig.send(handshake("Sec-WebSocket-Protocol: chat.v1"))).status == 502
        assert (await rig.outcome()).reason == "upstream_bad_response"


REFUSING = {
    "denies": b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno",
    "answers": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "redirects": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/ws\r\nContent-Length: 0\r\n\r\n",
    "wrong accept": b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n",
    "no protocol": b"HTTP/1.1 101 X\r\n\r\n",
    "splits": b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nX-A: a\x00b\r\nConnection: Upgrade\r\n\r\n",
    "hangs up": b"",
}


@pytest.mark.parametrize("how", REFUSING)
async def test_P19_P46_an_upstream_that_does_not_switch_is_no_connection(how: str, contexts: Contexts) -> None:
    async with running(raw(REFUSING[how], then_close=True), contexts, [socket_route()]) as rig:
        assert (await rig.send(handshake())).status == 502
        assert rig.upstream.connections == (2 if how == "hangs up" else 1)  # P46: once more, as it had no body
        assert (await rig.outcome()).decision == "failed"


async def test_P21_X1_the_upstreams_handshake(contexts: Contexts) -> None:
    async with running(accepting(echo), contexts, [socket_route()]) as rig:
        lines = (
            "Origin: https://sidecar.example",
            "Cookie: a=b; c=d",
            "X-Forwarded-For: 6.6.6.6",
            "Sec_WebSocket_Extensions: permessage-deflate",
        )
        client = await rig.connect()
        await opened(client, *lines, target="/ws/a%2Fb?x=%27&sid=1")
        (received,) = rig.upstream.requests
        assert received.target == b"/ws/a%2Fb?x=%27&sid=1"
        port = rig.upstream._server.sockets[0].getsockname()[1]
        assert received.values(b"host") == [f"127.0.0.1:{port}".encode()]
        assert received.values(b"origin") == [f"http://127.0.0.1:{port}".encode()]
        assert received.values(b"cookie") == [b"a=b; c=d"]
        assert received.values(b"x-forwarded-for") == [b"127.0.0.1"]
        assert received.values(b"authorization") == []
        assert received.values(b"sec-websocket-version") == [b"13"]
        assert not [name for name, _ in received.fields if b"extensions" in name]
        await client.close()


async def test_X1_host_may_be_kept(contexts: Contexts) -> None:
    async with (
        running(accepting(echo), contexts, [socket_route(host=HostPolicy.KEEP)]) as rig,
        connected(rig, "Origin: https://sidecar.example"),
    ):
        (received,) = rig.upstream.requests
        assert received.values(b"host") == [b"sidecar.example"]
        assert received.values(b"origin") == [b"https://sidecar.example"]


@pytest.mark.parametrize(
    ("origins", "allowed", "status"),
    [
        (["https://evil.example"], (), 403),
        (["null"], (), 403),
        (["http://sidecar.example"], (), 403),
        (["https://sidecar.example.evil.example"], (), 403),
        (["https://sidecar.example", "https://evil.example"], (), 403),
        (["https://tool.example"], ("https://tool.example",), 101),
        (["https://sidecar.example"], (), 101),
        ([], (), 101),
    ],
)
async def test_a_foreign_page_can_not_open_a_connection_with_its_visitors_certificate(
    origins: list[str], allowed: tuple[str, ...], status: int, contexts: Contexts
) -> None:
    rules = replace(JSON_RULES, origins=frozenset(allowed))
    async with running(accepting(echo), contexts, [socket_route(rules)]) as rig:
        client = await rig.connect()
        client.writer.write(handshake(*(f"Origin: {one}" for one in origins)))
        assert (await client.reader.readline()).split()[1] == str(status).encode()
        assert len(rig.upstream.requests) == (status == 101)
        await client.close()
        await rig.settled(1)
        assert rig.audit.outcomes[0].reason == ("origin" if status == 403 else "client_gone")


async def test_cookies_of_the_upstreams_handshake_arrive_and_nothing_else(contexts: Contexts) -> None:
    handler = accepting(echo, "Set-Cookie: a=1; Path=/", "Set-Cookie: b=2", f"X-User: {CANARY}", "Server: leaky/1")
    async with running(handler, contexts, [socket_route()]) as rig:
        client = await rig.connect()
        head, _ = await opened(client)
        assert head.count(b"Set-Cookie: ") == 2
        assert CANARY.encode() not in head
        assert b"leaky" not in head
        assert b"X-Exchange-Id: " in head
        await client.close()


BAD_HANDSHAKES = {
    "another protocol": (handshake().replace(b"Upgrade: websocket", b"Upgrade: h2c"), 501),
    "no Connection": (handshake().replace(b"Connection: Upgrade\r\n", b""), 400),
    "version 12": (handshake().replace(b"Version: 13", b"Version: 12"), 400),
    "short key": (handshake().replace(b"Key: AAEC", b"Key: "), 400),
    "no key": (handshake().replace(b"Sec-WebSocket-Key", b"X-Key"), 400),
    "two keys": (handshake("Sec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw=="), 400),
    "two versions": (handshake("Sec-WebSocket-Version: 8"), 400),
    "a subprotocol that is no token": (handshake(f"Sec-WebSocket-Protocol: chat.v1, {CANARY}"), 400),
    "a subprotocol twice": (handshake("Sec-WebSocket-Protocol: chat.v1, chat.v2, chat.v1"), 400),
    "two expectations": (handshake("Expect: 100-continue", f"Expect: {CANARY}"), 417),
    "HTTP/1.0": (handshake().replace(b"HTTP/1.1", b"HTTP/1.0"), 400),
    "a body": (handshake("Content-Length: 2") + b"{}", 400),
    "POST": (handshake().replace(b"GET", b"POST"), 501),
    "no identity": (handshake().replace(TOKEN.encode(), b"x"), 401),
    "no role": (handshake().replace(TOKEN.encode(), AUDITOR_TOKEN.encode()), 403),
    "a route without": (handshake(target="/api/chat"), 501),
    "no route": (handshake(target="/elsewhere"), 404),
}


@pytest.mark.parametrize("how", BAD_HANDSHAKES)
async def test_P14_P58_handshakes_that_are_refused(how: str, contexts: Contexts) -> None:
    data, status = BAD_HANDSHAKES[how]
    async with running(accepting(echo), contexts, [socket_route(), route()]) as rig:
        assert (await rig.send(data)).status == status
        await rig.settled(1)
        assert rig.audit.outcomes[0].messages is None
        assert rig.upstream.requests == []


async def test_P58_no_connection_without_an_intent(contexts: Contexts) -> None:
    async with running(accepting(echo), contexts, [socket_route()]) as rig:
        rig.audit.full = True
        assert (await rig.send(handshake())).status == 503
        assert rig.upstream.requests == []


async def test_personal_data_in_the_target_is_refused_before_the_upstream_is_asked(contexts: Contexts) -> None:
    routes = [socket_route(target_policy=TargetPolicy.REFUSE)]
    async with running(accepting(echo), contexts, routes) as rig:
        assert (await rig.send(handshake(target=f"/ws/chat?user={CANARY}"))).status == 422
        assert rig.upstream.requests == []
        async with connected(rig, target="/ws/chat?sid=1") as peer:
            await peer.say(said("x"))
            assert await peer.heard() == said("x")


async def test_P10_what_is_sent_behind_a_declined_upgrade_is_not_executed(contexts: Contexts) -> None:
    """Whoever sent it took it for frames of a WebSocket."""
    refusing = raw(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
    async with running(refusing, contexts, [socket_route(), route()]) as rig:
        client = await rig.connect()
        client.writer.write(handshake() + request("GET", "/api/x"))
        async with asyncio.timeout(10):
            got = await client.reader.read()
        assert got.startswith(b"HTTP/1.1 502 ")
        assert got.count(b"HTTP/1.1 ") == 1
        await rig.settled(1)
        assert len(rig.upstream.requests) == 1
        await client.close()


PLAIN_TEXT = "Content-Type: text/plain; charset=UTF-8"


async def test_X3_polling_is_read_as_what_it_is_whatever_it_is_called(contexts: Contexts) -> None:
    polled = f'42["say",{{"n":1.0,"t":"{CANARY}"}}]\x1e2'.encode()
    routes = [socket_route(WebsocketRules(MessageKind.SOCKETIO), body=BodyMode.SOCKETIO)]
    async with running(answering(polled, (PLAIN_TEXT,)), contexts, routes) as rig:
        got = await rig.get("/ws/socket.io/?EIO=4&transport=polling&sid=1")
        assert got.body == polled.replace(CANARY.encode(), b"[EMAIL_1]")
        assert got.values("Content-Type") == ["text/plain; charset=utf-8"]
        sent = await rig.post(polled, PLAIN_TEXT.replace("UTF-8", "utf-8"), target="/ws/socket.io/?transport=polling")
        assert sent.status == 200
        assert rig.upstream.requests[1].body == polled.replace(CANARY.encode(), b"[EMAIL_1]")
        assert (await rig.post(f"hello {CANARY}".encode(), PLAIN_TEXT, target="/ws/socket.io/")).status == 400
        assert len(rig.upstream.requests) == 2


@pytest.mark.parametrize("body", [f"hello {CANARY}", f"b{CANARY}", f'["{CANARY}"]', f'96:42["{CANARY}"]'])
async def test_X3_polling_that_is_none_is_refused(body: str, contexts: Contexts) -> None:
    routes = [socket_route(WebsocketRules(MessageKind.SOCKETIO), body=BodyMode.SOCKETIO)]
    async with running(answering(body.encode(), (PLAIN_TEXT,)), contexts, routes) as rig:
        assert (await rig.get("/ws/socket.io/")).status == 502


async def test_other_requests_on_the_same_path_go_on_as_before(contexts: Contexts) -> None:
    async with running(answering(said(CANARY).encode()), contexts, [socket_route()]) as rig:
        assert (await rig.get("/ws/chat")).body == said("[EMAIL_1]").encode()


# --- how it ends ------------------------------------------------------------------------------------------------------

CLOSES = [(1000, ""), (1001, "bye"), (1011, ""), (3000, "mine"), (4999, "ü" * 61)]


@pytest.mark.parametrize(("code", "reason"), CLOSES)
async def test_P38_a_clients_close_reaches_the_upstream(code: int, reason: str, contexts: Contexts) -> None:
    heard: list[Frame] = []

    async def talk(peer: Peer) -> None:
        heard.append(await peer.next())
        await peer.send(CLOSE, heard[0].payload)

    async with running(accepting(talk), contexts, [socket_route()]) as rig, connected(rig) as peer:
        await peer.send(CLOSE, closing(code, reason))
        got = await peer.next()
        assert (got.code, got.reason) == (code, reason)
        assert await peer.lost()
        assert (await rig.outcome()).decision == "completed"
    assert [(one.code, one.reason) for one in heard] == [(code, reason)]


@pytest.mark.parametrize(("code", "reason"), CLOSES)
async def test_P38_an_upstreams_close_reaches_the_client(code: int, reason: str, contexts: Contexts) -> None:
    async def talk(peer: Peer) -> None:
        await peer.say(said("last words"))
        await peer.send(CLOSE, closing(code, reason))
        await peer.next()

    async with running(accepting(talk), contexts, [socket_route()]) as rig, connected(rig) as peer:
        assert await peer.heard() == said("last words")
        got = await peer.closed()
        assert (got.code, got.reason) == (code, reason)
        outcome = await rig.outcome()
        assert (outcome.decision, outcome.messages) == ("completed", 1)


async def test_P38_a_close_without_a_code_is_a_normal_one(contexts: Contexts) -> None:
    async with running(accepting(echo), contexts, [socket_route()]) as rig, connected(rig) as peer:
        await peer.send(CLOSE)
        assert (await peer.next()).code == 1000


async def test_P38_reasons_are_scanned(contexts: Contexts) -> None:
    async def talk(peer: Peer) -> None:
        await peer.send(CLOSE, closing(4000, f"{CANARY} left" + "x" * 80))
        await peer.next()

    async with running(accepting(talk), contexts, [socket_route()]) as rig, connected(rig) as peer:
        got = await peer.closed()
        assert (got.code, got.reason) == (4000, "[EMAIL_1] left" + "x" * 80)


async def test_P38_reasons_that_can_not_be_scanned_are_left_out(contexts: Contexts) -> None:
    async def talk(peer: Peer) -> None:
        await peer.send(CLOSE, closing(4000, CANARY))
        await peer.next()

    async with running(accepting(talk), contexts, [socket_route()]) as rig:

        async def fail() -> None:
            raise DetectionFailed(DetectionFault.CRASHED)

        rig.rewriter.before = fail
        async with connected(rig) as peer:
            got = await peer.closed()
            assert (got.code, got.reason) == (4000, "")


async def test_P46_an_upstream_that_vanishes_is_no_clean_end(contexts: Contexts) -> None:
    async def talk(peer: Peer) -> None:
        await peer.say(said("half"))

    async with running(accepting(talk), contexts, [socket_route()]) as rig, connected(rig) as peer:
        assert await peer.heard() == said("half")
        assert await peer.lost()
        outcome = await rig.outcome()
        assert (outcome.decision, outcome.reason) == ("aborted", "upstream_closed_early")


@pytest.mark.parametrize("polite", [True, False])
async def test_P44_P58_a_client_that_vanishes_ends_the_upstreams_side_within_a_second(
    polite: bool, contexts: Contexts
) -> None:
    async with running(accepting(echo), contexts, [socket_route()]) as rig:
        async with connected(rig) as peer:
            await peer.say(said("x"))
            assert await peer.heard() == said("x")
            if polite:
                peer.writer.close()
        async with asyncio.timeout(1):
            await rig.upstream.requests[0].ended.wait()
        outcome = await rig.outcome()
        assert (outcome.decision, outcome.reason, outcome.messages) == ("aborted", "client_gone", 2)


async def test_P44_a_client_that_vanishes_while_its_message_is_read(contexts: Contexts) -> None:
    async with running(accepting(echo), contexts, [socket_route()]) as rig:
        reading = asyncio.Event()

        async def hang() -> None:
            reading.set()
            await asyncio.sleep(60)

        rig.rewriter.before = hang
        async with connected(rig) as peer:
            await peer.say(said("x"))
            await reading.wait()
        async with asyncio.timeout(1):
            await rig.upstream.requests[0].ended.wait()
        assert (await rig.outcome()).decision == "aborted"


async def test_P44_a_client_that_vanishes_during_the_handshake(contexts: Contexts) -> None:
    async def never(*_: object) -> None:
        await asyncio.sleep(60)

    async with running(never, contexts, [socket_route()]) as rig:
        client = await rig.connect()
        client.writer.write(handshake())
        await rig.upstream.arrived()
        await client.close()
        await rig.settled(1)


async def test_an_upstream_that_never_agrees_is_given_up(contexts: Contexts) -> None:
    async def never(*_: object) -> None:
        await asyncio.sleep(60)

    limits = Limits(exchange_seconds=0.3)
    async with running(never, contexts, [socket_route(limits=limits)]) as rig:
        assert (await rig.send(handshake())).status == 504


async def test_P45_a_client_that_does_not_read_holds_the_upstream_back_and_is_cut(contexts: Contexts) -> None:
    sent = 0

    async def talk(peer: Peer) -> None:
        nonlocal sent
        while True:
            await peer.say('"' + "x " * 30_000 + '"')
            sent += 60_000

    limits = Limits(client_stall_seconds=1.0)
    rules = WebsocketRules()
    async with running(accepting(talk), contexts, [socket_route(rules, limits=limits)]) as rig:
        client = await rig.connect()
        _, peer = await opened(client)
        peer.reader._transport.pause_reading()  # type: ignore[attr-defined]
        while not rig.audit.outcomes:
            assert rig.unsent_bytes() < 1 << 20
            await asyncio.sleep(0.02)
        assert (await rig.outcome()).reason == "client_gone"
        assert sent < 32 << 20  # kernel buffers of two connections; without back-pressure it is gigabytes
        await client.close()


async def test_P48_messages_of_many_never_mix(contexts: Contexts) -> None:
    async with running(accepting(echo), contexts, [socket_route()]) as rig:

        async def one(number: int) -> None:
            async with connected(rig, target=f"/ws/{number}") as peer:
                for turn in range(5):
                    await peer.say(said(f"{number}:{turn}"))
                    assert await peer.heard() == said(f"{number}:{turn}")
                await peer.send(CLOSE, closing(1000))
                await peer.next()

        await asyncio.gather(*(one(number) for number in range(60)))
        await rig.settled(60)
        assert {outcome.messages for outcome in rig.audit.outcomes} == {10}


async def test_open_connections_do_not_count_as_exchanges_under_way(contexts: Contexts) -> None:
    async with (
        running(accepting(echo), contexts, [socket_route()], max_inflight=1) as rig,
        connected(rig),
        connected(rig) as peer,
    ):
        await peer.say(said("x"))
        assert await peer.heard() == said("x")


async def test_P49_stopping_says_goodbye_to_both_sides_within_the_grace(contexts: Contexts) -> None:
    heard: list[Frame] = []

    async def talk(peer: Peer) -> None:
        heard.append(await peer.next())
        await peer.send(CLOSE, heard[0].payload)

    settings = ListenerSettings("127.0.0.1", 0, drain_delay_seconds=0.3, drain_seconds=20)
    async with running(accepting(talk), contexts, [socket_route()], settings=settings) as rig, connected(rig) as peer:
        stopping = asyncio.ensure_future(rig.listener.stop())
        await asyncio.sleep(0.1)
        assert not stopping.done()  # still within the delay: nothing was said yet
        got = await peer.next()
        assert (got.opcode, got.code) == (CLOSE, 1001)
        await peer.send(CLOSE, got.payload)
        async with asyncio.timeout(5):
            await stopping
        outcome = await rig.outcome()
        assert (outcome.decision, outcome.reason) == ("aborted", "stopping")
    assert [(one.opcode, one.code) for one in heard] == [(CLOSE, 1001)]


async def test_P49_a_client_that_does_not_answer_the_goodbye_does_not_hold_up_the_end(contexts: Contexts) -> None:
    settings = ListenerSettings("127.0.0.1", 0, drain_delay_seconds=0, drain_seconds=20)
    async with running(accepting(echo), contexts, [socket_route()], settings=settings) as rig, connected(rig):
        async with asyncio.timeout(10):
            await rig.listener.stop()
        await rig.settled(1)


@pytest.mark.parametrize("changes", [{"websocket": WebsocketRules()}, {"body": BodyMode.SOCKETIO}])
def test_P34_a_route_must_say_which_texts_come_in_pieces(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="come in pieces"):
        RouteTable([route("sockets", "/ws", **changes)])
    RouteTable([route("sockets", "/ws", fields=FieldMap(deltas=()), **changes)])
