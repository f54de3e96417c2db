"""Who forgets or counts links while the log is read shares the next reading. Edge.

A reading takes as long as the log is. Of a log of years a reading for each request might take longer than it is until
the next request, and would never catch up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from sidecar.audit.lasting import LastingWork
from sidecar.errors import AuditUnavailable

BROKE_OFF: Final = "the search that was shared broke off"


class Aim(StrEnum):
    FORGET = "forget"
    COUNT = "count"


class Search(NamedTuple):
    """What one asker wants done with the records that link to any of these."""

    aim: Aim
    pseudonyms: frozenset[str]


Run = Callable[[frozenset[Search]], Awaitable[Mapping[Search, int]]]
"""Reads the log once for all searches; returns how many records each found. Raises AuditUnavailable."""


@dataclass(slots=True)
class _Batch:
    searches: set[Search] = field(default_factory=set, repr=False)
    found: Mapping[Search, int] | None = field(default=None, repr=False)
    failure: str = BROKE_OFF


class LinkSearches:
    """One reading at a time, and none while somebody else has ``turn``. ``stop`` before the event loop ends."""

    def __init__(self, run: Run, turn: asyncio.Lock) -> None:
        self._run = run
        self._turn = turn
        self._lasting = LastingWork()
        self._next = _Batch()

    async def forget(self, pseudonyms: frozenset[str]) -> int:
        """What was counted of the same before is told to nobody any more."""
        self._lasting.outdate(Search(Aim.COUNT, pseudonyms))
        return await self._result(Search(Aim.FORGET, pseudonyms))

    async def count(self, pseudonyms: frozenset[str]) -> int:
        return await self._result(Search(Aim.COUNT, pseudonyms))

    async def stop(self) -> None:
        await self._lasting.stop()

    async def _result(self, search: Search) -> int:
        return await self._lasting.result(search, lambda: self._shared(search))

    async def _shared(self, search: Search) -> int:
        """Take part in the reading that begins next, and do it for all if nobody has."""
        batch = self._next
        batch.searches.add(search)
        await asyncio.sleep(0)  # those who ask in the same turn of the loop are in it, too
        async with self._turn:
            if batch is self._next:
                self._next = _Batch()
                try:
                    batch.found = await self._run(frozenset(batch.searches))
                except AuditUnavailable as error:
                    batch.failure = str(error)
        if batch.found is None:
            raise AuditUnavailable(batch.failure)
        return batch.found[search]
