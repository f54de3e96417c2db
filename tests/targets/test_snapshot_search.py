"""Snapshots of a search cluster, listed by its API (E37). Against a stand-in with the documented shapes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web
from pydantic import ValidationError

from sidecar.targets.backup_settings import SearchSnapshotSet
from sidecar.targets.snapshot_search import SearchObserver
from sidecar.targets.snapshots import Snapshot, SnapshotsUnknown
from sidecar.targets.target import TargetFault

FIRST, SECOND = 1740276000000, 1740362400123
TAKEN = [
    {"snapshot": "chats-1", "state": "SUCCESS", "start_time_in_millis": FIRST, "indices": ["chats-1"]},
    {"snapshot": "chats-2", "state": "PARTIAL", "start_time_in_millis": SECOND, "indices": ["chats-1"]},
]


@dataclass
class Repository:
    """Answers as it is told to, and notes what it was asked."""

    url: str = ""
    answer: Any = field(default_factory=lambda: {"snapshots": TAKEN, "total": 2, "remaining": 0})
    status: int = 200
    asked: list[str] = field(default_factory=list)
    authorization: str | None = None

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append(str(request.rel_url))
        self.authorization = request.headers.get("Authorization")
        return web.Response(body=json.dumps(self.answer), content_type="application/json", status=self.status)


@asynccontextmanager
async def repository() -> AsyncIterator[Repository]:
    made = Repository()
    app = web.Application()
    app.router.add_get("/{path:.*}", made.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    made.url = f"http://{host}:{port}"
    try:
        yield made
    finally:
        await runner.cleanup()


def backup_set(at: str, **changes: Any) -> SearchSnapshotSet:
    mapping = {"name": "s", "type": "search", "url": at, "repository": "nightly", "kept_days": 30}
    return SearchSnapshotSet.model_validate(mapping | {"timeout_seconds": 3} | changes)


def observer(url: str, **changes: Any) -> SearchObserver:
    return SearchObserver(backup_set(url, **changes), {"Authorization": "ApiKey hidden"})


async def test_E37_a_cluster_tells_when_snapshots_were_begun_partial_ones_too() -> None:
    async with repository() as there:
        found = await observer(there.url, pattern="chats-*").snapshots()
        assert found == [
            Snapshot(datetime(2025, 2, 23, 2, tzinfo=UTC)),
            Snapshot(datetime(2025, 2, 24, 2, 0, 0, 123000, tzinfo=UTC)),
        ]
        (asked,) = there.asked
        assert asked.startswith("/_snapshot/nightly/chats-*?ignore_unavailable=false")
        assert "filter_path=" in asked
        assert there.authorization == "ApiKey hidden"


@pytest.mark.parametrize("answer", [{}, {"snapshots": []}, {"total": 0, "remaining": 0}])
async def test_E37_an_empty_repository_is_an_empty_list(answer: Any) -> None:
    async with repository() as there:
        there.answer = answer
        assert await observer(there.url).snapshots() == []


NONSENSE = [
    [],
    "snapshots",
    {"snapshots": {}},
    {"snapshots": [{}]},
    {"snapshots": ["chats-1"]},
    {"snapshots": [{"start_time_in_millis": "1740276000000"}]},
    {"snapshots": [{"start_time_in_millis": True}]},
    {"snapshots": [{"start_time_in_millis": 2**60}]},
    {"snapshots": TAKEN, "total": 5, "remaining": 3},
    {"snapshots": TAKEN, "next": "c25hcHNob3Q="},
]


@pytest.mark.parametrize("answer", NONSENSE)
async def test_E37_what_a_cluster_does_not_say_is_not_made_up(answer: Any) -> None:
    async with repository() as there:
        there.answer = answer
        with pytest.raises(SnapshotsUnknown) as caught:
            await observer(there.url).snapshots()
        assert caught.value.fault is TargetFault.UNEXPECTED_BODY


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (404, TargetFault.MISCONFIGURED),
        (403, TargetFault.NOT_PERMITTED),
        (429, TargetFault.BUSY),
        (500, TargetFault.UNEXPECTED_STATUS),
    ],
)
async def test_E37_a_cluster_that_refuses_is_a_fault(status: int, fault: TargetFault) -> None:
    async with repository() as there:
        there.status = status
        with pytest.raises(SnapshotsUnknown) as caught:
            await observer(there.url).snapshots()
        assert caught.value.fault is fault


async def test_E37_a_cluster_that_is_not_there_is_a_fault() -> None:
    with pytest.raises(SnapshotsUnknown) as caught:
        await observer("http://127.0.0.1:1").snapshots()
    assert caught.value.fault is TargetFault.UNREACHABLE


@pytest.mark.parametrize(
    "changes", [{"url": "http://search.example.org"}, {"repository": "a/b"}, {"repository": "*"}, {"pattern": "a,b"}]
)
def test_what_is_not_sound_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        backup_set("https://search.example.org", **changes)
