"""A whole data listener over TLS, with an upstream that can misbehave behind it and a raw client in front of it.

Upstream and client speak bytes, not HTTP libraries: what they send and get is what was on the wire.
"""

from __future__ import annotations

import asyncio
import re
import resource
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

from sidecar.access import Identity, KnownCaller, Role
from sidecar.audit.denials import DenialLimits
from sidecar.audit.record import AuditWriter, Event, Intent, Outcome
from sidecar.errors import AuditUnavailable
from sidecar.keys import MasterKey, Purpose
from sidecar.metrics import Metrics
from sidecar.payloads.document import Edit, LeafKind, PayloadFormat
from sidecar.payloads.field_map import FieldMap
from sidecar.proxy.admission import Admission
from sidecar.proxy.amending import own_url_edits
from sidecar.proxy.body_budget import BodyBudget
from sidecar.proxy.exchange import Exchange, Parts
from sidecar.proxy.listener import DataListener, ListenerSettings
from sidecar.proxy.meter import Meter
from sidecar.proxy.overhearing import Overhearing
from sidecar.proxy.passage import PLAIN, Passage
from sidecar.proxy.rewriter import Rewriter, Rewritten
from sidecar.proxy.routes import BodyMode, Limits, Route, RouteTable
from sidecar.proxy.scanning import Scanner
from sidecar.proxy.upstream import Upstream, UpstreamSettings
from sidecar.redaction.policy import Policy

TOKEN = "a-token-that-only-trainers-know"  # no secret: made for these tests
AUTH = f"Authorization: Bearer {TOKEN}\r\n".encode()
TRAINER = Identity("trainer-tool", frozenset({Role.TRAINER}))
AUDITOR_TOKEN = "a-token-of-an-auditor"
EMAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.]+")
CANARY = "jane.roe@canary.example"

