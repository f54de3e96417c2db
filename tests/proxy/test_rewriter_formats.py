"""The rewriter over every format: the same map, the same canaries, nothing left and nothing else touched."""

from __future__ import annotations

import pytest

from sidecar.payloads.field_map_reader import parse_field_map
from sidecar.payloads.formats import format_for
from sidecar.redaction.policy import Policy
from tests.proxy.rewriting import Parts

FIELDS = parse_field_map(
    {
        "namespace": "any",
        "conversations": [{"root": "$[]", "id": "chat"}, {"root": "$"}],
        "messages": [{"each": "$[]", "text": "text", "speaker": "who", "speakers": {"bot": "agent"}}],
        "known": {"$..name": "PERSON"},
        "drop": ["$..ip"],
        "keep": ["$[].chat"],
    },
    "test",
)


@pytest.mark.parametrize(
    ("media_type", "body", "expected"),
    [
        (
            "application/x-ndjson",
            '{"chat": 1, "name": "Marta", "text": "hi marta", "n": 1.0}\n\n{"chat": 2, "text": "marta m@b.cc"}',
            '{"chat": 1, "name": "[PERSON_1]", "text": "hi [PERSON_1]", "n": 1.0}\n\n'
            '{"chat": 2, "text": "marta [EMAIL_1]"}',
        ),
        (
            "text/csv",
            'chat,name,text,ip,m\r\n1,Marta,"hi, marta",10.1.1.1,"{""name"": ""Zed"", ""t"": ""zed""}"\r\n2,,zed,,\r\n',
            "chat,name,text,ip,m\r\n"
            '1,[PERSON_1],"hi, [PERSON_1]",,"{""name"": ""[PERSON_2]"", ""t"": ""[PERSON_2]""}"\r\n'
            "2,,zed,,\r\n",
        ),
        (
            "application/x-www-form-urlencoded",
            "name=Zo%C3%AB+Q&comment=zo%c3%ab+q+says%20hi&m%40b.cc=1&ip=1",
            "name=%5BPERSON_1%5D&comment=%5BPERSON_1%5D+says+hi&%5BEMAIL_1%5D=1&ip=",
        ),
        ("text/plain", "Marta wrote:\r\nm@b.cc\n", "Marta wrote:\r\n[EMAIL_1]\n"),
        ("text/plain", '{"name": "Marta", "t": "marta"}', '{"name": "[PERSON_1]", "t": "[PERSON_1]"}'),
    ],
)
async def test_P32_every_format_is_redacted_by_the_same_map(media_type: str, body: str, expected: str) -> None:
    done = await Parts().rewriter.rewrite(body, format_for(media_type), FIELDS, Policy(), "here")
    assert done.body.decode() == expected
    again = await Parts().rewriter.rewrite(expected, format_for(media_type), FIELDS, Policy(), "here")
    assert again.body.decode() == expected
