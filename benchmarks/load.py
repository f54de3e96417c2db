"""The load generator, in a process of its own: keep-alive connections over TLS, one request at a time on each.

Usage: python -m benchmarks.load < JSON of a Load > JSON of a Result

Bounded by time and by count, and it speaks to loopback only. Without a rate each connection asks again as soon as it
was answered, which finds the highest rate. With one, requests are due at fixed times, and a latency counts from when
its request was due: a server that stalls can't hide the requests that waited meanwhile.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path

from benchmarks.processes import quick_loop
from sidecar.access import Role
from sidecar.tls.contexts import ClientTls, client_context
from sidecar.tls.dev_certs import DevCertificates

_ANSWER_SECONDS = 30.0


@dataclass(frozen=True)
class Load:
    """Which paths are asked for: ``{prefix}{first}``, then one up each time, and again after ``repeat_after``."""

    port: int
    certificates: str
    prefix: str
    seconds: float
    connections: int
    first: int = 0
    repeat_after: int | None = None
    requests_per_second: float | None = None
    most_requests: int = 200_000
    warm_up_seconds: float = 1.0


@dataclass
class Result:
    """Latencies in milliseconds, in the order of the answers; what was not answered with 200 is an error.

    ``answered`` counts the warm-up, too. So do ``cpu_seconds``, those of the server meanwhile, and
    ``load_cpu_seconds``, those of the generator and of the upstream.
    """

    seconds: float = 0.0
    errors: int = 0
    first_error: str = ""
    bytes: int = 0
    next_number: int = 0
    answered: int = 0
    cpu_seconds: float = 0.0
    load_cpu_seconds: float = 0.0
    milliseconds: list[float] = field(default_factory=list)


class _Run:
    def __init__(self, load: Load) -> None:
        self._load = load
        self._numbers = self._count()
        self._tls = _tls(Path(load.certificates))
        self._result = Result(next_number=load.first)
        now = time.perf_counter()
        self._measure_from = now + load.warm_up_seconds
        self._end = self._measure_from + load.seconds
        self._due = self._schedule(now)

    async def run(self) -> Result:
        began = time.process_time()
        await asyncio.gather(*(self._connection() for _ in range(self._load.connections)))
        self._result.seconds = self._load.seconds
        self._result.load_cpu_seconds = time.process_time() - began
        return self._result

    def _count(self) -> Iterator[int]:
        for step in range(self._load.most_requests):
            self._result.next_number = self._load.first + step + 1
            yield self._load.first + (step % self._load.repeat_after if self._load.repeat_after else step)

    def _schedule(self, start: float) -> Iterator[float]:
        """Yield when each request is due; without a rate, at once."""
        for step in count():
            rate = self._load.requests_per_second
            yield start + step / rate if rate else time.perf_counter()

    async def _connection(self) -> None:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self._load.port, ssl=self._tls, server_hostname="localhost"
        )
        try:
            for number in self._numbers:
                due = next(self._due)
                if due >= self._end:
                    break
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                writer.write(f"GET {self._load.prefix}{number} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                status, size = await asyncio.wait_for(read_answer(reader), _ANSWER_SECONDS)
                self._note(due, status, size)
        except (OSError, EOFError, TimeoutError) as error:
            self._fail(type(error).__name__)
        finally:
            writer.close()

    def _note(self, due: float, status: int, size: int) -> None:
        now = time.perf_counter()
        self._result.answered += 1
        if status != 200:
            self._fail(f"status {status}")
        elif self._measure_from <= now <= self._end:
            self._result.milliseconds.append((now - due) * 1000)
            self._result.bytes += size

    def _fail(self, what: str) -> None:
        self._result.errors += 1
        self._result.first_error = self._result.first_error or what


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, int]:
    """Read one whole answer; return its status and the size of its body. Raises ``EOFError`` for a cut one."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    status = int(head.split(" ", 2)[1])
    headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
    if headers.get("transfer-encoding") == "chunked":
        return status, await _read_chunks(reader)
    length = int(headers.get("content-length", "0"))
    await reader.readexactly(length)
    return status, length


async def _read_chunks(reader: asyncio.StreamReader) -> int:
    total = 0
    while True:
        size = int((await reader.readuntil(b"\r\n")).strip(), 16)
        await reader.readexactly(size + 2)
        total += size
        if size == 0:
            return total


def _tls(folder: Path) -> ssl.SSLContext:
    certificates = DevCertificates(folder)
    return client_context(ClientTls(certificates.ca, *certificates.client(Role.TRAINER)))


def main() -> None:
    load = Load(**json.load(sys.stdin))

    async def run() -> Result:
        return await _Run(load).run()

    with asyncio.Runner(loop_factory=quick_loop) as runner:
        json.dump(asdict(runner.run(run())), sys.stdout)


if __name__ == "__main__":
    main()
