"""Multipart bodies: every part as what it is, names of files in any spelling, boundaries strictly (P35, P39, X8)."""

from __future__ import annotations

import base64
import email
import quopri
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.errors import PayloadFault, PayloadRefused
from sidecar.payloads.document import LeafKind, Path
from sidecar.payloads.field_map import FieldMap
from sidecar.payloads.field_map_reader import parse_field_map
from sidecar.payloads.formats import format_for
from sidecar.payloads.multipart import part_places
from sidecar.payloads.spliced import Limits
from sidecar.redaction.policy import Policy
from tests.proxy.rewriting import Parts

FORM = format_for("multipart/form-data", boundary="B")
NAMED = 'Content-Disposition: form-data; name="{}"'


def body(*parts: tuple[str, str], boundary: str = "B") -> str:
    """Parts of their fields (without their last line end) and their content."""
    return (
        "".join(f"--{boundary}\r\n{fields}\r\n\r\n{content}\r\n" for fields, content in parts) + f"--{boundary}--\r\n"
    )


def field(name: str, content: str, *more: str) -> tuple[str, str]:
    return "\r\n".join([NAMED.format(name), *more]), content


def read(text: str, media_type: str = "multipart/form-data") -> list[tuple[str, Path, str]]:
    document = format_for(media_type, boundary="B").parse(text)
    assert document.render({}) == text.encode()
    assert [leaf.index for leaf in document.leaves] == list(range(len(document.leaves)))
    kinds = (LeafKind.STRING, LeafKind.NUMBER, LeafKind.KEY)
    return [(leaf.kind.value, leaf.path, leaf.text) for leaf in document.leaves if leaf.kind in kinds]


CSV = "Content-Type: text/csv"
IBAN = "DE89370400440532013000"
FILE = 'Content-Disposition: form-data; name="f"; filename="{}"'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (body(), []),
        (
            body(field("a", "x y"), field("b", "")),
            [("key", ("a",), "a"), ("key", ("b",), "b"), ("string", ("a",), "x y")],
        ),
        (
            body(field("csrf_token", "k68uZFuXr20E5ZLOBOIU"), field("_csrf", "m@b.cc")),
            [("key", ("csrf_token",), "csrf_token"), ("key", ("_csrf",), "_csrf"), ("string", ("_csrf",), "m@b.cc")],
        ),
        (
            body(field("j", '{"n": [1, "x"]}')),
            [
                ("key", ("j",), "j"),
                ("key", ("j", "n"), "n"),
                ("number", ("j", "n", 0), "1"),
                ("string", ("j", "n", 1), "x"),
            ],
        ),
        (
            body((FILE.format("a.csv") + "\r\n" + CSV, "id,mail\r\n1,x@b.cc\r\n")),
            [
                ("key", ("f",), "f"),
                ("string", ("f", "filename"), "a.csv"),
                ("string", ("f", "filename"), "a csv"),
                ("key", ("f", "columns", 0), "id"),
                ("key", ("f", "columns", 1), "mail"),
                ("string", ("f", 0, "id"), "1"),
                ("string", ("f", 0, "mail"), "x@b.cc"),
            ],
        ),
        (body((FILE.format("") + "\r\nContent-Type: application/octet-stream", "")), [("key", ("f",), "f")]),
    ],
)
def test_parts_are_read_as_what_they_are(text: str, expected: list[tuple[str, Path, str]]) -> None:
    assert read(text) == expected


@pytest.mark.parametrize(
    ("disposition", "names"),
    [
        ('form-data; name="f"; filename="jane_roe-cv.txt"', ["jane_roe-cv.txt", "jane roe cv txt"]),
        ('form-data; name="f"; filename="m%2540b.cc"', ["m@b.cc", "m@b cc"]),
        ('form-data; name="f"; filename="a \\"b\\" c"', ['a "b" c']),
        ("form-data; name=f; filename*=UTF-8''Zo%C3%AB%20Q", ["Zoë Q"]),
        ("form-data; filename*=utf-8'en'x%40y; name=f", ["x@y"]),
        ("Form-Data; NAME=f; FileName=x", ["x"]),
    ],
)
def test_P39_X8_names_of_files_in_any_spelling(disposition: str, names: list[str]) -> None:
    found = read(body((f"Content-Disposition: {disposition}", "content")))
    assert [said for kind, _, said in found if kind == "string" and said != "content"] == names
    assert {path[0] for _, path, _ in found} == {"f"}


