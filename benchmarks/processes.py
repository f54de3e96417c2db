"""Servers as processes of their own, on ports that were free, ended with the run."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

_START_SECONDS = 90.0
_STOP_SECONDS = 40.0


def quick_loop() -> asyncio.AbstractEventLoop:
    """Return uvloop's event loop where it is installed: for what only makes load, which should cost little itself."""
    if find_spec("uvloop") is None:
        return asyncio.new_event_loop()
    import uvloop

    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


class Serving(Protocol):
    """Something that listens."""

    async def cleanup(self) -> None:
        """End it."""


def serve_forever(
    start: Coroutine[None, None, Serving], new_loop: Callable[[], asyncio.AbstractEventLoop] | None = None
) -> None:
    """Serve until SIGTERM or SIGINT."""

    async def serve() -> None:
        runner = await start
        stopping = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stopping.set)
        await stopping.wait()
        await runner.cleanup()

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(serve())


def free_ports(count: int) -> list[int]:
    """Return ports that nothing listens on now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in sockets]


def module(*arguments: str) -> tuple[str, ...]:
    """Return the command that runs a module of Python."""
    return (sys.executable, "-m", *arguments)


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process and all below it have used, in user and kernel mode (proc(5))."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        children = [one.read_text(encoding="ascii") for one in Path(f"/proc/{pid}/task").glob("*/children")]
    except (FileNotFoundError, ProcessLookupError):
        return 0.0  # it has ended
    own = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return own + sum(cpu_seconds(int(child)) for some in children for child in some.split())


def resident_bytes(pid: int) -> int:
    """Return what a process holds in memory now, shared libraries included."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise SystemExit("this system does not say how much memory a process holds")


@contextlib.contextmanager
def process(log: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command while in the context; what it prints goes to ``log``."""
    with log.open("wb") as output:
        running = subprocess.Popen(arguments, stdout=output, stderr=subprocess.STDOUT)
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
