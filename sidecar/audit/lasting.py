"""Work that takes longer than those who ask for it may wait. Edge.

Who asks again for the same joins it, or is given what it came to meanwhile; so it ends, however short everybody's
patience is, and is done once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Hashable
from functools import partial
from typing import Any, Final

from sidecar.errors import AuditUnavailable

_log = logging.getLogger(__name__)
KEPT_SECONDS: Final = 7200.0  # for who comes back: twice the longest pause between two attempts of an erasure


class LastingWork:
    """Each piece of work is a task under a key. ``stop`` before the event loop ends."""

    def __init__(self, kept_seconds: float = KEPT_SECONDS) -> None:
        self._kept_seconds = kept_seconds
        self._by_key: dict[Hashable, asyncio.Task[int]] = {}
        self._running: set[asyncio.Task[int]] = set()

    async def result(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, int]]) -> int:
        """Return what the work comes to that is under way for this key, or was done since nobody waited for it.

        Raises what it raises, to whoever waits for it then, and AuditUnavailable where it was stopped. It goes on when
        who waits is cancelled.
        """
        task = self._by_key.get(key)
        if task is None:
            task = self._by_key[key] = asyncio.create_task(work(), name="lasting-work")
            self._running.add(task)
            task.add_done_callback(partial(self._ended, key))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise AuditUnavailable("the audit log is being closed") from None
            raise
        finally:
            if task.done():
                self._release(key, task)

    def outdate(self, key: Hashable) -> None:
        """Have whoever asks next start anew: what is under way, or was done, tells of before."""
        self._by_key.pop(key, None)

    async def stop(self) -> None:
        """Cancel what is under way."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _ended(self, key: Hashable, task: asyncio.Task[int]) -> None:
        self._running.discard(task)
        if task.cancelled():
            self._release(key, task)
        elif (error := task.exception()) is not None:  # who comes later tries anew; nobody may be waiting for this one
            why = error if isinstance(error, AuditUnavailable) else type(error).__name__
            _log.warning("audit log: a search broke off (%s)", why)
            self._release(key, task)
        else:
            task.get_loop().call_later(self._kept_seconds, self._release, key, task)

    def _release(self, key: Hashable, task: asyncio.Task[int]) -> None:
        if self._by_key.get(key) is task:
            del self._by_key[key]
