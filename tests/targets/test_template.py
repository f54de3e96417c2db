"""Templates: whatever the value, the shape of the request stays."""

from __future__ import annotations

import json
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.erasure.request import IdentityType
from sidecar.targets.template import TemplateInvalid, ValueUnusable, parse_json, parse_text, parse_url

VALUES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
EMAIL = IdentityType.EMAIL


@given(VALUES)
def test_a_value_stays_inside_its_url_part(value: str) -> None:
    template = parse_url("https://host.example:8443/people/{email}/data?by={email}&all=1")
    try:
        url = template.fill({EMAIL: value})
    except ValueUnusable:
        assert "/" in value or "\\" in value or value in {".", ".."}
        return
    parts = urlsplit(url)
    assert (parts.scheme, parts.netloc, parts.fragment) == ("https", "host.example:8443", "")
    assert [unquote(segment) for segment in parts.path.split("/")] == ["", "people", value, "data"]
    assert parse_qsl(parts.query, keep_blank_values=True) == [("by", value), ("all", "1")]


@given(VALUES)
def test_a_value_stays_inside_its_json_string(value: str) -> None:
    template = parse_json({"user": "<{email}>", "list": ["{email}", 1, None], "{email}": True})
    assert json.loads(template.fill({EMAIL: value})) == {
        "user": f"<{value}>",
        "list": [value, 1, None],
        "{email}": True,
    }


@given(VALUES)
def test_a_value_stays_inside_the_string_literal_of_a_query_inside_json(value: str) -> None:
    template = parse_json({"query": "{{ people(email: {email:literal}, all: true) }}"})
    query = json.loads(template.fill({EMAIL: value}))["query"]
    assert query.startswith("{ people(email: ")
    literal, end = json.JSONDecoder().raw_decode(query, len("{ people(email: "))
    assert (literal, query[end:]) == (value, ", all: true) }")


@pytest.mark.parametrize("template", ["{email:literal}", "{email:json}", "{email!r}"])
def test_string_literals_are_for_json_bodies_alone(template: str) -> None:
    with pytest.raises(TemplateInvalid):
        parse_text(template)
    with pytest.raises(TemplateInvalid):
        parse_url(f"https://host/?q={template}")
    if "literal" not in template:
        with pytest.raises(TemplateInvalid):
            parse_json(template)


def test_doubled_braces_stand_for_themselves() -> None:
    assert parse_text("{{x}} {email}").fill({EMAIL: "v"}) == "{x} v"


@pytest.mark.parametrize(
    "template",
    [
        "ftp://host/{email}",
        "/people/{email}",
        "https://{email}.example.org/",
        "https://host/{email",
        "https://host/{nickname}",
        "https://host/{}",
        "https://host/{0}",
        "https://host/{email!r}",
        "https://host/{email:>10}",
        "https://host/{email.__class__}",
        "https://user:pw@host/{email}",
        "https://host/{email}#part",
        "https://host/ä/{email}",
        "https://host/a b/{email}",
        "https://host:99999/{email}",
        "https://host:0/{email}",
        "https://host:abc/{email}",
        "https://[::1/{email}",
        "https://a..example.org/{email}",
    ],
)
def test_urls_that_are_refused(template: str) -> None:
    with pytest.raises(TemplateInvalid):
        parse_url(template)


def test_a_body_that_json_can_not_say_is_refused() -> None:
    with pytest.raises(TemplateInvalid):
        parse_json({1: "x"})  # type: ignore[dict-item]


@pytest.mark.parametrize("value", ["a/b", "..", ".", "\\"])
def test_parts_of_paths_are_refused(value: str) -> None:
    with pytest.raises(ValueUnusable) as refusal:
        parse_url("https://host/{email}").fill({EMAIL: value})
    assert value not in str(refusal.value).replace("'.'", "").replace("'..'", "").replace(".", "") or value == "."
