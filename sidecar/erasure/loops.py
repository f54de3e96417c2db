"""Loops that run until they are stopped. One that ends by a bug is logged at once, and stays ended: it must be seen."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from typing import Any, TypeVar

T = TypeVar("T")

_log = logging.getLogger("sidecar.erasure")


class Loop:
    """One loop. ``repeat`` never returns by itself; it is made anew at each ``start``."""

    def __init__(self, name: str, repeat: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._name = name
        self._repeat = repeat
        self._task: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        return self._task is not None and not self._task.done()

    def start(self) -> None:
        self._task = asyncio.create_task(self._repeat(), name=self._name)
        self._task.add_done_callback(report_end)

    async def stop(self) -> None:
        """Cut it off where it stands. Safe to call twice."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])


def report_end(task: asyncio.Task[None]) -> None:
    """Say that a loop ended by a bug, by its kind alone: the text may hold what must not be logged."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.critical("the loop %s ended by a bug: %s", task.get_name(), type(error).__name__)


async def woken(waker: asyncio.Event, at_most: timedelta) -> None:
    """Return once the event is set, or after ``at_most``."""
    try:
        async with asyncio.timeout(at_most.total_seconds()):
            await waker.wait()
    except TimeoutError:
        return


async def to_the_end(work: Awaitable[T]) -> T:
    """Await what must not be torn: a caller that is cancelled meanwhile is so once it has ended, whatever came of it.

    For work that has a limit of its own, such as a transaction, which goes on in its thread anyway.
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.gather(asyncio.shield(task), return_exceptions=True)
        raise
