"""Starts every part in order and stops them in reverse. Start and stop stand together.

The order is the promise. State, audit log and detection are there before anything is served; the admin listener comes
before the data listener and goes after it, so that a draining sidecar still says that it is not ready.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Hashable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Protocol, TypeVar

from sidecar.admin.probes import ReadinessCheck, probe_routes
from sidecar.admin.pulse import Pulse
from sidecar.app.audit_reading import Auditing, started_auditing
from sidecar.app.auditing import changes_since, reload_note, start_event
from sidecar.app.detecting import detecting_of
from sidecar.app.erasing import Erasing, Memories, erasing_of
from sidecar.app.key_checks import require_known_keys
from sidecar.app.listening import admin_listener, data_listener
from sidecar.app.settings import Settings, settings_of
from sidecar.app.upstreams import start_upstreams
from sidecar.app.writable import check_writable
from sidecar.audit.log import AuditLog
from sidecar.audit.record import Action, Event
from sidecar.config import load_config
from sidecar.detection.cache import CachedDetection, CacheLimits
from sidecar.detection.executor import DetectionExecutor
from sidecar.errors import AuditUnavailable
from sidecar.keys import Purpose
from sidecar.logs import configure_logging, forbid_core_dumps, quiet_loop
from sidecar.metrics import Metrics
from sidecar.proxy.admission import Admission
from sidecar.proxy.body_budget import BodyBudget
from sidecar.proxy.exchange import Exchange, Parts
from sidecar.proxy.listener import DataListener
from sidecar.proxy.meter import Meter
from sidecar.proxy.recalling import RecallingRewriter
from sidecar.proxy.rewrite_memory import MemoryLimits, RewriteMemory
from sidecar.proxy.scanning import Scanner
from sidecar.proxy.upstream import Upstream
from sidecar.redaction.redactor import Detection, Redactor
from sidecar.redaction.scope import PlaceholderStore
from sidecar.redaction.suppression import Suppression
from sidecar.stores.database import Database, DatabaseSettings
from sidecar.stores.placeholders import StoredPlaceholders

_log = logging.getLogger("sidecar")

_SWITCH_SECONDS = 0.0005  # after so long the event loop gets the interpreter back from a thread; the default is 5 ms


class Startable(Protocol):
    """A part with a life: what ``start`` opened, ``stop`` closes."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


T = TypeVar("T", bound=Startable)


@dataclass(frozen=True, slots=True)
class Running:
    """What a started sidecar can be asked: the ports it listens on, and whether it can go on recording."""

    data_port: int
    admin_port: int
    audit_broken: asyncio.Event


async def serve(path: Path, when_ready: Callable[[Running], Awaitable[None]] | None = None) -> None:
    """Run the sidecar until SIGTERM or SIGINT, then drain. ``when_ready`` is called once everything listens.

    Raises AuditUnavailable if the audit log can't be written any more before a restart.
    """
    settings, digest = _read(path)
    sys.setswitchinterval(_SWITCH_SECONDS)
    configure_logging()
    forbid_core_dumps()
    loop = asyncio.get_running_loop()
    quiet_loop(loop)
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with running(settings, digest) as now:
        _log.info("ready: data on port %d (TLS), admin on port %d", now.data_port, now.admin_port)
        _settle_memory()
        if when_ready is not None:
            await when_ready(now)
        await _first(stopping, now.audit_broken)
        if now.audit_broken.is_set():
            raise AuditUnavailable("the process that writes the audit log ended; see what ended it, and start again")
        _log.info("stopping")


