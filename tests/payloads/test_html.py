"""HTML: every text a page can hold, in whatever spelling, and nothing else touched (P35, P42, X5, X7)."""

from __future__ import annotations

import html
import re
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.errors import PayloadFault, PayloadRefused
from sidecar.payloads.document import LeafKind, Path
from sidecar.payloads.field_map import FieldMap
from sidecar.payloads.field_map_reader import parse_field_map
from sidecar.payloads.formats import format_for
from sidecar.payloads.html import HtmlBody
from sidecar.payloads.html_tokens import tokens
from sidecar.payloads.spliced import Limits
from sidecar.redaction.policy import Policy
from tests.proxy.rewriting import Parts

HTML = HtmlBody()


def read(text: str) -> list[tuple[LeafKind, Path, str]]:
    document = HTML.parse(text)
    assert document.render({}) == text.encode()
    return [
        (leaf.kind, leaf.path, leaf.text)
        for leaf in document.leaves
        if leaf.kind in (LeafKind.STRING, LeafKind.NUMBER, LeafKind.KEY)
    ]


def strings(text: str) -> list[str]:
    return [said for kind, _, said in read(text) if kind is LeafKind.STRING]


def edited(text: str, old: str, new: str | None) -> str:
    document = HTML.parse(text)
    found = [leaf.index for leaf in document.leaves if leaf.text == old and leaf.kind is not LeafKind.OTHER]
    assert found
    return document.render(dict.fromkeys(found, new)).decode()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<p>Hello &amp; bye</p>", ["Hello & bye"]),
        ("a < b &lt c &#x61;&notit;", ["a < b < c a¬it;"]),
        ("&#0000000000000000064;&#x00000000000000000000000040", ["@@"]),
        ("<p>one<p>two<div>three", ["one", "two", "three"]),
        ("<b>Mar</b>ta", ["Marta", "Mar ta"]),
        ("mar<!-- -->ta", ["marta", "mar ta"]),
        ("Hi <b>Marta</b> there", ["Hi Marta there"]),
        ("Street 5<br>12345 Town", ["Street 5\n12345 Town"]),
        ("<dt>Phone</dt><dd>555 12</dd><dt>x</dt>", ["Phone\n555 12", "x"]),
        ("<td>Name:</td> <td>Zed</td><td>y</td>", ["Name:\n Zed", "y"]),
        ("<title>&lt;b> &amp;</title>", ["<b> &"]),
        ("<textarea>a <b> &lt;</textarea>", ["a <b> <"]),
        ("<xmp>a <b> &lt;</xmp>", ["a <b> &lt;"]),
        ("<plaintext>a </plaintext> b", ["a </plaintext> b"]),
        (
            "<!-- by marta --><!doctype html><!DOCTYPE html SYSTEM 'about:legacy-compat'><?by zed?></>",
            [" by marta ", "by zed?"],
        ),
        ("<!doctype html SYSTEM 'mailto:a@b.cc'>", ["doctype html SYSTEM 'mailto:a@b.cc'"]),
        ("<!doctype html SYSTEM 'Zed Quill'>", ["doctype html SYSTEM 'Zed Quill'"]),
        (
            '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd">',
            [],
        ),
        ("<!--> a <!----> b <!-- c --!> d <!-- e", [" c ", " e", " a  b  d "]),
        ("   \n<p> </p>", []),
        ("", []),
    ],
)
def test_texts_comments_and_what_is_joined(text: str, expected: list[str]) -> None:
    assert strings(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "<p data-original-text='Marta &quot;x&quot;' title=hi alt=\"&#64;\">",
            [
                ("string", (0, "p", "data-original-text"), 'Marta "x"'),
                ("string", (0, "p", "title"), "hi"),
                ("string", (0, "p", "alt"), "@"),
            ],
        ),
        (
            "<input name=email value=m@b.cc><meta name=author content='Zed Q'>",
            [
                ("string", (0, "input", "value", "email"), "m@b.cc"),
                ("string", (1, "meta", "content", "author"), "Zed Q"),
            ],
        ),
        ("<p class='a b' style='x:1' id=main hidden><svg d='M 12.3456789 1e9z' viewBox='0 0 9 9'>", []),
        ("<link rel='icon stylesheet' type='text/css; charset=utf-8'><p aria-labelledby='a b' id=main-part>", []),
        ("<p style='font: 12px Times New, serif; --gap: 1px solid red'><time datetime='2026-03-12T09:17:01Z'>", []),
        (
            "<chat-message text='I am Zed Quill' name='Zed Quill' class='a b' size=big>",
            [
                ("string", (0, "chat-message", "text"), "I am Zed Quill"),
                ("string", (0, "chat-message", "name"), "Zed Quill"),
            ],
        ),
        (
            "<input name='Zed Quill' data-testid='chat with Zed' style='--who: Zed Quill'>",
            [
                ("string", (0, "input", "name"), "Zed Quill"),
                ("string", (0, "input", "data-testid"), "chat with Zed"),
                ("string", (0, "input", "style"), "--who: Zed Quill"),
            ],
        ),
        (
            "<time datetime=1985-03-12><time datetime='1985-03-12T00:00:00Z'>",
            [
                ("string", (0, "time", "datetime", "date_of_birth"), "1985-03-12"),
                ("string", (1, "time", "datetime", "date_of_birth"), "1985-03-12T00:00:00Z"),
            ],
        ),
        (
            "<p class='zoë' id='m@b.cc' style='font: \"Zoë\"'>",
            [
                ("string", (0, "p", "class"), "zoë"),
                ("string", (0, "p", "id"), "m@b.cc"),
                ("string", (0, "p", "style"), 'font: "Zoë"'),
            ],
        ),
        (
            "<p id=user-601555014 data-id=601555014 data-number=601555014>",
            [
                ("key", (0, "p", "id", "user-601555014"), "user-601555014"),
                ("number", (0, "p", "data-id"), "601555014"),
                ("string", (0, "p", "data-number"), "601555014"),
            ],
        ),
        (
            "<a href='/users/m%2540b.cc?next=%2Fa%20b&amp;q=x+y#/z'>",
            [
                ("key", (0, "a", "href", 0, "users"), "users"),
                ("key", (0, "a", "href", 1, "m@b.cc"), "m@b.cc"),
                ("key", (0, "a", "href", 2, "next"), "next"),
                ("string", (0, "a", "href", "next"), "/a b"),
                ("key", (0, "a", "href", 4, "q"), "q"),
                ("string", (0, "a", "href", "q"), "x y"),
                ("key", (0, "a", "href", 6, "z"), "z"),
            ],
        ),
        (
            "<a href='mailto:m+x@b.cc?subject=hi%20you'>",
            [
                ("string", (0, "a", "href", 0), "m+x@b.cc"),
                ("string", (0, "a", "href", 1), "subject"),
                ("string", (0, "a", "href", "subject"), "hi you"),
            ],
        ),
        ("<a href=tel:+48-601-555>", [("string", (0, "a", "href", 0), "+48-601-555")]),
        ("<a href='tel: (48) 601 555 '>", [("string", (0, "a", "href", 0), "(48) 601 555")]),
        (
            "<a data-url='https://h.example/p?e=m%40b.cc'>",
            [
                ("key", (0, "a", "data-url", 0, "h.example"), "h.example"),
                ("key", (0, "a", "data-url", 1, "p"), "p"),
                ("key", (0, "a", "data-url", 2, "e"), "e"),
                ("string", (0, "a", "data-url", "e"), "m@b.cc"),
            ],
        ),
        (
            "<div data-props='{&quot;name&quot;: \"Zed &amp;amp; Q\"}'>",
            [
                ("key", (0, "div", "data-props", "name"), "name"),
                ("string", (0, "div", "data-props", "name"), "Zed &amp; Q"),
            ],
        ),
        ("<a onclick='go(\"m@b.cc\")'>", [("string", (0, "a", "onclick"), 'go("m@b.cc")')]),
        (
            "From: Zed <zed@b.cc>, </q@b.cc>",
            [
                ("string", (0,), "From: Zed "),
                ("key", (1, "zed@b.cc"), "zed@b.cc"),
                ("string", (2,), ", "),
                ("key", (3, "q@b.cc"), "q@b.cc"),
            ],
        ),
        ("<Zed q@b.cc>", [("key", (0, "zed", "q@b.cc"), "q@b.cc")]),
        ("<input type=hidden name=csrfmiddlewaretoken value=abcdefghij0123456789>", []),
        (
            "<input name=csrfmiddlewaretoken value=m@b.cc>",
            [("string", (0, "input", "value", "csrfmiddlewaretoken"), "m@b.cc")],
        ),
    ],
)
def test_X7_attributes(text: str, expected: list[tuple[str, Path, str]]) -> None:
    assert [(kind.value, path, said) for kind, path, said in read(text) if said != "From:"] == expected


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("var a = 'x', b = \"y\";", [("a", "x"), ("b", "y")]),
        ("f({name: 'Z\\u0065d \\x40 \\u{1F600} \\uD83D\\uDE00 \\155\\\nx'})", [("name", "Zed @ 😀 😀 mx")]),
        (
            "f({'full name': 'Z', n: 601555014, m: 60_155_501_4n, s: 12})",
            [
                ("full name", "full name"),
                ("full name", "Z"),
                ("n", "601555014"),
                ("m", "601555014"),
            ],
        ),
        (
            "let s = `hi ${ {a: `in ${1}`}.a + 'x' } you`;",
            [("s", "hi "), ("a", "in "), ("x", "x"), ("script", " you")],
        ),
        ("// by zed\n/* and\nq */ <!-- r\nx", [("//", "// by zed"), ("//", "/* and\nq */"), ("//", "<!-- r")]),
        ("s.replace(/[\"'/]/g, 'y'); a = b / 2 / c; d = 'e'", [("y", "y"), ("d", "e")]),
        ("return /a'b/.test(x) ? 'y' : 'n'", [("y", "y"), ("y", "n")]),
        ("if (/m@b\\.cc/.test(x)) {}", [("script", "m@b\\.cc")]),
        ("x = /m\\x40b/; y = /m\\u0040b/", [("script", "m\\x40b"), ("script", "m\\u0040b")]),
        ('x = JSON.parse(\'{"a": "b\\\\u0065"}\')', [("a", "a"), ("a", "be")]),
        (
            "var t = $('[name=csrf_token]').val(), u = f('a[href=\"x\"]')",
            [("csrf_token", "csrf_token"), ("x", "x")],
        ),
        (
            "phones = ['1', '2']; f([zed, 'q'], 'click')",
            [("phones", "1"), ("phones", "2"), ("script", "q"), ("click", "click")],
        ),
        ("--> by zed's\nx = 'y'", [("//", "--> by zed's"), ("x", "y")]),
        (
            "<!-- a\nx = `${\n1}`\n /* b */ --> by zed's\n/* c\n*/--> d",
            [
                ("//", "<!-- a"),
                ("//", "/* b */"),
                ("//", "--> by zed's"),
                ("//", "/* c\n*/"),
                ("//", "--> d"),
            ],
        ),
        ("while (n --> 0) f('y'); `\n${n}-->${'z'}`", [("y", "y"), ("script", "-->"), ("z", "z")]),
        ("#! by zed's\nx = 'y'", [("//", "#! by zed's"), ("x", "y")]),
        ("@app.route class A { @a.b c = @d e }; x = 'y'", [("x", "y")]),
        (
            "x = {DE89370400440532013000: 1}; GB82 WEST 1234 5698 7654 32; AB12CDEFGHIJKLMN = 'y'",
            [
                ("DE89370400440532013000", "DE89370400440532013000"),
                ("script", "GB82 WEST 1234 5698 7654 32"),
                ("AB12CDEFGHIJKLMN", "y"),
            ],
        ),
    ],
)
def test_scripts_are_read_for_what_they_say(script: str, expected: list[tuple[str, str]]) -> None:
    found = read(f"<script>{script}</script>")
    assert [(path[-1], said) for _, path, said in found] == expected


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        (
            '<script type=\'application/json\'>{"a": "x", "n": 12345678901234567890}</script>',
            ["a", "x", "n", "12345678901234567890"],
        ),
        ("<script type='application/ld+json; charset=utf-8'>[\"x\"]</script>", ["x"]),
        ("<script type=application/json> </script>", []),
        ("<script type=text/babel>f(<p>Zed</p>)</script>", ["f(<p>Zed</p>)"]),
        ("<script type='text/jsx'>Zed's</script>", ["Zed's"]),
        ("<script type=text/template><p>Zed &amp; Q</p></script>", ["<p>Zed &amp; Q</p>"]),
        ("<script><!-- <script> '</script>' --> </script>'z'", ["<!-- <script> '</script>' --> ", "'z'"]),
        ("<style>a{content:'x'} /* y */ b{background:url(/z?e=m%40b)}</style>", ["x", " y ", "z", "e", "m@b"]),
        ("<STYLE>p{color:red}</style ><p>y", ["y"]),
        ('<style>a{content:"zed</style>', ["zed"]),
        ("<style>a{content:'zed\\</style>", ["zed"]),
        ('<style>a{content:"x\\\n\\"y\n} b{content:"zed"}</style>', ['x\\\n\\"y', "zed"]),
        ("<p style='x--by : Zed Quill; color: red'>", ["x--by : Zed Quill; color: red"]),
        (
            "<style>.a:hover>b{margin:0 auto;width:1234.5px} @media print{#a1234567{top:0}} .z{--m: m@b.cc}</style>",
            ["--m: m@b.cc"],
        ),
        (
            "<style>p{--by: Zed Quill; --tel: 601555014; --gap: 1px}<b>Zed</b> naïve</style>",
            ["--by: Zed Quill", "--tel: 601555014", "<b>Zed</b> naïve"],
        ),
    ],
)
def test_what_is_no_markup(page: str, expected: list[str]) -> None:
    assert [said for _, _, said in read(page)] == expected