MANY_DENIALS = DenialLimits(per_minute=10_000, in_all_per_minute=10_000)
Handler = Callable[["Received", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


# --- the upstream -----------------------------------------------------------------------------------------------------


@dataclass
class Received:
    """One request as the upstream got it, byte for byte; ``ended`` is set when its connection is gone."""

    head: bytes
    body: bytes = b""
    connection: int = 0
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def target(self) -> bytes:
        return self.head.split(b" ", 2)[1]

    @property
    def fields(self) -> list[tuple[bytes, bytes]]:
        lines = self.head.split(b"\r\n")[1:]
        return [(name.lower(), value.strip()) for name, _, value in (line.partition(b":") for line in lines if line)]

    def values(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.fields if key == name.lower()]


class RawUpstream:
    """Reads requests and lets ``handler`` write whatever it likes as an answer."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.requests: list[Received] = []
        self.connections = 0
        self._tasks: set[asyncio.Task[Any]] = set()
        self._came = asyncio.Event()

    async def arrived(self, count: int = 1) -> None:
        """Wait until that many requests' heads have come."""
        async with asyncio.timeout(10):
            while len(self.requests) < count:
                self._came.clear()
                await self._came.wait()

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        number = self.connections
        received: Received | None = None
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                received = Received(head[:-2], connection=number)
                self.requests.append(received)
                self._came.set()
                await self.handler(received, reader, writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, EOFError):
            pass
        finally:
            if received is not None:
                received.ended.set()
            writer.close()
            self._tasks.discard(task)


async def read_body(received: Received, reader: asyncio.StreamReader) -> bytes:
    """Read a request's body into ``received`` as its framing says."""
    if length := received.values(b"content-length"):
        received.body = await reader.readexactly(int(length[0]))
    elif received.values(b"transfer-encoding"):
        while size := int((await reader.readline()).split(b";")[0], 16):
            received.body += await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readexactly(2)
    return received.body


def answering(
    body: bytes = b"{}", fields: Sequence[str] = ("Content-Type: application/json",), status: str = "200 OK"
) -> Handler:
    """A well-behaved upstream that always gives this answer."""

    async def handler(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_body(received, reader)
        writer.write(answer(b"" if received.head.startswith(b"HEAD") else body, fields, status, length=len(body)))

    return handler


def answer(
    body: bytes, fields: Sequence[str] = ("Content-Type: application/json",), status: str = "200 OK", *, length: int
) -> bytes:
    lines = [f"HTTP/1.1 {status}", *fields, f"Content-Length: {length}", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def raw(data: bytes, *, then_close: bool = False) -> Handler:
    """An upstream that answers with exactly these bytes."""

    async def handler(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_body(received, reader)
        writer.write(data)
        if then_close:
            await writer.drain()
            writer.close()
            raise EOFError

    return handler


# --- fakes of the parts that have their own tests ---------------------------------------------------------------------


class MemoryAudit:
    """An audit log in memory. ``full`` makes it refuse; ``gate`` holds intents back until it is set."""

    def __init__(self) -> None:
        self.intents: list[Intent] = []
        self.outcomes: list[Outcome] = []
        self.events: list[Event] = []
        self.changed = asyncio.Event()
        self.full = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def intend(self, intent: Intent) -> None:
        await self.gate.wait()
        if self.full:
            raise AuditUnavailable("no space left")
        self.intents.append(intent)

    async def conclude(self, outcome: Outcome) -> None:
        await asyncio.sleep(0)
        if self.full:
            raise AuditUnavailable("no space left")
        self.outcomes.append(outcome)
        self.changed.set()

    async def note(self, event: Event) -> None:
        await asyncio.sleep(0)
        if self.full:
            raise AuditUnavailable("no space left")
        self.events.append(event)


class EmailRewriter:
    """Replaces e-mail addresses in every string. ``before`` runs first: it may raise or hang, like a detector."""

    def __init__(self) -> None:
        self.before: Callable[[], Awaitable[None]] | None = None
        self.texts: list[str] = []

    def remembered(self, *what: object) -> None:
        """Nothing: every payload is rewritten."""

    async def rewrite(
        self,
        text: str,
        payload_format: PayloadFormat,
        fields: FieldMap,
        policy: Policy,
        fallback_scope: str,
        passage: Passage = PLAIN,
    ) -> Rewritten:
        self.texts.append(text)
        if self.before is not None:
            await self.before()
        document = payload_format.parse(text)
        found = 0
        edits: dict[int, Edit] = {}
        for leaf in document.leaves:
            clean, count = EMAIL.subn("[EMAIL_1]", leaf.text) if leaf.kind is LeafKind.STRING else (leaf.text, 0)
            if count:
                edits[leaf.index] = clean
                found += count
        if passage.urls is not None:
            edits.update(own_url_edits(document.leaves, edits, fields, passage.urls))
        entities = {"EMAIL": found} if found else {}
        return Rewritten(body=document.render(edits), entities=entities, residuals=0, conversations=("k1:00",))


# --- the sidecar ------------------------------------------------------------------------------------------------------


def route(name: str = "chats", path_prefix: str = "/api", **changes: Any) -> Route:
    plain = Route(
        name=name,
        path_prefix=path_prefix,
        methods=frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"}),
        upstream="chatbot",
        roles=frozenset({Role.TRAINER}),
        fields=FieldMap(),
    )
    return replace(plain, **changes)


OPAQUE = route("files", "/files", body=BodyMode.OPAQUE)


@dataclass
class Rig:
    """A running data listener with everything around it."""

    listener: DataListener
    exchange: Exchange
    upstream: RawUpstream
    audit: MemoryAudit
    rewriter: EmailRewriter
    metrics: Metrics
    trust: ssl.SSLContext

    async def connect(self) -> Client:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.listener.port, ssl=self.trust)
        return Client(reader, writer)

    def unsent_bytes(self) -> int:
        """What the sidecar has written to its clients, and holds because they don't read (P45)."""
        gate = self.listener._gate
        assert gate is not None
        transports = [one.transport for one in gate.connections if one.transport is not None]
        assert transports, "nobody is connected"
        return sum(one.get_write_buffer_size() for one in transports)

    async def send(self, data: bytes, method: str = "GET") -> Answered:
        """Open a connection, send these bytes, and return the answer to them."""
        client = await self.connect()
        try:
            client.writer.write(data)
            return await client.answer(method)
        finally:
            await client.close()

    async def get(self, target: str = "/api/chats/1", *lines: str, method: str = "GET") -> Answered:
        return await self.send(request(method, target, *lines), method)

    async def post(self, body: bytes, *lines: str, target: str = "/api/chats/1") -> Answered:
        kind = () if any(line.lower().startswith("content-type") for line in lines) else (JSON,)
        return await self.send(request("POST", target, *kind, *lines, f"Content-Length: {len(body)}") + body)

    async def outcome(self) -> Outcome:
        """Return the only outcome, after checking that it belongs to the only intent (P58)."""
        await self.settled(1)
        assert [intent.exchange_id for intent in self.audit.intents] == [self.audit.outcomes[0].exchange_id]
        return self.audit.outcomes[0]

    async def settled(self, exchanges: int) -> None:
        """Wait for that many pairs of records, and see that there are no more."""
        async with asyncio.timeout(10):
            while len(self.audit.outcomes) < exchanges:
                self.audit.changed.clear()
                await self.audit.changed.wait()
        await self.exchange.settle()
        assert len(self.audit.intents) == len(self.audit.outcomes) == exchanges


JSON = "Content-Type: application/json"


def request(method: str, target: str, *lines: str, host: str = "sidecar.example") -> bytes:
    """A request's head with a host and a token."""
    head = [f"{method} {target} HTTP/1.1", f"Host: {host}", *lines]
    return "\r\n".join(head).encode("latin-1") + b"\r\n" + AUTH + b"\r\n"


@asynccontextmanager
async def running(
    handler: Handler,
    contexts: tuple[ssl.SSLContext, ssl.SSLContext],
    routes: Sequence[Route] = (route(), OPAQUE),
    *,
    callers: Sequence[KnownCaller] = (),
    settings: ListenerSettings | None = None,
    upstream_changes: Mapping[str, Any] = MappingProxyType({}),
    max_inflight: int = 512,
    denials: DenialLimits = MANY_DENIALS,
    clock: Callable[[], float] = time.monotonic,
    budget: BodyBudget | None = None,
    real: Callable[[Metrics], tuple[AuditWriter, Rewriter]] | None = None,
    closed_upstreams: Collection[str] = frozenset(),
    overhearing: Overhearing | None = None,
    detection_is_full: Callable[[], bool] = lambda: False,
) -> AsyncIterator[Rig]:
    """Start everything, and stop it without leaving a task or an unconcluded exchange behind.

    ``real`` makes the audit log and the rewriter to use instead of the fakes. What is in ``closed_upstreams`` at any
    moment is not asked.
    """
    server, trust = contexts
    raw_upstream = RawUpstream(handler)
    port = await raw_upstream.start()
    plain = UpstreamSettings("chatbot", f"http://127.0.0.1:{port}", read_seconds=5)
    upstream = Upstream(replace(plain, **upstream_changes))
    await upstream.start()
    audit, rewriter, metrics = MemoryAudit(), EmailRewriter(), Metrics()
    meter = Meter(metrics)
    token = KnownCaller(TRAINER, token_sha256=sha256(TOKEN.encode()).digest())
    auditor = KnownCaller(
        Identity("auditor", frozenset({Role.AUDITOR})), token_sha256=sha256(AUDITOR_TOKEN.encode()).digest()
    )
    used_audit, used_rewriter = real(metrics) if real else (audit, cast(Rewriter, rewriter))
    exchange = Exchange(
        Parts(
            admission=Admission(RouteTable(routes), (token, auditor, *callers), lambda: closed_upstreams),
            upstreams={"chatbot": upstream},
            scanner=Scanner(used_rewriter, meter, overhearing),
            audit=used_audit,
            pseudonyms=MasterKey(bytes(32)).pseudonymizer(Purpose.AUDIT_PSEUDONYM),
            meter=meter,
            detector_version=lambda: "test",
            detection_is_full=detection_is_full,
            max_inflight=max_inflight,
            denials=denials,
            clock=clock,
            budget=budget or BodyBudget(2**30, metrics),
        )
    )
    listener = DataListener(
        settings or ListenerSettings("127.0.0.1", 0, drain_delay_seconds=0, drain_seconds=0.1), server, exchange
    )
    await listener.start()
    try:
        yield Rig(listener, exchange, raw_upstream, audit, rewriter, metrics, trust)
    finally:
        await listener.stop()
        await upstream.stop()
        await raw_upstream.stop()


def resident_bytes() -> int:
    """Now, and not the most there ever was: that says nothing in a process that was larger before."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


QUICK = Limits(request_body_seconds=0.3, rewrite_seconds=0.3, exchange_seconds=1.0, client_stall_seconds=0.5)


# --- the client -------------------------------------------------------------------------------------------------------


@dataclass
class Answered:
    """One response off the wire. ``complete``: it ended as its framing says, and not by a lost connection."""

    status: int
    head: bytes
    body: bytes
    complete: bool

    def values(self, name: str) -> list[str]:
        lines = self.head.decode("utf-8").split("\r\n")[1:]
        pairs = (line.partition(":") for line in lines if line)
        return [value.strip() for key, _, value in pairs if key.lower() == name.lower()]

    @property
    def whole(self) -> bytes:
        return self.head + b"\r\n" + self.body


class Client:
    """One TLS connection. Reads responses by their framing."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def close(self) -> None:
        self.writer.transport.abort()
        with suppress(ConnectionError, ssl.SSLError):
            await self.writer.wait_closed()

    async def answer(self, method: str = "GET") -> Answered:
        """Read the next final response, passing over interim ones."""
        async with asyncio.timeout(15):
            head = (await self.reader.readuntil(b"\r\n\r\n"))[:-2]
            status = int(head.split(b" ", 2)[1])
            if status < 200:
                return await self.answer(method)
            answered = Answered(status, head, b"", complete=True)
            if method != "HEAD" and status not in (204, 304):
                try:
                    answered.body, answered.complete = await self._body(answered)
                except asyncio.IncompleteReadError as error:
                    answered.body, answered.complete = error.partial, False
                except (ConnectionError, ssl.SSLError):
                    answered.complete = False
            return answered

    async def _body(self, answered: Answered) -> tuple[bytes, bool]:
        lengths, codings = answered.values("Content-Length"), answered.values("Transfer-Encoding")
        assert len(lengths) + len(codings) <= 1, "framed in two ways"
        if lengths:
            return await self.reader.readexactly(int(lengths[0])), True
        if not codings:
            return await self.reader.read(), True
        assert codings == ["chunked"]
        body = b""
        while True:
            line = await self.reader.readline()
            if not line.endswith(b"\n"):
                return body, False
            size = int(line, 16)
            try:
                data = await self.reader.readexactly(size + 2)
            except asyncio.IncompleteReadError as error:
                return body + error.partial, False
            if size == 0:
                return body, True
            body += data[:-2]

    async def is_closed(self) -> bool:
        """Whether the other end closes within a second, sending nothing more."""
        try:
            async with asyncio.timeout(1):
                return await self.reader.read(1) == b""
        except TimeoutError:
            return False
        except (ConnectionError, ssl.SSLError):
            return True