@pytest.mark.parametrize(
    ("coding", "content"),
    [
        ("base64", base64.b64encode(b'{"mail": "x@b.cc"}').decode()),
        (
            "BASE64",
            base64.encodebytes(b'{"mail": "x@b.cc", "long": "' + b"y" * 99 + b'"}').decode().replace("\n", "\r\n"),
        ),
        ("quoted-printable", quopri.encodestring(b'{"mail": "x@b.cc=\xc3\xa9"}').decode().strip()),
        ("8bit", '{"mail": "x@b.cc"}'),
    ],
)
def test_P39_nested_encodings_are_opened_and_coded_again(coding: str, content: str) -> None:
    text = body(field("a", "1"), field("j", content, f"Content-Transfer-Encoding: {coding}"))
    document = FORM.parse(text)
    assert document.render({}) == text.encode()
    index = next(leaf.index for leaf in document.leaves if leaf.text.startswith("x@b.cc"))
    again = FORM.parse(document.render({index: "[EMAIL_1]"}).decode())
    before = [leaf.text for leaf in document.leaves]
    assert [leaf.text for leaf in again.leaves] == [*before[:index], "[EMAIL_1]", *before[index + 1 :]]


def test_parts_within_parts() -> None:
    inner = body(("Content-Disposition: file; filename=x.txt", "hi"), ("", "bare"), boundary="I")
    text = body(field("files", inner, "Content-Type: multipart/mixed; boundary=I"))
    said = [(path, text) for _, path, text in read(text)]
    assert (("files", 0), "hi") in said
    assert (("files", 0, "filename"), "x.txt") in said
    assert (("files", 1), "\r\nbare") in said
    mixed = read(body(("Content-ID: <marta@b.cc>", "hi")), "multipart/mixed")
    assert mixed == [("string", (0, "content-id"), "<marta@b.cc>"), ("string", (0,), "hi")]


@pytest.mark.parametrize(
    ("text", "old", "new", "expected"),
    [
        (body(field("a", "x")), "x", "[P_1]", body(field("a", "[P_1]"))),
        (body(field("m@b.cc", "x")), "m@b.cc", '[E"1]\r\n', body(field("[E%221]%0D%0A", "x"))),
        (
            body((FILE.format("jane_roe.txt"), "x")),
            "jane roe txt",
            "[P_1] txt",
            body((FILE.format("[P_1].txt"), "x")),
        ),
        (
            body(("Content-Disposition: form-data; name=f; filename*=UTF-8''Zo%C3%AB", "x")),
            "Zoë",
            "[P_1]é",
            body(("Content-Disposition: form-data; name=f; filename*=UTF-8''%5BP_1%5D%C3%A9", "x")),
        ),
        (
            body(("Content-Disposition: form-data; name=f; filename=zoe", "x")),
            "zoe",
            "[P 1]",
            body(('Content-Disposition: form-data; name=f; filename="[P 1]"', "x")),
        ),
        (body(field("a", "x", "X-By: zed")), "zed", "q\r\nX: y", body(field("a", "x", "X-By: q%0D%0AX: y"))),
    ],
)
def test_P35_edits_are_written_as_their_place_asks(text: str, old: str, new: str, expected: str) -> None:
    document = FORM.parse(text)
    index = next(leaf.index for leaf in document.leaves if leaf.text == old and leaf.kind is not LeafKind.OTHER)
    assert document.render({index: new}).decode() == expected


