"""P58, P60 with the real rewriter and the real audit log on disk: no canary comes out anywhere, however it ends."""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from pathlib import Path

import pytest

from sidecar.audit.log import AuditLog
from sidecar.audit.record import AuditWriter
from sidecar.audit.settings import AuditSettings
from sidecar.metrics import Metrics
from sidecar.proxy.rewriter import Rewriter
from sidecar.proxy.routes import RequestPolicy
from tests.audit.samples import keys_of, read
from tests.proxy import rewriting
from tests.proxy.rig import JSON, OPAQUE, Received, answer, read_body, request, route, running

Contexts = tuple[ssl.SSLContext, ssl.SSLContext]
EMAIL, CARD = "quirinia.zzolnay@canary.example", "4929 1234 5678 9014"
TRACES = ("quirinia", "zzolnay", "canary", "4929123", "4929 123")

CHAT = {
    "id": 7,
    "messages": [{"text": f"i am {EMAIL}"}, {"text": f"card {CARD}, again: {EMAIL}", "html": f"<a title='{EMAIL}'>"}],
    EMAIL: {"nested": json.dumps({"mail": EMAIL})},
    "number": 4929123456789014,
}
FIELDS = [JSON, f"X-Customer: {EMAIL}", f'Content-Disposition: inline; filename="{EMAIL}.json"', "X-Ok: fine"]


async def chatbot(received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers by path, most of them badly, always with canaries."""
    await read_body(received, reader)
    body = json.dumps(CHAT).encode()
    path = received.target.partition(b"?")[0].rpartition(b"/")[2]
    if path == b"truncated":
        writer.write(answer(body[:-1], FIELDS, length=len(body) - 1))
    elif path == b"html":
        writer.write(answer(f"<p>{EMAIL}".encode(), ["Content-Type: text/html"], length=len(EMAIL) + 3))
    elif path == b"redirect":
        writer.write(answer(b"", [f"Location: /c/{EMAIL}"], "302 Found", length=0))
    elif path == b"badhead":
        writer.write(f"HTTP/1.1 200 {EMAIL}\x01\r\nX: {EMAIL}\r\n\r\n".encode())
    elif path == b"short":
        writer.write(answer(body, FIELDS, length=len(body) + 9))
        await writer.drain()
        writer.close()
        raise EOFError
    else:
        writer.write(answer(body, FIELDS, length=len(body)))


async def test_P60_no_canary_in_answers_records_logs_or_metrics(
    contexts: Contexts, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    path = tmp_path / "audit"
    logs: list[AuditLog] = []

    def real(metrics: Metrics) -> tuple[AuditWriter, Rewriter]:
        logs.append(AuditLog(AuditSettings(path, deadline_seconds=30), keys_of(), metrics))
        return logs[0], rewriting.Parts().rewriter

    routes = [route(), OPAQUE, route("strict", "/strict", request_policy=RequestPolicy.REFUSE)]
    async with running(chatbot, contexts, routes, real=real) as rig:
        await logs[0].start()
        sent = json.dumps(CHAT).encode()
        answers = [await rig.get(f"/api/{EMAIL}/{name}?q={EMAIL}", f"X-Mine: {EMAIL}") for name in ("good", "good")]
        assert [one.status for one in answers] == [200, 200]
        assert answers[0].body == answers[1].body
        assert json.loads(answers[0].body)["id"] == 7
        assert answers[0].values("X-Ok") == ["fine"]
        for name in ("truncated", "html", "redirect", "badhead", "short"):
            answers.append(await rig.get(f"/api/{name}"))
            assert answers[-1].status == 502, name
        answers += [
            await rig.post(sent),
            await rig.post(sent, target="/strict"),
            await rig.post(sent[:-1]),
            await rig.get(f"/{EMAIL}"),
            await rig.send(f"GET /{EMAIL} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {EMAIL}\r\n\r\n".encode()),
            await rig.send(f"GET /{EMAIL}\x01 HTTP/1.1\r\n{EMAIL}\r\n\r\n".encode()),
        ]
        assert [one.status for one in answers[-6:]] == [200, 422, 400, 404, 401, 400]
        gone = await rig.connect()
        gone.writer.write(request("POST", "/api/1", JSON, "Content-Length: 99") + sent[:50])
        await asyncio.sleep(0.1)
        await gone.close()
        await asyncio.sleep(0.1)
        await rig.exchange.settle()
        await logs[0].stop()

        posted = next(received for received in rig.upstream.requests if received.head.startswith(b"POST"))
        assert not any(trace in posted.body.decode().lower() for trace in TRACES)
        samples = repr([sample for metric in rig.metrics.registry.collect() for sample in metric.samples])
    opened = json.dumps(read(path))
    told = [one for one in read(path) if one.get("entities")]
    assert told
    assert all(sum(one["confidence"].values()) == sum(one["entities"].values()) for one in told)  # A23
    for place, text in {
        "answers": "".join(one.whole.decode() for one in answers),
        "audit": opened,
        "audit files": "".join(one.read_text() for one in path.iterdir()),
        "log": caplog.text.replace(str(tmp_path), ""),
        "metrics": samples,
    }.items():
        assert [trace for trace in TRACES if trace in text.lower()] == [], place

    assert len(answers) + 1 == opened.count('"intent"') == opened.count('"outcome"'), "one pair each (P58)"
