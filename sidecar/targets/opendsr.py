"""A processor downstream that speaks OpenDSR 2.0: ordered from, asked how it stands, believed only what it signed.

``completed`` is the processor's word, which says nothing of what was kept: without a call that looks, ``unverified``.
"""

from __future__ import annotations

import base64
import json
import logging
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any, Final, Literal
from uuid import UUID, uuid4

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from sidecar.erasure.request import IdentityType, SubjectIdentity
from sidecar.errors import ConfigError, Problem
from sidecar.targets.criteria import resolve_pointer
from sidecar.targets.described import Described
from sidecar.targets.http import look
from sidecar.targets.http_client import Call, HttpClient, Reply, fault_of, utc_now
from sidecar.targets.http_settings import parse_verify
from sidecar.targets.opendsr_settings import OpenDsrSettings
from sidecar.targets.target import (
    DeleteResult,
    DeleteStatus,
    JobStatus,
    Order,
    PollResult,
    TargetFault,
    VerifyResult,
    VerifyStatus,
)
from sidecar.targets.template import Values

_log = logging.getLogger("sidecar.targets")
_STATES: Final[Mapping[str, JobStatus]] = {
    "pending": JobStatus.RUNNING,
    "in_progress": JobStatus.RUNNING,
    "completed": JobStatus.DONE,
    "cancelled": JobStatus.FAILED,
}
_TAKEN: Final = frozenset({200, 201, 202})
_MOST_FILINGS: Final = 50


