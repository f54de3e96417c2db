"""P28 to P32, P35, P41, P42, X3 over real sockets: routes whose bodies are read as what they are, both ways."""

from __future__ import annotations

import gzip
import ssl

import pytest

from sidecar.proxy.routes import BodyMode, HostPolicy, Limits, RequestPolicy
from tests.proxy.rig import CANARY, JSON, OPAQUE, answering, route, running

Contexts = tuple[ssl.SSLContext, ssl.SSLContext]
AUTO = route(body=BodyMode.AUTO)

READ = {
    "json": ("application/json", '{"a": "%s", "n": 1.0}'),
    "json of another name": ("application/problem+json", '{"a": "%s"}'),
    "lines of json": ("application/x-ndjson", '{"a": "%s"}\n\n{"b": 2}\n'),
    "lines of json as text": ("text/plain; charset=utf-8", '{"a": "%s"}\n{"b": 2}'),
    "json without a type": ("", '{"a": "%s"}'),
    "json as bytes": ("application/octet-stream", '["%s"]'),
    "csv": ("text/csv", 'id,mail\r\n1,"%s"\r\n'),
    "csv of another name": ("application/.csv", "id;mail\r\n1;%s\r\n"),
    "text": ("text/plain", "write to %s today"),
    "page": ("text/html; charset=utf-8", "<p title='%s'>Grüße &amp; mehr</p>"),
    "page as text": ("text/plain", "<!doctype html><p title='%s'>&lt;"),
    "json as a page": ("text/html", '{"a": "%s"}'),
    "xml": ("application/xml", "<?xml version='1.0'?><a b='%s'>x &amp; y</a>"),
    "xml as bytes": ("application/octet-stream", "<?xml version='1.0'?><a>%s</a>"),
    "form with a file": (
        'multipart/form-data; boundary="x"',
        "--x\r\nContent-Disposition: form-data; name=f; filename=a.csv\r\nContent-Type: text/csv\r\n\r\n"
        "id,m\n1,%s\r\n--x--\r\n",
    ),
    "text in utf-16": ("text/plain; charset=utf-16", "write to %s today"),
}


def body_of(kind: str, text: str) -> bytes:
    return text.encode("utf-16" if "utf-16" in kind else "utf-8")


@pytest.mark.parametrize(("kind", "text"), READ.values(), ids=READ.keys())
async def test_P32_X3_answers_are_read_as_what_they_are(kind: str, text: str, contexts: Contexts) -> None:
    fields = (f"Content-Type: {kind}",) if kind else ("X-None: 1",)
    async with running(answering(body_of(kind, text % CANARY), fields), contexts, [AUTO]) as rig:
        answered = await rig.get()
        assert (answered.status, answered.body.decode()) == (200, text % "[EMAIL_1]")
        assert "16" not in repr(answered.values("Content-Type"))
        assert (await rig.outcome()).entities == {"EMAIL": 1}


@pytest.mark.parametrize(
    ("kind", "text"), [case for case in READ.values() if case[0]], ids=[k for k, c in READ.items() if c[0]]
)
async def test_P32_X3_requests_are_read_as_what_they_are(kind: str, text: str, contexts: Contexts) -> None:
    routes = [AUTO, route("strict", "/strict", body=BodyMode.AUTO, request_policy=RequestPolicy.REFUSE)]
    async with running(answering(), contexts, routes) as rig:
        data = body_of(kind, text % CANARY)
        assert (await rig.post(data, f"Content-Type: {kind}")).status == 200
        assert rig.upstream.requests[0].body.decode() == text % "[EMAIL_1]"
        assert (await rig.post(data, f"Content-Type: {kind}", target="/strict")).status == 422
        assert len(rig.upstream.requests) == 1


