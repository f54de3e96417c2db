"""JSON in strings of JSON (X5)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.payloads.document import LeafKind
from sidecar.payloads.json_body import JsonBody
from sidecar.payloads.spliced import Limits

JSON = JsonBody()


def test_X5_json_in_a_string_shows_its_leaves_below_the_strings_path() -> None:
    document = JSON.parse(json.dumps({"meta": json.dumps({"name": "José", "n": [1]}), "x": "y"}))
    found = [(leaf.path, leaf.kind, leaf.text, leaf.embedded_at) for leaf in document.leaves]
    assert found == [
        ((), LeafKind.CONTAINER, "", None),
        (("meta",), LeafKind.KEY, "meta", None),
        (("meta",), LeafKind.CONTAINER, "", 1),
        (("meta", "name"), LeafKind.KEY, "name", 1),
        (("meta", "name"), LeafKind.STRING, "José", 1),
        (("meta", "n"), LeafKind.KEY, "n", 1),
        (("meta", "n"), LeafKind.CONTAINER, "", 1),
        (("meta", "n", 0), LeafKind.NUMBER, "1", 1),
        (("x",), LeafKind.KEY, "x", None),
        (("x",), LeafKind.STRING, "y", None),
    ]


def test_X5_untouched_parts_of_such_a_string_are_byte_equal() -> None:
    text = '{"m": "{\\u0022a\\u0022: \\"Jos\\\\u00e9\\", \\"b\\": \\"\\/\\u00e9\\", \\"n\\":1.0}"}'
    document = JSON.parse(text)
    index = next(leaf.index for leaf in document.leaves if leaf.text == "José")
    assert document.render({index: "[PERSON_1]"}).decode() == text.replace("Jos\\\\u00e9", "[PERSON_1]")


def test_X5_dropping_such_a_string_drops_it_whole() -> None:
    document = JSON.parse('{"m": "{\\"a\\": 1}", "n": 2}')
    index = next(leaf.index for leaf in document.leaves if leaf.path == ("m",) and leaf.kind is LeafKind.CONTAINER)
    assert document.render({index: None}) == b'{"m": null, "n": 2}'


@pytest.mark.parametrize(
    "content",
    ['{"a": "b', "{hello}", "[PERSON_1]", "[citation needed]", '{"a": NaN}', "[" * 300 + "]" * 300, '{"a":1} thanks'],
)
def test_X5_what_only_looks_like_json_is_a_text(content: str) -> None:
    document = JSON.parse(json.dumps({"m": content}))
    assert [(leaf.kind, leaf.text) for leaf in document.leaves if leaf.path == ("m",)][1:] == [
        (LeafKind.STRING, content)
    ]


def test_X5_strings_in_strings_are_opened_to_a_bound() -> None:
    inner = "[1]"
    for _ in range(5):
        inner = json.dumps([inner])
    texts = [leaf.text for leaf in JsonBody(Limits(embedding=3)).parse(inner).leaves if leaf.kind is LeafKind.STRING]
    assert texts == ['["[1]"]']


values = st.recursive(
    st.text() | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(value=values, ascii_only=st.tuples(st.booleans(), st.booleans(), st.booleans()), data=st.data())
def test_X5_edits_arrive_at_their_leaf_through_three_levels(
    value: Any, ascii_only: tuple[bool, bool, bool], data: st.DataObject
) -> None:
    text = json.dumps([value], ensure_ascii=ascii_only[0])
    for flag in ascii_only[1:]:
        text = json.dumps({"s": text, "t": "é\n"}, ensure_ascii=flag)
    document = JSON.parse(text)
    assert document.render({}) == text.encode()
    leaf = data.draw(st.sampled_from([leaf for leaf in document.leaves if leaf.kind in ("string", "number", "key")]))
    new = data.draw(st.text(st.characters(exclude_characters="{[", exclude_categories=["Cs"])))
    again = JSON.parse(document.render({leaf.index: new}).decode())
    expected = [new if old.index == leaf.index else old.text for old in document.leaves]
    assert [one.text for one in again.leaves] == expected