class OpenDsrTarget(Described[OpenDsrSettings]):
    """Implements ``Target`` and ``OrderTarget``. ``headers`` hold secrets."""

    def __init__(
        self,
        settings: OpenDsrSettings,
        headers: Mapping[str, str],
        where: str,
        tls: ssl.SSLContext | Literal[True] = True,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        super().__init__(settings)
        self._where = where
        self._clock = clock
        self._certificate = _certificate(settings, clock(), where)
        self._verify = parse_verify(settings.verify, where) if settings.verify is not None else None
        self._client = HttpClient(headers, tls, settings.concurrency, clock=clock)

    @property
    def required(self) -> frozenset[IdentityType]:
        return super().required | (self._verify.call.fields if self._verify else frozenset())

    async def start(self) -> None:
        await self._client.start()
        reply = await self._client.send(self._call("GET", "discovery"))
        if reply.answer is None or reply.answer.status != 200 or not reply.answer.is_json:
            _log.warning("target %s: what it supports could not be asked for", self.name)
            return
        lacking = _lacking(reply.answer.body, self._settings)
        if lacking is not None:
            await self._client.stop()
            raise ConfigError((Problem(f"{self._where}.identities", lacking, "See the processor's discovery"),))

    async def stop(self) -> None:
        await self._client.stop()

    async def delete(self, identities: Sequence[SubjectIdentity]) -> DeleteResult:
        return await self.order(Order(str(uuid4()), identities))

    async def order(self, order: Order) -> DeleteResult:
        """Order once: the specification has no rule for an id that is sent again, so it is asked for first.

        What was taken back, or is called completed while the person is there, is filed anew by the next id.
        """
        for name in _names(order.id):
            known = await self._client.send(self._call("GET", f"requests/{name}"))
            if known.answer is None:
                return DeleteResult(DeleteStatus.FAILED, fault=known.fault, retry_after=known.retry_after)
            if known.answer.status != 200 or not self._speaks_of(known, name):
                return await self._file(order, name)
            if not await self._is_over(known, order.identities):
                return DeleteResult(DeleteStatus.SUBMITTED, None, 200, reference=name)
        return DeleteResult(DeleteStatus.FAILED, fault=TargetFault.TARGET_ERROR)

    async def _file(self, order: Order, name: str) -> DeleteResult:
        sent = await self._client.send(self._call("POST", "requests", self._body(order, name)))
        if sent.answer is None:
            return DeleteResult(DeleteStatus.FAILED, fault=sent.fault, retry_after=sent.retry_after)
        status = sent.answer.status
        if status not in _TAKEN:
            return DeleteResult(DeleteStatus.FAILED, None, status, fault_of(sent.answer, _TAKEN), sent.retry_after)
        if not self._speaks_of(sent, name):
            return DeleteResult(DeleteStatus.FAILED, None, status, TargetFault.UNSIGNED)
        return DeleteResult(DeleteStatus.SUBMITTED, None, status, reference=name)

    async def _is_over(self, known: Reply, identities: Sequence[SubjectIdentity]) -> bool:
        status = _state_of(known)
        if status is JobStatus.DONE and self._verify is not None:
            return (await self.verify(identities)).status is VerifyStatus.PRESENT
        return status is JobStatus.FAILED

    async def poll(self, order: Order) -> PollResult:
        name = order.reference or order.id
        reply = await self._client.send(self._call("GET", f"requests/{name}"))
        if reply.answer is None:
            return PollResult(JobStatus.UNKNOWN, fault=reply.fault, retry_after=reply.retry_after)
        answer = reply.answer
        if answer.status == 404:
            return PollResult(JobStatus.VANISHED, None, 404)
        if answer.status != 200 or not answer.is_json:
            fault = fault_of(answer, frozenset({200}))
            return PollResult(JobStatus.UNKNOWN, None, answer.status, fault, reply.retry_after)
        if not self._speaks_of(reply, name):
            return PollResult(JobStatus.UNKNOWN, None, answer.status, TargetFault.UNSIGNED)
        status = _state_of(reply)
        return PollResult(
            status, None, answer.status, TargetFault.UNEXPECTED_BODY if status is JobStatus.UNKNOWN else None
        )

    async def verify(self, identities: Sequence[SubjectIdentity]) -> VerifyResult:
        return await look(self._client, self._verify, _values(identities))

    def _call(self, method: str, rest: str, body: bytes | None = None) -> Call:
        return Call(method, f"{self._settings.url.rstrip('/')}/{rest}", body, self._settings.timeout_seconds)

    def _body(self, order: Order, name: str) -> bytes:
        kinds = self._settings.identities
        request: dict[str, Any] = {
            "regulation": self._settings.regulation,
            "subject_request_id": name,
            "subject_request_type": "erasure",
            "submitted_time": self._clock().strftime("%Y-%m-%dT%H:%M:%SZ"),
            "subject_identities": [
                {"identity_type": kinds[one.type], "identity_value": one.value, "identity_format": "raw"}
                for one in order.identities
                if one.type in kinds
            ],
            "api_version": "2.0",
        }
        return json.dumps(request).encode("ascii")

    def _speaks_of(self, reply: Reply, name: str) -> bool:
        """Tell whether the processor signed it, and about this request: another's is as good as no answer."""
        return (
            reply.answer is not None
            and self._signed(reply)
            and resolve_pointer(reply.answer.body, "/subject_request_id") == name
        )

    def _signed(self, reply: Reply) -> bool:
        """Tell whether the processor signed the raw bytes of an answer, while its certificate is valid."""
        if reply.headers.get("X-OpenDSR-Processor-Domain") != self._settings.domain:
            return False
        certificate = self._certificate
        if not certificate.not_valid_before_utc <= self._clock() <= certificate.not_valid_after_utc:
            return False
        try:
            signature = base64.b64decode(reply.headers.get("X-OpenDSR-Signature", ""), validate=True)
            key = certificate.public_key()
            if isinstance(key, rsa.RSAPublicKey):
                key.verify(signature, reply.data, padding.PKCS1v15(), SHA256())
            elif isinstance(key, ec.EllipticCurvePublicKey):
                key.verify(signature, reply.data, ec.ECDSA(SHA256()))
        except (ValueError, InvalidSignature):
            return False
        return True


def _names(order_id: str) -> Iterator[str]:
    """Yield the ids of an order, as it is filed for the first time, the second and so on. They say nothing."""
    yield order_id
    for number in range(1, _MOST_FILINGS):
        yield str(UUID(bytes=sha256(f"{order_id}:{number}".encode()).digest()[:16], version=4))


def _state_of(reply: Reply) -> JobStatus:
    found = resolve_pointer(reply.answer.body, "/request_status") if reply.answer else None
    return _STATES.get(str(found), JobStatus.UNKNOWN)


def _certificate(settings: OpenDsrSettings, now: datetime, where: str) -> x509.Certificate:
    part = f"{where}.certificate"
    try:
        certificate = x509.load_pem_x509_certificates(settings.certificate.read_bytes())[0]
    except (OSError, ValueError):
        raise ConfigError((Problem(part, "is no readable PEM", "Fetch the processor's certificate"),)) from None
    if not isinstance(certificate.public_key(), rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        raise ConfigError((Problem(part, "is neither RSA nor ECDSA", "OpenDSR signs as in FIPS 186-4"),))
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise ConfigError((Problem(part, "is not valid today", "Fetch the processor's new certificate"),))
    return certificate


def _lacking(body: object, settings: OpenDsrSettings) -> str | None:
    """Return what a processor does not support by its own word, if anything."""
    kinds = resolve_pointer(body, "/supported_subject_request_types")
    if not isinstance(kinds, list) or "erasure" not in kinds:
        return "are in vain: the processor takes no erasure requests"
    offered = resolve_pointer(body, "/supported_identities")
    raw = {
        one.get("identity_type")
        for one in (offered if isinstance(offered, list) else ())
        if isinstance(one, dict) and one.get("identity_format") == "raw"
    }
    missing = sorted(set(settings.identities.values()) - raw)
    return f"holds {', '.join(missing)}, which the processor does not take raw" if missing else None


def _values(identities: Sequence[SubjectIdentity]) -> Values:
    return {identity.type: identity.value for identity in identities}
