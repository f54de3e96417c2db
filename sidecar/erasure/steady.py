"""A clock that no jump of the host's can move: the database's time, if it has one, and what has passed since.

Leases, waits and looks go by it on every replica alike (E35). Legal dates are counted from when a request was received.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from sidecar.audit.record import Action, AuditWriter, Event
from sidecar.erasure.attempt import Clock, utc_now
from sidecar.erasure.loops import Loop
from sidecar.errors import AuditUnavailable, StoreUnavailable
from sidecar.metrics import Metrics
from sidecar.stores.database import Database

ANOMALY: Final = timedelta(minutes=1)
_EVERY_SECONDS: Final = 10.0
_log = logging.getLogger("sidecar.erasure")


class SteadyClock:
    """Tells the time from an anchor and a monotonic counter. ``anchor`` moves it to a time that somebody tells."""

    def __init__(self, wall: Clock = utc_now, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._told, self._at = wall(), monotonic()
        self._offset = timedelta()

    def __call__(self) -> datetime:
        return self._told + timedelta(seconds=self._monotonic() - self._at)

    def anchor(self, told: datetime) -> None:
        """Go on from a time that somebody else tells."""
        self._told, self._at = told, self._monotonic()

    def jump(self) -> timedelta | None:
        """Return by how much the host's clock has left ours since this was last asked; None: by little."""
        offset = self._wall() - self()
        moved, self._offset = offset - self._offset, offset
        return moved if abs(moved) > ANOMALY else None


class ClockWatch:
    """Keeps a steady clock at the database's time, and tells of jumps of the host's."""

    def __init__(self, clock: SteadyClock, database: Database, audit: AuditWriter, metrics: Metrics) -> None:
        self._clock = clock
        self._database = database
        self._audit = audit
        self._metrics = metrics
        self._loop = Loop("erasure-clock", self._repeat)

    @property
    def healthy(self) -> bool:
        return self._loop.running

    async def start(self) -> None:
        """Take the database's time now, and now and then."""
        await self.look()
        self._loop.start()

    async def stop(self) -> None:
        await self._loop.stop()

    async def look(self) -> None:
        """Compare once."""
        told = await self._database.now()
        if told is not None:
            self._clock.anchor(told)
        moved = self._clock.jump()
        if moved is None:
            return
        seconds = round(moved.total_seconds())
        self._metrics.erasure_clock_jumps.inc()
        _log.error("the host's clock jumped by %d s; leases and waits go on by the steady one", seconds)
        try:
            await self._audit.note(Event(Action.CLOCK_JUMPED, count=seconds))
        except AuditUnavailable:
            _log.warning("a jump of the host's clock was not recorded")

    async def _repeat(self) -> None:
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            try:
                await self.look()
            except StoreUnavailable:
                continue
