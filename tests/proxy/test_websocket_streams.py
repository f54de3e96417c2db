"""P34, X4: texts that come in pieces over the messages of a WebSocket, through the real redaction."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import pytest

from sidecar.audit.record import AuditWriter, Outcome
from sidecar.metrics import Metrics
from sidecar.payloads.presets import load_preset
from sidecar.proxy.body_budget import BodyBudget
from sidecar.proxy.rewriter import Rewriter
from sidecar.proxy.routes import BodyMode, MessageKind, RequestPolicy, WebsocketRules
from tests.proxy import rewriting
from tests.proxy.frames import CLOSE, PING, Peer, accepting, closing, connected, echo
from tests.proxy.rig import MemoryAudit, answering, route, running

Contexts = tuple[ssl.SSLContext, ssl.SSLContext]
SAMPLE = Path(__file__).parents[1] / "payloads" / "samples" / "chainlit-socketio.txt"
FRAMES = SAMPLE.read_text(encoding="utf-8").splitlines()
EMAIL = "ottilie@brandvold.example"
CHAINLIT = load_preset("chainlit-socketio")
SOCKETIO = WebsocketRules(MessageKind.SOCKETIO)
LIVE = route("live", "/ws/socket.io", body=BodyMode.SOCKETIO, websocket=SOCKETIO, fields=CHAINLIT)
TARGET = "/ws/socket.io/?EIO=4&transport=websocket"


def real(audits: list[MemoryAudit]) -> Callable[[Metrics], tuple[AuditWriter, Rewriter]]:
    def make(_: Metrics) -> tuple[AuditWriter, Rewriter]:
        audits.append(MemoryAudit())
        return audits[0], rewriting.Parts().rewriter

    return make


async def passed(frames: Sequence[str], contexts: Contexts) -> tuple[list[str], Outcome]:
    """Return what a client gets of an upstream's messages, and how it was recorded."""

    async def talk(peer: Peer) -> None:
        for one in frames:
            await peer.say(one)
        await peer.send(CLOSE, closing(1000))
        await peer.next()

    audits: list[MemoryAudit] = []
    got = []
    async with running(accepting(talk), contexts, [LIVE], real=real(audits)) as rig:
        async with connected(rig, target=TARGET) as peer:
            while (frame := await peer.next()).opcode != CLOSE:
                got.append(frame.text)
            await peer.send(CLOSE, frame.payload)
        while not audits[0].outcomes:
            await audits[0].changed.wait()
    return got, audits[0].outcomes[0]


def tokens(frames: Sequence[str]) -> str:
    """What a client shows of the streamed answer."""
    text = ""
    for frame in frames:
        name, *rest = json.loads(frame[2:]) if frame.startswith("42") else (None,)
        if name == "stream_start":
            text = cast(str, rest[0]["output"])
        elif name == "stream_token":
            text += rest[0]["token"]
    return text


async def test_P34_X4_an_address_over_many_tokens_is_redacted_and_all_else_is_as_it_was(contexts: Contexts) -> None:
    got, outcome = await passed(FRAMES, contexts)
    assert EMAIL not in tokens(got)
    assert tokens(got) == "Hello Ottilie Brandvold, your mail is [EMAIL_1]."
    assert [one for one in got if not one.startswith("2")] == [
        one.replace("ottilie@", "[EMAIL_1]").replace('"brandvold.example."', '"."')
        if "stream_token" in one
        else one.replace(EMAIL, "[EMAIL_1]")
        for one in FRAMES
        if not one.startswith("2")
    ]
    assert outcome.messages == len(FRAMES)
    assert outcome.entities["EMAIL"] == 2


async def test_X4_a_ping_of_engine_io_waits_for_no_text_that_is_held_back(contexts: Contexts) -> None:
    got, _ = await passed(FRAMES, contexts)
    assert sorted(got[:5]) == sorted([*FRAMES[:4], "2"])


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 13, 40])
async def test_P34_however_the_answer_is_cut_it_comes_out_the_same(size: int, contexts: Contexts) -> None:
    text = f"Hello there, your mail is {EMAIL} and your card 4929 1234 5678 9014 is fine. " + "We will write. " * 20
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    start, end = FRAMES[4].replace("Hello ", pieces[0]), FRAMES[-2]
    events = [json.dumps(["stream_token", {"id": "m-2", "token": piece}]) for piece in pieces[1:]]
    got, _ = await passed([start, *(f"42{event}" for event in events), end], contexts)
    expected = text.replace(EMAIL, "[EMAIL_1]").replace("4929 1234 5678 9014", "[CREDIT_CARD_1]")
    assert tokens(got) == expected
    assert len(got) == len(pieces) + 1


async def test_P34_what_is_held_back_is_passed_on_before_the_close(contexts: Contexts) -> None:
    got, _ = await passed(FRAMES[4:7], contexts)
    assert tokens(got) == "Hello Ottilie "


