"""Keeps the set of erased people in memory as the store has it, and has whoever turned up looked for again (E27)."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from sidecar.erasure.attempt import Clock
from sidecar.erasure.loops import Loop
from sidecar.errors import KeyMaterialError, StoreUnavailable
from sidecar.metrics import Metrics
from sidecar.stores.erasure_suppressions import ErasureSuppressions

_log = logging.getLogger("sidecar.erasure")


class SuppressedPeople(Protocol):
    """What traffic is compared with, in memory."""

    def load(self, requests: Mapping[bytes, str], versions: Collection[int | None], /) -> None: ...

    def take_hits(self) -> Mapping[str, int]: ...


@dataclass(frozen=True, slots=True)
class SuppressingSettings:
    """``kept_after``: how long after their identities are destroyed people are still compared.

    ``between_looks``: a person who keeps turning up is looked for again that often and no more.
    """

    kept_after: timedelta = timedelta()
    between_looks: timedelta = timedelta(days=1)
    most_keys: int = 1_000_000
    every: timedelta = timedelta(seconds=2)
    wake: Callable[[], None] = field(default=lambda: None)


class Suppressing:
    """``start`` loads what is there before traffic is served."""

    def __init__(
        self,
        store: ErasureSuppressions,
        suppression: SuppressedPeople,
        metrics: Metrics,
        settings: SuppressingSettings,
        clock: Clock,
    ) -> None:
        self._store = store
        self._suppression = suppression
        self._keys = metrics.suppression_keys
        self._settings = settings
        self._clock = clock
        self._loaded: object = None
        self._foreign: Sequence[int] = ()
        self._hits: Counter[str] = Counter()  # kept until the order to look again is durable
        self._loop = Loop("suppressing", self._repeat)

    @property
    def healthy(self) -> bool:
        return self._loop.running

    async def start(self) -> None:
        """Raises ``KeyMaterialError`` where people are kept by a master key that is not configured: all would see them.

        Raises ``StoreUnavailable``.
        """
        while await self.pass_once():
            pass
        if self._foreign:
            raise KeyMaterialError(_not_compared(self._foreign))
        self._loop.start()

    async def stop(self) -> None:
        await self._loop.stop()

    async def pass_once(self) -> bool:
        """Take over who was erased, report who turned up; tell whether people were added.

        Raises ``StoreUnavailable``.
        """
        now = self._clock()
        added = await self._store.refresh(now, self._settings.kept_after)
        state = await self._store.state()
        if state != self._loaded:
            await self._load()
            self._loaded = state
        self._hits.update(self._suppression.take_hits())
        hits = self._hits
        if hits:
            ordered = await self._store.look_again(hits, now, now - self._settings.between_looks)
            _log.error(
                "data of erased people turned up in traffic, %d values of %d requests: %d are looked for again",
                sum(hits.values()), len(hits), ordered,
            )  # fmt: skip
            self._hits = Counter()
            self._settings.wake()
        return added > 0

    async def _load(self) -> None:
        people = await self._store.load(self._settings.most_keys)
        self._suppression.load(people.requests, people.versions)
        self._keys.set(len(people.requests))
        if len(people.requests) == self._settings.most_keys:
            _log.error("more people are erased than traffic can be compared with: the oldest requests are left out")
        self._foreign = await self._store.foreign()
        if self._foreign and self._loop.running:  # of another replica, that was given a newer key
            _log.error("%s", _not_compared(self._foreign))

    async def _repeat(self) -> None:
        while True:
            await asyncio.sleep(self._settings.every.total_seconds())
            try:
                await self.pass_once()
            except StoreUnavailable:
                _log.warning("the set of erased people is not brought up to date: the store is unavailable")


def _not_compared(versions: Sequence[int]) -> str:
    which = ", ".join(str(one) for one in versions)
    return (
        f"erased people are known by version {which} of the master key, which is not configured: traffic can't be"
        " compared with them. Give it under keys (an older one under keys.previous), and restart"
    )
