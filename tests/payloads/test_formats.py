"""NDJSON, CSV, forms and text behind the one interface, and the choice between them (P32, P35, X3, X5)."""

from __future__ import annotations

import csv
import io
import json
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.errors import PayloadFault, PayloadRefused
from sidecar.payloads.csv_body import CsvBody, delimiter_of
from sidecar.payloads.document import Leaf, LeafKind, Path, PayloadFormat
from sidecar.payloads.form import FormBody
from sidecar.payloads.formats import format_for
from sidecar.payloads.json_body import JsonBody
from sidecar.payloads.ndjson import NdjsonBody
from sidecar.payloads.spliced import Limits
from sidecar.payloads.text import TextBody

FORMATS: dict[str, PayloadFormat] = {"ndjson": NdjsonBody(), "csv": CsvBody(), "form": FormBody(), "text": TextBody()}
EDITABLE = (LeafKind.STRING, LeafKind.NUMBER, LeafKind.KEY)


def texts(payload_format: PayloadFormat, text: str) -> list[tuple[Path, str]]:
    return [(leaf.path, leaf.text) for leaf in payload_format.parse(text).leaves if leaf.kind in EDITABLE]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("ndjson", '{"a":1}\r\n\n ["x"]', [((0, "a"), "a"), ((0, "a"), "1"), ((1, 0), "x")]),
        ("ndjson", '\ufeff"x"\n', [((0,), "x")]),
        ("csv", 'id,name\r\n1,"a ""b"""\r\n', [
            (("columns", 0), "id"), (("columns", 1), "name"), ((0, "id"), "1"), ((0, "name"), 'a "b"'),
        ]),
        ("csv", '"a";"b"\n"x\ny";2;3', [
            (("columns", 0), "a"), (("columns", 1), "b"), ((0, "a"), "x\ny"), ((0, "b"), "2"), ((0, 2), "3"),
        ]),
        ("csv", "a\tb\rc\t", [(("columns", 0), "a"), (("columns", 1), "b"), ((0, "a"), "c")]),
        ("csv", 'm\n"{""n"": ""x""}"\n', [(("columns", 0), "m"), ((0, "m", "n"), "n"), ((0, "m", "n"), "x")]),
        ("form", "a=1+2&b=%C3%A9%40&&c&=d&a=", [
            (("a",), "a"), (("a",), "1 2"), (("b",), "b"), (("b",), "é@"), (("c",), "c"), (("",), ""), (("",), "d"),
            (("a",), "a"), (("a",), ""),
        ]),
        ("form", "csrfmiddlewaretoken=k68uZFuXr20E5ZLOBOIU&_token=m%40b.cc", [
            (("csrfmiddlewaretoken",), "csrfmiddlewaretoken"), (("_token",), "_token"), (("_token",), "m@b.cc"),
        ]),
        ("form", "payload=%7B%22t%22%3A%22a+b%22%7D", [
            (("payload",), "payload"), (("payload", "t"), "t"), (("payload", "t"), "a b"),
        ]),
        ("text", "hello\nworld", [((0,), "hello\nworld")]),
        ("text", "", []),
    ],
)  # fmt: skip
def test_leaves_of_each_format(name: str, text: str, expected: list[tuple[Path, str]]) -> None:
    assert texts(FORMATS[name], text) == expected
    assert FORMATS[name].parse(text).render({}) == text.encode()