GOOD = body(field("a", "x"))
REFUSED = {
    "nothing": ("", PayloadFault.NOT_PARSEABLE),
    "no last boundary": (GOOD.removesuffix("--B--\r\n"), PayloadFault.NOT_PARSEABLE),
    "cut short": (GOOD.removesuffix("--\r\n"), PayloadFault.NOT_PARSEABLE),
    "text before": ("marta@b.cc\r\n" + GOOD, PayloadFault.NOT_PARSEABLE),
    "text behind": (GOOD + "marta@b.cc", PayloadFault.NOT_PARSEABLE),
    "bare line feeds": (GOOD.replace("\r\n", "\n"), PayloadFault.NOT_PARSEABLE),
    "another boundary": (GOOD.replace("--B", "--C"), PayloadFault.NOT_PARSEABLE),
    "boundary within a line": (body(field("a", "x --B y")), PayloadFault.NOT_PARSEABLE),
    "boundary after a line feed": (body(field("a", "x\n--B\r\n\r\ny")), PayloadFault.NOT_PARSEABLE),
    "longer boundary": (body(field("a", "x\r\n--BB\r\ny")), PayloadFault.NOT_PARSEABLE),
    "padded boundary": (GOOD.replace("--B\r\n", "--B \r\n"), PayloadFault.NOT_PARSEABLE),
    "no blank line": ("--B\r\nContent-Disposition: form-data; name=a\r\nx\r\n--B--", PayloadFault.NOT_PARSEABLE),
    "no name": (body(("Content-Disposition: form-data", "x")), PayloadFault.NOT_PARSEABLE),
    "no disposition": (body(("X-A: b", "x")), PayloadFault.NOT_PARSEABLE),
    "folded": (body(field("a", "x", "X-A: b\r\n c")), PayloadFault.NOT_PARSEABLE),
    "field twice": (body(field("a", "x", "X-A: b", "x-a: c")), PayloadFault.NOT_PARSEABLE),
    "parameter twice": (body(("Content-Disposition: form-data; name=a; name=b", "x")), PayloadFault.NOT_PARSEABLE),
    "quote not closed": (body(('Content-Disposition: form-data; name="a', "x")), PayloadFault.NOT_PARSEABLE),
    "continuation": (body(("Content-Disposition: form-data; name=a; filename*0=b", "x")), PayloadFault.NOT_PARSEABLE),
    "encoded word": (body((FILE.format("=?utf-8?B?bWFydGE=?="), "x")), PayloadFault.NOT_PARSEABLE),
    "length": (body(field("a", "x", "Content-Length: 1")), PayloadFault.NOT_PARSEABLE),
    "many fields": (body(field("a", "x", *(f"X-{n}: y" for n in range(30)))), PayloadFault.TOO_LARGE),
    "long field": (body(field("a", "x", "X-A: " + "b" * 9000)), PayloadFault.TOO_LARGE),
    "image": (body(field("a", "x", "Content-Type: image/png")), PayloadFault.MEDIA_TYPE),
    "bytes": (body(field("a", "x", "Content-Type: application/octet-stream")), PayloadFault.MEDIA_TYPE),
    "nonsense type": (body(field("a", "x", "Content-Type: nonsense")), PayloadFault.MEDIA_TYPE),
    "charset": (body(field("a", "x", "Content-Type: text/plain; charset=utf-16")), PayloadFault.CHARSET),
    "name in latin-1": (
        body(("Content-Disposition: form-data; name=a; filename*=iso-8859-1''%E9", "x")),
        PayloadFault.CHARSET,
    ),
    "name not in utf-8": (
        body(("Content-Disposition: form-data; name=a; filename*=utf-8''%E9", "x")),
        PayloadFault.CHARSET,
    ),
    "unknown encoding": (body(field("a", "x", "Content-Transfer-Encoding: uuencode")), PayloadFault.CODING),
    "no base64": (body(field("a", "x@b.cc", "Content-Transfer-Encoding: base64")), PayloadFault.CODING),
    "broken quoted": (body(field("a", "x=4", "Content-Transfer-Encoding: quoted-printable")), PayloadFault.CODING),
    "json that is none": (body(field("a", "{", "Content-Type: application/json")), PayloadFault.NOT_PARSEABLE),
    "name that is an IBAN": (body(field("a", "x", f"X-{IBAN}: 1")), PayloadFault.NOT_PARSEABLE),
    "name of a person": (body(field("a", "x", "jane.roe: 1")), PayloadFault.NOT_PARSEABLE),
    "name in base64": (body(field("a", "x", "amFuZS5yb2VAZXhhbXBsZS5jb20: 1")), PayloadFault.NOT_PARSEABLE),
    "parameter that is an IBAN": (body((f"{NAMED.format('a')}; {IBAN}=1", "x")), PayloadFault.NOT_PARSEABLE),
    "parameter of a person": (body((f"{NAMED.format('a')}; jane.roe=1", "x")), PayloadFault.NOT_PARSEABLE),
    "disposition that is an IBAN": (body((f"Content-Disposition: {IBAN}; name=a", "x")), PayloadFault.NOT_PARSEABLE),
    "disposition of a person": (body(("Content-Disposition: jane.roe; name=a", "x")), PayloadFault.NOT_PARSEABLE),
    "type that is an IBAN": (body(field("a", "{}", f"Content-Type: x/{IBAN}+json")), PayloadFault.NOT_PARSEABLE),
    "type of nothing": (body(field("a", "", f"Content-Type: {IBAN}/x")), PayloadFault.NOT_PARSEABLE),
    "too many": (body(*[field("a", "x")] * 1001), PayloadFault.TOO_LARGE),
}


