"""Texts that grow side by side are told apart, or refused: none is cut by the pieces of another (P34, X4)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sidecar.errors import PayloadFault, PayloadRefused
from sidecar.payloads.field_map_reader import parse_field_map
from sidecar.payloads.presets import load_preset
from tests.proxy.test_event_stream import CARD, EMAIL, Run, chunk, said, sse

GRADIO = load_preset("gradio-queue")
CUTS = [(at, EMAIL[at : at + 4]) for at in range(0, len(EMAIL), 4)]


def parts(*texts: str) -> dict[str, Any]:
    return chunk(0, content=[{"text": text} for text in texts])


def choices(*texts: tuple[int, str]) -> dict[str, Any]:
    return {"choices": [{"index": index, "delta": {"content": text}} for index, text in texts]}


def generating(*data: Any) -> dict[str, Any]:
    return {"msg": "process_generating", "event_id": "e-1", "output": {"data": list(data)}}


def append(text: str, *place: Any) -> list[Any]:
    return ["append", list(place), text]


def message(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


COMPLETED = {"msg": "process_completed", "event_id": "e-1", "output": {"data": []}}
BY_TURNS: dict[str, list[Any]] = {
    "two parts of a content": [parts(piece, "step ") for _, piece in CUTS],
    "two parts in turn": [event for _, piece in CUTS for event in (parts(piece), parts("", "step "))],
    "a part that moves": [parts(EMAIL[:7]), parts("", EMAIL[7:])],
    "one choice twice": [choices((0, EMAIL[:7]), (0, EMAIL[7:]))],
    "one choice twice, later": [choices((0, "to ")), choices((0, EMAIL[:7]), (0, EMAIL[7:]))],
    "two components": [generating([append(piece, 0, "content")], [append("step ")]) for _, piece in CUTS],
    "two components in turn": [
        event for _, piece in CUTS for event in (generating([append(piece)], []), generating([], [append("step ")]))
    ],
    "two messages": [generating([append(piece, 0, "content"), append("step ", 1, "content")]) for _, piece in CUTS],
    "two messages in turn": [
        generating([append(text, at, "content")]) for _, piece in CUTS for at, text in ((0, piece), (1, "step "))
    ],
    "a message that is not the last": [
        generating([message(EMAIL[:7]), message("hi")]), generating([append(EMAIL[7:], 0, "content")]),
    ],
    "another component than the last": [generating(EMAIL[:7], "hi"), generating([append(EMAIL[7:])], [])],
}  # fmt: skip


@pytest.mark.parametrize("case", BY_TURNS)
async def test_P34_texts_that_grow_by_turns_in_one_are_refused(case: str) -> None:
    events = BY_TURNS[case]
    run = Run(load_preset("openai-chat") if "choices" in events[0] else GRADIO)
    with pytest.raises(PayloadRefused) as refused:
        await run.all(sse(*events))
    assert refused.value.fault is PayloadFault.NOT_PARSEABLE


async def test_P34_choices_may_come_in_any_place_and_parts_one_by_one() -> None:
    both = [choices((1, EMAIL[:7]), (0, CARD[:7])), choices((0, CARD[7:]), (1, EMAIL[7:20])), choices((1, EMAIL[20:]))]
    out = await Run().all(sse(*both))
    assert (said(out, 0), said(out, 1)) == ("[CREDIT_CARD_1]", "[EMAIL_1]")
    out = await Run().all(sse(parts("", ""), *(parts(piece) for _, piece in CUTS[:-1]), parts(CUTS[-1][1], "")))
    assert out.count(b"[EMAIL_1]") == 1
    assert b"example" not in out


async def test_P34_calls_come_side_by_side_in_any_place() -> None:
    def calls(*pieces: tuple[int, str]) -> dict[str, Any]:
        return chunk(0, tool_calls=[{"index": index, "function": {"arguments": text}} for index, text in pieces])

    events = [calls((0, '{"a": "marta@exam')), calls((1, '{"b": ')), calls((1, "1}"), (0, 'ple.net"}'))]
    out = (await Run().all(sse(*events))).decode()
    assert '{\\"a\\": \\"[EMAIL_1]\\"}' in out
    assert "ple.net" not in out


async def test_X4_gradios_answer_goes_on_in_a_new_message() -> None:
    """A thought, then the answer: what is added as a new message begins with a piece of it."""
    first = generating([message("hi"), message("")], "")
    thought = [generating([append(piece, 1, "content")], []) for _, piece in CUTS]
    added = generating([["replace", [1, "options"], None], ["add", [2], message("card 4929 1234 ")]], [])
    rest = [generating([append(piece, 2, "content")]) for piece in ("5678 ", "9014", " it is")]
    out = (await Run(GRADIO).all(sse(first, *thought, added, *rest, COMPLETED))).decode()
    events = [json.loads(one[6:]) for one in out.split("\n\n") if one]
    appended = [event["output"]["data"][0][-1][2] for event in events[1:-1]]
    assert "".join(appended[: len(CUTS)]) == "[EMAIL_1]"
    assert appended[len(CUTS)]["content"] + "".join(appended[len(CUTS) + 1 :]) == "card [CREDIT_CARD_1] it is"


async def test_rules_of_one_name_may_find_the_same_place() -> None:
    rules = {"deltas": [{"text": ["$.t"], "when": {"$.first": True}, "name": "x"}, {"text": "$..t", "name": "x"}]}
    out = await Run(parse_field_map(rules, "fields")).all(
        sse({"t": EMAIL[:7], "first": True}, {"t": EMAIL[7:9]}, {"t": EMAIL[9:]})
    )
    assert out.count(b"[EMAIL_1]") == 1
    assert b"example" not in out
