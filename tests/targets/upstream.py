"""A customer system on loopback that deletes, and misbehaves on command."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from aiohttp import web


class Mode(StrEnum):
    GOOD = "good"
    ZERO = "zero"  # 200 {"deleted": 0}, nothing deleted
    HTML = "html"  # 200 and a login page
    REDIRECT = "redirect"
    FAIL = "fail"  # 500
    BUSY = "busy"  # 503 with Retry-After
    HANG = "hang"
    DELETE_AND_HANG = "delete_and_hang"
    CLOSE = "close"
    LIE = "lie"  # says that it deleted, and did not
    ASYNC = "async"  # 202, done when ``finish`` is called
    HUGE = "huge"
    NOT_JSON = "not_json"


@dataclass
class Upstream:
    """Customers by e-mail, with the number of their records; every call that came in, by method and raw path."""

    mode: Mode = Mode.GOOD
    customers: dict[str, int] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    ordered: list[str] = field(default_factory=list)
    retry_after: str = "120"
    url: str = ""

    def finish(self) -> None:
        for email in self.ordered:
            self.customers.pop(email, None)

    def count(self, method: str) -> int:
        return sum(called == method for called, _ in self.calls)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.calls.append((request.method, request.raw_path))
        self.bodies.append(await request.read())
        self.headers.append(dict(request.headers))
        email = request.query.get("email") or request.match_info.get("email", "")
        answer = await self._misbehave(request, email)
        if answer is not None:
            return answer
        if request.method == "DELETE":
            return self._delete(email)
        if email in self.customers:
            return web.json_response({"total": self.customers[email]})
        return web.json_response({"total": 0})

    def _delete(self, email: str) -> web.Response:
        if self.mode is Mode.ASYNC:
            self.ordered.append(email)
            return web.json_response({"state": "queued"}, status=202)
        if self.mode is Mode.LIE:
            return web.json_response({"deleted": 1})
        records = self.customers.pop(email, None)
        if records is None:
            return web.json_response({"error": "not found"}, status=404)
        return web.json_response({"deleted": records})

    async def _misbehave(self, request: web.Request, email: str) -> web.StreamResponse | None:
        if self.mode is Mode.ZERO and request.method == "DELETE":
            return web.json_response({"deleted": 0})
        if self.mode is Mode.HANG:
            await asyncio.sleep(30)
        if self.mode is Mode.DELETE_AND_HANG and request.method == "DELETE":
            self.customers.pop(email, None)
            await asyncio.sleep(30)
        if self.mode is Mode.CLOSE and request.transport is not None:
            request.transport.close()
            return web.Response()
        answer = self._fixed_answers(email).get(self.mode)
        return web.Response(**answer) if answer is not None else None

    def _fixed_answers(self, email: str) -> dict[Mode, dict[str, Any]]:
        return {
            Mode.FAIL: {"status": 500, "text": f"no luck for {email}"},
            Mode.BUSY: {"status": 503, "headers": {"Retry-After": self.retry_after}},
            Mode.HTML: {"text": f"<html>log in, {email}</html>", "content_type": "text/html"},
            Mode.REDIRECT: {"status": 307, "headers": {"Location": f"{self.url}/elsewhere"}},
            Mode.HUGE: {"body": b'"' + b"x" * 3_000_000 + b'"', "content_type": "application/json"},
            Mode.NOT_JSON: {"text": f"deleted {email}", "content_type": "application/json"},
        }


@asynccontextmanager
async def running_upstream() -> AsyncIterator[Upstream]:
    """Serve an upstream on a free port."""
    upstream = Upstream()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", upstream.handle)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    upstream.url = f"http://{host}:{port}"
    try:
        yield upstream
    finally:
        await runner.cleanup()


def target_mapping(url: str, timeout_s: float = 5.0) -> dict[str, object]:
    """The configuration of a target on such an upstream. A busy machine must not look like one that hangs."""
    return {
        "delete": {
            "method": "DELETE",
            "url": f"{url}/customers?email={{email}}",
            "done": {"status": [200], "where": ["/deleted >= 1"]},
            "no_data": {"status": [404]},
            "accepted": {"status": [202]},
            "count": "/deleted",
            "timeout_s": timeout_s,
        },
        "verify": {
            "method": "GET",
            "url": f"{url}/search?email={{email}}",
            "gone": {"status": [200], "where": ["/total == 0"]},
            "present": {"status": [200], "where": ["/total >= 1"]},
            "count": "/total",
            "timeout_s": timeout_s,
        },
    }