@pytest.mark.parametrize(("text", "fault"), REFUSED.values(), ids=REFUSED.keys())
def test_P39_what_is_not_strictly_so_is_refused(text: str, fault: PayloadFault) -> None:
    with pytest.raises(PayloadRefused) as refusal:
        FORM.parse(text)
    assert refusal.value.fault is fault


@pytest.mark.parametrize("boundary", [None, "", " ", "a ", "x" * 71, 'a"b', "a\r\nb", "ä"])
def test_boundaries_that_are_none(boundary: str | None) -> None:
    with pytest.raises(PayloadRefused) as refusal:
        format_for("multipart/form-data", boundary=boundary).parse(body(boundary=boundary or ""))
    assert refusal.value.fault is PayloadFault.MEDIA_TYPE


def test_parts_too_deep_and_too_many_leaves() -> None:
    text = body(field("a", "x"))
    for boundary in ("C", "D", "E"):
        inner = "Content-Type: multipart/form-data; boundary=" + ("B" if boundary == "C" else chr(ord(boundary) - 1))
        text = body(field("a", text, inner), boundary=boundary)
    with pytest.raises(PayloadRefused) as refusal:
        format_for("multipart/form-data", boundary="E").parse(text)
    assert refusal.value.fault is PayloadFault.TOO_DEEP
    with pytest.raises(PayloadRefused) as refusal:
        format_for("multipart/form-data", Limits(leaves=5), "B").parse(body(*[field("a", "x")] * 5))
    assert refusal.value.fault is PayloadFault.TOO_LARGE


contents = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)


@given(st.lists(st.tuples(st.sampled_from(["a", "b c", "é"]), contents), max_size=4), st.data())
def test_what_is_accepted_is_what_the_email_package_reads(fields: list[tuple[str, str]], data: st.DataObject) -> None:
    text = body(*(field(name, content) for name, content in fields))
    if "--B" in "".join(content for _, content in fields):
        return
    places = part_places(text, "B", 100)
    message = email.message_from_bytes(b"Content-Type: multipart/form-data; boundary=B\r\n\r\n" + text.encode())
    theirs = [cast(bytes, part.get_payload(decode=True)).decode() for part in message.walk() if part is not message]
    assert [text[start:end].split("\r\n\r\n", 1)[1] for start, end in places] == theirs
    document = FORM.parse(text)
    assert document.render({}) == text.encode()
    strings = [leaf for leaf in document.leaves if leaf.kind is LeafKind.STRING and leaf.path[1:] == ()]
    if strings:
        leaf = data.draw(st.sampled_from(strings))
        again = FORM.parse(document.render({leaf.index: "[EMAIL_1]"}).decode())
        assert [one.text for one in again.leaves if one.index != leaf.index] == [
            one.text for one in document.leaves if one.index != leaf.index
        ]


