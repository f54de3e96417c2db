"""Drives open requests to their end: one loop for each target, so that a slow or broken one delays nobody else (E19),
and one that ends requests, forgets identities and counts.

Every pass does what is due now and nothing else; start-up runs the same passes. Time only ever makes things due.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from random import random
from socket import gethostname
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from sidecar.audit.record import AuditWriter
from sidecar.erasure.attempt import (
    Attempts,
    AttemptSettings,
    Checkpoint,
    Clock,
    EpochWriter,
    NoEpochs,
    nowhere,
    utc_now,
)
from sidecar.erasure.durable import ErasureStores
from sidecar.erasure.endings import Endings, Signer
from sidecar.erasure.hold_sources import HoldSource
from sidecar.erasure.holds import Holds
from sidecar.erasure.loops import report_end, woken
from sidecar.erasure.plan import Configured, Side
from sidecar.erasure.steps import Pace
from sidecar.errors import ConfigError, KeyMaterialError, Problem, StoreUnavailable
from sidecar.metrics import Metrics
from sidecar.stores.erasure_evidence import Leased
from sidecar.targets.target import Target

_log = logging.getLogger("sidecar.erasure")

_CLOSED: Final = "sealed identities of %d open erasure requests do not open"


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """``name`` is this replica's own, the same after a restart: what it held when killed it takes back at once."""

    name: str = field(default_factory=lambda: f"erasure@{gethostname()[-56:]}")  # hosts differ at the end
    lease: timedelta = timedelta(minutes=5)
    call_limit: timedelta = timedelta(minutes=4)
    poll: timedelta = timedelta(seconds=1)
    stop_within: timedelta = timedelta(seconds=10)
    horizon: timedelta = timedelta(days=35)
    """How long after the end identities stay sealed, for deleting again after a restore."""
    count_every: timedelta = timedelta(seconds=15)
    """How often requests are counted for metrics: that reads an entry for each open one."""
    pace: Pace = field(default_factory=Pace)
    count_before: bool = False
    """Whether verification counts what there is before anything is deleted."""
    former_keys: tuple[Ed25519PublicKey, ...] = ()
    """Public keys of former master keys, by which older receipts are checked."""

    def __post_init__(self) -> None:
        if self.call_limit >= self.lease:
            problem = Problem("erasure.lease", "is not longer than a call may take", "Make it longer than call_limit")
            raise ConfigError((problem,))


