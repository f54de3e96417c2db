"""Notices to webhooks and controllers: signed, kept trying, in nobody's way, no private places (E15, E18, E47)."""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import json
import socket
import threading
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from sidecar.erasure.deadlines import ExtensionGround
from sidecar.erasure.notices import NoticeSender, SenderSettings, Webhook
from sidecar.erasure.opendsr import V1, V2, Dialect, Terms, parse_opendsr
from sidecar.erasure.processor import Processor
from sidecar.erasure.public_hosts import HostRules, PrivateHost, PublicResolver
from sidecar.erasure.webhook import WebhookKey, parse_webhook_key, webhook_headers
from sidecar.errors import ConfigError
from sidecar.tls.contexts import ClientAuth, ClientTls, ServerTls, client_context, server_context
from tests.erasure.test_opendsr import DOMAIN, opendsr_body
from tests.erasure.world import CANARY, ID, Clock, World, bytes_on_disk, http_target, world
from tests.targets.upstream import Mode, Upstream, running_upstream, target_mapping
from tests.tls.authority import LOCALHOST, SERVER_USE, Authority

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
SECRET = WebhookKey(shared=b"s" * 32)
KEY = ec.generate_private_key(ec.SECP256R1())


@dataclass
class Receiver:
    """Takes what is posted to it over TLS, and answers as told."""

    url: str
    status: int = 204
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        self.got.append((dict(request.headers), await request.read()))
        return web.Response(status=self.status, headers={"Location": self.url + "/other"})

    def bodies(self) -> list[Any]:
        return [json.loads(body) for _, body in self.got]


@dataclass
class Told:
    """A world with a receiver, and the sender between them."""

    w: World
    upstream: Upstream
    receiver: Receiver
    sender: NoticeSender
    settings: SenderSettings

    async def send(self) -> None:
        while await self.sender.pass_once():
            pass

    def sender_with(self, **changes: Any) -> NoticeSender:
        settings = replace(self.settings, **changes)
        return NoticeSender(self.w.stores.notices, settings, self.w.metrics, self.w.clock, lambda: 0.5)

    async def submit_opendsr(self, *urls: str, dialect: Dialect = V2) -> None:
        terms, version = Terms(DOMAIN, "intake", "controller"), {"api_version": dialect.api_version}
        data = opendsr_body(status_callback_urls=list(urls), **version)
        await self.w.intake.accept(parse_opendsr(data, dialect, terms))

    def count(self, kind: str, outcome: str) -> float | None:
        labels = {"kind": kind, "outcome": outcome}
        return self.w.metrics.registry.get_sample_value("sidecar_erasure_notices_total", labels)


@asynccontextmanager
async def told(folder: Path) -> AsyncIterator[Told]:
    authority = Authority(folder, "ca")
    authority.write()
    issued = authority.issue("receiver", LOCALHOST, SERVER_USE)
    application = web.Application()
    receiver = Receiver("")
    application.router.add_post("/{path:.*}", receiver.take)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    server_tls = server_context(ServerTls(issued.certificate, issued.key, client_auth=ClientAuth.NONE))
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=server_tls)
    await site.start()
    receiver.url = f"https://localhost:{runner.addresses[0][1]}"
    tls = client_context(ClientTls(ca=authority.file))
    clock = Clock()
    settings = SenderSettings(
        webhooks={"desk": Webhook("desk", receiver.url + "/desk", SECRET, tls)},
        processor=Processor(DOMAIN, "https://privacy.example.org/c.pem", KEY),
        hosts=HostRules(networks=LOOPBACK),
        controllers_tls=tls,
    )
    try:
        async with running_upstream() as upstream:
            targets = [http_target("crm", target_mapping(upstream.url), clock)]
            async with world(folder / "state.db", targets, clock, webhooks=("desk",)) as w:
                upstream.customers[CANARY] = 1
                sender = NoticeSender(w.stores.notices, settings, w.metrics, clock, lambda: 0.5)
                yield Told(w, upstream, receiver, sender, settings)
    finally:
        await runner.cleanup()


