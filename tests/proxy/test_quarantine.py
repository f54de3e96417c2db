"""Routes whose upstream went back in time refuse until everybody is erased again (E39)."""

from __future__ import annotations

import asyncio
import ssl

from sidecar.payloads.field_map import FieldMap
from sidecar.proxy.routes import WebsocketRules
from tests.proxy.frames import Peer, accepting, connected, echo, said
from tests.proxy.rig import Received, answering, route, running

Contexts = tuple[ssl.SSLContext, ssl.SSLContext]


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

    sockets = route("sockets", "/ws", websocket=WebsocketRules(), fields=FieldMap(deltas=()))
    async with running(accepting(talk), contexts, [sockets], closed_upstreams=closed) as rig, connected(rig) as peer:
        await peer.say(said("hello"))
        assert await peer.heard() == said("hello")
        closed.add("chatbot")
        await peer.say(said("hello"))
        assert (await peer.next()).code == 1013
        assert (await rig.outcome()).reason == "quarantined"