@pytest.mark.parametrize(
    ("name", "text", "old", "new", "expected"),
    [
        ("ndjson", '{"a":1.0}\n{"b":"x"}\n', "x", 'y"', '{"a":1.0}\n{"b":"y\\""}\n'),
        ("ndjson", '{"a":"[\\"x\\"]"}', "x", "y", '{"a":"[\\"y\\"]"}'),
        ("csv", 'a,b\nx,"y"\n', "x", "[P_1]", 'a,b\n[P_1],"y"\n'),
        ("csv", 'a,b\nx,"y"\n', "x", 'p,"q"', 'a,b\n"p,""q""","y"\n'),
        ("csv", 'a,b\nx,"y"\n', "y", "é", 'a,b\nx,"é"\n'),
        ("csv", 'a,b\nx,"y"\n', "y", None, 'a,b\nx,""\n'),
        ("csv", 'm\n"{""n"": ""x"", ""k"": ""\\u00e9""}"\n', "x", 'y"',
         'm\n"{""n"": ""y\\"""", ""k"": ""\\u00e9""}"\n'),
        ("form", "a=x%20y&b=%7e", "x y", "é&=", "a=%C3%A9%26%3D&b=%7e"),
        ("form", "m=x&n=1", "m", "a b", "a+b=x&n=1"),
        ("form", "p=%7b%22t%22%3A%22a+b%22%2C%22u%22%3a%22%C3%a9%22%7d", "a b", "[P_1]",
         "p=%7b%22t%22%3A%22%5BP_1%5D%22%2C%22u%22%3a%22%C3%a9%22%7d"),
        ("text", "hello", "hello", "[P_1]", "[P_1]"),
    ],
)  # fmt: skip
def test_P35_edits_are_written_as_the_format_asks(
    name: str, text: str, old: str, new: str | None, expected: str
) -> None:
    document = FORMATS[name].parse(text)
    index = next(leaf.index for leaf in document.leaves if leaf.text == old)
    assert document.render({index: new}).decode() == expected


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("ndjson", "", PayloadFault.NOT_PARSEABLE),
        ("ndjson", "\n\n", PayloadFault.NOT_PARSEABLE),
        ("ndjson", '{"a":1}\n{"b":', PayloadFault.NOT_PARSEABLE),
        ("ndjson", '{"a":\n1}', PayloadFault.NOT_PARSEABLE),
        ("ndjson", "[1]\n" + "[" * 300 + "]" * 300, PayloadFault.TOO_DEEP),
        ("csv", 'a,b\nx"y,z\n', PayloadFault.NOT_PARSEABLE),
        ("csv", 'a,b\n"x"y,z\n', PayloadFault.NOT_PARSEABLE),
        ("csv", 'a,b\n"x,z\n', PayloadFault.NOT_PARSEABLE),
        ("form", "a=%4", PayloadFault.NOT_PARSEABLE),
        ("form", "a=%zz", PayloadFault.NOT_PARSEABLE),
        ("form", "a=%ff", PayloadFault.CHARSET),
        ("text", "\ud800", PayloadFault.CHARSET),
    ],
)
def test_P35_what_is_not_understood_in_whole_is_refused(name: str, text: str, fault: PayloadFault) -> None:
    with pytest.raises(PayloadRefused) as refusal:
        FORMATS[name].parse(text)
    assert refusal.value.fault is fault


@pytest.mark.parametrize("payload_format", [f(Limits(leaves=5)) for f in (NdjsonBody, CsvBody, FormBody)])
def test_leaves_are_bounded_in_every_format(payload_format: PayloadFormat) -> None:
    with pytest.raises(PayloadRefused) as refusal:
        payload_format.parse({NdjsonBody: "1\n", CsvBody: "a,b\n", FormBody: "a=b&"}[type(payload_format)] * 10)
    assert refusal.value.fault is PayloadFault.TOO_LARGE


@pytest.mark.parametrize(
    ("first", "kind"),
    [("id,customer.name", LeafKind.KEY), ("Name;E-mail", LeafKind.KEY), ("marta,m@b.cc", LeafKind.STRING),
     ("marta,601555014", LeafKind.STRING), ('"a@b"', LeafKind.STRING)],
)  # fmt: skip
def test_a_first_record_with_data_holds_no_names(first: str, kind: LeafKind) -> None:
    leaves = CsvBody().parse(f"{first}\nx,y\n").leaves
    assert {leaf.kind for leaf in leaves if leaf.path[0] == "columns"} == {kind}


def test_long_texts_are_cut_at_line_ends() -> None:
    text = "".join(f"line {number} of a long chat\n" for number in range(2000)) + "x" * 20_000 + "\nend"
    document = TextBody().parse(text)
    assert "".join(leaf.text for leaf in document.leaves) == text
    assert all(leaf.text.endswith("\n") for leaf in document.leaves[:-1])
    assert max(len(leaf.text) for leaf in document.leaves) == 20_001
    assert len(document.leaves) < 12


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [("a,b,c\n;;;;", ","), ('"a;;;;b",c', ","), ("a;b\n1,2", ";"), ("a\tb", "\t"), ("alone", ","), ("", ",")],
)
def test_the_delimiter_is_read_off_the_first_record(text: str, delimiter: str) -> None:
    assert delimiter_of(text) == delimiter


@pytest.mark.parametrize(
    ("media_type", "text", "like"),
    [
        ("application/json", '{"a": 1}', "json"),
        ("application/json", "5", "json"),
        ("application/problem+json", '{"a": 1}', "json"),
        ("application/.json", "[1]", "json"),
        ("application/json", '{"a": 1}\n{"b": 2}', "ndjson"),
        ("text/plain", '{"a": 1}', "json"),
        ("text/plain", '\ufeff {"a": 1}\n{"b": 2}\n', "ndjson"),
        ("text/plain", "[PERSON_1] said hi", "text"),
        ("text/plain", "48601555014", "text"),
        ("text/plain", '{"a": 1', "text"),
        ("", '{"a": 1}', "json"),
        ("application/octet-stream", "[1]\n[2]", "ndjson"),
        ("application/.csv", "a,b\n1,2", "csv"),
        ("text/csv", '[{"a": "b"}]', "json"),
        ("text/tab-separated-values", "a\tb", "csv"),
        ("application/x-ndjson", '{"a": 1}\n', "json"),
        ("application/jsonl", '{"a": 1}\n{"a": 2}', "ndjson"),
        ("application/x-www-form-urlencoded", "a=b", "form"),
        ("application/x-www-form-urlencoded", '{"a": "b&c=d%40e"}', "json"),
        ("application/x-www-form-urlencoded", '{"a": "b"', "form"),
    ],
)
def test_P32_X3_bodies_are_read_as_what_they_are(media_type: str, text: str, like: str) -> None:
    expected = {**FORMATS, "json": JsonBody()}[like]
    assert texts(format_for(media_type), text) == texts(expected, text)


