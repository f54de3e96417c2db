"""A sample chatbot and a sidecar in front of it, as processes, and a client that speaks TLS to them."""

from __future__ import annotations

import http.client
import json
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sidecar.access import Role
from sidecar.audit.store import LOCK_NAME
from sidecar.demo.setup import DemoSetup, prepare

START_S = 150.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole response."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(slots=True)
class World:
    """Both processes and everything they write to."""

    folder: Path
    setup: DemoSetup
    chatbot_port: int
    chatbot: subprocess.Popen[bytes]
    sidecar: subprocess.Popen[bytes] | None = None
    extra_env: dict[str, str] = field(default_factory=dict)

    def start_sidecar(self) -> None:
        """Start it and wait until it says that it is ready."""
        log = (self.folder / "stderr.txt").open("ab")
        command = [sys.executable, "-m", "sidecar", "run", "--config", str(self.setup.config)]
        self.sidecar = subprocess.Popen(command, stderr=log, stdout=log)
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            assert self.sidecar.poll() is None, (self.folder / "stderr.txt").read_text()
            try:
                if self.admin("GET", "/readyz").status == 200:
                    return
            except OSError:
                pass
            time.sleep(0.05)
        raise AssertionError("not ready in time")

    def stop_sidecar(self, number: int = signal.SIGTERM) -> int:
        assert self.sidecar is not None
        self.sidecar.send_signal(number)
        code = self.sidecar.wait(60)
        self.sidecar = None
        return code

    def writing_process(self) -> int:
        """The process that has the audit log's lock open."""
        lock = self.folder / "audit" / LOCK_NAME
        (found,) = (pid for pid in self._spawned() if _has_open(pid, lock))
        return found

    def detection_workers(self) -> list[int]:
        return [pid for pid in self._spawned() if pid != self.writing_process()]

    def _spawned(self) -> list[int]:
        """The processes that the sidecar started: a child is listed under the thread that started it."""
        assert self.sidecar is not None
        threads = Path(f"/proc/{self.sidecar.pid}/task").iterdir()
        children = [int(pid) for thread in threads for pid in (thread / "children").read_text().split()]
        return [pid for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]

    def data(self, method: str, path: str, body: Any = None, role: Role | None = Role.TRAINER) -> Answer:
        return self._call(self.setup.data_port, method, path, body, role)

    def admin(self, method: str, path: str, body: Any = None, role: Role | None = None) -> Answer:
        return self._call(self.setup.admin_port, method, path, body, role)

    def chats(self) -> list[Any]:
        """What the chatbot itself has, in clear."""
        found = self.original("/api/conversations")["conversations"]
        return [self.original(f"/api/conversations/{one['id']}")["conversation"] for one in found]

    def original(self, path: str) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.chatbot_port, timeout=30)
        try:
            connection.request("GET", path)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def written(self) -> Iterator[tuple[Path, bytes]]:
        """Every byte that the sidecar left on disk; the chatbot's own state is not the sidecar's."""
        for path in sorted(self.folder.rglob("*")):
            if path.is_file() and path.name != "chats.json":
                yield path, path.read_bytes()

    def _call(self, port: int, method: str, path: str, body: Any, role: Role | None) -> Answer:
        context = ssl.create_default_context(cafile=str(self.setup.certificates.ca))
        if role is not None:
            certificate, key = self.setup.certificates.client(role)
            context.load_cert_chain(certificate, key)
        connection = http.client.HTTPSConnection("localhost", port, timeout=60, context=context)
        try:
            data = None if body is None else json.dumps(body).encode()
            headers = {} if body is None else {"Content-Type": "application/json"}
            connection.request(method, path, data, headers)
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()


def _has_open(pid: int, file: Path) -> bool:
    links = list(Path(f"/proc/{pid}/fd").iterdir())
    return any(link.is_symlink() and link.readlink() == file for link in links)


@contextmanager
def running_world(folder: Path) -> Iterator[World]:
    """Yield a started world; both processes are gone afterwards, whatever happened."""
    command = [sys.executable, "-m", "sidecar.demo.chatbot", "--port", "0", "--state", str(folder / "chats.json")]
    chatbot = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert chatbot.stdout is not None
    port = json.loads(chatbot.stdout.readline())["port"]
    world = World(folder, prepare(folder, f"http://127.0.0.1:{port}", wished_ports=(0, 0)), port, chatbot)
    try:
        world.start_sidecar()
        yield world
    finally:
        for process in (world.sidecar, chatbot):
            if process is not None and process.poll() is None:
                os.kill(process.pid, signal.SIGKILL)
                process.wait()
        chatbot.stdout.close()