async def test_E47_a_webhook_is_told_of_the_end_in_the_form_of_standard_webhooks(tmp_path: Path) -> None:
    async with told(tmp_path) as one:
        await one.w.submit()
        await one.w.settle()
        await one.send()
        assert {said["type"] for said in one.receiver.bodies()} == {"erasure.begun", "erasure.ended"}
        headers, body = next(got for got in one.receiver.got if b"erasure.ended" in got[1])
        said = json.loads(body)
        assert (said["type"], said["data"]["id"], said["data"]["state"]) == ("erasure.ended", ID, "completed")
        assert CANARY.encode() not in body
        sent = (headers["webhook-id"], headers["webhook-timestamp"], headers["webhook-signature"])
        assert SECRET.holds(*sent, body, one.w.clock())
        assert not SECRET.holds(*sent, body + b" ", one.w.clock())
        assert not SECRET.holds(*sent, body, one.w.clock() + timedelta(minutes=6))
        assert one.count("webhook", "delivered") == 2


@pytest.mark.parametrize(("dialect", "prefix"), [(V2, "X-OpenDSR"), (V1, "X-OpenGDPR")])
async def test_E9_a_controller_is_told_at_its_own_url_with_our_signature_in_its_version(
    tmp_path: Path, dialect: Dialect, prefix: str
) -> None:
    async with told(tmp_path) as one:
        url = one.receiver.url + "/callback?for=person-7781"
        await one.submit_opendsr(url, dialect=dialect)
        await one.w.settle()
        assert b"person-7781" not in bytes_on_disk(tmp_path)
        await one.send()
        to_controller = [got for got in one.receiver.got if f"{prefix}-Signature" in got[0]]
        headers, body = next(got for got in to_controller if b"completed" in got[1])
        assert body.decode() == (
            '{"controller_id":"intake","expected_completion_time":"2025-03-25T23:59:59Z",'
            f'"subject_request_id":"{ID}","request_status":"completed",'
            f'"api_version":"{dialect.api_version}","status_callback_url":"{url}"}}'
        )
        KEY.public_key().verify(base64.b64decode(headers[f"{prefix}-Signature"]), body, ec.ECDSA(SHA256()))
        assert headers[f"{prefix}-Processor-Domain"] == DOMAIN


async def test_E9_E47_controller_and_webhook_are_told_once_in_a_round_that_work_has_begun(tmp_path: Path) -> None:
    async with told(tmp_path) as one:
        await one.submit_opendsr(one.receiver.url + "/callback")
        one.upstream.mode = Mode.FAIL
        await one.send()
        assert one.receiver.got == []  # accepted is not begun
        for _ in range(3):
            await one.w.settle()
            one.w.clock.advance(hours=2)
        await one.send()
        controller, webhook = sorted(one.receiver.bodies(), key=lambda said: "type" in said)
        assert (controller["request_status"], controller["subject_request_id"]) == ("in_progress", ID)
        assert (webhook["type"], webhook["data"]["state"]) == ("erasure.begun", "in_progress")
        one.upstream.mode = Mode.GOOD
        one.w.clock.advance(hours=2)
        await one.w.settle()
        await one.w.stores.tasks.replay(one.w.clock())
        await one.w.settle()
        await one.send()
        statuses = [said["request_status"] for said in one.receiver.bodies() if "request_status" in said]
        assert Counter(statuses) == {"in_progress": 2, "completed": 2}


async def test_E10_what_is_taken_back_in_time_has_not_begun(tmp_path: Path) -> None:
    async with told(tmp_path) as one:
        await one.w.submit()
        await one.w.stores.requests.cancel(ID, one.w.clock())
        await one.w.settle()
        await one.send()
        assert [said["type"] for said in one.receiver.bodies()] == ["erasure.cancelled"]


async def test_E47_a_controller_is_told_of_a_round_that_ends_at_the_horizon(tmp_path: Path) -> None:
    """Its URL is sealed with the identities, which a replay keeps no longer than its first end would."""
    async with told(tmp_path) as one:
        await one.submit_opendsr(one.receiver.url + "/callback")
        await one.w.settle()
        await one.send()
        one.w.clock.advance(days=34, hours=12)
        assert await one.w.stores.tasks.replay(one.w.clock()) == 1
        one.receiver.status = 503
        await one.w.settle()
        for _ in range(3 * 24):
            await one.w.worker.pass_once()
            await one.sender.pass_once()
            one.w.clock.advance(hours=1)
        one.receiver.status, one.receiver.got = 200, []
        await one.send()
        assert "completed" in {said.get("request_status") for said in one.receiver.bodies()}
        one.w.clock.advance(days=16)
        await one.w.settle()
        assert not (await one.w.view()).sealed


