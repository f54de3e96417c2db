"""The load generator, in a process of its own: keep-alive connections over TLS, one request at a time on each.

Usage: python -m benchmarks.load < JSON of a Load > JSON of a Result

Bounded by time and by count, and it speaks to loopback only. Without a rate each connection asks again as soon as it
was answered, which finds the highest rate. With one, requests are due at fixed times, and a latency counts from when
its request was due: a server that stalls can't hide the requests that waited meanwhile.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import count
from pathlib import Path
from typing import cast

from benchmarks.processes import quick_loop
from sidecar.access import Role
from sidecar.tls.contexts import ClientTls, client_context
from sidecar.tls.dev_certs import DevCertificates

_ANSWER_SECONDS = 30.0
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n")


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
        self.load = load
        self._result = Result(next_number=load.first)
        self._numbers = self._count()
        now = time.perf_counter()
        self._measure_from = now + load.warm_up_seconds
        self._end = self._measure_from + load.seconds
        self._due = self._schedule(now)

    async def run(self) -> Result:
        began, tls = time.process_time(), _tls(Path(self.load.certificates))
        await asyncio.gather(*(self._connect(tls) for _ in range(self.load.connections)))
        self._result.seconds = self.load.seconds
        self._result.load_cpu_seconds = time.process_time() - began
        return self._result

    def next(self) -> tuple[int, float] | None:
        """Return what is to be asked for next, and when; None at the end."""
        number, due = next(self._numbers, None), next(self._due)
        return None if number is None or due >= self._end else (number, due)

    def note(self, due: float, status: int, size: int) -> None:
        """Note an answer, which ends now."""
        now = time.perf_counter()
        self._result.answered += 1
        if status != 200:
            self.fail(f"status {status}")
        elif self._measure_from <= now <= self._end:
            self._result.milliseconds.append((now - due) * 1000)
            self._result.bytes += size

    def fail(self, what: str) -> None:
        """Note that something else came than an answer with 200."""
        self._result.errors += 1
        self._result.first_error = self._result.first_error or what

    async def _connect(self, tls: ssl.SSLContext) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_connection(
                lambda: _Connection(self, loop), "127.0.0.1", self.load.port, ssl=tls, server_hostname="localhost"
            )
        except OSError as error:
            self.fail(type(error).__name__)
            return
        while not await connection.has_ended_within(_ANSWER_SECONDS):
            connection.give_up_if_silent()

    def _count(self) -> Iterator[int]:
        for step in range(self.load.most_requests):
            self._result.next_number = self.load.first + step + 1
            yield self.load.first + (step % self.load.repeat_after if self.load.repeat_after else step)

    def _schedule(self, start: float) -> Iterator[float]:
        """Yield when each request is due; without a rate, at once."""
        rate = self.load.requests_per_second
        for step in count():
            yield start + step / rate if rate else time.perf_counter()


class _Connection(asyncio.Protocol):
    """Asks again once it was answered. A protocol, because what makes the load shares the cores with what bears it."""

    def __init__(self, run: _Run, loop: asyncio.AbstractEventLoop) -> None:
        self._run = run
        self._loop = loop
        self._due: float | None = None  # of what it has asked for
        self._asked_at = 0.0
        self._held = b""
        self._ended = asyncio.Event()

    async def has_ended_within(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._ended.wait(), seconds)
        return self._ended.is_set()

    def give_up_if_silent(self) -> None:
        if self._due is not None and time.perf_counter() - self._asked_at >= _ANSWER_SECONDS:
            self._fail("TimeoutError")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)
        self._go_on()

    def data_received(self, data: bytes) -> None:
        self._held += data
        answer = answer_in(self._held)
        if answer is None or self._due is None:
            return
        status, size, end = answer
        self._held = self._held[end:]
        self._run.note(self._due, status, size)
        self._go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(type(exc or EOFError()).__name__)

    def _go_on(self) -> None:
        self._due = None
        following = self._run.next()
        if following is None:
            self._end()
            return
        number, due = following
        wait = due - time.perf_counter()
        if wait > 0:
            self._loop.call_later(wait, self._ask, number, due)
        else:
            self._ask(number, due)

    def _ask(self, number: int, due: float) -> None:
        if self._ended.is_set():
            self._run.fail("EOFError")
            return
        self._due, self._asked_at = due, time.perf_counter()
        self._transport.write(f"GET {self._run.load.prefix}{number} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())

    def _fail(self, what: str) -> None:
        if self._due is not None:
            self._due = None
            self._run.fail(what)
        self._end()

    def _end(self) -> None:
        self._ended.set()
        self._transport.close()


def answer_in(data: bytes) -> tuple[int, int, int] | None:
    """Return status, size of the body and end of the answer at the start of ``data``; None while it is not whole."""
    head = data.find(b"\r\n\r\n") + 4
    if head < 4:
        return None
    status = int(data[9:12])
    fields = data[:head].lower()
    if b"\r\ntransfer-encoding: chunked\r\n" in fields:
        chunked = _chunks_in(data, head)
        return chunked and (status, *chunked)
    length = _LENGTH.search(fields)
    end = head + (int(length[1]) if length else 0)
    return None if end > len(data) else (status, end - head, end)


def _chunks_in(data: bytes, start: int) -> tuple[int, int] | None:
    total = 0
    while (line := data.find(b"\r\n", start)) >= 0:
        size = int(data[start:line], 16)
        start = line + 4 + size
        if start > len(data):
            return None
        total += size
        if size == 0:
            return total, start
    return None


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
