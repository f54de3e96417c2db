"""JSON read with every leaf's place, and spliced (P35)."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sidecar.errors import PayloadFault, PayloadRefused
from sidecar.payloads.document import Leaf, LeafKind
from sidecar.payloads.json_body import JsonBody
from sidecar.payloads.spliced import Limits

JSON = JsonBody()


def leaves(text: str) -> list[tuple[tuple[str | int, ...], str, str]]:
    return [(leaf.path, leaf.kind.value, leaf.text) for leaf in JSON.parse(text).leaves]


def index_of(text: str, kind: LeafKind, content: str) -> int:
    return next(leaf.index for leaf in JSON.parse(text).leaves if leaf.kind is kind and leaf.text == content)


def rebuilt(found: list[Leaf]) -> Any:
    """A parsed object from leaves alone; the last of duplicate names wins, as in ``json.loads``."""
    made: dict[tuple[str | int, ...], Any] = {}
    for leaf in found:
        if leaf.kind is LeafKind.KEY:
            continue
        value: Any = leaf.text
        if leaf.kind is LeafKind.CONTAINER:
            value = {}
        elif leaf.kind in (LeafKind.NUMBER, LeafKind.OTHER):
            value = json.loads(leaf.text)
        for path in [path for path in made if path[: len(leaf.path)] == leaf.path]:
            del made[path]
        made[leaf.path] = value
    for path in sorted(made, key=len, reverse=True):
        if path:
            made[path[:-1]][path[-1]] = made[path]
    return made[()]


def plain(value: Any) -> Any:
    """Lists as dicts by index, and no lone surrogates, as ``rebuilt`` makes them."""
    if isinstance(value, list):
        return {index: plain(item) for index, item in enumerate(value)}
    if isinstance(value, dict):
        return {re.sub("[\ud800-\udfff]", "\ufffd", key): plain(item) for key, item in value.items()}
    if isinstance(value, str):
        return re.sub("[\ud800-\udfff]", "\ufffd", value)
    return value


def refused_constant(_: str) -> None:
    raise ValueError


def test_leaves_come_in_document_order_with_paths_and_decoded_texts() -> None:
    assert leaves('{"a": [1, "x\\u0040y", {"b": null}], "a": {}}') == [
        ((), "container", ""),
        (("a",), "key", "a"),
        (("a",), "container", ""),
        (("a", 0), "number", "1"),
        (("a", 1), "string", "x@y"),
        (("a", 2), "container", ""),
        (("a", 2, "b"), "key", "b"),
        (("a", 2, "b"), "other", "null"),
        (("a",), "key", "a"),
        (("a",), "container", ""),
    ]


@pytest.mark.parametrize(
    "text",
    [
        '{"big": 123456789012345678901234567890, "float": 1.0E+02, "neg": -0.0, "tiny": 1e-999}',
        '{"b": 1, "a": 2, "b": 3}',
        '["\\u0041\\/\\n\\ud83d\\ude00", "\\ud800", "é", "\\u00e9"]',
        ' \r\n\t{ "a" :\t[ ] , "b":{ } }\n',
        "\ufeff[1]",
        '"alone"',
        "0",
        "null",
        '{"a": "{\\"b\\": \\"\\\\u0041\\"}"}',
        '{"": {"": [[], {}]}}',
    ],
)
def test_P35_what_is_not_edited_is_byte_equal(text: str) -> None:
    assert JSON.parse(text).render({}) == text.encode()


def test_P35_an_edit_leaves_everything_around_it_as_it_was() -> None:
    text = '{"n": 1.50, "t": "\\u0041b", "t": "x", "u": "\\u00e9", "big": 12345678901234567890}'
    edited = JSON.parse(text).render({index_of(text, LeafKind.STRING, "x"): 'say "[PERSON_1]"\n'})
    assert edited == text.replace('"x"', '"say \\"[PERSON_1]\\"\\n"').encode()


@pytest.mark.parametrize(
    ("text", "kind", "content", "new", "expected"),
    [
        ('{"a": 4111111111111111}', LeafKind.NUMBER, "4111111111111111", "[C_1]", '{"a": "[C_1]"}'),
        ('{"a": "b"}', LeafKind.STRING, "b", None, '{"a": null}'),
        ('{"a": true}', LeafKind.OTHER, "true", None, '{"a": null}'),
        ('{"a": 12}', LeafKind.NUMBER, "12", None, '{"a": null}'),
        ('{"x@y.z": {"k": 1}}', LeafKind.KEY, "x@y.z", "[EMAIL_1]", '{"[EMAIL_1]": {"k": 1}}'),
        ('["\\u0041"]', LeafKind.STRING, "A", "é€😀", '["é€😀"]'),
    ],
)
def test_edits_are_written_as_json(text: str, kind: LeafKind, content: str, new: str | None, expected: str) -> None:
    assert JSON.parse(text).render({index_of(text, kind, content): new}) == expected.encode()


def test_dropping_a_container_swallows_the_edits_inside() -> None:
    document = JSON.parse('{"a": {"b": "c", "d": ["e"]}, "f": "g"}')
    drop = next(leaf.index for leaf in document.leaves if leaf.path == ("a",) and leaf.kind is LeafKind.CONTAINER)
    inside = next(leaf.index for leaf in document.leaves if leaf.text == "e")
    assert document.render({inside: "x", drop: None}) == b'{"a": null, "f": "g"}'


@pytest.mark.parametrize(("kind", "new"), [(LeafKind.KEY, None), (LeafKind.CONTAINER, "text")])
def test_impossible_edits_raise(kind: LeafKind, new: str | None) -> None:
    document = JSON.parse('{"a": {}}')
    index = next(leaf.index for leaf in document.leaves if leaf.kind is kind)
    with pytest.raises(ValueError, match="can't be edited"):
        document.render({index: new})


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "{", "[", '"', "[1", '{"a"', '{"a":', '{"a":1', '{"a":1,}', "[1,]", "[,1]", "{,}", "[1 2]", '{"a" 1}',
        "{a:1}", "{'a':1}", "nul", "nulll", "True", "tru", "01", "-", "+1", "1.", ".5", "1e", "0x1", "1_0", "١",
        "NaN", "Infinity", "-Infinity", "[NaN]", '"\t"', '"\x00"', '"\\x"', '"\\u12"', '"\\u12G4"', '"\\u+123"', '"a',
        "[1]]", "{}{}", "[] x", '{"a":1}\x00', "[}", "{]", '["a"}', "// c\n1", "\ufeff\ufeff1", "\xa01", '{"a":1}}',
        '{1: 2}', '{null: 2}', '["\\', '["\\"]',
    ],
)  # fmt: skip
def test_P35_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(PayloadRefused) as refusal:
        JSON.parse(text)
    assert refusal.value.fault is PayloadFault.NOT_PARSEABLE


def test_refusals_name_a_position_and_no_text() -> None:
    with pytest.raises(PayloadRefused) as refusal:
        JSON.parse('{"card": 4111111111111111 "x": 1}')
    assert "4111" not in f"{refusal.value!r}{refusal.value}"
    assert "character 25" in str(refusal.value)
    assert refusal.value.__context__ is None


@pytest.mark.parametrize(("opener", "closer"), [("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")])
@pytest.mark.parametrize("depth", [10_000, 1_000_000])
def test_P35_deep_nesting_is_refused_without_recursion(opener: str, closer: str, depth: int) -> None:
    with pytest.raises(PayloadRefused) as refusal:
        JSON.parse(opener * depth + "1" + closer * depth)
    assert refusal.value.fault is PayloadFault.TOO_DEEP


def test_the_depth_limit_is_exact() -> None:
    JsonBody(Limits(depth=3)).parse("[[[1]]]")
    with pytest.raises(PayloadRefused):
        JsonBody(Limits(depth=3)).parse("[[[[1]]]]")


def test_leaves_and_their_paths_are_bounded() -> None:
    with pytest.raises(PayloadRefused) as refusal:
        JsonBody(Limits(leaves=100)).parse("[" + "1," * 100 + "1]")
    assert refusal.value.fault is PayloadFault.TOO_LARGE
    with pytest.raises(PayloadRefused) as refusal:
        JsonBody(Limits(path_parts=1000)).parse("[" * 50 + "1," * 100 + "1" + "]" * 50)
    assert refusal.value.fault is PayloadFault.TOO_LARGE


def test_a_lone_surrogate_is_no_character_but_stays_where_nothing_is_edited() -> None:
    document = JSON.parse('["a\\ud800b", "c"]')
    assert [leaf.text for leaf in document.leaves] == ["", "a\ufffdb", "c"]
    assert document.render({2: "d"}) == b'["a\\ud800b", "d"]'


def test_text_that_is_no_unicode_is_refused_and_not_quoted() -> None:
    with pytest.raises(PayloadRefused) as refusal:
        JSON.parse('["marta \ud800"]')
    assert refusal.value.fault is PayloadFault.CHARSET
    assert refusal.value.__cause__ is None
    assert "marta" not in str(refusal.value)


def test_no_repr_shows_text() -> None:
    document = JSON.parse('{"marta@example.net": "Marta", "n": 4111111111111111}')
    shown = repr(document) + repr(list(document.leaves))
    assert "arta" not in shown
    assert "4111" not in shown


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
json_like = st.lists(
    st.sampled_from([
        "{", "}", "[", "]", ",", ":", '"', "\\", "a", "1", "0", "-", ".", "e", "E", "+", "true", "null", " ", "\n",
        "\\u0041", "\\ud83d", "\\ude00", '"k"', '"k":', "\x1f", "é", "NaN", "\ufeff", '\\"',
    ]),
    max_size=24,
).map("".join)  # fmt: skip


@given(value=json_values, ascii_only=st.booleans(), indent=st.sampled_from([None, 2]))
def test_P35_everything_json_writes_is_read_alike(value: Any, ascii_only: bool, indent: int | None) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    document = JsonBody(Limits(embedding=0)).parse(text)
    assert document.render({}) == text.encode()
    assert rebuilt(list(document.leaves)) == plain(json.loads(text))


@given(text=json_like | json_like.map(lambda inner: f'{{"a":[{inner}]}}') | json_like.map(lambda inner: f'"{inner}"'))
@example('{"k":1,"k":[]}')
@example('"\\ude00\\ud83d"')
@example("1e5")
def test_P35_accepts_exactly_what_json_loads_accepts_but_for_nan(text: str) -> None:
    try:
        expected = plain(json.loads(text, parse_constant=refused_constant))
    except ValueError:
        expected = refused_constant
    try:
        document = JsonBody(Limits(embedding=0)).parse(text)
    except PayloadRefused:
        assert expected is refused_constant or text.startswith("\ufeff")
        return
    if text.startswith("\ufeff"):
        return
    found = rebuilt(list(document.leaves))
    assert found == expected or (isinstance(found, float) and math.isinf(found))
    assert document.render({}) == text.encode()


@given(value=json_values, data=st.data())
def test_edited_documents_parse_to_the_edited_value(value: Any, data: st.DataObject) -> None:
    text = json.dumps([value, "end"])
    document = JsonBody(Limits(embedding=0)).parse(text)
    strings = [leaf for leaf in document.leaves if leaf.kind in (LeafKind.STRING, LeafKind.NUMBER)]
    chosen = data.draw(st.lists(st.sampled_from(strings), unique_by=lambda leaf: leaf.index, min_size=1))
    edits: dict[int, str | None] = {leaf.index: data.draw(st.text()) for leaf in chosen}
    again = JsonBody(Limits(embedding=0)).parse(document.render(edits).decode())
    wanted = [edits.get(leaf.index, leaf.text) for leaf in document.leaves]
    assert [leaf.text for leaf in again.leaves] == wanted
    assert [leaf.path for leaf in again.leaves] == [leaf.path for leaf in document.leaves]
