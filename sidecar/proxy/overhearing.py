"""Looks for people who ask to be forgotten in the chats that pass, beside the exchanges and never in their way.

Bodies are offered once they were rewritten, and looked at one after another on a thread. What waits is bounded, in
number and in characters: what finds no room is counted and left, for a chat is read again and again. Nothing that
fails here reaches an exchange, and no log or metric holds more than the route's name.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from sidecar.errors import PayloadRefused
from sidecar.metrics import Metrics
from sidecar.payloads.askings import Said, said_in
from sidecar.payloads.document import PayloadFormat
from sidecar.proxy.reading import without_placeholders
from sidecar.proxy.routes import ErasureTrigger, Route

_log = logging.getLogger(__name__)

_STOP_SECONDS: Final = 5.0


class Filed(StrEnum):
    """What became of one who asks."""

    FILED = "filed"
    KNOWN = "known"  # asked before, by the same conversation
    UNIDENTIFIED = "unidentified"  # nobody can tell who it is
    FAILED = "failed"  # tried again when the chat is read again


@dataclass(frozen=True, slots=True)
class Asked:
    """Somebody asks to be forgotten. ``namespace``: of the route's field map, which tells platforms apart."""

    route: str
    namespace: str
    regulation: str
    identities: tuple[tuple[str, str], ...] = field(repr=False)


class Filing(Protocol):
    """Files a request that waits until somebody has made sure of the person; asked again it does nothing."""

    async def file(self, asked: Asked) -> Filed: ...


@dataclass(frozen=True, slots=True)
class OverhearingLimits:
    """``waiting``: bodies, and ``characters`` of all of them; ``seen``: how many are known again without a look."""

    waiting: int = 64
    characters: int = 16 * 1024 * 1024
    seen: int = 10_000


class Overhearing:
    """``asks`` tells whether a text asks to be forgotten in one of some languages."""

    def __init__(
        self,
        filing: Filing,
        asks: Callable[[str, frozenset[str]], bool],
        metrics: Metrics,
        limits: OverhearingLimits = OverhearingLimits(),
    ) -> None:
        self._filing = filing
        self._asks = asks
        self._metrics = metrics
        self._limits = limits
        self._turn = asyncio.Semaphore(1)
        self._tasks: set[asyncio.Task[None]] = set()
        self._held = 0
        self._open = False
        self._seen: OrderedDict[tuple[str, int], None] = OrderedDict()

    async def start(self) -> None:
        self._open = True

    async def stop(self) -> None:
        """Look at what waits, for some seconds; the rest is counted and left."""
        self._open = False
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=_STOP_SECONDS)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)

    def offer(self, route: Route, text: str, payload_format: PayloadFormat) -> None:
        """Take a body to be looked at later. Never waits and never raises."""
        trigger = route.erasure_trigger
        if trigger is None:
            return
        full = len(self._tasks) >= self._limits.waiting or self._held + len(text) > self._limits.characters
        if full or not self._open:
            self._count("dropped")
            _log.warning("a body of route %s was not looked at for requests to be forgotten: no room", route.name)
            return
        self._held += len(text)
        task = asyncio.create_task(self._look(route, trigger, text, payload_format), name="overhearing")
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._looked(done, route.name, len(text)))

    def _looked(self, done: asyncio.Task[None], route: str, characters: int) -> None:
        self._tasks.discard(done)
        self._held -= characters
        if done.cancelled():
            self._count("dropped")
        elif (error := done.exception()) is not None:
            self._count(Filed.FAILED.value)
            _log.error("looking for requests in a body of route %s failed: %s", route, type(error).__name__)

    async def _look(self, route: Route, trigger: ErasureTrigger, text: str, payload_format: PayloadFormat) -> None:
        async with self._turn:
            place = (route.name, hash(text))  # keyed by the interpreter, for this process alone
            if place in self._seen:
                self._seen.move_to_end(place)
                return
            try:
                found = await asyncio.to_thread(self._asking, route, trigger, text, payload_format)
            except PayloadRefused:
                found = ()  # of another reading than the one that was passed on
                self._count(Filed.FAILED.value)
            filed = [await self._file(route, trigger, said) for said in found]
            if Filed.FAILED not in filed:
                self._remember(place)

    def _asking(
        self, route: Route, trigger: ErasureTrigger, text: str, payload_format: PayloadFormat
    ) -> tuple[Said, ...]:
        leaves = payload_format.parse(text).leaves
        languages = trigger.languages
        return tuple(
            said
            for said in said_in(leaves, route.fields, trigger.rule, without_placeholders)
            if said.intended or (languages and any(self._asks(one, languages) for one in said.texts))
        )

    async def _file(self, route: Route, trigger: ErasureTrigger, said: Said) -> Filed:
        filed = Filed.UNIDENTIFIED
        if said.identities:
            filed = await self._filing.file(
                Asked(route.name, route.fields.namespace, trigger.regulation, said.identities)
            )
        self._count(filed.value)
        if filed is Filed.UNIDENTIFIED:
            _log.warning("somebody asks to be forgotten on route %s, and nothing says who it is", route.name)
        elif filed is Filed.FAILED:
            _log.warning("somebody asks to be forgotten on route %s, and it could not be filed", route.name)
        return filed

    def _remember(self, place: tuple[str, int]) -> None:
        self._seen[place] = None
        while len(self._seen) > self._limits.seen:
            self._seen.popitem(last=False)

    def _count(self, outcome: str) -> None:
        self._metrics.erasure_triggers.labels(outcome).inc()
