"""From leaves and a field map to pieces: precedence, conversations, what is left out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sidecar.payloads.field_map import FieldMap
from sidecar.payloads.field_map_reader import parse_field_map
from sidecar.payloads.json_body import JsonBody
from sidecar.payloads.names import ANY_SCORE, CERTAIN, SURE
from sidecar.payloads.selection import Selection, select


def selected(body: Any, mapping: dict[str, Any] | FieldMap) -> Selection:
    fields = mapping if isinstance(mapping, FieldMap) else parse_field_map(mapping, "test")
    return select(JsonBody().parse(json.dumps(body)).leaves, fields, str.strip)


def texts(selection: Selection) -> list[str]:
    return [piece.message.text for one in selection.conversations for piece in one.pieces]


def paths(selection: Selection, body: Any, indices: tuple[int, ...]) -> list[tuple[str | int, ...]]:
    leaves = JsonBody().parse(json.dumps(body)).leaves
    return [leaves[index].path for index in indices]


@pytest.mark.parametrize(
    ("roles", "outcome"),
    [
        (("drop", "hash", "known", "message", "terms", "keep"), "dropped"),
        (("hash", "known", "message", "terms", "keep"), "hashed"),
        (("known", "message", "terms", "keep"), "PERSON"),
        (("message", "terms", "keep"), "message"),
        (("terms", "keep"), "term"),
        (("keep",), "kept"),
        ((), "scanned"),
    ],
)
def test_of_several_rules_the_most_private_wins(roles: tuple[str, ...], outcome: str) -> None:
    rules: dict[str, dict[str, Any]] = {
        "drop": {"drop": ["$.a"]},
        "hash": {"hash": ["$.a"]},
        "known": {"known": {"$.a": "PERSON"}},
        "message": {"messages": [{"each": "$", "text": "a"}]},
        "terms": {"terms": ["$.a"]},
        "keep": {"keep": ["$.a"]},
    }
    found = selected({"a": "x y"}, {key: value for role in roles for key, value in rules[role].items()})
    pieces = [piece for one in found.conversations for piece in one.pieces]
    if not pieces:
        assert outcome == ("dropped" if found.dropped else "hashed" if found.hashed else "kept")
    else:
        asked = "scanned" if pieces[0].message.context else "term" if roles == ("terms", "keep") else "message"
        assert outcome == (pieces[0].message.label or asked)


def test_drop_and_hash_and_known_reach_down_but_keep_does_not() -> None:
    body = {name: {"in": {"x": f"text of {name[::-1]}"}} for name in ("drop", "hash", "known", "keep")}
    fields = {"drop": ["$.drop"], "hash": ["$.hash"], "known": {"$.known": "PERSON"}, "keep": ["$.keep"]}
    found = selected(body, fields)
    assert paths(found, body, found.dropped) == [("drop",)]
    assert paths(found, body, found.hashed) == [("hash", "in", "x")]
    labels = {piece.message.text: piece.message.label for one in found.conversations for piece in one.pieces}
    assert labels == {"text of nwonk": "PERSON", "text of peek": None}


def test_terms_are_judged_as_member_names_are() -> None:
    body = {
        "who": "marta", "types": ["inner_id", "tasks.view", "marta", "Marta Kowalczyk", "zed@b.cc", "cust_48601555014"],
        "deep": {"x": "inner_id"},
    }  # fmt: skip
    found = selected(body, {"terms": ["$.types[]", "$.deep"], "known": {"$.who": "PERSON"}})
    leaves = JsonBody().parse(json.dumps(body)).leaves
    pieces = {
        leaves[piece.leaves[0]].path: (piece.message.text, piece.minimum_score)
        for one in found.conversations
        for piece in one.pieces
    }
    assert pieces == {
        ("who",): ("marta", 0.0),
        ("types", 2): ("marta", CERTAIN),
        ("types", 3): ("Marta Kowalczyk", ANY_SCORE),
        ("types", 4): ("zed@b.cc", ANY_SCORE),
        ("types", 5): ("cust_48601555014", SURE),
        ("deep", "x"): ("inner_id", ANY_SCORE),
    }, "a term is a scalar: what turns into an object is scanned"


def test_kept_scalars_that_turn_into_json_are_scanned() -> None:
    assert texts(selected({"id": '{"name": "marta"}'}, {"keep": ["$.id"]})) == ["marta"]
    assert texts(selected({"id": ["marta"]}, {"keep": ["$.id"]})) == ["marta"]


def test_the_deepest_root_owns_a_leaf_and_the_first_id_names_it() -> None:
    fields = {"conversations": [{"root": "$", "id": "id"}, {"root": "$.list[]", "id": ["key", "id"]}]}
    items = [{"id": "a", "key": "b", "t": "two"}, {"id": "c", "key": "", "t": "three"}, {"t": "four"}]
    body = {"id": "outer", "t": "one", "list": items}
    found = {one.id: [piece.message.text for piece in one.pieces] for one in selected(body, fields).conversations}
    assert found == {"outer": ["outer", "one"], "b": ["a", "b", "two"], "c": ["c", "three"], None: ["four"]}


def test_conversations_with_one_id_are_one() -> None:
    fields = {"conversations": [{"root": "$[]", "id": "id"}], "keep": ["$[].id"], "known": {"$[].who": "PERSON"}}
    body = [{"id": 1, "who": "Marta"}, {"id": "1", "t": "marta"}]
    (one,) = selected(body, fields).conversations
    assert {piece.message.text: [known.value for known in piece.message.known] for piece in one.pieces} == {
        "Marta": ["Marta"],
        "marta": ["Marta"],
    }


def test_what_is_known_without_an_id_counts_below_its_root_alone_but_the_payloads_everywhere() -> None:
    fields = {"conversations": [{"root": "$.list[]", "id": "id"}], "known": {"$..who": "PERSON"}}
    body = {"who": "Zed", "list": [{"who": "Marta", "t": "x"}, {"who": "Ola", "t": "y"}]}
    pieces = [piece for one in selected(body, fields).conversations for piece in one.pieces]
    known = {piece.message.text: {value.value for value in piece.message.known} for piece in pieces}
    assert known == {
        "Zed": {"Zed"}, "Marta": {"Marta", "Zed"}, "x": {"Marta", "Zed"}, "Ola": {"Ola", "Zed"}, "y": {"Ola", "Zed"},
    }  # fmt: skip


def test_what_can_hold_no_identifier_is_left_out() -> None:
    body = {
        "a": "",
        "b": "  ",
        "c": True,
        "d": None,
        "e": 123456,
        "f": 0.12345678,
        "g": [],
        "h": "2026-11-24T01:49:21Z",
    }
    assert selected(body, FieldMap()).conversations == ()


@pytest.mark.parametrize("number", ["447911123456", "1712345678", "4111111111111111"])
@pytest.mark.parametrize("spelled", ["{}", "{}e000", "{}E-0", "{}.0", "{}.0000000000000000000000000000000", "{}0e-1"])
def test_a_number_is_read_alike_however_it_is_spelled(number: str, spelled: str) -> None:
    leaves = JsonBody().parse(f'{{"mobile":{spelled.format(number)}}}').leaves
    (conversation,) = select(leaves, FieldMap(), str.strip).conversations
    assert (number, SURE) in {(piece.message.text, piece.minimum_score) for piece in conversation.pieces}


def test_known_values_are_never_left_out() -> None:
    stamp = "e84ba0ee-c9d3-4e4d-a013-cbe1b7dc4cc3"
    body = {"known": [stamp, 4821, 0.5], "other": [stamp, 4821, 0.5, 4822]}
    found = selected(body, {"known": {"$.known": "ACCOUNT_ID"}})
    assert sorted(texts(found)) == sorted([stamp, "4821", "0.5"] * 2)


def test_equal_texts_are_asked_about_once_and_written_back_everywhere() -> None:
    found = selected({"a": {"note": "x y"}, "b": {"note": "x y"}, "c": {"other": "x y"}}, FieldMap())
    (one,) = found.conversations
    assert [len(piece.leaves) for piece in one.pieces] == [2, 1]


def test_a_text_that_says_a_message_again_is_judged_with_it_but_not_a_single_word() -> None:
    fields = {"messages": [{"each": "$.m[]", "text": "t"}]}
    (one,) = selected({"m": [{"t": "call me"}, {"t": "2201"}], "x": "call me", "y": "2201"}, fields).conversations
    assert [(piece.message.text, len(piece.leaves)) for piece in one.pieces] == [
        ("call me", 2),
        ("2201", 1),
        ("2201", 1),
    ]


def test_nothing_of_it_shows_in_a_repr() -> None:
    shown = repr(selected({"id": "c-77", "t": "marta"}, {"conversations": [{"root": "$", "id": "id"}]}))
    assert "marta" not in shown
    assert "c-77" not in shown


def test_a_uuid_is_left_alone_as_a_name_and_as_a_term_unless_it_is_a_known_value() -> None:
    name, other = "3e2b1c44-5d6a-4b7e-8f90-123456789abc", "7e2b1c44-5d6a-4b7e-8f90-123456789abc"
    body = {"threads": {name: []}, "ref": other}
    assert texts(selected(body, {"terms": ["$.ref"]})) == []
    assert texts(selected(body, {"keys": ["$.threads"]})) == []
    mapping = {"terms": ["$.ref"], "known": {"$.who": "ACCOUNT_ID"}}
    assert texts(selected({**body, "who": other}, mapping)) == [other, other]
