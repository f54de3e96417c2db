"""Says by metric and log that tasks wait for people: near their due date, and past it (E30)."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping
from datetime import date, timedelta

from sidecar.erasure.attempt import Clock
from sidecar.erasure.loops import Loop
from sidecar.errors import StoreUnavailable
from sidecar.metrics import Metrics
from sidecar.stores.erasure_attestations import Attestations, ManualTask
from sidecar.targets.manual import ManualSettings

_log = logging.getLogger("sidecar.erasure")


class ManualReminder:
    """Counts at every look, and reminds of each task once a day. ``start`` before use."""

    def __init__(
        self,
        store: Attestations,
        settings: Mapping[str, ManualSettings],
        metrics: Metrics,
        clock: Clock,
        every: timedelta = timedelta(minutes=1),
    ) -> None:
        self._store = store
        self._settings = settings
        self._metrics = metrics
        self._clock = clock
        self._every = every
        self._reminded: dict[int, date] = {}
        self._loop = Loop("manual-reminder", self._repeat)

    @property
    def healthy(self) -> bool:
        """Whether it runs, where there are tasks for people."""
        return not self._settings or self._loop.running

    async def start(self) -> None:
        if self._settings:
            self._loop.start()

    async def stop(self) -> None:
        await self._loop.stop()

    async def look(self) -> None:
        """Count and remind, once. Raises ``StoreUnavailable``."""
        waiting = await self._store.waiting()
        now = self._clock()
        late = [task for task in waiting if now > task.verified_at + self._settings[task.target].due_after]
        for kind, some in ((self._metrics.erasure_manual_open, waiting), (self._metrics.erasure_manual_late, late)):
            counts = Counter(task.target for task in some)
            for target in self._settings:
                kind.labels(target).set(counts[target])
        due = [task for task in waiting if now > task.verified_at + self._settings[task.target].remind_after]
        for task in due:
            self._remind(task, now.date())
        self._reminded = {task.id: now.date() for task in due}

    def _remind(self, task: ManualTask, today: date) -> None:
        if self._reminded.get(task.id) != today:
            due = task.verified_at + self._settings[task.target].due_after
            _log.warning("erasure %s waits for a person at %s, due %s", task.request_id, task.target, due.date())

    async def _repeat(self) -> None:
        while True:
            try:
                await self.look()
            except StoreUnavailable:
                _log.warning("reminders wait: the store is unavailable")
            await asyncio.sleep(self._every.total_seconds())