@pytest.mark.parametrize(
    ("text", "old", "new", "expected"),
    [
        ("<p>a &amp; b</p> <i>&lt;</i>", "a & b", "<x> &", "<p>&lt;x&gt; &amp;</p> <i>&lt;</i>"),
        ("<b>Mar</b>ta said &eacute;", "Marta said é", "[P_1] said é", "<b>[P_1]</b> said é"),
        (
            "to m@<wbr>b.cc and &eacute;<i>&eacute;</i>",
            "to m@b.cc and éé",
            "to [E_1] and éé",
            "to [E_1]<wbr> and é<i>&eacute;</i>",
        ),
        ("Street 5<br>12345 Town now", "Street 5\n12345 Town now", "[A_1] now", "[A_1]<br> now"),
        ("<p title='x'>", "x", "a'b\"", "<p title='a&#x27;b&quot;'>"),
        ("<p title=x>", "x", "a b=`", "<p title=a&#32;b&#61;&#96;>"),
        ("<p title=x lang=y>", "x", "", '<p title="" lang=y>'),
        ("<a href='/x?q=1&amp;e=m@b'>", "m@b", "[E 1]", "<a href='/x?q=1&amp;e=%5BE%201%5D'>"),
        ('<p data-x=\'{"a":"x"}\'>', "x", "'&\"", "<p data-x='{\"a\":&quot;&#x27;&amp;\\&quot;&quot;}'>"),
        ("<!-- x -->", " x ", "-->", "<!----›-->"),
        ("<z@b.cc>", "z@b.cc", "[E_1]", "<[E_1]>"),
        ("<script>a = 'x' // y</script>", "x", "'</script>\n", "<script>a = '\\'\\u003c/script>\\n' // y</script>"),
        ("<script>a = 1 // y\nb</script>", "// y", "// [P]*/x", "<script>a = 1 /* [P]* /x*/\nb</script>"),
        ("<script>n = 601555014;</script>", "601555014", "[A_1]", '<script>n = "[A_1]";</script>'),
        ("<script>// x\n--> y</script>", "--> y", "--> [P]*/x\n", "<script>// x\n/*--> [P]* /x*/</script>"),
        (
            "<script>a.DE89370400440532013000 = 1</script>",
            "DE89370400440532013000",
            "[I_1]",
            "<script>a._I_1_ = 1</script>",
        ),
        (
            "<script>a = DE89 3704 0044 0532;</script>",
            "DE89 3704 0044 0532",
            "[I_1]",
            '<script>a = "[I_1]";</script>',
        ),
        ("<script>s = `x`;</script>", "x", "`${y}", "<script>s = `\\u0060\\u0024{y}`;</script>"),
        (
            '<script>JSON.parse(\'{"a": "x", "b": "\\\\u0041"}\')</script>',
            "x",
            "'\"",
            '<script>JSON.parse(\'{"a": \\"\\\'\\\\\\"\\", "b": "\\\\u0041"}\')</script>',
        ),
        (
            '<script type=application/json>{"a": "x"}</script>',
            "x",
            "</script>",
            '<script type=application/json>{"a": "\\u003c/script>"}</script>',
        ),
        ("<style>a{content:'x'}</style>", "x", "</style>'", "<style>a{content:' /style> '}</style>"),
        ("<p title='x'>", "x", None, "<p title=''>"),
    ],
)
def test_P35_edits_are_written_as_their_place_asks(text: str, old: str, new: str | None, expected: str) -> None:
    assert edited(text, old, new) == expected


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("<p title='x", PayloadFault.NOT_PARSEABLE),
        ('<p title="x>y', PayloadFault.NOT_PARSEABLE),
        ("<p", PayloadFault.NOT_PARSEABLE),
        ("mar\0ta", PayloadFault.NOT_PARSEABLE),
        ("<!DOCTYPE html [<!ENTITY a 'mar'>]>&a;ta", PayloadFault.NOT_PARSEABLE),
        (f"<p>x &#{'9' * 5000};", PayloadFault.NOT_PARSEABLE),
        (f"<p title='&#{'9' * 5000}'>", PayloadFault.NOT_PARSEABLE),
        (f"<title>&#x{'9' * 5000};</title>", PayloadFault.NOT_PARSEABLE),
        ("<svg><script/></svg><p>marta", PayloadFault.NOT_PARSEABLE),
        ("<script src='a.js'/><p>marta</p><script></script>", PayloadFault.NOT_PARSEABLE),
        ("<SCRIPT src=a.js async/>", PayloadFault.NOT_PARSEABLE),
        ("<svg><style id='/' /><text>marta</text></svg>", PayloadFault.NOT_PARSEABLE),
        ("<title/><p>marta</p>", PayloadFault.NOT_PARSEABLE),
        ("<textarea/>marta</textarea>", PayloadFault.NOT_PARSEABLE),
        ("<iframe src='x'/>marta", PayloadFault.NOT_PARSEABLE),
        ("<plaintext/>marta", PayloadFault.NOT_PARSEABLE),
        ("<script type=application/json>{a: 1}</script>", PayloadFault.NOT_PARSEABLE),
        ("<script>a = 'x</script>", PayloadFault.NOT_PARSEABLE),
        ("<script>a = `x</script>", PayloadFault.NOT_PARSEABLE),
        ("<script>a = `x${</script>", PayloadFault.NOT_PARSEABLE),
        ("<script>if (a) /'/.test(b) + '/'</script>", PayloadFault.NOT_PARSEABLE),
        ("<script>/* x</script>", PayloadFault.NOT_PARSEABLE),
        ("<script>a = /[x</script>", PayloadFault.NOT_PARSEABLE),
        ("<script>f(<p>marta@b.cc</p>)</script>", PayloadFault.NOT_PARSEABLE),
        ("<script>f(<p>Marta</p>, <b>Kowalska</b>)</script>", PayloadFault.NOT_PARSEABLE),
        ("<svg><script><p>Marta</p> <b>Kowalska</b></script>", PayloadFault.NOT_PARSEABLE),
        ("<script>by marta.k+x@mail.b.cc</script>", PayloadFault.NOT_PARSEABLE),
        ("<iframe srcdoc='<p>x'>", PayloadFault.MEDIA_TYPE),
        ("<img src='data:image/png;base64,AAAA'>", PayloadFault.MEDIA_TYPE),
        ("<p style='background:url(data:image/png;base64,AAAA)'>", PayloadFault.MEDIA_TYPE),
        ("<style>a{background:url(data:image/png;base64,AAAA)}</style>", PayloadFault.MEDIA_TYPE),
        ("\ud800", PayloadFault.CHARSET),
    ],
)
def test_P35_what_is_not_understood_in_whole_is_refused(text: str, fault: PayloadFault) -> None:
    with pytest.raises(PayloadRefused) as refusal:
        HTML.parse(text)
    assert refusal.value.fault is fault


