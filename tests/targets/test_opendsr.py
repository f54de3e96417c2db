"""A processor downstream on loopback that signs, and misbehaves on command."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from pydantic import ValidationError

from sidecar.errors import ConfigError
from sidecar.targets.opendsr import OpenDsrTarget
from sidecar.targets.opendsr_settings import OpenDsrSettings
from sidecar.targets.target import DeleteStatus, JobStatus, Order, TargetFault, VerifyStatus
from tests.erasure.world import CANARY, START, Clock, world
from tests.targets.rig import ANNA

DOMAIN = "processor.example.org"
ID = "0f8fad5b-d9cb-469f-a165-70867728950e"
DISCOVERY = {
    "api_version": "2.0",
    "supported_identities": [{"identity_type": "email", "identity_format": "raw"}],
    "supported_subject_request_types": ["erasure"],
}


@dataclass
class Processor:
    """Takes requests, says how they stand, signs every answer with its key."""

    key: Any = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    url: str = ""
    requests: dict[str, Any] = field(default_factory=dict)
    status: str = "pending"
    states: dict[str | None, str] = field(default_factory=dict)
    answers_as: str | None = None
    http_status: int = 0
    signature: str | None = None
    domain: str = DOMAIN
    discovery: dict[str, Any] = field(default_factory=lambda: dict(DISCOVERY))
    calls: list[str] = field(default_factory=list)
    people: set[str] = field(default_factory=set)

    async def handle(self, request: web.Request) -> web.Response:
        self.calls.append(f"{request.method} {request.path}")
        if request.path == "/v2/discovery":
            return self._answer(self.discovery)
        if request.path == "/search":
            return self._answer({"total": int(request.query["email"] in self.people)})
        if self.http_status:
            return self._answer({"error": {"code": self.http_status}}, self.http_status)
        if request.method == "POST":
            body = await request.json()
            self.requests[body["subject_request_id"]] = body
            return self._answer({"subject_request_id": body["subject_request_id"]}, 201)
        name = request.path.rpartition("/")[2]
        if name not in self.requests:
            return self._answer({"error": {"code": 404}}, 404)
        status = self.states.get(name, self.status)
        told = self.answers_as or name
        return self._answer({"subject_request_id": told, "request_status": status, "api_version": "2.0"})

    def _answer(self, body: object, status: int = 200) -> web.Response:
        data = json.dumps(body).encode()
        headers = {"X-OpenDSR-Processor-Domain": self.domain, "X-OpenDSR-Signature": self.signature or self._sign(data)}
        return web.Response(body=data, status=status, content_type="application/json", headers=headers)

    def _sign(self, data: bytes) -> str:
        if isinstance(self.key, rsa.RSAPrivateKey):
            return base64.b64encode(self.key.sign(data, padding.PKCS1v15(), SHA256())).decode()
        return base64.b64encode(self.key.sign(data, ec.ECDSA(SHA256()))).decode()

    def certificate(self, path: Path, days: int = 3650, key: Any = None) -> Path:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, DOMAIN)])
        begins, ends = START - timedelta(days=3650), START + timedelta(days=days)
        made = (
            x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(self.key.public_key())
            .serial_number(1).not_valid_before(begins).not_valid_after(ends)
            .sign(self.key, SHA256())
        )  # fmt: skip
        path.write_bytes(made.public_bytes(Encoding.PEM))
        return path


@asynccontextmanager
async def processor(key: Any = None) -> AsyncIterator[Processor]:
    served = Processor() if key is None else Processor(key)
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", served.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    served.url = f"http://{host}:{port}/v2"
    try:
        yield served
    finally:
        await runner.cleanup()


def settings(at: str, certificate: Path, **changes: Any) -> OpenDsrSettings:
    mapping = {
        "name": "ads", "type": "opendsr", "url": at, "domain": DOMAIN, "certificate": str(certificate),
        "identities": {"email": "email"},
    }  # fmt: skip
    return OpenDsrSettings.model_validate(mapping | changes)


def clock() -> datetime:
    return START


def target_of(served: Processor, folder: Path, **changes: Any) -> OpenDsrTarget:
    made = settings(served.url, served.certificate(folder / "processor.pem"), **changes)
    return OpenDsrTarget(made, {"Authorization": "Bearer hidden"}, "erasure.targets[0]", clock=clock)


@asynccontextmanager
async def started(folder: Path, key: Any = None, **changes: Any) -> AsyncIterator[tuple[Processor, OpenDsrTarget]]:
    async with processor(key) as served:
        target = target_of(served, folder, **changes)
        await target.start()
        yield served, target
        await target.stop()


def order() -> Order:
    return Order(ID, ANNA.identities, ID)


@pytest.mark.parametrize("key", [None, rsa.generate_private_key(65537, 2048)], ids=["ecdsa", "rsa"])
async def test_orders_once_and_asks_how_it_stands(tmp_path: Path, key: Any) -> None:
    async with started(tmp_path, key) as (served, target):
        for _ in range(2):  # as after a crash: the order is known by then
            sent = await target.order(order())
            assert (sent.status, sent.reference) == (DeleteStatus.SUBMITTED, ID)
        assert served.calls.count("POST /v2/requests") == 1
        assert served.requests[ID] == {
            "regulation": "gdpr",
            "subject_request_id": ID,
            "subject_request_type": "erasure",
            "submitted_time": "2025-03-01T12:00:00Z",
            "subject_identities": [{"identity_type": "email", "identity_value": ANNA.email, "identity_format": "raw"}],
            "api_version": "2.0",
        }
        for status, says in (
            ("pending", JobStatus.RUNNING), ("in_progress", JobStatus.RUNNING), ("completed", JobStatus.DONE),
            ("cancelled", JobStatus.FAILED), ("distributed", JobStatus.UNKNOWN),
        ):  # fmt: skip
            served.status = status
            assert (await target.poll(order())).status is says


async def test_what_was_taken_back_is_filed_anew(tmp_path: Path) -> None:
    async with started(tmp_path) as (served, target):
        assert (await target.order(order())).reference == ID
        served.status = "cancelled"
        first = await target.order(order())
        served.states[first.reference] = "pending"
        assert first.reference != ID
        assert (await target.order(order())).reference == first.reference  # as after a crash
        assert list(served.requests) == [ID, first.reference]
        polled = await target.poll(Order(ID, ANNA.identities, first.reference))
        assert polled.status is JobStatus.RUNNING


async def test_E16_what_is_called_completed_while_the_person_is_there_is_filed_anew(tmp_path: Path) -> None:
    async with processor() as served:
        search = {"url": served.url.replace("/v2", "/search?email={email}"), "gone": {
            "status": [200], "where": ["/total == 0"]}, "count": "/total"}  # fmt: skip
        target = target_of(served, tmp_path, verify=search)
        await target.start()
        served.status = "completed"
        await target.order(order())
        assert (await target.order(order())).reference == ID  # nothing is there any more
        served.people.add(ANNA.email)
        assert (await target.order(order())).reference != ID
        await target.stop()


async def test_the_answer_of_another_request_says_nothing(tmp_path: Path) -> None:
    async with started(tmp_path) as (served, target):
        await target.order(order())
        served.status, served.answers_as = "completed", "another"
        polled = await target.poll(order())
        assert (polled.status, polled.fault) == (JobStatus.UNKNOWN, TargetFault.UNSIGNED)


async def test_what_is_not_signed_by_the_processor_is_not_believed(tmp_path: Path) -> None:
    async with started(tmp_path) as (served, target):
        served.status = "completed"
        await target.order(order())
        for name, value in (("signature", "AAAA"), ("signature", "no base64!"), ("domain", "evil.example.org"),
                            ("key", ec.generate_private_key(ec.SECP256R1()))):  # fmt: skip
            before = getattr(served, name)
            setattr(served, name, value)
            polled = await target.poll(order())
            assert (polled.status, polled.fault) == (JobStatus.UNKNOWN, TargetFault.UNSIGNED)
            setattr(served, name, before)
        served.requests.clear()
        served.signature = "AAAA"
        assert (await target.order(order())).fault is TargetFault.UNSIGNED


@pytest.mark.parametrize(
    ("http_status", "status", "fault"),
    [
        (404, JobStatus.VANISHED, None),
        (500, JobStatus.UNKNOWN, TargetFault.UNEXPECTED_STATUS),
        (302, JobStatus.UNKNOWN, TargetFault.REDIRECTED),
        (401, JobStatus.UNKNOWN, TargetFault.NOT_PERMITTED),
    ],
)
async def test_E26_statuses(tmp_path: Path, http_status: int, status: JobStatus, fault: TargetFault | None) -> None:
    async with started(tmp_path) as (served, target):
        served.http_status = http_status
        polled = await target.poll(order())
        assert (polled.status, polled.fault) == (status, fault)
        sent = await target.order(order())
        assert sent.status is DeleteStatus.FAILED


@pytest.mark.parametrize("looks", [True, False])
async def test_E29_completed_is_a_claim_unless_somebody_looks(tmp_path: Path, looks: bool) -> None:
    now = Clock()
    async with processor() as served:
        search = {"url": served.url.replace("/v2", "/search?email={email}"), "gone": {
            "status": [200], "where": ["/total == 0"]}, "count": "/total"}  # fmt: skip
        target = target_of(served, tmp_path, **({"verify": search} if looks else {}))
        async with world(tmp_path / "state.db", [target], now) as w:
            served.people.add(CANARY)
            await w.submit()
            await w.settle()
            assert await w.outcomes() == {"ads": "submitted"}
            served.status = "completed"
            served.people.clear()
            now.advance(hours=1)
            await w.settle()
            assert await w.outcomes() == {"ads": "verified_erased" if looks else "unverified"}


@pytest.mark.parametrize(
    ("discovery", "message"),
    [
        ({"supported_subject_request_types": ["access"]}, "takes no erasure requests"),
        ({"supported_identities": [{"identity_type": "email", "identity_format": "sha256"}]}, "does not take raw"),
        ({"supported_identities": None}, "does not take raw"),
    ],
)
async def test_E22_what_the_processor_does_not_support_is_a_configuration_error(
    tmp_path: Path, discovery: dict[str, Any], message: str
) -> None:
    async with processor() as served:
        served.discovery |= discovery
        with pytest.raises(ConfigError, match=message):
            await target_of(served, tmp_path).start()


async def test_a_processor_that_is_not_there_is_a_closed_failure(tmp_path: Path) -> None:
    served = Processor(url="http://127.0.0.1:1/v2")
    target = target_of(served, tmp_path)
    await target.start()
    assert (await target.delete(ANNA.identities)).fault is TargetFault.UNREACHABLE
    assert (await target.poll(order())).fault is TargetFault.UNREACHABLE
    assert (await target.verify(ANNA.identities)).status is VerifyStatus.IMPOSSIBLE
    assert "hidden" not in repr(vars(target))
    await target.stop()


def test_a_certificate_that_can_not_vouch_is_a_configuration_error(tmp_path: Path) -> None:
    served = Processor(url="http://127.0.0.1:1/v2")
    expired = settings(served.url, served.certificate(tmp_path / "old.pem", days=-1))
    with pytest.raises(ConfigError, match=r"t\.certificate: is not valid today"):
        OpenDsrTarget(expired, {}, "t", clock=clock)
    with pytest.raises(ConfigError, match=r"t\.certificate: is no readable PEM"):
        OpenDsrTarget(settings(served.url, tmp_path / "nothing.pem"), {}, "t", clock=clock)


@pytest.mark.parametrize(
    "changes", [{"url": "http://a.example/v2"}, {"identities": {}}, {"identities": {"email": "phone"}}]
)
def test_a_form_that_can_not_be_meant_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        settings("https://a.example/v2", tmp_path, **changes)