async def test_forms_keep_their_bare_type(contexts: Contexts) -> None:
    form = "Content-Type: application/x-www-form-urlencoded"
    async with running(answering(), contexts, [AUTO]) as rig:
        assert (await rig.post(f"a=%7e&b={CANARY.replace('@', '%40')}".encode(), form)).status == 200
        (received,) = rig.upstream.requests
        assert received.body == b"a=%7e&b=%5BEMAIL_1%5D"
        assert received.values(b"content-type") == [b"application/x-www-form-urlencoded"]


NOT_READ = {
    "image": ("image/png", b"\x89PNG\r\n" + CANARY.encode()),
    "pdf": ("application/pdf", b"%PDF-1.7 " + CANARY.encode()),
    "script": ("text/javascript", b'var a = "' + CANARY.encode() + b'"'),
    "bytes": ("application/octet-stream", CANARY.encode()),
    "no type": ("", CANARY.encode()),
    "nonsense": ("nonsense", b"{}"),
    "json that is none": ("application/json", CANARY.encode()),
    "json cut short": ("application/json", b'{"a": "' + CANARY.encode() + b'"'),
    "utf-16 that says it is text": ("text/plain", CANARY.encode("utf-16-le")),
    "charset nobody knows": ("text/plain; charset=utf-7", CANARY.replace("@", "+AEA-").encode()),
    "csv with a stray quote": ("text/csv", b'a,b\n1,x"' + CANARY.encode()),
    "parts without end": ("multipart/x-mixed-replace; boundary=x", b"--x\r\n\r\n" + CANARY.encode()),
    "ranges": ("multipart/byteranges; boundary=x", b"--x\r\n\r\n" + CANARY.encode() + b"\r\n--x--\r\n"),
    "a page cut short": ("text/html", b"<p title='" + CANARY.encode()),
    "a page with an entity of its own": ("text/html", b"<!DOCTYPE x [<!ENTITY a 'x'>]><p>" + CANARY.encode()),
    "xml cut short": ("application/xml", b"<a>" + CANARY.encode()),
    "xml with a document type": ("application/xml", b"<!DOCTYPE a><a>" + CANARY.encode() + b"</a>"),
    "json that says it is xml": ("application/xml", b'{"a": "' + CANARY.encode() + b'"'),
    "parts with text before": ("multipart/form-data; boundary=x", CANARY.encode() + b"\r\n--x--\r\n"),
    "a picture among parts": (
        "multipart/form-data; boundary=x",
        b"--x\r\nContent-Disposition: form-data; name=f\r\nContent-Type: image/png\r\n\r\n"
        + CANARY.encode()
        + b"\r\n--x--",
    ),
    "a text with a picture in base64": ("text/plain", b"![](data:image/png;base64,AAAA) " + CANARY.encode()),
    "a form with a broken code": ("application/x-www-form-urlencoded", b"a=%4&b=" + CANARY.encode()),
}


@pytest.mark.parametrize(("kind", "body"), NOT_READ.values(), ids=NOT_READ.keys())
async def test_P32_what_nobody_can_read_is_refused_both_ways(kind: str, body: bytes, contexts: Contexts) -> None:
    fields = (f"Content-Type: {kind}",) if kind else ("X-None: 1",)
    async with running(answering(body, fields), contexts, [AUTO]) as rig:
        answered = await rig.get()
        assert answered.status == 502
        assert b"canary" not in answered.whole
        assert (await rig.post(body, f"Content-Type: {kind}")).status in (400, 415)
        assert len(rig.upstream.requests) == 1
        await rig.settled(2)
        assert {outcome.decision for outcome in rig.audit.outcomes} == {"refused"}


async def test_what_can_not_be_read_is_refused_by_its_head(contexts: Contexts) -> None:
    async with running(answering(b"x" * 100_000_000, ("Content-Type: video/mp4",)), contexts, [AUTO]) as rig:
        assert (await rig.get()).status == 502
        assert (await rig.outcome()).reason == "media_type"


