"""P14 to P28, P57, X1: which fields reach the other side, seen on the wire."""

from __future__ import annotations

import ssl
from base64 import b64encode
from typing import Any

import pytest

from sidecar.proxy.routes import AuthorizationPolicy, HostPolicy
from tests.proxy.rewriting import Parts
from tests.proxy.rig import AUTH, CANARY, JSON, TOKEN, MemoryAudit, answering, raw, request, route, running

Contexts = tuple[ssl.SSLContext, ssl.SSLContext]
BODY = b'{"a":1}'
CODED = b64encode(CANARY.encode()).decode().rstrip("=")


def upstream_answer(*fields: str, status: str = "200 OK", body: bytes = BODY) -> bytes:
    head = "\r\n".join((f"HTTP/1.1 {status}", *fields, f"Content-Length: {len(body)}", "", ""))
    return head.encode("latin-1") + body


@pytest.mark.parametrize("path", ["/api/1", "/files/1"])
async def test_P14_hop_by_hop_fields_of_requests_stay_here(path: str, contexts: Contexts) -> None:
    fields = (
        "Connection: X-Foo, keep-alive", "X-Foo: 1", "Keep-Alive: timeout=5", "TE: trailers", "Trailer: X-T",
        "Proxy-Authorization: Basic eA==", "Proxy-Foo: 1", "Proxy-Connection: keep-alive", "X-Bar: kept",
    )  # fmt: skip
    async with running(answering(), contexts) as rig:
        assert (await rig.get(path, *fields)).status == 200
        names = {name for name, _ in rig.upstream.requests[0].fields}
        assert not names & {
            b"connection", b"x-foo", b"keep-alive", b"te", b"trailer", b"proxy-authorization", b"proxy-foo",
            b"proxy-connection",
        }  # fmt: skip
        assert rig.upstream.requests[0].values(b"x-bar") == [b"kept"]


