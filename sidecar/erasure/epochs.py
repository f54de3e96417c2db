"""Writes and reads the marks of epochs. The order is the design:

delete in the system → next epoch begun durably → mark written in the system → epoch settled → verify → success recorded

So whatever copy of the system still held the person has an older mark than we know by the time success is recorded;
and a mark is never written over one that says that the system went back in time.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from sidecar.erasure.epoch import WENT_BACK, EpochMark, KnownEpoch, MarkInvalid, Reading, judge, read_mark, sign_mark
from sidecar.metrics import Metrics
from sidecar.stores.erasure_epochs import ErasureEpochs
from sidecar.targets.canary import Canary, CanaryUnreachable
from sidecar.targets.target import TargetFault

_log = logging.getLogger("sidecar.erasure")


@dataclass(frozen=True, slots=True)
class Look:
    """What stands in a system, and what we knew before we looked."""

    reading: Reading
    mark: EpochMark | None
    known: KnownEpoch | None


class Epochs:
    """The marks of all systems that have one. Raises ``StoreUnavailable``."""

    def __init__(
        self,
        store: ErasureEpochs,
        canaries: Mapping[str, Canary],
        key: Ed25519PrivateKey,
        metrics: Metrics,
        clock: Callable[[], datetime],
        former: Sequence[Ed25519PublicKey] = (),
    ) -> None:
        """``former``: keys of former master keys, which signed the marks that stand in systems."""
        self._store = store
        self._canaries = canaries
        self._key = key
        self._readable = (key.public_key(), *former)
        self._failures = metrics.canary_failures
        self._restores = metrics.restores
        self._clock = clock
        self._locks = {name: asyncio.Lock() for name in canaries}
        self._begun: Counter[str] = Counter()
        self._done: Counter[str] = Counter()  # the number of the latest that was begun and has ended well

    @property
    def targets(self) -> tuple[str, ...]:
        """The systems that have a mark."""
        return tuple(self._canaries)

    async def look(self, target: str) -> Look | TargetFault:
        """Read a system's mark and judge it; what can't be read says nothing."""
        look = await self._look(target)
        if isinstance(look, Look) and look.reading not in {Reading.CURRENT, Reading.FIRST}:
            look = await self._look(target)  # another replica may have been writing; what holds holds twice
        if isinstance(look, Look) and look.reading is Reading.NEWER and look.mark is not None:
            await self._adopt(look.mark)
        return look

    async def advance(self, target: str) -> TargetFault | None:
        """Raise the epoch of a system that was just erased from; return why that could not be.

        Erasures at the same time share one: whichever was begun after they had deleted will do.
        """
        if target not in self._canaries:
            return None
        asked = self._begun[target]
        async with self._locks[target]:
            if self._done[target] > asked:
                return None
            self._begun[target] += 1
            look = await self.look(target)
            if isinstance(look, TargetFault):
                return look
            if look.reading in WENT_BACK:
                return TargetFault.WENT_BACK
            fault = await self.write(target)
            if fault is None:
                self._done[target] = self._begun[target]
            return fault

    async def write(self, target: str) -> TargetFault | None:
        """Write the next mark, whatever stands there."""
        epoch = await self._store.begin(target)
        mark = sign_mark(EpochMark(target, epoch, self._clock()), self._key)
        try:
            await self._canaries[target].write(mark)
        except CanaryUnreachable as error:
            self._failures.labels(target).inc()
            return error.fault
        await self._store.settle(target, epoch)
        return None

    async def _adopt(self, mark: EpochMark) -> None:
        """Take over an epoch that we had forgotten: it is our own database that went back in time (E40)."""
        self._restores.labels(mark.target, Reading.NEWER.value).inc()
        _log.critical(
            "the mark in %s is newer than the sidecar's state: was an old copy of that put back?", mark.target
        )
        await self._store.settle(mark.target, mark.epoch)

    async def _look(self, target: str) -> Look | TargetFault:
        known = await self._store.known(target)  # first: a mark that is written meanwhile must not look too old
        try:
            data = await self._canaries[target].read()
        except CanaryUnreachable as error:
            self._failures.labels(target).inc()
            return error.fault
        try:
            mark = None if data is None else read_mark(data, target, self._readable)
        except MarkInvalid:
            return Look(Reading.INVALID, None, known)
        return Look(judge(mark, known), mark, known)
