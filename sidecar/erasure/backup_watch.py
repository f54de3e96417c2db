"""Looks at every backup set now and then, so that what is there is compared with what is declared also while nobody
waits for it: backups that have stopped, went too soon or stay too long (E37)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from sidecar.erasure.loops import Loop
from sidecar.targets.backup import BackupTarget


class BackupWatch:
    """``start`` before use. What is found goes to metrics and log, by the sets themselves."""

    def __init__(self, sets: Sequence[BackupTarget], every: timedelta = timedelta(hours=1)) -> None:
        self._sets = tuple(sets)
        self._every = every
        self._loop = Loop("backup-watch", self._repeat)

    async def start(self) -> None:
        if self._sets:
            self._loop.start()

    async def stop(self) -> None:
        await self._loop.stop()

    @property
    def healthy(self) -> bool:
        """Whether it runs, where there is anything to look at."""
        return not self._sets or self._loop.running

    async def _repeat(self) -> None:
        while True:
            await asyncio.sleep(self._every.total_seconds())  # each set was looked at when it was started
            await asyncio.gather(*(one.observe() for one in self._sets))