async def test_P14_upgrade_is_refused_and_what_follows_is_not_executed(contexts: Contexts) -> None:
    async with running(answering(), contexts) as rig:
        data = request("GET", "/api/1", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13")
        client = await rig.connect()
        client.writer.write(data + request("GET", "/api/2"))
        assert (await client.answer()).status == 501
        assert await client.is_closed()
        await client.close()
        assert (await rig.outcome()).reason == "upgrade"
        assert rig.upstream.requests == []


@pytest.mark.parametrize("path", ["/api/1", "/files/1"])
async def test_P15_hop_by_hop_fields_of_responses_stay_here(path: str, contexts: Contexts) -> None:
    data = upstream_answer(
        JSON, "Connection: X-Foo", "X-Foo: 1", "Keep-Alive: timeout=5", "Trailer: X-T", "Upgrade: h2c",
        "Proxy-Authenticate: Basic", "Alt-Svc: h3=\":443\"", "X-Bar: kept",
    )  # fmt: skip
    async with running(raw(data), contexts) as rig:
        answered = await rig.get(path)
        assert answered.status == 200
        for name in ("X-Foo", "Keep-Alive", "Trailer", "Upgrade", "Proxy-Authenticate", "Alt-Svc"):
            assert answered.values(name) == [], name
        assert answered.values("X-Bar") == ["kept"]


async def test_P16_a_response_can_not_take_its_own_framing_away(contexts: Contexts) -> None:
    data = upstream_answer(JSON, "Connection: Content-Length, Content-Type, Set-Cookie", "Set-Cookie: a=b")
    async with running(raw(data), contexts) as rig:
        answered = await rig.get("/files/1")
        assert answered.body == BODY
        assert answered.values("Content-Length") == ["7"]
        assert answered.values("Set-Cookie") == ["a=b"]


@pytest.mark.parametrize("path", ["/api/1", "/files/1"])
async def test_P17_cookies_stay_apart_in_order_and_byte_for_byte(path: str, contexts: Contexts) -> None:
    cookies = [
        "a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT; Path=/", "b=\"x, y\"; HttpOnly", "a=1; Path=/other; Secure",
    ]  # fmt: skip
    data = upstream_answer(JSON, *(f"Set-Cookie: {cookie}" for cookie in cookies))
    async with running(raw(data), contexts) as rig:
        assert (await rig.get(path)).values("Set-Cookie") == cookies


async def test_P17_request_cookies_pass_and_none_is_kept_for_others(contexts: Contexts) -> None:
    data = upstream_answer(JSON, "Set-Cookie: session=1")
    async with running(raw(data), contexts) as rig:
        await rig.get("/api/1", "Cookie: mine=1; yours=2")
        await rig.get("/api/1")
        assert [received.values(b"cookie") for received in rig.upstream.requests] == [[b"mine=1; yours=2"], []]


SPOOFED = (
    "X-Forwarded-For: 10.0.0.1", "X-Forwarded-Proto: http", "X-Forwarded-Host: evil.example", "X-Forwarded-Prefix: /x",
    "Forwarded: for=10.0.0.1", "X-Forwarded-Client-Cert: Hash=00", "X_Forwarded_For: 10.0.0.2", "X-Real-IP: 10.0.0.1",
    "X-Client-Cert: x", "Client-Cert: :x:", "SSL-Client-Verify: SUCCESS", "X-Original-URL: /admin",
    "X-Rewrite-URL: /admin", "X-HTTP-Method-Override: DELETE", "X-Exchange-Id: mine", "Via: 1.1 x",
    "Remote-User: admin", "Remote_User: admin", "X-Remote-User: admin", "X-WEBAUTH-USER: admin", "Proxy: http://evil",
    "X-Auth-Request-Email: admin@example.org", "X-Amzn-Oidc-Identity: admin", "X-Envoy-Original-Path: /admin",
    "X-Goog-Authenticated-User-Email: admin", "Cf-Access-Jwt-Assertion: x", "CF-Connecting-IP: 10.0.0.1",
    "X-MS-CLIENT-PRINCIPAL-NAME: admin", "X-SSL-Client-DN: cn=admin",
    "X-Forwarded: for=10.0.0.1", "Client-IP: 10.0.0.1", "Remote-Groups: admins", "Remote_Email: admin@example.org",
    "X-Remote-Group: system:masters",
    "X-WEBAUTH-ROLE: Admin", "X-Authentik-Groups: admins", "X-Pomerium-Jwt-Assertion: x", "X-Vouch-User: admin",
    "X-Consumer-Username: admin",
    "Tailscale-User-Login: admin", "X-Originating-IP: 10.0.0.1",
)  # fmt: skip


async def test_P18_what_a_client_says_of_itself_is_replaced(contexts: Contexts) -> None:
    async with running(answering(), contexts) as rig:
        assert (await rig.get("/api/1", *SPOOFED)).status == 200
        received = rig.upstream.requests[0]
        assert received.values(b"x-forwarded-for") == [b"127.0.0.1"]
        assert received.values(b"x-forwarded-proto") == [b"https"]
        assert received.values(b"x-forwarded-host") == [b"sidecar.example"]
        for spoofed in SPOOFED[3:]:
            assert received.values(spoofed.partition(":")[0].encode()) == [], spoofed
        assert b"10.0.0." not in received.head


async def test_P18_a_token_that_was_ours_never_leaves(contexts: Contexts) -> None:
    forwarding = route(authorization=AuthorizationPolicy.FORWARD)
    async with running(answering(), contexts, [forwarding]) as rig:
        assert (await rig.get("/api/1")).status == 200
        assert rig.upstream.requests[0].values(b"authorization") == []
        assert TOKEN.encode() not in rig.upstream.requests[0].head


BAD_HEADS = {
    "NUL in a value": b"HTTP/1.1 200 OK\r\nX-A: a\x00b\r\nContent-Length: 2\r\n\r\n{}",
    "control character in a value": b"HTTP/1.1 200 OK\r\nX-A: a\x01b\r\nContent-Length: 2\r\n\r\n{}",
    "carriage return in a value": b"HTTP/1.1 200 OK\r\nX-A: a\rSet-Cookie: x=1\r\nContent-Length: 2\r\n\r\n{}",
    "carriage return in the reason": b"HTTP/1.1 200 O\rK\r\nContent-Length: 2\r\n\r\n{}",
    "value that is no text": b"HTTP/1.1 200 OK\r\nX-A: \xff\xfe\r\nContent-Length: 2\r\n\r\n{}",
    "length and chunked": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
    "two locations": b"HTTP/1.1 302 Found\r\nLocation: /a\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n",
    "two types": b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\n{}",
    "coded transfer": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    "status 999": b"HTTP/1.1 999 Odd\r\nContent-Length: 2\r\n\r\n{}",
    "status 101": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n{}",
    "no HTTP": b"hello\r\n\r\n",
    "field without colon": b"HTTP/1.1 200 OK\r\nnonsense\r\nContent-Length: 2\r\n\r\n{}",
    "too many fields": b"HTTP/1.1 200 OK\r\n" + b"X-A: 1\r\n" * 200 + b"Content-Length: 2\r\n\r\n{}",
    "a line too long": b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 9000 + b"\r\nContent-Length: 2\r\n\r\n{}",
}


@pytest.mark.parametrize("path", ["/api/1", "/files/1"])
@pytest.mark.parametrize("data", BAD_HEADS.values(), ids=BAD_HEADS.keys())
async def test_P19_ambiguous_response_heads_are_not_relayed(data: bytes, path: str, contexts: Contexts) -> None:
    async with running(raw(data, then_close=True), contexts) as rig:
        answered = await rig.get(path)
        assert answered.status == 502
        assert answered.values("Set-Cookie") == []
        assert (await rig.outcome()).decision == "failed"


@pytest.mark.parametrize("path", ["/api/1", "/files/1"])
@pytest.mark.parametrize(
    ("field", "left"),
    [
        (f"X-Customer: {CANARY}", []),
        ("X-Customer: jane.roe%40canary.example", []),
        (f'Link: <https://host.example/c/{CANARY}>; rel="next"', []),
        ("X-Trace: 4711", ["4711"]),
        ('Link: <https://host.example/c?page=2>; rel="next"', ['<https://host.example/c?page=2>; rel="next"']),
    ],
)
async def test_P20_fields_that_hold_personal_data_are_dropped(
    field: str, left: list[str], path: str, contexts: Contexts
) -> None:
    async with running(raw(upstream_answer(JSON, field)), contexts) as rig:
        answered = await rig.get(path)
        assert answered.status == 200
        assert answered.values(field.partition(":")[0]) == left


@pytest.mark.parametrize(
    ("field", "left"),
    [
        (f"X-User: {CODED}=", []),
        (f"X-User: a={CODED}=, b=1", []),
        (f"Vary: {CODED}", []),
        ("X-Accounts: user_447911123456=open", []),
        ("X-Call: <tel://447911123456>", []),
        ("X-Call: <https://447911123456/x>", []),
        ("X-Host: <https://sidecar.example/x>", ["<https://sidecar.example/x>"]),
        ("X-Page: next=&page=2", ["next=&page=2"]),
    ],
)
async def test_P20_fields_hide_nothing_as_names_hosts_and_tokens(
    field: str, left: list[str], contexts: Contexts
) -> None:
    data, rewriter = raw(upstream_answer(JSON, field)), Parts().rewriter
    async with running(data, contexts, real=lambda _: (MemoryAudit(), rewriter)) as rig:
        answered = await rig.get()
        assert answered.status == 200
        assert answered.values(field.partition(":")[0]) == left


@pytest.mark.parametrize("path", ["/api/1", "/files/1"])
@pytest.mark.parametrize(
    ("value", "left"),
    [
        (f'attachment; filename="{CANARY}.pdf"', 'attachment; filename="redacted.pdf"'),
        ("inline; filename*=UTF-8''jane.roe%40canary.example.pdf", 'inline; filename="redacted.pdf"'),
        ('attachment; filename="export.json"', 'attachment; filename="export.json"'),
    ],
)
async def test_P20_file_names(value: str, left: str, path: str, contexts: Contexts) -> None:
    async with running(raw(upstream_answer(JSON, f"Content-Disposition: {value}")), contexts) as rig:
        assert (await rig.get(path)).values("Content-Disposition") == [left]


@pytest.mark.parametrize("path", ["/api/1", "/files/1"])
async def test_P20_redirect_to_a_person_is_refused(path: str, contexts: Contexts) -> None:
    data = upstream_answer("Location: /customers/jane.roe%40canary.example", status="302 Found", body=b"")
    async with running(raw(data), contexts) as rig:
        answered = await rig.get(path)
        assert answered.status == 502
        assert b"canary" not in answered.whole
        assert (await rig.outcome()).reason == "header"


async def test_P20_redirect_may_repeat_what_the_client_said(contexts: Contexts) -> None:
    data = upstream_answer("Location: /login?next=%2Fapi%2Fjane.roe%2540canary.example", status="302 Found", body=b"")
    async with running(raw(data), contexts) as rig:
        assert (await rig.get("/api/jane.roe%40canary.example")).status == 302
        assert (await rig.get("/api/another")).status == 502


async def test_P20_redirects_pass_without_their_body(contexts: Contexts) -> None:
    data = upstream_answer("Location: /login?next=/chats", "Content-Type: text/html", status="302 Found", body=b"<a>")
    async with running(raw(data), contexts) as rig:
        answered = await rig.get("/api/1")
        assert (answered.status, answered.body) == (302, b"")
        assert answered.values("Location") == ["/login?next=/chats"]
        assert answered.values("Content-Length") == ["0"]


@pytest.mark.parametrize(
    "target",
    [
        "/api/a%2Fb%252F?x=%27", "/api/a?", "/api/?q=a+b%20c", "/api/a;v=1", "/api//double", "/api/%E4%BD%A0?k=[1]",
        "/api/a?x=1?y=2&&", "/api/~a'(b)*!$,:@", "/api/a?u=http://x/..//y", "/api/%zz", '/api/"a"<b>^`{|}',
    ],
)  # fmt: skip
async def test_P21_targets_arrive_byte_for_byte(target: str, contexts: Contexts) -> None:
    async with running(answering(), contexts) as rig:
        assert (await rig.get(target)).status == 200
        assert rig.upstream.requests[0].target == target.encode()


async def test_P8_absolute_form_for_this_host_goes_to_the_same_upstream(contexts: Contexts) -> None:
    async with running(answering(), contexts) as rig:
        assert (await rig.get("http://sidecar.example/api/1?a=b")).status == 200
        assert rig.upstream.requests[0].target == b"/api/1?a=b"


async def test_P22_paths_and_queries_reach_no_log_record_or_metric(
    contexts: Contexts, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    async with running(raw(b"HTTP/1.1 999 x\r\n\r\n"), contexts) as rig:
        for target in (f"/api/{CANARY}?q={CANARY}", f"/nowhere/{CANARY}", f"/api/\x01{CANARY}"):
            await rig.get(target, f"X-A: {CANARY}")
        await rig.send(f"GET /{CANARY} HTTP/9.9\r\nX: {CANARY}\r\n\r\n".encode())
        await rig.settled(4)
        assert "canary" not in caplog.text
        assert "canary" not in repr((rig.audit.intents, rig.audit.outcomes))
        samples = [sample for metric in rig.metrics.registry.collect() for sample in metric.samples]
        assert "canary" not in repr(samples)


@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_P23_length_is_that_of_the_rewritten_body(framing: str, contexts: Contexts) -> None:
    body = f'{{"m":"{CANARY}"}}'.encode()
    head = f"HTTP/1.1 200 OK\r\n{JSON}\r\n".encode()
    data = head + f"Content-Length: {len(body)}\r\n\r\n".encode() + body
    if framing == "chunked":
        data = head + b"Transfer-Encoding: chunked\r\n\r\n" + f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n"
    async with running(raw(data), contexts) as rig:
        answered = await rig.get()
        assert answered.body == b'{"m":"[EMAIL_1]"}'
        assert answered.values("Content-Length") == ["17"]
        assert answered.values("Transfer-Encoding") == []


OF_THE_ORIGINAL = (
    'ETag: "1"', "Content-MD5: x", "Digest: x", "Content-Digest: x", "Repr-Digest: x", "Signature: x",
    "Signature-Input: x", "Accept-Ranges: bytes", "Last-Modified: Wed, 21 Oct 2015 07:28:00 GMT",
)  # fmt: skip


async def test_P24_what_describes_the_original_is_dropped(contexts: Contexts) -> None:
    async with running(raw(upstream_answer(JSON, *OF_THE_ORIGINAL)), contexts) as rig:
        rewritten, opaque = await rig.get("/api/1"), await rig.get("/files/1")
        for field in OF_THE_ORIGINAL:
            name, _, value = field.partition(": ")
            assert rewritten.values(name) == [], name
            assert opaque.values(name) == [value], name


async def test_P25_conditions_on_the_original_are_never_asked(contexts: Contexts) -> None:
    asked = ('If-None-Match: "1"', "If-Modified-Since: Wed, 21 Oct 2015 07:28:00 GMT", 'If-Match: "1"')
    async with running(answering(), contexts) as rig:
        assert (await rig.get("/api/1", *asked)).status == 200
        assert not [name for name, _ in rig.upstream.requests[0].fields if name.startswith(b"if-")]


async def test_P25_conditions_that_guard_a_write_pass(contexts: Contexts) -> None:
    async with running(answering(), contexts) as rig:
        await rig.post(b"{}", 'If-Match: "1"')
        assert rig.upstream.requests[0].values(b"if-match") == [b'"1"']


async def test_P25_a_304_that_nobody_asked_for_is_refused(contexts: Contexts) -> None:
    async with running(raw(b'HTTP/1.1 304 Not Modified\r\nETag: "1"\r\n\r\n'), contexts) as rig:
        assert (await rig.get("/api/1", 'If-None-Match: "1"')).status == 502
        answered = await rig.get("/files/1", 'If-None-Match: "1"')
        assert (answered.status, answered.values("Content-Length")) == (304, [])
        assert rig.upstream.requests[1].values(b"if-none-match") == [b'"1"']


async def test_P26_ranges_are_not_asked_of_rewritten_bodies(contexts: Contexts) -> None:
    async with running(answering(), contexts) as rig:
        assert (await rig.get("/api/1", "Range: bytes=0-3", 'If-Range: "1"')).status == 200
        await rig.get("/files/1", "Range: bytes=0-3")
        assert rig.upstream.requests[0].values(b"range") == rig.upstream.requests[0].values(b"if-range") == []
        assert rig.upstream.requests[1].values(b"range") == [b"bytes=0-3"]


@pytest.mark.parametrize(
    ("status", "fields"),
    [
        ("206 Partial Content", ("Content-Range: bytes 0-3/7", JSON)),
        ("206 Partial Content", ("Content-Type: multipart/byteranges; boundary=x",)),
        ("200 OK", ("Content-Range: bytes 0-3/7", JSON)),
        ("200 OK", ("Content-Type: multipart/byteranges; boundary=x",)),
    ],
)
async def test_P26_parts_that_nobody_asked_for_are_refused(
    status: str, fields: tuple[str, ...], contexts: Contexts
) -> None:
    body = BODY if "multipart" not in fields[-1] else b"--x\r\n\r\n{}\r\n--x--"
    async with running(raw(upstream_answer(*fields, status=status, body=body)), contexts) as rig:
        assert (await rig.get()).status == 502
        assert (await rig.outcome()).decision == "refused"


async def test_P27_HEAD_has_no_body_and_no_wrong_length(contexts: Contexts) -> None:
    async with running(answering(BODY), contexts) as rig:
        client = await rig.connect()
        client.writer.write(request("HEAD", "/api/1") + request("HEAD", "/files/1") + request("GET", "/files/1"))
        rewritten, opaque, after = [await client.answer(method) for method in ("HEAD", "HEAD", "GET")]
        await client.close()
        assert rewritten.values("Content-Length") == rewritten.values("Transfer-Encoding") == []
        assert opaque.values("Content-Length") == ["7"]
        assert after.body == BODY


@pytest.mark.parametrize("path", ["/api/1", "/files/1"])
async def test_P27_no_content_has_no_framing(path: str, contexts: Contexts) -> None:
    async with running(raw(b"HTTP/1.1 204 No Content\r\n\r\n"), contexts) as rig:
        client = await rig.connect()
        client.writer.write(request("GET", path) + request("GET", path))
        for _ in range(2):
            answered = await client.answer()
            assert answered.status == 204
            assert answered.values("Content-Length") == answered.values("Transfer-Encoding") == []
        await client.close()


async def test_P27_interim_responses_of_the_upstream_stay_here(contexts: Contexts) -> None:
    data = b"HTTP/1.1 103 Early Hints\r\nLink: </" + CANARY.encode() + b">\r\n\r\n" + upstream_answer(JSON)
    async with running(raw(data), contexts) as rig:
        client = await rig.connect()
        client.writer.write(request("GET", "/api/1"))
        assert (await client.reader.readline()).startswith(b"HTTP/1.1 200")
        await client.close()


async def test_P28_only_what_is_decoded_here_is_asked_for(contexts: Contexts) -> None:
    async with running(answering(), contexts) as rig:
        await rig.get("/api/1", "Accept-Encoding: gzip, br, zstd, aes")
        await rig.get("/api/1")
        await rig.get("/files/1", "Accept-Encoding: br")
        asked = [received.values(b"accept-encoding") for received in rig.upstream.requests]
        assert asked == [[b"identity"], [b"identity"], [b"br"]]


async def test_P57_transport_security_on_every_answer(contexts: Contexts) -> None:
    data = upstream_answer(JSON, "Strict-Transport-Security: max-age=0")
    async with running(raw(data), contexts) as rig:
        for path in ("/api/1", "/files/1", "/nowhere"):
            (value,) = (await rig.get(path)).values("Strict-Transport-Security")
            assert int(value.removeprefix("max-age=")) >= 63072000


PAGES = (
    "Origin: https://sidecar.example", "Referer: https://sidecar.example/api/page?x=1",
)  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "host", "origin"),
    [
        ({"host": HostPolicy.KEEP}, "sidecar.example", "https://sidecar.example"),
        ({"host": HostPolicy.FIXED, "fixed_host": "localhost:5000"}, "localhost:5000", "http://localhost:5000"),
        ({"host": HostPolicy.REWRITE}, "127.0.0.1:", "http://127.0.0.1:"),
    ],
)
async def test_X1_host_origin_and_referer_go_together(
    changes: dict[str, Any], host: str, origin: str, contexts: Contexts
) -> None:
    async with running(answering(), contexts, [route(**changes)]) as rig:
        await rig.get("/api/1", *PAGES)
        received = rig.upstream.requests[0]
        assert received.values(b"host")[0].decode().startswith(host)
        assert received.values(b"origin")[0].decode().startswith(origin)
        referer = received.values(b"referer")[0].decode()
        assert referer.startswith(origin)
        assert referer.endswith("/api/page?x=1")


@pytest.mark.parametrize("foreign", ["https://evil.example", "null", "https://sidecar.example.evil.example"])
async def test_X1_a_foreign_origin_stays_foreign(foreign: str, contexts: Contexts) -> None:
    async with running(answering(), contexts) as rig:
        await rig.post(b"{}", f"Origin: {foreign}", f"Referer: {foreign}/x")
        assert rig.upstream.requests[0].values(b"origin") == [foreign.encode()]
        assert rig.upstream.requests[0].values(b"referer") == [f"{foreign}/x".encode()]


async def test_two_authorization_fields_are_refused(contexts: Contexts) -> None:
    async with running(answering(), contexts) as rig:
        answered = await rig.send(b"GET /api/1 HTTP/1.1\r\nHost: a\r\n" + AUTH + AUTH + b"\r\n")
        assert answered.status in (400, 401)
        assert rig.upstream.requests == []
