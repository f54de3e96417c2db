"""A stand-in for a search cluster, with the shapes of its documentation. Nothing is visible before a refresh."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from sidecar.targets.search import SearchTarget
from sidecar.targets.search_settings import SearchSettings
from tests.targets.rig import Person, Rig

KEYWORD = {"type": "keyword"}


@dataclass
class Cluster:
    """Documents by index; ``written`` are not searched before a refresh. ``conflicts``: of the next runs."""

    url: str = ""
    written: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    searched: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    conflicts: list[int] = field(default_factory=list)
    mapping: dict[str, str] = field(default_factory=lambda: dict(KEYWORD))
    status: int = 200
    changes: dict[str, Any] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    authorization: list[str | None] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.Response:
        index, call = request.match_info["index"], request.match_info["call"]
        self.calls.append(call)
        self.authorization.append(request.headers.get("Authorization"))
        if self.status != 200:
            return web.json_response({"error": {"type": "some_exception"}}, status=self.status)
        body = await request.json() if request.can_read_body else {}
        return web.json_response(self._answer(index, call, body) | self.changes)

    def _answer(self, index: str, call: str, body: Any) -> dict[str, Any]:
        shards = {"_shards": {"total": 2, "successful": 2, "skipped": 0, "failed": 0}}
        if call.startswith("_mapping/field/"):
            name = call.removeprefix("_mapping/field/")
            leaf = {name: {"full_name": name, "mapping": {name.rpartition(".")[2]: self.mapping}}}
            return {"chats-1": {"mappings": leaf}}
        if call == "_refresh":
            self.searched, self.written = [*self.searched, *self.written], []
            return {"_shards": {"total": 4, "successful": 2, "failed": 0}}  # replicas count, and are nowhere
        theirs = [one for one in self.searched if self._meant(one, index, body)]
        if call == "_delete_by_query":
            kept = theirs[: self.conflicts.pop(0) if self.conflicts else 0]
            self.searched = [one for one in self.searched if one not in theirs or one in kept]
            self.searched, self.written = [*self.searched, *self.written], []
            deleted = len(theirs) - len(kept)
            return {"timed_out": False, "total": len(theirs), "deleted": deleted, "version_conflicts": len(kept),
                    "failures": []}  # fmt: skip
        if call == "_count":
            return {"count": len(theirs), **shards}
        return {"timed_out": False, "hits": {"total": {"value": len(theirs), "relation": "eq"}, "hits": []}, **shards}

    @staticmethod
    def _meant(document: tuple[str, dict[str, str]], index: str, body: Any) -> bool:
        pattern = re.escape(index).replace(r"\*", ".*")
        asked = [one["term"] for one in body["query"]["bool"]["should"]]
        return bool(re.fullmatch(pattern, document[0])) and any(
            document[1].get(name) == value for one in asked for name, value in one.items()
        )

    async def put(self, person: Person) -> None:
        for number in range(3):
            document = {"user.email": person.email, "customer": person.customer_id, "n": str(number)}
            self.searched.append((f"chats-{number}", document))

    async def left(self, person: Person) -> int:
        return sum(one[1]["user.email"] == person.email for one in [*self.searched, *self.written])


def search_settings(url: str, **changes: Any) -> SearchSettings:
    match = [{"field": "user.email", "value": "{email}"}, {"field": "customer", "value": "{customer_id}"}]
    mapping: dict[str, Any] = {
        "name": "search", "type": "search", "url": url, "timeout_seconds": 2,
        "indices": [{"index": "chats-*", "match": match}],
    }  # fmt: skip
    return SearchSettings.model_validate(mapping | changes)


def search_target(url: str, **changes: Any) -> SearchTarget:
    return SearchTarget(search_settings(url, **changes), {"Authorization": "ApiKey hidden"}, "erasure.targets[0]")


@asynccontextmanager
async def running_cluster() -> AsyncIterator[Cluster]:
    cluster = Cluster()
    app = web.Application()
    app.router.add_route("*", "/{index}/{call:.*}", cluster.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    cluster.url = f"http://{host}:{port}"
    try:
        yield cluster
    finally:
        await runner.cleanup()


@asynccontextmanager
async def search_rig(_folder: Path) -> AsyncIterator[Rig]:
    async with running_cluster() as cluster:
        yield Rig(
            target=search_target(cluster.url),
            absent=search_target("http://127.0.0.1:1"),
            put=cluster.put,
            left=cluster.left,
        )