async def test_E47_a_receiver_that_is_down_for_a_week_blocks_nothing_and_is_told_in_the_end(tmp_path: Path) -> None:
    async with told(tmp_path) as one:
        one.receiver.status = 503
        await one.submit_opendsr(one.receiver.url + "/callback")
        await one.w.settle()
        assert await one.w.state() == "completed"
        for _ in range(8 * 24):
            await one.sender.pass_once()
            one.w.clock.advance(hours=1)
        tries = len(one.receiver.got)
        assert tries > 4 * 7 * 24
        one.receiver.status = 200
        await one.send()
        ids = [headers.get("webhook-id") for headers, _ in one.receiver.got]
        assert len({one for one in ids if one}) == 2  # of the beginning and of the end, the same on every try
        await one.send()
        assert len(one.receiver.got) == tries + 4


async def test_E47_after_two_weeks_it_is_given_up_loudly(tmp_path: Path) -> None:
    async with told(tmp_path) as one:
        one.receiver.status = 500
        await one.w.submit()
        await one.w.settle()
        await one.send()
        one.w.clock.advance(days=15)
        await one.send()
        one.w.clock.advance(days=1)
        await one.send()
        assert len(one.receiver.got) == 4
        assert one.count("webhook", "abandoned") == 2


async def test_E18_redirects_are_not_followed(tmp_path: Path) -> None:
    async with told(tmp_path) as one:
        one.receiver.status = 307
        await one.submit_opendsr(one.receiver.url + "/callback")
        await one.w.settle()
        await one.sender.pass_once()
        assert len(one.receiver.got) == 4
        assert one.count("opendsr", "postponed") == 2


async def test_E18_a_private_place_is_not_called_by_name_or_by_number(tmp_path: Path) -> None:
    async with told(tmp_path) as one:
        port = one.receiver.url.rpartition(":")[2]
        await one.submit_opendsr(one.receiver.url, f"https://127.0.0.1:{port}/", f"https://127.1:{port}/")
        await one.w.settle()
        await one.sender_with(hosts=HostRules()).pass_once()
        assert [headers for headers, _ in one.receiver.got if "X-OpenDSR-Signature" in headers] == []
        assert (one.count("opendsr", "abandoned"), one.count("opendsr", "postponed")) == (4, 2)


@pytest.mark.parametrize(
    ("url", "admitted"),
    [
        ("https://93.184.215.14/", True),
        ("https://controller.example/", True),
        ("https://127.0.0.1/", False),
        ("https://10.1.2.3/", False),
        ("https://10.20.2.3/", True),
        ("https://169.254.169.254/latest", False),
        ("https://[::1]/", False),
        ("https://[::ffff:10.1.2.3]/", False),
        ("https://[64:ff9b::a01:203]/", False),
        ("https://[2002:a01:203::1]/", False),
        ("https://[fd00::1]/", False),
        ("https://[::127.0.0.1]/", False),
        ("https://[::ffff:0:127.0.0.1]/", False),
        ("https://[64:ff9b:1::a01:203]/", False),
        ("https://[fec0::1]/", False),
        ("https://[3fff::1]/", False),
        ("https://192.0.0.8/", False),
        ("https://[2001:4860:4860::8888]/", True),
        ("https://2130706433/", False),
        ("https://0x7f000001/", False),
        ("https://127.1/", False),
        ("https://100.64.0.1/", False),
        ("https://224.0.0.1/", False),
        ("https://0.0.0.0/", False),
    ],
)
def test_E18_which_urls_may_be_tried(url: str, admitted: bool) -> None:
    assert HostRules(networks=(ipaddress.ip_network("10.20.0.0/16"),)).admits_url(url) is admitted


def test_E18_only_listed_hosts_where_there_is_a_list() -> None:
    rules = HostRules(hosts=frozenset({"controller.example"}))
    assert rules.admits_url("https://Controller.example/x")
    assert not rules.admits_url("https://other.example/x")
    assert not rules.admits_url("https://controller.example.evil.example/x")


class Answers(AbstractResolver):
    def __init__(self, *addresses: str) -> None:
        self._addresses = addresses

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host=one, port=port, family=2, proto=6, flags=0) for one in self._addresses
        ]

    async def close(self) -> None:
        return


@pytest.mark.parametrize("addresses", [["10.0.0.1"], ["93.184.215.14", "127.0.0.1"], []])
async def test_E18_a_name_with_one_private_address_is_not_called(addresses: Sequence[str]) -> None:
    with pytest.raises(PrivateHost):
        await PublicResolver(HostRules(), lambda: Answers(*addresses)).resolve("controller.example", 443)


