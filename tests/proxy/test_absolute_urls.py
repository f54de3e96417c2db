"""X2: URLs that the upstream writes with its own name lead through the sidecar, or not at all."""

from __future__ import annotations

import json
import ssl
from typing import Any

import pytest
from multidict import CIMultiDict

from sidecar.errors import PayloadRefused
from sidecar.payloads.presets import parse_field_map
from sidecar.proxy.absolute_urls import own_urls
from sidecar.proxy.routes import HostPolicy, TargetPolicy, UrlPolicy
from tests.proxy.rig import CANARY, OPAQUE, answering, route, running

Contexts = tuple[ssl.SSLContext, ssl.SSLContext]
URLS = own_urls(UrlPolicy.REWRITE, "sidecar.example:8443", ("chat.example:8080", "Fixed.example", ""))


@pytest.mark.parametrize(
    ("value", "rewritten"),
    [
        ("http://chat.example:8080/a?next=1#x", "https://sidecar.example:8443/a?next=1#x"),
        ("HTTPS://CHAT.example:8080", "https://sidecar.example:8443"),
        ("ws://chat.example:8080/socket", "wss://sidecar.example:8443/socket"),
        ("https://fixed.example:443/a", "https://sidecar.example:8443/a"),
        ("http://sidecar.example:8443/a", "https://sidecar.example:8443/a"),
        ("https://sidecar.example:8443/a", "https://sidecar.example:8443/a"),
        ("http://chat.example/a", "http://chat.example/a"),
        ("http://chat.example:8080.evil.example/a", "http://chat.example:8080.evil.example/a"),
        ("http://chat.example:8080@evil.example/a", "http://chat.example:8080@evil.example/a"),
        ("see http://chat.example:8080/a", "see http://chat.example:8080/a"),
        ("http://chat.example:8080/a b", "http://chat.example:8080/a b"),
        ("ftp://chat.example:8080/a", "ftp://chat.example:8080/a"),
        ("/a", "/a"),
    ],
)
def test_X2_whole_strings(value: str, rewritten: str) -> None:
    assert URLS.rewritten(value) == rewritten
    assert own_urls(UrlPolicy.KEEP, "sidecar.example", ("chat.example:8080",)).rewritten(value) == value


def test_X2_without_a_name_of_ours_a_path_is_left() -> None:
    nameless = own_urls(UrlPolicy.REWRITE, None, ("chat.example",))
    assert [nameless.rewritten(f"http://chat.example{rest}") for rest in ("/a", "")] == ["/a", "/"]


def test_X2_header_fields() -> None:
    fields = CIMultiDict([
        ("Location", "http://chat.example:8080/login?next=/"),
        ("Link", '<http://chat.example:8080/a?page=2>; rel="next", <https://other.example/>; rel="help"'),
        ("Refresh", "0; url=http://chat.example:8080/a"),
        ("Access-Control-Allow-Origin", "http://chat.example:8080"),
        ("X-Other", "http://chat.example:8080/"),
    ])  # fmt: skip
    URLS.clean_fields(fields)
    ours = "https://sidecar.example:8443"
    assert dict(fields) == {
        "Location": f"{ours}/login?next=/",
        "Link": f'<{ours}/a?page=2>; rel="next", <https://other.example/>; rel="help"',
        "Refresh": f"0; url={ours}/a",
        "Access-Control-Allow-Origin": ours,
        "X-Other": "http://chat.example:8080/",
    }


def test_X2_refused_where_the_route_says_so() -> None:
    refusing = own_urls(UrlPolicy.REFUSE, "sidecar.example", ("chat.example",))
    assert refusing.rewritten("https://other.example/") == "https://other.example/"
    assert refusing.rewritten("https://sidecar.example/a") == "https://sidecar.example/a"
    with pytest.raises(PayloadRefused):
        refusing.rewritten("https://chat.example/a")


CHATS = {
    "next": "http://chat.example/api/chats?page=2&q=a%20b",
    "links": {"self": "http://chat.example/api"},
    "count": 12345678901234567890,
    "messages": [{"text": "http://chat.example/help"}],
    "foreign": "https://elsewhere.example/x",
}
MAP = parse_field_map({"messages": [{"each": "$.messages[]", "text": "text"}]}, "test")
FIXED: dict[str, Any] = {"host": HostPolicy.FIXED, "fixed_host": "chat.example", "fields": MAP}


async def test_X2_bodies_and_locations_over_the_wire(contexts: Contexts) -> None:
    fields = ("Content-Type: application/json", "Content-Location: http://chat.example/api/chats")
    async with running(answering(json.dumps(CHATS).encode(), fields), contexts, [route(**FIXED), OPAQUE]) as rig:
        answered = await rig.get("/api/chats")
        expected = json.loads(json.dumps(CHATS).replace("http://chat.example/api", "https://sidecar.example/api"))
        assert json.loads(answered.body) == expected
        assert answered.values("Content-Location") == ["https://sidecar.example/api/chats"]
        assert b"http://chat.example" in (await rig.get("/files/1")).body, "an opaque body is not touched"


@pytest.mark.parametrize(("policy", "status"), [(UrlPolicy.KEEP, 200), (UrlPolicy.REFUSE, 502)])
async def test_X2_kept_or_refused(policy: UrlPolicy, status: int, contexts: Contexts) -> None:
    body = json.dumps(CHATS).encode()
    async with running(answering(body), contexts, [route(absolute_urls=policy, **FIXED)]) as rig:
        answered = await rig.get("/api/chats")
        assert answered.status == status
        if policy is UrlPolicy.KEEP:
            assert answered.body == body
        else:
            assert (await rig.outcome()).reason == "absolute_url"


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/api/chats?page=2&sort=asc", 200),
        (f"/api/chats?q={CANARY}", 422),
        ("/api/chats?q=jane.roe%40canary.example", 422),
        (f"/api/customers/{CANARY}/chats", 422),
        ("/api/login?next=%2Fapi%3Fq%3Djane.roe%2540canary.example", 422),
    ],
)
async def test_personal_data_in_targets_is_refused_where_the_route_says_so(
    target: str, status: int, contexts: Contexts
) -> None:
    async with running(answering(), contexts, [route(target_policy=TargetPolicy.REFUSE)]) as rig:
        answered = await rig.get(target)
        assert answered.status == status
        assert b"canary" not in answered.whole
        assert len(rig.upstream.requests) == (1 if status == 200 else 0)
    async with running(answering(), contexts) as rig:
        assert (await rig.get(target)).status == 200


@pytest.mark.parametrize(
    ("value", "left"),
    [
        ("attachment; filename=chat.csv", "attachment; filename=chat.csv"),
        ('attachment; filename="jane.roe%40canary.example.csv"', 'attachment; filename="redacted.csv"'),
        ("attachment; filename*=UTF-8''Chat%20jane.roe%40canary.example.csv", 'attachment; filename="redacted.csv"'),
        ('inline; filename="jane.roe@canary.example"', "inline"),
    ],
)
async def test_X8_upload_names_and_unquoted_validators(value: str, left: str, contexts: Contexts) -> None:
    fields = ("Content-Type: application/json", f"Content-Disposition: {value}", "ETag: 1")
    async with running(answering(b"{}", fields), contexts) as rig:
        rewritten, opaque = await rig.get("/api/1"), await rig.get("/files/1")
        assert rewritten.values("Content-Disposition") == opaque.values("Content-Disposition") == [left]
        assert (rewritten.values("ETag"), opaque.values("ETag")) == ([], ["1"])