@pytest.mark.parametrize(
    "start",
    ["<script src='x'/>", "<script src=x/>", "<script src=x/ >", "<script / >", "<script/>\n", "<script a='/'>"],
)
def test_P35_where_the_end_tag_follows_or_the_slash_is_a_value_both_parsers_agree(start: str) -> None:
    assert strings(f"{start}</script><p>zed</p>")[-1] == "zed"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<p aria-controls=main-menu bgcolor='#840084' fill-rule=evenodd data-bs-toggle=tab>", []),
        ("<p aria-label='Zed Q' aria-controls='m@b.cc' data-user=zed>", ["Zed Q", "m@b.cc", "zed"]),
        ("<meta http-equiv=Content-Type content='text/html; charset=utf-8'><meta name=viewport content='a=1'>", []),
        ("<meta name=viewport content='m@b.cc'><meta property='og:title' content=zed>", ["m@b.cc", "zed"]),
        ("<script>on('click', 'main-menu', 'Zed', 'm@b.cc'); user = 'zed'</script>", ["Zed", "m@b.cc", "zed"]),
    ],
)
def test_words_of_programs_are_no_texts_unless_they_could_be_data(text: str, said: list[str]) -> None:
    assert strings(text) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("+44-7911-123-456", "+44-7911-123-456"),
        ("tel 212-555-0123", "tel 212-555-0123"),
        ("tel-(212) 555.0123", "tel-(212) 555.0123"),
        ("030-901820-12", "030-901820-12"),
        ("DE89-3704-0044-0532-0130-00", "DE89-3704-0044-0532-0130-00"),
        ("acct-MT84MALTABC12300MTLCAST001S", "acct-MT84MALTABC12300MTLCAST001S"),
        ("row-m%40b.cc", "row-m@b.cc"),
        ("row-m%252540b.cc", "row-m@b.cc"),
        ("zo%C3%AB", "zoë"),
        ("m%40b.cc%FF", "m@b.cc\ufffd"),
        ("%2B44%2D7911%2D123456", "+44-7911-123456"),
    ],
)
@pytest.mark.parametrize(
    "place",
    ["<tr id='{}'>", "<p class='{}'>", "<input name='{}'>", "<p data-testid='{}'>", "<label for='{}'>",
     "<p xmlns='{}'>", "<td headers='{}'>", "<input list='{}'>", "<meta name=generator content='{}'>",
     "<p aria-controls='{}'>", "<x-y class='{}'>", "<a data-target='{}'>"],
)  # fmt: skip
def test_X7_addresses_and_groups_of_digits_are_texts_in_attributes_of_markup(place: str, value: str, said: str) -> None:
    assert said in strings(place.format(value))
    assert edited(place.format(value), said, "[X_1]") == place.format("[X_1]")