async def test_E18_the_addresses_that_were_judged_are_those_that_are_called() -> None:
    found = await PublicResolver(HostRules(), lambda: Answers("93.184.215.14")).resolve("controller.example", 443)
    assert [one["host"] for one in found] == ["93.184.215.14"]


async def test_E47_names_that_nobody_resolves_keep_no_thread_of_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answered.wait(60))
    names = [PublicResolver(HostRules()).resolve(f"controller-{number}.example", 443) for number in range(50)]
    lookups = [asyncio.ensure_future(one) for one in names]
    await asyncio.sleep(0)  # they begin
    try:
        async with asyncio.timeout(10):
            await asyncio.to_thread(int)  # as the journal does
    finally:
        answered.set()
        await asyncio.gather(*lookups, return_exceptions=True)


async def test_E15_alerts_at_50_75_90_and_100_percent_once_each(tmp_path: Path) -> None:
    async with told(tmp_path) as one:
        one.upstream.mode = Mode.FAIL
        await one.w.submit()
        for _ in range(40 * 4):
            await one.w.worker.tend()
            one.w.clock.advance(hours=6)
        await one.send()
        alerts = [body["data"]["percent"] for body in one.receiver.bodies() if body["type"] == "erasure.deadline"]
        assert sorted(alerts) == [50, 75, 90, 100]  # they may arrive in any order
        for percent in ("50", "75", "90", "100"):
            name = "sidecar_erasure_deadline_alerts_total"
            assert one.w.metrics.registry.get_sample_value(name, {"percent": percent}) == 1


async def test_E15_a_replay_of_what_ended_long_ago_is_no_alert(tmp_path: Path) -> None:
    async with told(tmp_path) as one:
        await one.w.submit()
        await one.w.settle()
        one.w.clock.advance(days=34)
        one.upstream.mode = Mode.FAIL
        assert await one.w.stores.tasks.replay(one.w.clock()) == 1
        await one.w.worker.pass_once()
        await one.send()
        assert [said for said in one.receiver.bodies() if said["type"] == "erasure.deadline"] == []
        one.w.clock.advance(days=16)  # half of the month that the new round has
        await one.w.worker.tend()
        await one.send()
        alerts = [said["data"]["percent"] for said in one.receiver.bodies() if said["type"] == "erasure.deadline"]
        assert alerts == [50]


async def test_E34_an_extension_leaves_a_notice(tmp_path: Path) -> None:
    async with told(tmp_path) as one:
        await one.w.submit()
        await one.w.stores.requests.extend(ID, ExtensionGround.NUMBER, one.w.clock())
        await one.send()
        (said,) = one.receiver.bodies()
        assert (said["type"], said["data"]["ground"]) == ("erasure.extended", "number_of_requests")
        assert said["data"]["legal_deadline"] == "2025-06-01T23:59:59Z"


async def test_E10_a_controller_is_told_of_its_cancellation(tmp_path: Path) -> None:
    async with told(tmp_path) as one:
        await one.submit_opendsr(one.receiver.url + "/callback")
        await one.w.stores.requests.cancel(ID, one.w.clock())
        await one.w.worker.tend()
        await one.send()
        assert [body["request_status"] for body in one.receiver.bodies() if "request_status" in body] == ["cancelled"]
        one.w.clock.advance(days=16)
        await one.w.worker.tend()
        assert not (await one.w.view()).sealed


def test_the_example_of_standard_webhooks_gives_its_signature() -> None:
    """The test vector of its own libraries."""
    key = parse_webhook_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "where")
    headers = webhook_headers(
        key, "msg_p5jXN8AQM9LWM0D4loKWxJek", datetime.fromtimestamp(1614265330, UTC), b'{"test": 2432232314}'
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_ed25519_signatures_verify_with_the_public_key() -> None:
    private = Ed25519PrivateKey.generate()
    raw = private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    key = parse_webhook_key("whsk_" + base64.b64encode(raw).decode(), "where")
    version, _, signature = key.sign("id", 7, b"body").partition(",")
    assert version == "v1a"
    private.public_key().verify(base64.b64decode(signature), b"id.7.body")


@pytest.mark.parametrize("text", ["", "whsec_", "whsec_c2hvcnQ=", "whsec_!!!", "whsk_c2hvcnQ=", "secret"])
def test_a_key_of_another_form_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^erasure\.notify\[0\]\.secret") as caught:
        parse_webhook_key(text, "erasure.notify[0].secret")
    assert "c2hvcnQ" not in str(caught.value)
