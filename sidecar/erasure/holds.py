"""Asks whether a task is held before anything is deleted; has it done once nothing holds it. Fails closed (E32)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from sidecar.erasure.hold import Hold, HoldsUnknown
from sidecar.erasure.hold_sources import HoldSource, NoHolds
from sidecar.erasure.request import SubjectIdentity
from sidecar.metrics import Metrics
from sidecar.stores.erasure_holds import ErasureHolds, longest

ASKED_AGAIN: Final = timedelta(hours=12)
"""How often a source is asked whether what it held is held still: well within the day that a release may take."""
_AFTER_FAULT: Final = timedelta(minutes=10)
_AT_ONCE: Final = 50
_log = logging.getLogger("sidecar.erasure")


class Holds:
    """Our own holds, and those of a source that somebody else keeps."""

    def __init__(self, store: ErasureHolds, metrics: Metrics, source: HoldSource | None = None) -> None:
        self._store = store
        self._metrics = metrics
        self._source: HoldSource = source or NoHolds()

    async def look(
        self, task_id: int, target: str, identities: Sequence[SubjectIdentity], now: datetime
    ) -> Hold | None:
        """Return what holds a task. Raises ``HoldsUnknown``: then it must not be touched."""
        own = await self._store.find(task_id, now)
        return own if own is not None else await self._ask(target, identities, now)

    async def tend(self, now: datetime) -> bool:
        """Resume what is held no more; tell whether there was anything."""
        resumed = False
        for one in await self._store.lapsed(now, _AT_ONCE):
            try:
                hold = await self._ask(one.target, one.identities, now)
            except HoldsUnknown:
                await self._store.prolong(one.task_id, now + _AFTER_FAULT)
                continue
            if hold is not None:
                await self._store.prolong(one.task_id, hold.until or now + ASKED_AGAIN)
                continue
            await self._store.resume(one, now)
            resumed = True
        return resumed

    async def _ask(self, target: str, identities: Sequence[SubjectIdentity], now: datetime) -> Hold | None:
        """Return the source's hold, bounded to when it is to be asked again."""
        try:
            listed = await self._source.holds(target, identities)
        except HoldsUnknown:
            self._metrics.erasure_hold_failures.inc()
            _log.error("nobody can say what is held at target %s: nothing is deleted there", target)
            raise
        covering = [one for one in listed if one.covers(target, identities) and (one.until is None or one.until > now)]
        hold = longest(covering)
        if hold is None:
            return None
        latest = now + ASKED_AGAIN
        return replace(hold, until=min(hold.until or latest, latest))
