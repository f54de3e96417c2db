"""Notices that a system went back in time, closes it off, has everybody erased again, and opens it (E39).

On every pass the mark of each system is read. One that is older than we know, missing or not ours means that an older
copy was put back. Then, in this order: routes are closed → quarantine and the order to erase again are durable → the
next mark is written, so that another restore shows, too → the worker erases and verifies → the quarantine is ended →
routes are opened. Killed anywhere, the next pass carries on: the old mark is still there, or the quarantine is.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import uuid4

from sidecar.audit.intending import BROKE_OFF, intend
from sidecar.audit.record import Action, AuditWriter, Decision, Intent, Outcome
from sidecar.erasure.attempt import Clock
from sidecar.erasure.epoch import WENT_BACK, KnownEpoch, Reading
from sidecar.erasure.epochs import Epochs, Look
from sidecar.erasure.loops import Loop
from sidecar.errors import AuditUnavailable, StoreUnavailable
from sidecar.metrics import Metrics
from sidecar.stores.erasure_epochs import ErasureEpochs, WentBack
from sidecar.targets.target import TargetFault

_log = logging.getLogger("sidecar.erasure")


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """``upstreams``: which of the proxy's upstreams show data of a system, by the system's name."""

    upstreams: Mapping[str, frozenset[str]]
    actor: str
    every: timedelta = timedelta(seconds=10)
    at_start: timedelta = timedelta(seconds=10)  # systems that answer later are looked at when they do
    wake: Callable[[], None] = field(default=lambda: None)


class RestoreWatch:
    """``start`` before traffic is served: a restart after a restore must not show what was erased."""

    def __init__(
        self,
        epochs: Epochs,
        store: ErasureEpochs,
        audit: AuditWriter,
        metrics: Metrics,
        settings: WatchSettings,
        clock: Clock,
    ) -> None:
        self._epochs = epochs
        self._store = store
        self._audit = audit
        self._metrics = metrics
        self._settings = settings
        self._clock = clock
        self._suspects: set[str] = set()  # found to have gone back, and not yet durably closed off
        self._closed: frozenset[str] = frozenset()
        self._upstreams: frozenset[str] = frozenset()
        self._loop = Loop("restores", self._repeat)

    @property
    def quarantined(self) -> tuple[str, ...]:
        """The systems that are closed off, sorted."""
        return tuple(sorted(self._closed))

    @property
    def closed_upstreams(self) -> Collection[str]:
        """The proxy's upstreams that must not be asked now. Answers from memory."""
        return self._upstreams

    @property
    def healthy(self) -> bool:
        """Whether the loop runs."""
        return self._loop.running

    async def start(self) -> None:
        """Close what was closed before, look at every system once, and go on doing so."""
        await self._take_over()
        try:
            async with asyncio.timeout(self._settings.at_start.total_seconds()):
                await self.pass_once()
        except TimeoutError:
            _log.warning("not every system could be looked at for restores before traffic is served")
        self._loop.start()

    async def stop(self) -> None:
        await self._loop.stop()

    async def pass_once(self) -> None:
        """Look at every system at the same time: a slow one delays no other."""
        results = await asyncio.gather(*(self._check(one) for one in self._epochs.targets), return_exceptions=True)
        self._close(self._closed | self._suspects)
        await self._take_over()
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def release(self, target: str, actor: str) -> bool:
        """End a quarantine by an officer's word, whatever is left; False if there is none."""
        if target not in self._closed:
            return False
        return await self._release(target, actor, "by_officer", self._store.release)

    async def _repeat(self) -> None:
        while True:
            await asyncio.sleep(self._settings.every.total_seconds())
            try:
                await self.pass_once()
            except (StoreUnavailable, AuditUnavailable) as error:
                _log.warning("the watch for restores waits: %s", type(error).__name__)

    async def _check(self, target: str) -> None:
        look = await self._epochs.look(target)
        if isinstance(look, TargetFault):
            _log.warning("the mark in %s can't be read: %s", target, look.value)
            return
        if look.reading in WENT_BACK:
            self._suspects.add(target)
            self._close(self._closed | self._suspects)  # before anything that may fail
            await self._quarantine(target, look)
        elif look.reading is Reading.FIRST:
            await self._epochs.write(target)
        self._suspects.discard(target)

    async def _quarantine(self, target: str, look: Look) -> None:
        known = look.known or KnownEpoch(0)
        self._metrics.restores.labels(target, look.reading.value).inc()
        intent = self._intent(target, self._settings.actor)
        await intend(self._audit, intent)
        decision, reason = Decision.ABORTED, BROKE_OFF
        try:
            await self._close_off(target, known, look)
            decision, reason = Decision.REFUSED, look.reading.value
        except StoreUnavailable:  # its routes refuse from memory, and the next pass does it once more
            decision, reason = Decision.FAILED, "store_unavailable"
            raise
        finally:
            await self._conclude(intent, decision, reason)

    async def _close_off(self, target: str, known: KnownEpoch, look: Look) -> None:
        since = look.mark.written_at if look.mark is not None else None
        ordered = await self._store.quarantine(WentBack(target, known, look.reading, since), self._clock())
        if ordered is not None:
            await self._epochs.write(target)
            _log.critical(
                "%s went back in time (its mark is %s): it is closed off, %d requests are erased again",
                target, look.reading.value, ordered,
            )  # fmt: skip
            self._settings.wake()

    async def _take_over(self) -> None:
        """Do what the durable state says, by whichever replica it was written."""
        quarantines = await self._store.quarantines()
        for one in quarantines:
            if one.may_end:
                await self._release(one.target, self._settings.actor, "erased_again", self._store.end_if_done)
            elif one.beyond_horizon and not one.waiting:
                _log.error(
                    "%s stays closed: %d erasures can't be repeated, their identities are destroyed; only a person can "
                    "release it", one.target, one.beyond_horizon,
                )  # fmt: skip
        await self._close_as_stored()

    async def _close_as_stored(self) -> None:
        self._close({one.target for one in await self._store.quarantines()} | self._suspects)

    async def _release(self, target: str, actor: str, reason: str, release: Callable[[str], Awaitable[bool]]) -> bool:
        intent = self._intent(target, actor)
        try:
            await intend(self._audit, intent)
        except AuditUnavailable:  # what can't be recorded must not happen: it stays closed
            return False
        released = False
        decision, said = Decision.ABORTED, BROKE_OFF
        try:
            released = await release(target)
            decision, said = (Decision.COMPLETED if released else Decision.ABORTED), reason
        except StoreUnavailable:
            decision, said = Decision.FAILED, "store_unavailable"
            raise
        finally:
            await self._conclude(intent, decision, said)
        if released:
            _log.warning("%s is open again (%s)", target, reason)
        await self._close_as_stored()
        return released

    def _close(self, targets: Collection[str]) -> None:
        for target in self._epochs.targets:
            self._metrics.quarantined.labels(target).set(target in targets)
        self._closed = frozenset(targets)
        mapped = (self._settings.upstreams.get(target, frozenset()) for target in targets)
        self._upstreams = frozenset().union(*mapped)

    def _intent(self, target: str, actor: str) -> Intent:
        return Intent(exchange_id=uuid4().hex, action=Action.QUARANTINE, actor=actor, proof="none", route=target)

    async def _conclude(self, intent: Intent, decision: Decision, reason: str) -> None:
        try:
            await self._audit.conclude(Outcome(intent.exchange_id, intent.action, decision, reason))
        except AuditUnavailable:
            _log.warning("what became of a quarantine was not recorded: its intent stands alone")
