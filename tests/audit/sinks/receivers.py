"""Receivers behind sinks in tests: they keep what they take, and can be told to fail."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web
from google.protobuf.json_format import Parse
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from sidecar.access import Role
from sidecar.audit.sinks.sink import Forwarded
from sidecar.tls.contexts import ClientAuth, ClientTls, ServerTls, client_context, server_context
from sidecar.tls.dev_certs import DevCertificates, make_dev_certificates

LOG = "sidecar.example/pod-1"


def record(seq: int) -> Forwarded:
    facts = {"action": "proxy", "phase": "outcome", "decision": "completed", "actor": "trainer-1", "status": 200}
    return Forwarded(LOG, seq, f"2026-03-01T09:00:00.{seq:06d}Z", f"{seq:064x}", facts)


def records(count: int, first: int = 0) -> list[Forwarded]:
    return [record(seq) for seq in range(first, first + count)]


@dataclass
class Receiver:
    """What every receiver does: ``down`` are statuses (or connections to cut) before anything is taken."""

    taken: list[dict[str, Any]] = field(default_factory=list)
    down: list[int] = field(default_factory=list)
    largest: int = 1_000_000  # bytes of one request

    @property
    def seqs(self) -> list[int]:
        return [int(one["seq"]) for one in self.taken]

    def take(self, line: str) -> None:
        self.taken.append(json.loads(line))


class HttpReceiver(Receiver):
    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        if self.down:
            return web.Response(status=self.down.pop(0))
        if len(body) > self.largest:
            return web.Response(status=413)
        return self.answer(body)

    def answer(self, body: bytes) -> web.Response:
        for line in body.decode().splitlines():
            self.take(line)
        return web.Response(status=204)


class OtlpReceiver(HttpReceiver):
    """Reads requests with the classes that OpenTelemetry publishes: what doesn't fit them is an error there."""

    partial = 0

    def answer(self, body: bytes) -> web.Response:
        request = Parse(body, ExportLogsServiceRequest())
        if self.partial:
            self.partial -= 1
            return web.json_response({"partialSuccess": {"rejectedLogRecords": "1"}})
        for resource in request.resource_logs:
            for scope in resource.scope_logs:
                for one in scope.log_records:
                    assert one.time_unix_nano > 1_772_000_000_000_000_000
                    self.take(one.body.string_value)
        return web.json_response({})


@dataclass
class SyslogReceiver(Receiver):
    """Takes frames of RFC 5425 over TLS. ``down`` cuts a connection after so many frames, with bytes unread."""

    messages: list[bytes] = field(default_factory=list)
    connections: int = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        left = self.down.pop(0) if self.down else None
        try:
            while left is None or left > 0:
                length = await reader.readuntil(b" ")
                message = await reader.readexactly(int(length))
                self.messages.append(message)
                self.take(message.partition(b"\xef\xbb\xbf")[2].decode())
                left = None if left is None else left - 1
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.transport.abort()


@asynccontextmanager
async def syslog_served(receiver: SyslogReceiver, certificates: DevCertificates) -> AsyncIterator[int]:
    """Serve with a certificate that must be verified, to clients that show one; give the port."""
    tls = server_context(ServerTls(*certificates.server, ClientAuth.REQUIRED, certificates.ca))
    server = await asyncio.start_server(receiver.handle, "127.0.0.1", 0, ssl=tls)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()


def certificates_in(folder: Path) -> DevCertificates:
    return make_dev_certificates(folder, datetime.now(UTC))


def syslog_tls(certificates: DevCertificates) -> ssl.SSLContext:
    return client_context(ClientTls(certificates.ca, *certificates.client(Role.AUDITOR)))
