"""OpenDSR 2.0 and OpenGDPR 1.0 on the wire: byte for byte, signed, no trace of who is meant (E5, E9, E10)."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from prometheus_client import generate_latest

from sidecar.access import Role
from sidecar.erasure.opendsr_api import OpenDsrParts, opendsr_routes
from sidecar.erasure.processor import Processor, parse_processor
from sidecar.errors import ConfigError
from tests.erasure.test_api import Answer, Caller, listening
from tests.erasure.world import CANARY, ID, OTHER_ID, World, body, bytes_on_disk, one_target
from tests.tls.authority import SERVER_USE, Authority

DOMAIN = "privacy.example.org"
CERTIFICATE_URL = "https://privacy.example.org/certificate.pem"


def opendsr_body(request_id: str = ID, **changes: Any) -> bytes:
    fields: dict[str, Any] = {
        "regulation": "gdpr",
        "subject_request_id": request_id,
        "subject_request_type": "erasure",
        "submitted_time": "2025-03-01T12:00:00Z",
        "subject_identities": [{"identity_type": "email", "identity_value": CANARY, "identity_format": "raw"}],
        "api_version": "2.0",
        "status_callback_urls": ["https://controller.example/callbacks"],
    }
    return json.dumps({name: value for name, value in (fields | changes).items() if value is not None}).encode()


def certificate(folder: Path, domain: str = DOMAIN) -> tuple[bytes, bytes]:
    authority = Authority(folder, "ca")
    authority.write()
    issued = authority.issue("processor", (x509.DNSName(domain),), SERVER_USE)
    return issued.certificate.read_bytes(), issued.key.read_bytes()


@asynccontextmanager
async def opendsr(folder: Path, verified_by: str | None = "controller") -> AsyncIterator[tuple[Caller, World]]:
    chain, key = certificate(folder)
    processor = parse_processor(DOMAIN, CERTIFICATE_URL, chain, key, datetime.now(UTC), "erasure.opendsr")
    async with one_target(folder) as (w, _):
        parts = OpenDsrParts(processor, w.intake, w.stores.requests, verified_by, w.metrics, w.worker.wake, w.clock)
        async with listening(w, opendsr_routes(parts)) as caller:
            yield caller, w


async def post(caller: Caller, data: bytes, path: str = "/v2/requests") -> Answer:
    return await caller.call(Role.INTAKE, "POST", path, data)


def check_signature(answer: Answer, chain: bytes, prefix: str = "X-OpenDSR") -> None:
    assert answer.headers[f"{prefix}-Processor-Domain"] == DOMAIN
    key = x509.load_pem_x509_certificates(chain)[0].public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    signature = base64.b64decode(answer.headers[f"{prefix}-Signature"], validate=True)
    key.verify(signature, answer.data, ec.ECDSA(SHA256()))
    with pytest.raises(InvalidSignature):
        key.verify(signature, answer.data + b" ", ec.ECDSA(SHA256()))


async def test_E9_discovery_byte_for_byte_and_signed(tmp_path: Path) -> None:
    async with opendsr(tmp_path) as (caller, _):
        chain = (tmp_path / "processor.pem").read_bytes()
        for path, version, prefix in (
            ("/v2/discovery", "2.0", "X-OpenDSR"),
            ("/v1/discovery", "1.0", "X-OpenGDPR"),
            ("/discovery", "1.0", "X-OpenGDPR"),
        ):
            answer = await caller.call(Role.INTAKE, "GET", path)
            assert answer.data.decode() == (
                f'{{"api_version":"{version}",'
                '"supported_identities":[{"identity_type":"email","identity_format":"raw"}],'
                '"supported_subject_request_types":["erasure"],'
                f'"processor_certificate":"{CERTIFICATE_URL}"}}'
            )
            check_signature(answer, chain, prefix)


@pytest.mark.parametrize(
    ("path", "version", "prefix"),
    [
        ("/v2/requests", "2.0", "X-OpenDSR"),
        ("/v1/opengdpr_requests", "1.0", "X-OpenGDPR"),
        ("/opengdpr_requests", "1.0", "X-OpenGDPR"),
    ],
)
async def test_E9_a_request_from_its_intake_to_its_end(tmp_path: Path, path: str, version: str, prefix: str) -> None:
    async with opendsr(tmp_path) as (caller, w):
        chain = (tmp_path / "processor.pem").read_bytes()
        sent = opendsr_body(api_version=version)
        created = await post(caller, sent, path)
        assert created.status == 201
        assert created.data.decode() == (
            '{"controller_id":"intake","expected_completion_time":"2025-03-25T23:59:59Z",'
            f'"received_time":"2025-03-01T12:00:00Z","encoded_request":"{base64.b64encode(sent).decode()}",'
            f'"subject_request_id":"{ID}"}}'
        )
        check_signature(created, chain, prefix)
        assert (await post(caller, sent, path)).data == created.data  # E2
        pending = await caller.call(Role.INTAKE, "GET", f"{path}/{ID}")
        assert pending.data.decode() == (
            '{"controller_id":"intake","expected_completion_time":"2025-03-25T23:59:59Z",'
            f'"subject_request_id":"{ID}","request_status":"pending","api_version":"{version}"}}'
        )
        check_signature(pending, chain, prefix)
        await w.settle()
        ended = await caller.call(Role.INTAKE, "GET", f"{path}/{ID}")
        assert ended.json["request_status"] == "completed"
        late = await caller.call(Role.INTAKE, "DELETE", f"{path}/{ID}")
        assert (late.status, late.json["error"]["code"]) == (409, 409)


async def test_E7_a_controller_confirms_nothing_and_sees_nothing_by_another_way(tmp_path: Path) -> None:
    """Else whoever is not trusted to identify people would do so all the same, at another endpoint."""
    async with opendsr(tmp_path, verified_by=None) as (caller, w):
        created = await caller.call(Role.CONTROLLER, "POST", "/v2/requests", opendsr_body())
        assert created.json["controller_id"] == "controller"
        one = f"/v1/erasures/{ID}"
        said = json.dumps({"verified_by": "trust_me"}).encode()
        for method, path, data in (
            ("POST", f"{one}/verification", said),
            ("GET", one, None),
            ("DELETE", one, None),
            ("GET", f"{one}/receipt", None),
            ("POST", "/v1/erasures", body()),
        ):
            assert (await caller.call(Role.CONTROLLER, method, path, data)).status == 403, path
        assert (await w.view()).verified_at is None
        status = await caller.call(Role.CONTROLLER, "GET", f"/v2/requests/{ID}")
        assert (status.status, status.json["request_status"]) == (200, "pending")


async def test_E10_cancel_in_pending_byte_for_byte(tmp_path: Path) -> None:
    async with opendsr(tmp_path) as (caller, w):
        await post(caller, opendsr_body())
        answer = await caller.call(Role.INTAKE, "DELETE", f"/v2/requests/{ID}")
        assert answer.status == 202
        assert answer.data.decode() == (
            f'{{"controller_id":"intake","subject_request_id":"{ID}",'
            '"received_time":"2025-03-01T12:00:00Z","api_version":"2.0"}'
        )
        check_signature(answer, (tmp_path / "processor.pem").read_bytes())
        await w.settle()
        status = await caller.call(Role.INTAKE, "GET", f"/v2/requests/{ID}")
        assert status.json["request_status"] == "cancelled"


async def test_E7_controllers_that_are_not_trusted_to_identify_people_wait(tmp_path: Path) -> None:
    async with opendsr(tmp_path, verified_by=None) as (caller, w):
        await post(caller, opendsr_body())
        await w.settle()
        assert await w.state() == "awaiting_verification"
        answer = await caller.call(Role.INTAKE, "GET", f"/v2/requests/{ID}")
        assert answer.json["request_status"] == "pending"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"regulation": "lgpd"}, "regulation"),
        ({"regulation": None}, "regulation"),
        ({"subject_request_type": "access"}, "subject_request_type"),
        ({"submitted_time": None}, "submitted_time"),
        ({"submitted_time": CANARY}, "submitted_time"),
        ({"subject_request_id": CANARY}, "subject_request_id"),
        ({"api_version": "3.0"}, "api_version"),
        ({"subject_identities": []}, "subject_identities"),
        ({"subject_identities": [{"identity_type": "phone", "identity_value": CANARY, "identity_format": "raw"}]},
         "subject_identities[0].identity_type"),
        ({"subject_identities": [{"identity_type": "email", "identity_value": CANARY, "identity_format": "sha256"}]},
         "subject_identities[0].identity_format"),
        ({"status_callback_urls": [f"http://{CANARY}/"]}, "status_callback_urls[0]"),
        ({"status_callback_urls": ["https://user:pass@host/"]}, "status_callback_urls[0]"),
        ({"extensions": {DOMAIN: {"identities": [{"type": "shoe_size", "value": CANARY}]}}},
         "extensions.identities[0].type"),
        ({CANARY: 1}, "body"),
    ],
)  # fmt: skip
async def test_E5_what_can_not_be_used_is_named_without_its_value(
    tmp_path: Path, changes: dict[str, Any], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with opendsr(tmp_path) as (caller, w):
        answer = await post(caller, opendsr_body(**changes))
        assert answer.status == 400
        assert list(answer.json["error"]) == ["code", "message", "errors"]
        assert {"domain": "Validation", "reason": reason} in [
            {"domain": one["domain"], "reason": one["reason"]} for one in answer.json["error"]["errors"]
        ]
        said = answer.data.decode() + caplog.text + generate_latest(w.metrics.registry).decode() + repr(w.ledger)
        assert CANARY not in said
        assert await w.stores.requests.find(ID) is None


async def test_E5_E9_no_identity_and_no_encoded_request_is_kept_or_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with opendsr(tmp_path) as (caller, w):
        sent = opendsr_body(
            extensions={DOMAIN: {"identities": [{"type": "phone", "value": "+49 30 1234567"}]}},
            status_callback_urls=[f"https://controller.example/{ID}?for=person-7781"],
        )
        assert (await post(caller, sent)).status == 201
        await w.settle()
        kept = bytes_on_disk(tmp_path) + caplog.text.encode() + repr(w.ledger).encode()
        for trace in (CANARY, "person-7781", "1234567", base64.b64encode(sent).decode()[:40]):
            assert trace.encode() not in kept


async def test_E2_another_body_or_another_controller_is_a_conflict(tmp_path: Path) -> None:
    async with opendsr(tmp_path) as (caller, w):
        assert (await post(caller, opendsr_body())).status == 201
        assert (await post(caller, opendsr_body(regulation="ccpa"))).status == 409
        assert (await post(caller, opendsr_body(status_callback_urls=["https://other.example/"]))).status == 409
        assert (await caller.call(Role.AUDITOR, "GET", f"/v2/requests/{ID}")).status == 403
        assert (await caller.call(None, "GET", f"/v2/requests/{ID}")).status == 401
        await w.submit(body(OTHER_ID))  # by another way: no controller's
        assert (await caller.call(Role.INTAKE, "GET", f"/v2/requests/{OTHER_ID}")).status == 404
        assert (await caller.call(Role.INTAKE, "DELETE", f"/v2/requests/{OTHER_ID}")).status == 404


async def test_E2_a_request_is_known_again_though_controllers_are_trusted_otherwise_since(tmp_path: Path) -> None:
    chain, key = certificate(tmp_path)
    processor = parse_processor(DOMAIN, CERTIFICATE_URL, chain, key, datetime.now(UTC), "erasure.opendsr")
    async with one_target(tmp_path) as (w, _):
        for verified_by in (None, "controller", "contract", None):
            parts = OpenDsrParts(processor, w.intake, w.stores.requests, verified_by, w.metrics, w.worker.wake, w.clock)
            async with listening(w, opendsr_routes(parts)) as caller:
                assert (await post(caller, opendsr_body())).status == 201
                assert await w.state() == "awaiting_verification"  # the first answer stands


@pytest.mark.parametrize("kind", ["self-signed", "other domain", "other key", "ed25519", "no pem"])
def test_E9_what_a_controller_would_refuse_is_refused_at_start(tmp_path: Path, kind: str) -> None:
    chain, key = certificate(tmp_path, "*.example.org" if kind == "other domain" else DOMAIN)
    if kind == "self-signed":
        chain = (tmp_path / "ca.pem").read_bytes()
        key = Authority(tmp_path, "ca").key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    if kind == "other key":
        key = ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    if kind == "ed25519":
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        key = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    if kind == "no pem":
        key = b"nothing"
    with pytest.raises(ConfigError, match=r"erasure\.opendsr"):
        parse_processor(DOMAIN, CERTIFICATE_URL, chain, key, datetime.now(UTC), "erasure.opendsr")


def test_E9_rsa_signs_as_well() -> None:
    key = rsa.generate_private_key(65537, 2048)
    signature = base64.b64decode(Processor(DOMAIN, CERTIFICATE_URL, key).sign(b"body"))
    key.public_key().verify(signature, b"body", padding.PKCS1v15(), SHA256())


async def test_E9_the_end_of_our_certificate_can_be_alerted_on(tmp_path: Path) -> None:
    async with opendsr(tmp_path) as (_, w):
        ends = x509.load_pem_x509_certificates((tmp_path / "processor.pem").read_bytes())[0].not_valid_after_utc
        name, label = "sidecar_certificate_not_after_timestamp_seconds", {"listener": "opendsr"}
        assert w.metrics.registry.get_sample_value(name, label) == ends.timestamp()
