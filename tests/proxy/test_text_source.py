"""X6 over real sockets: annotations written back through the sidecar arrive at the right words of the original."""

from __future__ import annotations

import asyncio
import json
import ssl
from typing import Any

import pytest

from sidecar.access import Role
from sidecar.audit.record import AuditWriter
from sidecar.metrics import Metrics
from sidecar.payloads.presets import load_preset
from sidecar.proxy.rewriter import Rewriter
from sidecar.proxy.routes import BodyMode, RequestPolicy, Route
from tests.proxy import rewriting
from tests.proxy.rig import MemoryAudit, Received, answer, read_body, request, route, running

Contexts = tuple[ssl.SSLContext, ssl.SSLContext]
MAIL = "ottilie@brandvold.example"
TEXT = f"hi, {MAIL} is my mail"
SHOWN = "hi, [EMAIL_1] is my mail"
FIELDS = load_preset("label-studio")


class LabelStudio:
    """Holds one task and what was annotated of it; answers 401 without a session."""

    def __init__(self) -> None:
        self.task: Any = {"id": 41, "data": {"text": TEXT}}
        self.stored: Any = None
        self.requests: list[Received] = []

    async def __call__(self, received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = await read_body(received, reader)
        self.requests.append(received)
        status, data = self._answer(received, body)
        encoded = json.dumps(data).encode()
        writer.write(answer(encoded, status=status, length=len(encoded)))

    def _answer(self, received: Received, body: bytes) -> tuple[str, Any]:
        path = received.target.decode()
        if received.values(b"cookie") != [b"session=1"]:
            return "401 Unauthorized", {}
        if path == "/api/tasks/41/":
            return "200 OK", self.task
        if received.head.startswith((b"POST", b"PATCH")):
            self.stored = {**json.loads(body), "id": 9, "task": 41}
            return "201 Created", self.stored
        if path == "/api/annotations/9/":
            return "200 OK", self.stored
        return "404 Not Found", {}


def real(metrics: Metrics) -> tuple[AuditWriter, Rewriter]:
    return MemoryAudit(), rewriting.Parts().rewriter


def routes(**changes: Any) -> list[Route]:
    methods = frozenset({"GET", "POST", "PATCH"})
    return [route("ls", "/api", fields=FIELDS, methods=methods, **changes)]


def annotation(words: str, start: int) -> dict[str, Any]:
    value = {"start": start, "end": start + len(words), "text": words, "labels": ["PII"]}
    return {"result": [{"id": "r", "from_name": "l", "to_name": "t", "type": "labels", "value": value}]}


def sending(method: str, target: str, body: Any, *lines: str) -> bytes:
    data = json.dumps(body).encode()
    head = ("Content-Type: application/json", "Cookie: session=1", f"Content-Length: {len(data)}", *lines)
    return request(method, target, *head) + data


@pytest.mark.parametrize("policy", [RequestPolicy.REDACT, RequestPolicy.PASS])
async def test_X6_annotate_write_back_and_read_again(policy: RequestPolicy, contexts: Contexts) -> None:
    upstream = LabelStudio()
    async with running(upstream, contexts, routes(request_policy=policy), real=real) as rig:
        task = json.loads((await rig.get("/api/tasks/41/", "Cookie: session=1")).body)
        assert task["data"]["text"] == SHOWN
        sent = annotation("[EMAIL_1] is", 4)
        answered = await rig.send(sending("POST", "/api/tasks/41/annotations/?project=1", sent))
        assert answered.status == 201
        value = upstream.stored["result"][0]["value"]
        assert (value["text"], TEXT[value["start"] : value["end"]]) == (f"{MAIL} is", f"{MAIL} is")
        assert json.loads(answered.body)["result"] == sent["result"]
        fetched = [one for one in upstream.requests if one.head.startswith(b"GET")]
        assert len(fetched) == 2, "read by the trainer, and once for the annotation"
        assert fetched[1].values(b"content-type") == fetched[1].values(b"content-length") == []

        again = json.loads((await rig.get("/api/annotations/9/", "Cookie: session=1")).body)
        assert again["result"] == sent["result"]
        changed = annotation("is my", 14)
        assert (await rig.send(sending("PATCH", "/api/annotations/9/", changed))).status == 201
        value = upstream.stored["result"][0]["value"]
        assert TEXT[value["start"] : value["end"]] == "is my"
        assert b"brandvold" not in answered.whole


async def test_X6_refused_where_the_text_can_not_be_had_or_is_another(contexts: Contexts) -> None:
    upstream = LabelStudio()
    async with running(upstream, contexts, routes(), real=real) as rig:
        sent = annotation("[EMAIL_1]", 4)
        cookieless = sending("POST", "/api/tasks/41/annotations/", sent).replace(b"Cookie: session=1\r\n", b"")
        upstream_down = [
            await rig.send(cookieless),
            await rig.send(sending("POST", "/api/tasks/42/annotations/", sent)),
            await rig.send(sending("POST", "/api/elsewhere", sent)),
        ]
        upstream.task = {"id": 41, "data": {"text": f"changed since, {MAIL} is my mail"}}
        upstream_down.append(await rig.send(sending("POST", "/api/tasks/41/annotations/", sent)))
        assert [one.status for one in upstream_down] == [409] * 4
        assert upstream.stored is None


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"roles": frozenset({Role.AUDITOR})}, 403),
        ({"body": BodyMode.OPAQUE}, 409),
        ({"methods": frozenset({"PUT"})}, 409),
    ],
)
async def test_X6_the_text_is_read_only_by_a_route_that_shows_it_to_the_caller(
    changes: dict[str, Any], status: int, contexts: Contexts
) -> None:
    upstream = LabelStudio()
    tasks = route("tasks", "/api/tasks/41", **{"fields": FIELDS, "methods": frozenset({"GET"}), **changes})
    elsewhere = route("mine", "/api/annotations", fields=FIELDS, methods=frozenset({"GET", "PATCH"}))
    async with running(upstream, contexts, [tasks, elsewhere], real=real) as rig:
        upstream.stored = {"id": 9, "task": 41}
        answered = await rig.send(sending("PATCH", "/api/annotations/9", annotation("[EMAIL_1]", 4)))
        assert answered.status == status
        assert not any(one.head.startswith((b"PATCH", b"GET /api/tasks")) for one in upstream.requests)
