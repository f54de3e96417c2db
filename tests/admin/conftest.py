"""An admin listener on loopback with real TLS, an audit log in memory, and callers with certificates and tokens."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Protocol

import pytest

from sidecar.access import Identity, KnownCaller, Role
from sidecar.admin.guard import Guard
from sidecar.admin.listener import AdminListener, AdminSettings
from sidecar.admin.probes import ReadinessCheck, probe_routes
from sidecar.admin.route import AdminRoute
from sidecar.audit.denials import DenialLimits
from sidecar.audit.record import Event, Intent, Outcome, Phase
from sidecar.errors import AuditUnavailable
from sidecar.keys import MasterKey, Purpose
from sidecar.metrics import Metrics
from sidecar.tls.contexts import ClientAuth, ServerTls
from sidecar.tls.dev_certs import DevCertificates, client_san, make_dev_certificates
from sidecar.tls.reloaded_listener import reloaded_listener
from tests.tls.authority import NOW

TOKEN = "intake-token-0123456789"
PSEUDONYMS = MasterKey(bytes(32)).pseudonymizer(Purpose.AUDIT_PSEUDONYM)
MAX_BODY_BYTES = 10_000


@dataclass
class MemoryAudit:
    """Keeps what is written; ``fails`` names the phases that can't be made durable."""

    entries: list[Intent | Outcome | Event] = field(default_factory=list)
    fails: set[Phase] = field(default_factory=set)

    async def intend(self, intent: Intent) -> None:
        self._write(Phase.INTENT, intent)

    async def conclude(self, outcome: Outcome) -> None:
        self._write(Phase.OUTCOME, outcome)

    async def note(self, event: Event) -> None:
        self._write(Phase.EVENT, event)

    def _write(self, phase: Phase, entry: Intent | Outcome | Event) -> None:
        if phase in self.fails:
            raise AuditUnavailable("the disk is full")
        self.entries.append(entry)

    def pair(self) -> tuple[Intent, Outcome]:
        """Return the one intent and the one outcome there are, which belong together (A1)."""
        intent, outcome = self.entries
        assert isinstance(intent, Intent)
        assert isinstance(outcome, Outcome)
        assert (intent.exchange_id, intent.action) == (outcome.exchange_id, outcome.action)
        return intent, outcome


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Admin:
    """A started listener and ways to call it."""

    listener: AdminListener
    audit: MemoryAudit
    metrics: Metrics
    certificates: DevCertificates
    waiting: set[str]

    def client(self, role: Role | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.certificates.ca))
        if role is not None:
            context.load_cert_chain(*self.certificates.client(role))
        return context

    async def call(
        self,
        path: str,
        role: Role | None = None,
        *,
        method: str = "GET",
        headers: Sequence[str] = (),
        body: bytes = b"",
    ) -> Answer:
        """Make one request, byte for byte as given, and return the answer."""
        head = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", *headers]
        if body:
            head.append(f"Content-Length: {len(body)}")
        raw = "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body
        return parse(await self.say(raw, role))

    async def say(self, raw: bytes, role: Role | None = None) -> bytes:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.listener.port, ssl=self.client(role), server_hostname="localhost"
        )
        try:
            writer.write(raw)
            return await asyncio.wait_for(reader.read(), 10)
        finally:
            writer.close()


def parse(raw: bytes) -> Answer:
    head, _, body = raw.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Answer(int(status.split()[1]), headers, body)


def callers() -> tuple[KnownCaller, ...]:
    listed = (Role.TRAINER, Role.AUDITOR, Role.METRICS)
    by_certificate = tuple(
        KnownCaller(Identity(f"{role.value}-1", frozenset({role})), certificate_name=client_san(role))
        for role in listed
    )
    token = KnownCaller(Identity("intake-1", frozenset({Role.INTAKE})), token_sha256=sha256(TOKEN.encode()).digest())
    return (*by_certificate, token)


class Open(Protocol):
    """Starts a listener with these endpoints."""

    def __call__(self, routes: Sequence[AdminRoute], denials: DenialLimits | None = None) -> Awaitable[Admin]: ...


@pytest.fixture
async def open_admin(tmp_path: Path) -> AsyncIterator[Open]:
    started: list[AdminListener] = []
    certificates = make_dev_certificates(tmp_path / "certs", NOW)

    async def start(routes: Sequence[AdminRoute], denials: DenialLimits | None = None) -> Admin:
        metrics, audit, waiting = Metrics(), MemoryAudit(), set[str]()
        checks = [
            ReadinessCheck("audit", lambda: "audit" not in waiting),
            ReadinessCheck("detection", lambda: "detection" not in waiting),
        ]
        tls = ServerTls(*certificates.server, ClientAuth.OPTIONAL, certificates.ca)
        settings = AdminSettings("127.0.0.1", 0, reloaded_listener("admin", tls, metrics), MAX_BODY_BYTES)
        guard = Guard(callers(), audit, PSEUDONYMS, metrics, MAX_BODY_BYTES, denials)
        listener = AdminListener(settings, (*probe_routes(checks, metrics.registry), *routes), guard)
        started.append(listener)
        await listener.start()
        return Admin(listener, audit, metrics, certificates, waiting)

    yield start
    for listener in started:
        await listener.stop()