async def test_X4_what_clients_say_is_redacted_too_and_may_be_refused(contexts: Contexts) -> None:
    said = '42["client_message",{"message":{"threadId":"","id":"m-1","type":"user_message","output":"%s"}}]'
    audits: list[MemoryAudit] = []
    async with (
        running(accepting(echo), contexts, [LIVE], real=real(audits)) as rig,
        connected(rig, target=TARGET) as peer,
    ):
        await peer.say(said % f"I am {EMAIL}")
        assert await peer.heard() == said % "I am [EMAIL_1]"
    strict = route("live", "/ws", websocket=SOCKETIO, fields=CHAINLIT, request_policy=RequestPolicy.REFUSE)
    async with (
        running(accepting(echo), contexts, [strict], real=real([])) as rig,
        connected(rig, target=TARGET) as peer,
    ):
        await peer.say(said % "nobody")
        assert await peer.heard() == said % "nobody"
        await peer.say(said % EMAIL)
        assert (await peer.closed()).code == 1008


async def test_X4_an_upstream_that_vanishes_takes_with_it_what_was_held_back(contexts: Contexts) -> None:
    async def talk(peer: Peer) -> None:
        for one in FRAMES[:7]:
            await peer.say(one)
        await asyncio.sleep(0.1)

    got = []
    async with (
        running(accepting(talk), contexts, [LIVE], real=real([])) as rig,
        connected(rig, target=TARGET) as peer,
    ):
        for _ in range(4):
            got.append(await peer.heard())
        assert await peer.lost()
    assert got == FRAMES[:4]


async def test_X4_polling_can_not_be_held_back_so_pieces_are_emptied(contexts: Contexts) -> None:
    """An answer to a poll ends; what is held back in it would never come."""
    body = "\x1e".join(FRAMES[4:]).encode()
    async with running(answering(body, ("Content-Type: text/plain",)), contexts, [LIVE], real=real([])) as rig:
        got = (await rig.get("/ws/socket.io/?EIO=4&transport=polling")).body.decode().split("\x1e")
    assert len(got) == len(FRAMES[4:])
    assert not tokens(got)
    assert got[-2] == FRAMES[-2].replace(EMAIL, "[EMAIL_1]")


async def test_E39_what_was_held_back_is_not_shown_once_its_upstream_is_closed_off(contexts: Contexts) -> None:
    closed: set[str] = set()
    start, *rest = (frame for frame in FRAMES if "stream_start" in frame or "stream_token" in frame)

    async def talk(peer: Peer) -> None:
        await peer.say(start)
        await peer.say(rest[0])
        await peer.send(PING)
        await peer.next()  # by then both were read
        closed.add("chatbot")
        await peer.send(CLOSE, closing(1000))
        await peer.next()

    audits: list[MemoryAudit] = []
    routes = [LIVE]
    async with (
        running(accepting(talk), contexts, routes, real=real(audits), closed_upstreams=closed) as rig,
        connected(rig, target=TARGET) as peer,
    ):
        got = [await peer.next()]
        while got[-1].opcode != CLOSE:
            got.append(await peer.next())
    assert not any("stream_token" in one.payload.decode() for one in got[:-1])
    assert got[-1].code == 1013
    while not audits[0].outcomes:
        await audits[0].changed.wait()
    assert audits[0].outcomes[0].reason == "quarantined"


async def test_P45_what_waits_behind_a_text_that_is_held_back_is_in_the_budget(contexts: Contexts) -> None:
    start, token = [frame for frame in FRAMES if "stream_start" in frame or "stream_token" in frame][:2]

    async def talk(peer: Peer) -> None:
        await peer.say(start)
        await peer.say(token)
        for _ in range(10):
            await peer.say('42["note",{"n":"' + "x " * 2500 + '"}]')
        await peer.next()

    audits: list[MemoryAudit] = []
    budget = BodyBudget(20_000, Metrics())
    async with (
        running(accepting(talk), contexts, [LIVE], real=real(audits), budget=budget) as rig,
        connected(rig, target=TARGET) as peer,
    ):
        while (got := await peer.next()).opcode != CLOSE:
            pass
        assert got.code == 1013
        await peer.send(CLOSE, got.payload)
        await audits[0].changed.wait()
    assert audits[0].outcomes[0].reason == "overloaded"
    budget.move(20_000)  # all of it was given back


async def test_X4_a_text_that_says_itself_again_at_each_turn_ends_the_connection(contexts: Contexts) -> None:
    start = FRAMES[4].replace("Hello ", "Your mail is ottilie@bran")
    again = json.dumps(["stream_token", {"id": "m-2", "token": f"Your mail is {EMAIL}", "isSequence": True}])
    got, outcome = await passed([start, f"42{again}", FRAMES[-2]], contexts)
    assert "ottilie" not in "".join(got)
    assert outcome.reason == "not_parseable"


async def test_P34_X4_what_goes_into_a_step_grows_beside_what_comes_out_of_it(contexts: Contexts) -> None:
    start = FRAMES[4].replace('"input":""', '"input":"ottilie@"').replace('"Hello "', '""')
    pieces = [("brand", True), ("Ask ottilie@", False), ("vold.example", True), ("brandvold.example.", False)]
    events = [["stream_token", {"id": "m-2", "token": text, "isInput": is_input}] for text, is_input in pieces]
    got, _ = await passed([start, *(f"42{json.dumps(event)}" for event in events), FRAMES[-2]], contexts)
    (_, first), *rest = (json.loads(one[2:]) for one in got[:-1])
    assert first["input"] + "".join(one["token"] for _, one in rest if one["isInput"]) == "[EMAIL_1]"
    assert "".join(one["token"] for _, one in rest if not one["isInput"]) == "Ask [EMAIL_1]."
