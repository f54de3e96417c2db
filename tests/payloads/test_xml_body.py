"""XML: every text a document can hold, and nothing else touched (P35, P42); well-formedness as expat sees it."""

from __future__ import annotations

from xml.parsers import expat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.errors import PayloadFault, PayloadRefused
from sidecar.payloads.document import LeafKind, Path
from sidecar.payloads.field_map import FieldMap
from sidecar.payloads.field_map_reader import parse_field_map
from sidecar.payloads.formats import format_for
from sidecar.payloads.spliced import Limits
from sidecar.payloads.xml_body import XmlBody
from sidecar.redaction.policy import Policy
from tests.proxy.rewriting import Parts

XML = XmlBody()


def read(text: str) -> list[tuple[Path, str]]:
    document = XML.parse(text)
    assert document.render({}) == text.encode()
    return [(leaf.path, leaf.text) for leaf in document.leaves if leaf.text.strip() and leaf.kind is not LeafKind.OTHER]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<a>x &amp; &#121;&#x7a;</a>", [(("a",), "x & yz")]),
        (
            "<?xml version='1.0' encoding=\"UTF-8\" standalone='yes' ?>\n<c><m id='7'>x</m> <m><t>y</t></m></c>\n",
            [(("c", 0, "m", "@id"), "7"), (("c", 0, "m"), "x"), (("c", 1, "m", 0, "t"), "y")],
        ),
        ("<a><![CDATA[x & <y>]]></a>", [(("a",), "x & <y>")]),
        ("<a><!-- x --><?p y?></a><!--z-->", [(("a", "!--"), " x "), (("a", "?"), " y"), (("!--",), "z")]),
        ("<a>mar<![CDATA[ta]]></a>", [(("a",), "mar"), (("a",), "ta"), (("a",), "marta")]),
        ("<a>mar<!-- -->ta</a>", [(("a",), "mar"), (("a",), "ta"), (("a",), "marta")]),
        ("<p>mar<b>ta</b> k</p>", [(("p",), "mar"), (("p", 0, "b"), "ta"), (("p",), " k"), (("p",), "marta k")]),
        ("<p><b>x</b><i>y</i></p>", [(("p", 0, "b"), "x"), (("p", 1, "i"), "y")]),
        ("<p><b>x</b>\n  <i>y</i>\n</p>", [(("p", 0, "b"), "x"), (("p", 1, "i"), "y")]),
        ('<a j="{&quot;n&quot;: &quot;x&#64;&quot;}"/>', [(("a", "@j", "n"), "n"), (("a", "@j", "n"), "x@")]),
        ('<a>{"n": "x &amp; y"}</a>', [(("a", "n"), "n"), (("a", "n"), "x & y")]),
        (
            "<a href='/u/m%40b?q=x%20y&amp;z=1'/>",
            [
                (("a", "@href", 0, "u"), "u"),
                (("a", "@href", 1, "m@b"), "m@b"),
                (("a", "@href", 2, "q"), "q"),
                (("a", "@href", "q"), "x y"),
                (("a", "@href", 4, "z"), "z"),
                (("a", "@href", "z"), "1"),
            ],
        ),
        ("<x601555014/>", [(("x601555014",), "x601555014")]),
        ("<a><?x601555014 y?></a>", [(("a", "?", "x601555014"), "x601555014"), (("a", "?"), " y")]),
        ("<?\u017b?><a/>", [(("?", "\u017b"), "\u017b")]),
        ("<\u017b>y</\u017b>", [(("\u017b",), "\u017b"), (("\u017b",), "\u017b"), (("\u017b",), "y")]),
        ("\ufeff<a/>", []),
    ],
)
def test_texts_and_their_places(text: str, expected: list[tuple[Path, str]]) -> None:
    assert sorted(read(text), key=repr) == sorted(expected, key=repr)


