"""One payload through parse, selection, redaction and rendering."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from sidecar.detection.recognizer import Message
from sidecar.detection.span import Span
from sidecar.errors import DetectionFailed, DetectionFault, PayloadRefused
from sidecar.keys import Purpose
from sidecar.payloads.field_map import FieldMap
from sidecar.payloads.json_body import JsonBody
from sidecar.payloads.presets import parse_field_map
from sidecar.proxy.reading import without_placeholders
from sidecar.proxy.rewriter import Rewriter, confidence_of
from sidecar.redaction.policy import Operator, Policy, TypePolicy
from sidecar.redaction.redactor import Redactor
from tests.proxy.rewriting import MASTER, MemoryPlaceholders, Parts

CHAT = parse_field_map(
    {
        "namespace": "shop",
        "conversations": [{"root": "$.chats[]", "id": "id"}],
        "messages": [
            {
                "each": "$..messages[]",
                "text": "text",
                "speaker": "from",
                "speakers": {"bot": "agent", "user": "customer"},
            }
        ],
        "known": {"$..customer.name": "PERSON", "$..customer.account": "ACCOUNT_ID"},
        "keep": ["$..id"],
        "drop": ["$..secret"],
        "hash": ["$..device"],
    },
    "test",
)


def chat(id_: str, texts: Sequence[str], **more: Any) -> dict[str, Any]:
    messages = [{"from": ("user", "bot")[index % 2], "text": text} for index, text in enumerate(texts)]
    return {"id": id_, "messages": messages, **more}


async def rewritten(body: Any, fields: FieldMap = CHAT, policy: Policy | None = None) -> Any:
    return json.loads((await Parts().rewrite(json.dumps(body), fields, policy)).body)


async def test_known_values_are_replaced_whole_and_by_the_placeholder_they_have_in_the_text() -> None:
    body = {"chats": [chat("1", ["hi im marta", "Hello Marta Kowalczyk"], customer={"name": "Marta Kowalczyk"})]}
    one = (await rewritten(body))["chats"][0]
    assert one["customer"]["name"] == "[PERSON_1]"
    assert [message["text"] for message in one["messages"]] == ["hi im [PERSON_1]", "Hello [PERSON_1]"]


async def test_a_known_number_is_replaced_wherever_it_stands() -> None:
    body = {"chats": [chat("1", ["my account is 4821"], customer={"account": 4821}, ref=4821, other=4822)]}
    one = (await rewritten(body))["chats"][0]
    assert one["customer"]["account"] == "[ACCOUNT_ID_1]"
    assert one["messages"][0]["text"] == "my account is [ACCOUNT_ID_1]"
    assert (one["ref"], one["other"]) == ("[ACCOUNT_ID_1]", 4822)


async def test_known_values_stay_within_their_conversation_but_those_outside_all_count_in_each() -> None:
    body = {
        "customer": {"name": "Zed"},
        "chats": [chat("1", ["marta zed"], customer={"name": "Marta"}), chat("2", ["marta zed"])],
    }
    first, second = (await rewritten(body))["chats"]
    assert first["messages"][0]["text"] == "[PERSON_1] [PERSON_2]"
    assert second["messages"][0]["text"] == "marta [PERSON_1]"


async def test_messages_are_read_with_the_turns_before_them() -> None:
    parts = Parts()
    await parts.rewrite(json.dumps({"chats": [chat("1", ["a", "b", "c", "d"])]}), CHAT)
    read = [(m.text, m.speaker, [(t.speaker, t.text) for t in m.context]) for m in parts.detection.seen]
    assert read[0] == ("a", "customer", [])
    assert read[3] == ("d", "agent", [("agent", "b"), ("customer", "c")])


async def test_newest_first_is_read_from_the_end() -> None:
    fields = parse_field_map({"messages": [{"each": "$[]", "text": "t", "order": "newest_first"}]}, "test")
    parts = Parts()
    await parts.rewrite('[{"t": "later"}, {"t": "earlier"}]', fields)
    assert [(m.text, [t.text for t in m.context]) for m in parts.detection.seen] == [
        ("earlier", []),
        ("later", ["earlier"]),
    ]


async def test_conversations_have_scopes_of_their_own_whatever_the_route() -> None:
    parts = Parts()
    body = json.dumps({"chats": [chat("1", ["a@b.cc x@y.zz"]), chat("2", ["x@y.zz"])]})
    done = await parts.rewrite(body, CHAT)
    texts = [one["messages"][0]["text"] for one in json.loads(done.body)["chats"]]
    assert texts == ["[EMAIL_1] [EMAIL_2]", "[EMAIL_1]"]
    again = json.dumps({"chats": [chat("1", ["x@y.zz"])]})
    done = await parts.rewrite(again, CHAT, fallback_scope="another route")
    assert b"[EMAIL_2]" in done.body


async def test_what_follows_on_a_connection_is_numbered_by_the_conversation_named_before() -> None:
    parts = Parts()
    named = await parts.rewrite(json.dumps({"chats": [chat("1", ["ar@b.cc", "br@b.cc"])]}), CHAT)
    assert named.scope is not None
    after = await parts.rewrite('["br@b.cc", "cr@b.cc"]', CHAT, fallback_scope=named.scope)
    assert json.loads(after.body) == ["[EMAIL_2]", "[EMAIL_3]"]
    assert after.scope is None
    several = await parts.rewrite(json.dumps({"chats": [chat("1", ["x"]), chat("2", ["y"])]}), CHAT)
    assert several.scope is None
    nameless = await parts.rewrite(json.dumps({"chats": [chat("", ["ar@b.cc"])]}), CHAT)
    assert nameless.scope is None  # an empty id is none: strangers would share it
    assert "chats" not in repr(named)


async def test_what_has_no_conversation_id_is_numbered_by_the_fallback_scope() -> None:
    parts = Parts()
    bodies = [await parts.rewrite(f'["{who}@b.cc"]', FieldMap(), fallback_scope=s) for who, s in ("ar", "br", "bs")]
    assert [json.loads(one.body)[0] for one in bodies] == ["[EMAIL_1]", "[EMAIL_2]", "[EMAIL_1]"]


async def test_what_is_reported_is_pseudonyms_and_counts() -> None:
    parts = Parts()
    body = {
        "chats": [chat("c-77", ["a@b.cc", "a@b.cc"], customer={"name": "Marta"}), chat("c-77", ["x"]), chat("", [])]
    }
    done = await parts.rewrite(json.dumps(body), CHAT)
    assert done.conversations == (parts.pseudonyms.label("conversation", "c-77"),)
    assert done.entities == {"EMAIL": 2, "PERSON": 1}
    assert sum(done.confidence.values()) == 3
    assert done.residuals == 0
    assert "b.cc" not in repr(done)


@pytest.mark.parametrize("value", ["k", 1, 1.5, True, None, {"a": "marta@b.cc"}, ["x"], '{"a": "b"}'])
async def test_dropped_fields_are_null_whatever_they_hold(value: Any) -> None:
    assert await rewritten({"secret": value, "a": [{"secret": value}]}) == {"secret": None, "a": [{"secret": None}]}


async def test_hashed_fields_are_hashed_with_the_key_and_everything_below_them() -> None:
    label = MASTER.pseudonymizer(Purpose.AUDIT_PSEUDONYM).label
    body = {"device": {"id": "abc", "n": 12, "on": True, "none": None, "empty": ""}}
    hashed = {"id": label("field", "abc"), "n": label("field", "12"), "on": True, "none": None, "empty": ""}
    assert await rewritten(body) == {"device": hashed}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"n": 4111111111111111}, {"n": "[CREDIT_CARD_1]"}),
        ({"n": 4.111111111111111e15}, {"n": "[CREDIT_CARD_1]"}),
        ({"n": 48601555014}, {"n": 48601555014}),  # any long number: unsure
        ({"phone": 48601555014}, {"phone": "[ACCOUNT_ID_1]"}),  # its name asks for it
        ({"phone": 1795485561}, {"phone": "[ACCOUNT_ID_1]"}),  # a mobile phone's without its zero
        ({"account": 1795485561}, {"account": 1795485561}),  # a clock
        ({"phone": 1795485561123}, {"phone": 1795485561123}),
        ({"n": 1e300, "m": -12, "k": 12.5}, {"n": 1e300, "m": -12, "k": 12.5}),
        ({"score": 0.4111111111111111, "x": 41111111.1111}, {"score": 0.4111111111111111, "x": 41111111.1111}),
    ],
)
async def test_numbers_are_replaced_when_a_finding_is_sure(body: Any, expected: Any) -> None:
    assert await rewritten(body) == expected


async def test_P32_P60_base64_is_read_or_taken_away() -> None:
    picture = "data:image/png;base64," + b64encode(b"\x89PNG" + bytes(range(99))).decode()
    body = {
        "text": b64encode(b"write to marta@b.cc").decode(),
        "json": b64encode(b'{"mail": "marta@b.cc"}').decode(),
        "picture": picture,
        "words": f"look: ![]({picture})",
        "id": "Zx9q8w7e6rTyUiOpAsDf",
    }
    assert await rewritten(body) == {
        "text": b64encode(b"write to [EMAIL_1]").decode(),
        "json": b64encode(b'{"mail": "[EMAIL_1]"}').decode(),
        "picture": None,
        "words": None,
        "id": "Zx9q8w7e6rTyUiOpAsDf",
    }


async def test_a_long_number_that_a_text_names_is_replaced_as_a_number_too() -> None:
    assert await rewritten({"t": "account 48601555014", "n": 48601555014}) == {
        "t": "account [ACCOUNT_ID_1]",
        "n": "[ACCOUNT_ID_1]",
    }


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"marta@b.cc": 1}, {"[EMAIL_1]": 1}),
        ({"order status": 1, "created_at": 1, "name": 1, "x-y.z": 1}, None),
        ({"4111111111111111": 1}, {"[CREDIT_CARD_1]": 1}),
        ({"48601555014": 1, "user48601555014": 1}, None),  # long numbers are ids of machines more often than not
        (
            {"customer": {"name": "Marta"}, "marta": 1, "mart": 2},
            {"customer": {"name": "[PERSON_1]"}, "[PERSON_1]": 1, "mart": 2},
        ),
    ],
)
async def test_member_names_are_replaced_when_they_are_data(body: Any, expected: Any) -> None:
    assert await rewritten(body) == (body if expected is None else expected)


async def test_member_names_of_objects_that_the_map_names_are_texts() -> None:
    fields = parse_field_map({"keys": ["$.people"]}, "test")
    assert await rewritten({"people": {"48601555014": 1}, "48601555015": 2}, fields) == {
        "people": {"[ACCOUNT_ID_1]": 1},
        "48601555015": 2,
    }


async def test_member_names_stay_unique() -> None:
    policy = Policy("mask", {"EMAIL": TypePolicy(Operator.MASK)})
    body = '{"aa@b.cc": 1, "bb@b.cc": 2, "*******": 3, "aa@b.cc": 4, "in": {"bb@b.cc": 5}}'
    done = await Parts().rewrite(body, FieldMap(), policy)
    assert done.body.decode() == '{"*******~2": 1, "*******~3": 2, "*******": 3, "*******~2": 4, "in": {"*******": 5}}'


async def test_roles_of_speakers_stay_and_other_words_for_them_are_data() -> None:
    body = {"chats": [{"id": "1", "messages": [{"from": "bot", "text": "x"}, {"from": "a@b.cc", "text": "y"}]}]}
    messages = (await rewritten(body))["chats"][0]["messages"]
    assert [message["from"] for message in messages] == ["bot", "[EMAIL_1]"]


async def test_X5_json_in_strings_is_redacted_in_place() -> None:
    inner = json.dumps({"customer": {"name": "Zoë"}, "n": 4111111111111111, "t": "zoë a@b.cc"})
    assert json.loads((await rewritten({"m": inner}))["m"]) == {
        "customer": {"name": "[PERSON_1]"},
        "n": "[CREDIT_CARD_1]",
        "t": "[PERSON_1] [EMAIL_1]",
    }


async def test_X5_json_that_is_a_message_keeps_speaker_and_turns() -> None:
    parts = Parts()
    await parts.rewrite(json.dumps({"chats": [chat("1", ["your account?", '{"answer": 123}'])]}), CHAT)
    asked = next(message for message in parts.detection.seen if message.text == "123")
    assert (asked.speaker, [turn.text for turn in asked.context]) == ("agent", ["your account?"])


async def test_entity_types_that_the_policy_keeps_stay_in_known_fields() -> None:
    policy = Policy("open", {"PERSON": TypePolicy(Operator.KEEP)})
    assert (await rewritten({"customer": {"name": "Marta"}}, policy=policy)) == {"customer": {"name": "Marta"}}


async def test_untouched_payloads_come_back_byte_for_byte() -> None:
    body = '\ufeff{"n": 1.0e2, "n": 12345678901234567890123, "t": "\\u00e9\\/ ok"}\r\n'
    assert (await Parts().rewrite(body, CHAT)).body == body.encode()


async def test_long_payloads_take_the_same_way() -> None:
    body = {"chats": [chat(str(n), [f"user{n}@example.net wrote", "x" * 2000]) for n in range(40)]}
    chats = (await rewritten(body))["chats"]
    assert [one["messages"][0]["text"] for one in chats] == ["[EMAIL_1] wrote"] * 40


async def test_what_can_not_be_parsed_is_refused() -> None:
    with pytest.raises(PayloadRefused):
        await Parts().rewrite('{"a": "a@b.cc"', CHAT)


class FailingDetection:
    """Fails for one text, and is slow for all others."""

    version = "failing"

    def __init__(self) -> None:
        self.started = self.ended = 0

    async def detect(self, messages: Sequence[Message]) -> list[tuple[Span, ...]]:
        self.started += 1
        try:
            if any(message.text == "fail" for message in messages):
                raise DetectionFailed(DetectionFault.CRASHED)
            await asyncio.sleep(60)
        finally:
            self.ended += 1
        return [() for _ in messages]


async def test_D14_one_failed_conversation_fails_all_and_leaves_nothing_running() -> None:
    detection = FailingDetection()
    keys = MASTER.pseudonymizer(Purpose.PLACEHOLDER)
    rewriter = Rewriter(Redactor(detection, MemoryPlaceholders(), keys, keys), keys)
    body = json.dumps({"chats": [chat("1", ["slow"]), chat("2", ["slow"]), chat("3", ["fail"])]})
    with pytest.raises(DetectionFailed):
        await rewriter.rewrite(body, JsonBody(), CHAT, Policy(), "here")
    assert detection.started == detection.ended == 3


class BlindDetection:
    """Finds nothing, not even what a field names."""

    version = "blind"

    async def detect(self, messages: Sequence[Message]) -> list[tuple[Span, ...]]:
        return [() for _ in messages]


async def test_a_named_value_that_detection_passes_by_fails_the_exchange() -> None:
    keys = MASTER.pseudonymizer(Purpose.PLACEHOLDER)
    rewriter = Rewriter(Redactor(BlindDetection(), MemoryPlaceholders(), keys, keys), keys)
    with pytest.raises(DetectionFailed) as failure:
        await rewriter.rewrite('{"customer": {"name": "Ed"}}', JsonBody(), CHAT, Policy(), "here")
    assert "Ed" not in str(failure.value)


@pytest.mark.parametrize(
    ("value", "rest"),
    [("[PERSON_1]", ""), ("[PERSON_1] [EMAIL#0123456789ab]", ""), ("[PERSON_1] Kowalczyk", "Kowalczyk"), ("Ed", "Ed"),
     ("************1111", ""), ("-", ""), ("[NOBODY_1]", "[NOBODY_1]"), ("", "")],
)  # fmt: skip
def test_what_is_left_beside_placeholders(value: str, rest: str) -> None:
    assert without_placeholders(value) == rest


def test_counts_are_a_mapping_of_types_alone() -> None:
    done = asyncio.run(Parts().rewrite('["a@b.cc"]', FieldMap()))
    assert isinstance(done.entities, Mapping)
    assert dict(done.entities) == {"EMAIL": 1}


@pytest.mark.parametrize(
    ("score", "tenth"), [(0.0, "p00"), (0.299999, "p20"), (0.3, "p30"), (0.7, "p70"), (0.85, "p80"), (1.0, "p100")]
)
def test_entities_are_counted_by_tenths_of_their_score_a23(score: float, tenth: str) -> None:
    assert confidence_of([Span(0, 1, "PERSON", score, "x")] * 2) == {tenth: 2}
