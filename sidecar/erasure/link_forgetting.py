"""Has the audit log forget, past the horizon, by whom the records of an erasure are (E48).

Until then the person's pseudonym in them is needed: to show what was done for whom, and to find it. Afterwards it would
be all that is left of the person here. What happened, when, with which receipt stays, and so does every proof.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from datetime import timedelta
from typing import Final

from sidecar.erasure.attempt import Clock, utc_now
from sidecar.erasure.loops import Loop
from sidecar.errors import AuditUnavailable, StoreUnavailable
from sidecar.stores.erasure_links import ErasureLinks
from sidecar.targets.audit_links import LinkedLog

_log = logging.getLogger("sidecar.erasure")
_READINGS: Final = 3  # within a pass; who is still found by the last is due again in the next


class LinkForgetting:
    """``start`` before use. All who are due are forgotten in the same readings of the log."""

    def __init__(
        self,
        links: ErasureLinks,
        log: LinkedLog,
        clock: Clock = utc_now,
        every: timedelta = timedelta(hours=6),
    ) -> None:
        self._links = links
        self._log = log
        self._clock = clock
        self._every = every
        self._loop = Loop("link-forgetting", self._repeat)

    @property
    def healthy(self) -> bool:
        return self._loop.running

    async def start(self) -> None:
        self._loop.start()

    async def stop(self) -> None:
        await self._loop.stop()

    async def forget(self) -> int:
        """Forget whoever is due; return how many records there were. Raises StoreUnavailable, AuditUnavailable."""
        due = await self._links.due()
        if not due:
            return 0
        records = 0
        for _ in range(_READINGS):
            subjects = {one.subject for one in due}
            found = dict(zip(subjects, await self._forget_each(subjects), strict=True))
            records += sum(found.values())
            # Of whom nothing is left, what ended or was read of them while the log was read is gone as well.
            await self._links.note([one for one in due if not found[one.subject]], self._clock())
            due = [one for one in due if found[one.subject]]
            if not due:
                break
        return records

    async def _forget_each(self, subjects: Collection[str]) -> list[int]:
        return await asyncio.gather(*(self._log.forget_subject({one}) for one in subjects))

    async def _repeat(self) -> None:
        while True:
            try:
                await self.forget()
            except (StoreUnavailable, AuditUnavailable) as error:
                _log.warning("links of the audit log are forgotten later: %s", type(error).__name__)
            await asyncio.sleep(self._every.total_seconds())