CANARY = "marta.canary@b.cc"
CODED = base64.b64encode(CANARY.encode()).decode()
PLACES = [
    field("a", CANARY),
    field(CANARY, "x"),
    field("a", f'{{"x": "{CANARY}"}}'),
    (FILE.format(CANARY), "x"),
    (FILE.format(CANARY.replace("@", "%40")), "x"),
    ("Content-Disposition: form-data; name=f; filename*=UTF-8''" + CANARY.replace("@", "%40"), "x"),
    (FILE.format("a.csv") + "\r\n" + CSV, f"id,m\r\n1,{CANARY}\r\n"),
    field("a", CODED, "Content-Transfer-Encoding: base64"),
    field("a", CANARY.replace("@", "=40"), "Content-Transfer-Encoding: quoted-printable"),
    field("a", "x", f"X-By: {CANARY}"),
    field("a", "x", f'Content-Type: text/plain; name="{CANARY}"'),
    (NAMED.format("a") + f'; charset="{CANARY}"', "x"),
    (NAMED.format("a") + f'; boundary="{CANARY}"', "x"),
    field("a", "", f'Content-Type: text/plain; charset="{CANARY}"'),
    field("a", "x", f'Content-Type: text/plain; boundary="{CANARY}"'),
    field("a", "", f'Content-Type: multipart/mixed; boundary="{CANARY}"'),
    field("a", f"<p title='{CANARY}'>", "Content-Type: text/html"),
    field("a", f"<a b='{CANARY}'/>", "Content-Type: application/xml"),
    field("a", f"x={CANARY}", "Content-Type: application/x-www-form-urlencoded"),
    field("a", body(field("b", CANARY), boundary="I"), "Content-Type: multipart/mixed; boundary=I"),
]


@given(st.lists(st.sampled_from(PLACES), min_size=1, max_size=4))
async def test_P39_P42_no_canary_is_left_and_twice_is_once(places: list[tuple[str, str]]) -> None:
    parts = Parts()
    done = (await parts.rewriter.rewrite(body(*places), FORM, FieldMap(), Policy(), "here")).body.decode()
    assert "canary" not in done
    assert CODED not in done
    assert [said for leaf in FORM.parse(done).leaves if "canary" in (said := leaf.text)] == []
    assert len(part_places(done, "B", 100)) == len(places)
    assert (await parts.rewriter.rewrite(done, FORM, FieldMap(), Policy(), "here")).body.decode() == done


@pytest.mark.parametrize(
    "more",
    [
        ("Content-Description: x", "Content-Transfer-Encoding: 8bit", "X-Amz-Meta-Part-12: x", "X_Trace: 1"),
        ("Content-Type: text/plain; charset=UTF-8; format=flowed; delsp=yes",),
        ("Content-Type: text/plain; charset=utf8; x-unix-mode=0644",),
        ("Content-ID: <1>", "Content-Location: a", "MIME-Version: 1.0", "Content-Language: de"),
    ],
)
def test_P39_usual_fields_of_parts_pass(more: tuple[str, ...]) -> None:
    assert ("string", ("a",), "x") in read(body(field("a", "x", *more)))


def test_P39_an_empty_file_of_any_usual_type_passes() -> None:
    office = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    assert read(body((FILE.format("") + f"\r\nContent-Type: {office}", ""))) == [("key", ("f",), "f")]


async def test_field_maps_reach_into_parts() -> None:
    fields = parse_field_map({"known": {"$.name": "PERSON"}, "drop": ["$.secret"], "keep": ["$.f[].id"]}, "test")
    text = body(
        field("name", "Marta"), field("secret", "x"), (FILE.format("x.csv") + "\r\n" + CSV, "id,t\nmarta,hi marta\n")
    )
    done = (await Parts().rewriter.rewrite(text, FORM, fields, Policy(), "here")).body.decode()
    assert done == body(
        field("name", "[PERSON_1]"),
        field("secret", ""),
        (FILE.format("x.csv") + "\r\n" + CSV, "id,t\nmarta,hi [PERSON_1]\n"),
    )