@pytest.mark.parametrize(
    "style",
    ["--tel:+44-7911-123456", "--tel: 44 791 112 345", "--tel: 212-555-0123", "fax: +44 791 112 345", "a: 212 555 0123",
     "color: red; --iban:DE89 3704 0044 0532", "--x: 020 123 145", "--m: m%40b.cc"],
)  # fmt: skip
def test_X7_groups_of_digits_are_texts_in_styles(style: str) -> None:
    assert strings(f"<p style='{style}'>") == [unquote(style)]
    assert strings(f"<style>p{{{style}}}</style>") == [style.split("; ")[-1]]


def test_X7_groups_of_digits_are_texts_between_the_rules_of_a_style() -> None:
    assert strings("<style>p{} GB82WEST12345698765432 +44 7911 123456 {}</style>") == [
        "GB82WEST12345698765432 +44 7911 123456 "
    ]


@pytest.mark.parametrize(
    "page",
    [
        "<p id=row-2024-11-28-0001 class='day-2024-11-28 col-1-2-3' data-testid=v1.2.3-4 name=A1B2-C3D4>",
        "<p id=550e8400-e29b-41d4-a716-446655abcdef class=AB12CDEF-1234-4000-8000-00FF00FFABCD data-target='#a-1'>",
        "<p id=impl-From%3CT%3E-for-A%2BB class=a9be72da65a79c04421.3><time datetime='2026-03-12T09:17:01.123+02:00'>",
        "<p style='color:rgb(255 255 255 / 50%);line-height:1.42857143;width:calc(100% - 33.333333333px) !important'>",
        "<p style='transform:matrix(1 0 0 1 10.25 -3.123456);--bg: 255 255 255;--l:1.42857143;--h:222.2 47.4% 11.2%'>",
        "<path d='M12 3456 7890 1234' transform='translate(123 456 789)' stroke-dasharray='10 20 30 40 50'>",
        "<rect width=123.456789012 x='-1.123456789' aria-valuenow=33.333333333 viewBox='0 0 1234 567890'>",
        "<style>@keyframes a{0%, 33.333333333%{top:1.42857143em}} p{color:rgb(255 255 255);--bg:255 255 255}</style>",
        "<style>@font-face{unicode-range:U+0131, U+10100-10142} @media (min-width:768px){}</style>",
    ],
)  # fmt: skip
def test_measures_days_and_random_ids_are_no_groups_of_digits(page: str) -> None:
    assert read(page) == []


