"""Pieces of growing texts are found, told apart, and ended, as a field map says (P34, X4)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.errors import ConfigError, PayloadRefused
from sidecar.payloads.deltas import Channel, DeltaFinder, Deltas, Ended
from sidecar.payloads.document import Leaf, LeafKind, Path
from sidecar.payloads.field_map import FieldMap
from sidecar.payloads.field_map_reader import parse_field_map
from sidecar.payloads.found_leaves import FoundLeaves, shared_by
from sidecar.payloads.json_body import JsonBody
from sidecar.payloads.matcher import PathMatcher
from sidecar.payloads.ndjson_stream import NdjsonStream
from sidecar.payloads.paths import PathPattern, parse_path
from sidecar.payloads.spliced import Limits
from sidecar.payloads.stream import Frame, FrameKind

OPENAI = {
    "deltas": [
        {
            "text": "$.choices[].delta.content",
            "channel": "$.choices[].index",
            "ends": {"$.choices[].finish_reason": "*"},
        },
        {
            "text": "$.choices[].delta.tool_calls[].arguments",
            "channel": ["$.choices[].index", "$.choices[].delta.tool_calls[].index"],
            "hold": "whole",
            "ends": {"$.choices[].finish_reason": "*"},
        },
    ]
}
CHAINLIT = {
    "deltas": [
        {"name": "message", "when": {"$[0]": "stream_start"}, "text": "$[1].output", "channel": "$[1].id"},
        {
            "name": "message", "when": {"$[0]": "stream_token"}, "text": "$[1].token", "channel": "$[1].id",
            "ends": {"$[0]": ["update_message", "task_end"]}, "speaker": "agent",
        },
    ]
}  # fmt: skip


def found(rules: dict[str, Any], event: object) -> Deltas:
    document = JsonBody(Limits(embedding=0)).parse(event if isinstance(event, str) else json.dumps(event))
    return DeltaFinder(parse_field_map(rules, "fields")).find(document.leaves)


def pieces(deltas: Deltas) -> list[tuple[str, tuple[str | None, ...]]]:
    return [(one.text, one.channel.ids) for one in deltas.fragments]


def test_choices_are_told_apart_by_their_index() -> None:
    choices = [{"index": 1, "delta": {"content": "Mar"}}, {"delta": {"content": "ta"}, "index": 0}]
    deltas = found(OPENAI, {"id": "x", "choices": choices})
    assert pieces(deltas) == [("Mar", ("1",)), ("ta", ("0",))]
    assert deltas.ended == ()
    assert len({one.channel for one in deltas.fragments}) == 2


def test_pieces_without_an_index_are_told_apart_by_their_place() -> None:
    deltas = found(OPENAI, {"choices": [{"index": 5, "delta": {"content": "Mar"}}, {"delta": {"content": "ta"}}]})
    assert pieces(deltas) == [("Mar", ("5",)), ("ta", ("at 1",))]


def test_pieces_without_an_index_are_of_one_text_in_whatever_line_they_are() -> None:
    finder = DeltaFinder(parse_field_map({"deltas": [{"text": "$[].all[].t", "channel": "$[].all[].id"}]}, "fields"))
    lines = [
        finder.find(NdjsonStream().parse(Frame('{"all": [{}, {"t": "Mar"}]}', FrameKind.EVENT, row)).leaves)
        for row in (0, 7)
    ]
    assert lines[0].fragments[0].channel == lines[1].fragments[0].channel


def test_pieces_within_choices_are_told_apart_by_both_indices() -> None:
    calls = [{"index": 0, "arguments": '{"a'}, {"index": 1, "arguments": "{}"}]
    event = {"choices": [{"index": 0, "delta": {"content": "[]"}}, {"index": 1, "delta": {"tool_calls": calls}}]}
    assert pieces(found(OPENAI, event)) == [("[]", ("0",)), ('{"a', ("1", "0")), ("{}", ("1", "1"))]


@pytest.mark.parametrize("reason", [None, "", False])
def test_what_says_nothing_ends_nothing(reason: object) -> None:
    assert found(OPENAI, {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}).ended == ()


def test_an_end_is_that_of_its_choice() -> None:
    choices = [{"index": 0, "delta": {}, "finish_reason": None}, {"index": 1, "delta": {}, "finish_reason": "stop"}]
    ended = found(OPENAI, {"choices": choices}).ended
    content = "$.choices[].delta.content"
    assert any(one.includes(Channel(content, ("1",), ("choices", "delta", "content"))) for one in ended)
    assert not any(one.includes(Channel(content, ("0",))) for one in ended)
    arguments = "$.choices[].delta.tool_calls[].arguments"
    assert any(one.includes(Channel(arguments, ("1", "7"))) for one in ended)
    assert not any(one.includes(Channel(arguments, ("0", "7"))) for one in ended)


def test_rules_of_one_name_share_their_texts_and_conditions_choose_events() -> None:
    start = found(CHAINLIT, ["stream_start", {"id": "m", "output": "Mar"}])
    token = found(CHAINLIT, ["stream_token", {"id": "m", "token": "ta"}])
    assert start.fragments[0].channel == token.fragments[0].channel == Channel("message", ("m",))
    assert token.fragments[0].rule.speaker == "agent"
    update = found(CHAINLIT, ["update_message", {"id": "m", "output": "Marta"}])
    assert update.fragments == ()
    assert [one.includes(Channel("message", ("m",))) for one in update.ended] == [True]
    assert [one.includes(Channel("message", ("n",))) for one in update.ended] == [False]
    everything = found(CHAINLIT, ["task_end", {}]).ended
    assert [one.includes(Channel("message", ("n",))) for one in everything] == [True]


def test_what_is_kept_dropped_or_known_is_no_piece() -> None:
    rules = {
        "deltas": [{"text": "$.delta..*"}],
        "keep": ["$.delta.role"],
        "drop": ["$.delta.log"],
        "known": {"$.delta.name": "PERSON"},
    }
    event = {
        "delta": {
            "role": "assistant",
            "log": {"t": "Mar"},
            "name": "Mar",
            "content": "Mar",
            "n": 5,
            "parts": [{"text": "ta"}],
        }
    }
    deltas = found(rules, event)
    assert [one.path for one in deltas.fragments] == [("delta", "content"), ("delta", "parts", 0, "text")]
    assert len({one.channel for one in deltas.fragments}) == 2


def test_two_pieces_in_one_place_are_refused() -> None:
    with pytest.raises(PayloadRefused):
        found(OPENAI, '{"choices": [{"index": 0, "delta": {"content": "Mar", "content": "ta"}}]}')


def test_a_map_says_nothing_of_streams_unless_it_does() -> None:
    assert parse_field_map({}, "fields").deltas is None
    assert parse_field_map({"deltas": []}, "fields").deltas == ()
    some = parse_field_map(OPENAI, "fields")
    assert FieldMap().plus(FieldMap()).deltas is None
    assert FieldMap().plus(some).deltas == some.plus(FieldMap()).deltas == some.deltas


@pytest.mark.parametrize(
    ("rule", "where"),
    [
        ({}, "fields.deltas[0].text"),
        ({"text": "nowhere"}, "fields.deltas[0].text"),
        ({"text": "$.a", "channel": ["b"]}, "fields.deltas[0].channel[0]"),
        ({"text": "$.a", "when": ["$.b"]}, "fields.deltas[0].when"),
        ({"text": "$.a", "ends": {"b": 1}}, "fields.deltas[0].ends.b"),
        ({"text": "$.a", "speaker": "nobody"}, "fields.deltas[0].speaker"),
        ({"text": "$.a", "hold": "nothing"}, "fields.deltas[0].hold"),
        ({"text": "$.a", "texts": "$.b"}, "fields.deltas[0].texts"),
        ({"text": "$.a", "onto": "$.b"}, "fields.deltas[0].onto"),
        ({"text": "$.a", "onto": {"within": "$.b", "steps": "$..c", "value": "$.a"}}, "fields.deltas[0].onto.steps"),
    ],
)
def test_problems_name_their_place(rule: dict[str, Any], where: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_field_map({"deltas": [rule]}, "fields")
    assert [problem.path for problem in error.value.problems] == [where]


def nearest_of_all(candidates: Sequence[Leaf], pattern: PathPattern, path: Path) -> Leaf | None:
    """What ``nearest`` means, looking at each."""

    def rank(one: Leaf) -> int:
        shared = shared_by(one.path, path)
        mine, theirs = one.path[shared : shared + 1], path[shared : shared + 1]
        if not (mine and theirs and isinstance(mine[0], int) and isinstance(theirs[0], int)):
            return shared
        return shared if pattern.has_fixed_length and isinstance(pattern.segments[shared].selector, int) else -1

    return max((one for one in candidates if rank(one) >= 0), key=rank, default=None)


paths = st.lists(st.sampled_from(["a", "b", 0, 1, 2]), max_size=4).map(tuple)


@given(st.lists(paths, max_size=8), st.lists(paths, min_size=1, max_size=5))
@pytest.mark.parametrize("source", ["$..*", "$..a", "$[0]", "$.a[]", "$[][1]", "$[0][1].a", "$.*.*", "$.a[1][]"])
def test_the_nearest_id_is_that_of_looking_at_all(source: str, places: list[Path], asked: list[Path]) -> None:
    pattern = parse_path(source)
    matching = PathMatcher([pattern])
    leaves = [Leaf(at, path, LeafKind.STRING, "") for at, path in enumerate(places)]
    leaves = [leaf for leaf in leaves if 0 in list(matching.walk(leaf.path))[-1]]
    found = FoundLeaves({pattern: 0})
    for leaf in leaves:
        found.add(0, leaf)
    for path in [*asked, *places]:
        assert found.nearest(pattern, path) == nearest_of_all(leaves, pattern, path)


def test_pieces_of_a_long_event_are_not_compared_with_all_others() -> None:
    """Each piece with each id, and each end with each id, would be hours."""
    many = 60_000
    leaves: list[Leaf] = []
    for at in range(many):
        for path, text in ((("index",), str(at)), (("delta", "content"), "a"), (("finish_reason",), "stop")):
            leaves.append(Leaf(len(leaves), ("choices", at, *path), LeafKind.STRING, text))
    deltas = DeltaFinder(parse_field_map(OPENAI, "fields")).find(leaves)
    assert [one.channel.ids for one in deltas.fragments] == [(str(at),) for at in range(many)]
    assert len(deltas.ended_of([one.channel for one in deltas.fragments])) == many


def test_what_names_where_a_text_is_has_few_steps() -> None:
    rules = {"deltas": [{"text": "$[][1]", "onto": {"within": "$", "steps": "$[][0][]", "value": "$[][1]"}}]}
    assert found(rules, [[[0] * 200, "x"]]).fragments[0].place == ("0",) * 200
    with pytest.raises(PayloadRefused):
        found(rules, [[[0] * 201, "x"]])


def test_ends_name_some_ids_or_none() -> None:
    channels = [Channel("x", ("0", "1")), Channel("x", ("1", "1")), Channel("y", ("0", "1")), Channel("x", ("1",))]
    for ids in [("0", None), (None, "1"), (None, None), ("1", "1"), ("1",), ()]:
        ended = Ended("x", ids)
        assert Deltas((), (ended,)).ended_of(channels) == [one for one in channels if ended.includes(one)]
