"""Servers as processes of their own, on ports that were free, ended with the run."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Coroutine, Iterator
from pathlib import Path

from aiohttp import web

_START_SECONDS = 90.0
_STOP_SECONDS = 40.0


def serve_forever(start: Coroutine[None, None, web.ServerRunner]) -> None:
    """Serve until SIGTERM or SIGINT."""

    async def serve() -> None:
        runner = await start
        stopping = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stopping.set)
        await stopping.wait()
        await runner.cleanup()

    asyncio.run(serve())


def free_ports(count: int) -> list[int]:
    """Return ports that nothing listens on now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in sockets]


@contextlib.contextmanager
def process(log: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``python -m ARGUMENTS`` while in the context; what it prints goes to ``log``."""
    with log.open("wb") as output:
        running = subprocess.Popen([sys.executable, "-m", *arguments], stdout=output, stderr=subprocess.STDOUT)
    try:
        yield running
    finally:
        running.terminate()
        try:
            running.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


def wait_for_port(port: int, running: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until something listens, or raise with what the process said."""
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and running.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise SystemExit(f"nothing listens on port {port}; the process said:\n{log.read_text(errors='replace')[-4000:]}")
