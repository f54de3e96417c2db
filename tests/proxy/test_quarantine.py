"""Routes whose upstream went back in time refuse until everybody is erased again (E39)."""

from __future__ import annotations

import asyncio
import ssl

import pytest

from sidecar.payloads.field_map import FieldMap
from sidecar.proxy.routes import BodyMode, WebsocketRules
from tests.proxy import rewriting
from tests.proxy.frames import CLOSE, Peer, accepting, closing, connected, echo, said
from tests.proxy.rig import Client, MemoryAudit, Received, answering, request, route, running

Contexts = tuple[ssl.SSLContext, ssl.SSLContext]
SOCKETS = route("sockets", "/ws", websocket=WebsocketRules(), fields=FieldMap(deltas=()))


async def test_E39_a_closed_upstream_is_not_asked_and_that_is_counted_and_recorded(contexts: Contexts) -> None:
    closed: set[str] = {"chatbot"}
    async with running(answering(), contexts, closed_upstreams=closed) as rig:
        refused = await rig.get()
        assert refused.status == 503
        assert refused.values("Retry-After")
        assert rig.upstream.requests == []
        outcome = await rig.outcome()
        assert (outcome.decision, outcome.reason, outcome.status) == ("refused", "quarantined", 503)
        assert rig.metrics.registry.get_sample_value("sidecar_refusals_total", {"reason": "quarantined"}) == 1
        closed.clear()
        assert (await rig.get()).status == 200


async def test_E39_another_upstream_that_is_closed_changes_nothing(contexts: Contexts) -> None:
    async with running(answering(), contexts, closed_upstreams={"archive"}) as rig:
        assert (await rig.get()).status == 200


async def test_E39_an_answer_that_was_under_way_is_not_shown(contexts: Contexts) -> None:
    closed: set[str] = set()

    async def close_meanwhile(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        closed.add("chatbot")
        await answering()(received, reader, writer)

    async with running(close_meanwhile, contexts, closed_upstreams=closed) as rig:
        assert (await rig.get()).status == 503
        assert (await rig.outcome()).reason == "quarantined"


async def test_E39_a_websocket_that_is_open_ends_at_the_next_message(contexts: Contexts) -> None:
    closed: set[str] = set()

    async def talk(peer: Peer) -> None:
        await echo(peer)

    async with running(accepting(talk), contexts, [SOCKETS], closed_upstreams=closed) as rig, connected(rig) as peer:
        await peer.say(said("hello"))
        assert await peer.heard() == said("hello")
        closed.add("chatbot")
        await peer.say(said("hello"))
        assert (await peer.next()).code == 1013
        assert (await rig.outcome()).reason == "quarantined"


@pytest.mark.parametrize("kind", ["events", "opaque"])
async def test_E39_a_stream_that_is_under_way_is_not_shown_any_further(kind: str, contexts: Contexts) -> None:
    closed: set[str] = set()
    shown = asyncio.Event()

    async def stream(_: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
        writer.write(b'data: {"n":1}\n\n')
        await shown.wait()
        closed.add("chatbot")
        writer.write(b'data: {"n":2}\n\n')
        await reader.read()  # until the sidecar hangs up
        raise EOFError

    body = BodyMode.SSE if kind == "events" else BodyMode.OPAQUE
    routes = [route("streams", "/api", body=body, fields=FieldMap(deltas=()))]
    audit = MemoryAudit()
    async with running(
        stream, contexts, routes, closed_upstreams=closed, real=lambda _: (audit, rewriting.Parts().rewriter)
    ) as rig:
        client = await rig.connect()
        client.writer.write(request("GET", "/api/stream"))
        async with asyncio.timeout(10):
            await client.reader.readuntil(b'{"n":1}')
        shown.set()
        rest = await _until_cut(client)
        assert b'"n":2' not in rest
        await audit.changed.wait()
        assert (audit.outcomes[0].decision, audit.outcomes[0].reason) == ("aborted", "quarantined")
        await client.close()


async def _until_cut(client: Client) -> bytes:
    """Return what still comes before the connection is cut, so that nobody takes it for the end."""
    rest = b""
    async with asyncio.timeout(10):
        try:
            while some := await client.reader.read(100):
                rest += some
        except ConnectionError:
            return rest
    raise AssertionError("it ended as if it were whole")


async def test_E39_a_message_that_is_read_meanwhile_is_not_shown(contexts: Contexts) -> None:
    closed: set[str] = set()

    async def talk(peer: Peer) -> None:
        await peer.say(said("who is back"))
        await peer.closed()

    async def close_meanwhile() -> None:
        closed.add("chatbot")

    async with running(accepting(talk), contexts, [SOCKETS], closed_upstreams=closed) as rig:
        rig.rewriter.before = close_meanwhile
        async with connected(rig) as peer:
            assert (await peer.closed()).code == 1013
        assert (await rig.outcome()).reason == "quarantined"


async def test_E39_the_words_of_a_close_are_not_shown_either(contexts: Contexts) -> None:
    closed: set[str] = set()

    async def talk(peer: Peer) -> None:
        await peer.heard()
        closed.add("chatbot")
        await peer.send(CLOSE, closing(4000, "who is back"))
        await peer.next()

    async with running(accepting(talk), contexts, [SOCKETS], closed_upstreams=closed) as rig, connected(rig) as peer:
        await peer.say(said("hello"))
        got = await peer.closed()
        assert (got.code, got.reason) == (4000, "")
