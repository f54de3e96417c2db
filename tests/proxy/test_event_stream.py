"""Events with texts in pieces: what comes out is the redacted text, in the events it came in (P33, P34, P36, X4)."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.errors import PayloadFault, PayloadRefused
from sidecar.payloads.deltas import DeltaFinder, Deltas
from sidecar.payloads.document import Document, Leaf
from sidecar.payloads.field_map_reader import parse_field_map
from sidecar.payloads.ndjson_stream import NdjsonStream
from sidecar.payloads.presets import load_preset
from sidecar.payloads.spliced import DEFAULT_LIMITS, Limits
from sidecar.payloads.sse import SseStream
from sidecar.payloads.stream import Frame, StreamFormat
from sidecar.proxy.event_stream import EventStream, StreamLimits, StreamRules
from sidecar.proxy.rewriter import Rewritten
from sidecar.redaction.holdback import HoldBack
from sidecar.redaction.policy import Policy
from tests.proxy.rewriting import Parts

SAMPLE = (Path(__file__).parents[1] / "payloads" / "samples" / "openai-chat-stream.txt").read_bytes()
OPENAI = load_preset("openai-chat")
LIMITS = StreamLimits(HoldBack(tail=30, step=6, context=100, longest=300))
EMAIL, CARD = "marta.kowalczyk@example.net", "4929 1234 5678 9014"
LINES = parse_field_map({"deltas": [{"text": "$[].message.content", "ends": {"$[].done": True}}]}, "fields")


class Run:
    """One stream through a rewriter of its own."""

    def __init__(
        self, fields: Any = OPENAI, stream_format: StreamFormat | None = None, limits: StreamLimits = LIMITS
    ) -> None:
        self.parts = Parts()
        self.entities: Counter[str] = Counter()
        stream_format = stream_format or SseStream()
        self.framing = stream_format.framing(100_000)
        rules = StreamRules(stream_format, fields, Policy(), "chats /c", limits=limits)
        self.stream = EventStream(rules, self.parts.rewriter, self._count)

    def _count(self, rewritten: Rewritten) -> None:
        self.entities.update(rewritten.entities)

    async def feed(self, data: bytes) -> bytes:
        out = [some for frame in self.framing.feed(data) for some in await self.stream.push(frame)]
        return b"".join(out)

    async def end(self) -> bytes:
        out = [some for frame in self.framing.finish() for some in await self.stream.push(frame)]
        return b"".join([*out, *await self.stream.finish()])

    async def all(self, *pieces: bytes) -> bytes:
        return b"".join([await self.feed(piece) for piece in pieces]) + await self.end()


def chunk(index: int, **delta: Any) -> dict[str, Any]:
    return {"id": "chatcmpl-7c1e", "choices": [{"index": index, "delta": delta, "finish_reason": None}]}


def sse(*events: Any) -> bytes:
    return "".join(f"data: {one if isinstance(one, str) else json.dumps(one)}\n\n" for one in events).encode()


def said(data: bytes, index: int = 0) -> str:
    """What a client reads in the choice."""
    events = [json.loads(one) for one in data.decode().replace("data: ", "").split("\n\n") if one.startswith("{")]
    choices = [choice for event in events for choice in event["choices"] if choice["index"] == index]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


def streamed(text: str, size: int) -> bytes:
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    end = {"id": "chatcmpl-7c1e", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    return sse(*(chunk(0, content=piece) for piece in pieces), end, "[DONE]")


@pytest.mark.parametrize("size", [1, 2, 3, 7, 500])
async def test_P34_a_canary_over_many_deltas(size: int) -> None:
    text = f"Hello! You are {EMAIL}, are you not? Card {CARD} is on file, and {EMAIL} again."
    run = Run()
    out = await run.all(streamed(text, size))
    assert said(out) == "Hello! You are [EMAIL_1], are you not? Card [CREDIT_CARD_1] is on file, and [EMAIL_1] again."
    assert out.count(b"data: ") == streamed(text, size).count(b"data: ")
    assert out.endswith(b'"finish_reason": "stop"}]}\n\ndata: [DONE]\n\n')
    assert run.entities == {"EMAIL": 2, "CREDIT_CARD": 1}


async def test_P34_a_canary_split_at_every_place_over_two_deltas() -> None:
    text = f"to {EMAIL} then"
    for cut in range(len(text) + 1):
        out = await Run().all(sse(chunk(0, content=text[:cut]), chunk(0, content=text[cut:]), "[DONE]"))
        assert said(out) == "to [EMAIL_1] then"


async def test_P36_a_stream_in_which_nothing_is_found_is_the_same_bytes() -> None:
    text = "The quick brown fox jumps over the lazy dog, again and again. {}[] \\u0040 żółć 😀"
    data = b": hi\r\n\r\nretry: 10\r\n\r\n" + streamed(text, 4).replace(b"\n", b"\r\n")
    assert await Run().all(data) == data


pieces_of_bytes = st.lists(st.integers(0, 10_000), max_size=12)


@settings(max_examples=60, deadline=None)
@given(pieces_of_bytes)
async def test_P33_any_chunking_of_the_bytes_gives_the_same_output(cuts: list[int]) -> None:
    places = [0, *sorted(cut % (len(SAMPLE) + 1) for cut in cuts), len(SAMPLE)]
    out = await Run().all(*(SAMPLE[start:end] for start, end in pairwise(places)))
    assert out == await Run().all(SAMPLE)


async def test_the_sample_of_the_preset() -> None:
    out = await Run().all(SAMPLE)
    assert said(out) == "Found you, Ottilie Brandvold <[EMAIL_1]>."
    events = [json.loads(one[6:]) for one in out.decode().split("\n\n") if one.startswith("data: {")]
    calls = [call for one in events for choice in one["choices"] for call in choice["delta"].get("tool_calls", ())]
    assert "".join(call["function"]["arguments"] for call in calls) == '{"e-mail": "[EMAIL_1]"}'
    assert events[1]["choices"][0]["logprobs"] is None
    assert out.startswith(b": connected\n\n")
    unchanged = (0, 1, 6, 9, 10, 11)
    assert [out.split(b"\n\n")[at] for at in unchanged] == [SAMPLE.split(b"\n\n")[at] for at in unchanged]
    assert await Run().all(out) == out  # P42


async def test_P34_pieces_of_one_text_in_one_event_are_texts_of_their_own() -> None:
    """A list of messages, and what is added to the last of them: its end is not glued to the one before."""
    fields = parse_field_map(
        {"deltas": [{"text": ["$.all[]", "$.more"], "name": "chat", "ends": {"$.done": True}}]}, "fields"
    )
    events = [
        {"all": ["card 4929 1234 5678 9014", "7 of mar"]},
        {"more": "ta@exa"},
        {"more": "mple.net"},
        {"done": True},
    ]
    out = await Run(fields).all(sse(*events))
    shown = [json.loads(one) for one in out.decode().replace("data: ", "").split("\n\n") if one]
    assert shown[0]["all"][0] == "card [CREDIT_CARD_1]"
    assert shown[0]["all"][1] + shown[1]["more"] + shown[2]["more"] == "7 of [EMAIL_1]"


async def test_choices_grow_side_by_side_and_end_each_for_itself() -> None:
    events: list[Any] = []
    for at in range(0, len(EMAIL), 3):
        events += [chunk(1, content=EMAIL[at : at + 3]), chunk(0, content=CARD[at : at + 3])]
    stop = [{"id": "x", "choices": [{"index": at, "delta": {}, "finish_reason": "stop"}]} for at in (0, 1)]
    run = Run()
    before = await run.feed(sse(*events, stop[0]))
    assert before == b""
    out = before + await run.feed(sse(stop[1]))
    assert (said(out, 0), said(out, 1)) == ("[CREDIT_CARD_1]", "[EMAIL_1]")
    assert run.stream.held_bytes == 0


async def test_P37_events_leave_before_the_stream_ends_and_heartbeats_at_once() -> None:
    run = Run()
    first = sse(chunk(0, role="assistant", content=""))
    assert await run.feed(first) == first
    assert await run.feed(sse(chunk(0, content="well, "))) == b""
    assert await run.feed(b": ping\n\n") == b": ping\n\n"
    out = await run.feed(sse(chunk(0, content="this goes on for quite a while without any end")))
    assert said(out) == "well, "
    assert run.stream.held_bytes > 0
    await run.end()
    assert run.stream.held_bytes == 0


async def test_an_event_that_is_JSON_as_a_piece_is_a_piece() -> None:
    deltas = ["see [", "1]", "{}", '{"a": "', EMAIL[:5], EMAIL[5:], '"}', '["x"]']
    out = await Run().all(sse(*(chunk(0, content=one) for one in deltas)))
    assert said(out) == 'see [1]{}{"a": "[EMAIL_1]"}["x"]'


async def test_other_texts_of_events_are_scanned_too() -> None:
    event = chunk(0, content="hi")
    event["error"] = {"message": f"for {EMAIL}", "details": json.dumps({"mail": EMAIL})}
    run = Run()
    out = await run.all(f": {EMAIL}\n\nevent: {EMAIL}\nid: {EMAIL}\n".encode() + sse(event, f"plain {EMAIL}"))
    assert b"kowalczyk" not in out
    assert out.startswith(b": [EMAIL_1]\n\nevent: [EMAIL_1]\nid: [EMAIL_1]\ndata: {")
    assert out.endswith(b"data: plain [EMAIL_1]\n\n")
    assert said(out.split(b"\n\n", 1)[1].split(b"\n", 2)[2]) == "hi"


@pytest.mark.parametrize("twice", ['%s, "content": "x"', '[%s], "content": "x"'])
async def test_what_is_named_like_a_piece_and_is_none_is_scanned(twice: str) -> None:
    delta = f'{{"content": {twice % CARD.replace(" ", "")}}}'
    out = await Run().all(f'data: {{"choices": [{{"index": 0, "delta": {delta}}}]}}\n\n'.encode())
    assert out.count(b"[CREDIT_CARD_1]") == 1
    assert b"9014" not in out
    assert said(out) == "x"


async def test_placeholders_are_those_of_the_conversation() -> None:
    fields = parse_field_map(
        {"conversations": [{"root": "$", "id": "chat"}], "keep": ["$.chat"], "deltas": [{"text": "$.t"}]}, "fields"
    )
    run = Run(fields)
    await run.parts.rewrite(json.dumps({"chat": "c-1", "mails": ["first@example.org", EMAIL]}), fields)
    out = await run.all(sse({"chat": "c-1", "t": EMAIL[:9]}, {"t": EMAIL[9:]}))
    assert [json.loads(one[6:])["t"] for one in out.decode().split("\n\n") if one] == ["[EMAIL_2]", ""]


async def test_lines_of_JSON() -> None:
    lines = [{"message": {"role": "assistant", "content": EMAIL[at : at + 4]}, "done": False} for at in range(0, 28, 4)]
    data = "".join(json.dumps(one) + "\n" for one in [*lines, {"message": {"content": ""}, "done": True}]).encode()
    run = Run(LINES, NdjsonStream())
    out = await run.feed(data)
    assert [json.loads(line)["message"]["content"] for line in out.splitlines()] == ["[EMAIL_1]", *[""] * 7]
    assert await run.end() == b""


@pytest.mark.parametrize(
    ("events", "fault"),
    [
        (['{"choices": '], PayloadFault.NOT_PARSEABLE),
        ([chunk(0, content="a"), {"choices": [{"index": 0, "finish_reason": "stop"}]}, chunk(0, content="b")],
         PayloadFault.NOT_PARSEABLE),
        ([chunk(0, content="x" * 500)], PayloadFault.TOO_LARGE),
        ([chunk(at, content="x") for at in range(300)], PayloadFault.TOO_LARGE),
        ([chunk(0, content="x", note="y" * 900)] * 3, PayloadFault.TOO_LARGE),
        ([chunk(0, tool_calls=[{"index": 0, "function": {"arguments": "x" * 300}}])] * 9, PayloadFault.TOO_LARGE),
    ],
)  # fmt: skip
async def test_P40_what_cannot_be_held_or_read_ends_the_stream(events: Sequence[Any], fault: PayloadFault) -> None:
    limits = StreamLimits(LIMITS.hold_back, held_bytes=2_000)
    if len(events) == 300:
        limits = StreamLimits(LIMITS.hold_back)
    run = Run(limits=limits)
    with pytest.raises(PayloadRefused) as refused:
        await run.all(sse(*events))
    assert refused.value.fault is fault


def _arguments(text: str, **index: Any) -> dict[str, Any]:
    return chunk(0, tool_calls=[{**index, "function": {"arguments": text}}])


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"choices": [{"delta": {"content": EMAIL[:9]}}]}, chunk(0, content=EMAIL[9:])),
        ({"choices": [{"index": None, "delta": {"content": EMAIL[:9]}}]}, chunk(0, content=EMAIL[9:])),
        (chunk(0, content=EMAIL[:9]), {"choices": [{"delta": {"content": EMAIL[9:]}}]}),
        (_arguments(f'{{"to":"{EMAIL[:9]}'), _arguments(f'{EMAIL[9:]}"}}', index=0)),
    ],
)
async def test_P34_a_text_whose_id_comes_and_goes_is_refused(first: dict[str, Any], second: dict[str, Any]) -> None:
    """It would be two texts, and what is cut between them would not be found."""
    with pytest.raises(PayloadRefused) as refused:
        await Run().all(sse(first, second))
    assert refused.value.fault is PayloadFault.NOT_PARSEABLE


@pytest.mark.parametrize("index", [{}, {"index": None}])
async def test_P34_a_text_that_never_has_an_id_is_read_as_one(index: dict[str, None]) -> None:
    events = [{"choices": [{**index, "delta": {"content": EMAIL[at : at + 4]}}]} for at in range(0, len(EMAIL), 4)]
    said = [json.loads(one[6:]) for one in (await Run().all(sse(*events))).decode().split("\n\n") if one]
    assert "".join(one["choices"][0]["delta"]["content"] for one in said) == "[EMAIL_1]"


async def test_an_empty_piece_after_the_end_is_harmless() -> None:
    stop = {"id": "x", "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "stop"}]}
    data = sse(chunk(0, content="hi"), stop, stop, "[DONE]")
    assert await Run().all(data) == data


async def test_long_events_are_read_and_written_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other exchanges go on meanwhile."""
    read_in = set()
    parse, find = SseStream.parse, DeltaFinder.find

    def parsed(self: SseStream, frame: Frame, limits: Limits = DEFAULT_LIMITS) -> Document:
        read_in.add(threading.get_ident())
        return parse(self, frame, limits)

    def found(self: DeltaFinder, leaves: Sequence[Leaf]) -> Deltas:
        read_in.add(threading.get_ident())
        return find(self, leaves)

    monkeypatch.setattr(SseStream, "parse", parsed)
    monkeypatch.setattr(DeltaFinder, "find", found)
    event = {"note": EMAIL, "pad": [1] * 5_000, **chunk(0, content=EMAIL)}
    out = await Run(limits=StreamLimits()).all(sse(event))
    assert said(out) == "[EMAIL_1]"
    assert read_in
    assert threading.get_ident() not in read_in
