"""Stand-ins for vector stores, with the shapes of their documentation. Vectors are kept by the customer they are of."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web

Json = Mapping[str, Any]
_STRING: Final = r'"(?:[^"\\]|\\.)*"'
_AGGREGATE: Final = re.compile(
    rf'\{{ Aggregate \{{ Chat\(where: \{{path: \["customer"\], operator: Equal, valueText: (?P<who>{_STRING})\}}\) '
    r"\{ meta \{ count \} \} \} \}"
)


@dataclass
class VectorStore:
    """``lags``: looks that still show what was deleted. ``refuses``: every call is an error, with status 200."""

    url: str = ""
    vectors: dict[str, int] = field(default_factory=dict)
    lags: int = 0
    refuses: bool = False
    secrets: list[str | None] = field(default_factory=list)
    _gone: dict[str, int] = field(default_factory=dict)

    def delete(self, who: str) -> int:
        self._gone[who] = count = self.vectors.pop(who, 0)
        return count

    def seen(self, who: str) -> int:
        if self.lags and self._gone.get(who):
            self.lags -= 1
            return self._gone[who]
        return self.vectors.get(who, 0)


def qdrant(store: VectorStore, path: str, body: Json) -> Json:
    (wanted,) = body["filter"]["must"]
    assert wanted["key"] == "customer"
    who = wanted["match"]["value"]
    if path == "/collections/chats/points/delete?wait=true":
        store.delete(who)
        return {"status": "ok", "time": 0.001, "result": {"operation_id": 7, "status": "completed"}}
    assert (path, body["exact"]) == ("/collections/chats/points/count", True)
    return {"status": "ok", "time": 0.001, "result": {"count": store.seen(who)}}


def weaviate(store: VectorStore, path: str, body: Json) -> Json:
    if path == "/v1/batch/objects":
        where = body["match"]["where"]
        assert (body["match"]["class"], where["path"], where["operator"]) == ("Chat", ["customer"], "Equal")
        count = store.delete(where["valueText"])
        results = {"matches": count, "limit": 10000, "successful": count, "failed": 0, "objects": None}
        return {"match": body["match"], "output": "minimal", "dryRun": False, "results": results}
    assert path == "/v1/graphql"
    asked = _AGGREGATE.fullmatch(body["query"])
    if asked is None:
        return {"data": {"Aggregate": None}, "errors": [{"message": "Syntax Error GraphQL request"}]}
    return {"data": {"Aggregate": {"Chat": [{"meta": {"count": store.seen(json.loads(asked["who"]))}}]}}}


def pinecone(store: VectorStore, path: str, body: Json) -> Json:
    assert body["namespace"] == "chats"
    who = body["filter"]["customer"]["$eq"]
    if path == "/vectors/delete":
        store.delete(who)
        return {}
    assert (path, body["limit"]) == ("/vectors/fetch_by_metadata", 1)
    found = {"chat-1": {"id": "chat-1", "values": [0.1], "metadata": {"customer": who}}} if store.seen(who) else {}
    return {"namespace": "chats", "vectors": found, "usage": {"readUnits": 1}}


REFUSALS: Final[Mapping[Callable[..., Json], Json]] = {
    qdrant: {"status": {"error": "Wrong input"}, "time": 0.0},
    weaviate: {"errors": [{"message": "no such class"}], "results": None, "data": None},
    pinecone: {"code": 3, "message": "metadata filter is not supported", "details": []},
}


@asynccontextmanager
async def running(kind: Callable[[VectorStore, str, Json], Json], secret: str) -> AsyncIterator[VectorStore]:
    """``secret``: the header in which the store wants its key."""
    store = VectorStore()

    async def handle(request: web.Request) -> web.Response:
        store.secrets.append(request.headers.get(secret))
        body = await request.json()
        return web.json_response(REFUSALS[kind] if store.refuses else kind(store, str(request.rel_url), body))

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    store.url = f"http://{host}:{port}"
    try:
        yield store
    finally:
        await runner.cleanup()
