"""All that knows a customer: chatbot, database, cache, archive, analytics, last night's backup; and a sidecar."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import redis
import yaml

from sidecar.access import Role
from sidecar.demo.setup import prepare
from tests.restores.chatbot import SCHEMA
from tests.restores.cluster import Cluster, running_cluster
from tests.scenario.world import World
from tests.services import missing

REDIS_URL = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379")
PATIENCE_S = 60.0
BACKUPS = "chat-%Y%m%dT%H%M.tar"


@dataclass(frozen=True, slots=True)
class Customer:
    """Somebody whose traces can be searched for."""

    number: int
    email: str
    name: str

    @property
    def chat(self) -> str:
        return f"c-{self.number}"


@dataclass(slots=True)
class Business:
    """What a sidecar sits in front of, with real servers. ``stores`` returns all bytes of every live store."""

    world: World
    cluster: Cluster
    cache: redis.Redis
    prefix: str
    folder: Path
    backup: Path
    """Where yesterday's is."""

    def add(self, customer: Customer) -> None:
        """Have a customer chat, and leave traces everywhere."""
        said = [f"hello, I am {customer.name}", f"write to {customer.email} please"]
        with self.cluster.connect() as connection:
            values = (customer.number, customer.email, customer.name)
            connection.execute("INSERT INTO customers VALUES (%s, %s, %s)", values)
            connection.execute("INSERT INTO conversations VALUES (%s, %s)", (customer.chat, customer.number))
            for text in said:
                values_of = (customer.chat, text)
                connection.execute("INSERT INTO messages (conversation, text) VALUES (%s, %s)", values_of)
        with (self.folder / "archive" / "chats.jsonl").open("a") as archive:
            archive.writelines(json.dumps({"email": customer.email, "text": text}) + "\n" for text in said)
        events = json.loads((self.folder / "analytics.json").read_text())
        (self.folder / "analytics.json").write_text(json.dumps([*events, {"email": customer.email, "clicks": 3}]))

    def stores(self) -> dict[str, bytes]:
        self.cluster.rewrite()
        archive = b"".join(path.read_bytes() for path in sorted((self.folder / "archive").rglob("*")) if path.is_file())
        keys = sorted(self.cache.scan_iter(match=f"{self.prefix}*"))
        return {
            "database": self.cluster.table_bytes(),
            "cache": b"".join(key + (self.cache.get(key) or b"") for key in keys),
            "archive": archive,
            "analytics": (self.folder / "analytics.json").read_bytes(),
        }

    def holding(self, customer: Customer) -> set[str]:
        """Return the stores in which any trace of a customer stands."""
        traces = (customer.email.encode(), customer.name.encode())
        return {name for name, data in self.stores().items() if any(trace in data for trace in traces)}

    def erase(self, customer: Customer) -> str:
        request_id = str(uuid4())
        wanted = {
            "id": request_id,
            "regulation": "gdpr",
            "verified_by": "account_login",
            "subject": {
                "identities": [
                    {"type": "email", "value": customer.email},
                    {"type": "customer_id", "value": str(customer.number)},
                ]
            },
        }
        assert self.world.admin("POST", "/v1/erasures", wanted, Role.INTAKE).status == 202
        return request_id

    def status(self, request_id: str) -> Any:
        return self.world.admin("GET", f"/v1/erasures/{request_id}", role=Role.INTAKE).json

    def metric(self, line: str) -> bool:
        """Tell whether a line stands among the metrics."""
        return line.encode() in self.world.admin("GET", "/metrics", role=Role.METRICS).body


def wait_until(holds: Callable[[], object], told: Callable[[], object] = lambda: "") -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, told()
        time.sleep(0.1)