@pytest.mark.parametrize(
    ("media_type", "text", "fault"),
    [
        ("application/json", "marta@b.cc", PayloadFault.NOT_PARSEABLE),
        ("application/json", '{"a": 1', PayloadFault.NOT_PARSEABLE),
        ("application/json", "[" * 300 + "]" * 300, PayloadFault.TOO_DEEP),
        ("", "marta@b.cc", PayloadFault.MEDIA_TYPE),
        ("application/octet-stream", "48601555014", PayloadFault.MEDIA_TYPE),
        ("application/octet-stream", '{"a": 1', PayloadFault.MEDIA_TYPE),
        ("text/plain", "m\0a\0r\0t\0a\0", PayloadFault.NOT_PARSEABLE),
        ("text/csv", "id,name\n1,mar\x1b[1mta", PayloadFault.NOT_PARSEABLE),
    ],
)
def test_P32_what_nobody_can_read_is_refused(media_type: str, text: str, fault: PayloadFault) -> None:
    with pytest.raises(PayloadRefused) as refusal:
        format_for(media_type).parse(text)
    assert refusal.value.fault is fault


@pytest.mark.parametrize("media_type", ["text/javascript", "text/css", "image/png", "multipart/byteranges", "nonsense"])
def test_P32_unknown_types_are_refused(media_type: str) -> None:
    with pytest.raises(PayloadRefused) as refusal:
        format_for(media_type)
    assert refusal.value.fault is PayloadFault.MEDIA_TYPE


def test_every_format_names_its_media_types() -> None:
    named = [*FORMATS.values(), JsonBody(), format_for("text/csv")]
    assert all(payload_format.media_types for payload_format in named)
    assert "application/json" in format_for("text/csv").media_types


cells = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\x00\ufeff"), max_size=8
) | st.sampled_from(['{"a": "b é"}', '["x\\n"]', '"', ",", "\r\n", "%41", "a=b&c", " "])


def written_csv(rows: list[list[str]], delimiter: str, quoting: Any) -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, quoting=quoting).writerows(rows)
    return out.getvalue()


def edited_once(payload_format: PayloadFormat, text: str, data: st.DataObject) -> None:
    """Edit one leaf: nothing else changes, in text or place."""
    document = payload_format.parse(text)
    assert document.render({}) == text.encode()
    candidates = [leaf for leaf in document.leaves if leaf.kind in EDITABLE]
    if not candidates:
        return
    leaf: Leaf = data.draw(st.sampled_from(candidates))
    new = data.draw(cells.filter(lambda cell: "{" not in cell and "[" not in cell))
    again = payload_format.parse(document.render({leaf.index: new}).decode())
    expected = [new if one.index == leaf.index else one.text for one in document.leaves]
    assert [one.text for one in again.leaves] == expected


@given(
    st.lists(st.lists(cells, min_size=2, max_size=3), min_size=1, max_size=3),
    st.sampled_from(",;\t"),
    st.booleans(),
    st.data(),
)
def test_csv_is_read_as_the_csv_module_writes_it(
    rows: list[list[str]], delimiter: str, quoted: bool, data: st.DataObject
) -> None:
    rows = [["first", "second"], *rows]
    text = written_csv(rows, delimiter, csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL)
    read = CsvBody(Limits(embedding=0)).parse(text).leaves
    assert [leaf.text for leaf in read] == [cell for row in rows for cell in row]
    edited_once(CsvBody(), text, data)


@given(st.lists(st.tuples(cells, cells), max_size=4), st.data())
def test_forms_are_read_as_urllib_writes_them(pairs: list[tuple[str, str]], data: st.DataObject) -> None:
    text = urlencode(pairs)
    leaves = FormBody(Limits(embedding=0)).parse(text).leaves
    values = [leaf.text for leaf in leaves if leaf.kind is LeafKind.STRING]
    assert values == [value for _, value in parse_qsl(text, keep_blank_values=True)]
    edited_once(FormBody(), text, data)


@given(st.lists(st.dictionaries(cells, cells, max_size=2) | cells, min_size=1, max_size=3), st.booleans(), st.data())
def test_lines_of_json_are_read_as_json_writes_them(values: list[Any], last: bool, data: st.DataObject) -> None:
    text = "\n".join(json.dumps(value) for value in values) + ("\n" if last else "")
    edited_once(NdjsonBody(), text, data)
