"""A chatbot with a database, a cache and an analytics service, as a process: what a sidecar erases a person from.

    GET    /api/conversations/{id}     from Redis, or else from PostgreSQL
    DELETE /analytics/people/{email}   {"deleted": n}, or 404
    GET    /analytics/people/{email}   {"events": n}, counted anew

Prints its port when it is ready.
"""

from __future__ import annotations

import argparse
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import psycopg
import redis

SCHEMA = (
    "CREATE TABLE customers (id INTEGER PRIMARY KEY, email TEXT NOT NULL UNIQUE, name TEXT NOT NULL)",
    "CREATE TABLE conversations (id TEXT PRIMARY KEY, customer INTEGER NOT NULL REFERENCES customers)",
    "CREATE TABLE messages (id SERIAL PRIMARY KEY, conversation TEXT NOT NULL REFERENCES conversations, text TEXT)",
)


class Chatbot(BaseHTTPRequestHandler):
    database = ""
    prefix = ""
    analytics = Path()
    cache: redis.Redis

    def do_GET(self) -> None:
        if self.path.startswith("/analytics/people/"):
            email = unquote(self.path.rpartition("/")[2])
            self._answer(200, {"events": sum(event["email"] == email for event in self._events())})
            return
        chat = self._chat(self.path.rpartition("/")[2])
        self._answer(404 if chat is None else 200, {"conversation": chat})

    def do_DELETE(self) -> None:
        email = unquote(self.path.rpartition("/")[2])
        events = self._events()
        kept = [event for event in events if event["email"] != email]
        self.analytics.write_text(json.dumps(kept))
        gone = len(events) - len(kept)
        self._answer(200 if gone else 404, {"deleted": gone})

    def _events(self) -> list[dict[str, Any]]:
        return list(json.loads(self.analytics.read_text()))

    def _chat(self, chat_id: str) -> Any:
        with psycopg.connect(self.database) as connection:
            row = connection.execute(
                "SELECT email, name FROM customers JOIN conversations c ON c.customer = customers.id WHERE c.id = %s",
                (chat_id,),
            ).fetchone()
            if row is None:
                return None
            cached = self.cache.get(f"{self.prefix}:chat:{row[0]}")
            if cached is not None:
                return json.loads(cached)
            texts = connection.execute("SELECT text FROM messages WHERE conversation = %s ORDER BY id", (chat_id,))
            messages = [{"id": str(n), "speaker": "customer", "text": text} for n, (text,) in enumerate(texts)]
        chat = {"id": chat_id, "customer": {"name": row[1], "email": row[0]}, "messages": messages}
        self.cache.set(f"{self.prefix}:chat:{row[0]}", json.dumps(chat))
        return chat

    def _answer(self, status: int, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("--database", "--redis", "--prefix", "--analytics"):
        parser.add_argument(name, required=True)
    given = parser.parse_args()
    Chatbot.database, Chatbot.prefix, Chatbot.analytics = given.database, given.prefix, Path(given.analytics)
    Chatbot.cache = redis.Redis.from_url(given.redis)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Chatbot)
    print(json.dumps({"port": server.server_port}), flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