class ErasureWorker:
    """``start`` before use, ``stop`` when done; ``wake`` when there is news. ``pass_once`` is one whole pass."""

    def __init__(
        self,
        stores: ErasureStores,
        targets: Sequence[Target],
        audit: AuditWriter,
        signing_key: Ed25519PrivateKey,
        metrics: Metrics,
        settings: WorkerSettings,
        clock: Clock = utc_now,
        chance: Callable[[], float] = random,
        checkpoint: Checkpoint = nowhere,
        epochs: EpochWriter | None = None,
        hold_source: HoldSource | None = None,
    ) -> None:
        self._stores = stores
        self._targets = tuple(targets)
        self._metrics = metrics
        self._settings = settings
        self._clock = clock
        self._checkpoint = checkpoint
        self._holds = Holds(stores.holds, metrics, hold_source)
        attempt_settings = AttemptSettings(settings.name, settings.call_limit, settings.pace, settings.count_before)
        epochs = epochs or NoEpochs()
        self._attempts = Attempts(
            stores.tasks, audit, metrics, attempt_settings, epochs, self._holds, clock, chance, checkpoint
        )
        signer = Signer(settings.name, signing_key, settings.horizon, settings.lease, settings.former_keys)
        self._endings = Endings(
            stores.endings,
            stores.receipt_keys,
            stores.unrecorded,
            audit,
            signer,
            metrics,
            clock,
            checkpoint,
            self._wake_targets,
            lambda: self._catch_up.wanted,
            Configured.of(self._targets),
        )
        self._catch_up = stores.plans.catch_up(self._targets)
        self._loops: tuple[asyncio.Task[None], ...] = ()
        self._first_target = 0
        self._stopping = asyncio.Event()
        self._wakers: tuple[asyncio.Event, ...] = ()
        self._stranded: dict[str, list[Leased]] = {}

    @property
    def healthy(self) -> bool:
        """Whether every loop runs. A loop that ended by a bug is logged, and stays ended: it must be seen."""
        return bool(self._loops) and not any(loop.done() for loop in self._loops)

    async def start(self) -> None:
        """Take back old leases, and begin. Plans are brought up to date with the configured targets beside the work.

        Raises as ``recover``.
        """
        await self._take_over()
        self._stopping.clear()
        every = self._settings.poll
        passes = [("ends", self._endings.make, every), ("house", self._keep_house, every), ("plans", self._plan, every)]
        self._first_target = len(passes)
        passes += [(target.name, self._target_pass(target), every) for target in self._targets]
        passes.append(("count", self._count, self._settings.count_every))  # last: nobody wakes it
        self._wakers = tuple(asyncio.Event() for _ in passes)
        self._loops = tuple(
            asyncio.create_task(self._repeat(one, waker, pause), name=f"erasure-{name}")
            for (name, one, pause), waker in zip(passes, self._wakers, strict=True)
        )
        for loop in self._loops:
            loop.add_done_callback(report_end)

    async def stop(self) -> None:
        """Let calls under way end, within limits; then cut them off. What they were doing is done again at start."""
        self._stopping.set()
        for waker in self._wakers:
            waker.set()
        loops, self._loops = self._loops, ()
        if loops:
            _, late = await asyncio.wait(loops, timeout=self._settings.stop_within.total_seconds())
            for loop in late:
                loop.cancel()
            if late:
                await asyncio.wait(late)
        await self._endings.close()

    def wake(self) -> None:
        """Look for due work now instead of at the next poll. Nothing is counted for it."""
        for waker in self._wakers[:-1]:
            waker.set()

    async def recover(self) -> None:
        """Take over, and bring all plans up to date at once.

        Raises ``StoreUnavailable``; and ``KeyMaterialError`` if neither the oldest nor the newest open requests can be
        opened, for then the master key is another.
        """
        await self._take_over()
        while await self._plan():
            pass

    async def _take_over(self) -> None:
        now = self._clock()
        if self._stores.journal is not None:
            recovered = await self._stores.journal.recover(now)
            self._metrics.erasure_recovered.inc(recovered.brought_back)
            if recovered.brought_back or recovered.destroyed:
                _log.error(
                    "the database is older than the journal: %d requests brought back, %d keys destroyed anew",
                    recovered.brought_back,
                    recovered.destroyed,
                )
        await self._stores.tasks.release(self._settings.name, now)
        await self._stores.endings.release(self._settings.name, now)
        found = await self._stores.plans.sample()
        if found.wrong_key:
            raise KeyMaterialError(
                "no open erasure request can be opened: give the sidecar the master key that they were accepted under"
            )
        if found.closed:
            _log.error("sealed identities of %d of %d open erasure requests do not open", found.closed, found.sampled)
        self._catch_up = self._stores.plans.catch_up(self._targets)

    async def _plan(self) -> bool:
        """Bring some plans up to date; tell whether there may be more."""
        before = self._catch_up.unopened
        more = await self._catch_up.some(self._clock())
        if (unopened := self._catch_up.unopened) > before:
            _log.error(_CLOSED, unopened)
        return await self._plan_anew() or more

    async def _plan_anew(self) -> bool:
        """Plan for what is to be done once more; tell whether there was anything."""
        anew = await self._stores.plans.plan_anew(self._targets, self._clock())
        if anew.unopened:
            _log.error(_CLOSED, anew.unopened)
        return anew.requests > 0

    async def pass_once(self) -> bool:
        """Do everything that is due now, once; tell whether there was anything."""
        anew = await self._plan_anew()
        busy = [await self._endings.make(), *[await self._drive(target) for target in self._targets]]
        return await self.tend() or anew or any(busy)

    async def tend(self) -> bool:
        """Do what is nobody's call to a target; tell whether there was anything."""
        busy = [await self._keep_house(), await self._endings.make()]
        await self._count()
        return any(busy)

    async def _keep_house(self) -> bool:
        """Do what its hour makes due: resume what is held no more, forget, and tell of deadlines."""
        resumed = await self._holds.tend(self._clock())
        await self._stores.tasks.forget(self._clock())
        for percent, count in (await self._stores.alerts.raise_due(self._clock())).items():
            self._metrics.erasure_deadline_alerts.labels(str(percent)).inc(count)
            _log.warning("%d erasure requests have used %d %% of their time", count, percent)
        return resumed

    async def _count(self) -> bool:
        counts = await self._stores.requests.counts(self._clock())
        self._metrics.erasure_open.set(counts.open)
        self._metrics.erasure_overdue.set(counts.overdue)
        return False

    def _wake_targets(self) -> None:
        for waker in self._wakers[self._first_target : -1]:
            waker.set()

    def _target_pass(self, target: Target) -> Callable[[], Coroutine[Any, Any, bool]]:
        return lambda: self._drive(target)

    async def _repeat(
        self, one_pass: Callable[[], Coroutine[Any, Any, bool]], waker: asyncio.Event, every: timedelta
    ) -> None:
        while not self._stopping.is_set():
            waker.clear()
            try:
                busy = await one_pass()
            except StoreUnavailable:
                _log.warning("erasure waits: the store is unavailable")
                busy = False
            if not busy and not self._stopping.is_set():
                await woken(waker, every)

    async def _drive(self, target: Target) -> bool:
        await self._give_back(target)
        now = self._clock()
        until, most = now + self._settings.lease, target.limits.concurrency
        limits = None if target.side is Side.OWN else target.limits  # our own state needs no mercy
        leases = await self._stores.tasks.lease(target.name, self._settings.name, now, until, most, target.side, limits)
        more = sum(self._attempts.counts_first(target, leased) for leased in leases.tasks)
        if more and target.limits.per_second is not None:
            await self._stores.tasks.spend(target.name, more)
        if leases.unopened:
            _log.error("sealed identities of %d erasure tasks do not open: is the master key right?", leases.unopened)
        results = await asyncio.gather(
            *(self._attempts.make(target, leased) for leased in leases.tasks), return_exceptions=True
        )
        if leases.tasks and self._wakers:  # what has ended has its turn
            self._wakers[0].set()
        for leased, result in zip(leases.tasks, results, strict=True):
            if isinstance(result, asyncio.CancelledError):
                raise result
            if isinstance(result, StoreUnavailable):
                self._stranded.setdefault(target.name, []).append(leased)
            if isinstance(result, BaseException):
                # A bug in a target, or no store. The step is done again once the lease runs out, or was given back.
                # Its text may hold what must not be logged.
                _log.error("an erasure step of target %s broke off: %s", target.name, type(result).__name__)
        return bool(leases.tasks)

    async def _give_back(self, target: Target) -> None:
        """Give back what broke off because there was no store, now that there may be one: nobody waits for the lease.

        What came of the step is not known any more. It is done again, as after a crash.
        """
        stranded = self._stranded.get(target.name, [])
        while stranded:
            await self._stores.tasks.postpone(stranded[-1], self._clock() + self._settings.pace.backoff.first)
            stranded.pop()
