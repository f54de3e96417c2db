"""Strings that are base64: read where they hold a text, taken away where they hold a file (P29, P32, P60)."""

from __future__ import annotations

import gzip
import json
from base64 import b64decode, b64encode, urlsafe_b64encode

import pytest

from sidecar.payloads.base64_texts import is_base64, open_base64
from sidecar.payloads.document import Edit, LeafKind
from sidecar.payloads.field_map import FieldMap
from sidecar.payloads.field_map_reader import parse_field_map
from sidecar.payloads.json_body import JsonBody

NOTHING = FieldMap()
TEXT = "Dear Marta, write to marta@b.cc"
PNG = b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(200))).decode()


def read(value: str, fields: FieldMap = NOTHING) -> tuple[list[str], int]:
    """The texts of a string, and how many leaves have to be taken away."""
    document, files, _ = open_base64(JsonBody().parse(json.dumps({"a": value})), fields)
    assert json.loads(document.render({})) == {"a": value}
    assert all(json.loads(document.render({index: None})) == {"a": None} for index in files)
    return [leaf.text for leaf in document.leaves if leaf.kind is LeafKind.STRING], len(files)


def edited(value: str, edits: dict[str, Edit]) -> str:
    document, _, _ = open_base64(JsonBody().parse(json.dumps({"a": value})), NOTHING)
    new = {leaf.index: edits[leaf.text] for leaf in document.leaves if leaf.text in edits}
    return str(json.loads(document.render(new))["a"])


CODED = b64encode(TEXT.encode()).decode()
FOR_URLS = urlsafe_b64encode("ÿþ Marta ??>".encode() * 2).decode()


@pytest.mark.parametrize(
    "value",
    [CODED, CODED.rstrip("="), f"data:text/plain;base64,{CODED}", f"DATA:text/plain;charset=utf-8;BASE64,{CODED}",
     f"{CODED[:20]}\r\n{CODED[20:]}\r\n"],
)  # fmt: skip
def test_P60_a_text_in_base64_is_read(value: str) -> None:
    assert read(value) == ([TEXT], 0)


def test_P60_JSON_in_base64_is_read_leaf_by_leaf() -> None:
    assert read(b64encode(json.dumps({"mail": "marta@b.cc", "n": 1}).encode()).decode()) == (["marta@b.cc"], 0)


def test_what_is_replaced_in_it_is_coded_again_as_it_was() -> None:
    assert b64decode(edited(CODED, {TEXT: "Dear [PERSON_1]"})) == b"Dear [PERSON_1]"
    assert edited(CODED.rstrip("="), {TEXT: "Dear [PERSON_1]"}) == b64encode(b"Dear [PERSON_1]").decode().rstrip("=")
    assert edited(f"data:text/plain;base64,{CODED}", {TEXT: "x"}) == "data:text/plain;base64,eA=="
    assert "_" in FOR_URLS or "-" in FOR_URLS
    assert edited(FOR_URLS, {read(FOR_URLS)[0][0]: "ÿþ??>"}) == urlsafe_b64encode("ÿþ??>".encode()).decode()


@pytest.mark.parametrize(
    "value",
    [PNG, f"data:image/png;base64,{PNG}", f"see ![it](data:image/png;base64,{PNG}) there", "data:;base64,//79",
     b64encode(gzip.compress(TEXT.encode() * 9, mtime=0)).decode(), "data:text/plain;base64,@@",
     b64encode(f"<p>![it](data:image/png;base64,{PNG})".encode()).decode()],
)  # fmt: skip
def test_P32_a_file_in_base64_is_taken_away(value: str) -> None:
    assert read(value)[1] == 1


@pytest.mark.parametrize(
    "file",
    ["%PDF-1.4\n1 0 obj <</Length 24>> stream\nBT <4d61727461> Tj ET\nendstream", "%!PS-Adobe-3.0\n<4d61727461> show",
     r"{\rtf1\ansi Dear mar\'74a\'40b.cc, how are you?}"],
)  # fmt: skip
@pytest.mark.parametrize("before", ["", "data:application/octet-stream;base64,"])
def test_P32_a_file_whose_bytes_are_all_characters_is_one_all_the_same(file: str, before: str) -> None:
    assert read(before + b64encode(file.encode()).decode())[1] == 1


@pytest.mark.parametrize("sound", [bytes(range(256)) * 4, b"\xff\xfb\x90d" + bytes(1020), bytes(1024)])
def test_P32_what_is_too_long_for_a_key_is_a_file_whatever_it_begins_with(sound: bytes) -> None:
    """Recorded speech may begin with anything."""
    assert read(b64encode(sound).decode())[1] == 1
    key = b64encode(sound[:512]).decode()
    assert read(key) == ([key], 0)


@pytest.mark.parametrize(
    "value",
    ["Marta Kowalska", "", "marta@b.cc", "5f4dcc3b5aa765d61d8327deb882cf99", "sk_live_4eC39HqLyjWDarjtT1zdp7dc",
     "8a7c6a0e-94b0-4f5b-8f0e-1b2c3d4e5f60", "averylongnameofamember", "AAAAAAAAAAAAAAAAAAAAAAAA",
     "a-very-long-slug-of-words", "we say base64 here", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "iVBORw0KGgo"],
)  # fmt: skip
def test_what_is_no_base64_is_read_as_it_stands(value: str) -> None:
    assert read(value) == ([value], 0)


def test_what_the_field_map_keeps_or_knows_is_left_to_it() -> None:
    for said in ({"keep": ["$.a"]}, {"drop": ["$.a"]}, {"hash": ["$.a"]}, {"known": {"$.a": "PERSON"}}):
        assert read(PNG, parse_field_map(said, "fields")) == ([PNG], 0)
        assert read(CODED, parse_field_map(said, "fields")) == ([CODED], 0)


def test_an_id_that_is_known_is_looked_for_as_it_stands() -> None:
    """Some platforms give base64 of a type and a number for an id."""
    text = json.dumps({"customer": {"id": CODED}, "ref": CODED})
    document, _, _ = open_base64(
        JsonBody().parse(text), parse_field_map({"known": {"$.customer.id": "ACCOUNT_ID"}}, "x")
    )
    assert [leaf.text for leaf in document.leaves if leaf.kind is LeafKind.STRING] == [CODED, CODED]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("amFuZS5yb2VAZXhhbXBsZS5jb20=", True),
        ("amFuZS5yb2VAZXhhbXBsZS5jb20", True),
        ("amFuZSByb2U=", False),
        ("error_description", False),
        ("post_logout_redirect_uri", False),
        ("q2XzJPuhXJmSDhX+bIYpVQ==", False),
    ],
)
def test_what_would_be_opened_is_known_beforehand(text: str, expected: bool) -> None:
    assert is_base64(text) is expected