def test_X2_the_origins_of_urls_can_be_replaced() -> None:
    page = "<a href='http://up.example:80/u?e=m%40b'></a><img srcset='https://a.example/x 1x, wss://b.example 2x'>"
    document = HTML.parse(page)
    origins = {leaf.text: leaf.index for leaf in document.leaves if leaf.kind is LeafKind.OTHER}
    assert list(origins) == ["http://up.example:80", "https://a.example", "wss://b.example"]
    rendered = document.render(dict.fromkeys(origins.values(), "https://us.example")).decode()
    assert rendered == (
        "<a href='https://us.example/u?e=m%40b'></a><img srcset='https://us.example/x 1x, https://us.example 2x'>"
    )


def test_leaves_are_bounded() -> None:
    with pytest.raises(PayloadRefused) as refusal:
        HtmlBody(Limits(leaves=50)).parse("<p title=x>y" * 50)
    assert refusal.value.fault is PayloadFault.TOO_LARGE


def test_long_texts_are_cut_at_line_ends() -> None:
    document = HTML.parse("<pre>" + "a line &amp; more\n" * 2000 + "</pre>")
    assert max(len(leaf.text) for leaf in document.leaves) <= 8000
    assert "".join(leaf.text for leaf in document.leaves) == "a line & more\n" * 2000