@pytest.mark.parametrize(
    ("text", "old", "new", "expected"),
    [
        ("<a>x &amp; y<b>&#65;</b></a>", "A", '<&"', '<a>x &amp; y<b>&lt;&amp;"</b></a>'),
        ("<a b='x' c='&#65;'/>", "x", "'\"<", "<a b='&#x27;&quot;&lt;' c='&#65;'/>"),
        ("<a><![CDATA[x]]></a>", "x", "]]>", "<a><![CDATA[]]]]><![CDATA[>]]></a>"),
        ("<a><!--x--></a>", "x", "--y-", "<a><!--- -y- --></a>"),
        ("<a><?p x?></a>", " x", "?>", "<a><?p ? >?></a>"),
        ("<p>mar<b>ta</b> said</p>", "marta said", "[P_1] said", "<p>[P_1]<b></b> said</p>"),
        ('<a>{"n": "x", "m": "&#65;"}</a>', "x", '"<', '<a>{"n": &quot;\\&quot;&lt;&quot;, "m": "&#65;"}</a>'),
        ("<x601555014></x601555014>", "x601555014", "[ACCOUNT_ID_1]", "<_ACCOUNT_ID_1_></_ACCOUNT_ID_1_>"),
        ("<a><?x601555014 y?></a>", "x601555014", "[ACCOUNT_ID_1]", "<a><?_ACCOUNT_ID_1_ y?></a>"),
        ("<a>x</a>", "x", None, "<a></a>"),
    ],
)
def test_P35_edits_are_written_as_their_place_asks(text: str, old: str, new: str | None, expected: str) -> None:
    document = XML.parse(text)
    found = [leaf.index for leaf in document.leaves if leaf.text == old]
    assert document.render(dict.fromkeys(found, new)).decode() == expected


MALFORMED = [
    "",
    "x",
    "<a>",
    "</a>",
    "<a></b>",
    "<a/><b/>",
    "<a/>x",
    "x<a/>",
    "<a b/>",
    "<a b=c/>",
    "<a b='1' b='2'/>",
    "<a b='<'/>",
    "<a>&x;</a>",
    "<a>&#0;</a>",
    "<a>&#xD800;</a>",
    "<a>&amp</a>",
    "<a>& b</a>",
    "<a b='&x;'/>",
    "<a>]]></a>",
    "<a>\x01</a>",
    "<a><!-- -- --></a>",
    "<a><!-- x ---></a>",
    "<a><![CDATA[x</a>",
    "<![CDATA[x]]><a/>",
    " <?xml version='1.0'?><a/>",
    "<a><?xml version='1.0'?></a>",
    "<1a/>",
    "<a",
    "<a b='x/>",
    "<?xml version='1.0'?>",
    "<a>\uffff</a>",
]
DECLARED = [
    "<!DOCTYPE a><a/>",
    "<!DOCTYPE a SYSTEM 'x'><a/>",
    "<!DOCTYPE a [<!ENTITY e 'mar'>]><a>&e;ta</a>",
    "<!DOCTYPE a [<!ATTLIST a b CDATA 'marta'>]><a/>",
    "<!DOCTYPE a [<!ENTITY x '1234567890'><!ENTITY y '&x;&x;&x;&x;&x;&x;&x;&x;'>]><a>&y;&y;</a>",
]


@pytest.mark.parametrize("text", MALFORMED + DECLARED)
def test_P35_what_is_not_understood_in_whole_is_refused(text: str) -> None:
    with pytest.raises(PayloadRefused) as refusal:
        XML.parse(text)
    assert refusal.value.fault is PayloadFault.NOT_PARSEABLE


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("<?xml version='1.0' encoding='iso-8859-1'?><a/>", PayloadFault.CHARSET),
        ("<?xml version='1.0' encoding='utf-7'?><a/>", PayloadFault.CHARSET),
        ("<?xml version='1.0' standalone='Zed Quill'?><a/>", PayloadFault.NOT_PARSEABLE),
        ("<?xml version='1.0' encoding='utf-8' by='m@b.cc'?><a/>", PayloadFault.NOT_PARSEABLE),
        ("<a b='data:image/png;base64,AAAA'/>", PayloadFault.MEDIA_TYPE),
        ("<a>" * 300 + "</a>" * 300, PayloadFault.TOO_DEEP),
        ("<a>\ud800</a>", PayloadFault.CHARSET),
    ],
)
def test_P32_other_refusals(text: str, fault: PayloadFault) -> None:
    with pytest.raises(PayloadRefused) as refusal:
        XML.parse(text)
    assert refusal.value.fault is fault


def test_limits() -> None:
    XmlBody(Limits(depth=3)).parse("<a><b><c/></b></a>")
    for limits, fault in ((Limits(depth=1), PayloadFault.TOO_DEEP), (Limits(leaves=10), PayloadFault.TOO_LARGE)):
        with pytest.raises(PayloadRefused) as refusal:
            XmlBody(limits).parse("<a>" + "<b>x</b>" * 20 + "</a>")
        assert refusal.value.fault is fault


def as_expat_reads(text: str) -> tuple[str, list[str]]:
    parser = expat.ParserCreate()
    said: list[str] = []
    attributes: list[str] = []
    parser.CharacterDataHandler = said.append
    parser.StartElementHandler = lambda _, given: attributes.extend(given.values())
    parser.Parse(text.encode(), True)
    return "".join(said), attributes