async def _first(*events: asyncio.Event) -> None:
    waiting = [asyncio.create_task(one.wait()) for one in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in waiting:
            one.cancel()


def _settle_memory() -> None:
    """Leave what start-up made out of every later look for garbage: each would stop the event loop for 0.1 s."""
    gc.collect()
    gc.freeze()


def _read(path: Path) -> tuple[Settings, str]:
    """Return what the file says, and its SHA-256 for the record of the start."""
    settings = settings_of(load_config(path))
    check_writable(settings.config)
    return settings, sha256(path.read_bytes()).hexdigest()


@asynccontextmanager
async def running(settings: Settings, config_sha256: str) -> AsyncIterator[Running]:
    """Everything started, in order; stopped in reverse, whatever happens."""
    metrics = Metrics()
    async with AsyncExitStack() as stack:
        database = await _database(stack, settings)
        auditing = await started_auditing(stack, settings, metrics)
        audit = auditing.log
        stack.push_async_callback(audit.note, Event(Action.STOP))
        detection, executor = await _detection(stack, settings, metrics, audit)
        placeholders = StoredPlaceholders(database)
        upstreams = await start_upstreams(settings, metrics, audit, partial(_started, stack))
        current, *former = settings.pseudonymizers(Purpose.SUPPRESSION)
        suppression = Suppression(current, former)
        memories = Memories(suppression, detection.clear)
        erasing = erasing_of(settings, database, placeholders, auditing, metrics, memories)
        redactor = redactor_of(settings, detection, placeholders, suppression)
        memory = rewrite_memory_of(
            settings, lambda: (detection.version, placeholders.forgettings, suppression.generation), metrics
        )
        parts_of_exchange = _parts_of(settings, upstreams, redactor, memory, audit, metrics, erasing)
        exchange = Exchange(replace(parts_of_exchange, detection_is_full=lambda: executor.is_full))
        data = await data_listener(settings, exchange, metrics, audit, partial(_started, stack))
        await _started(stack, Pulse(metrics))
        routes = (
            *probe_routes(_checks(data, auditing, erasing, executor), metrics.registry, _quarantined_by(erasing)),
            *auditing.routes,
            *(erasing.routes if erasing else ()),
        )
        admin = await _started(stack, admin_listener(settings, routes, audit, metrics))
        stack.push_async_callback(exchange.settle)
        await _note_start(settings, audit, start_event(settings, config_sha256, detection.version))
        watching: tuple[Startable, ...] = ()
        if erasing:  # the clock first: all others go by it
            watching = (erasing.clock, *erasing.canaries, erasing.watch, erasing.suppressing)
        for part in watching:  # before traffic: what was restored while nobody looked must not be shown
            await _started(stack, part)
        await _started(stack, data)
        parts: tuple[Startable, ...] = ()
        if erasing:
            parts = (
                erasing.journal,
                *erasing.targets,
                erasing.worker,
                erasing.notices,
                *erasing.seen_to,
                erasing.overhearing,
            )
        for part in parts:  # last: nothing is deleted anywhere by a sidecar that can't start
            await _started(stack, part)
        yield Running(data.port, admin.port, audit.broken)


async def _started(stack: AsyncExitStack, part: T) -> T:
    await part.start()
    stack.push_async_callback(part.stop)
    return part


async def _database(stack: AsyncExitStack, settings: Settings) -> Database:
    database = await _started(stack, Database(DatabaseSettings(settings.config.state.url.get_secret_value())))
    await require_known_keys(settings, database)
    return database


def _closed_by(erasing: Erasing | None) -> Callable[[], Collection[str]]:
    """Return what answers which upstreams must not be asked now."""
    return frozenset if erasing is None else lambda: erasing.watch.closed_upstreams


def _quarantined_by(erasing: Erasing | None) -> Callable[[], Sequence[str]]:
    return tuple if erasing is None else lambda: erasing.watch.quarantined


async def _note_start(settings: Settings, audit: AuditLog, now: Event) -> None:
    """Record by what the sidecar starts, and that this is not what it started by before, if so (A40)."""
    changed = await asyncio.to_thread(changes_since, settings, now)
    if changed is not None:
        await audit.note(changed)
    await audit.note(now)


async def _detection(
    stack: AsyncExitStack, settings: Settings, metrics: Metrics, audit: AuditLog
) -> tuple[CachedDetection, DetectionExecutor]:
    detecting = detecting_of(settings.config.detection, metrics, reload_note(audit, "catalogue"))
    executor = await _started(stack, detecting.executor)
    if detecting.catalogue_reload is not None:
        await _started(stack, detecting.catalogue_reload)
    keys = settings.master.pseudonymizer(Purpose.DETECTION_CACHE)
    entries = settings.config.detection.cache_entries
    return CachedDetection(executor, keys, metrics, CacheLimits(entries, 2 * entries)), executor


def redactor_of(
    settings: Settings, detection: Detection, placeholders: PlaceholderStore, suppression: Suppression | None = None
) -> Redactor:
    """Return the redactor with the keys of this deployment."""
    keys = settings.master.pseudonymizer
    own = keys(Purpose.PLACEHOLDER), keys(Purpose.OPERATOR)
    return Redactor(detection, placeholders, *own, asyncio.to_thread, suppression)


def rewrite_memory_of(settings: Settings, epoch: Callable[[], Hashable], metrics: Metrics) -> RewriteMemory:
    """Return the memory of payloads rewritten before. It holds nothing any more once the epoch changes."""
    limits = MemoryLimits(settings.config.detection.rewrite_cache_mebibytes * 1024 * 1024)
    return RewriteMemory(settings.master.pseudonymizer(Purpose.REWRITE_CACHE), epoch, metrics, limits)


def _parts_of(
    settings: Settings,
    upstreams: Mapping[str, Upstream],
    redactor: Redactor,
    memory: RewriteMemory,
    audit: AuditLog,
    metrics: Metrics,
    erasing: Erasing | None,
) -> Parts:
    pseudonyms = settings.master.pseudonymizer(Purpose.AUDIT_PSEUDONYM)
    meter, data = Meter(metrics), settings.config.listeners.data
    return Parts(
        admission=Admission(settings.routes, settings.callers, _closed_by(erasing)),
        upstreams=upstreams,
        scanner=Scanner(
            RecallingRewriter(redactor, pseudonyms, memory), meter, erasing.overhearing if erasing else None
        ),
        audit=audit,
        pseudonyms=pseudonyms,
        meter=meter,
        budget=BodyBudget(data.max_held_mebibytes * 2**20, metrics),
        max_inflight=data.max_exchanges,
        denials=settings.denial_limits,
        detector_version=lambda: redactor.detector_version,
    )


def _checks(
    data: DataListener, auditing: Auditing, erasing: Erasing | None, executor: DetectionExecutor
) -> tuple[ReadinessCheck, ...]:
    return (
        ReadinessCheck("detection", lambda: executor.healthy),
        ReadinessCheck("data_listener", lambda: data.ready),
        ReadinessCheck("audit", lambda: auditing.log.healthy),
        ReadinessCheck("audit_anchors", auditing.anchored),
        ReadinessCheck("erasure", lambda: erasing is None or erasing.healthy),
    )