FRAGMENTS = st.sampled_from(
    [
        "<p>",
        "</p>",
        "<b>",
        "</b>",
        "<br/>",
        "<td>",
        "<dt>",
        "</dt>",
        "<!-- c -->",
        "<script>",
        "</script>",
        "<style>",
        "</style>",
        "<title>",
        "</title>",
        "<a href='/x?y=z'>",
        '<a title="',
        '">',
        "<",
        ">",
        "&amp;",
        "&",
        "'",
        "`",
        "${",
        "}",
        "/*",
        "*/",
        "//",
        "x",
        "Marta",
        " ",
        "\n",
        ":",
        '{"a": "b"}',
        "<![CDATA[",
        "]]>",
        "<?",
        "<!doctype html>",
    ]
)


@given(st.lists(FRAGMENTS | st.text(max_size=4), max_size=20).map("".join))
def test_any_text_is_a_page_or_refused_and_comes_back_whole(text: str) -> None:
    try:
        document = HTML.parse(text)
    except PayloadRefused:
        return
    assert document.render({}) == text.encode()
    assert "".join(text[token.start : token.end] for token in tokens(text)) == text


@settings(deadline=None)
@given(st.lists(FRAGMENTS, max_size=14).map("".join), st.data())
def test_an_edit_leaves_all_other_leaves_alone(text: str, data: st.DataObject) -> None:
    try:
        document = HTML.parse(text)
    except PayloadRefused:
        return
    single = [leaf for leaf in document.leaves if leaf.kind is LeafKind.STRING and leaf.path]
    if not single:
        return
    leaf = data.draw(st.sampled_from(single))
    again = HTML.parse(document.render({leaf.index: "[EMAIL_1]"}).decode())
    # In any order: a text that no longer ends in a colon is read apart from what follows, and so comes earlier.
    before = ["[EMAIL_1]" if one is leaf else one.text for one in document.leaves]
    assert sorted(map(_without_marks, before)) == sorted(_without_marks(one.text) for one in again.leaves)


