"""A question and its answer in messages of their own are read together, on a WebSocket and in a stream (D2)."""

from __future__ import annotations

import json
import ssl
from typing import Any

from sidecar.audit.record import AuditWriter
from sidecar.detection.recognizer import Turn
from sidecar.keys import Purpose
from sidecar.metrics import Metrics
from sidecar.payloads.field_map_reader import parse_field_map
from sidecar.payloads.json_body import JsonBody
from sidecar.payloads.selection import CONTEXT_TURNS
from sidecar.payloads.sse import SseStream
from sidecar.proxy.earlier_turns import LONGEST_TURN, EarlierTurns
from sidecar.proxy.event_stream import EventStream, StreamRules
from sidecar.proxy.passage import PLAIN, Passage
from sidecar.proxy.recalling import RecallingRewriter
from sidecar.proxy.rewrite_memory import RewriteMemory
from sidecar.proxy.rewriter import Rewriter
from sidecar.proxy.routes import WebsocketRules
from sidecar.redaction.policy import Policy
from tests.proxy.frames import accepting, connected, echo
from tests.proxy.rewriting import MASTER, Parts
from tests.proxy.rig import MemoryAudit, route, running

Contexts = tuple[ssl.SSLContext, ssl.SSLContext]
MAP: dict[str, Any] = {
    "namespace": "chat",
    "conversations": [{"root": "$", "id": ["chat"]}],
    "messages": [{"each": "$", "text": ["text"], "speaker": ["by"], "speakers": {"bot": "agent", "*": "customer"}}],
    "keep": ["$.by"],
    "deltas": [],
}
FIELDS = parse_field_map(MAP, "fields")
PIECES = {"text": "$.piece", "channel": "$.id", "ends": {"$.done": True}, "speaker": "agent"}
GROWING = parse_field_map({**MAP, "messages": [], "deltas": [PIECES]}, "fields")
ASKED = {"by": "bot", "text": "And your account number?"}
ANSWERED = {"by": "user", "text": "471123"}


def of_chat(name: str, message: dict[str, str]) -> str:
    return json.dumps({"chat": name, **message})


async def shown(rewriter: Rewriter, text: str, passage: Passage) -> Any:
    out = await rewriter.rewrite(text, JsonBody(), FIELDS, Policy(), "here", passage)
    return json.loads(out.body)["text"]


async def test_an_answer_is_read_with_the_question_before_it() -> None:
    rewriter, passage = Parts().rewriter, Passage(turns=EarlierTurns())
    await shown(rewriter, of_chat("a", ASKED), passage)
    assert await shown(rewriter, of_chat("a", ANSWERED), passage) == "[ACCOUNT_ID_1]"


async def test_without_a_connection_around_them_messages_stand_alone() -> None:
    rewriter = Parts().rewriter
    await shown(rewriter, of_chat("a", ASKED), PLAIN)
    assert await shown(rewriter, of_chat("a", ANSWERED), PLAIN) == "471123"  # else these tests could not fail


async def test_a_question_of_another_conversation_is_none() -> None:
    rewriter, passage = Parts().rewriter, Passage(turns=EarlierTurns())
    await shown(rewriter, of_chat("b", ASKED), passage)
    assert await shown(rewriter, of_chat("a", ANSWERED), passage) == "471123"


async def test_what_depends_on_other_messages_is_neither_remembered_nor_recalled() -> None:
    parts = Parts()
    memory = RewriteMemory(MASTER.pseudonymizer(Purpose.REWRITE_CACHE), lambda: 0, Metrics())
    rewriter = RecallingRewriter(parts.rewriter.redactor, parts.pseudonyms, memory)
    assert await shown(rewriter, of_chat("a", ANSWERED), PLAIN) == "471123"
    passage = Passage(turns=EarlierTurns())
    await shown(rewriter, of_chat("a", ASKED), passage)
    asked = (of_chat("a", ANSWERED), JsonBody(), FIELDS, Policy(), "here", passage)
    assert rewriter.remembered(*asked) is None
    assert await shown(rewriter, of_chat("a", ANSWERED), passage) == "[ACCOUNT_ID_1]"
    assert await shown(rewriter, of_chat("a", ANSWERED), PLAIN) == "471123"


async def test_messages_of_a_websocket_are_read_with_those_before_of_either_side(contexts: Contexts) -> None:
    def real(_: Metrics) -> tuple[AuditWriter, Rewriter]:
        return MemoryAudit(), Parts().rewriter

    live = route("live", "/live", websocket=WebsocketRules(), fields=FIELDS)
    async with running(accepting(echo), contexts, [live], real=real) as rig, connected(rig, target="/live") as peer:
        await peer.say(of_chat("a", ASKED))
        await peer.heard()  # said by the client, and once more by the upstream
        await peer.say(of_chat("a", ANSWERED))
        assert json.loads(await peer.heard())["text"] == "[ACCOUNT_ID_1]"


async def test_events_of_a_stream_are_read_with_those_before_them_also_with_a_text_that_came_in_pieces() -> None:
    parts = Parts()
    rules = StreamRules(SseStream(), GROWING, Policy(), "chats /c", Passage(turns=EarlierTurns()))
    stream, framing = EventStream(rules, parts.rewriter, lambda _: None), SseStream().framing(10_000)
    pieces: list[dict[str, Any]] = [
        {"id": 1, "piece": "And your acc"},
        {"id": 1, "piece": "ount number?"},
        {"id": 1, "done": True},
        {"id": 2, "piece": "471123"},
        {"id": 2, "done": True},
    ]
    out = b""
    for piece in pieces:
        for frame in framing.feed(f"data: {json.dumps(piece)}\n\n".encode()):
            out += b"".join(await stream.push(frame))
    out += b"".join(await stream.finish())
    assert [message.context for message in parts.detection.seen if message.text == "471123"][-1] == (
        Turn("agent", "And your account number?"),
    )
    assert b"[ACCOUNT_ID_1]" in out


def test_what_is_held_is_bounded_in_turns_in_their_length_and_in_conversations() -> None:
    turns = EarlierTurns()
    for number in range(100):
        turns.add(f"chat {number}", [Turn("agent", "x" * 10_000), Turn("agent", "b"), Turn("agent", "c" * 10_000)])
    assert [len(turns.of(f"chat {number}")) for number in (0, 50, 99)] == [0, 0, CONTEXT_TURNS]
    assert all(len(turn.text) <= LONGEST_TURN for turn in turns.of("chat 99"))
