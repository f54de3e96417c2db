"""What customers say, and who they are: conversation by conversation, by paths."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sidecar.payloads.askings import AskingRule, said_in
from sidecar.payloads.field_map import FieldMap
from sidecar.payloads.field_map_reader import parse_field_map
from sidecar.payloads.json_body import JsonBody
from sidecar.payloads.paths import parse_path
from sidecar.proxy.reading import without_placeholders

LISTED = parse_field_map(
    {
        "conversations": [{"root": "$.chats[]", "id": "id"}],
        "messages": [
            {
                "each": "$.chats[].messages[]",
                "text": "text",
                "speaker": "from",
                "speakers": {"user": "customer", "bot": "agent"},
            }
        ],
    },
    "fields",
)
RULE = AskingRule(
    (("customer_id", parse_path("$..customer")), ("email", parse_path("$..email"))),
    parse_path("$..intent"),
    frozenset({"forget_me"}),
)


def said(payload: Any, fields: FieldMap = LISTED) -> list[tuple[tuple[str, ...], bool, dict[str, str]]]:
    leaves = JsonBody().parse(json.dumps(payload)).leaves
    return [(s.texts, s.intended, dict(s.identities)) for s in said_in(leaves, fields, RULE, without_placeholders)]


def chat(*messages: tuple[str, str], **more: Any) -> dict[str, Any]:
    return {"messages": [{"from": who, "text": text} for who, text in messages], **more}


def test_each_conversation_has_its_own_people_and_its_own_words_but_no_agents() -> None:
    payload = {
        "chats": [
            chat(("user", "hello"), ("bot", "delete my data? sure"), ("?", "who am i"), id=1, customer=4711),
            chat(("user", "bye"), id=2, email="b@example.org", note="a loose text"),
        ]
    }
    assert said(payload) == [
        (("hello", "who am i"), False, {"customer_id": "4711"}),
        (("bye",), False, {"email": "b@example.org"}),
    ]


def test_what_stands_outside_belongs_to_all_that_have_none_of_their_own() -> None:
    payload = {"customer": "c-1", "chats": [chat(("user", "a"), customer="c-2"), chat(("user", "b"))]}
    assert [who for *_, who in said(payload)] == [{"customer_id": "c-2"}, {"customer_id": "c-1"}]


def test_two_values_in_one_conversation_name_nobody() -> None:
    payload = {"chats": [chat(("user", "a"), customer="c-1", seller={"email": "s@x.org"}, email="b@x.org")]}
    assert said(payload) == [(("a",), False, {"customer_id": "c-1"})]


@pytest.mark.parametrize("value", ["[EMAIL_1]", "***", "", "k1:0123456789abcdef0123456789abcdef", "a [EMAIL_2]", None])
def test_what_was_redacted_before_is_no_identifier(value: str | None) -> None:
    assert said({"chats": [chat(("user", "a"), email=value)]}) == [(("a",), False, {})]


def test_the_intent_counts_where_it_stands_and_by_its_words_alone() -> None:
    payload = {"chats": [chat(("bot", "done"), intent="forget_me"), chat(("user", "a"), intent="greet")]}
    assert said(payload) == [((), True, {}), (("a",), False, {})]


def test_without_messages_in_the_map_every_text_counts() -> None:
    ((texts, intended, who),) = said({"q": "delete my data", "more": ["x y"], "email": "b@x.org"}, FieldMap())
    assert {"delete my data", "x y"} <= set(texts)
    assert (intended, who) == (False, {"email": "b@x.org"})