def _erasure(cluster: Cluster, chatbot: str, folder: Path, prefix: str) -> dict[str, Any]:
    by_customer = [{"column": "customer", "value": "{customer_id}"}]
    of_chats = {"table": "conversations", "column": "id", "match": by_customer}
    return {
        "second_look_hours": 0,
        "canary_seconds": 1,
        "targets": [
            {
                "name": "chats",
                "type": "sql",
                "url": {"env": "CHATS_URL"},
                "tables": [
                    {"table": "messages", "match": [{"column": "conversation", "through": of_chats}]},
                    {"table": "conversations", "match": by_customer},
                    {"table": "customers", "match": [{"column": "email", "value": "{email}"}]},
                ],
                "upstreams": ["chatbot"],
                "canary": {"type": "sql", "url": {"env": "CHATS_URL"}},
                "backups": [
                    {
                        "name": "nightly", "type": "files", "folder": str(cluster.folder.parent),
                        "pattern": "*.tar", "time_format": BACKUPS, "kept_days": 7,
                    }
                ],
            },
            {
                "name": "cache", "type": "redis", "url": {"env": "CACHE_URL"},
                "keys": [f"{prefix}:chat:{{email}}"],
            },
            {
                "name": "archive", "type": "files", "folder": str(folder / "archive"), "marker": ".archive",
                "datasets": [
                    {"files": "*.jsonl", "format": "jsonl", "match": [{"field": "/email", "value": "{email}"}]}
                ],
            },
            {
                "name": "analytics", "type": "http",
                "delete": {
                    "method": "DELETE", "url": f"{chatbot}/analytics/people/{{email}}",
                    "done": {"status": [200]}, "no_data": {"status": [404]}, "count": "/deleted",
                },
                "verify": {
                    "method": "GET", "url": f"{chatbot}/analytics/people/{{email}}",
                    "gone": {"status": [200], "where": ["/events == 0"]}, "count": "/events",
                },
            },
        ],
    }  # fmt: skip


@contextmanager
def running_business(folder: Path) -> Iterator[Business]:
    """Start everything; nothing of it is left, whatever happened."""
    prefix = f"sidecar-test-{secrets.token_hex(6)}"
    cache = redis.Redis.from_url(REDIS_URL)
    try:
        cache.ping()
    except redis.RedisError as error:
        missing("Redis", f"{REDIS_URL}: {type(error).__name__}")
    with ExitStack() as stack:
        cluster = stack.enter_context(running_cluster())
        cluster.execute(*SCHEMA)
        (folder / "archive").mkdir()
        (folder / "archive" / ".archive").touch()
        (folder / "analytics.json").write_text("[]")
        stack.callback(lambda: [cache.delete(key) for key in cache.scan_iter(match=f"{prefix}*")])
        chatbot, port = _chatbot(stack, cluster, prefix, folder)
        (folder / "sidecar").mkdir()
        setup = prepare(folder / "sidecar", f"http://127.0.0.1:{port}", wished_ports=(0, 0))
        config = yaml.safe_load(setup.config.read_text())
        config["erasure"] = _erasure(cluster, f"http://127.0.0.1:{port}", folder, prefix)
        setup.config.write_text(yaml.safe_dump(config))
        os.environ["CHATS_URL"] = cluster.url.replace("postgresql:", "postgresql+psycopg:")
        os.environ["CACHE_URL"] = REDIS_URL
        world = World(folder / "sidecar", setup, port, chatbot)
        stack.callback(lambda: _kill(world.sidecar))
        yesterday = (datetime.now(UTC) - timedelta(days=1)).strftime(BACKUPS)
        yield Business(world, cluster, cache, prefix, folder, cluster.folder.parent / yesterday)


def _chatbot(stack: ExitStack, cluster: Cluster, prefix: str, folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    command = [sys.executable, "-m", "tests.restores.chatbot", f"--database={cluster.url}", f"--redis={REDIS_URL}"]
    more = [f"--prefix={prefix}", f"--analytics={folder / 'analytics.json'}"]
    process = subprocess.Popen([*command, *more], stdout=subprocess.PIPE)
    stack.callback(lambda: _kill(process))
    assert process.stdout is not None
    port = json.loads(process.stdout.readline())["port"]
    stack.callback(process.stdout.close)
    return process, port


def _kill(process: subprocess.Popen[bytes] | None) -> None:
    if process is not None and process.poll() is None:
        process.send_signal(signal.SIGKILL)
        process.wait()
