"""A sample chatbot, for the demonstration and for tests: a conversation API on loopback, with chats that we wrote.

It stands for the system behind the sidecar and so knows nothing of it: it answers with personal data in clear, to
anyone who can reach it. ::

    GET    /api/conversations                 {"conversations": [{"id", "customer", "created_at", "message_count"}]}
    GET    /api/conversations/{id}            {"conversation": {"id", "customer", "order"?, "messages": […]}}
    POST   /api/conversations/{id}/messages   {"text"} -> 201 {"conversation": {"id", "messages": [said, answered]}}
    DELETE /api/customers/{email}             {"deleted": n}, or 404 where there is nobody of that address
    GET    /api/customers/{email}/count       {"conversations": n}, counted anew from all that is kept
    GET    /health                            {"status": "ok"}

With ``--state FILE`` changes outlive a kill -9: the file is replaced whole, and synced, before a change is answered.
Run it by itself with ``python -m sidecar.demo.chatbot --port 0``; it prints ``{"port": n}`` when it is ready.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

from aiohttp import web

from sidecar.disk import write_whole

Chat = dict[str, Any]
ANSWER = "Thanks for your message! One of our agents will be with you shortly."
HOST = "127.0.0.1"
_TEXT_LIMIT = 10_000


class Chats:
    """All chats, by id, in order. With a path, every change is durable before it returns."""

    def __init__(self, chats: dict[str, Chat], path: Path | None) -> None:
        self._chats = chats
        self._path = path

    @classmethod
    def load(cls, path: Path | None = None) -> Chats:
        """Return what the state file holds, or the chats that we ship where there is none yet."""
        source = path if path is not None and path.exists() else files("sidecar.demo").joinpath("chats.json")
        found = json.loads(source.read_text(encoding="utf-8"))
        return cls({one["conversation"]["id"]: one["conversation"] for one in found}, path)

    def summaries(self) -> list[Chat]:
        return [
            {
                "id": chat["id"],
                "customer": chat["customer"],
                "created_at": chat["messages"][0]["created_at"] if chat["messages"] else None,
                "message_count": len(chat["messages"]),
            }
            for chat in self._chats.values()
        ]

    def get(self, chat_id: str) -> Chat | None:
        return self._chats.get(chat_id)

    def say(self, chat: Chat, text: str, created_at: str) -> list[Chat]:
        """Add what a customer says and the bot's answer; return both."""
        start = len(chat["messages"]) + 1
        said = [
            {"id": f"{chat['id']}-{start + step}", "speaker": speaker, "text": words, "created_at": created_at}
            for step, (speaker, words) in enumerate((("customer", text), ("agent", ANSWER)))
        ]
        self._replace({**self._chats, chat["id"]: {**chat, "messages": [*chat["messages"], *said]}})
        return said

    def delete_customer(self, email: str) -> int:
        """Delete every chat of a customer, and return how many there were."""
        kept = {chat_id: chat for chat_id, chat in self._chats.items() if not _belongs_to(chat, email)}
        deleted = len(self._chats) - len(kept)
        if deleted:
            self._replace(kept)
        return deleted

    def count_of(self, email: str) -> int:
        """Count a customer's chats in what is kept: in the file, where there is one, not in what was answered."""
        if self._path is None or not self._path.exists():
            return sum(_belongs_to(chat, email) for chat in self._chats.values())
        kept = json.loads(self._path.read_text(encoding="utf-8"))
        return sum(_belongs_to(one["conversation"], email) for one in kept)

    def _replace(self, chats: dict[str, Chat]) -> None:
        if self._path is not None:
            write_whole(self._path, json.dumps([{"conversation": chat} for chat in chats.values()]).encode())
        self._chats = chats


def _belongs_to(chat: Chat, email: str) -> bool:
    return str(chat["customer"]["email"]).casefold() == email.casefold()


class Api:
    """The handlers. Errors are ``{"error": …}`` and repeat nothing of the request."""

    def __init__(self, chats: Chats) -> None:
        self._chats = chats

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/health", self._health),
            web.get("/api/conversations", self._list),
            web.get("/api/conversations/{id}", self._show),
            web.post("/api/conversations/{id}/messages", self._say),
            web.delete("/api/customers/{email}", self._delete),
            web.get("/api/customers/{email}/count", self._count),
        ]

    async def _health(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def _list(self, _request: web.Request) -> web.Response:
        return web.json_response({"conversations": self._chats.summaries()})

    async def _show(self, request: web.Request) -> web.Response:
        chat = self._chats.get(request.match_info["id"])
        return _error(404, "no such conversation") if chat is None else web.json_response({"conversation": chat})

    async def _say(self, request: web.Request) -> web.Response:
        try:
            body = await request.json()
        except ValueError:
            return _error(400, "the body must be JSON")
        text = body.get("text") if isinstance(body, dict) else None
        if not isinstance(text, str) or not 0 < len(text) <= _TEXT_LIMIT:
            return _error(400, f'the body must be {{"text": …}} with 1 to {_TEXT_LIMIT} characters')
        chat = self._chats.get(request.match_info["id"])  # only now: nothing awaits between looking and writing
        if chat is None:
            return _error(404, "no such conversation")
        said = self._chats.say(chat, text, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
        return web.json_response({"conversation": {"id": chat["id"], "messages": said}}, status=201)

    async def _delete(self, request: web.Request) -> web.Response:
        deleted = self._chats.delete_customer(request.match_info["email"])
        return web.json_response({"deleted": deleted}) if deleted else _error(404, "no such customer")

    async def _count(self, request: web.Request) -> web.Response:
        return web.json_response({"conversations": self._chats.count_of(request.match_info["email"])})


def _error(status: int, message: str) -> web.Response:
    return web.json_response({"error": message}, status=status)


@asynccontextmanager
async def running(port: int = 0, state: Path | None = None) -> AsyncIterator[str]:
    """Serve on loopback while the context lasts, and give the address, e.g. ``http://127.0.0.1:41234``."""
    application = web.Application()
    application.add_routes(Api(Chats.load(state)).routes())
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, port).start()
        yield f"http://{HOST}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def _serve(port: int, state: Path | None, *, until_eof: bool) -> None:
    ended = asyncio.Event()
    if until_eof:
        # Whoever started us holds the other end, and lets go of it even when killed.
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), ended.set)
    async with running(port, state) as url:
        print(json.dumps({"port": int(url.rpartition(":")[2])}), flush=True)
        await ended.wait()


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m sidecar.demo.chatbot", description="A sample chatbot on loopback.")
    parser.add_argument("--port", type=int, default=8080, help="0 takes a free one (default 8080)")
    parser.add_argument("--state", type=Path, help="a file that keeps changes; made when first something changes")
    parser.add_argument("--until-eof", action="store_true", help="end when stdin does: with whoever started it")
    args = parser.parse_args()
    try:
        asyncio.run(_serve(args.port, args.state, until_eof=args.until_eof))
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
