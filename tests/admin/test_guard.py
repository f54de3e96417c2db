"""Who gets in, what is recorded, and what a failure says: over real TLS."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from sidecar.access import Identity, Role
from sidecar.admin.route import SUBJECT, AdminRoute
from sidecar.audit.denials import DenialLimits
from sidecar.audit.record import Action, Decision, Event, Intent, Phase
from sidecar.errors import (
    AuditUnavailable,
    PayloadFault,
    PayloadRefused,
    SidecarError,
    StoreUnavailable,
)
from tests.admin.conftest import MAX_BODY_BYTES, PSEUDONYMS, TOKEN, Admin, Open, parse

AUDITORS = frozenset({Role.AUDITOR})
BEARER = f"Authorization: Bearer {TOKEN}"


async def read(_request: web.Request, identity: Identity) -> web.StreamResponse:
    return web.json_response({"caller": identity.name})


async def echo(request: web.Request, _identity: Identity) -> web.StreamResponse:
    return web.json_response({"bytes": len(await request.read())})


READ = AdminRoute("GET", "/v1/audit/{id}", AUDITORS, Action.AUDIT_READ, read)
SUBMIT = AdminRoute("POST", "/v1/erasures", frozenset({Role.INTAKE}), Action.ERASURE_SUBMIT, echo)
NOBODY = AdminRoute("GET", "/v1/nobody", frozenset(), Action.ADMIN_READ, read)
ROUTES = (READ, SUBMIT, NOBODY)


@pytest.mark.parametrize(
    ("path", "role", "headers", "status", "reason"),
    [
        ("/v1/audit/7", Role.AUDITOR, (), 200, None),
        ("/v1/audit/7", Role.TRAINER, (), 403, "role"),
        ("/v1/audit/7", Role.PRIVACY_OFFICER, (), 403, "unknown_identity"),  # right CA, unlisted name
        ("/v1/audit/7", None, (), 401, "no_identity"),
        ("/v1/audit/7", None, ("Authorization: Bearer wrong-token",), 401, "unknown_identity"),
        ("/v1/audit/7", None, (BEARER,), 403, "role"),
        ("/v1/audit/7", None, (BEARER, BEARER), 401, "no_identity"),  # two headers are none
        ("/v1/audit/7", None, (f"Authorization: Basic {TOKEN}",), 401, "no_identity"),
        ("/v1/nobody", Role.AUDITOR, (), 403, "role"),
        ("/v1/other", Role.AUDITOR, (), 404, "no_route"),
        ("/v1/erasures", Role.AUDITOR, (), 405, "method"),
        # Who is not known learns nothing, not even which paths and methods there are.
        ("/v1/other", None, (), 401, "no_identity"),
        ("/v1/erasures", None, (), 401, "no_identity"),
        ("/v1/other", Role.PRIVACY_OFFICER, (), 403, "unknown_identity"),
    ],
)
async def test_p52_who_gets_in_and_every_refusal_is_recorded(
    open_admin: Open, path: str, role: Role | None, headers: tuple[str, ...], status: int, reason: str | None
) -> None:
    admin = await open_admin(ROUTES)
    answer = await admin.call(path, role, headers=headers)
    assert answer.status == status
    intent, outcome = admin.audit.pair()
    assert (outcome.status, outcome.reason) == (status, reason)
    expected = {200: Decision.COMPLETED, 401: Decision.DENIED, 403: Decision.DENIED}
    assert outcome.decision is expected.get(status, Decision.REFUSED)
    assert intent.tls is not None
    assert (intent.peer_certificate_sha256 is not None) == (role is not None)


async def test_p58_a_flood_of_refusals_is_counted_and_does_not_fill_the_log(open_admin: Open) -> None:
    """Whoever may connect may be turned away for ever: two records each would fill the volume, and stop everybody."""
    admin = await open_admin(ROUTES, DenialLimits(per_minute=2, in_all_per_minute=100))
    assert [(await admin.call("/v1/audit/7")).status for _ in range(5)] == [401, 401, 429, 429, 429]
    assert len(admin.audit.entries) == 5
    assert (await admin.call("/v1/audit/7", Role.TRAINER)).status == 403  # another peer
    assert (await admin.call("/v1/audit/7", Role.AUDITOR)).status == 200  # what is admitted is never limited
    assert (await admin.call("/healthz")).status == 200
    admin.audit.entries.clear()
    await admin.listener.stop()
    assert admin.audit.entries == [Event(Action.DENIALS_COUNTED, reason="no_identity", count=3)]


async def test_a4_p58_a_refusal_that_can_not_even_be_counted_is_503(open_admin: Open) -> None:
    admin = await open_admin(ROUTES, DenialLimits(per_minute=1))
    assert (await admin.call("/v1/audit/7")).status == 401
    admin.audit.fails = {Phase.EVENT}
    assert (await admin.call("/v1/audit/7")).status == 503


async def test_a1_the_record_names_the_caller_and_the_endpoint_not_the_path(open_admin: Open) -> None:
    admin = await open_admin(ROUTES)
    answer = await admin.call("/v1/audit/max.mustermann%40example.com?q=secret", Role.AUDITOR)
    assert json.loads(answer.body) == {"caller": "auditor-1"}
    intent, outcome = admin.audit.pair()
    assert (intent.actor, intent.proof, intent.method) == ("auditor-1", "certificate", "GET")
    assert (intent.action, intent.route) == (Action.AUDIT_READ, "/v1/audit/{id}")
    assert intent.target_pseudonym == PSEUDONYMS.label("/v1/audit/max.mustermann%40example.com")
    assert outcome.bytes_sent == len(answer.body)
    assert "mustermann" not in repr(admin.audit.entries)
    assert "secret" not in repr(admin.audit.entries)


async def test_a_token_proves_too(open_admin: Open) -> None:
    admin = await open_admin(ROUTES)
    answer = await admin.call("/v1/erasures", method="POST", headers=(BEARER,), body=b"{}")
    assert (answer.status, json.loads(answer.body)) == (200, {"bytes": 2})
    intent, outcome = admin.audit.pair()
    assert (intent.actor, intent.proof, outcome.bytes_received) == ("intake-1", "token", 2)
    assert TOKEN not in repr(admin.audit.entries)


async def test_no_oracle_all_refusals_of_a_status_are_the_same_bytes(open_admin: Open) -> None:
    admin = await open_admin(ROUTES)
    paths = ("/v1/audit/1", "/v1/erasures", "/v1/nobody", "/v1/other", "/", "/metrics", "/v1/audit/%00")
    answers = [await admin.call(path) for path in paths]
    assert {(answer.status, answer.body) for answer in answers} == {(401, b'{"error": "unauthenticated"}')}
    without_date = [{k: v for k, v in answer.headers.items() if k != "date"} for answer in answers]
    assert all(headers == without_date[0] for headers in without_date)
    assert without_date[0]["www-authenticate"] == 'Bearer realm="sidecar"'


async def test_a4_no_intent_no_act(open_admin: Open) -> None:
    calls = []

    async def act(_request: web.Request, _identity: Identity) -> web.StreamResponse:
        calls.append(1)
        return web.Response()

    admin = await open_admin((AdminRoute("POST", "/act", AUDITORS, Action.ERASURE_SUBMIT, act),))
    admin.audit.fails = {Phase.INTENT}
    answer = await admin.call("/act", Role.AUDITOR, method="POST")
    assert (answer.status, answer.body, calls) == (503, b'{"error": "unavailable"}', [])
    assert answer.headers["retry-after"] == "5"


async def test_a4_a_denial_that_cannot_be_recorded_is_refused_alike(open_admin: Open) -> None:
    admin = await open_admin(ROUTES)
    admin.audit.fails = {Phase.INTENT}
    assert (await admin.call("/v1/audit/7")).status == 503


async def test_a4_no_outcome_no_answer(open_admin: Open) -> None:
    admin = await open_admin(ROUTES)
    admin.audit.fails = {Phase.OUTCOME}
    answer = await admin.call("/v1/audit/7", Role.AUDITOR)
    assert (answer.status, answer.body) == (503, b'{"error": "unavailable"}')
    assert [type(entry) for entry in admin.audit.entries] == [Intent]


def _raising(error: Exception) -> Callable[[web.Request, Identity], Awaitable[web.StreamResponse]]:
    async def handler(_request: web.Request, _identity: Identity) -> web.StreamResponse:
        raise error

    return handler


SECRET = "max.mustermann@example.com"


@pytest.mark.parametrize(
    ("error", "status", "decision", "reason"),
    [
        (AuditUnavailable(SECRET), 503, Decision.FAILED, None),
        (StoreUnavailable(SECRET), 503, Decision.FAILED, None),
        (PayloadRefused(PayloadFault.NOT_PARSEABLE, SECRET), 400, Decision.REFUSED, "not_parseable"),
        (PayloadRefused(PayloadFault.TOO_LARGE, SECRET), 413, Decision.REFUSED, "too_large"),
        (SidecarError(SECRET), 500, Decision.FAILED, None),
        (RuntimeError(SECRET), 500, Decision.FAILED, None),
        (KeyError(SECRET), 500, Decision.FAILED, None),
        (web.HTTPNotFound(text=SECRET), 404, Decision.REFUSED, "no_route"),
        (web.HTTPConflict(reason=SECRET), 409, Decision.REFUSED, None),
        (web.HTTPFound("/" + SECRET), 500, Decision.FAILED, None),
    ],
)
async def test_what_a_handler_raises_ends_closed_and_says_nothing(
    open_admin: Open,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    status: int,
    decision: Decision,
    reason: str | None,
) -> None:
    admin = await open_admin((AdminRoute("GET", "/act", AUDITORS, Action.ADMIN_READ, _raising(error)),))
    answer = await admin.call("/act", Role.AUDITOR)
    assert answer.status == status
    assert set(json.loads(answer.body)) == {"error"}
    _, outcome = admin.audit.pair()
    assert (outcome.status, outcome.decision, outcome.reason) == (status, decision, reason)
    for place in (repr(answer), repr(admin.audit.entries), caplog.text):
        assert SECRET not in place


async def test_an_endpoint_may_say_more_in_json(open_admin: Open) -> None:
    said = web.HTTPConflict(text='{"error": "other_body"}', content_type="application/json")
    admin = await open_admin((AdminRoute("GET", "/act", AUDITORS, Action.ADMIN_READ, _raising(said)),))
    answer = await admin.call("/act", Role.AUDITOR)
    assert (answer.status, answer.body) == (409, b'{"error": "other_body"}')


@pytest.mark.parametrize("size", [MAX_BODY_BYTES, MAX_BODY_BYTES + 1])
async def test_p41_a_body_over_the_cap_is_refused(open_admin: Open, size: int) -> None:
    admin = await open_admin(ROUTES)
    answer = await admin.call("/v1/erasures", method="POST", headers=(BEARER,), body=b"x" * size)
    assert answer.status == (200 if size <= MAX_BODY_BYTES else 413)
    _, outcome = admin.audit.pair()
    assert outcome.reason == (None if size <= MAX_BODY_BYTES else "too_large")


async def test_p41_a_chunked_body_over_the_cap_is_refused(open_admin: Open) -> None:
    admin = await open_admin(ROUTES)
    head = f"POST /v1/erasures HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{BEARER}\r\n"
    chunk = b"4000\r\n" + b"x" * 0x4000 + b"\r\n0\r\n\r\n"
    answer = parse(await admin.say(head.encode() + b"Transfer-Encoding: chunked\r\n\r\n" + chunk))
    assert (answer.status, json.loads(answer.body)) == (413, {"error": "too_large"})


@pytest.mark.parametrize(("headers", "status"), [((BEARER,), b"100"), ((), b"401")])
async def test_p43_only_who_is_admitted_is_told_to_send_the_body(
    open_admin: Open, headers: tuple[str, ...], status: bytes
) -> None:
    admin = await open_admin(ROUTES)
    head = ["POST /v1/erasures HTTP/1.1", "Host: localhost", "Content-Length: 2", "Expect: 100-continue", *headers]
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", admin.listener.port, ssl=admin.client(), server_hostname="localhost"
    )
    writer.write("\r\n".join(head).encode() + b"\r\n\r\n")
    first = await asyncio.wait_for(reader.readline(), 10)
    assert first.split()[1] == status
    if status == b"100":
        await reader.readline()
        writer.write(b"{}")
        assert (await asyncio.wait_for(reader.readline(), 10)).split()[1] == b"200"
    writer.close()


async def entries_of(admin: Admin, count: int) -> None:
    for _ in range(1000):
        if len(admin.audit.entries) >= count:
            return
        await asyncio.sleep(0.01)


async def test_a_caller_that_goes_away_in_its_body_is_no_bug(
    open_admin: Open, caplog: pytest.LogCaptureFixture
) -> None:
    admin = await open_admin(ROUTES)
    _, writer = await asyncio.open_connection(
        "127.0.0.1", admin.listener.port, ssl=admin.client(), server_hostname="localhost"
    )
    head = f"POST /v1/erasures HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n{BEARER}\r\n\r\n"
    writer.write(head.encode() + b"{")
    await writer.drain()
    await entries_of(admin, 1)  # admitted: it waits for the rest
    writer.transport.abort()
    await entries_of(admin, 2)
    _, outcome = admin.audit.pair()
    assert (outcome.decision, outcome.reason) == (Decision.ABORTED, None)
    assert "bug" not in caplog.text


async def test_a_handler_that_streams_is_recorded_with_its_bytes(open_admin: Open) -> None:
    async def export(request: web.Request, _identity: Identity) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(3):
            await response.write(b"0123456789")
        await response.write_eof()
        return response

    admin = await open_admin((AdminRoute("GET", "/export", AUDITORS, Action.AUDIT_READ, export),))
    answer = await admin.call("/export", Role.AUDITOR)
    assert answer.body.count(b"0123456789") == 3
    _, outcome = admin.audit.pair()
    assert (outcome.decision, outcome.bytes_sent >= 30) == (Decision.COMPLETED, True)


async def test_the_person_concerned_is_recorded_by_the_pseudonym_that_the_handler_names(open_admin: Open) -> None:
    async def concern(request: web.Request, _identity: Identity) -> web.StreamResponse:
        request[SUBJECT] = "k1:0123"
        return web.json_response({})

    admin = await open_admin((AdminRoute("GET", "/act", AUDITORS, Action.ERASURE_READ, concern),))
    await admin.call("/act", Role.AUDITOR)
    assert admin.audit.pair()[1].subject == "k1:0123"


async def test_requests_are_counted_by_pattern_only(open_admin: Open) -> None:
    admin = await open_admin(ROUTES)
    await admin.call("/v1/audit/max.mustermann", Role.AUDITOR)
    await admin.call("/v1/max.mustermann", Role.AUDITOR, method="PROPFIND")
    value = admin.metrics.registry.get_sample_value
    counted = {"path": "/v1/audit/{id}", "method": "GET", "code_class": "2xx"}
    assert value("sidecar_admin_requests_total", counted) == 1
    assert value("sidecar_admin_requests_total", {"path": "none", "method": "other", "code_class": "4xx"}) == 1


UNREADABLE = {
    "no request": b"jane.roe@canary.example\r\n\r\n",
    "another method": b"JANE /metrics HTTP/1.1\r\nHost: a\r\n\r\n",
    "a bad field": b"GET /healthz HTTP/1.1\r\nHost: a\r\nX jane.roe@canary.example\r\n\r\n",
    "no Host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "two framings": b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a bad port": b"GET http://a:999999/jane.roe@canary.example HTTP/1.1\r\nHost: a\r\n\r\n",
    "a long line": b"GET /" + b"jane.roe@canary.example" * 400 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/2.0": b"GET /healthz HTTP/2.0\r\nHost: a\r\n\r\n",
    "HTTP/0.9": b"GET /healthz\r\n\r\n",
}


@pytest.mark.parametrize("how", UNREADABLE)
async def test_a1_p60_what_can_not_be_read_is_recorded_and_never_quoted(how: str, open_admin: Open) -> None:
    """aiohttp's own answer to it quotes what was sent, tells its version, and leaves no record."""
    admin = await open_admin(())
    raw = await admin.say(UNREADABLE[how], Role.TRAINER)  # and the connection ends
    answer = parse(raw)
    assert (answer.status, answer.body) == (400, b'{"error": "bad_request"}')
    assert b"jane" not in raw.lower()
    assert b"aiohttp" not in raw
    assert answer.headers["strict-transport-security"]
    intent, outcome = admin.audit.pair()
    assert (intent.actor, intent.route, outcome.decision, outcome.reason) == (
        "trainer-1", "none", Decision.REFUSED, "framing",
    )  # fmt: skip


@pytest.mark.parametrize("expect", ["100-continue", "jane.roe@canary.example"])
async def test_p43_an_expectation_tells_nobody_which_paths_there_are(expect: str, open_admin: Open) -> None:
    admin = await open_admin(())
    fields = f"Expect: {expect}\r\nContent-Length: 2"
    raw = [
        await admin.say(f"{line} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{fields}\r\n\r\n{{}}".encode())
        for line in ("GET /metrics", "GET /nothing", "POST /metrics", "OPTIONS *")
    ]
    assert [one.splitlines()[0] for one in raw] == [b"HTTP/1.1 401 Unauthorized"] * 4
    assert len(admin.audit.entries) == 8
