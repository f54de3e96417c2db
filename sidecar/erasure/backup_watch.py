"""Looks at every backup set now and then, so that what is there is compared with what is declared also while nobody
waits for it: backups that have stopped, went too soon or stay too long (E37)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from sidecar.targets.backup import BackupTarget


class BackupWatch:
    """``start`` before use. What is found goes to metrics and log, by the sets themselves."""

    def __init__(self, sets: Sequence[BackupTarget], every: timedelta = timedelta(hours=1)) -> None:
        self._sets = tuple(sets)
        self._every = every
        self._loop: asyncio.Task[None] | None = None

    async def start(self) -> None:
        if self._sets:
            self._loop = asyncio.create_task(self._repeat(), name="backup-watch")

    async def stop(self) -> None:
        loop, self._loop = self._loop, None
        if loop is not None:
            loop.cancel()
            await asyncio.wait([loop])

    @property
    def healthy(self) -> bool:
        """Whether it runs, where there is anything to look at."""
        return not self._sets or (self._loop is not None and not self._loop.done())

    async def _repeat(self) -> None:
        while True:
            await asyncio.sleep(self._every.total_seconds())  # each set was looked at when it was started
            await asyncio.gather(*(one.observe() for one in self._sets))
