"""How late the event loop runs. What the handlers' own timers miss, the wait before they begin, shows here."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from sidecar.metrics import Metrics

BEAT_SECONDS = 0.05


class Pulse:
    """Wakes at a steady pace and notes by how much it woke too late."""

    def __init__(self, metrics: Metrics, beat_seconds: float = BEAT_SECONDS) -> None:
        self._metrics = metrics
        self._beat_seconds = beat_seconds
        self._beating: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._beating = asyncio.create_task(self._beat(), name="event-loop-pulse")

    async def stop(self) -> None:
        if self._beating is not None:
            self._beating.cancel()
            with suppress(asyncio.CancelledError):
                await self._beating
            self._beating = None

    async def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + self._beat_seconds
            await asyncio.sleep(self._beat_seconds)
            late = max(0.0, loop.time() - due)
            self._metrics.loop_lag_seconds.set(late)
            self._metrics.loop_delay_seconds.observe(late)
