"""Deletions that a system works on by itself, and tokens: against real servers on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from sidecar.errors import ConfigError
from sidecar.targets.http import HttpTarget
from sidecar.targets.http_settings import parse_http_target
from sidecar.targets.oauth import ClientCredentials, TokenSource
from sidecar.targets.target import DeleteStatus, JobStatus, Order, TargetFault, VerifyStatus
from tests.erasure.world import CANARY, Clock, body, bytes_on_disk, world
from tests.targets.rig import ANNA
from tests.targets.upstream import target_mapping


@dataclass
class Analytics:
    """Takes deletions as jobs, says how they stand, and wants a token."""

    url: str = ""
    people: set[str] = field(default_factory=set)
    jobs: dict[str, str] = field(default_factory=dict)
    job_id: str = "job-17"
    state: str = "running"
    status: int = 200
    token: str = "first"
    tokens: int = 0
    token_status: int = 200
    expires_in: object = 3600
    forms: list[dict[str, Any]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    keys: set[str | None] = field(default_factory=set)

    async def handle(self, request: web.Request) -> web.Response:
        if request.path == "/token":
            self.tokens += 1
            sent = {name: request.headers.get(name) for name in ("Authorization", "X-Key")}
            self.forms.append(
                {**dict(await request.post()), "authorization": sent["Authorization"], "key": sent["X-Key"]}
            )
            answer = {"access_token": self.token, "token_type": "Bearer", "expires_in": self.expires_in}
            return web.json_response(answer, status=self.token_status)
        self.calls.append(f"{request.method} {request.path}")
        self.keys.add(request.headers.get("X-Key"))
        if self.tokens and request.headers.get("Authorization") != f"Bearer {self.token}":
            return web.json_response({"error": "expired"}, status=401)
        if request.path.startswith("/jobs/"):
            return web.json_response({"state": self.state, "deleted": 3}, status=self.status)
        email = request.query["email"]
        if request.method == "DELETE":
            self.jobs[self.job_id] = email
            return web.json_response({"job": self.job_id}, status=202)
        return web.json_response({"total": int(email in self.people)})

    def finish(self) -> None:
        self.people -= set(self.jobs.values())
        self.state = "done"


@asynccontextmanager
async def analytics() -> AsyncIterator[Analytics]:
    served = Analytics()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", served.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    served.url = f"http://{host}:{port}"
    try:
        yield served
    finally:
        await runner.cleanup()


def mapping(upstream: str, **poll: Any) -> dict[str, Any]:
    made: dict[str, Any] = target_mapping(upstream)
    made["delete"]["job"] = {
        "reference": "/job",
        "poll": {
            "url": f"{upstream}/jobs/{{job}}",
            "done": {"status": [200], "where": ['/state == "done"']},
            "running": {"status": [200], "where": ['/state == "running"']},
            "failed": {"status": [200], "where": ['/state == "failed"']},
            "vanished": {"status": [404]},
            "count": "/deleted",
            "timeout_s": 2,
        }
        | poll,
    }
    return made


@asynccontextmanager
async def started(url: str, authorization: TokenSource | None = None, **headers: str) -> AsyncIterator[HttpTarget]:
    target = HttpTarget(parse_http_target("analytics", mapping(url), headers, "t"), authorization=authorization)
    await target.start()
    try:
        yield target
    finally:
        await target.stop()


def order(reference: str | None = "job-17") -> Order:
    return Order("0f8fad5b-d9cb-469f-a165-70867728950e", ANNA.identities, reference)


async def test_E26_a_job_is_named_and_asked_for() -> None:
    async with analytics() as served, started(served.url) as target:
        taken = await target.order(order(None))
        assert (taken.status, taken.reference) == (DeleteStatus.SUBMITTED, "job-17")
        assert (await target.poll(order())).status is JobStatus.RUNNING
        served.finish()
        polled = await target.poll(order())
        assert (polled.status, polled.count) == (JobStatus.DONE, 3)
        assert served.calls[1:] == ["GET /jobs/job-17"] * 2


@pytest.mark.parametrize(
    ("state", "status", "says", "fault"),
    [
        ("failed", 200, JobStatus.FAILED, None),
        ("incomplete", 200, JobStatus.UNKNOWN, TargetFault.UNEXPECTED_BODY),
        ("done", 500, JobStatus.UNKNOWN, TargetFault.UNEXPECTED_STATUS),
        ("done", 302, JobStatus.UNKNOWN, TargetFault.REDIRECTED),
        ("done", 403, JobStatus.UNKNOWN, TargetFault.NOT_PERMITTED),
        ("x", 404, JobStatus.VANISHED, None),
    ],
)
async def test_E26_only_what_is_described_as_done_is_done(
    state: str, status: int, says: JobStatus, fault: TargetFault | None
) -> None:
    async with analytics() as served, started(served.url) as target:
        served.state, served.status = state, status
        polled = await target.poll(order())
        assert (polled.status, polled.fault) == (says, fault)


@pytest.mark.parametrize("job", ["..", "a/b", "", f"x-{ANNA.email}", "x" * 300, "a?b"])
async def test_a_job_that_can_not_be_asked_for_safely_is_no_order(job: str) -> None:
    async with analytics() as served, started(served.url) as target:
        served.job_id = job
        taken = await target.order(order(None))
        assert (taken.status, taken.fault) == (DeleteStatus.FAILED, TargetFault.UNEXPECTED_BODY)


async def test_E26_an_order_is_polled_until_done_then_verified_and_its_name_is_sealed(tmp_path: Path) -> None:
    clock = Clock()
    async with analytics() as served:
        served.people, served.job_id = {CANARY}, "job-canary-99"
        target = HttpTarget(parse_http_target("crm", mapping(served.url), {}, "t"), clock=clock)
        async with world(tmp_path / "state.db", [target], clock) as w:
            await w.submit()
            for _ in range(3):
                await w.settle()
                assert await w.outcomes() == {"crm": "submitted"}
                clock.advance(hours=1)
            assert b"job-canary-99" not in bytes_on_disk(tmp_path)
            assert served.calls.count("DELETE /customers") == 1
            served.finish()
            await w.settle()
            assert await w.outcomes() == {"crm": "verified_erased"}
            assert (await w.view()).tasks[0].deleted == 3


@pytest.mark.parametrize(
    ("happens", "hours", "orders", "ends"),
    [
        (lambda served: setattr(served, "status", 404), 2, 1, "verifying"),
        (lambda served: setattr(served, "state", "failed"), 3, 2, "submitted"),
        (lambda served: setattr(served, "state", "??"), 3, 1, "submitted"),
        (lambda served: None, 80, 2, "submitted"),
    ],
    ids=["vanished", "failed", "unknown", "late"],
)
async def test_E26_what_is_not_done_is_never_success(
    tmp_path: Path, happens: Callable[[Analytics], None], hours: int, orders: int, ends: str
) -> None:
    clock = Clock()
    async with analytics() as served:
        served.people = {CANARY}
        settings = parse_http_target("crm", mapping(served.url) | {"max_completion_days": 3}, {}, "t")
        async with world(tmp_path / "state.db", [HttpTarget(settings, clock=clock)], clock) as w:
            await w.submit(body())
            await w.settle()
            clock.advance(hours=hours)
            await w.settle()
            happens(served)
            clock.advance(hours=2)
            for _ in range(2):
                await w.settle()
                clock.advance(minutes=5)
            assert served.calls.count("DELETE /customers") == orders
            assert await w.outcomes() == {"crm": ends}


def credentials(served: Analytics, **changes: Any) -> ClientCredentials:
    return ClientCredentials(f"{served.url}/token", "sidecar", "hidden secret", **changes)


async def test_a_token_is_fetched_once_and_anew_when_it_ends_or_is_refused() -> None:
    now = 0.0
    async with analytics() as served:
        source = TokenSource(credentials(served, scope="erase", audience="crm"), lambda: now)
        async with started(served.url, source) as target:
            served.people = {ANNA.email}
            await target.delete(ANNA.identities)
            await target.verify(ANNA.identities)
            assert served.tokens == 1
            now = 3580.0
            await target.verify(ANNA.identities)
            assert served.tokens == 2
            served.token = "second"
            assert (await target.verify(ANNA.identities)).count == 1
            assert served.tokens == 3
        first = served.forms[0]
        assert (first["grant_type"], first["scope"], first["audience"]) == ("client_credentials", "erase", "crm")
        assert first["authorization"] == "Basic c2lkZWNhcjpoaWRkZW4rc2VjcmV0"
        assert "hidden" not in repr(credentials(served)) + repr(source) + repr(vars(target))


async def test_a_client_that_is_told_in_the_body() -> None:
    async with analytics() as served, started(served.url, TokenSource(credentials(served, style="body"))) as target:
        await target.verify(ANNA.identities)
        assert (served.forms[0]["client_secret"], served.forms[0]["authorization"]) == ("hidden secret", None)


async def test_who_gives_tokens_is_not_told_the_secrets_of_the_system() -> None:
    async with analytics() as served:
        source = TokenSource(credentials(served))
        async with started(served.url, source, **{"X-Key": "theirs", "AUTHORIZATION": "Basic theirs"}) as target:
            assert (await target.verify(ANNA.identities)).status is VerifyStatus.GONE
        assert served.forms[0]["key"] is None
        assert served.keys == {"theirs"}


@pytest.mark.parametrize("lasts", [10**400, -1, float("nan"), float("inf"), True, "3600"], ids=range(6))
async def test_a_token_without_a_sensible_end_is_used_for_a_while(lasts: object) -> None:
    now = 0.0
    async with analytics() as served:
        served.expires_in = lasts
        async with started(served.url, TokenSource(credentials(served), lambda: now)) as target:
            for now, tokens in ((0.0, 1), (200.0, 1), (271.0, 2)):  # noqa: B007 - the clock reads it
                assert (await target.verify(ANNA.identities)).status is VerifyStatus.GONE
                assert served.tokens == tokens


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"token_status": 401}, TargetFault.NOT_PERMITTED),
        ({"token_status": 500}, TargetFault.UNEXPECTED_STATUS),
        ({"token": "two words"}, TargetFault.UNEXPECTED_BODY),
    ],
)
async def test_without_a_token_nothing_is_sent(changes: dict[str, Any], fault: TargetFault) -> None:
    async with analytics() as served, started(served.url, TokenSource(credentials(served))) as target:
        for name, value in changes.items():
            setattr(served, name, value)
        assert (await target.delete(ANNA.identities)).fault is fault
        assert served.calls == []


async def test_a_token_that_is_always_refused_is_asked_for_twice_and_no_more() -> None:
    async with analytics() as served:
        source = TokenSource(credentials(served))
        async with started(served.url, source) as target:
            served.expires_in = None
            await target.verify(ANNA.identities)
            served.token = ""
            result = await target.delete(ANNA.identities)
            assert result.fault in {TargetFault.NOT_PERMITTED, TargetFault.UNEXPECTED_BODY}
            assert result.status is DeleteStatus.FAILED
        assert source.__repr__() == "TokenSource()"


@pytest.mark.parametrize(
    ("poll", "message"),
    [
        ({"url": "https://a.example/jobs"}, "does not name the job alone"),
        ({"url": "https://a.example/jobs/{job}?mail={email}"}, "does not name the job alone"),
        ({"url": "https://{job}.example/"}, "no field in its host|does not name the job alone"),
        ({"url": "http://a.example/jobs/{job}"}, "plain HTTP"),
        ({"done": {"status": [200]}}, "takes any answer for done"),
    ],
)
def test_a_job_that_can_not_be_meant_is_refused(poll: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_http_target("crm", mapping("https://a.example", **poll), {}, "t")


def test_a_job_needs_an_answer_that_takes_the_order() -> None:
    made = mapping("https://a.example")
    del made["delete"]["accepted"]
    with pytest.raises(ConfigError, match="goes with no accepted answer"):
        parse_http_target("crm", made, {}, "t")


def test_the_longest_wait_for_a_job_is_what_its_target_may_take() -> None:
    made = mapping("https://a.example") | {"max_completion_days": 30}
    assert HttpTarget(parse_http_target("crm", made, {}, "t")).max_completion == timedelta(days=30)
