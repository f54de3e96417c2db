"""Makes the two listeners of their configuration, and records which certificates they show."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from sidecar.admin.connection import Bounds
from sidecar.admin.guard import Guard
from sidecar.admin.listener import MAX_BODY_BYTES, AdminListener, AdminSettings
from sidecar.admin.route import AdminRoute
from sidecar.app.auditing import certificates_note
from sidecar.app.settings import Settings
from sidecar.audit.log import AuditLog
from sidecar.keys import Purpose
from sidecar.metrics import Metrics
from sidecar.proxy.exchange import Exchange
from sidecar.proxy.listener import DataListener, ListenerSettings
from sidecar.tls.reloaded_listener import reloaded_listener


async def data_listener(
    settings: Settings, exchange: Exchange, metrics: Metrics, audit: AuditLog, start: Callable[[Any], Awaitable[object]]
) -> DataListener:
    """Return the data listener, not started yet; what looks after its certificate is."""
    config = settings.config.listeners.data
    note = certificates_note(audit, "data_certificate")
    reloaded = reloaded_listener("data", settings.data_tls, metrics, config.tls.reload_seconds, on_change=note)
    context = reloaded.open()
    await start(reloaded)
    listener = ListenerSettings(
        host=config.host,
        port=config.port,
        handshake_seconds=config.handshake_seconds,
        max_connections=config.max_connections,
        max_handshakes=config.max_handshakes,
        drain_delay_seconds=config.drain_delay_seconds,
        drain_seconds=config.drain_seconds,
    )
    return DataListener(listener, context, exchange)


def admin_listener(
    settings: Settings, routes: Sequence[AdminRoute], audit: AuditLog, metrics: Metrics
) -> AdminListener:
    """Return the admin listener, not started yet."""
    config = settings.config.listeners.admin
    reloaded = None
    if settings.admin_tls is not None and config.tls is not None:
        note = certificates_note(audit, "admin_certificate")
        reloaded = reloaded_listener("admin", settings.admin_tls, metrics, config.tls.reload_seconds, on_change=note)
    pseudonyms = settings.master.pseudonymizer(Purpose.AUDIT_PSEUDONYM)
    guard = Guard(settings.callers, audit, pseudonyms, metrics, MAX_BODY_BYTES, settings.denial_limits)
    bounds = Bounds(config.max_connections, config.max_handshakes, handshake_seconds=config.handshake_seconds)
    return AdminListener(AdminSettings(config.host, config.port, reloaded, bounds=bounds), routes, guard)