async def test_json_routes_still_read_json_alone(contexts: Contexts) -> None:
    async with running(answering(b"a,b\n1,2", ("Content-Type: text/csv",)), contexts, [route(), OPAQUE]) as rig:
        assert (await rig.get()).status == 502
        assert (await rig.post(b"a,b\n1,2", "Content-Type: text/csv")).status == 415
        assert (await rig.post(b"a,b\n1,2", "Content-Type: text/csv", target="/files/1")).status == 415


async def test_P29_P30_P41_codings_and_caps_hold_for_every_format(contexts: Contexts) -> None:
    csv = f"id,mail\r\n1,{CANARY}\r\n".encode()
    fields = ("Content-Type: text/csv", "Content-Encoding: gzip")
    small = route(body=BodyMode.AUTO, limits=Limits(request_body_bytes=2000, response_body_bytes=2000))
    async with running(answering(gzip.compress(csv), fields), contexts, [small]) as rig:
        assert (await rig.get()).body == csv.replace(CANARY.encode(), b"[EMAIL_1]")
        assert (await rig.post(gzip.compress(csv * 200), *fields)).status == 413
        assert (await rig.post(csv * 200, "Content-Type: text/csv")).status == 413
    async with running(answering(gzip.compress(csv * 200), fields), contexts, [small]) as rig:
        assert (await rig.get()).status == 502
        assert (await rig.outcome()).reason == "too_large"


async def test_P42_what_was_redacted_comes_back_as_it_is(contexts: Contexts) -> None:
    clean = b"id,mail\r\n1,[EMAIL_1]\r\n"
    async with running(answering(clean, ("Content-Type: text/csv",)), contexts, [AUTO]) as rig:
        assert (await rig.get()).body == clean
        assert (await rig.post(clean, "Content-Type: text/csv")).status == 200
        assert rig.upstream.requests[1].body == clean
        assert (await rig.post(b'["x"]', JSON)).status == 200


async def test_P39_names_of_files_are_scanned_and_the_boundary_is_kept(contexts: Contexts) -> None:
    data = (
        f"--x y\r\nContent-Disposition: form-data; name=f; filename*=UTF-8''{CANARY.replace('@', '%40')}\r\n\r\n"
        "hi\r\n--x y--\r\n"
    ).encode()
    async with running(answering(), contexts, [AUTO]) as rig:
        assert (await rig.post(data, 'Content-Type: multipart/form-data; boundary="x y"')).status == 200
        (received,) = rig.upstream.requests
        assert received.values(b"content-type") == [b'multipart/form-data; boundary="x y"']
        assert received.values(b"content-length") == [str(len(received.body)).encode()]
        assert b"canary" not in received.body
        assert b"filename*=UTF-8''%5BEMAIL_1%5D\r\n\r\nhi\r\n--x y--\r\n" in received.body


async def test_P39_ten_thousand_tiny_parts_are_too_many(contexts: Contexts) -> None:
    part = b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n"
    form = "Content-Type: multipart/form-data; boundary=x"
    async with running(answering(), contexts, [AUTO]) as rig:
        assert (await rig.post(part * 10_000 + b"--x--\r\n", form)).status == 413
        assert (await rig.post(part * 1_000 + b"--x--\r\n", form)).status == 200
        assert len(rig.upstream.requests) == 1
        await rig.settled(2)
        assert [outcome.reason for outcome in rig.audit.outcomes if outcome.reason] == ["too_large"]


async def test_X2_links_of_pages_lead_back_to_the_sidecar(contexts: Contexts) -> None:
    page = b"<base href='http://up.example:8080/'><a href='http://other.example/x?q=1'>http</a>"
    fields = ("Content-Type: text/html",)
    owned = route(body=BodyMode.AUTO, host=HostPolicy.FIXED, fixed_host="up.example:8080")
    async with running(answering(page, fields), contexts, [owned]) as rig:
        assert (await rig.get()).body == page.replace(b"http://up.example:8080", b"https://sidecar.example")