FRAGMENTS = st.sampled_from(
    [
        "<a>",
        "</a>",
        "<b>",
        "</b>",
        "<a/>",
        "<b c='d&amp;'/>",
        "<a x=\"&#64;\" y='z'>",
        "<!-- c -->",
        "<?p q?>",
        "x",
        "&lt;",
        "<![CDATA[<y>&]]>",
        " ",
        "\n",
        "<",
        ">",
        "&",
        "]]>",
        "'",
        "é",
    ]
)


@given(st.lists(FRAGMENTS, max_size=12).map(lambda some: f"<r>{''.join(some)}</r>"))
def test_what_is_accepted_is_what_expat_reads(text: str) -> None:
    try:
        document = XML.parse(text)
    except PayloadRefused:
        with pytest.raises(expat.ExpatError):
            as_expat_reads(text)
        return
    assert document.render({}) == text.encode()
    said, attributes = as_expat_reads(text)
    ours = "".join(leaf.text for leaf in document.leaves)
    assert all(word in ours for word in said.split())
    assert all(value in [leaf.text for leaf in document.leaves] for value in attributes if value.strip())


CANARY = "marta.canary@b.cc"
REFERENCES = "".join(f"&#x{ord(c):x};" for c in CANARY)
PLACES = [
    CANARY,
    REFERENCES,
    "marta.<b>canary</b>@b.cc",
    "marta.<!-- -->canary@b.cc",
    f"<![CDATA[{CANARY}]]>",
    f"<!-- {CANARY} -->",
    f"<?p {CANARY}?>",
    f"<b c='{CANARY}'/>",
    f"<b c='{REFERENCES}'/>",
    f'<b>{{"x": "{CANARY}"}}</b>',
    f"<b href='mailto:{CANARY}'/>",
    "<b href='/u?e=marta%2Ecanary%40b.cc'/>",
    "marta.<![CDATA[canary]]>@b.cc",
]


@given(st.lists(st.sampled_from(PLACES), min_size=1, max_size=4))
async def test_P42_no_canary_is_left_and_twice_is_once(places: list[str]) -> None:
    text = "<r>" + "".join(f"<p>{place}</p>\n" for place in places) + "</r>"
    parts = Parts()
    done = (await parts.rewriter.rewrite(text, XML, FieldMap(), Policy(), "here")).body.decode()
    left = "".join(one for pair in as_expat_reads(done) for one in pair) + done
    assert "canary" not in left
    assert done.count("EMAIL_") >= len(places)
    assert (await parts.rewriter.rewrite(done, XML, FieldMap(), Policy(), "here")).body.decode() == done


async def test_field_maps_reach_into_documents() -> None:
    fields = parse_field_map(
        {
            "namespace": "xml",
            "conversations": [{"root": "$.chats[].chat", "id": "['@id']"}],
            "messages": [
                {"each": "$..message", "text": "[].text", "speaker": "['@from']", "speakers": {"bot": "agent"}}
            ],
            "known": {"$..customer": "PERSON"},
            "drop": ["$..secret"],
            "hash": ["$..device"],
            "keep": ["$..chat['@id']"],
        },
        "test",
    )
    text = (
        "<chats><chat id='1'><customer>Marta</customer><message from='bot'><text>Hi marta</text></message>"
        "<secret a='b'>x<c>y</c></secret><device>d</device></chat><chat id='2'><message><text>marta</text></message>"
        "</chat></chats>"
    )
    parts = Parts()
    done = await parts.rewriter.rewrite(text, XML, fields, Policy(), "here")
    hashed = parts.pseudonyms.label("field", "d")
    assert done.body.decode() == (
        "<chats><chat id='1'><customer>[PERSON_1]</customer><message from='bot'><text>Hi [PERSON_1]</text></message>"
        f"<secret a=''><c></c></secret><device>{hashed}</device></chat>"
        "<chat id='2'><message><text>marta</text></message></chat></chats>"
    )
    assert len(done.conversations) == 2
    assert ("Hi marta", "agent") in [(message.text, message.speaker) for message in parts.detection.seen]


@pytest.mark.parametrize("media_type", ["application/xml", "text/xml", "image/svg+xml", "text/plain", ""])
def test_P32_xml_is_xml_whatever_it_is_called(media_type: str) -> None:
    leaves = format_for(media_type).parse("<?xml version='1.0'?><a>&#64;</a>").leaves
    assert [leaf.text for leaf in leaves] == ["@"]
    with pytest.raises(PayloadRefused):
        format_for(media_type).parse("<?xml version='1.0'?><a>&#64;")
