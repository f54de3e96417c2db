"""Strings that are HTML in other payloads: read as pages are, written back into their string (P35)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.errors import PayloadFault, PayloadRefused
from sidecar.payloads.csv_body import CsvBody
from sidecar.payloads.document import LeafKind
from sidecar.payloads.field_map import FieldMap
from sidecar.payloads.field_map_reader import parse_field_map
from sidecar.payloads.json_body import JsonBody
from sidecar.payloads.markup import open_markup
from sidecar.payloads.opened import OpenedDocument
from sidecar.payloads.spliced import Limits
from tests.proxy.rewriting import Parts

BODIES = parse_field_map({"html": ["$..body"], "keys": ["$.people"]}, "test")
MESSAGES = parse_field_map(
    {
        "html": ["$..body"],
        "messages": [{"each": "$.messages[]", "text": ["text", "body"], "speaker": "by", "speakers": {"bot": "agent"}}],
    },
    "test",
)


def opened(body: Any, fields: FieldMap = BODIES) -> OpenedDocument:
    return open_markup(JsonBody().parse(json.dumps(body)), fields)[0]


def texts(document: OpenedDocument) -> list[tuple[tuple[str | int, ...], str]]:
    return [(leaf.path, leaf.text) for leaf in document.leaves if leaf.kind is LeafKind.STRING]


def test_a_string_is_replaced_by_the_texts_that_a_browser_shows() -> None:
    document = opened({"a": "<b>", "body": "<p title='O&#39;Brien'>mar<b>ta</b>&#64;example.org</p>", "c": "x"})
    assert texts(document) == [
        (("a",), "<b>"),
        (("body", 0, "p", "title"), "O'Brien"),
        (("body",), "marta@example.org"),
        (("body",), "mar ta @example.org"),
        (("c",), "x"),
    ]
    assert [leaf.index for leaf in document.leaves] == list(range(len(document.leaves)))


@pytest.mark.parametrize("plain", ["hello", "", "1 > 0"])
def test_what_has_no_markup_is_a_text(plain: str) -> None:
    assert texts(opened({"body": plain})) == [(("body",), plain)]


@pytest.mark.parametrize(
    "rule", [{"keep": ["$.body"]}, {"drop": ["$.body"]}, {"hash": ["$.body"]}, {"known": {"$.body": "PERSON"}}]
)
def test_what_is_kept_taken_away_or_known_is_not_opened(rule: dict[str, Any]) -> None:
    fields = parse_field_map({"html": ["$..body"], **rule}, "test")
    assert texts(opened({"body": "<p>x</p>"}, fields)) == [(("body",), "<p>x</p>")]


def test_html_in_json_in_a_string() -> None:
    document = opened({"data": json.dumps({"body": "<p>Zed &amp; Q</p>"})})
    assert texts(document) == [(("data", "body", 1), "Zed & Q")]
    assert [leaf.embedded_at for leaf in document.leaves if leaf.kind is LeafKind.STRING] == [1]
    edited = document.render({document.leaves[-1].index: "<x>"})
    assert json.loads(json.loads(edited)["data"]) == {"body": "<p>&lt;x&gt;</p>"}


def test_html_in_cells_of_a_table() -> None:
    document, _ = open_markup(CsvBody().parse('id,body\n1,"<p>""Zed""</p>"\n'), BODIES)
    (leaf,) = [leaf for leaf in document.leaves if leaf.text == '"Zed"']
    assert document.render({leaf.index: '"Q"'}) == b'id,body\n1,"<p>""Q""</p>"\n'


@given(st.text(st.sampled_from("<>&;/pb =\"'x@é\\"), max_size=30))
def test_P35_what_is_not_edited_is_the_same_bytes(text: str) -> None:
    body = {"n": 1.0, "body": text, "z": ["é", text]}
    assert opened(body).render({}) == json.dumps(body).encode()


@pytest.mark.parametrize(
    "body",
    ["<p>marta</p><a hre", "<p>\0</p>", "<iframe srcdoc='<p>marta</p>'>", "<img src='data:image/png;base64,QUJD'>",
     "<script>'marta</script>", f"<p>marta &#{'9' * 5000};"],
)  # fmt: skip
async def test_what_no_page_can_be_read_from_becomes_null(body: str) -> None:
    rewritten = await Parts().rewrite(json.dumps({"id": 7, "body": body, "x": "y"}), BODIES)
    assert json.loads(rewritten.body) == {"id": 7, "body": None, "x": "y"}


def test_too_many_leaves_are_refused() -> None:
    with pytest.raises(PayloadRefused) as raised:
        open_markup(JsonBody().parse(json.dumps([{"body": "<p>y</p>" * 40}] * 3)), BODIES, Limits(leaves=100))
    assert raised.value.fault is PayloadFault.TOO_LARGE


async def test_texts_in_markup_are_redacted_and_belong_to_their_message() -> None:
    parts = Parts()
    body = {
        "messages": [
            {"by": "bot", "text": "Your account number?"},
            {"by": "user", "body": "<p>48601555<b>014</b></p>"},
            {"by": "user", "body": "<p>or <a href='mailto:z%C3%A9d&#64;b.cc'>z&#101;d@b.cc</a> &amp; co</p>"},
        ]
    }
    rewritten = json.loads((await parts.rewrite(json.dumps(body), MESSAGES)).body)
    assert [message.get("body") for message in rewritten["messages"]] == [
        None,
        "<p>[ACCOUNT_ID_1]<b></b></p>",
        "<p>or <a href='mailto:%5BEMAIL_1%5D'>[EMAIL_2]</a> &amp; co</p>",
    ]
    asked = next(message for message in parts.detection.seen if message.text.startswith("4860"))
    assert asked.context[-1].text == "Your account number?"
    assert json.loads((await parts.rewrite(json.dumps(rewritten), MESSAGES)).body) == rewritten, "P42"
