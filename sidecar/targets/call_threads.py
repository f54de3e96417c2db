"""Threads for calls that block, of one target's own: a system that hangs must not take those of others (E19)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class CallThreads:
    """``start`` before use. A cancelled caller does not stop its call, which must be bounded in time by itself."""

    def __init__(self, name: str, count: int) -> None:
        self._name = name
        self._count = count
        self._threads: ThreadPoolExecutor | None = None

    def start(self) -> None:
        self._threads = ThreadPoolExecutor(self._count, thread_name_prefix=f"target-{self._name}")

    def stop(self) -> None:
        """Begin no more calls. Those under way end by themselves, and nobody waits for their results."""
        threads, self._threads = self._threads, None
        if threads is not None:
            threads.shutdown(wait=False, cancel_futures=True)

    async def run(self, call: Callable[[], T]) -> T:
        if self._threads is None:
            raise RuntimeError("the target was not started")
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)