def _without_marks(text: str) -> str:
    """A script's comment is read with its marks, and written as the kind that ends by itself."""
    return text.removeprefix("//").removeprefix("/*").removesuffix("*/")


@pytest.mark.parametrize(
    "text",
    [
        "<script>" + "a/b[" * 50_000 + "</script>",
        "<!--" * 100_000,
        "<b>" * 50_000,
        "<a b='" + "&a" * 100_000 + "'>",
        "<p title='" + "[" * 100_000 + "'>",
        "<p title='/a" + "/" * 200_000 + " x'>",
        "<script><!--" + "<script " * 50_000,
        "<title>" * 50_000,
        "<" * 100_000,
        "<style>" + "/*" * 50_000 + "</style>",
        '<style>a{b:"' + '\\"' * 100_000 + "</style>",
        "<style>a{b:'" + "\\'" * 100_000 + "</style>",
        "<style>" + "url(" * 50_000 + " " * 100_000 + "</style>",
        "<p style='" + "-" * 200_000 + "'>",
        "<p style='--a: bc" + " " * 200_000 + "'>",
        "<a href='tel:1" + " 1" * 100_000 + "/" + " " * 100_000 + "'>",
        "<p class='" + "1 2a AB12 CDEF " * 50_000 + "'>",
        "<style>" + "a{b:1.123456789%" + " 1.123456789" * 50_000 + "</style>",
        "<style>" + "1.123456789%," * 50_000 + "</style>",
    ],
    ids=lambda text: text[:15],
)
def test_no_page_takes_time_that_grows_with_its_square(text: str) -> None:
    assert HTML.parse(text).render({}) == text.encode()


