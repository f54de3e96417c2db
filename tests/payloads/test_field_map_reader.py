"""Field maps are read from plain data, with every problem at once."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.errors import ConfigError
from sidecar.payloads.field_map import FieldMap, Order
from sidecar.payloads.field_map_reader import parse_field_map


def problems(mapping: Any) -> dict[str, str]:
    with pytest.raises(ConfigError) as raised:
        parse_field_map(mapping, "routes[1].fields")
    return {problem.path.removeprefix("routes[1].fields"): str(problem) for problem in raised.value.problems}


def test_an_empty_map_scans_everything() -> None:
    assert parse_field_map({}, "here") == FieldMap()


def test_a_full_map_is_read() -> None:
    fields = parse_field_map(
        {
            "namespace": "shop-1",
            "description": "free text",
            "conversations": [{"root": "$.chats[]", "id": ["id", "key.value"]}, {"root": "$"}],
            "messages": [
                {
                    "each": "$..messages[]",
                    "text": ["text", "parts[].text"],
                    "speaker": ["who", "is_bot"],
                    "speakers": {"Bot": "agent", True: "agent", 0: "customer", "*": "customer"},
                    "order": "newest_first",
                },
                {"each": "$.log[]", "text": "[1]", "speaker": "[0]"},
            ],
            "known": {"$.customer.name": "PERSON"},
            "drop": ["$.a"], "keep": ["$.b"], "hash": ["$.c"], "keys": ["$.d"],
        },
        "here",
    )  # fmt: skip
    assert fields.namespace == "shop-1"
    assert [path.source for path in fields.conversations[0].ids] == ["id", "key.value"]
    first, second = fields.messages
    assert first.order is Order.NEWEST_FIRST
    assert second.order is Order.OLDEST_FIRST
    assert [first.who(word) for word in ("BOT", "true", "0", "Marta", None)] == [
        "agent", "agent", "customer", "customer", "customer",
    ]  # fmt: skip
    assert [first.is_role(word) for word in ("bot", "*", "Marta")] == [True, False, False]
    assert second.who("bot") is None
    assert [rule.label for rule in fields.known] == ["PERSON"]
    assert [len(paths) for paths in (fields.drop, fields.keep, fields.hash, fields.keys)] == [1, 1, 1, 1]


def test_every_problem_is_reported_at_once_with_path_and_remedy() -> None:
    found = problems(
        {
            "namespace": "Not Plain",
            "message": [],
            "conversations": [{"root": "chats", "id": "a..b"}, {"id": "x"}],
            "messages": [{"each": "$.m[]", "txt": "text", "speakers": {"bot": "robot"}, "order": "random"}, "text"],
            "known": {"$.name": "PERSN", "name": "PERSON"},
            "keep": "$.id",
            "drop": ["$.a", "$.b-c", 7],
            "speed": 1,
        }
    )
    assert set(found) == {
        ".namespace", ".message", ".conversations[0].root", ".conversations[0].id", ".conversations[1].root",
        ".messages[0].txt", ".messages[0].text", ".messages[0].speakers.bot", ".messages[0].order", ".messages[1]",
        ".known.$.name", ".known.name", ".keep", ".drop[1]", ".drop[2]", ".speed",
    }  # fmt: skip
    assert "Did you mean messages?" in found[".message"]
    assert "Did you mean text?" in found[".messages[0].txt"]
    assert "['e-mail']" in found[".drop[1]"]
    assert "PERSON" in found[".known.$.name"]
    assert "customer, agent" in found[".messages[0].speakers.bot"]
    assert "dash" in found[".keep"]


@pytest.mark.parametrize("mapping", [None, [], "preset", 3])
def test_what_is_no_mapping_is_a_problem(mapping: Any) -> None:
    assert "" in problems(mapping)


def test_known_and_speakers_must_be_mappings() -> None:
    assert set(problems({"known": ["$.a"], "messages": [{"each": "$", "text": "t", "speakers": []}]})) == {
        ".known",
        ".messages[0].speakers",
    }


def test_a_routes_own_fields_come_on_top_of_its_preset() -> None:
    preset = parse_field_map({"namespace": "p", "conversations": [{"root": "$", "id": "i"}], "keep": ["$.a"]}, "p")
    more = parse_field_map({"keep": ["$.b"], "drop": ["$.c"]}, "m")
    both = preset.plus(more)
    assert (both.namespace, both.conversations) == (preset.namespace, preset.conversations)
    assert [path.source for path in both.keep + both.drop] == ["$.a", "$.b", "$.c"]
    own = parse_field_map({"namespace": "q", "conversations": [{"root": "$.x"}]}, "q")
    assert preset.plus(own).conversations == own.conversations
    assert preset.plus(own).namespace == "q"