CANARY = "marta.canary@b.cc"
ENTITIES = "".join(f"&#{ord(c)};" for c in CANARY)
ESCAPED = "".join(f"\\u{ord(c):04x}" for c in CANARY)
CODED = "".join(f"%{ord(c):02X}" for c in CANARY)
PLACES = [
    f"<p>write to {CANARY} now</p>",
    f"<p>{ENTITIES}</p>",
    "<p>marta.<b>canary</b>@b.cc</p>",
    "<p>marta.canary<!-- x -->@<span>b</span>.cc</p>",
    f"<title>{CANARY}</title>",
    f"<!-- {CANARY} -->",
    f"<p title='{CANARY}'>",
    f'<p data-original-text="{ENTITIES}">',
    f"<p title={CANARY}>",
    f"<p class={CANARY}>",
    f"<{CANARY}>",
    f"<p {CANARY}>",
    f"<p id='{CANARY}' {CANARY}=x>",
    f"<a href='mailto:{CANARY}'>",
    f"<a href='/u/{CODED}'>",
    f'<a href="/u?a=1&amp;e={CODED.replace("%", "%25")}">',
    f"<img srcset='/a/{CODED} 1x, /b 2x' alt='{CANARY}'>",
    f'<div data-p=\'{{"a": "{ESCAPED}"}}\'>',
    f"<div data-p='{{\"{CANARY}\": 1}}'>",
    f"<input name=x value='{CANARY}'>",
    f"<meta name=d content='{CANARY}'>",
    f"<textarea>{CANARY}</textarea>",
    f"<noscript>{CANARY}</noscript>",
    f"<script>a = '{ESCAPED}'</script>",
    f"<script>f({{'{CANARY}': `{CANARY} ${{1}}`}}) // {CANARY}</script>",
    f'<script>JSON.parse(\'{{"a": "{CANARY}"}}\')</script>',
    f'<script type=application/json>{{"a": "{ESCAPED}"}}</script>',
    f"<script type=x-y>{CANARY}</script>",
    f"<style>/* {CANARY} */ a{{content:'{CANARY}'}}</style>",
    f"<? {CANARY} ?>",
    f"<!doctype html SYSTEM '{CANARY}'>",
    f"<svg><text>{CANARY}</text></svg>",
    f"<a onclick=\"go('{CANARY}')\">",
    f"<option value=1>{CANARY}",
    f"<p style=\"content:'{CANARY}'\">",
    f"<![CDATA[ {CANARY} ]]>",
]


def undone(page: str) -> str:
    """What a reader could make of a page: references, percent codes and escapes undone, without its tags, too."""
    plain = unquote(unquote(html.unescape(page)))
    plain = re.sub(r"\\u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), plain)
    return plain + re.sub(r"<!--.*?-->|</?(?:b|span)>", "", plain)


@given(st.lists(st.sampled_from(PLACES), min_size=1, max_size=4), st.booleans())
async def test_P42_no_canary_is_left_and_twice_is_once(places: list[str], in_body: bool) -> None:
    page = "\n".join(places)
    page = f"<!doctype html><html><body>{page}</body></html>" if in_body else page
    assert "canary" in undone(page)
    parts = Parts()
    done = (await parts.rewriter.rewrite(page, HTML, FieldMap(), Policy(), "here")).body.decode()
    assert "canary" not in undone(done), done
    assert done.count("EMAIL_") >= len(places)
    assert (await parts.rewriter.rewrite(done, HTML, FieldMap(), Policy(), "here")).body.decode() == done


@pytest.mark.parametrize("place", PLACES)
async def test_no_place_leaks_alone(place: str) -> None:
    done = (await Parts().rewriter.rewrite(place, HTML, FieldMap(), Policy(), "here")).body.decode()
    assert "canary" not in undone(done)
    assert "EMAIL_1" in done


async def test_field_maps_reach_into_pages() -> None:
    fields = parse_field_map(
        {
            "known": {"$[].input.value.customer": "PERSON"},
            "drop": ["$..['data-ip']", "$[].template"],
            "keep": ["$[].a.title"],
        },
        "test",
    )
    page = (
        "<input name=customer value=Marta><p data-ip=10.1.1.1>Marta said</p><a title='marta'></a>"
        "<template data-x='a b' data-y='/u?e=f'>"
    )
    done = (await Parts().rewriter.rewrite(page, HTML, fields, Policy(), "here")).body.decode()
    assert done == (
        "<input name=customer value=[PERSON_1]><p data-ip=\"\">[PERSON_1] said</p><a title='marta'></a>"
        "<template data-x='' data-y='/u?e='>"
    )


@pytest.mark.parametrize(
    "media_type", ["text/html", "application/xhtml+xml", "text/plain", "", "application/octet-stream"]
)
def test_P32_a_page_is_a_page_whatever_it_is_called(media_type: str) -> None:
    page = "\ufeff<!-- x -->\n<!DOCTYPE html><p title='&#64;'>"
    leaves = format_for(media_type).parse(page.removeprefix("\ufeff")).leaves
    assert "@" in [leaf.text for leaf in leaves]
    assert [leaf.text for leaf in format_for("text/html").parse('{"a": "<p>"}').leaves] == ["", "a", "<p>"]
